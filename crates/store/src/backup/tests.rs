//! Tests of backups: made and restored, tampered with, mixed up, and interrupted.

mod server;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::json;
use uuid::Uuid;
use vaultterm_ledger::AuditAction;
use vaultterm_reconcile::Mode;
use vaultterm_sealing::{ArchiveError, ArchiveWriter, KeyPurpose, KeyState, RootKey};
use vaultterm_sync::{Journal as _, RunState, Trigger};

use super::{Archive, BackupError, Restored, Target};
use crate::{
    Database, DatabaseUrl, NewToken, Store, TokenKind,
    sql::args,
    testing::{House, cut, new_record, somebody},
};

/// Returns the path of the SQLite file of a house, or the path beside which its backups are made.
fn file_of(house: &House) -> PathBuf {
    house.folder.path().join("data").join("vaultterm.db")
}

async fn backed_up(house: &House) -> Vec<u8> {
    let backup = house.store.begin_backup(&house.ann(), &house.root, &file_of(house)).await.unwrap();
    backup.write(Vec::new(), async || {}).await.unwrap()
}

async fn restore(bytes: &[u8], root: &RootKey, to: &Path, replace: bool) -> Result<Restored, BackupError> {
    let url = DatabaseUrl::Sqlite(to.to_owned());
    let target = Target { url: &url, beside: to, replace };
    Archive::open(bytes)?.restore(&somebody(), root, target, tokio::task::yield_now).await
}

async fn opened(path: &Path, root: &RootKey) -> Store {
    Database::open_sqlite(path).await.unwrap().unlock(root).await.unwrap()
}

/// Returns the names and contents of all files in a folder.
fn everything(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect()
}

async fn epoch(store: &Store) -> u64 {
    store.db.one("SELECT epoch FROM instance", args![]).await.unwrap().unwrap().count("epoch").unwrap()
}

async fn counted(store: &Store, of: &str) -> u64 {
    let sql = format!("SELECT COUNT(*) AS n FROM {of}");
    store.db.one(&sql, args![]).await.unwrap().unwrap().count("n").unwrap()
}

/// Returns a house with objects of all kinds, a login, and a run in progress.
async fn lived_in() -> House {
    furnished(House::new().await).await
}

async fn lived_in_a_file() -> House {
    furnished(House::in_a_file().await).await
}

async fn furnished(house: House) -> House {
    house.gallery().await;
    let new =
        |kind| NewToken { user_id: house.owner.id, kind, name: "t".to_owned(), scopes: Vec::new(), expires_us: None };
    house.store.issue_token(&house.ann(), new(TokenKind::Login)).await.unwrap();
    house.store.issue_token(&house.ann(), new(TokenKind::Api)).await.unwrap();
    house.store.store_setup_link(&house.ann(), "link", i64::MAX).await.unwrap();
    let made = house.connect("third", Mode::Push, "team/third").await.unwrap();
    house.begin(made.id, Trigger::Manual).await;
    house
}

#[tokio::test]
async fn a_restored_database_holds_everything_and_begins_anew() {
    let mut house = House::new().await;
    let spots = house.gallery().await;
    let made = house.connect("third", Mode::Push, "team/third").await.unwrap();
    let (_, run) = house.begin(made.id, Trigger::Manual).await;
    let new = NewToken {
        user_id: house.owner.id,
        kind: TokenKind::Api,
        name: "t".to_owned(),
        scopes: vec![],
        expires_us: None,
    };
    let (_, token) = house.store.issue_token(&house.ann(), new).await.unwrap();
    house.store.begin_session(&house.ann(), crate::NewSession::new(house.owner.id, "a browser")).await.unwrap();
    let bytes = backed_up(&house).await;
    // The kept answers to requests, forms, and the values that were generated within a day are gone. Everything else opens
    // as before.
    let passing = ["idempotency", "generated_values", "drafts"];
    let kept: Vec<_> = spots.into_iter().filter(|spot| !passing.contains(&spot.table)).collect();
    let before = house.open_all(&kept).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("vaultterm.db");
    let restored = restore(&bytes, &house.root, &to, false).await.unwrap();
    assert_eq!((restored.epoch, restored.tokens_revoked, restored.connections_guarded), (2, 2, 3));
    assert_eq!(everything(folder.path()).into_keys().collect::<Vec<_>>(), ["vaultterm.db"]);

    house.store = opened(&to, &house.root).await;
    assert_eq!(house.open_all(&kept).await.unwrap(), before);
    assert_eq!(house.store.verify_audit().await.unwrap().broken, None);
    let audited = house.audited().await;
    assert!(audited.contains(&AuditAction::BackupCreated), "{audited:?}");
    assert_eq!(audited.last(), Some(&AuditAction::BackupRestored));
    assert!(house.store.authenticate(token.expose(), house.ann().now_us).await.unwrap().is_none());
    let emptied = ["tokens", "sessions", "setup_link", "leases WHERE holder IS NOT NULL", "job_leases"];
    for table in emptied.into_iter().chain(passing) {
        assert_eq!(counted(&house.store, table).await, 0, "{table}");
    }
    assert_eq!(house.store.run(run.id).await.unwrap().unwrap().state, RunState::Failed);
    let guarded = house.store.guarded_connections().await.unwrap();
    assert_eq!(guarded.len(), 3);
    assert_eq!(guarded[0].1, "VaultTerm's database was restored from a backup of 2027-01-15T08:00:00Z");
    assert_eq!(epoch(&house.store).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_under_write_load_each_hold_every_write_that_was_answered_before_they_began() {
    let house = Arc::new(House::new().await);
    let (stop, acked) = (Arc::new(AtomicBool::new(false)), Arc::new(std::sync::Mutex::new(Vec::new())));
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let (house, stop, acked) = (Arc::clone(&house), Arc::clone(&stop), Arc::clone(&acked));
            tokio::spawn(async move {
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return n;
                    }
                    let (path, value) = (format!("w{writer}/{n}"), json!({"v": format!("{writer}-{n}")}));
                    let id = house.save(&path, value.clone()).await.unwrap().id;
                    acked.lock().unwrap().push((id, value));
                }
                unreachable!("it is stopped")
            })
        })
        .collect();
    let mut backups = Vec::new();
    for wanted in [20, 60, 100, 140] {
        // Between backups the writers make progress.
        while acked.lock().unwrap().len() < wanted {
            tokio::task::yield_now().await;
        }
        let before = acked.lock().unwrap().clone();
        backups.push((before, backed_up(&house).await));
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        assert!(writer.await.unwrap() > 10, "nobody was kept from writing");
    }
    for (before, bytes) in backups {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("vaultterm.db");
        restore(&bytes, &house.root, &to, false).await.unwrap();
        let store = opened(&to, &house.root).await;
        assert_eq!(store.verify_audit().await.unwrap().broken, None);
        for (id, value) in &before {
            let shown = store.reveal_record(&somebody(), *id, None, None, None, crate::Proving::Fresh).await.unwrap();
            assert_eq!(shown.to_json().expose(), value.to_string().as_bytes());
        }
        // Records that were written while the image was made are complete or missing.
        let records = store.local_snapshot(house.collection).await.unwrap().live;
        assert!(records.len() >= before.len());
        for entry in records.values() {
            store.fields(entry.record_id, entry.revision).await.unwrap().expect("the revision is there");
        }
        store.close().await;
    }
}

/// Returns the bytes to flip: all of them with `VAULTTERM_TESTS_LONG`, and otherwise those at every boundary
/// and some in between.
fn sampled(bytes: &[u8], header: usize) -> Vec<usize> {
    let seams = [0, 10, header, header + 5 + 16 + 2, bytes.len() - 81];
    let near = seams.into_iter().flat_map(|seam| seam.saturating_sub(12)..(seam + 12).min(bytes.len()));
    let head = (0..header).step_by(5);
    let rest = (header..bytes.len()).step_by((bytes.len() - header) / 60);
    let end = bytes.len() - 81..bytes.len();
    near.chain(head).chain(rest).chain(end).collect()
}

fn is_about_the_file(error: &BackupError) -> bool {
    !matches!(
        error,
        BackupError::Store(_)
            | BackupError::File { .. }
            | BackupError::Archive(ArchiveError::Io(_))
            | BackupError::Rotated
    )
}

#[tokio::test]
async fn a_backup_with_a_flipped_byte_is_refused_and_touches_nothing() {
    let house = House::new().await;
    house.save("a", json!({"x": "1"})).await.unwrap();
    let bytes = backed_up(&house).await;
    let header = 10 + u32::from_be_bytes(bytes[6..10].try_into().unwrap()) as usize;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("vaultterm.db");
    let all = std::env::var_os("VAULTTERM_TESTS_LONG").is_some();
    let places = if all { (0..bytes.len()).collect() } else { sampled(&bytes, header) };
    let mut told = BTreeMap::new();
    for at in places {
        let mut bent = bytes.clone();
        bent[at] ^= 1 << (at % 8);
        let error = restore(&bent, &house.root, &to, false).await.expect_err("refused");
        assert!(is_about_the_file(&error), "byte {at}: {error:?}");
        assert!(everything(folder.path()).is_empty(), "byte {at}");
        let text = error.to_string();
        *told.entry(text.split(|c: char| c.is_ascii_digit()).next().unwrap().to_owned()).or_insert(0) += 1;
    }
    for part in ["this is not a VaultTerm backup", "part ", "the signature", "the backup has format"] {
        assert!(told.keys().any(|text| text.starts_with(part)), "{part}: {told:#?}");
    }
    restore(&bytes, &house.root, &to, false).await.unwrap();
}

#[tokio::test]
async fn a_backup_that_is_cut_off_mixed_or_anothers_is_refused_and_touches_nothing() {
    let (house, stranger) = (lived_in_a_file().await, House::new().await);
    let (bytes, foreign) = (backed_up(&house).await, backed_up(&stranger).await);
    let (folder, target) = (house.folder.path().join("data"), file_of(&house));
    house.store.close().await;
    let before = everything(&folder);
    let refused = async |bytes: &[u8], root| {
        let error = restore(bytes, root, &target, true).await.expect_err("refused");
        assert!(everything(&folder) == before, "{error}");
        error
    };
    for end in [0, 4, 9, 100, 2_000, bytes.len() / 2, bytes.len() - 81, bytes.len() - 1] {
        let error = refused(&bytes[..end], &house.root).await;
        assert!(matches!(error, BackupError::Archive(ArchiveError::Truncated)), "{end}: {error:?}");
    }
    let error = refused(&[&bytes[..], b"\n"].concat(), &house.root).await;
    assert!(matches!(error, BackupError::Archive(ArchiveError::Trailing)), "{error:?}");
    // These are the parts of one backup behind the header of another.
    let head = |bytes: &[u8]| 10 + u32::from_be_bytes(bytes[6..10].try_into().unwrap()) as usize;
    let mixed = [&bytes[..head(&bytes)], &foreign[head(&foreign)..]].concat();
    let error = refused(&mixed, &house.root).await;
    assert!(matches!(error, BackupError::Archive(ArchiveError::Part(1))), "{error:?}");
    let error = refused(&bytes, &stranger.root).await;
    let said = error.to_string();
    assert!(said.contains(&house.root.id().0.to_string()) && said.contains("needs the root key"), "{said}");
    let error = refused(&foreign, &house.root).await;
    assert!(matches!(error, BackupError::OtherRootKey { .. } | BackupError::OtherInstallation { .. }), "{error:?}");
    let error = refused(&foreign, &stranger.root).await;
    assert!(matches!(error, BackupError::OtherInstallation { .. }), "{error:?}");
    let error = restore(&bytes, &house.root, &target, false).await.expect_err("refused");
    assert!(matches!(error, BackupError::InTheWay(_)), "{error:?}");
    assert!(everything(&folder) == before);
}

#[tokio::test]
async fn what_a_newer_version_made_is_named_so() {
    let house = House::new().await;
    let backup = house.store.begin_backup(&house.ann(), &house.root, &file_of(&house)).await.unwrap();
    let header = super::BackupHeader { schema: 99, ..backup.header().clone() };
    let writer =
        ArchiveWriter::begin(Vec::new(), Arc::clone(&house.store.keyring), header.archive_id, &header.to_bytes());
    let bytes = writer.unwrap().finish(b"?").unwrap();
    let error = Archive::open(&bytes[..]).err().expect("refused");
    assert!(error.to_string().contains("schema 99"), "{error}");
}

#[tokio::test]
async fn a_replaced_database_is_kept_whole_and_every_restore_is_an_epoch_of_its_own() {
    let house = House::in_a_file().await;
    house.save("a", json!({"x": "1"})).await.unwrap();
    let bytes = backed_up(&house).await;
    let later = house.save("later", json!({"x": "2"})).await.unwrap();
    // This is the state after a kill, with the newest changes only in the write-ahead log.
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("vaultterm.db");
    for suffix in ["", "-wal"] {
        let name = format!("vaultterm.db{suffix}");
        fs::copy(house.folder.path().join("data").join(&name), folder.path().join(&name)).unwrap();
    }
    let restored = restore(&bytes, &house.root, &to, true).await.unwrap();
    let kept = restored.kept.expect("it is kept");
    assert_eq!(restored.epoch, 2);
    let old = opened(&kept, &house.root).await;
    assert!(old.record(later.id).await.unwrap().is_some(), "nothing of it is lost");
    assert_eq!((epoch(&old).await, old.guarded_connections().await.unwrap()), (1, Vec::new()));
    old.close().await;
    let store = opened(&to, &house.root).await;
    assert!(store.record(later.id).await.unwrap().is_none());
    store.close().await;
    // A second restore of the same backup gets another epoch.
    let again = Archive::open(&bytes[..]).unwrap();
    let context = crate::Context { now_us: somebody().now_us + 1, ..somebody() };
    let url = DatabaseUrl::Sqlite(to.clone());
    let target = Target { url: &url, beside: &to, replace: true };
    assert_eq!(again.restore(&context, &house.root, target, async || {}).await.unwrap().epoch, 3);
}

#[tokio::test]
async fn a_log_without_its_database_is_not_taken_for_the_restored_ones() {
    let house = House::in_a_file().await;
    house.save("a", json!({"x": "1"})).await.unwrap();
    let bytes = backed_up(&house).await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("vaultterm.db");
    fs::copy(house.folder.path().join("data/vaultterm.db-wal"), folder.path().join("vaultterm.db-wal")).unwrap();
    let error = restore(&bytes, &house.root, &to, false).await.expect_err("refused");
    assert!(matches!(error, BackupError::LogInTheWay(_)), "{error:?}");
    assert!(!to.exists());
}

#[tokio::test]
async fn a_damaged_database_makes_way() {
    let house = House::new().await;
    let bytes = backed_up(&house).await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("vaultterm.db");
    fs::write(&to, "no database any more").unwrap();
    let restored = restore(&bytes, &house.root, &to, true).await.unwrap();
    assert_eq!(fs::read(restored.kept.unwrap()).unwrap(), b"no database any more");
    assert_eq!(opened(&to, &house.root).await.verify_audit().await.unwrap().broken, None);
}

#[tokio::test]
async fn a_restore_that_dies_anywhere_leaves_the_old_state_or_the_restored_one_with_its_guard() {
    let house = lived_in_a_file().await;
    let bytes = backed_up(&house).await;
    house.save("later", json!({"x": "1"})).await.unwrap();
    let to = file_of(&house);
    house.store.close().await;
    let old = fs::read(&to).unwrap();
    let folder = to.parent().unwrap().to_owned();
    let (mut deaths, mut ended) = (0, 0);
    for polls in 1..1_000 {
        let done = cut(polls, async {
            restore(&bytes, &house.root, &to, true).await.unwrap();
        })
        .await;
        if fs::read(&to).unwrap() == old {
            assert!(!done, "what was answered is so");
            deaths += 1;
        } else {
            let store = opened(&to, &house.root).await;
            assert_eq!((epoch(&store).await, counted(&store, "tokens").await), (2, 0), "after {polls} polls");
            assert_eq!(store.guarded_connections().await.unwrap().len(), 3, "after {polls} polls");
            store.close().await;
            (deaths, ended) = if done { (deaths, ended + 1) } else { (deaths + 1, ended) };
            // The old state is put back.
            for name in everything(&folder).into_keys() {
                fs::remove_file(folder.join(name)).unwrap();
            }
            fs::write(&to, &old).unwrap();
        }
        if ended == 2 {
            break;
        }
    }
    assert!(deaths >= 12 && ended == 2, "it died {deaths} times and ended {ended} times");
}

#[tokio::test]
async fn what_killed_backups_and_restores_left_is_tidied_up_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("vaultterm.db");
    for name in [
        "vaultterm.db",
        "vaultterm.db.image-1",
        "vaultterm.db.restoring-1",
        "vaultterm.db.restoring-1-wal",
        "vaultterm.db.before-restore-1",
        "vaultterm.db.lock",
        "master.key",
    ] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    fs::hard_link(&to, folder.path().join("vaultterm.db.before-restore-2")).unwrap();
    super::clear_leftovers(&to).unwrap();
    let left: Vec<_> = everything(folder.path()).into_keys().collect();
    assert_eq!(left, ["master.key", "vaultterm.db", "vaultterm.db.before-restore-1", "vaultterm.db.lock"]);
    super::clear_leftovers(&folder.path().join("nowhere").join("vaultterm.db")).unwrap();
}

#[tokio::test]
async fn nothing_that_the_database_holds_can_be_seen_in_a_backup() {
    let house = House::in_a_file().await;
    let secret = "c4n4ry-s3cret";
    let new = new_record("c4n4ry/path/of-it", json!({"field-c4n4ry": secret}));
    house.store.create_record(&house.ann(), house.collection, new).await.unwrap();
    house.connect("c4n4ry-connection", Mode::Push, "c4n4ry-scope").await.unwrap();
    let bytes = backed_up(&house).await;
    house.store.close().await;
    let database = fs::read(file_of(&house)).unwrap();
    let holds = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    for shown in ["c4n4ry/path/of-it", "ann@example.com", "field-c4n4ry", "c4n4ry-connection", "c4n4ry-scope"] {
        assert!(holds(&database, shown), "{shown}: the search would be blind");
    }
    for hidden in ["c4n4ry", "ann@example.com", "infra", "CREATE TABLE"] {
        assert!(!holds(&bytes, hidden), "{hidden}");
    }
    assert!(!bytes.windows(32).any(|window| window == house.root.expose()));
    assert!(holds(&bytes, &house.root.id().0.to_string()), "which root key is no secret");
}

#[tokio::test]
async fn a_part_of_a_backup_opens_in_no_row_and_no_row_as_a_part() {
    let house = House::new().await;
    let spots = house.gallery().await;
    let bytes = backed_up(&house).await;
    let header = 10 + u32::from_be_bytes(bytes[6..10].try_into().unwrap()) as usize;
    let part = &bytes[header + 5..bytes.len() - 81];
    let wrapped = 18 + usize::from(u16::from_be_bytes(part[16..18].try_into().unwrap()));
    let key_id = Uuid::from_slice(&part[..16]).unwrap();
    let triple = [key_id.into(), part[18..wrapped].to_vec().into(), part[wrapped..].to_vec().into()];
    for spot in &spots {
        let own = house.triple(spot).await;
        house.put(spot, triple.clone()).await;
        assert!(house.open(spot).await.is_err(), "{spot}");
        house.put(spot, own).await;
    }
}

#[tokio::test]
async fn a_backup_from_before_a_rotation_opens_with_the_keys_it_had() {
    let mut house = House::new().await;
    let record = house.save("a", json!({"x": "1"})).await.unwrap();
    let bytes = backed_up(&house).await;
    let new = RootKey::generate();
    house.store.rotate_record_key(&house.ann(), &house.root).await.unwrap();
    while !house.store.rewrap_some(&house.ann(), 100).await.unwrap() {}
    house.store.rotate_root_key(&house.ann(), &house.root, &new, None).await.unwrap();
    let late = house.store.begin_backup(&house.ann(), &house.root, &file_of(&house)).await;
    assert!(matches!(late, Err(BackupError::Rotated)), "the old root key seals no backup any more");
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("vaultterm.db");
    let error = restore(&bytes, &new, &to, false).await.expect_err("refused");
    assert!(matches!(error, BackupError::OtherRootKey { .. }), "{error:?}");
    restore(&bytes, &house.root, &to, false).await.unwrap();
    house.store = opened(&to, &house.root).await;
    let shown =
        house.store.reveal_record(&somebody(), record.id, None, None, None, crate::Proving::Fresh).await.unwrap();
    assert_eq!(shown.to_json().expose(), br#"{"x":"1"}"#);
    let keys = house.store.keyring_status().await.unwrap().keys;
    let active = keys.iter().find(|key| key.purpose == KeyPurpose::Record && key.state == KeyState::Active);
    assert_eq!(active.map(|key| key.generation), Some(1));
}
