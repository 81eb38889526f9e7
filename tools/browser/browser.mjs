// The browser, and what must hold on every page that it shows.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { MARKER } from "./house.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const CHROMIUM = process.env.VAULTTERM_CHROMIUM ?? "/usr/bin/chromium";
/** How long anything that is waited for may take. Generous: tests run on busy machines. */
const PATIENCE_MS = 60_000;

export async function launch() {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** Opens a window whose faults are noted: reports of the policy, errors, requests to elsewhere. */
export async function window_(browser, house, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, baseURL: house.address, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  // A changed form asks before it is left: here the answer is always yes.
  page.on("dialog", (dialog) => dialog.accept());
  const faults = [];
  page.on("console", (message) => {
    const expected = message.text().includes("Failed to load resource") && /40[139]|412|422/.test(message.text());
    if (message.type() === "error" && !expected) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(house.address)) faults.push(`foreign request: ${request.url()}`);
  });
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  page.faults = faults;
  return page;
}

export async function logIn(page, email, password) {
  await page.goto("/login");
  await page.fill("#email", email);
  await page.fill("#password", password);
  await page.click("button.primary");
  await page.waitForURL((url) => !url.pathname.startsWith("/login"));
}

/** What must hold on every page, whatever it shows. `marker` must not stand in it. */
export async function wellMade(page, { marker, focus = true } = {}) {
  const where = page.url();
  assert.deepEqual(page.faults, [], where);
  const found = await page.evaluate(() => ({
    headings: document.querySelectorAll("h1").length,
    focus: document.activeElement?.tagName,
    auto: Boolean(document.querySelector("[autofocus]")),
    stored: localStorage.length + sessionStorage.length,
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    html: document.documentElement.outerHTML + [...document.querySelectorAll("input, textarea")].map((one) => one.value).join("\n"),
  }));
  assert.equal(found.headings, 1, `${where}: one heading`);
  if (focus && !found.auto) assert.equal(found.focus, "H1", `${where}: the focus begins at the heading`);
  assert.equal(found.stored, 0, `${where}: nothing is stored in the browser`);
  assert.ok(found.wide <= 0, `${where}: the page scrolls sideways by ${found.wide} px`);
  if (marker) assert.ok(!found.html.includes(marker), `${where}: a value stands in the page`);
}

/** What must hold on every page where nothing is revealed: it is well made, shows no value, and anybody can use it. */
export async function check(page, options = {}) {
  await wellMade(page, { marker: MARKER, ...options });
  await accessible(page);
}

/** What axe finds serious, in light, dark, forced colours and in a narrow window. */
export async function accessible(page) {
  const looks = [
    ["light", { colorScheme: "light", forcedColors: "none" }, 1280],
    ["dark", { colorScheme: "dark", forcedColors: "none" }, 1280],
    ["forced colours", { colorScheme: "light", forcedColors: "active" }, 1280],
    ["320 px", { colorScheme: "light", forcedColors: "none" }, 320],
  ];
  for (const [name, media, width] of looks) {
    await page.setViewportSize({ width, height: 860 });
    await page.emulateMedia(media);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `${page.url()} in ${name}: the page scrolls sideways by ${wide} px`);
    const session = await page.context().newCDPSession(page);
    // The page's own policy forbids foreign script: the protocol runs it in a world of its own.
    const { frameTree } = await session.send("Page.getFrameTree");
    const { executionContextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id, worldName: "axe" });
    await session.send("Runtime.evaluate", { contextId: executionContextId, expression: AXE });
    const asked = await session.send("Runtime.evaluate", {
      contextId: executionContextId,
      awaitPromise: true,
      returnByValue: true,
      expression: `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, help, nodes }) => id + ": " + help + ": " + nodes.slice(0, 3).map((node) => node.html + " " + (node.any[0]?.message ?? "")).join(" | ")))`,
    });
    await session.detach();
    if (asked.exceptionDetails) throw new Error(`${page.url()}: axe failed: ${JSON.stringify(asked.exceptionDetails)}`);
    assert.deepEqual(asked.result.value, [], `${page.url()} in ${name}`);
  }
  await page.setViewportSize({ width: 1280, height: 860 });
  await page.emulateMedia({ colorScheme: "light", forcedColors: "none" });
}
