// Secret fields: show, hide, copy. A value that was shown is masked after half a minute, and when the page is
// left; the value is then in no node of the page. A value that was copied is cleared from the clipboard after
// 45 seconds, unless the person keeps it.
import { ask, say } from "./ask.js";
const SHOWN_SECONDS = 30;
const COPIED_SECONDS = 45;
const open = new Set();
const label = (button, word) => (button.querySelector("[data-word]").textContent = word);
for (const row of document.querySelectorAll("[data-secret]")) {
  const value = row.querySelector("[data-value]");
  const masked = [...value.childNodes];
  const [show, copy, keep] = ["show", "copy", "keep"].map((name) => row.querySelector(`[data-act=${name}]`));
  const note = row.querySelector("[data-note]");
  let timer;
  if (copy) copy.hidden = false;
  const fetchValue = async () => (await ask(row.dataset.secret, { field: row.dataset.field })).value;
  const quiet = () => {
    clearInterval(timer);
    note.textContent = "";
    keep.hidden = true;
  };
  const hide = () => {
    quiet();
    value.replaceChildren(...masked.map((node) => node.cloneNode(true)));
    open.delete(hide);
    label(show, "Show");
  };
  const count = (seconds, word, then) => {
    clearInterval(timer);
    keep.hidden = false;
    const tick = () => {
      note.textContent = `${word} in ${seconds} s`;
      if (seconds-- <= 0) then();
    };
    tick();
    timer = setInterval(tick, 1000);
  };
  show?.form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (open.has(hide)) return hide();
    try {
      value.replaceChildren(...spelled(await fetchValue()));
      open.add(hide);
      label(show, "Hide");
      count(SHOWN_SECONDS, "masked", hide);
    } catch (error) {
      say(error.message);
    }
  });
  copy?.addEventListener("click", async () => {
    try {
      const text = await fetchValue();
      if (!navigator.clipboard) return select(value, text, hide, (name) => open.add(name));
      await navigator.clipboard.writeText(text);
      const clear = async () => {
        quiet();
        try {
          await navigator.clipboard.writeText("");
          say("Cleared here; your system may keep a history of its clipboard.");
        } catch {
          say("The browser let nobody clear the clipboard: copy something else over it.");
        }
      };
      say(`${copy.dataset.label} is in the clipboard.`);
      count(COPIED_SECONDS, "cleared", clear);
    } catch (error) {
      say(error.message);
    }
  });
  keep?.addEventListener("click", quiet);
}
// Values that the server put into the page go after a minute.
const mask = () => document.querySelectorAll("[data-shown]").forEach((value) => (value.textContent = "••••••••"));
setTimeout(mask, 60_000);
addEventListener("pagehide", () => (mask(), open.forEach((hide) => hide())));
/** Digits and symbols in their own spans, so that 0 and O are told apart; spaces and line ends as they are. */
function spelled(text) {
  return [...text.matchAll(/\d+|[^\p{L}\d\s]+|[\p{L}\s]+/gu)].map(([part]) => {
    const kind = /^\d/.test(part) ? "digit" : /^[^\p{L}\s]/u.test(part) ? "symbol" : null;
    if (!kind) return document.createTextNode(part);
    const span = document.createElement("span");
    [span.className, span.textContent] = [kind, part];
    return span;
  });
}
/** Without a clipboard (no https), the value is shown and selected for the person to copy. */
function select(value, text, hide, opened) {
  value.replaceChildren(text);
  opened(hide);
  getSelection().selectAllChildren(value);
  say("This page has no clipboard without https: the value is selected, copy it with the keyboard.");
  setTimeout(hide, SHOWN_SECONDS * 1000);
}
