// Passkeys: the server asks, the browser shows its own dialog, and the server judges the answer.
import { ask, say } from "./ask.js";

for (const form of document.querySelectorAll("form[data-question]")) {
  form.hidden = !window.PublicKeyCredential?.parseRequestOptionsFromJSON;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const { id, options } = await ask(form.dataset.question);
      const makes = "makes" in form.dataset;
      const publicKey = PublicKeyCredential[makes ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON"](options.publicKey);
      const found = await navigator.credentials[makes ? "create" : "get"]({ publicKey });
      const fields = Object.fromEntries(new FormData(form));
      const { next } = await ask(form.action, { ...fields, question: id, answer: JSON.stringify(found.toJSON()) });
      location.assign(next);
    } catch (error) {
      say(error.name === "NotAllowedError" ? "The passkey was not used." : error.message);
    }
  });
}
