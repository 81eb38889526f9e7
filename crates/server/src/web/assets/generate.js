// Generates a value into its field in place. What stood there before is kept, and Undo brings it back.
import { ask, say } from "./ask.js";
for (const button of document.querySelectorAll("[data-act=generate]")) {
  const [undo, note, before] = ["[data-act=undo]", "[data-note]", "[data-before]"].map((mark) => button.parentElement.querySelector(mark));
  const field = document.getElementById(button.dataset.field);
  const kept = before.disabled ? [] : [before.value];
  const put = (value, words) => {
    field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    [before.disabled, before.value, undo.hidden, note.textContent] = [!kept.length, kept.at(-1) ?? "", !kept.length, words];
  };
  const generated = ({ value }) => put(value, kept.push(field.value) && field.value ? `before: ${field.value}` : "generated");
  const on = (act, work) => act.addEventListener("click", (event) => (event.preventDefault(), work()));
  on(button, () => ask("/generate", [...new FormData(button.form)].filter(([name]) => name.startsWith("gen-"))).then(generated, (error) => say(error.message)));
  on(undo, () => put(kept.pop() ?? "", "as it was before"));
}
