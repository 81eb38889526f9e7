// One-time codes: fetched when the person asks, renewed while they are shown, gone after two minutes.
import { ask, say } from "./ask.js";
for (const row of document.querySelectorAll("[data-otp]")) {
  const [code, note] = [row.querySelector("[data-value]"), row.querySelector("[data-note]")];
  const form = row.querySelector("form");
  const masked = code.textContent;
  let timer;
  const hide = () => {
    clearInterval(timer);
    code.textContent = masked;
    note.textContent = "";
  };
  const show = async () => {
    const answer = await ask(row.dataset.otp);
    code.textContent = answer.code.replace(/^(.{3})(.+)$/, "$1 $2");
    return answer.expires_in_seconds;
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    let left = 0;
    let shown = 0;
    const tick = async () => {
      if (shown++ > 120) return hide();
      if (left-- <= 0) left = await show();
      note.textContent = `new code in ${left} s`;
    };
    clearInterval(timer);
    const go = () => tick().catch((error) => (hide(), say(error.message)));
    timer = setInterval(go, 1000);
    await go();
  });
  addEventListener("pagehide", hide);
}
