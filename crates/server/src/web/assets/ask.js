// Requests of the page to its own server, in JSON. A session that expired asks for the login in a dialog, and what needs a
// fresh proof asks for that. Then the request is repeated, so that nothing that was typed is lost.
import { logInAgain, proveAgain } from "./again.js";
export async function ask(address, fields = {}) {
  const request = async () => {
    const headers = { accept: "application/json", "content-type": "application/x-www-form-urlencoded" };
    const answer = await fetch(address, { method: "POST", credentials: "same-origin", headers, body: new URLSearchParams(fields) });
    return [answer, await answer.json().catch(() => ({}))];
  };
  let [answer, body] = await request();
  if (answer.status === 401 && (await logInAgain())) [answer, body] = await request();
  if (body.type?.endsWith(":step-up") && (await proveAgain())) [answer, body] = await request();
  if (!answer.ok) throw new Error(body.detail ?? `the server answered ${answer.status}`);
  return body;
}
/** Asks the server at each change of a form that `fields` is interested in. Only the newest answer counts. */
export function follow(form, address, fields, then) {
  let asked = 0;
  form?.addEventListener("change", ({ target }) => {
    const sent = fields(target);
    const turn = sent && (asked += 1);
    if (sent) ask(address, sent).then((answer) => turn === asked && then(answer), (error) => say(error.message));
  });
}
/** Says what happened in the one status line of the page. */
export function say(text) {
  const line = document.querySelector("[role=status]");
  if (line) line.textContent = text;
}
