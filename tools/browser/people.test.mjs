// People: the second factor, sessions, the proof that is asked for again, invitations, roles.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, check, launch, logIn, wellMade, window_ } from "./browser.mjs";
import { MARKER, OWNER, PASSWORD, furnish, open } from "./house.mjs";
import { totp } from "./totp.mjs";

let browser, house, team, ids;
before(async () => {
  browser = await launch();
  house = await open();
  ({ team, ids } = await furnish(house));
});
after(async () => {
  await browser?.close();
  house?.close();
});

const status = (page) => page.textContent("[role=status]");
const personId = async (email) => (await house.ana.call("GET", "/users")).items.find((user) => user.email === email).id;

/** Makes a person with a password, who is a member of no collection. */
const member = async (email, name) => house.ana.call("POST", "/users", { email, name, role: "member", password: PASSWORD });

test("every page of people is well made, for the eye, the keyboard and a screen reader", async () => {
  const page = await window_(browser, house);
  for (const address of ["/invite", "/reset"]) {
    await page.goto(address);
    await check(page);
  }
  await logIn(page, OWNER, PASSWORD);
  const bo = await personId("bo@example.com");
  for (const address of ["/me", "/me/factors", "/me/sessions", "/me/tokens", "/people", `/people/${bo}`, `/collections/${team.id}/members`, "/login/prove"]) {
    await page.goto(address);
    await check(page);
  }
  await page.goto("/me/factors");
  await page.click("text=Set up one-time codes");
  await page.waitForSelector("svg.qr");
  await check(page);
  await page.context().close();
});

for (const script of [true, false]) {
  const how = script ? "with script" : "without script";
  test(`a second factor is set up, asked for, and a remembered browser still proves itself, ${how}`, async () => {
    const email = `factor-${script}@example.com`;
    await member(email, "Fay");
    if (script) {
      await house.ana.call("PUT", `/collections/${team.id}/members/${await personId(email)}`, { role: "viewer" });
      await house.ana.call("PATCH", `/records/${ids["databases/payments-replica"]}`, { ask_again: true }, { "if-match": '"1"' });
    }
    const page = await window_(browser, house, { javaScriptEnabled: script });
    await logIn(page, email, PASSWORD);
    await page.goto("/me/factors");
    await page.click("text=Set up one-time codes");
    const secret = await page.textContent(".secret");
    assert.match(secret, /^([A-Z2-7]{4} ){7}[A-Z2-7]{4}$/);
    await page.fill("#code", "000000");
    await page.click("text=Switch one-time codes on");
    assert.match(await page.textContent("main [role=alert]"), /does not fit; the server's time is \d\d:\d\d:\d\d UTC/);
    assert.equal(await page.textContent(".secret"), secret, "the same secret is shown again");
    await page.fill("#code", totp(secret));
    await page.click("text=Switch one-time codes on");
    await page.waitForSelector(".recovery");
    const codes = await page.locator(".recovery li").allTextContents();
    assert.equal(codes.length, 10);
    if (script) {
      await check(page);
    }
    // Somebody who leaves without a word of it is told on every page, and loses nothing.
    const asked = new Promise((resolve) => page.once("dialog", (dialog) => resolve(dialog.type())));
    await page.click("h1");
    await page.goto("/records");
    if (script) assert.equal(await asked, "beforeunload");
    assert.ok((await page.textContent(".banner.unconfirmed")).includes("You have not confirmed your recovery codes"));
    if (script) await check(page);
    await page.goto("/me/factors");
    assert.equal(await page.locator(".banner.unconfirmed").count(), 0, "this page says it itself");
    await page.fill("#code", "none-of-them");
    await page.click("text=I kept them");
    await page.waitForSelector("[role=alert]");
    await page.fill("#code", codes[4].toUpperCase());
    await page.click("text=I kept them");
    await page.waitForURL("**/me/factors?kept=1");
    assert.ok((await page.textContent("main")).includes("10 of 10 left"));

    await page.click("details.menu summary");
    await page.click("text=Log out");
    await page.waitForURL("**/login");
    await page.fill("#email", email);
    await page.fill("#password", PASSWORD);
    await page.click("button.primary");
    await page.waitForURL("**/login/code*");
    if (script) {
      await check(page, { focus: false });
    }
    await page.goto("/records");
    assert.ok(page.url().includes("/login"), "half a login opens nothing");
    await page.goto("/login/code");
    await page.fill("#code", "000000");
    await page.click("button.primary");
    const wrong = await page.textContent("main [role=alert], [role=alert]");
    assert.ok(wrong.startsWith("The code is wrong; the server's time is "), wrong);
    assert.equal(wrong.includes("The clock of this device agrees with it."), script, wrong);
    await page.fill("#code", totp(secret, 30));
    await page.check("#remember");
    await page.click("button.primary");
    await page.waitForURL((url) => !url.pathname.startsWith("/login"));
    await page.goto("/me/sessions");
    assert.equal(await page.locator("tbody tr:has-text('this one')").count(), 1);
    assert.ok((await page.textContent("main")).includes("password and code"));

    // The browser is remembered: the login asks for no code, and what is hard to take back still does.
    await page.click("details.menu summary");
    await page.click("text=Log out");
    await page.waitForURL("**/login");
    await logIn(page, email, PASSWORD);
    const asks = `/records/${ids["databases/payments-replica"]}`;
    const shown = page.locator("[data-field=password] [data-value]");
    if (script) {
      await page.goto(asks);
      await page.locator("[data-field=password] [data-act=show]").click();
      await page.locator("#prove-again").getByText("Not now").click();
      await page.waitForSelector("[role=status]:has-text('asks again needs a proof')");
      await wellMade(page, { marker: MARKER, focus: false });
    }
    await page.goto("/me/tokens");
    await page.fill("#name", "ci");
    await page.locator("input[value='records:read']").check();
    const before = (await page.context().cookies()).find(({ name }) => name === "vaultterm").value;
    await page.click("text=Make the token");
    if (script) {
      // The proof is asked for in place: a wrong code says so, "Not now" leaves the form as it is, and a right one goes on.
      const dialog = page.locator("#prove-again");
      await dialog.waitFor();
      await accessible(page);
      await dialog.locator("#prove-code").fill("000000");
      await dialog.getByText("Go on").click();
      await dialog.locator("[role=alert]:has-text('The code is wrong'), [role=alert]:has-text('the code is wrong')").waitFor();
      await dialog.getByText("Not now").click();
      assert.equal(await page.inputValue("#name"), "ci");
      await page.click("text=Make the token");
      await dialog.locator("#prove-code").fill(codes[0]);
      await dialog.getByText("Go on").click();
    } else {
      await page.waitForURL("**/login/prove?kept=*");
      await page.fill("#code", codes[0]);
      await page.click("button.primary");
    }
    await page.waitForSelector("#made");
    assert.match(await page.inputValue("#made"), /^vtt_/);
    const now = (await page.context().cookies()).find(({ name }) => name === "vaultterm").value;
    assert.notEqual(now, before, "a proof gives the session another cookie");
    if (script) {
      await page.goto(asks);
      await page.locator("[data-field=password] [data-act=show]").click();
      await page.locator(`[data-field=password]:has-text("${MARKER}-replica")`).waitFor();
      assert.ok((await shown.textContent()).includes(MARKER), "the proof of a moment ago is fresh");
    }
    await page.goto("/me/factors");
    assert.ok((await page.textContent("main")).includes("9 of 10 left"));
    await page.click("text=Switch one-time codes off");
    await page.waitForURL("**/me/factors?removed=1");
    await page.context().close();
  });

  test(`an invitation lets one person in once, ${how}`, async () => {
    const email = `invited-${script}@example.com`;
    const page = await window_(browser, house);
    await logIn(page, OWNER, PASSWORD);
    await page.goto("/people");
    await page.fill("#email", email);
    await page.fill("#name", "Iva");
    await page.click("text=Make the invitation");
    await page.waitForSelector("#made");
    const link = await page.inputValue("#made");
    assert.ok(link.startsWith(`${house.address}/invite#vti_`), link);
    await wellMade(page, { marker: MARKER });
    const guest = await window_(browser, house, { javaScriptEnabled: script });
    await guest.goto(link);
    if (!script) {
      await guest.fill("#token", link.split("#")[1]);
      await guest.click("text=Open the link");
    }
    await guest.waitForSelector("#password");
    assert.ok((await guest.textContent("main")).includes(email));
    await guest.fill("#password", PASSWORD);
    await guest.fill("#again", `${PASSWORD}x`);
    await guest.click("text=Accept and log in");
    await guest.waitForSelector("text=The two passwords differ");
    await guest.fill("#password", PASSWORD);
    await guest.fill("#again", PASSWORD);
    await guest.click("text=Accept and log in");
    await guest.waitForURL((url) => url.pathname === "/");
    assert.ok((await guest.textContent("header.top")).includes("Iva"));
    await guest.context().close();
    const late = await window_(browser, house, { javaScriptEnabled: false });
    await late.goto("/invite");
    await late.fill("#token", link.split("#")[1]);
    await late.click("text=Open the link");
    assert.match(await late.textContent("[role=alert]"), /was used already/);
    await late.context().close();
    await page.goto(`/people/${await personId(email)}`);
    assert.ok((await page.textContent("main")).includes("used"));
    await page.context().close();
  });
}

test("a passkey is made, logs in without an address, counts as a fresh proof, and is removed", async () => {
  const at = house.address.replace("127.0.0.1", "localhost");
  await member("pia@example.com", "Pia");
  const page = await window_(browser, { ...house, address: at });
  const session = await page.context().newCDPSession(page);
  await session.send("WebAuthn.enable");
  const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true };
  await session.send("WebAuthn.addVirtualAuthenticator", { options });
  await logIn(page, "pia@example.com", PASSWORD);
  await page.goto("/me/factors");
  await page.fill("#passkey-name", "telephone");
  await page.click("text=Make a passkey");
  await page.waitForURL("**/me/factors?passkey=1");
  assert.ok((await page.textContent("main")).includes("telephone"));
  await wellMade(page);
  await page.click("details.menu summary");
  await page.click("text=Log out");
  await page.waitForURL("**/login");
  await page.click("text=Log in with a passkey");
  await page.waitForURL((url) => !url.pathname.startsWith("/login"));
  assert.ok((await page.textContent("header.top")).includes("Pia"));
  await page.goto("/me/sessions");
  assert.ok((await page.textContent("main")).includes("passkey"));
  await page.goto("/me/factors");
  await page.click("text=Remove");
  await page.locator("tbody tr:has-text('telephone')").waitFor({ state: "detached" });
  await page.context().close();
});

test("the theme and the switch of single keys are chosen for one browser, and hold on every page", async () => {
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.goto("/me");
  const light = await ground();
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "q", "single keys act");
  await page.check("input[name=theme][value=dark]");
  await page.uncheck("input[name=keys]");
  await page.click("text=Save for this browser");
  await page.waitForURL("**/me?saved=1");
  await check(page);
  await page.goto("/records");
  assert.notEqual(await ground(), light, "the theme holds on another page");
  await page.keyboard.press("/");
  assert.notEqual(await page.evaluate(() => document.activeElement.id), "q", "no single key acts");
  await page.context().close();
});

test("three people with three roles see three things", async () => {
  const look = async (email) => {
    const page = await window_(browser, house);
    await logIn(page, email, PASSWORD);
    await page.goto(`/records/${ids["apps/payroll"]}`);
    const record = { edit: await page.locator("[data-act=edit]").count(), trash: await page.locator("main a[href$='/trash']").count() };
    await page.goto(`/collections/${team.id}/members`);
    const members = { roles: await page.locator("main select").count() > 0, h1: await page.textContent("h1") };
    await page.goto("/people");
    const people = { invite: await page.locator("main form").count() > 0 };
    await page.context().close();
    return { ...record, ...members, ...people };
  };
  await member("edda@example.com", "Edda");
  const edda = await personId("edda@example.com");
  await house.ana.call("PUT", `/collections/${team.id}/members/${edda}`, { role: "editor" });
  const [viewer, editor, owner] = [await look("bo@example.com"), await look("edda@example.com"), await look(OWNER)];
  assert.deepEqual([viewer.edit, editor.edit > 0, owner.edit > 0], [0, true, true]);
  assert.deepEqual([viewer.roles, editor.roles, owner.roles], [false, false, true]);
  assert.deepEqual([viewer.invite, editor.invite, owner.invite], [false, false, true]);
});

test("the next login after a reset link was used says whose link it was", async () => {
  await member("rhea@example.com", "Rhea");
  const { path } = await house.ana.call("POST", `/users/${await personId("rhea@example.com")}/reset-link`, {});
  const page = await window_(browser, house);
  await page.goto(path);
  await page.waitForSelector("#password");
  await page.fill("#password", PASSWORD);
  await page.fill("#again", PASSWORD);
  await page.click("text=Set the password and log in");
  await page.waitForSelector("header.top");
  assert.equal(await page.locator(".banner:has-text('reset link')").count(), 0, "the link itself tells nobody");
  for (const told of [1, 0]) {
    await page.click("details.menu summary");
    await page.click("text=Log out");
    await page.waitForURL("**/login");
    await logIn(page, "rhea@example.com", PASSWORD);
    await page.goto("/records");
    assert.equal(await page.locator(`.banner:has-text('A reset link of ${OWNER} set your password')`).count(), told);
    await check(page);
  }
  await page.context().close();
});

test("a role is given and changed on the page of members, and only what changed is sent", async () => {
  await member("mia@example.com", "Mia");
  const page = await window_(browser, house);
  await logIn(page, OWNER, PASSWORD);
  await page.goto(`/collections/${team.id}/members`);
  await page.fill("#email", "nobody@example.com");
  await page.click("text=Give the role");
  assert.match(await page.textContent("main [role=alert]"), /Nobody here has the address/);
  await page.fill("#email", "mia@example.com");
  await page.selectOption("#role", "viewer");
  await page.click("text=Give the role");
  await page.waitForURL("**/members?saved=1");
  const granted = async () => (await house.ana.call("GET", "/audit/events?action=MEMBER_GRANTED")).items.length;
  const before = await granted();
  const row = page.locator("tbody tr:has-text('mia@example.com')");
  assert.ok((await row.textContent()).includes(`given by ${OWNER}`));
  assert.ok((await page.locator(`tbody tr:has-text('${OWNER}')`).first().textContent()).includes("made the collection"));
  await Promise.all([page.waitForEvent("load"), row.locator("button:has-text('Save')").click()]);
  assert.equal(await granted(), before, "nothing changed, and nothing was sent");
  await row.locator("select").selectOption("editor");
  await Promise.all([page.waitForEvent("load"), row.locator("button:has-text('Save')").click()]);
  assert.equal(await granted(), before + 1);
  await Promise.all([page.waitForEvent("load"), row.locator("button:has-text('Remove')").click()]);
  assert.equal(await row.count(), 0);
  await page.context().close();
});

test("a session is ended from another one, and a disabled person is out at once", async () => {
  await member("sam@example.com", "Sam");
  const [one, two] = [await window_(browser, house), await window_(browser, house)];
  await logIn(one, "sam@example.com", PASSWORD);
  await logIn(two, "sam@example.com", PASSWORD);
  await one.goto("/me/sessions");
  await one.click("text=End all others");
  await one.waitForURL("**/me/sessions?ended=1");
  assert.equal(await status(one), "Ended 1 session.");
  await two.goto("/records");
  assert.ok(two.url().includes("/login"));
  const owner = await window_(browser, house);
  await logIn(owner, OWNER, PASSWORD);
  await owner.goto(`/people/${await personId("sam@example.com")}`);
  assert.ok((await owner.textContent("main")).includes("at once"));
  await owner.click("text=Disable Sam");
  await owner.waitForURL("**?saved=1");
  await one.goto("/records");
  assert.ok(one.url().includes("/login"));
  await one.context().close();
  await two.context().close();
  await owner.context().close();
});
