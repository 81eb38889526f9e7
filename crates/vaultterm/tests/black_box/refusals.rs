//! Bad input. Each case has a problem that says what to do, and writes nothing on either side.

use serde_json::{Value, json};
use vaultterm_testkit::openbao::{AppRole, Authority, OpenBao, Product, Setup};

use crate::{
    house::House,
    town::{MOUNT, PREFIX, Town, role},
};

/// Returns a town with a changed connection, and a record that no run may write.
async fn broken(change: impl FnOnce(&mut Value)) -> Town {
    let mut town = Town::new("push").await;
    town.house.record(&town.collection, "one", json!({"v": "1"})).await;
    town.house.owner.delete(&format!("/connections/{}", town.connection)).await.expect(204);
    let mut settings = town.settings("push");
    change(&mut settings);
    town.connection = town.connect(settings).await.expect(201).id();
    town
}

/// Asserts that test, plan and run all fail with this message, and that the run changes nothing.
async fn all_say(town: &Town, kind: &str, class: &str, says: &str) {
    let test = town.house.owner.post(&format!("/connections/{}/test", town.connection), json!({})).await.expect(200);
    assert_eq!(test.body["ok"], false, "{:#}", test.body);
    let failed: Vec<_> =
        test.body["checks"].as_array().expect("checks").iter().filter(|check| check["ok"] == false).collect();
    assert!(format!("{failed:?}").contains(says), "test: {failed:?}");
    let plan = town.house.owner.post(&format!("/connections/{}/plans", town.connection), json!({})).await;
    let status = plan.status;
    let problem = plan.problem(status, kind);
    assert!((422..=504).contains(&status) && problem.contains(says), "plan: {status} {problem}");
    let run = town.run().await;
    assert_eq!(run["state"], "failed", "{run:#}");
    assert_eq!(run["problems"][0]["class"], class, "{run:#}");
    assert!(run["problems"][0]["detail"].as_str().is_some_and(|detail| detail.contains(says)), "run: {run:#}");
    assert!(town.house.owner.items("/audit/events?action=HCV_SECRET_SYNCED").await.is_empty());
    let shown = town.house.cli(&["sync", "plan", "prod"]);
    assert_eq!(shown.status.code(), Some(2), "{shown:?}");
    let told = String::from_utf8_lossy(&shown.stderr);
    assert!(told.contains("hint:"), "what to do next: {told}");
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let town = broken(|settings| settings["address"] = json!("http://127.0.0.1:9")).await;
    all_say(&town, "vault-unavailable", "unavailable", "refused").await;
    assert_eq!(town.standing().await["state"], "unreachable");
}

#[tokio::test]
async fn a_wrong_role_or_secret_id_is_a_refused_login() {
    for field in ["role_id", "secret_id"] {
        let town = broken(|settings| settings["auth"][field] = json!("11111111-2222-3333-4444-555555555555")).await;
        all_say(&town, "vault-login-refused", "login_refused", "ecret").await;
        assert_eq!(town.standing().await["state"], "auth_failed");
        assert_eq!(town.value("one").await, None);
    }
}

#[tokio::test]
async fn a_missing_mount_and_a_kv_version_1_mount_are_named() {
    let town = broken(|settings| settings["mount"] = json!("nothing")).await;
    let body = json!({"mount": "nothing", "path": PREFIX, "mode": "push", "flavor": town.bao.flavor()});
    let hcl = town.house.owner.post("/connections/policy", body).await.expect(200).body["hcl"].clone();
    town.root().write_policy("vaultterm", hcl.as_str().expect("a policy")).await;
    all_say(&town, "vault-wrong-mount", "wrong_mount", "nothing").await;
    let town = Town::new("push").await;
    town.root().mount_kv("old", 1).await;
    let hcl = "path \"old/*\" { capabilities = [\"create\", \"read\", \"update\", \"list\"] }
               path \"sys/internal/ui/mounts/old/*\" { capabilities = [\"read\"] }";
    town.root().make_role(AppRole { name: "vaultterm", policy: hcl, more: Value::Null }).await;
    let credentials = role_again(&town).await;
    let mut settings = town.settings("push");
    settings["mount"] = json!("old");
    settings["name"] = json!("old");
    settings["path"] = json!("elsewhere");
    settings["auth"] = credentials;
    let id = town.connect(settings).await.expect(201).id();
    let plan = town.house.owner.post(&format!("/connections/{id}/plans"), json!({})).await;
    let status = plan.status;
    let problem = plan.problem(status, "vault-wrong-mount");
    assert!(problem.contains("version"), "{problem}");
}

async fn role_again(town: &Town) -> Value {
    let role_id = town.root().call("GET", "auth/approle/role/vaultterm/role-id", None).await;
    let secret_id = town.root().issue_secret_id("vaultterm").await;
    json!({"role_id": role_id["role_id"], "secret_id": secret_id})
}

/// HashiCorp Vault Community ignores the name of a namespace and serves the root namespace; so does the stand-in.
#[tokio::test]
async fn a_namespace_that_the_server_ignores_is_refused_when_a_connection_is_created_and_when_it_is_changed() {
    let town = Town::new("pull").await;
    let vault = OpenBao::start_with(Setup { product: Some(Product::vault()), ..Setup::default() }).await;
    let mut without = town.settings("pull");
    without["name"] = json!("community");
    without["path"] = json!("elsewhere");
    without["address"] = json!(vault.address());
    let before = vault.audited().len();
    for field in ["namespace", "auth"] {
        let mut settings = without.clone();
        match field {
            "namespace" => settings["namespace"] = json!("team"),
            _ => settings["auth"]["namespace"] = json!("team"),
        }
        let said = town.connect(settings).await.problem(422, "vault-namespace-ignored");
        assert!(said.contains("ignores the name") && said.contains("hint"), "{field}: {said}");
    }
    assert_eq!(town.house.owner.items("/connections").await.len(), 1, "nothing was created");

    let id = town.connect(without).await.expect(201).id();
    let path = format!("/connections/{id}");
    let shown = town.house.owner.get(&path).await.expect(200).body;
    for change in [json!({"namespace": "team"}), json!({"auth": {"namespace": "team"}})] {
        let answer = town.house.owner.patch(&path, &shown["revision"], change.clone()).await;
        let said = answer.problem(422, "vault-namespace-ignored");
        assert!(said.contains("ignores the name"), "{change}: {said}");
        assert_eq!(town.house.owner.get(&path).await.expect(200).body, shown, "{change}: nothing was changed");
    }
    let asked: Vec<_> = vault.audited().split_off(before).into_iter().map(|request| request.path).collect();
    assert!(!asked.iter().any(|path| path.ends_with("/login")), "no credential was sent: {asked:?}");
}

#[tokio::test]
async fn a_missing_capability_is_named() {
    let town = Town::new("push").await;
    town.house.record(&town.collection, "one", json!({"v": "1"})).await;
    let body = json!({"mount": MOUNT, "path": PREFIX, "mode": "pull", "flavor": town.bao.flavor()});
    let less = town.house.owner.post("/connections/policy", body).await.expect(200).body["hcl"].clone();
    town.root().write_policy("vaultterm", less.as_str().expect("a policy")).await;
    all_say(&town, "vault-denied", "denied", "create").await;
    assert_eq!(town.value("one").await, None);
}

#[tokio::test]
async fn a_sealed_vault_is_waited_for_and_heals() {
    let town = Town::new("push").await;
    town.house.record(&town.collection, "one", json!({"v": "1"})).await;
    town.bao.seal().await;
    all_say(&town, "vault-remote-sealed", "remote_sealed", "sealed").await;
    assert_eq!(town.standing().await["state"], "remote_sealed");
    town.bao.unseal().await;
    assert_eq!(town.run().await["state"], "succeeded");
    assert_eq!(town.value("one").await, Some(json!({"v": "1"})));
}

#[tokio::test]
async fn a_used_wrapping_token_is_reported_as_possible_interception_and_a_good_one_works() {
    let town = Town::new("push").await;
    town.house.owner.delete(&format!("/connections/{}", town.connection)).await.expect(204);
    let wrapping = town.root().wrap_secret_id("vaultterm").await;
    let mut settings = town.settings("push");
    let auth = settings["auth"].as_object_mut().expect("an object");
    auth.remove("secret_id");
    auth.insert("wrapping_token".to_owned(), json!(wrapping));
    let made = town.connect(settings.clone()).await.expect(201).id();
    let test = town.house.owner.post(&format!("/connections/{made}/test"), json!({})).await.expect(200);
    assert_eq!(test.body["ok"], true, "{:#}", test.body);
    settings["name"] = json!("second");
    settings["path"] = json!("other");
    let refused = town.connect(settings).await;
    let status = refused.status;
    let problem = refused.problem(status, "vault-login-refused");
    assert!(problem.contains("intercept"), "{problem}");
    assert!(!problem.contains(&wrapping));
    assert_eq!(town.house.owner.items("/connections").await.len(), 1, "nothing came of it");
}

#[tokio::test]
async fn an_untrusted_certificate_is_said_to_be_one_and_its_ca_makes_it_trusted() {
    let authority = Authority::new("Test CA");
    let setup = Setup { tls: Some(authority.server(&["127.0.0.1", "localhost"])), ..Setup::default() };
    let (house, bao) = tokio::join!(House::new(), OpenBao::start_with(setup));
    bao.root().mount_kv(MOUNT, 2).await;
    let credentials = role(&house, &bao, "push").await;
    let collection = house.collection("app").await;
    let mut settings = json!({
        "name": "prod", "collection_id": collection, "address": bao.address(),
        "auth": {"role_id": credentials.role_id, "secret_id": credentials.secret_id},
        "mount": MOUNT, "path": PREFIX, "mode": "push",
        "tls": {"ca_pem": Authority::new("Another CA").certificate_pem()},
    });
    let id = house.owner.post("/connections", settings.clone()).await.expect(201).id();
    let plan = house.owner.post(&format!("/connections/{id}/plans"), json!({})).await;
    let problem = plan.problem(422, "vault-misconfigured");
    assert!(problem.contains("certificate"), "{problem}");
    let run = house.owner.post(&format!("/connections/{id}/runs"), json!({})).await.expect(202).id();
    let standing = house
        .until("the run ends", async || {
            let run = house.owner.get(&format!("/runs/{run}")).await.expect(200).body;
            let connection = house.owner.get(&format!("/connections/{id}")).await.expect(200).body;
            (run["state"] != "running").then_some(connection)
        })
        .await;
    assert_eq!(standing["state"], "unreachable");
    assert!(standing["state_detail"].as_str().is_some_and(|why| why.contains("certificate")), "{standing:#}");
    let ca = json!({"tls": {"ca_pem": authority.certificate_pem()}});
    house.owner.patch(&format!("/connections/{id}"), &json!(1), ca).await.expect(200);
    house.owner.post(&format!("/connections/{id}/plans"), json!({})).await.expect(201);
    settings["tls"]["ca_pem"] = json!("no certificate");
    settings["name"] = json!("other");
    house.owner.post("/connections", settings).await.problem(422, "invalid");
}

#[tokio::test]
async fn what_no_connection_can_be_is_refused_by_name_and_nothing_is_written() {
    let town = Town::new("push").await;
    let cases: [(&str, Value, &str); 14] = [
        ("address", json!("http://vault.example.com:8200"), "https"),
        ("address", json!("vault.example.com"), "https://host"),
        ("address", json!("https://169.254.169.254"), "address"),
        ("address", json!("ftp://127.0.0.1"), "address"),
        ("mount", json!(""), "mount"),
        ("path", json!("a/../b"), "path"),
        ("mode", json!("both"), "bidirectional"),
        ("name", json!(""), "name"),
        ("colour", json!("red"), "colour"),
        ("options", json!({"interval": 5}), "interval"),
        ("options", json!({"merge": "always"}), "merge"),
        ("options", json!({"concurrency_max": 0}), "concurrency_max"),
        ("auth", json!({"role_id": "x"}), "secret_id"),
        ("auth", json!({"method": "token", "role_id": "x", "secret_id": "y"}), "approle"),
    ];
    for (field, value, says) in cases {
        let mut settings = town.settings("push");
        settings["name"] = json!("another");
        settings["path"] = json!("elsewhere");
        settings[field] = value.clone();
        let problem = town.connect(settings).await.problem(422, "invalid");
        assert!(problem.contains(says), "{field} = {value}: {problem}");
        assert!(!problem.contains(&town.credentials.secret_id));
    }
    assert_eq!(town.house.owner.items("/connections").await.len(), 1);
    for (field, value) in [("mount", "a/../b"), ("path", "a\nb"), ("role", "a/b"), ("auth_mount", " "), ("mode", "x")] {
        let mut scope = json!({"mount": MOUNT, "path": PREFIX, "mode": "push"});
        scope[field] = json!(value);
        let problem = town.house.owner.post("/connections/policy", scope).await.problem(422, "invalid");
        assert!(problem.contains(&format!("\"field\":\"{field}\"")), "{problem}");
    }
}

#[tokio::test]
async fn two_connections_may_not_write_to_one_place() {
    let town = Town::new("bidirectional").await;
    let mut settings = town.settings("push");
    settings["name"] = json!("second");
    town.connect(settings.clone()).await.problem(409, "refused");
    settings["path"] = json!("team");
    let problem = town.connect(settings.clone()).await.problem(409, "refused");
    assert!(problem.contains("prod"), "it names the other one: {problem}");
    // A pull does not write there.
    settings["mode"] = json!("pull");
    town.connect(settings).await.expect(201);
}
