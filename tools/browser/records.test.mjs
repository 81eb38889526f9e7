// Set-up, login, records: what a person does in a browser.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { check, launch, logIn, wellMade, window_ } from "./browser.mjs";
import { MARKER, OWNER, PASSWORD, furnish, guest, open } from "./house.mjs";

let browser, house, ids;
before(async () => {
  browser = await launch();
  house = await open();
  ({ ids } = await furnish(house));
});
after(async () => {
  await browser?.close();
  house?.close();
});

const status = (page) => page.textContent("[role=status]");

test("every page is well made, for the eye, the keyboard and a screen reader", async () => {
  const page = await window_(browser, house);
  await page.goto("/login");
  await check(page);
  await logIn(page, OWNER, PASSWORD);
  const primary = `/records/${ids["databases/payments-primary"]}`;
  for (const address of [
    "/records",
    "/records?q=pay",
    "/records?q=nothing-like-this",
    "/records?state=only&type=PASSWORD",
    "/trash",
    primary,
    `${primary}/edit`,
    `${primary}/history`,
    `${primary}/history?from=1&to=2`,
    `${primary}/trash`,
    `/records/${ids["people/deploy"]}`,
    `/records/${ids["apps/old"]}`,
    "/records/new",
    "/records/new?type=SSH_KEY",
    "/records/00000000-0000-0000-0000-000000000000",
    "/nowhere",
  ]) {
    const answer = await page.goto(address);
    assert.ok([200, 404].includes(answer.status()), address);
    const missing = answer.status() === 404;
    if (missing) page.faults.splice(0, page.faults.length, ...page.faults.filter((fault) => !fault.includes("404")));
    await check(page);
  }
  await page.context().close();
});

test("a wrong password says so and keeps the address, and a right one leads where the person wanted to go", async () => {
  const page = await window_(browser, house);
  await page.goto("/records?q=pay");
  assert.ok(page.url().includes("/login?next="));
  await page.fill("#email", OWNER);
  await page.fill("#password", "a wrong password");
  await page.click("button.primary");
  assert.equal(await page.textContent("[role=alert]"), "The e-mail address or the password is wrong.");
  assert.equal(await page.inputValue("#email"), OWNER);
  await page.fill("#password", PASSWORD);
  await page.click("button.primary");
  await page.waitForURL("**/records?q=pay");
  const cookies = await page.context().cookies();
  assert.deepEqual(cookies.map(({ name, httpOnly, sameSite }) => [name, httpOnly, sameSite]), [["vaultterm", true, "Strict"]]);
  await page.click("details.menu summary");
  await page.click("text=Log out");
  await page.waitForURL("**/login");
  await page.goto("/records");
  assert.ok(page.url().includes("/login"));
  await page.context().close();
});

test("a value is shown on request, masked again, and copied without being shown", async () => {
  const page = await window_(browser, house, { permissions: ["clipboard-read", "clipboard-write"] });
  await logIn(page, OWNER, PASSWORD);
  await page.goto(`/records/${ids["databases/payments-primary"]}`);
  const row = page.locator("[data-field=password]");
  await row.locator("[data-act=show]").click();
  await row.locator("text=Hide").waitFor();
  assert.equal(await row.locator("[data-value]").textContent(), `${MARKER}-x7Kq-vTr0%pLm3`);
  await row.locator("[data-act=show]").click();
  await row.locator(".masked").waitFor();
  await wellMade(page, { marker: MARKER, focus: false });
  await row.locator("[data-act=copy]").click();
  await page.waitForFunction(() => document.querySelector("[role=status]").textContent.includes("clipboard"));
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${MARKER}-x7Kq-vTr0%pLm3`);
  await wellMade(page, { marker: MARKER, focus: false });
  const audited = (await house.ana.call("GET", "/audit/events?action=RECORD_REVEALED")).items;
  assert.equal(audited.length, 2, "each look is in the audit log");
  await page.context().close();
});

test("a one-time code is shown on request and counts down", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto(`/records/${ids["people/deploy"]}`);
  await page.click("text=Show the code");
  await page.waitForFunction(() => /^\d{3} \d{3}$/.test(document.querySelector(".otp").textContent));
  await page.waitForFunction(() => document.querySelector("[data-otp] [data-note]").textContent.startsWith("new code in"));
  await wellMade(page, { focus: false });
  await page.context().close();
});

for (const script of [true, false]) {
  const how = script ? "with script" : "without script";
  test(`a record is made, edited over its diff, restored and thrown away, ${how}`, async () => {
    const page = await window_(browser, house, { javaScriptEnabled: script });
    await logIn(page, OWNER, PASSWORD);
    await page.goto("/records/new?type=PASSWORD");
    const path = `made/${script ? "with" : "without"}`;
    await page.selectOption("#collection", { label: "team" });
    await page.fill("#path", path);
    await page.locator("main").getByLabel("Username").fill("made");
    await page.locator("main").getByLabel("Password", { exact: true }).fill(`${MARKER}-first`);
    await page.click("main button.primary");
    await page.waitForSelector("text=Nothing is saved yet");
    await page.click("text=Save the record");
    await page.waitForURL("**/records/*?saved=1");
    assert.equal(await status(page), "Saved as revision 1.");
    await page.click("text=Edit");
    await page.locator("main").getByLabel("Password", { exact: true }).fill(`${MARKER}-second`);
    await page.fill("#tags", "prod");
    await page.click("main button.primary");
    await page.waitForSelector("text=Save as revision 2");
    const rows = await page.locator("table.diff tbody tr").allTextContents();
    assert.equal(rows.length, 2, `${rows}`);
    // Enter confirms.
    await page.focus("text=Save as revision 2");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/records/*?saved=2");
    await page.click("text=History");
    await page.click("text=What it changed in revision 2");
    await page.click("text=Restore revision 1 as revision 3");
    await page.waitForURL("**/records/*?restored=3");
    assert.equal(await status(page), "Restored as revision 3.");
    await page.click("text=Move to the trash");
    await page.click("text=Move revision 3 to the trash");
    await page.waitForURL("**/trash");
    await page.click(`text=Restore ${path}`);
    await page.waitForURL("**/records/*?restored=4");
    await page.context().close();
  });

  test(`a form whose session has ended is not lost, ${how}`, async () => {
    const page = await window_(browser, house, { javaScriptEnabled: script });
    await logIn(page, OWNER, PASSWORD);
    const path = `kept/${script ? "with" : "without"}`;
    await page.goto("/records/new?type=ENV_VAR");
    await page.selectOption("#collection", { label: "team" });
    await page.fill("#path", path);
    await page.locator("main").getByLabel("Value", { exact: true }).fill(`${MARKER}-kept`);
    // The session ends on the server, while the page stays open with its cookie.
    const users = (await house.ana.call("GET", "/users")).items;
    const ana = users.find(({ email }) => email === OWNER);
    endSessions(ana);
    await page.click("main button.primary");
    if (script) {
      await page.locator("#again-password").fill(PASSWORD);
      await page.click("#login-again button.primary");
    } else {
      await page.waitForURL("**/login/again?kept=*");
      await page.fill("#password", PASSWORD);
      await page.click("button.primary");
      await page.click("text=Go on with the form");
    }
    await page.waitForSelector("text=Nothing is saved yet");
    await page.click("text=Save the record");
    await page.waitForURL("**/records/*?saved=1");
    await page.context().close();
  });
}

/** Ends the sessions of a person in the database, as half an hour without a request does. */
function endSessions(ana) {
  execFileSync("python3", ["-c", `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=30)
db.execute("UPDATE sessions SET ends_us = 1 WHERE user_id = ?", (sys.argv[2],))
db.commit()
`, `${house.folder}/data/vaultterm.db`, ana.id]);
}

test("somebody else saved meanwhile: both are shown, and nothing typed is lost", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  const id = ids["apps/payroll"];
  await page.goto(`/records/${id}/edit`);
  await page.locator("main").getByLabel("Password", { exact: true }).fill(`${MARKER}-mine`);
  await house.ana.call("PATCH", `/records/${id}`, { fields: { password: `${MARKER}-theirs`, url: "https://new.example.com" } }, { "if-match": '"1"' });
  await page.click("main button.primary");
  await page.waitForSelector("text=was saved meanwhile");
  // What the person typed stays in the page.
  await check(page, { marker: null });
  assert.equal(await page.locator(".columns input[type=radio]").count(), 2, "one field is for the person to choose");
  await page.click("text=Review over revision 2");
  await page.click("text=Save as revision 3");
  await page.waitForURL("**/records/*?saved=3");
  const taken = await house.ana.call("POST", `/records/${id}/reveal`, {});
  assert.equal(taken.fields.password, `${MARKER}-mine`);
  assert.equal(taken.fields.url, "https://new.example.com");
  await page.context().close();
});

test("a viewer sees what is theirs, may not edit, and is told who could allow it", async () => {
  const page = await window_(browser, house);
  await logIn(page, "bo@example.com", PASSWORD);
  assert.equal(await page.locator("nav.side >> text=payments").count(), 0);
  await page.goto(`/records/${ids["databases/payments-primary"]}`);
  assert.equal(await page.locator("main >> text=Edit").count(), 0);
  assert.equal((await page.goto(`/records/${ids["databases/payments-primary"]}/edit`)).status(), 403);
  await page.waitForSelector(`text=Ask an admin of the collection, who can give it: ${OWNER}`);
  assert.equal((await page.goto(`/records/${ids["stripe-live"]}`)).status(), 404);
  await page.context().close();
});

test("the keyboard finds, walks and opens records", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.keyboard.press("/");
  await page.keyboard.type("payments-primary");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/records?q=payments-primary");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/records/${ids["databases/payments-primary"]}`);
  await page.keyboard.press("e");
  await page.waitForURL("**/edit");
  await page.context().close();
});

test("the set-up link makes the first owner, who is logged in", async () => {
  const empty = await open({ owner: false });
  try {
    const link = empty.said.match(/\/setup#\S+/)[0];
    const page = await window_(browser, empty);
    await page.goto(link);
    assert.notEqual(await page.inputValue("#token"), "");
    assert.ok(!page.url().includes("#"), "the token leaves the address");
    await check(page, { focus: false });
    await page.fill("#email", OWNER);
    await page.fill("#name", "Ana Ruiz");
    await page.fill("#password", PASSWORD);
    await page.fill("#again", PASSWORD);
    await page.click("button.primary");
    await page.waitForSelector("text=Connect a Vault");
    await check(page);
    await page.click("text=Or save a first record");
    await page.click("text=Make the collection");
    await page.waitForSelector("#path");
    await wellMade(page);
    await page.goto("/records");
    await page.waitForSelector("text=No records yet");
    await check(page);
    await page.context().close();
  } finally {
    empty.close();
  }
});

test("three ways to send a form from elsewhere are refused", async () => {
  await guest(house, OWNER);
  for (const headers of [{}, { origin: "https://evil.example" }, { origin: "null" }, { "sec-fetch-site": "cross-site", origin: house.address }]) {
    const answer = await fetch(`${house.address}/login`, {
      method: "POST",
      redirect: "manual",
      headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
      body: new URLSearchParams({ email: OWNER, password: PASSWORD }),
    });
    assert.equal(answer.status, 403, JSON.stringify(headers));
  }
});
