// The consequence of a decision on a conflict follows the choices. The server words it; typed values are not sent for that.
import { follow } from "./ask.js";

const form = document.querySelector("form[data-meaning]");
const chosen = () => [...new FormData(form)].filter(([name]) => !name.startsWith("value:"));
follow(form, form?.dataset.meaning, ({ name }) => name?.startsWith("take:") && chosen(), ({ consequence, button }) => {
  form.querySelector("[data-decides]").hidden = !button;
  form.querySelector("[data-consequence]").textContent = consequence;
  form.querySelector("[data-button]").textContent = button;
});
