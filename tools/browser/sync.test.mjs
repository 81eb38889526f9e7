// What moves between the two sides: overview, connection, plan, run, conflicts, on a real OpenBao.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, check, launch, logIn, window_ } from "./browser.mjs";
import { MARKER, OWNER, PASSWORD, connect, furnish, open } from "./house.mjs";

let browser, house, ids, connection;
before(async () => {
  browser = await launch();
  house = await open({ licensed: true });
  const furnished = await furnish(house);
  ids = furnished.ids;
  connection = await connect(house, furnished.team);
});
after(async () => {
  await browser?.close();
  house?.close();
});

test("a first plan is made, looked at and applied, and the run is followed to its end", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto("/");
  assert.equal(await page.textContent("h1"), "1 connection waits for its first plan");
  await check(page);
  await page.click("main >> text=prod");
  await page.waitForURL(`**/connections/${connection.id}`);
  await check(page);
  await page.click("text=Make a plan");
  await page.waitForURL("**/plans/*");
  await check(page);
  assert.ok((await page.textContent("main")).includes("VaultTerm → Vault"));
  assert.equal(await house.bao.get("team/apps/payroll").catch(() => null), null, "a plan writes nothing");
  await page.click("text=/Apply all \\d+/");
  await page.waitForURL("**/runs/*");
  await page.waitForSelector("text=What moved");
  await check(page);
  assert.equal((await house.bao.get("team/apps/payroll")).password, `${MARKER}-payroll`);
  await page.goto("/");
  assert.equal(await page.textContent("h1"), "The connection is in step");
  await check(page);
  await page.goto(`/records/${ids["databases/payments-primary"]}`);
  const line = await page.textContent(".two-sided");
  assert.ok(line.includes("kv/team/databases/payments-primary version 1") && line.includes("by VaultTerm"), line);
  await check(page);
  await page.context().close();
});

test("runs are narrowed by links, and the address keeps what was chosen", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto("/records");
  await page.locator("h1").press("g");
  await page.locator("h1").press("p");
  await page.waitForURL("**/runs");
  await check(page);
  const narrow = (group, words) => page.getByRole("group", { name: group }).getByText(words, { exact: true }).click();
  await narrow("State", "done");
  await page.waitForURL("**/runs?state=succeeded");
  await narrow("Why", "a person");
  await page.waitForURL("**/runs?state=succeeded&trigger=manual");
  await narrow("Since", "the last day");
  await narrow("Whose", "yours");
  await page.waitForURL("**/runs?state=succeeded&trigger=manual&by=me&since=1d");
  assert.equal(await page.locator("tbody tr").count(), 1);
  assert.ok((await page.textContent(".terminal")).includes(`--by ${OWNER}`));
  await check(page);
  await narrow("State", "failed");
  await page.waitForSelector("text=No run fits");
  await check(page);
  await page.context().close();
});

test("a path is unticked, counted with and without script, and left out", async () => {
  const path = "apps/payroll";
  const change = async (name, fields) => {
    const { revision } = await house.ana.call("GET", `/records/${ids[name]}`);
    await house.ana.call("PATCH", `/records/${ids[name]}`, { fields }, { "if-match": `"${revision}"` });
  };
  await change(path, { password: `${MARKER}-payroll-2` });
  await change("databases/payments-replica", { password: `${MARKER}-replica-2` });
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto(`/connections/${connection.id}`);
  await page.click("text=Make a plan");
  await page.waitForURL("**/plans/*");
  await page.waitForSelector("text=Apply all 2");
  await page.uncheck(`input[name=do][value='${path}']`);
  await page.waitForSelector("text=Apply 1 of 2");
  assert.ok((await page.textContent(".foot")).includes("1 write to Vault, 0 here, 0 deletions"));
  assert.ok(page.url().includes("skip=apps/payroll"));
  await page.reload();
  assert.equal(await page.isChecked(`input[name=do][value='${path}']`), false, "the address holds the ticks");
  await check(page);
  const plain = await window_(browser, house, { javaScriptEnabled: false });
  await logIn(plain, OWNER, PASSWORD);
  await plain.goto(page.url().split("?")[0].replace(house.address, ""));
  await plain.uncheck(`input[name=do][value='${path}']`);
  await plain.click("text=Apply all 2");
  await plain.waitForSelector("text=The ticks were changed after they were counted");
  await plain.click("text=Apply 1 of 2");
  await plain.waitForURL("**/runs/*");
  for (let tries = 0; tries < 100 && !(await plain.textContent("main")).includes("What moved"); tries += 1) await plain.reload();
  assert.ok((await plain.textContent("main")).includes("left out of this run, by ana@example.com"));
  assert.equal((await house.bao.get(`team/${path}`)).password, `${MARKER}-payroll`, "it was left out");
  assert.equal((await house.bao.get("team/databases/payments-replica")).password, `${MARKER}-replica-2`);
  await plain.context().close();
  await page.goto(`/records/${ids[path]}`);
  await page.click("text=Plan just this path");
  await page.waitForURL("**/plans/*");
  assert.ok((await page.textContent("main")).includes(`A plan for ${path} only`));
  await check(page);
  await page.click("text=Apply all 1");
  await page.waitForURL("**/runs/*");
  await page.waitForSelector("text=What moved");
  await check(page);
  assert.equal((await house.bao.get(`team/${path}`)).password, `${MARKER}-payroll-2`);
  await page.context().close();
});

test("a discarded plan can be looked at and not applied", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  const plan = await house.ana.call("POST", `/connections/${connection.id}/plans`, {});
  await page.goto(`/plans/${plan.id}`);
  await page.click("text=Discard");
  await page.waitForURL(`**/connections/${connection.id}`);
  await page.goto(`/plans/${plan.id}`);
  assert.ok((await page.textContent("[role=status]")).includes("It can no longer be applied"));
  await page.context().close();
});

test("a connection is tested, paused and resumed", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto(`/connections/${connection.id}`);
  await page.click("main >> text=Test");
  await page.waitForSelector("text=What the test found");
  assert.equal(await page.textContent("[role=status]"), "Every check passed.");
  await check(page);
  await page.click("main >> text=Pause");
  await page.waitForSelector("main >> text=Resume");
  await check(page);
  await page.click("main >> text=Resume");
  await page.waitForSelector("main >> text=Pause");
  await page.context().close();
});

/** Changes one record on both sides, and runs into the conflict. */
async function diverge(path, here, there) {
  const id = ids[path];
  const { revision } = await house.ana.call("GET", `/records/${id}`);
  await house.ana.call("PATCH", `/records/${id}`, { fields: here }, { "if-match": `"${revision}"` });
  await house.bao.put(`team/${path}`, there);
  await house.ana.call("POST", `/connections/${connection.id}/runs`, {});
  for (let tries = 0; tries < 600; tries += 1) {
    const { items } = await house.ana.call("GET", "/conflicts?status=open");
    const found = items.find((item) => item.path === path);
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("no conflict appeared");
}

test("a conflict is decided field by field, with its consequence before", async () => {
  const path = "apps/payments-worker";
  const found = await diverge(path, { DB_USER: "worker_v2", DB_PASSWORD: `${MARKER}-here` }, { DB_USER: "worker", DB_PASSWORD: `${MARKER}-there` });
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto("/conflicts");
  await check(page);
  await page.click(`text=${path.split("/")[1]}`);
  await page.waitForURL(`**/conflicts/${found.id}`);
  await check(page);
  await page.click("text=See what happens");
  await page.waitForSelector("[role=alert]");
  assert.ok((await page.textContent("[role=alert]")).includes("for every field"));
  await check(page);
  await page.click("text=Show the values");
  await page.waitForSelector("text=Hide the values");
  assert.ok((await page.textContent(".columns")).includes(`${MARKER}-there`));
  await accessible(page);
  await page.check("input[name='take:DB_USER'][value=local]");
  await page.check("input[name='take:DB_PASSWORD'][value=remote]");
  await page.waitForSelector(".consequence:has-text('DB_USER from VaultTerm; DB_PASSWORD from Vault')");
  await page.check("input[name='take:DB_USER'][value=remote]");
  await page.waitForSelector("text=Take Vault v2 into VaultTerm");
  await page.check("input[name='take:DB_USER'][value=local]");
  await page.fill("#reason", "the new user, the new password");
  await page.waitForSelector("text=Write the merge over Vault v2");
  // The person asked for the values, so they stand in the page, and the focus stays with the choices.
  await check(page, { marker: null, focus: false });
  await page.click("text=Write the merge over Vault v2");
  await page.waitForSelector("text=What was written");
  assert.deepEqual(await house.bao.get(`team/${path}`), { DB_USER: "worker_v2", DB_PASSWORD: `${MARKER}-there` });
  await page.context().close();
});

test("a side that moved meanwhile is said, and the choices are kept", async () => {
  const path = "apps/payments-api";
  const found = await diverge(path, { key: `${MARKER}-one` }, { key_id: "pay-live", key: `${MARKER}-two` });
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto(`/conflicts/${found.id}`);
  await page.check("input[name='take:key'][value=remote]");
  await page.click("text=See what happens");
  await page.waitForSelector("text=Take Vault v2 into VaultTerm");
  await house.bao.put(`team/${path}`, { key_id: "pay-live", key: `${MARKER}-three` });
  await page.click("text=Take Vault v2 into VaultTerm");
  await page.waitForSelector("text=your choices are kept");
  const said = await page.textContent("[role=alert]");
  assert.ok(said.includes("Vault moved again while you decided: version 3 is shown now; nothing was written."), said);
  assert.ok(await page.isChecked("input[name='take:key'][value=remote]"));
  assert.ok((await page.textContent(".columns .head:last-of-type, .columns .head:nth-child(4)")).includes("changed since you looked"));
  await check(page);
  await page.click("text=See what happens");
  await page.click("text=Take Vault v3 into VaultTerm");
  await page.waitForSelector("text=What was written");
  await check(page);
  await page.context().close();
});

test("one answer for all conflicts of a kind is a plan, from which a path can be left out", async () => {
  const [left, taken] = ["databases/payments-primary", "databases/payments-replica"];
  await diverge(left, { password: `${MARKER}-here-1` }, { username: "payments_rw", password: `${MARKER}-there-1` });
  await diverge(taken, { password: `${MARKER}-here-2` }, { username: "payments_ro", password: `${MARKER}-there-2` });
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto("/conflicts");
  assert.equal(await page.textContent("h1"), "2 conflicts need a decision");
  await check(page);
  await page.click("text=VaultTerm counts");
  await page.waitForURL("**/plans/*");
  await check(page);
  assert.equal((await house.bao.get(`team/${taken}`)).password, `${MARKER}-there-2`, "a plan writes nothing");
  await page.uncheck(`input[name=do][value='${left}']`);
  await page.waitForSelector("text=Apply 1 of 2");
  await page.click("text=Apply 1 of 2");
  await page.waitForURL("**/runs/*");
  await page.waitForSelector("text=What moved");
  await check(page);
  assert.equal((await house.bao.get(`team/${taken}`)).password, `${MARKER}-here-2`, "the decision was carried out");
  assert.equal((await house.bao.get(`team/${left}`)).password, `${MARKER}-there-1`, "the other one still waits");
  await page.goto("/conflicts");
  assert.equal(await page.textContent("h1"), "1 conflict needs a decision");
  await page.context().close();
});

test("more deletions than the connection allows need a typed word, and fewer need none", async () => {
  const allow = async (options) => {
    const { revision } = await house.ana.call("GET", `/connections/${connection.id}`);
    await house.ana.call("PATCH", `/connections/${connection.id}`, { options }, { "if-match": `"${revision}"` });
  };
  await allow({ max_delete_count: 1, max_delete_percent: 1 });
  const gone = ["apps/payroll", "databases/payments-replica"];
  for (const path of gone) await house.ana.call("DELETE", `/records/${ids[path]}`);
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto(`/connections/${connection.id}`);
  await page.click("text=Make a plan");
  await page.waitForURL("**/plans/*");
  await page.waitForSelector("[data-needs-word]:visible");
  assert.match((await page.textContent("[data-needs-word]")).replaceAll(/\s+/g, " "), /deletes 2 secrets/);
  await check(page);
  await page.click("text=Apply all 2");
  await page.waitForURL("**told=word*");
  assert.ok((await page.textContent("[role=status]")).includes("type the word"));
  await check(page);
  await page.fill("#word", "remove");
  await page.click("text=Apply all 2");
  await page.waitForURL("**told=word*");
  assert.ok(await house.bao.get(`team/${gone[0]}`), "another word deletes nothing");
  await page.uncheck(`input[name=do][value='${gone[0]}']`);
  await page.waitForSelector("[data-needs-word]", { state: "hidden" });
  await page.check(`input[name=do][value='${gone[0]}']`);
  await page.waitForSelector("[data-needs-word]:visible");
  await page.fill("#word", " Delete ");
  await page.click("text=Apply all 2");
  await page.waitForURL("**/runs/*");
  await page.waitForSelector("text=What moved");
  await check(page);
  for (const path of gone) assert.equal(await house.bao.get(`team/${path}`).catch(() => null), null, `${path} is deleted`);
  await allow({ max_delete_count: 10, max_delete_percent: 25 });
  await page.context().close();
});

test("a halt is shown in the plan and has to be accepted", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  const { items } = await house.ana.call("GET", `/collections/${connection.collection_id}/records`);
  for (const { id } of items) await house.ana.call("DELETE", `/records/${id}`);
  await page.goto(`/connections/${connection.id}`);
  await page.click("text=Make a plan");
  await page.waitForSelector("text=I looked into it, and it is meant");
  await check(page);
  await page.click("text=/Apply all \\d+/");
  await page.waitForURL("**/runs/*");
  await page.waitForSelector("text=halted: its plan was not carried out");
  await check(page);
  await page.context().close();
});
