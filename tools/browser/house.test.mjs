// The installation itself and its audit log, many records at once, moves between collections, generated values.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, check, launch, logIn, wellMade, window_ } from "./browser.mjs";
import { MARKER, OWNER, PASSWORD, furnish, open } from "./house.mjs";

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
test("the pages of the installation are well made, full and empty", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  for (const address of ["/audit", "/audit?action=RECORD_CREATED", "/audit?from=2001-01-01&to=2001-01-02", "/audit/1", "/health", "/license", "/keys", "/webhooks", "/generated"]) {
    const answer = await page.goto(address);
    assert.equal(answer.status(), 200, address);
    await check(page);
  }
  await page.goto("/webhooks");
  await page.fill("#name", "siem");
  await page.fill("#url", "http://127.0.0.1:9/in");
  await page.click("text=Create, and show its secret");
  await page.waitForSelector("text=shown this once");
  await check(page);
  await page.goto("/webhooks");
  assert.ok(!(await page.content()).includes("whsec_"), "the secret is shown once");
  await check(page);
  await page.context().close();
});

test("the audit log is narrowed, followed to an entry and its object, verified and exported", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto("/audit");
  await page.selectOption("#action", { label: "Moved to the trash" });
  await page.click("text=Narrow");
  await page.waitForURL("**/audit?*action=RECORD_DELETED*");
  assert.equal(await page.locator("tbody tr").count(), 1);
  await page.click("tbody tr td.number a");
  await page.waitForURL("**/audit/*");
  assert.ok((await status(page)).includes("moved to the trash apps/old"));
  await check(page);
  await page.goto("/audit");
  await page.click("text=Verify the log");
  await page.waitForSelector("text=The log holds together");
  await check(page);
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("text=Export all")]);
  assert.equal(download.suggestedFilename(), "audit.jsonl");
  await page.context().close();
});

test("an evaluation begins with one click, once", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto("/license");
  await page.click("text=Begin the 30 days now");
  await page.waitForSelector("text=issued by this installation to itself");
  assert.ok((await status(page)).startsWith("An evaluation of 30 days has begun"));
  await check(page);
  await page.goto("/license");
  assert.equal(await page.locator("text=Begin the 30 days now").count(), 0);
  await page.context().close();
});

test("ticked records are tagged together, and a move says who gains and who loses", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto("/records?q=payments");
  await page.locator(".ticked").getByText("Tag", { exact: true }).click();
  await page.waitForURL("**/records?ticked=none");
  assert.equal(await status(page), "Tick the records first.");
  await page.goto("/records?q=payments-api");
  await page.getByLabel("apps/payments-api").check();
  await page.locator(".ticked").getByText("Tag", { exact: true }).click();
  await page.waitForSelector("text=Nothing is done yet");
  await check(page);
  await page.fill("#add", "pci");
  await page.locator("main button.primary").click();
  await page.waitForURL("**/records?changed=1");
  assert.equal(await status(page), "1 record was changed.");
  await page.goto(`/records/${ids["apps/payments-api"]}/move`);
  await check(page);
  await page.selectOption("#to", { label: "payments" });
  await page.click("text=See what it means");
  await page.waitForSelector("text=Loses access");
  assert.ok((await page.textContent("main")).includes("bo@example.com (sees it)"));
  await check(page);
  await page.click("text=/Move revision \\d+ to payments/");
  await page.waitForURL("**/records/*?moved=*");
  assert.ok((await status(page)).startsWith("Moved to payments"));
  await check(page);
  await page.context().close();
});

test("ticked records show their values together, each look audited, and none that is for programs only", async () => {
  const { call } = house.ana;
  const teams = (await call("GET", "/collections")).items;
  const team = teams.find(({ name }) => name === "team");
  await call("POST", `/collections/${team.id}/records`, { path: "bulk/hidden", fields: { x: `${MARKER}-hidden` }, inject_only: true });
  await call("POST", `/collections/${team.id}/records`, { path: "bulk/seen", type: "PASSWORD", fields: { password: `${MARKER}-seen` }, ask_again: true });
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto("/records?q=bulk/");
  for (const box of await page.locator("tbody input[type=checkbox]").all()) await box.check();
  await page.locator(".ticked").getByText("Show the values", { exact: true }).click();
  await page.waitForSelector("text=Values of 2 records");
  const shown = await page.textContent("main");
  assert.ok(shown.includes(`${MARKER}-seen`) && !shown.includes(`${MARKER}-hidden`) && shown.includes("For programs only"));
  await wellMade(page);
  await accessible(page);
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide")));
  await wellMade(page, { marker: MARKER, focus: false });
  const events = (await call("GET", "/audit/events?action=RECORD_REVEALED&order=newest")).items;
  assert.equal(events[0].objects.find(({ name }) => name)?.name, "bulk/seen");
  await page.goto("/records?q=bulk/seen");
  await page.click("a.path");
  assert.ok((await page.textContent(".kind")).includes("asks again"));
  await check(page);
  await page.context().close();
});

for (const script of [true, false]) {
  test(`a value is generated over a typed one and taken back, ${script ? "with" : "without"} script`, async () => {
    const page = await window_(browser, house, { javaScriptEnabled: script });
    await logIn(page, OWNER, PASSWORD);
    await page.goto("/records/new?type=PASSWORD");
    const field = page.locator("main").getByLabel("Password", { exact: true });
    await field.fill("typed before");
    const button = page.locator("button[name=generate][value=password]");
    await button.click();
    await page.locator("button[name=undo][value=password]").waitFor();
    const generated = await field.inputValue();
    assert.equal(generated.length, 24);
    assert.ok((await page.textContent("main")).includes("before: typed before"));
    await page.locator("button[name=undo][value=password]").click();
    for (let tries = 0; (await field.inputValue()) !== "typed before"; tries += 1) {
      assert.ok(tries < 100, "undo brings back what was typed");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await page.goto("/generated");
    assert.ok((await page.locator("text=Show").count()) >= 1);
    await page.context().close();
  });
}

test("variables that are pasted become fields", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto("/records/new?type=KEY_VALUE");
  await page.fill("#env", `DB_USER=worker\nDB_PASSWORD='${MARKER} pasted'\n`);
  await page.click("text=Take them over as fields");
  await page.waitForSelector("[name='field:DB_PASSWORD']");
  assert.equal(await page.inputValue("[name='field:DB_PASSWORD']"), `${MARKER} pasted`);
  assert.ok((await status(page)).startsWith("2 variables were taken over"));
  await accessible(page);
  await page.context().close();
});

test("the records are worked with by the keyboard alone, at 320 pixels too", async () => {
  const page = await window_(browser, house, { viewport: { width: 320, height: 800 } });
  await logIn(page, OWNER, PASSWORD);
  await page.goto("/records");
  await page.keyboard.press("/");
  await page.keyboard.type("payroll");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/records?q=payroll");
  await page.keyboard.press("j");
  await page.keyboard.press("x");
  assert.ok(await page.isChecked("tbody input[type=checkbox]"));
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/records/${ids["apps/payroll"]}`);
  await wellMade(page, { marker: MARKER });
  await page.keyboard.press("e");
  await page.waitForURL("**/edit");
  await wellMade(page, { marker: MARKER });
  await page.context().close();
});
