// A VaultTerm of its own for a test: set up as the manual says, with people, collections and records.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BINARY = process.env.VAULTTERM_BINARY ?? new URL("../../target/debug/vaultterm", import.meta.url).pathname;
export const PASSWORD = "correct horse battery";
export const OWNER = "ana@example.com";

/** Starts a server. `owner` says whether `init` makes the first owner; without, it prints the set-up link. */
export async function open({ owner = true, licensed = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "vaultterm-browser-"));
  const env = { PATH: process.env.PATH, HOME: folder, VAULTTERM_DATA_DIR: join(folder, "data") };
  const password = join(folder, "password");
  writeFileSync(password, `${PASSWORD}\n`, { mode: 0o600 });
  const options = owner ? ["--owner-email", OWNER, "--owner-name", "Ana Ruiz", "--owner-password-file", password] : [];
  const made = spawnSync(BINARY, ["init", ...options], { env, encoding: "utf8" });
  if (made.status !== 0) throw new Error(`init: ${made.stderr}`);
  if (licensed) {
    const license = join(folder, "data/license.vtlic");
    const issue = ["license", "issue", "--key", join(folder, "vendor/license.key"), "--tier", "enterprise", "--licensee", "Tests", "--expires", "2099-12-31", "-o", license];
    for (const step of [["license", "keygen", "-o", join(folder, "vendor")], issue]) {
      const done = spawnSync(BINARY, step, { env, encoding: "utf8" });
      if (done.status !== 0) throw new Error(`${step}: ${done.stderr}`);
    }
    env.LICENSE_PUBLIC_KEY_FILE = join(folder, "vendor/license.pub");
  }
  let log = "";
  const serve = async (listen) => {
    const server = spawn(BINARY, ["serve", "--listen", listen], { env, stdio: ["ignore", "pipe", "pipe"] });
    server.stderr.on("data", (text) => (log += text));
    const address = await new Promise((resolve, reject) => {
      let said = "";
      server.stdout.on("data", (text) => {
        said += text;
        if (said.includes("\n")) resolve(said.split("\n")[0].trim());
      });
      server.on("exit", () => reject(new Error(`the server ended: ${log}`)));
    });
    return { server, address };
  };
  let { server, address } = await serve("127.0.0.1:0");
  const house = {
    address,
    folder,
    env,
    said: made.stdout + made.stderr,
    log: () => log,
    /** Kills the server, as a power cut does. */
    async kill() {
      const ended = new Promise((resolve) => server.once("exit", resolve));
      server.kill("SIGKILL");
      await ended;
    },
    /** Starts the server again at its address, after a kill. */
    async restart() {
      ({ server } = await serve(new URL(address).host));
    },
    close() {
      server.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
  if (owner) house.ana = await guest(house, OWNER);
  return house;
}

/** Logs somebody in at the API. */
export async function guest(house, email) {
  const call = async (method, path, body, headers = {}) => {
    const answer = await fetch(`${house.address}/api/v1${path}`, {
      method,
      headers: { "content-type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : {};
  };
  const { token } = await call("POST", "/auth/login", { email, password: PASSWORD });
  return { call: (method, path, body, headers) => call(method, path, body, { authorization: `Bearer ${token}`, ...headers }) };
}

/** Starts an OpenBao beside a house, with a mount `kv`, and connects the collection `team` with `kv/team` in both directions.
 * `address` is another way to the same server. */
export async function connect(house, collection, { name = "prod", path = "team", address } = {}) {
  house.bao ??= await openBao(house);
  const { bao } = house;
  const policy = await house.ana.call("POST", "/connections/policy", { mount: "kv", path, mode: "bidirectional", flavor: "openbao" });
  await bao.call("PUT", `sys/policies/acl/${name}`, { policy: policy.hcl });
  await bao.call("POST", `auth/approle/role/${name}`, { token_policies: name, token_ttl: "20m", secret_id_ttl: "720h" });
  const role_id = (await bao.call("GET", `auth/approle/role/${name}/role-id`)).data.role_id;
  const secret_id = (await bao.call("POST", `auth/approle/role/${name}/secret-id`, {})).data.secret_id;
  return house.ana.call("POST", "/connections", {
    name, collection_id: collection.id, address: address ?? bao.address, auth: { method: "approle", role_id, secret_id },
    mount: "kv", path, mode: "bidirectional", options: { interval_seconds: 0, on_change: false },
  });
}

/** Starts an OpenBao with a mount `kv` and AppRole. */
export async function openBao(house) {
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const address = `http://127.0.0.1:${port}`;
  const binary = process.env.VAULTTERM_BAO ?? "bao";
  const options = ["server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token", `-dev-listen-address=127.0.0.1:${port}`];
  const server = spawn(binary, options, { env: { PATH: process.env.PATH, HOME: house.folder }, stdio: "ignore" });
  const call = async (method, path, body) => {
    const answer = await fetch(`${address}/v1/${path}`, { method, headers: { "x-vault-token": "root" }, body: body && JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : {};
  };
  for (let tries = 0; ; tries += 1) {
    try {
      await call("GET", "sys/health");
      break;
    } catch (error) {
      if (tries > 300) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  await call("POST", "sys/mounts/kv", { type: "kv", options: { version: "2" } });
  await call("POST", "sys/auth/approle", { type: "approle" });
  const close = house.close;
  house.close = () => {
    server.kill("SIGKILL");
    close();
  };
  const put = (path, data) => call("POST", `kv/data/${path}`, { data });
  const get = async (path) => (await call("GET", `kv/data/${path}`)).data.data;
  return { address, call, put, get };
}

/** Opens a way to Vault that stops at writes of values: `letOn(count)` lets so many pass, and holds what comes after them. */
export async function lock(bao) {
  const { hostname, port } = new URL(bao.address);
  let free = 0;
  const held = [];
  const server = createServer((asked, answer) => {
    const pass = () => {
      const { url: path, method, headers } = asked;
      const on = request({ hostname, port, path, method, headers }, (got) => {
        answer.writeHead(got.statusCode, got.headers);
        got.pipe(answer);
      });
      on.on("error", () => answer.destroy());
      asked.pipe(on);
    };
    const writes = asked.method !== "GET" && asked.url.startsWith("/v1/kv/data/");
    if (writes && (free -= 1) < 0) held.push({ pass, answer });
    else pass();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    held: () => held.length,
    letOn(count) {
      const passes = held.splice(0, count);
      free = count - passes.length;
      for (const { pass } of passes) pass();
    },
    /** Drops what is held, as a broken line does. */
    drop() {
      for (const { answer } of held.splice(0)) answer.destroy();
    },
    close: () => server.close(),
  };
}

/** Makes the policy and the role, as the operator's script does, and returns the RoleID and a wrapping token. */
export async function asTheScriptDoes(bao, policy) {
  await bao.call("PUT", "sys/policies/acl/vaultterm", { policy });
  await bao.call("POST", "auth/approle/role/vaultterm", { token_policies: "vaultterm", token_ttl: "20m", secret_id_ttl: "720h" });
  const role_id = (await bao.call("GET", "auth/approle/role/vaultterm/role-id")).data.role_id;
  const answer = await fetch(`${bao.address}/v1/auth/approle/role/vaultterm/secret-id`, {
    method: "POST", headers: { "x-vault-token": "root", "x-vault-wrap-ttl": "300s" }, body: "{}",
  });
  return { role_id, token: (await answer.json()).wrap_info.token };
}

/** Fills a house with what a team has. Every value holds the marker, so that a leak is found. */
export const MARKER = "hunter2";
export async function furnish(house) {
  const { call } = house.ana;
  await call("POST", "/users", { email: "bo@example.com", name: "Bo Lind", role: "member", password: PASSWORD });
  const users = (await call("GET", "/users")).items;
  const bo = users.find((user) => user.email === "bo@example.com").id;
  const team = await call("POST", "/collections", { name: "team" });
  const payments = await call("POST", "/collections", { name: "payments" });
  await call("PUT", `/collections/${team.id}/members/${bo}`, { role: "viewer" });
  const ids = {};
  const save = async (collection, path, type, fields, tags = []) => {
    const record = await call("POST", `/collections/${collection.id}/records`, { path, type, fields, tags });
    ids[path] = record.id;
  };
  await save(team, "apps/payments-api", "API_KEY", { key_id: "pay-live", key: `${MARKER}-key-Q7x%0` }, ["prod"]);
  await save(team, "apps/payments-worker", "KEY_VALUE", { DB_USER: "worker", DB_PASSWORD: `${MARKER}-0O1l` }, ["prod", "queue"]);
  await save(team, "apps/payroll", "PASSWORD", { username: "payroll", password: `${MARKER}-payroll`, url: "https://payroll.example.com" });
  await save(team, "databases/payments-primary", "PASSWORD", { username: "payments_rw", password: `${MARKER}-x7Kq-vTr0%pLm2`, url: "db-main.example.com:5432", notes: "Rotated on the first Monday of a quarter." }, ["prod", "pci"]);
  await save(team, "databases/payments-replica", "PASSWORD", { username: "payments_ro", password: `${MARKER}-replica` }, ["prod", "pci"]);
  await save(team, "people/deploy", "TOTP", { totp_secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" });
  await save(payments, "acquirer-sandbox", "API_KEY", { key_id: "sandbox", key: `${MARKER}-sandbox` });
  await save(payments, "stripe-live", "API_KEY", { key_id: "stripe", key: `${MARKER}-stripe` }, ["prod", "pci"]);
  await save(team, "apps/old", "PASSWORD", { password: `${MARKER}-old` });
  await call("DELETE", `/records/${ids["apps/old"]}`);
  await call("PATCH", `/records/${ids["databases/payments-primary"]}`, { fields: { password: `${MARKER}-x7Kq-vTr0%pLm3` } }, { "if-match": '"1"' });
  return { team, payments, ids };
}

/** Fills a house with many records, to see what lists become. */
export async function fill(house, count) {
  const { call } = house.ana;
  const many = await call("POST", "/collections", { name: "many" });
  const kinds = ["api", "worker", "db", "cache", "queue", "web", "mail", "search"];
  let made = 0;
  const worker = async () => {
    for (let n = made++; n < count; n = made++) {
      const kind = kinds[n % kinds.length];
      const path = `apps/${kind}-${String(Math.floor(n / 800)).padStart(3, "0")}/service-${String(n).padStart(6, "0")}`;
      await call("POST", `/collections/${many.id}/records`, { path, type: "PASSWORD", fields: { password: `${MARKER}-${n}` } });
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return many;
}

/** What Bitwarden exports as CSV. */
export const bitwardenCsv = [
  "folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp",
  `Work,1,login,mail,,,0,https://mail.example.com,ana,${MARKER}-mail,`,
  `Work,,login,wiki,"Ask Bo, he knows.","Team: infra",1,https://wiki.example.com,ana,${MARKER}-wiki,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ`,
  `,,note,door code,${MARKER}-1234,,0,,,,`,
  "",
].join("\n");
