// A run over a thousand secrets on a real OpenBao, while the page is loaded again and the server is killed.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { check, launch, logIn, window_ } from "./browser.mjs";
import { MARKER, OWNER, PASSWORD, connect, fill, lock, open, openBao } from "./house.mjs";

/** So many secrets go to Vault, and so many come from it. */
const [THERE, HERE] = [600, 400];

let browser, house, gate;
before(async () => {
  browser = await launch();
  house = await open({ licensed: true });
});
after(async () => {
  await browser?.close();
  gate?.close();
  house?.close();
});

/** Does something with each of many, eight at a time. */
async function each(many, act) {
  const left = [...many];
  const worker = async () => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) await act(one);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

async function until(what, holds) {
  for (let tries = 0; !(await holds()); tries += 1) {
    if (tries > 600) throw new Error(`${what} did not happen\n${house.log()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Makes a plan for a connection, and applies all of it. */
async function apply(page, connection) {
  await page.goto(`/connections/${connection.id}`);
  await page.click("text=Make a plan");
  await page.waitForURL("**/plans/*");
  await page.click("text=/Apply all \\d+/");
  await page.waitForURL("**/runs/*");
}

const secrets = async () => {
  const of = async (path) => (await house.bao.call("GET", `kv/metadata/${path}?list=true`).catch(() => null))?.data.keys ?? [];
  const below = async (path) => (await Promise.all((await of(path)).map((key) => (key.endsWith("/") ? below(`${path}/${key.slice(0, -1)}`) : [`${path}/${key}`])))).flat();
  return below("many");
};

test("a run over a thousand secrets outlives a reload, and what a kill of the server left is done by the next run", async () => {
  house.bao = await openBao(house);
  const names = Array.from({ length: HERE }, (_, n) => `from-vault/service-${n}`);
  const [many] = await Promise.all([fill(house, THERE), each(names, (name) => house.bao.put(`many/${name}`, { password: `${MARKER}-${name}` }))]);
  gate = await lock(house.bao);
  const connection = await connect(house, many, { name: "many", path: "many", address: gate.address });
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);

  gate.letOn(200);
  await apply(page, connection);
  const run = page.url();
  await until("200 writes", () => gate.held() > 0);
  await page.reload();
  await page.waitForSelector("[data-log] li >> nth=100");
  const done = () => page.$eval("progress", (bar) => bar.value);
  const before = await done();
  assert.ok(before > 0, "the page knows how far the run is after it was loaded again");
  await check(page);
  gate.letOn(200);
  await until("200 more writes", async () => gate.held() > 0 && (await done()) > before);

  await house.kill();
  gate.drop();
  await page.waitForSelector("text=The connection to the server broke off; trying again.");
  const half = (await secrets()).length;
  assert.ok(half > HERE && half < HERE + THERE, `${half} are there`);
  await house.restart();
  // Nobody touches the page: it finds the server again, and says how the run ended.
  await page.waitForSelector("text=the run was cut off: the server that carried it out stopped");
  assert.equal(page.url(), run);
  const said = await page.textContent("main");
  assert.ok(said.includes("the next run continues where it ended"), said);
  // The browser noted that it did not reach the server.
  page.faults.splice(0);
  await check(page);

  gate.letOn(Infinity);
  await page.click("main >> text=Make a new plan");
  await page.waitForURL("**/plans/*");
  await page.click("text=/Apply all \\d+/");
  await page.waitForURL("**/runs/*");
  await page.waitForSelector("text=What moved");
  assert.ok((await page.textContent("main")).includes("done"), await page.textContent("main"));
  await check(page);

  const there = await secrets();
  assert.equal(there.length, HERE + THERE);
  const moved = there.filter((path) => !path.includes("from-vault"));
  await each(moved, async (path) => assert.equal((await house.bao.get(path)).password, `${MARKER}-${Number(path.match(/\d+$/)[0])}`));
  const records = [];
  for (let cursor = ""; cursor !== null; ) {
    const part = await house.ana.call("GET", `/records?standing=in_step&limit=500${cursor && `&cursor=${cursor}`}`);
    records.push(...part.items);
    cursor = part.next_cursor ?? null;
  }
  assert.equal(records.length, HERE + THERE, "every record is in step");
  const pulled = records.filter((record) => record.path.startsWith("from-vault/"));
  assert.equal(pulled.length, HERE);
  await each(pulled, async ({ id, path }) => {
    const { fields } = await house.ana.call("POST", `/records/${id}/reveal`, {});
    assert.equal(fields.password, `${MARKER}-${path}`);
  });
  await page.context().close();
});
