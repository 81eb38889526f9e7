// The pictures of the documentation: a dozen pages, light, in one size.
import { join } from "node:path";
import { launch, logIn, window_ } from "./browser.mjs";
import { MARKER, OWNER, PASSWORD, open } from "./house.mjs";
import { scene } from "./scene.mjs";

const folder = process.argv[2];
const browser = await launch();
const house = await open({ licensed: true });
try {
  const { payments, waiting, run, plan, conflict, record } = await scene(house);
  const page = await window_(browser, house, { colorScheme: "light", viewport: { width: 1120, height: 720 } });
  const shoot = async (name) => {
    // What the pages keep from readers of the page, pictures keep from readers of the documentation.
    if ((await page.content()).includes(MARKER)) throw new Error(`a value stands in ${name}`);
    await page.evaluate(() => document.activeElement?.blur());
    await page.screenshot({ path: join(folder, `${name}.png`) });
  };
  await logIn(page, OWNER, PASSWORD);
  const pages = {
    overview: "/",
    records: "/records",
    record,
    history: `${record}/history?from=1&to=2`,
    move: `${record}/move?to=${payments.id}`,
    policy: "/connections/new/policy?name=prod&address=https%3A//vault.example.com%3A8200&mount=kv&path=team&mode=bidirectional",
    options: `/connections/${waiting.id}/options`,
    plan: `/plans/${plan.id}`,
    run: `/runs/${run.id}`,
    audit: "/audit",
  };
  for (const [name, address] of Object.entries(pages)) {
    await page.goto(address);
    await shoot(name);
  }
  await page.goto(`${record}/edit`);
  await page.locator("main").getByLabel("Password", { exact: true }).fill("another value");
  await page.fill("#tags", "prod, pci, rotated");
  await page.locator("input[name=remove][value=notes]").check();
  await page.click("main button.primary");
  await page.waitForSelector("table.diff");
  await shoot("review");
  await page.goto(`/conflicts/${conflict.id}`);
  await page.check("input[name='take:DB_USER'][value=local]");
  await page.check("input[name='take:DB_PASSWORD'][value=remote]");
  await page.waitForSelector("text=/Write the merge/");
  await page.evaluate(() => scrollTo(0, 0));
  await shoot("conflict");
} finally {
  await browser.close();
  house.close();
}
