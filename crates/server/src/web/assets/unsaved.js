// A changed form asks once before the page is left. A save asks whether the session still holds, and a form that needs a
// fresh proof asks for it, before the page is left: the dialog opens in place, and then the form goes on.
import { logInAgain, proveAgain } from "./again.js";
import { say } from "./ask.js";

// Two minutes before the session ends for want of a request, the status line says so.
const ends = Number(document.body.dataset.ends);
if (ends) setTimeout(() => say("Your session ends in two minutes. Reload the page, or go on, and it stays."), Math.max(0, ends - 120) * 1000);

for (const form of document.querySelectorAll("form[data-keep], form[data-proof], form:has([data-proof])")) {
  let changed = form.hasAttribute("data-changed");
  let known = false;
  const kept = form.hasAttribute("data-keep");
  form.addEventListener("input", () => (changed = true));
  form.addEventListener("submit", async (event) => {
    const proof = form.hasAttribute("data-proof") || event.submitter?.hasAttribute("data-proof");
    if (known || !(kept || proof)) {
      // A form whose answer takes long says so as soon as it is sent.
      if (form.dataset.busy) say(form.dataset.busy);
      return (known = changed = false);
    }
    event.preventDefault();
    if (proof && !(await proveAgain())) return;
    const answer = proof ? null : await fetch("/login", { credentials: "same-origin", headers: { accept: "application/json" } }).catch(() => null);
    if (answer?.status === 401 && !(await logInAgain())) return;
    [known, changed] = [true, false];
    form.requestSubmit(event.submitter);
  });
  addEventListener("beforeunload", (event) => {
    if (changed && kept) event.preventDefault();
  });
}
