// The login in place: a dialog of the page that asks the same person for the password.
const dialog = document.getElementById("login-again");

/** Resolves to true when the person is logged in again, to false when the person gave up. */
export function logInAgain() {
  if (!dialog) return Promise.resolve(false);
  const form = dialog.querySelector("form");
  const wrong = dialog.querySelector(".wrong");
  return new Promise((resolve) => {
    let done = false;
    form.onsubmit = async (event) => {
      event.preventDefault();
      const answer = await fetch(form.action, {
        method: "POST",
        credentials: "same-origin",
        headers: { accept: "application/json" },
        body: new URLSearchParams(new FormData(form)),
      });
      if (answer.ok) {
        done = true;
        form.reset();
        dialog.close();
      } else {
        const body = await answer.json().catch(() => ({}));
        const needed = body.type?.endsWith("second-factor-needed");
        if (needed) form.querySelector("[data-second]").hidden = false;
        wrong.textContent = needed ? "" : (body.detail ?? "The login did not succeed.");
        form.querySelector(needed ? "[name=code]" : "[type=password]").focus();
      }
    };
    dialog.onclose = () => resolve(done);
    wrong.textContent = "";
    dialog.showModal();
  });
}
