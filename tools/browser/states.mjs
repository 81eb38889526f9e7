// Pictures of what pages show only for a moment: a merge, a run that goes on, a conflict that moved or was decided, recovery codes,
// the proof that is asked for in place, and the lines above a page.
import { join } from "node:path";
import { logIn, window_ } from "./browser.mjs";
import { MARKER, OWNER, PASSWORD, connect, furnish, lock, open, openBao } from "./house.mjs";
import { totp } from "./totp.mjs";

/** Takes the pictures in one look, in a house of their own. */
export async function states(browser, folder, [tag, look]) {
  const house = await open({ licensed: true });
  try {
    const page = await window_(browser, house, look);
    const shoot = (name, fullPage = true) => page.screenshot({ path: join(folder, `${name}${tag}.png`), fullPage });
    const { team, ids } = await furnish(house);
    await logIn(page, OWNER, PASSWORD);
    await merge(page, shoot, house, ids);
    await conflicts(page, shoot, house, team, ids);
    await factors(page, shoot);
    await page.context().close();
  } finally {
    house.close();
  }
}

/** Somebody else saves the record that is being edited. */
async function merge(page, shoot, house, ids) {
  const id = ids["databases/payments-primary"];
  await page.goto(`/records/${id}/edit`);
  await page.locator("main").getByLabel("Password", { exact: true }).fill("another value");
  const theirs = { fields: { password: `${MARKER}-theirs`, notes: "Rotated weekly." } };
  await house.ana.call("PATCH", `/records/${id}`, theirs, { "if-match": '"2"' });
  await page.click("main button.primary");
  await page.waitForSelector("text=was saved meanwhile");
  await shoot("merge");
}

/** A run that goes on, and then two conflicts: the one moves while it is decided, and the other is decided. */
async function conflicts(page, shoot, house, team, ids) {
  house.bao = await openBao(house);
  const way = await lock(house.bao);
  const prod = await connect(house, team, { address: way.address });
  const { call } = house.ana;
  const started = await call("POST", `/connections/${prod.id}/runs`, {});
  await page.goto(`/runs/${started.id}`);
  while (way.held() < 3) await new Promise((resolve) => setTimeout(resolve, 50));
  way.letOn(2);
  await page.waitForSelector("[data-log] li");
  await shoot("run-in-progress");
  way.letOn(1_000_000);
  const over = async (id) => {
    while ((await call("GET", `/runs/${id}`)).state === "running") await new Promise((resolve) => setTimeout(resolve, 100));
  };
  await over(started.id);
  const path = "apps/payments-worker";
  await call("PATCH", `/records/${ids[path]}`, { fields: { DB_USER: "worker_v2", DB_PASSWORD: `${MARKER}-here` } }, { "if-match": '"1"' });
  await house.bao.put(`team/${path}`, { DB_USER: "worker", DB_PASSWORD: `${MARKER}-there` });
  await over((await call("POST", `/connections/${prod.id}/runs`, {})).id);
  const conflict = (await call("GET", "/conflicts?status=open")).items[0];
  await page.goto(`/conflicts/${conflict.id}`);
  const choose = async () => {
    await page.check("input[name='take:DB_USER'][value=local]");
    await page.check("input[name='take:DB_PASSWORD'][value=remote]");
    await page.waitForSelector("text=/Write the merge/");
  };
  await choose();
  await house.bao.put(`team/${path}`, { DB_USER: "worker", DB_PASSWORD: `${MARKER}-there-again` });
  await page.click("text=/Write the merge/");
  await page.waitForSelector("text=Vault moved again");
  await shoot("conflict-moved");
  await page.check("input[name='take:DB_USER'][value=remote]");
  await choose();
  await page.click("text=/Write the merge/");
  await page.waitForSelector("text=What was written");
  await shoot("conflict-decided");
}

/** New recovery codes, the line that asks to type one back, and the proof in place in a browser that is remembered. */
async function factors(page, shoot) {
  const logOut = async () => {
    await page.click("details.menu summary");
    await page.click("text=Log out");
    await page.waitForURL("**/login");
  };
  await page.goto("/me/factors");
  await page.click("text=Set up one-time codes");
  const secret = await page.textContent(".secret");
  await page.fill("#code", totp(secret));
  await page.click("text=Switch one-time codes on");
  await page.waitForSelector(".recovery");
  await shoot("recovery-codes");
  await page.goto("/records");
  await page.waitForSelector(".banner.unconfirmed");
  await shoot("banner-codes");
  await logOut();
  await page.fill("#email", OWNER);
  await page.fill("#password", PASSWORD);
  await page.click("button.primary");
  await page.waitForURL("**/login/code*");
  // No code is accepted twice, so this is the next one.
  await page.fill("#code", totp(secret, 30));
  await page.check("#remember");
  await page.click("button.primary");
  await page.waitForURL((url) => !url.pathname.startsWith("/login"));
  await logOut();
  await logIn(page, OWNER, PASSWORD);
  await page.goto("/me/tokens");
  await page.fill("#name", "ci");
  await page.locator("input[value='records:read']").check();
  await page.click("text=Make the token");
  await page.locator("#prove-again").waitFor();
  await shoot("proof-dialog", false);
}
