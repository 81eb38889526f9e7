// The first hour with a Vault: from an address to a first plan, on a real OpenBao. Afterwards what can be changed.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, launch, logIn, wellMade, window_ } from "./browser.mjs";
import { MARKER, OWNER, PASSWORD, asTheScriptDoes, furnish, open, openBao } from "./house.mjs";

let browser, house, furnished;
before(async () => {
  browser = await launch();
  house = await open({ licensed: true });
  furnished = await furnish(house);
  house.bao = await openBao(house);
});
after(async () => {
  await browser?.close();
  house?.close();
});

const check = async (page) => {
  await wellMade(page, { marker: MARKER });
  await accessible(page);
};

test("from an address to a first plan in five steps, each with an address of its own", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto("/");
  await page.click("main a:has-text('Connect a Vault')");
  await page.waitForURL("**/connections/new");
  await check(page);
  await page.fill("#name", "first");
  await page.selectOption("#collection", furnished.payments.id);
  await page.fill("#address", "http://127.0.0.1:9");
  await page.click("text=Ask the server");
  await page.waitForSelector("text=the server cannot be reached so far");
  await check(page);
  await page.fill("#address", house.bao.address);
  await page.click("text=Ask the server");
  await page.waitForSelector("text=the server answers");
  await check(page);
  await page.click("text=Next: the policy");
  await page.waitForURL(/connections\/new\/policy\?/);
  await page.fill("#mount", "kv");
  await page.fill("#path", "payments");
  await page.click("text=Show the policy");
  await page.waitForSelector("text=Script for an operator of Vault");
  await check(page);
  await page.reload();
  assert.equal(await page.inputValue("#path"), "payments", "the address holds what was typed");
  await page.click("text=The policy alone");
  const { role_id, token } = await asTheScriptDoes(house.bao, await page.textContent("details.section pre"));
  await page.click("text=Next: the login");
  await page.waitForURL(/connections\/new\/login\?/);
  await check(page);
  await page.fill("#role_id", role_id);
  await page.fill("#wrapping_token", "s.not-a-token");
  await page.click("text=Make the connection");
  await page.waitForSelector("[role=alert]:has-text('token')");
  assert.equal(await page.inputValue("#role_id"), role_id, "only the token has to be typed again");
  await page.fill("#wrapping_token", token);
  await page.click("text=Make the connection");
  await page.waitForURL("**/connections/*/rights");
  await check(page);
  await page.click("text=Check the rights");
  await page.waitForSelector("text=The role has every right that the connection needs.");
  assert.ok((await page.textContent("main")).includes("granted"));
  await check(page);
  await page.click("text=Next: the options");
  await page.waitForURL("**/options");
  await check(page);
  await page.check("input[name=initial][value=prefer_local]");
  await page.fill("#interval_minutes", "0");
  await page.uncheck("input[name=on_change]");
  await page.click("text=Save the options");
  await page.waitForURL(/connections\/[0-9a-f-]+$/);
  assert.ok((await page.textContent("main")).includes("When both sides hold a path at the first sync, VaultTerm's value counts."));
  await page.click("text=Make a plan");
  await page.waitForURL("**/plans/*");
  assert.ok((await page.textContent("main")).includes("stripe-live"));
  await check(page);
  await page.context().close();
});

test("a change of the place says that the next run is a first sync, and a deletion what stays", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  const { items } = await house.ana.call("GET", "/connections");
  await page.goto(`/connections/${items[0].id}/edit`);
  await check(page);
  await page.fill("#path", "payments-new");
  await page.click("text=See what it means");
  await page.waitForSelector("text=The next run is a first sync.");
  await check(page);
  await page.click("text=Save, and start with a first sync");
  await page.waitForURL(/connections\/[0-9a-f-]+$/);
  await page.goto(`/connections/${items[0].id}/secret-id`);
  await check(page);
  await page.goto("/runs");
  await check(page);
  await page.goto(`/connections/${items[0].id}/delete`);
  await check(page);
  await page.click("button:has-text('Delete first')");
  await page.waitForURL(`${house.address}/`);
  assert.equal((await house.ana.call("GET", "/connections")).items.length, 0);
  await page.context().close();
});
