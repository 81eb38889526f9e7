// The ticks of a plan. The server counts what is left, and its words stand in the button before anybody presses it.
import { follow } from "./ask.js";

const form = document.querySelector("form[data-ticks]");
follow(form, form?.dataset.ticks, ({ name }) => name === "do" && new FormData(form), (sum) => {
  for (const [name, text] of Object.entries(sum.texts)) for (const place of form.querySelectorAll(`[data-sum=${name}]`)) place.textContent = text;
  form.elements.counted.value = sum.counted;
  form.querySelector("button.primary").disabled = sum.nothing;
  form.querySelector("[data-sum-link]").href = sum.address;
  form.querySelector("[data-needs-word]")?.toggleAttribute("hidden", !sum.word);
  history.replaceState(null, "", sum.address);
});
