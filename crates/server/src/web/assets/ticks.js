// The ticks of a plan. The server counts what is left, and its words stand in the button before anybody presses it.
import { ask, say } from "./ask.js";

const form = document.querySelector("form[data-ticks]");
let asked = 0;
form?.addEventListener("change", async (event) => {
  if (event.target.name !== "do") return;
  const turn = (asked += 1);
  try {
    const sum = await ask(form.dataset.ticks, new FormData(form));
    if (turn !== asked) return;
    for (const [name, text] of Object.entries(sum.texts)) for (const place of form.querySelectorAll(`[data-sum=${name}]`)) place.textContent = text;
    form.elements.counted.value = sum.counted;
    form.querySelector("button.primary").disabled = sum.nothing;
    form.querySelector("[data-sum-link]").href = sum.address;
    form.querySelector("[data-needs-word]")?.toggleAttribute("hidden", !sum.word);
    history.replaceState(null, "", sum.address);
  } catch (error) {
    say(error.message);
  }
});
