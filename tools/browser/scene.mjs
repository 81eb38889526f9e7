// The scene of the pictures: two connections, a run that is over, a plan, and a conflict.
import { MARKER, connect, furnish } from "./house.mjs";

/** Fills a house, and returns what its pages need. */
export async function scene(house) {
  const { ids, team, payments } = await furnish(house);
  const prod = await connect(house, team);
  const waiting = await connect(house, payments, { name: "payments", path: "payments" });
  const call = house.ana.call;
  const run = async (body) => {
    const { id } = await call("POST", `/connections/${prod.id}/runs`, body);
    for (;;) {
      const run = await call("GET", `/runs/${id}`);
      if (run.state !== "running") return run;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  const change = (path, fields) => call("PATCH", `/records/${ids[path]}`, { fields }, { "if-match": '"1"' });
  const first = await run({});
  await house.bao.put("team/apps/search", { token: `${MARKER}-search` });
  await house.bao.put("team/apps/mail", { username: "mail", password: `${MARKER}-mail` });
  await house.bao.put("team/apps/payments-worker", { DB_USER: "worker", DB_PASSWORD: `${MARKER}-changed-in-Vault` });
  await change("apps/payments-worker", { DB_USER: "worker_v2", DB_PASSWORD: `${MARKER}-changed-here` });
  await change("apps/payroll", { password: `${MARKER}-payroll-2`, url: "https://payroll.example.com/login" });
  await change("databases/payments-replica", { password: `${MARKER}-replica-2` });
  const reports = { path: "apps/reports", type: "PASSWORD", fields: { username: "reports", password: `${MARKER}-reports` }, tags: ["prod"] };
  await call("POST", `/collections/${team.id}/records`, reports);
  const plan = await call("POST", `/connections/${prod.id}/plans`, {});
  await run({});
  const conflict = (await call("GET", "/conflicts?status=open")).items[0];
  const bo = (await call("GET", "/users")).items.find((user) => user.email === "bo@example.com").id;
  await call("POST", "/invitations", { email: "carla@example.com", name: "Carla Weiss" });
  await call("POST", "/tokens", { name: "backup on build-3", scopes: ["records:read", "records:reveal"], expires_in_seconds: 2_592_000 });
  await call("POST", "/webhooks", { name: "siem", url: "http://127.0.0.1:9/in", paused: true });
  await call("POST", "/generated", {});
  const record = `/records/${ids["databases/payments-primary"]}`;
  return { ids, team, payments, prod, waiting, run: first, plan, conflict, record, bo };
}
