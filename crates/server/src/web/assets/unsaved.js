// A changed form asks once before the page is left. A save asks whether the session still holds, before the page is
// left: if it does not, the login opens in place, and the save goes on.
import { logInAgain } from "./again.js";
import { say } from "./ask.js";

// Two minutes before the session ends for want of a request, the status line says so.
const ends = Number(document.body.dataset.ends);
if (ends) setTimeout(() => say("Your session ends in two minutes. Reload the page, or go on, and it stays."), Math.max(0, ends - 120) * 1000);

for (const form of document.querySelectorAll("form[data-keep]")) {
  let changed = form.hasAttribute("data-changed");
  let known = false;
  form.addEventListener("input", () => (changed = true));
  form.addEventListener("submit", async (event) => {
    const leave = () => (changed = false);
    if (known) return leave();
    event.preventDefault();
    const answer = await fetch("/login", { credentials: "same-origin", headers: { accept: "application/json" } }).catch(() => null);
    if (answer?.status === 401 && !(await logInAgain())) return;
    known = true;
    leave();
    form.requestSubmit(event.submitter);
  });
  addEventListener("beforeunload", (event) => {
    if (changed) event.preventDefault();
  });
}
