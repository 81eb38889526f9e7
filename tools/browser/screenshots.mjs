// Pictures of every page, to be looked at: light, dark and narrow; full and empty.
import { join } from "node:path";
import { launch, logIn, window_ } from "./browser.mjs";
import { MARKER, OWNER, PASSWORD, bitwardenCsv, fill, open } from "./house.mjs";
import { scene } from "./scene.mjs";
import { states } from "./states.mjs";

const folder = process.argv[2];
const LOOKS = [
  ["", { colorScheme: "light", viewport: { width: 1280, height: 860 } }],
  ["-dark", { colorScheme: "dark", viewport: { width: 1280, height: 860 } }],
  ["-narrow", { colorScheme: "light", viewport: { width: 320, height: 800 } }],
];

/** A file is read, imported, brought again with another value, and undone. */
async function imports(page, shoot, team, tag) {
  const bring = async (text) => {
    await page.goto(`/import?in=${team}&prefix=people/ana${tag}`);
    await page.setInputFiles("#file", { name: "bitwarden.csv", mimeType: "text/csv", buffer: Buffer.from(text) });
    await page.click("text=Read the file");
  };
  await bring("nothing that anybody knows");
  await page.waitForSelector("text=Correct what is marked below");
  await shoot("import-wrong");
  await bring(bitwardenCsv);
  await page.waitForURL("**/imports/*");
  await shoot("import-review");
  await page.click("text=Import 3 records");
  await page.waitForSelector("text=3 became new records");
  await shoot("import-done");
  const done = page.url();
  await bring(bitwardenCsv.replace(`${MARKER}-mail`, `${MARKER}-new`));
  await page.waitForURL("**/imports/*");
  await page.goto(`${page.url()}?duplicates=update`);
  await shoot("import-duplicates");
  await page.goto(`${done}/undo`);
  await shoot("import-undo");
  await page.click("main button.danger");
  await page.waitForSelector("text=Undone: 3 records");
  await shoot("import-undone");
  await page.goto(`/export?in=${team}`);
  for (const details of await page.locator("main .option details").all()) await details.locator("summary").click();
  await page.check("input[name=sealing][value=plain]");
  await shoot("export-plain");
}

const browser = await launch();
const [house, empty] = [await open({ licensed: true }), await open()];
try {
  const { ids, team, payments, prod, waiting, run, plan, conflict, record, bo } = await scene(house);
  const call = house.ana.call;
  const pages = {
    records: "/records",
    search: "/records?q=pay",
    folder: `/records?in=${team.id}&prefix=databases/`,
    "no-match": "/records?q=nothing",
    trash: "/trash",
    record,
    "record-trashed": `/records/${ids["apps/old"]}`,
    code: `/records/${ids["people/deploy"]}`,
    edit: `${record}/edit`,
    history: `${record}/history?from=1&to=2`,
    "to-trash": `${record}/trash`,
    new: "/records/new",
    "new-ssh": "/records/new?type=SSH_KEY",
    overview: "/",
    connection: `/connections/${prod.id}`,
    "connection-new": `/connections/${waiting.id}`,
    plan: `/plans/${plan.id}`,
    "plan-unticked": `/plans/${plan.id}?skip=apps/payroll`,
    "connect-address": "/connections/new",
    "connect-policy": `/connections/new/policy?name=first&address=https%3A//vault.example.com%3A8200&mount=kv&path=team/app&mode=bidirectional`,
    "connect-login": "/connections/new/login?name=first&mount=kv&path=team/app&mode=bidirectional",
    "connection-rights": `/connections/${waiting.id}/rights`,
    "connection-options": `/connections/${waiting.id}/options`,
    "connection-edit": `/connections/${prod.id}/edit`,
    "connection-secret-id": `/connections/${prod.id}/secret-id`,
    "connection-delete": `/connections/${prod.id}/delete`,
    runs: "/runs",
    run: `/runs/${run.id}`,
    conflicts: "/conflicts",
    conflict: `/conflicts/${conflict.id}`,
    account: "/me",
    factors: "/me/factors",
    sessions: "/me/sessions",
    tokens: "/me/tokens",
    people: "/people",
    person: `/people/${bo}`,
    members: `/collections/${team.id}/members`,
    prove: "/login/prove",
    move: `${record}/move?to=${payments.id}`,
    "move-choose": `${record}/move`,
    audit: "/audit",
    "audit-entry": "/audit/5",
    health: "/health",
    license: "/license",
    keys: "/keys",
    webhooks: "/webhooks",
    generated: "/generated",
    "new-key-value": "/records/new?type=KEY_VALUE",
    import: `/import?in=${team.id}`,
    export: `/export?in=${team.id}`,
    "export-choose": "/export",
    missing: "/records/00000000-0000-0000-0000-000000000000",
  };
  for (const [tag, look] of LOOKS) {
    const shoot = (page, name) => page.screenshot({ path: join(folder, `${name}${tag}.png`), fullPage: true });
    const page = await window_(browser, house, look);
    for (const name of ["login", "setup", "invite", "reset"]) {
      await page.goto(`/${name}`);
      await shoot(page, name);
    }
    await logIn(page, OWNER, PASSWORD);
    for (const [name, address] of Object.entries(pages)) {
      await page.goto(address);
      await shoot(page, name);
    }
    await page.goto("/me/factors");
    await page.click("text=Set up one-time codes");
    await page.waitForSelector("svg.qr");
    await shoot(page, "factor-setup");
    await page.goto(record);
    await page.locator("[data-field=password] [data-act=show]").click();
    await page.locator("[data-field=password] >> text=Hide").waitFor();
    await shoot(page, "record-shown");
    await page.goto(`${record}/edit`);
    await page.locator("main").getByLabel("Password", { exact: true }).fill("another value");
    await page.fill("#tags", "prod, pci, rotated");
    await page.locator("input[name=remove][value=notes]").check();
    await page.click("main button.primary");
    await page.waitForSelector("table.diff");
    await shoot(page, "review");
    await page.goto("/records?q=payments");
    for (const box of await page.locator("tbody input[type=checkbox]").all()) await box.check();
    for (const act of ["Tag", "Move to the trash"]) {
      await page.locator(".ticked").getByText(act, { exact: true }).click();
      await page.waitForSelector("text=Nothing is done yet");
      await shoot(page, act === "Tag" ? "many-tag" : "many-trash");
      await page.goBack();
    }
    await page.locator(".ticked").getByText("Show the values", { exact: true }).click();
    await page.waitForSelector("text=Each look is in the audit log");
    await shoot(page, "many-values");
    await imports(page, shoot, team.id, tag);
    await page.goto(`${record}/edit`);
    await page.fill("#path", "../no");
    await page.click("main button.primary");
    await page.waitForSelector("[role=alert]");
    await shoot(page, "edit-wrong");
    await page.context().close();
    const nothing = await window_(browser, empty, look);
    await logIn(nothing, OWNER, PASSWORD);
    await shoot(nothing, "overview-empty");
    for (const name of ["import", "export", "records", "license", "webhooks", "generated"]) {
      await nothing.goto(`/${name}`);
      await shoot(nothing, `${name}-empty`);
    }
    await nothing.context().close();
  }
  for (const look of LOOKS) await states(browser, folder, look);
  // A halt, and a list of ten thousand.
  for (const { id } of (await call("GET", `/collections/${team.id}/records?limit=500`)).items) await call("DELETE", `/records/${id}`);
  const halted = await call("POST", `/connections/${prod.id}/plans`, {});
  await fill(empty, 10_000);
  for (const [tag, look] of LOOKS) {
    for (const [from, name, address] of [
      [house, "plan-halt", `/plans/${halted.id}`],
      [empty, "records-10000", "/records"],
      [empty, "records-10000-search", "/records?q=mail"],
    ]) {
      const page = await window_(browser, from, look);
      await logIn(page, OWNER, PASSWORD);
      await page.goto(address);
      await page.screenshot({ path: join(folder, `${name}${tag}.png`), fullPage: name === "plan-halt" });
      await page.context().close();
    }
  }
} finally {
  await browser.close();
  house.close();
  empty.close();
}
