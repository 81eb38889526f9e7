//! The seal of the root key on a real OpenBao: both kinds of keys, rotation, and all kinds of wrong settings.

use serde_json::{Value, json};
use vaultterm_hcv::{Binding, ConnectorOptions, Transit, TransitAuth, TransitCiphertext, TransitSettings};
use vaultterm_sealing::{SecretBytes, SecretText};
use vaultterm_sync::{FaultClass, RemoteFault};
use vaultterm_testkit::openbao::{AppRole, Credentials, OpenBao, Product, Setup};

const CONTEXT: &[u8] = b"vaultterm root key v1 of a test";
const POLICY: &str = r#"
path "transit/encrypt/root" { capabilities = ["update"] }
path "transit/decrypt/root" { capabilities = ["update"] }
path "transit/rewrap/root"  { capabilities = ["update"] }
"#;

struct House {
    server: OpenBao,
    credentials: Credentials,
}

impl House {
    /// Starts a server with Transit, creates the key `root`, and a role that may use it.
    async fn new(key: Value) -> Self {
        Self::on(OpenBao::start().await, key).await
    }

    /// Does the same on a given server.
    async fn on(server: OpenBao, key: Value) -> Self {
        let root = server.root();
        root.call("POST", "sys/mounts/transit", Some(json!({"type": "transit"}))).await;
        root.call("POST", "transit/keys/root", Some(key)).await;
        let credentials = root.make_role(AppRole { name: "seal", policy: POLICY, more: Value::Null }).await;
        Self { server, credentials }
    }

    async fn derived() -> Self {
        Self::new(json!({"derived": true})).await
    }

    async fn call(&self, path: &str, body: Value) {
        self.server.root().call("POST", path, Some(body)).await;
    }

    fn settings(&self) -> TransitSettings {
        let Credentials { role_id, secret_id } = self.credentials.clone();
        TransitSettings {
            address: self.server.address(),
            namespace: None,
            ca_pem: None,
            auth: TransitAuth::AppRole { mount: "approle".to_owned(), role_id, secret_id: SecretText::new(secret_id) },
            mount: "transit".to_owned(),
            key: "root".to_owned(),
        }
    }

    fn transit(&self) -> Transit {
        with(self.settings())
    }
}

fn with(settings: TransitSettings) -> Transit {
    Transit::new(settings, ConnectorOptions::default())
}

fn plaintext() -> SecretBytes {
    SecretBytes::new(b"thirty-two bytes and some more".to_vec())
}

fn fault<T>(result: Result<T, RemoteFault>) -> RemoteFault {
    match result {
        Ok(_) => panic!("it was not refused"),
        Err(fault) => fault,
    }
}

#[tokio::test]
async fn a_derived_key_seals_with_a_context_and_is_rewrapped_in_vault() {
    let house = House::derived().await;
    let transit = house.transit();
    let sealed = transit.seal(&plaintext(), CONTEXT).await.expect("sealed");
    assert_eq!((sealed.binding, sealed.key_version()), (Binding::Context, Some(1)));
    house.call("transit/keys/root/rotate", Value::Null).await;
    let resealed = transit.reseal(&sealed, CONTEXT).await.expect("sealed anew");
    assert_eq!(resealed.key_version(), Some(2));
    for sealed in [&sealed, &resealed] {
        assert_eq!(transit.open(sealed, CONTEXT).await.expect("opened").expose(), plaintext().expose());
        let refused = fault(transit.open(sealed, b"another context").await);
        assert_eq!(refused.class, FaultClass::Misconfigured, "{refused:?}");
    }
    let asked: Vec<_> = house.server.audited().into_iter().map(|request| request.path).collect();
    assert!(asked.iter().any(|path| path == "transit/rewrap/root"), "{asked:?}");
}

/// HashiCorp Vault, or the stand-in for one, refuses every request with `X-Vault-Inconsistent: forward-active-node`.
#[tokio::test]
async fn a_server_that_refuses_to_forward_to_the_active_node_seals_opens_and_seals_again() {
    let setup = Setup { product: Some(Product::vault()), ..Setup::default() };
    let house = House::on(OpenBao::start_with(setup).await, json!({"derived": true})).await;
    let asked = reqwest::Client::new()
        .post(format!("{}/v1/transit/encrypt/root", house.server.address()))
        .header("X-Vault-Token", house.server.root_token())
        .header("X-Vault-Inconsistent", "forward-active-node")
        .body(r#"{"plaintext":"aGVsbG8=","context":"aGVsbG8="}"#);
    assert_eq!(asked.send().await.expect("an answer").status(), 400, "it refuses the header");
    let transit = house.transit();
    let sealed = transit.seal(&plaintext(), CONTEXT).await.expect("sealed");
    house.call("transit/keys/root/rotate", Value::Null).await;
    let resealed = transit.reseal(&sealed, CONTEXT).await.expect("sealed again");
    assert_eq!((sealed.key_version(), resealed.key_version()), (Some(1), Some(2)));
    assert_eq!(transit.open(&resealed, CONTEXT).await.expect("opened").expose(), plaintext().expose());
    assert!(transit.examine().await.expect("examined").facts.is_none());
}

#[tokio::test]
async fn a_plain_key_seals_with_associated_data_and_is_opened_to_be_sealed_anew() {
    let house = House::new(json!({})).await;
    let transit = house.transit();
    let sealed = transit.seal(&plaintext(), CONTEXT).await.expect("sealed");
    assert_eq!((sealed.binding, sealed.key_version()), (Binding::AssociatedData, Some(1)));
    house.call("transit/keys/root/rotate", Value::Null).await;
    let resealed = transit.reseal(&sealed, CONTEXT).await.expect("sealed anew");
    assert_eq!(resealed.key_version(), Some(2));
    assert_eq!(transit.open(&resealed, CONTEXT).await.expect("opened").expose(), plaintext().expose());
    assert_eq!(fault(transit.open(&resealed, b"another").await).class, FaultClass::Misconfigured);
}

#[tokio::test]
async fn a_context_that_binds_nothing_is_found_and_refused() {
    let house = House::new(json!({})).await;
    // The text is sealed without associated data, as an older tool might do. This kind of key ignores
    // `context`.
    let body = json!({"plaintext": "aGVsbG8="});
    let answer = house.server.root().call("POST", "transit/encrypt/root", Some(body)).await;
    let text = answer["ciphertext"].as_str().expect("a ciphertext").to_owned();
    let refused = fault(house.transit().open(&TransitCiphertext { text, binding: Binding::Context }, CONTEXT).await);
    assert!(refused.message.contains("does not bind ciphertexts to their context"), "{refused:?}");
}

#[tokio::test]
async fn a_mistyped_key_is_never_made() {
    let house = House::derived().await;
    // The missing key is not created, even if the policy allows that.
    let careless = r#"path "transit/*" { capabilities = ["create", "update"] }
path "sys/capabilities-self" { capabilities = ["update"] }"#;
    house.server.root().write_policy("seal", careless).await;
    let transit = with(TransitSettings { key: "rot".to_owned(), ..house.settings() });
    let refused = fault(transit.seal(&plaintext(), CONTEXT).await);
    assert_eq!(refused.class, FaultClass::Misconfigured);
    assert!(refused.hint.as_ref().is_some_and(|hint| hint.to_string().contains("KEY_HCV_TRANSIT_KEY")), "{refused:?}");
    let (status, _) = house.server.root().try_call("GET", "transit/keys/rot", None).await;
    assert_eq!(status.as_u16(), 404);
    assert_eq!(house.transit().examine().await.expect("examined").may_create, Some(true));
}

#[tokio::test]
async fn what_the_policy_lacks_is_named() {
    let house = House::derived().await;
    let sealed = house.transit().seal(&plaintext(), CONTEXT).await.expect("sealed");
    let policy = r#"path "transit/encrypt/root" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }"#;
    house.server.root().write_policy("seal", policy).await;
    let refused = fault(house.transit().open(&sealed, CONTEXT).await);
    assert_eq!(refused.class, FaultClass::Denied);
    assert!(refused.message.contains("lacks `update` on transit/decrypt/root"), "{refused:?}");
}

#[tokio::test]
async fn a_version_that_is_too_old_a_deleted_key_and_a_missing_engine_are_told_apart() {
    let house = House::derived().await;
    let transit = house.transit();
    let sealed = transit.seal(&plaintext(), CONTEXT).await.expect("sealed");
    house.call("transit/keys/root/rotate", Value::Null).await;
    house.call("transit/keys/root/config", json!({"min_decryption_version": 2, "deletion_allowed": true})).await;
    let old = fault(transit.open(&sealed, CONTEXT).await);
    assert!(old.hint.as_ref().is_some_and(|hint| hint.to_string().contains("min_decryption_version")), "{old:?}");
    house.server.root().call("DELETE", "transit/keys/root", None).await;
    let deleted = fault(transit.open(&sealed, CONTEXT).await);
    assert!(deleted.hint.as_ref().is_some_and(|hint| hint.to_string().contains("was deleted")), "{deleted:?}");
    house.server.root().unmount("transit").await;
    let missing = fault(transit.open(&sealed, CONTEXT).await);
    assert!(matches!(missing.class, FaultClass::Misconfigured | FaultClass::Denied), "{missing:?}");
}

#[tokio::test]
async fn a_key_tells_about_itself_where_the_policy_lets_it() {
    let house = House::derived().await;
    let report = house.transit().examine().await.expect("examined");
    assert!(report.facts.is_none());
    let more = r#"path "transit/keys/root" { capabilities = ["read"] }
path "sys/capabilities-self" { capabilities = ["update"] }"#;
    house.server.root().write_policy("seal", &format!("{POLICY}{more}")).await;
    let report = house.transit().examine().await.expect("examined");
    let facts = report.facts.expect("the key's words");
    assert!(facts.derived && !facts.exportable && !facts.deletion_allowed);
    assert_eq!((facts.latest_version, facts.min_decryption_version, report.may_create), (1, 1, Some(false)));
}

#[tokio::test]
async fn a_given_token_is_used_and_left_alone_and_an_approle_token_is_revoked() {
    let house = House::derived().await;
    let body = json!({"policies": ["seal"], "no_default_policy": true});
    let (_, answer) = house.server.root().try_call("POST", "auth/token/create", Some(body)).await;
    let token = answer["auth"]["client_token"].as_str().expect("a token").to_owned();
    let given = with(TransitSettings { auth: TransitAuth::Token(SecretText::new(token)), ..house.settings() });
    let sealed = given.seal(&plaintext(), CONTEXT).await.expect("sealed");
    assert_eq!(house.transit().open(&sealed, CONTEXT).await.expect("opened").expose(), plaintext().expose());
    given.open(&sealed, CONTEXT).await.expect("the token still lives");
    let revoked = house.server.audited().iter().filter(|request| request.path == "auth/token/revoke-self").count();
    assert_eq!(revoked, 1);
}
