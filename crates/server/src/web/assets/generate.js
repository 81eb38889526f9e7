// A value is generated into its field in place. What stood there before is kept, and Undo brings it back. Only a click generates.
import { ask, say } from "./ask.js";

for (const button of document.querySelectorAll("[data-act=generate]")) {
  const field = document.getElementById(button.dataset.field);
  const undo = button.parentElement.querySelector("[data-act=undo]");
  const note = button.parentElement.querySelector("[data-note]");
  const before = button.parentElement.querySelector("[data-before]");
  const kept = before.disabled ? [] : [before.value];
  const put = (value, words) => {
    field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    before.disabled = kept.length === 0;
    before.value = kept.at(-1) ?? "";
    undo.hidden = kept.length === 0;
    note.textContent = words;
  };
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    const rules = new FormData(button.form);
    const told = ["gen-length", "gen-no-symbols", "gen-no-ambiguous"].filter((name) => rules.has(name)).map((name) => [name, rules.get(name)]);
    try {
      const { value } = await ask("/generate", told);
      kept.push(field.value);
      put(value, kept.at(-1) ? `before: ${kept.at(-1)}` : "generated");
    } catch (error) {
      say(error.message);
    }
  });
  undo.addEventListener("click", (event) => {
    event.preventDefault();
    put(kept.pop() ?? "", "as it was before");
  });
}
