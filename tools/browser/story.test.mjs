// The first day with VaultTerm, in one window: from the set-up link to a decided conflict, on a real OpenBao.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { check, launch, window_ } from "./browser.mjs";
import { MARKER, OWNER, PASSWORD, asTheScriptDoes, open, openBao } from "./house.mjs";
import { totp } from "./totp.mjs";

let browser, house, bao;
before(async () => {
  browser = await launch();
  house = await open({ owner: false });
  bao = await openBao(house);
});
after(async () => {
  await browser?.close();
  house?.close();
});

/** Becomes the owner by the set-up link, and switches one-time codes on. Returns their secret and the recovery codes. */
async function begin(page) {
  await page.goto(house.said.match(/\/setup#\S+/)[0]);
  await page.fill("#email", OWNER);
  await page.fill("#name", "Ana Ruiz");
  await page.fill("#password", PASSWORD);
  await page.fill("#again", PASSWORD);
  await page.click("button.primary");
  await page.waitForSelector("text=Connect a Vault");
  await page.goto("/me/factors");
  await page.click("text=Set up one-time codes");
  const secret = await page.textContent(".secret");
  await page.fill("#code", totp(secret));
  await page.click("text=Switch one-time codes on");
  await page.waitForSelector(".recovery");
  const codes = await page.locator(".recovery li").allTextContents();
  await page.fill("#code", codes[0]);
  await page.click("text=I kept them");
  await page.waitForURL("**/me/factors?kept=1");
  return { secret, codes };
}

/** Logs out, and in again with the second factor. */
async function return_(page, secret) {
  await page.click("details.menu summary");
  await page.click("text=Log out");
  await page.waitForURL("**/login");
  await page.fill("#email", OWNER);
  await page.fill("#password", PASSWORD);
  await page.click("button.primary");
  await page.waitForURL("**/login/code*");
  // The code of this moment was used to switch the codes on, and no code is accepted twice.
  await page.fill("#code", totp(secret, 30));
  await page.click("button.primary");
  await page.waitForURL((url) => !url.pathname.startsWith("/login"));
}

/** Saves a record of names and values on the pages. */
async function save(page, path, values) {
  await page.goto("/records/new?type=PASSWORD");
  await page.fill("#path", path);
  for (const [label, value] of Object.entries(values)) await page.locator("main").getByLabel(label, { exact: true }).fill(value);
  await page.click("main button.primary");
  await page.waitForSelector("text=Nothing is saved yet");
  await page.click("text=Save the record");
  await page.waitForURL("**/records/*?saved=1");
  return new URL(page.url()).pathname;
}

/** Connects `kv/team`, as the five steps of the pages say. */
async function connect(page) {
  await page.goto("/");
  await page.click("main a:has-text('Connect a Vault')");
  await page.waitForURL("**/connections/new");
  await page.fill("#name", "prod");
  await page.fill("#address", bao.address);
  await page.click("text=Ask the server");
  await page.waitForSelector("text=the server answers");
  await page.click("text=Next: the policy");
  await page.waitForURL(/connections\/new\/policy\?/);
  await page.fill("#mount", "kv");
  await page.fill("#path", "team");
  await page.click("text=Show the policy");
  await page.click("text=The policy alone");
  const { role_id, token } = await asTheScriptDoes(bao, await page.textContent("details.section pre"));
  await page.click("text=Next: the login");
  await page.waitForURL(/connections\/new\/login\?/);
  await page.fill("#role_id", role_id);
  await page.fill("#wrapping_token", token);
  await page.click("text=Make the connection");
  await page.waitForURL("**/connections/*/rights");
  await page.click("text=Check the rights");
  await page.waitForSelector("text=The role has every right that the connection needs.");
  await page.click("text=Next: the options");
  await page.waitForURL("**/options");
  await page.fill("#interval_minutes", "0");
  await page.uncheck("input[name=on_change]");
  await page.click("text=Save the options");
  await page.waitForURL(/connections\/[0-9a-f-]+$/);
  return new URL(page.url()).pathname;
}

/** Makes a plan for a connection, and shows it. */
async function plan(page, connection) {
  await page.goto(connection);
  await page.click("text=Make a plan");
  await page.waitForURL("**/plans/*");
}

test("the first day: a second factor, a record, a Vault, a plan with one path unticked, a conflict, the audit log", async () => {
  const page = await window_(browser, house);
  const { secret } = await begin(page);
  await return_(page, secret);
  await check(page);

  await page.goto("/");
  await page.click("text=Or save a first record");
  await page.click("text=Make the collection");
  await page.waitForSelector("#path");
  const web = await save(page, "apps/web", { Username: "web", Password: `${MARKER}-web` });
  await save(page, "apps/worker", { Username: "worker", Password: `${MARKER}-worker` });
  await check(page);

  await page.goto("/license");
  await page.click("text=Begin the 30 days now");
  await page.waitForSelector("text=evaluation");
  await check(page);

  const connection = await connect(page);
  await plan(page, connection);
  await page.uncheck("input[name=do][value='apps/worker']");
  await page.waitForSelector("text=Apply 1 of 2");
  await check(page, { focus: false });
  await page.click("text=Apply 1 of 2");
  await page.waitForURL("**/runs/*");
  await page.waitForSelector("text=What moved");
  await check(page);
  assert.equal((await bao.get("team/apps/web")).password, `${MARKER}-web`);
  assert.equal(await bao.get("team/apps/worker").catch(() => null), null, "the unticked path was left alone");

  await page.goto(`${web}/edit`);
  await page.locator("main").getByLabel("Username", { exact: true }).fill("web_v2");
  await page.locator("main").getByLabel("Password", { exact: true }).fill(`${MARKER}-here`);
  await page.click("main button.primary");
  await page.click("text=Save as revision 2");
  await page.waitForURL("**/records/*?saved=2");
  await bao.put("team/apps/web", { username: "web", password: `${MARKER}-there` });
  await plan(page, connection);
  assert.ok((await page.textContent("main")).includes("Needs a decision"));
  await page.click("text=Apply all 1");
  await page.waitForURL("**/runs/*");
  await page.waitForSelector("text=What moved");
  assert.equal((await bao.get("team/apps/worker")).password, `${MARKER}-worker`, "the next run took it along");
  assert.equal((await bao.get("team/apps/web")).password, `${MARKER}-there`, "nothing was written over the conflict");

  await page.goto("/conflicts");
  await page.click("main >> text=apps/web");
  await page.waitForURL("**/conflicts/*-*");
  await page.check("input[name='take:username'][value=local]");
  await page.check("input[name='take:password'][value=remote]");
  await page.fill("#reason", "our name, their password");
  await page.click("text=/^Write the merge over Vault v2/");
  await page.waitForSelector("text=What was written");
  await check(page);
  assert.deepEqual(await bao.get("team/apps/web"), { username: "web_v2", password: `${MARKER}-there` });

  await page.goto("/audit");
  await check(page);
  const said = (await page.locator("tbody tr").allTextContents()).map((row) => row.replaceAll(/\s+/g, " "));
  const decided = said.findIndex((row) => row.includes("decided the conflict at"));
  const met = said.findIndex((row) => row.includes("met a conflict at"));
  const made = said.findIndex((row) => row.includes("created the connection"));
  assert.ok(decided >= 0 && decided < met && met < made, `newest first: ${said.join("\n")}`);
  await page.click("text=Verify the log");
  await page.waitForSelector("text=The log holds together");
  await check(page);
  await page.context().close();
});
