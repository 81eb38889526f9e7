// Imports and exports: a file of another program is reviewed, becomes records, is undone; records leave as a file.
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { accessible, check, launch, logIn, window_ } from "./browser.mjs";
import { MARKER, OWNER, PASSWORD, bitwardenCsv, furnish, open } from "./house.mjs";
import { totp } from "./totp.mjs";

let browser, house, team;
before(async () => {
  browser = await launch();
  house = await open();
  ({ team } = await furnish(house));
});
after(async () => {
  await browser?.close();
  house?.close();
});

const status = (page) => page.textContent("[role=status]");
const file = (text, name = "bitwarden.csv") => ({ name, mimeType: "text/csv", buffer: Buffer.from(text) });

test("the pages of imports and exports are well made, empty, refused and full", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  for (const address of ["/import", `/import?in=${team.id}&prefix=people&keep_nested=on`, "/export", `/export?in=${team.id}`, `/export?in=${team.id}&prefix=nothing`]) {
    const answer = await page.goto(address);
    assert.equal(answer.status(), 200, address);
    await check(page);
  }
  await page.goto(`/import?in=${team.id}`);
  await page.setInputFiles("#file", file("nothing that anybody knows", "unknown.bin"));
  await page.fill("#prefix", "people/ana");
  await page.click("text=Read the file");
  await page.waitForSelector("text=Correct what is marked below");
  assert.ok((await page.textContent(".wrong[role=alert]:below(#format)")).includes("does not recognise the format"));
  assert.equal(await page.inputValue("#prefix"), "people/ana", "what was typed stays");
  await check(page, { focus: false });
  await page.context().close();
});

for (const script of [true, false]) {
  const how = script ? "with script" : "without script";
  const folder = script ? "people/ana" : "people/bo";
  test(`a file is reviewed, imported once, and undone, ${how}`, async () => {
    const page = await window_(browser, house, { javaScriptEnabled: script });
    const look = (options) => (script ? check(page, options) : undefined);
    await logIn(page, OWNER, PASSWORD);
    await page.goto("/records");
    await page.click("text=Import");
    await page.selectOption("#in", { label: "team" });
    await page.fill("#prefix", folder);
    await page.setInputFiles("#file", file(bitwardenCsv));
    await page.click("text=Read the file");
    await page.waitForURL("**/imports/*");
    assert.match(await status(page), /^Nothing is imported yet\. 3 items found: 3 become new records\.$/);
    const shown = await page.textContent("main");
    assert.ok(shown.includes(`${folder}/Work/mail`) && shown.includes("Bitwarden (CSV)"), shown);
    await look();
    const review = page.url();
    await page.click("text=Import 3 records");
    await page.waitForSelector("text=3 became new records");
    await look();
    // The same form again: the import is done, and stays as it is.
    const again = await page.request.post(review, { form: { plan: "another" }, headers: { origin: house.address, accept: "text/html" }, maxRedirects: 0 });
    assert.equal(again.status(), 303);
    await page.locator("main .acts").getByText("The records of team").click();
    await page.waitForURL("**/records?in=**");
    assert.equal(await page.locator("tbody tr").count(), 3);
    await page.goto(review);
    await page.locator("main").getByRole("link", { name: "Undo", exact: true }).click();
    await page.waitForSelector("text=What happens");
    await look();
    await page.click("main button.danger");
    await page.waitForURL("**/imports/*?trashed=3&**");
    assert.equal(await status(page), "Undone: 3 records went to the trash.");
    await look();
    await page.context().close();
  });
}

for (const script of [true, false]) {
  test(`an import of thousands goes on while its page tells how far it is, ${script ? "with" : "without"} script`, async () => {
    const page = await window_(browser, house, { javaScriptEnabled: script });
    await logIn(page, OWNER, PASSWORD);
    await page.goto(`/import?in=${team.id}&prefix=many-${script}`);
    const said = [];
    const rows = Array.from({ length: 8000 }, (_, n) => `https://${n}.example.com,ann,pw ${n},site ${n}`);
    await page.setInputFiles("#file", file(`url,username,password,name\n${rows.join("\n")}\n`, "many.csv"));
    if (script) {
      // The page is left when the answer comes, so what it says until then is heard as it says it.
      await page.exposeFunction("heard", (text) => said.push(text));
      await page.evaluate(() => {
        const status = document.querySelector("[role=status]");
        const tell = () => window.heard(status.textContent);
        new MutationObserver(tell).observe(status, { childList: true, characterData: true, subtree: true });
      });
      await page.click("text=Read the file");
    } else {
      await page.click("text=Read the file");
    }
    await page.waitForURL("**/imports/*");
    if (script) assert.ok(said.some((text) => text.includes("The file is sent and read")), said.join("; "));
    await page.click("text=Import 8000 records");
    // The page stays for a second before it looks again. Another request might come after the end of the import.
    await page.waitForSelector("progress");
    const going = await page.content();
    assert.match(going, /<progress/);
    // The page looks again by itself, also without script.
    await page.waitForSelector("[role=status]:has-text('8000 became new records')", { timeout: 120_000 });
    if (script) {
      // The page looks again each second, so it is examined as it was, at the same address and without that.
      await page.route(page.url(), (route) => route.fulfill({ contentType: "text/html", body: going }));
      await page.reload();
      await page.waitForSelector("progress");
      await accessible(page);
    }
    await page.context().close();
  });
}

test("what is here already with other values is left, changed, or kept twice, as the person chooses", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  const bring = async (text) => {
    await page.goto(`/import?in=${team.id}&prefix=twice`);
    await page.setInputFiles("#file", file(text));
    await page.click("text=Read the file");
    await page.waitForURL("**/imports/*");
  };
  await bring(bitwardenCsv);
  await page.click("text=Import 3 records");
  await page.waitForSelector("text=3 became new records");
  await bring(bitwardenCsv.replace(`${MARKER}-mail`, `${MARKER}-new`));
  assert.match(await status(page), /3 are left out\.$/);
  assert.equal(await page.locator("text=There is nothing to import").count(), 1);
  await check(page);
  await page.check("input[name=duplicates][value=update]");
  await page.click("text=See what it means");
  await page.waitForURL("**?duplicates=update");
  assert.match(await status(page), /1 changes a record, 2 are left out\.$/);
  await check(page);
  await page.click("text=what needs a look");
  await page.waitForURL("**only=look*");
  assert.equal(await page.locator("#items ~ .sheet tbody tr").count(), 1);
  await page.click("text=Change 1 record");
  await page.waitForSelector("text=1 changed a record");
  await page.click("text=twice/Work/mail");
  await page.waitForURL("**/records/*");
  assert.ok((await page.textContent("main")).includes("VaultTerm revision 2"));
  await page.context().close();
});

test("a preview is thrown away, and nobody else sees one", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto(`/import?in=${team.id}`);
  await page.setInputFiles("#file", file("A=1\nB=2\n", "prod.env"));
  await page.click("text=Read the file");
  await page.waitForURL("**/imports/*");
  const address = page.url();
  const other = await window_(browser, house);
  await logIn(other, "bo@example.com", PASSWORD);
  assert.equal((await other.goto(address)).status(), 404);
  other.faults.length = 0;
  await other.goto("/import");
  assert.ok((await other.textContent("main")).includes("You may not add records to any collection"));
  await check(other);
  await page.click("text=Discard");
  await page.waitForURL("**/import?discarded=1");
  assert.ok((await status(page)).startsWith("The preview is gone."));
  assert.equal((await page.goto(address)).status(), 404);
  await page.context().close();
  await other.context().close();
});

test("a file from another site is refused, and one that is too large says so", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  const multipart = { in: team.id, file: file("A=1\n", "prod.env") };
  const foreign = await page.request.post("/import", { multipart, headers: { origin: "https://evil.example", accept: "text/html" }, maxRedirects: 0 });
  assert.equal(foreign.status(), 403);
  await page.goto(`/import?in=${team.id}`);
  const large = join(house.folder, "large.csv");
  writeFileSync(large, "x".repeat(46 * 1024 * 1024));
  await page.setInputFiles("#file", large);
  await page.click("text=Read the file");
  await page.waitForSelector("text=MiB with its file");
  assert.ok((await page.textContent("main")).includes("Split the file"));
  await page.context().close();
});

test("records leave sealed under a passphrase, and come back", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto(`/records?in=${team.id}&prefix=databases/`);
  await page.locator("main header").getByText("Export").click();
  await page.waitForURL("**/export?*");
  await page.click("text=See what each format holds");
  await page.waitForSelector("text=2 records can leave");
  assert.equal(await page.locator("input[name=format]:checked").inputValue(), "vaultterm");
  await page.fill("#passphrase", "four words in a row");
  await page.fill("#again", "four words in a raw");
  const save = page.locator("main form[method=post] button.primary");
  await save.click();
  await page.waitForSelector("text=The two passphrases differ");
  await check(page, { focus: false });
  await page.fill("#passphrase", "four words in a row");
  await page.fill("#again", "four words in a row");
  const [download] = await Promise.all([page.waitForEvent("download"), save.click()]);
  assert.equal(download.suggestedFilename(), "vaultterm-export.vaultterm.age");
  const path = join(house.folder, "export.age");
  await download.saveAs(path);
  assert.ok(statSync(path).size > 200);
  assert.ok(!readFileSync(path).includes(MARKER), "the file is sealed");
  const events = (await house.ana.call("GET", "/audit/events?action=RECORD_EXPORTED&order=newest")).items;
  assert.equal(events.length, 2, "each record that left is in the audit log");
  await page.goto(`/import?in=${team.id}&prefix=again`);
  await page.setInputFiles("#file", path);
  await page.click("text=Read the file");
  await page.waitForSelector("text=This file is protected");
  assert.ok(await page.isVisible("#password"));
  await page.setInputFiles("#file", path);
  await page.fill("#password", "four words in a row");
  await page.click("text=Read the file");
  await page.waitForURL("**/imports/*");
  assert.match(await status(page), /2 items found/);
  await page.context().close();
});

/** Logs an admin of the collection in whose browser is remembered, so that the login is no proof. Returns recovery codes. */
async function remembered(page, email) {
  const { call } = house.ana;
  const { id } = await call("POST", "/users", { email, name: "Fay", role: "member", password: PASSWORD });
  await call("PUT", `/collections/${team.id}/members/${id}`, { role: "admin" });
  await logIn(page, email, PASSWORD);
  await page.goto("/me/factors");
  await page.click("text=Set up one-time codes");
  const secret = await page.textContent(".secret");
  await page.fill("#code", totp(secret));
  await page.click("text=Switch one-time codes on");
  await page.waitForSelector(".recovery");
  const codes = await page.locator(".recovery li").allTextContents();
  await page.fill("#code", codes[4]);
  await page.click("text=I kept them");
  await page.waitForURL("**/me/factors?kept=1");
  for (const asked of [true, false]) {
    await page.click("details.menu summary");
    await page.click("text=Log out");
    await page.waitForURL("**/login");
    await page.fill("#email", email);
    await page.fill("#password", PASSWORD);
    await page.click("button.primary");
    if (asked) {
      await page.waitForURL("**/login/code*");
      await page.fill("#code", totp(secret, 30));
      await page.check("#remember");
      await page.click("button.primary");
    }
    await page.waitForURL((url) => !url.pathname.startsWith("/login"));
  }
  return codes;
}

for (const script of [true, false]) {
  test(`plain text leaves only after a tick and a fresh proof, ${script ? "with" : "without"} script`, async () => {
    const page = await window_(browser, house, { javaScriptEnabled: script });
    const codes = await remembered(page, `fay-${script}@example.com`);
    await page.goto(`/export?in=${team.id}&prefix=apps`);
    await page.check("input[name=format][value=bitwarden-csv]");
    await page.check("input[name=sealing][value=plain]");
    assert.ok(!(await page.isVisible("#passphrase")), "what is not chosen is folded");
    const save = page.locator("main form[method=post] button.primary");
    const prove = async () => {
      const field = page.locator(script ? "#prove-code" : "#code");
      await field.fill(codes[0]);
      await field.press("Enter");
    };
    await save.click();
    if (script) await prove();
    await page.waitForSelector("text=Tick the box");
    assert.ok(await page.isChecked("input[name=format][value=bitwarden-csv]"), "what was chosen stays");
    if (script) await check(page, { focus: false });
    await page.check("[name=sure]");
    const waits = page.waitForEvent("download");
    await save.click();
    if (!script) await prove();
    assert.equal((await waits).suggestedFilename(), "vaultterm-export.csv");
    await page.context().close();
  });
}
