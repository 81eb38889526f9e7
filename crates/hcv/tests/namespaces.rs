//! A namespace is used only after the client has proven that the server knows namespaces.

#[path = "openbao/world.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod world;

#[allow(dead_code, reason = "shared with the other tests")]
mod script;

use script::{Asked, Reply, Script, reply};

use vaultterm_hcv::{ConnectorOptions, Transit, TransitAuth, TransitSettings};
use vaultterm_reconcile::Mode;
use vaultterm_sealing::{SecretBytes, SecretText};
use vaultterm_sync::{Connection, Connector, Credential, FaultClass, Remote, RemoteFault};
use vaultterm_testkit::openbao::{AppRole, only_on_openbao};
use world::{MOUNT, ROLE, World, hcl, path};

fn in_namespace(script: &Script) -> Connection {
    Connection { namespace: Some("team".to_owned()), ..script.connection() }
}

async fn refusal(connection: &Connection) -> RemoteFault {
    match script::connector().connect(connection, &script::secrets()).await {
        Ok(_) => panic!("the connection opens"),
        Err(fault) => fault,
    }
}

/// Refuses unknown namespaces, as OpenBao does.
fn as_a_server_with_namespaces(asked: &Asked) -> Option<Reply> {
    let named = asked.header("x-vault-namespace")?;
    (named != "team").then(|| reply(404, r#"{"errors":["namespace not found"]}"#))
}

#[tokio::test]
async fn a_server_that_ignores_the_namespace_is_refused_everywhere_and_sent_no_credential() {
    let script = Script::start(|_| None).await;
    let connection = in_namespace(&script);
    let connector = script::connector();
    assert_eq!(refusal(&connection).await.class, FaultClass::NamespaceIgnored);
    let created = connector.refuse_ignored_namespace(&connection, &script::secrets()).await;
    assert_eq!(created.expect_err("refused").class, FaultClass::NamespaceIgnored);
    let anchor = connector.anchor(&connection, &script::secrets(), "elsewhere/audit").await;
    assert_eq!(anchor.expect_err("refused").class, FaultClass::NamespaceIgnored);
    let wrapped = vaultterm_sync::ConnectionSecrets {
        credential: Credential::WrappingToken(SecretText::new("hvs.wrapping".to_owned())),
        client_key_pem: None,
    };
    let unwrapped = connector.unwrap_secret_id(&connection, &wrapped).await;
    assert_eq!(unwrapped.expect_err("refused").class, FaultClass::NamespaceIgnored);
    let report = connector.test(&connection, &script::secrets()).await;
    let failed: Vec<_> = report.checks.iter().filter(|check| !check.ok).map(|check| check.name.as_str()).collect();
    assert_eq!(failed, ["namespace"], "{report:#?}");
    let transit = Transit::new(
        TransitSettings {
            address: script.address.clone(),
            namespace: Some("team".to_owned()),
            ca_pem: None,
            auth: TransitAuth::Token(SecretText::new("hvs.transit".to_owned())),
            mount: "transit".to_owned(),
            key: "k".to_owned(),
        },
        ConnectorOptions::default(),
    );
    let sealed = transit.seal(&SecretBytes::new(vec![1; 32]), b"context").await;
    assert_eq!(sealed.expect_err("refused").class, FaultClass::NamespaceIgnored);
    let asked = script.asked();
    let sent: Vec<_> =
        asked.iter().filter(|asked| asked.method != "GET" || asked.header("x-vault-token").is_some()).collect();
    assert!(sent.is_empty(), "{sent:#?}");
}

#[tokio::test]
async fn what_a_server_says_of_itself_counts_where_the_proof_is_refused_without_a_reason() {
    let denied = |asked: &Asked| {
        let named = asked.header("x-vault-namespace")?;
        (named != "team").then(|| reply(403, r#"{"errors":["permission denied"]}"#))
    };
    let community = Script::start(denied).await;
    assert_eq!(refusal(&in_namespace(&community)).await.class, FaultClass::NamespaceIgnored);
    let enterprise = Script::start(move |asked| {
        let health = script::as_vault(asked);
        let body = health.body.replace(r#""enterprise":false"#, r#""enterprise":true"#);
        if asked.path.starts_with("sys/health") { Some(Reply { body, ..health }) } else { denied(asked) }
    })
    .await;
    let opened = script::connector().connect(&in_namespace(&enterprise), &script::secrets()).await;
    opened.map_err(|fault| format!("{fault:?}")).expect("the connection opens").remote.close().await.expect("revoked");
}

#[tokio::test]
async fn a_server_that_cannot_be_asked_now_does_not_stop_a_connection_from_being_created() {
    for status in [429, 500, 503] {
        let script = Script::start(move |asked| {
            asked.header("x-vault-namespace").map(|_| reply(status, r#"{"errors":["not now"]}"#))
        })
        .await;
        let connection = in_namespace(&script);
        script::connector().refuse_ignored_namespace(&connection, &script::secrets()).await.expect("not known");
        assert_ne!(refusal(&connection).await.class, FaultClass::NamespaceIgnored, "and no run begins");
    }
    let nowhere = Script::start(|_| None).await;
    let connection = Connection { address: "http://127.0.0.1:9".to_owned(), ..in_namespace(&nowhere) };
    script::connector().refuse_ignored_namespace(&connection, &script::secrets()).await.expect("not reached");
}

#[tokio::test]
async fn a_login_that_is_refused_in_a_namespace_names_the_namespace() {
    let script = Script::start(|asked| {
        as_a_server_with_namespaces(asked).or_else(|| {
            (asked.path == "auth/approle/login").then(|| reply(400, r#"{"errors":["invalid role or secret ID"]}"#))
        })
    })
    .await;
    let hint = refusal(&in_namespace(&script)).await.hint.map(|hint| hint.to_string()).unwrap_or_default();
    assert!(hint.contains("the namespace `team`") && hint.contains("name it"), "{hint}");
}

#[tokio::test]
async fn a_real_server_with_namespaces_logs_in_at_the_root_for_secrets_below() {
    if only_on_openbao("Vault Community has no namespaces") {
        return;
    }
    let mut world = World::new(Mode::Bidirectional).await;
    let root = world.server.root();
    root.make_namespace("team").await;
    let policy = hcl(Mode::Bidirectional)
        .replace(&format!("path \"{MOUNT}/"), &format!("path \"team/{MOUNT}/"))
        .replace("path \"sys/", "path \"team/sys/");
    let policy = format!("{policy}\npath \"sys/capabilities-self\" {{ capabilities = [\"update\"] }}\n");
    let made = root.make_role(AppRole { name: ROLE, policy: &policy, more: serde_json::Value::Null }).await;
    world.server.root_in("team").mount_kv(MOUNT, 2).await;
    (world.connection.role_id, world.secret_id) = (made.role_id, made.secret_id);
    world.connection.namespace = Some("team".to_owned());
    let fault = world.refusal().await;
    assert!(
        fault.hint.map(|hint| hint.to_string()).unwrap_or_default().contains("name it"),
        "the login is not in the namespace"
    );

    world.connection.auth_namespace = Some("root".to_owned());
    let report = world.connector().test(&world.connection, &world.secrets()).await;
    assert!(report.ok, "{report:#?}");
    let remote = world.connect().await;
    remote.write(&path("a"), &world::fields("1"), vaultterm_reconcile::Version::NONE).await.expect("written");
    assert_eq!(remote.observe().await.expect("observed").sights.len(), 1);
    remote.close().await.expect("revoked");
}
