// Dialogs of the page that let a person go on where they are: the login after the session has ended, and the proof that it
// is them.
const ASKED = { credentials: "same-origin", headers: { accept: "application/json" } };

/** Resolves to true when the server accepted what the dialog asked for, to false when the person gave up. */
function asked(dialog) {
  if (!dialog) return Promise.resolve(false);
  const form = dialog.querySelector("form");
  const wrong = dialog.querySelector(".wrong");
  return new Promise((resolve) => {
    let done = false;
    form.onsubmit = async (event) => {
      event.preventDefault();
      const answer = await fetch(form.action, { ...ASKED, method: "POST", body: new URLSearchParams(new FormData(form)) });
      if (answer.ok) {
        done = true;
        form.reset();
        return dialog.close();
      }
      const body = await answer.json().catch(() => ({}));
      const needed = body.type?.endsWith("second-factor-needed");
      if (needed) form.querySelector("[data-second]").hidden = false;
      wrong.textContent = needed ? "" : (body.detail ?? "That did not succeed.");
      form.querySelector(needed ? "[name=code]" : "input:enabled:not([type=hidden])").focus();
    };
    dialog.onclose = () => resolve(done);
    wrong.textContent = "";
    dialog.showModal();
  });
}

export const logInAgain = () => asked(document.getElementById("login-again"));

/** Resolves to true when the proof is fresh, or becomes so in a dialog. Where there is none, the server asks. */
export async function proveAgain() {
  const answer = await fetch("/login/prove", ASKED).catch(() => null);
  if (answer?.status === 401) return logInAgain();
  const dialog = document.getElementById("prove-again");
  const { fresh, by_code } = answer?.ok && dialog ? await answer.json() : { fresh: true };
  if (fresh) return true;
  for (const by of dialog.querySelectorAll("fieldset")) by.hidden = by.disabled = (by.dataset.by === "code") !== by_code;
  return asked(dialog);
}
