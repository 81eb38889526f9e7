// The consequence of a decision on a conflict follows the choices. The server words it; typed values are not sent for that.
import { ask, say } from "./ask.js";

const form = document.querySelector("form[data-meaning]");
let asked = 0;
form?.addEventListener("change", async (event) => {
  if (!event.target.name?.startsWith("take:")) return;
  const turn = (asked += 1);
  const fields = new FormData(form);
  for (const name of [...fields.keys()]) if (name.startsWith("value:")) fields.delete(name);
  try {
    const { consequence, button } = await ask(form.dataset.meaning, fields);
    if (turn !== asked) return;
    form.querySelector("[data-decides]").hidden = !button;
    form.querySelector("[data-consequence]").textContent = consequence;
    form.querySelector("[data-button]").textContent = button;
  } catch (error) {
    say(error.message);
  }
});
