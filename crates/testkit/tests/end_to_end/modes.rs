//! What each mode carries in which direction, and that a second run writes nothing.

use serde_json::{Value, json};
use vaultterm_ledger::AuditAction;
use vaultterm_reconcile::{ConflictKind, DriftPolicy, InitialPolicy, Mode, RecordType};
use vaultterm_testkit::world::data;

use crate::{house::House, vault_side::writes};

/// Returns a record of every type.
fn of_every_type() -> [(RecordType, &'static str, Value); 10] {
    [
        (RecordType::Password, "db/admin", json!({"username": "ada", "password": "correct horse"})),
        (RecordType::ApiKey, "api/payments", json!({"key_id": "AK1", "key": "k-1"})),
        (RecordType::SshKey, "ssh/deploy", json!({"private_key": "-----BEGIN", "public_key": "ssh-ed25519 AAAA"})),
        (RecordType::EnvVar, "env/PORT", json!({"value": "8080"})),
        (RecordType::SecureNote, "notes/door", json!({"note": "line one\nline two"})),
        (RecordType::Totp, "otp/mail", json!({"otpauth_url": "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP"})),
        (RecordType::PaymentCard, "cards/travel", json!({"card_number": "4111111111111111", "expires": "2030-01"})),
        (RecordType::Identity, "people/ada", json!({"first_name": "Ada", "last_name": "Lovelace"})),
        (RecordType::Passkey, "passkeys/forge", json!({"credential_id": "c1", "rp_id": "forge.example.com"})),
        (RecordType::KeyValue, "raw/config", json!({"replicas": 3, "hosts": ["a", "b"], "limits": {"cpu": 0.5}})),
    ]
}

#[tokio::test]
async fn a_push_carries_every_type_to_vault_and_a_second_run_writes_nothing() {
    let house = House::new(Mode::Push).await;
    for (record_type, path, fields) in of_every_type() {
        house.save_as(record_type, path, fields).await;
    }
    house.put("theirs", json!({"value": "not ours"})).await;
    let run = house.succeed().await;
    assert_eq!((run.counts.created_remote, run.counts.created_local), (10, 0));
    for (record_type, path, fields) in of_every_type() {
        assert_eq!(house.secret(path).await, Some(data(fields)), "{path}");
        let head = house.head(path).await;
        assert_eq!((head.version, head.mark("managed-by")), (1, Some("vaultterm")), "{path}");
        assert_eq!(head.mark("vaultterm-type"), Some(record_type.as_str()), "{path}");
    }
    assert_eq!(house.record("theirs").await, None, "a push imports nothing");
    assert_eq!(house.head("theirs").await.mark("managed-by"), None);
    house.rests().await;

    house.save("env/PORT", json!({"value": "9090"})).await;
    assert_eq!(house.succeed().await.counts.updated_remote, 1);
    assert_eq!(
        (house.secret("env/PORT").await, house.head("env/PORT").await.version),
        (Some(data(json!({"value": "9090"}))), 2)
    );
    house.rests().await;
}

#[tokio::test]
async fn a_pull_carries_secrets_here_infers_their_types_and_never_writes_to_vault() {
    let house = House::new(Mode::Pull).await;
    for (_, path, fields) in of_every_type() {
        house.put(path, fields).await;
    }
    house.save("mine", json!({"value": "local only"})).await;
    let (before, entries) = (house.heads().await, house.asked());
    let run = house.succeed().await;
    assert_eq!((run.counts.created_local, run.counts.created_remote), (10, 0));
    for (record_type, path, fields) in of_every_type() {
        assert_eq!(house.record(path).await, Some(data(fields)), "{path}");
        assert_eq!(house.found(path).await.unwrap().record_type, record_type, "{path}");
    }
    house.put("env/PORT", json!({"value": "9090"})).await;
    assert_eq!(house.succeed().await.counts.updated_local, 1);
    assert_eq!(house.record("env/PORT").await, Some(data(json!({"value": "9090"}))));
    house.rests().await;
    assert_eq!(writes(&house.asked_since(entries)), Vec::<String>::new());
    let mut after = house.heads().await;
    after.insert("env/PORT".to_owned(), before["env/PORT"].clone());
    assert_eq!(after, before, "but for what the administrator wrote, Vault is as it was");
}

#[tokio::test]
async fn in_both_directions_what_is_new_or_changed_on_one_side_reaches_the_other() {
    let house = House::new(Mode::Bidirectional).await;
    house.save("here", json!({"value": "1"})).await;
    house.put("there", json!({"value": "1"})).await;
    let run = house.succeed().await;
    assert_eq!((run.counts.created_remote, run.counts.created_local), (1, 1));
    house.rests().await;
    house.put("here", json!({"value": "changed there"})).await;
    house.save("there", json!({"value": "changed here"})).await;
    let run = house.succeed().await;
    assert_eq!((run.counts.updated_remote, run.counts.updated_local), (1, 1));
    house.in_step("here", json!({"value": "changed there"})).await;
    house.in_step("there", json!({"value": "changed here"})).await;
    assert_eq!(house.head("there").await.version, 2);
    house.rests().await;
    assert_eq!(house.audited(AuditAction::HcvSecretSynced).await, 4, "each secret that travelled is audited");
}

#[tokio::test]
async fn edits_of_different_fields_are_merged_on_both_sides() {
    let house = House::new(Mode::Bidirectional).await;
    house.save("db", json!({"username": "ada", "password": "p1", "note": "n1", "host": "h1"})).await;
    house.succeed().await;
    house.save("db", json!({"username": "ada", "password": "p2", "note": "n1"})).await;
    house.put("db", json!({"username": "ada", "password": "p1", "note": "n2", "host": "h1", "tags": ["a"]})).await;
    let run = house.succeed().await;
    assert_eq!((run.counts.updated_remote, run.counts.updated_local, run.counts.conflicts), (1, 1, 0));
    house.in_step("db", json!({"username": "ada", "password": "p2", "note": "n2", "tags": ["a"]})).await;
    assert_eq!(house.head("db").await.version, 3);
    house.rests().await;
}

#[tokio::test]
async fn a_user_name_here_and_a_password_there_are_a_conflict_not_a_mixture() {
    let house = House::new(Mode::Bidirectional).await;
    house.save("db", json!({"username": "ada", "password": "p1"})).await;
    house.succeed().await;
    house.save("db", json!({"username": "grace", "password": "p1"})).await;
    house.put("db", json!({"username": "ada", "password": "p2"})).await;
    assert_eq!(house.succeed().await.counts.conflicts, 1);
    let conflicts = house.conflicts().await;
    assert_eq!(conflicts[0].conflict.kind, ConflictKind::BothChanged);
    assert_eq!(conflicts[0].conflict.diverged, ["password", "username"]);
}

#[tokio::test]
async fn drift_against_a_push_waits_for_a_person_or_is_overwritten_and_kept() {
    let house = House::new(Mode::Push).await;
    house.save("x", json!({"value": "ours"})).await;
    house.succeed().await;
    house.put("x", json!({"value": "drift"})).await;
    assert_eq!(house.succeed().await.counts.conflicts, 1);
    assert_eq!(house.conflicts().await[0].conflict.kind, ConflictKind::Drift);
    assert_eq!(house.secret("x").await, Some(data(json!({"value": "drift"}))));

    let house = House::with(Mode::Push, |options| options.on_drift = DriftPolicy::Overwrite).await;
    let record = house.save("x", json!({"value": "ours"})).await;
    house.succeed().await;
    house.put("x", json!({"value": "drift"})).await;
    assert_eq!(house.succeed().await.counts.updated_remote, 1);
    house.in_step("x", json!({"value": "ours"})).await;
    assert!(house.history(record.id).await.contains(&data(json!({"value": "drift"}))), "what was replaced is kept");
    house.rests().await;
}

#[tokio::test]
async fn drift_against_a_pull_waits_for_a_person_or_is_overwritten_and_kept() {
    let house = House::with(Mode::Pull, |options| options.on_drift = DriftPolicy::Overwrite).await;
    house.put("x", json!({"value": "theirs"})).await;
    house.succeed().await;
    let record = house.save("x", json!({"value": "drift"})).await;
    assert_eq!(house.succeed().await.counts.updated_local, 1);
    house.in_step("x", json!({"value": "theirs"})).await;
    assert!(house.history(record.id).await.contains(&data(json!({"value": "drift"}))), "what was replaced is kept");
    house.rests().await;
}

#[tokio::test]
async fn at_the_first_sync_equal_secrets_are_adopted_without_a_version_and_others_follow_initial() {
    for (initial, expected) in [
        (InitialPolicy::Conflict, None),
        (InitialPolicy::PreferLocal, Some("here")),
        (InitialPolicy::PreferRemote, Some("there")),
    ] {
        let house = House::with(Mode::Bidirectional, |options| options.initial = initial).await;
        house.save("equal", json!({"value": "same"})).await;
        house.put("equal", json!({"value": "same"})).await;
        let record = house.save("different", json!({"value": "here"})).await;
        house.put("different", json!({"value": "there"})).await;
        let run = house.succeed().await;
        assert_eq!(run.counts.adopted, 1, "{initial:?}");
        assert_eq!(house.head("equal").await.version, 1);
        let Some(winner) = expected else {
            assert_eq!(house.conflicts().await[0].conflict.kind, ConflictKind::NoBase);
            assert_eq!(house.secret("different").await, Some(data(json!({"value": "there"}))));
            continue;
        };
        house.in_step("different", json!({"value": winner})).await;
        let history = house.history(record.id).await;
        for value in ["here", "there"] {
            assert!(history.contains(&data(json!({"value": value}))), "{initial:?}: {value} is in the history");
        }
        house.rests().await;
    }
}

#[tokio::test]
async fn a_secret_that_another_installation_marked_is_left_alone() {
    let house = House::new(Mode::Push).await;
    house.put("x", json!({"value": "theirs"})).await;
    let marks = [("managed-by", "vaultterm"), ("vaultterm-instance", "another")];
    let metadata = vaultterm_testkit::Metadata {
        custom: marks.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..vaultterm_testkit::Metadata::default()
    };
    vaultterm_testkit::Backdoor::put_metadata(&house.vault, "x", metadata).await;
    house.save("x", json!({"value": "ours"})).await;
    assert_eq!(house.succeed().await.counts.conflicts, 1);
    assert_eq!(house.conflicts().await[0].conflict.kind, ConflictKind::ForeignOwner);
    assert_eq!((house.secret("x").await, house.head("x").await.version), (Some(data(json!({"value": "theirs"}))), 1));
}
