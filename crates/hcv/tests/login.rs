//! The life of a login on a real server: RoleID and SecretID, wrapped SecretIDs, namespaces, tokens that end
//! before the run does, and their revocation.

#[path = "openbao/world.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod world;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use vaultterm_hcv::Listing;
use vaultterm_reconcile::{Mode, RemoteSight, Version};
use vaultterm_sealing::SecretText;
use vaultterm_sync::{ConnectionSecrets, Connector, Credential, FaultClass, Remote, RemoteFault};
use vaultterm_testkit::openbao::{AppRole, OpenBao, only_on_openbao};
use world::{MOUNT, ROLE, World, a_mark, fields, hcl, path};

const PATIENCE: Duration = Duration::from_secs(20);

fn hint(fault: &RemoteFault) -> String {
    fault.hint.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn logins(world: &World) -> usize {
    world.server.audited().iter().filter(|request| request.path == "auth/approle/login" && !request.failed).count()
}

/// Returns the number of live tokens, without the administrator's.
async fn tokens(server: &OpenBao) -> usize {
    let accessors = server.root().call("LIST", "auth/token/accessors", None).await;
    accessors["keys"].as_array().expect("accessors").len() - 1
}

async fn wait_for_no_token(server: &OpenBao) {
    let began = Instant::now();
    while tokens(server).await > 0 {
        assert!(began.elapsed() < PATIENCE, "the token did not expire");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Revokes every token except the administrator's, as if they had expired.
async fn revoke_all(server: &OpenBao) {
    let accessors = server.root().call("LIST", "auth/token/accessors", None).await;
    for accessor in accessors["keys"].as_array().expect("accessors") {
        let root = server.root();
        let found = root.call("POST", "auth/token/lookup-accessor", Some(json!({ "accessor": accessor }))).await;
        if found["policies"] != json!(["root"]) {
            root.call("POST", "auth/token/revoke-accessor", Some(json!({ "accessor": accessor }))).await;
        }
    }
}

/// Returns a world whose role has additional settings.
async fn with_role(more: Value) -> World {
    let mut world = World::new(Mode::Bidirectional).await;
    let role = AppRole { name: ROLE, policy: &hcl(Mode::Bidirectional), more };
    world.secret_id = world.server.root().make_role(role).await.secret_id;
    world
}

#[tokio::test]
async fn a_wrong_role_id_and_a_wrong_secret_id_are_refused_alike_and_say_what_can_be_known() {
    let mut world = World::new(Mode::Push).await;
    let right = std::mem::replace(&mut world.connection.role_id, "no-such-role".to_owned());
    let wrong_role = world.refusal().await;
    world.connection.role_id = right;
    world.secret_id = "no-such-secret-id".to_owned();
    let wrong_secret = world.refusal().await;
    for fault in [wrong_role, wrong_secret] {
        assert_eq!(fault.class, FaultClass::LoginRefused);
        assert!(fault.message.contains("the RoleID is unknown, or the SecretID is wrong"), "{fault:?}");
        assert!(hint(&fault).contains("a new SecretID"), "{fault:?}");
        assert!(!format!("{fault:?}").contains("no-such"), "neither is repeated: {fault:?}");
    }
    let report = world.connector().test(&world.connection, &world.secrets()).await;
    assert_eq!(report.checks.last().map(|check| (check.name.as_str(), check.ok)), Some(("login", false)));
}

#[tokio::test]
async fn a_secret_id_that_is_used_up_is_refused() {
    let world = with_role(json!({"secret_id_num_uses": 1})).await;
    world.connect().await.close().await.expect("revoked");
    let fault = world.refusal().await;
    assert_eq!(fault.class, FaultClass::LoginRefused);
    assert!(fault.message.contains("used up"), "{fault:?}");
}

#[tokio::test]
async fn a_mount_of_approle_that_is_not_there_is_said() {
    let mut world = World::new(Mode::Push).await;
    world.connection.auth_mount = "elsewhere".to_owned();
    let fault = world.refusal().await;
    assert_eq!(fault.class, FaultClass::LoginRefused);
    assert!(fault.message.contains("no auth method at `auth/elsewhere/`"), "{fault:?}");
}

#[tokio::test]
async fn when_a_secret_id_expires_is_known_where_the_role_may_ask() {
    let mut world = with_role(json!({"secret_id_ttl": "1h"})).await;
    let unknown = world.try_connect().await.expect("the connection opens");
    assert_eq!(unknown.secret_id_expires, None);
    let lookup = format!("path \"auth/approle/role/{ROLE}/secret-id/lookup\" {{ capabilities = [\"update\"] }}");
    world.set_policy(&format!("{}\n{lookup}", hcl(Mode::Bidirectional))).await;
    world.secret_id = world.server.root().issue_secret_id(ROLE).await;
    let known = world.try_connect().await.expect("the connection opens");
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_nanos()).expect("before 2262");
    let left = Duration::from_nanos(u64::try_from(known.secret_id_expires.expect("known").0 - now).expect("to come"));
    assert!(left > Duration::from_secs(3_500) && left <= Duration::from_secs(3_600), "{left:?}");
    let report = world.connector().test(&world.connection, &world.secrets()).await;
    assert_eq!(report.secret_id_expires, known.secret_id_expires);
}

// ---- wrapped SecretIDs ---------------------------------------------------------------------

fn wrapped(token: &str) -> ConnectionSecrets {
    ConnectionSecrets { credential: Credential::WrappingToken(SecretText::new(token.to_owned())), client_key_pem: None }
}

async fn unwrap(world: &World, token: &str) -> Result<Option<SecretText>, RemoteFault> {
    world.connector().unwrap_secret_id(&world.connection, &wrapped(token)).await
}

#[tokio::test]
async fn a_wrapped_secret_id_is_unwrapped_once_and_logs_in() {
    let mut world = World::new(Mode::Push).await;
    let token = world.server.root().wrap_secret_id(ROLE).await;
    let secret_id = unwrap(&world, &token).await.expect("unwrapped").expect("there was one to unwrap");
    world.secret_id = secret_id.expose().to_owned();
    world.connect().await.close().await.expect("revoked");
    assert!(world.connector().unwrap_secret_id(&world.connection, &world.secrets()).await.expect("done").is_none());
}

#[tokio::test]
async fn a_wrapping_token_that_was_used_before_is_reported_as_possible_interception() {
    let world = World::new(Mode::Push).await;
    let token = world.server.root().wrap_secret_id(ROLE).await;
    unwrap(&world, &token).await.expect("the first one has it");
    for token in [token.as_str(), "hvs.never-was-one"] {
        let fault = unwrap(&world, token).await.expect_err("refused");
        assert_eq!(fault.class, FaultClass::LoginRefused);
        assert!(fault.message.contains("intercepted"), "{fault:?}");
        assert!(hint(&fault).contains("audit log"), "{fault:?}");
        assert!(!format!("{fault:?}").contains(token), "{fault:?}");
    }
}

#[tokio::test]
async fn a_token_that_wraps_something_else_is_refused_and_not_spent() {
    let world = World::new(Mode::Push).await;
    let root = world.server.root();
    root.put(MOUNT, "forged", json!({"secret_id": "forged"})).await;
    for path in [format!("{MOUNT}/data/forged"), format!("auth/approle/role/{ROLE}/role-id")] {
        let token = root.wrapped("GET", &path).await;
        let fault = unwrap(&world, &token).await.expect_err("refused");
        assert_eq!(fault.class, FaultClass::LoginRefused);
        assert!(fault.message.contains("does not hold a SecretID") && fault.message.contains(&path), "{fault:?}");
        let lookup = root.call("POST", "sys/wrapping/lookup", Some(json!({ "token": token }))).await;
        assert_eq!(lookup["creation_path"], json!(path), "it can still be unwrapped by whom it is for");
    }
}

#[tokio::test]
async fn a_secret_id_of_another_approle_mount_is_refused_and_not_spent() {
    let mut world = World::new(Mode::Push).await;
    let token = world.server.root().wrap_secret_id(ROLE).await;
    world.connection.auth_mount = "other".to_owned();
    let fault = unwrap(&world, &token).await.expect_err("refused");
    assert!(fault.message.contains("does not hold a SecretID of auth/other"), "{fault:?}");
    world.connection.auth_mount = "approle".to_owned();
    assert!(unwrap(&world, &token).await.expect("unwrapped").is_some());
}

#[tokio::test]
async fn a_secret_id_that_is_still_wrapped_does_not_log_in() {
    let world = World::new(Mode::Push).await;
    let token = world.server.root().wrap_secret_id(ROLE).await;
    let Err(fault) = world.connector().connect(&world.connection, &wrapped(&token)).await else {
        panic!("the connection opens");
    };
    assert_eq!(fault.class, FaultClass::LoginRefused);
    assert!(unwrap(&world, &token).await.expect("not spent").is_some());
}

// ---- namespaces ----------------------------------------------------------------------------

#[tokio::test]
async fn a_connection_lives_in_its_namespace_and_sees_no_other() {
    if only_on_openbao("Vault Community has no namespaces") {
        return;
    }
    let mut world = World::new(Mode::Bidirectional).await;
    world.server.root().make_namespace("team-a").await;
    let inside = world.server.root_in("team-a");
    inside.mount_kv(MOUNT, 2).await;
    let role = AppRole { name: ROLE, policy: &hcl(Mode::Bidirectional), more: Value::Null };
    let credentials = inside.make_role(role).await;
    world.server.root().put(MOUNT, "team/app/outside", json!({"value": "root's"})).await;
    inside.put(MOUNT, "team/app/inside", json!({"value": "the team's"})).await;

    let outside_secret = std::mem::replace(&mut world.secret_id, credentials.secret_id);
    let outside_role = std::mem::replace(&mut world.connection.role_id, credentials.role_id);
    for namespace in ["team-a", "/team-a/"] {
        world.connection.namespace = Some(namespace.to_owned());
        let remote = world.connect().await;
        let sights = remote.observe().await.expect("the scope can be observed").sights;
        assert_eq!(sights.into_keys().collect::<Vec<_>>(), [path("inside")]);
        remote.close().await.expect("revoked");
    }
    let remote = world.connect().await;
    remote.write(&path("new"), &fields("1"), Version::NONE).await.expect("written");
    assert_eq!(inside.value(MOUNT, "team/app/new").await, Some(json!({"value": "1"})));
    assert_eq!(world.server.root().value(MOUNT, "team/app/new").await, None);
    remote.close().await.expect("revoked");

    world.secret_id = outside_secret;
    world.connection.role_id = outside_role;
    let fault = world.refusal().await;
    assert_eq!(fault.class, FaultClass::LoginRefused, "a role of another namespace: {fault:?}");
    world.connection.namespace = Some("no-such-namespace".to_owned());
    let fault = world.refusal().await;
    assert!(fault.message.contains("namespace"), "{fault:?}");
    assert!(fault.hint.as_ref().map(ToString::to_string).unwrap_or_default().contains("namespace"), "{fault:?}");
}

// ---- tokens --------------------------------------------------------------------------------

#[tokio::test]
async fn a_token_that_expires_mid_run_is_replaced_once_however_many_requests_find_out() {
    let world = with_role(json!({"token_ttl": "2s", "token_max_ttl": "2s"})).await;
    let remote = world.connect().await;
    let paths: Vec<_> = (0..8).map(|number| path(&format!("key{number}"))).collect();
    for path in &paths {
        remote.write(path, &fields("1"), Version::NONE).await.expect("written");
    }
    wait_for_no_token(&world.server).await;
    let before = logins(&world);
    for read in join_all(paths.iter().map(|path| remote.read(path, Version(1)))).await {
        assert!(read.expect("read with a new token").is_some());
    }
    assert_eq!(logins(&world) - before, 1);
    remote.close().await.expect("revoked");
}

#[tokio::test]
async fn tokens_with_few_uses_are_replaced_in_time_and_no_request_is_refused() {
    for uses in [1, 3] {
        let world = with_role(json!({ "token_num_uses": uses })).await;
        let remote = world.connect().await;
        let paths: Vec<_> = (0..30).map(|number| path(&format!("key{number}"))).collect();
        let value = fields("1");
        for written in join_all(paths.iter().map(|path| remote.write(path, &value, Version::NONE))).await {
            assert_eq!(written.expect("written").version, Version(1));
        }
        assert_eq!(remote.observe().await.expect("observed").sights.len(), 30);
        remote.close().await.expect("revoked");
        // The server takes the last use of a token before it answers a question about its capabilities.
        let question = "sys/capabilities-self";
        let mut asked = world.server.audited().into_iter().filter(|request| request.role == ROLE);
        assert_eq!(asked.find(|request| request.failed && request.path != question), None);
        assert!(logins(&world) >= 30 / uses, "{} logins", logins(&world));
    }
}

#[tokio::test]
async fn a_role_that_may_not_ask_is_told_apart_from_a_dead_token_every_time() {
    let world = World::new(Mode::Bidirectional).await;
    world.connect().await.write(&path("there"), &fields("1"), Version::NONE).await.expect("written");
    let mute = hcl(Mode::Bidirectional).replace("sys/capabilities-self", "sys/elsewhere");
    world.set_policy(&mute.replace("\"create\", \"read\", \"update\"", "\"create\", \"read\"")).await;
    let remote = world.connect().await;
    for _ in 0..3 {
        let before = logins(&world);
        for _ in 0..3 {
            let denied = remote.write(&path("there"), &fields("2"), Version(1)).await.expect_err("denied");
            assert_eq!(denied.class, FaultClass::Denied);
        }
        assert_eq!(logins(&world), before, "a denial is no reason to log in again");
        revoke_all(&world.server).await;
        assert!(remote.read(&path("there"), Version(1)).await.expect("read with a new token").is_some());
        assert_eq!(logins(&world), before + 1);
    }
    remote.close().await.expect("revoked");
}

#[tokio::test]
async fn every_kind_of_request_survives_the_end_of_its_token() {
    let world = World::new(Mode::Bidirectional).await;
    for listing in world::known(&[Listing::Scan, Listing::DetailedList, Listing::PerKey]) {
        if listing == Listing::PerKey {
            world.set_policy(&world::vault_hcl(Mode::Bidirectional)).await;
        }
        let remote = world.connect_listing(listing, 7).await;
        revoke_all(&world.server).await;
        remote.observe().await.expect("observed");
        remote.close().await.expect("revoked");
    }
    let remote = world.connect().await;
    revoke_all(&world.server).await;
    remote.write(&path("a"), &fields("1"), Version::NONE).await.expect("written");
    revoke_all(&world.server).await;
    remote.mark(&path("a"), &a_mark()).await.expect("marked");
    revoke_all(&world.server).await;
    assert!(matches!(remote.look(&path("a")).await.expect("seen"), RemoteSight::Seen(_)));
    revoke_all(&world.server).await;
    assert_eq!(remote.look(&path("none")).await.expect("looked at"), RemoteSight::ProvenAbsent);
    revoke_all(&world.server).await;
    remote.delete(&path("a"), Version(1)).await.expect("deleted");
    let metadata = world.server.root().metadata(MOUNT, "team/app/a").await.expect("metadata");
    assert_eq!(metadata["current_version"], json!(1), "nothing was done twice");
    remote.close().await.expect("revoked");
}

#[tokio::test]
async fn a_token_that_cannot_be_replaced_ends_the_run_with_what_is_wrong_with_the_login() {
    let world = World::new(Mode::Bidirectional).await;
    let remote = world.connect().await;
    let body = json!({"secret_id": world.secret_id});
    world.server.root().call("POST", &format!("auth/approle/role/{ROLE}/secret-id/destroy"), Some(body)).await;
    revoke_all(&world.server).await;
    let fault = remote.observe().await.expect_err("refused");
    assert_eq!(fault.class, FaultClass::LoginRefused, "{fault:?}");
    assert!(!fault.message.contains(&world.secret_id));
}

#[tokio::test]
async fn the_token_is_revoked_at_the_end_whatever_happened() {
    let mut world = World::new(Mode::Bidirectional).await;
    let remote = world.connect().await;
    assert_eq!(tokens(&world.server).await, 1);
    remote.close().await.expect("revoked");
    assert_eq!(tokens(&world.server).await, 0, "after a session");

    let report = world.connector().test(&world.connection, &world.secrets()).await;
    assert!(report.ok, "{report:#?}");
    assert_eq!(tokens(&world.server).await, 0, "after a test");

    world.connection.mount = "elsewhere".to_owned();
    world.refusal().await;
    assert_eq!(tokens(&world.server).await, 0, "after a preflight that failed");
    world.connector().test(&world.connection, &world.secrets()).await;
    assert_eq!(tokens(&world.server).await, 0, "after a test that failed");

    world.connection.mount = MOUNT.to_owned();
    let remote = world.connect().await;
    revoke_all(&world.server).await;
    remote.observe().await.expect("observed with a new token");
    remote.close().await.expect("revoked");
    assert_eq!(tokens(&world.server).await, 0, "after a second login");
}
