//! Who wrote a secret, on a server that names the writers as HashiCorp Vault does.

#[path = "openbao/world.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod world;

use std::sync::Arc;

use serde_json::{Value, json};
use vaultterm_hcv::ConnectorOptions;
use vaultterm_reconcile::{Mode, Version};
use vaultterm_sync::Remote;
use vaultterm_testkit::openbao::{AppRole, Credentials, OpenBao, Product, Setup};
use world::{MOUNT, PREFIX, ROLE, World, connection, fields, path, vault_hcl};

const ENTITIES: &str = "\npath \"identity/entity/id/*\" {\n  capabilities = [\"read\"]\n}\n";
const OTHERS: &str = "path \"kv/*\" { capabilities = [\"create\", \"read\", \"update\", \"delete\"] }";

/// Returns a connection to a Vault, with a secret at `theirs` that the role `jenkins` wrote.
async fn world(more: &str) -> World {
    let server = OpenBao::start_with(Setup { product: Some(Product::vault()), ..Setup::default() }).await;
    let root = server.root();
    root.mount_kv(MOUNT, 2).await;
    let policy = format!("{}{more}", vault_hcl(Mode::Bidirectional));
    let role = AppRole { name: ROLE, policy: &policy, more: Value::Null };
    let Credentials { role_id, secret_id } = root.make_role(role).await;
    let connection = connection(&server, Mode::Bidirectional, &role_id);
    let world = World { server: Arc::new(server), connection, secret_id, options: ConnectorOptions::default() };
    let role = AppRole { name: "jenkins", policy: OTHERS, more: Value::Null };
    let Credentials { role_id, secret_id } = world.server.root().make_role(role).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let address = world.server.address();
    let login = json!({"role_id": role_id, "secret_id": secret_id}).to_string();
    let answer = client.post(format!("{address}/v1/auth/approle/login")).body(login).send().await.expect("an answer");
    let answer: Value = serde_json::from_str(&answer.text().await.expect("a text")).expect("JSON");
    let token = answer["auth"]["client_token"].as_str().expect("a token");
    let write = client.post(format!("{address}/v1/{MOUNT}/data/{PREFIX}/theirs")).header("X-Vault-Token", token);
    let written = write.body(json!({"data": {"v": "1"}}).to_string()).send().await.expect("an answer");
    assert!(written.status().is_success(), "{written:?}");
    world
}

#[tokio::test]
async fn the_role_behind_a_login_is_named_where_the_policy_allows_reading_entities() {
    let world = world(ENTITIES).await;
    let remote = world.connect().await;
    remote.observe().await.expect("observed");
    assert_eq!(remote.writer(&path("theirs")).await.as_deref(), Some("approle jenkins"));
    assert_eq!(remote.writer(&path("never-seen")).await, None);
    remote.close().await.expect("closed");
}

#[tokio::test]
async fn without_that_right_the_mount_is_named_and_nothing_fails() {
    let world = world("").await;
    let remote = world.connect().await;
    remote.observe().await.expect("observed");
    assert_eq!(remote.writer(&path("theirs")).await.as_deref(), Some("approle"));
    assert_eq!(remote.writer(&path("theirs")).await.as_deref(), Some("approle"), "it is not asked for again");
    let asked = world.server.audited().iter().filter(|request| request.path.starts_with("identity/entity")).count();
    assert_eq!(asked, 1);
    remote.close().await.expect("closed");
}

#[tokio::test]
async fn our_own_writes_are_named_as_ours_and_a_deletion_has_its_own_writer() {
    let world = world(ENTITIES).await;
    let remote = world.connect().await;
    remote.write(&path("ours"), &fields("1"), Version::NONE).await.expect("written");
    remote.delete(&path("theirs"), Version(1)).await.expect("deleted");
    remote.look(&path("ours")).await.expect("looked");
    remote.look(&path("theirs")).await.expect("looked");
    assert_eq!(remote.writer(&path("ours")).await.as_deref(), Some("VaultTerm"));
    assert_eq!(remote.writer(&path("theirs")).await.as_deref(), Some("VaultTerm"), "it deleted the version");
    remote.close().await.expect("closed");
}
