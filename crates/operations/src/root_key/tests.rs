//! Tests of how a key file is replaced.

use std::{fs, path::PathBuf};

use tempfile::TempDir;
use uuid::Uuid;
use vaultterm_ledger::{Actor, ActorKind};
use vaultterm_sealing::RootKey;
use vaultterm_store::{Context, Database, Store};

use super::{RootKeeper, UnlockError, beside};

struct Installation {
    folder: TempDir,
    store: Store,
    root: RootKey,
}

impl Installation {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = RootKey::generate();
        root.write_new(&folder.path().join("master.key")).unwrap();
        let database = Database::open_sqlite(&folder.path().join("vaultterm.db")).await.unwrap();
        database.initialise(&context(), &root, None).await.unwrap();
        let store = database.unlock(&root).await.unwrap();
        Self { folder, store, root }
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("master.key")
    }

    async fn replace(&self) -> Result<RootKey, UnlockError> {
        RootKeeper::File(self.key()).replace(&self.store, &context(), &self.root).await
    }

    /// Whether the next process can open the database with what is on disk.
    async fn starts(&self) -> bool {
        let database = Database::open_sqlite(&self.folder.path().join("vaultterm.db")).await.unwrap();
        RootKeeper::File(self.key()).unlock(&database).await.is_ok()
    }
}

fn context() -> Context {
    let actor = Actor { kind: ActorKind::System, id: Uuid::nil(), name: "test".to_owned() };
    Context { actor, source_ip: None, request_id: None, now_us: 1 }
}

#[tokio::test]
async fn a_key_that_so_far_stands_beside_its_file_is_not_thrown_away_by_the_next_rotation() {
    let installation = Installation::new().await;
    let (key, next) = (installation.key(), beside(&installation.key(), ".next"));
    // As it is when the renaming after a rotation failed.
    fs::rename(&key, &next).unwrap();
    RootKey::generate().write_new(&key).unwrap();
    let new = installation.replace().await.unwrap();
    assert_eq!(RootKey::read(&key).unwrap().id(), new.id());
    assert_eq!(RootKey::read(&beside(&key, ".previous")).unwrap().id(), installation.root.id());
    assert!(installation.starts().await);
}

#[tokio::test]
async fn without_the_key_in_use_on_disk_nothing_is_rotated_and_nothing_removed() {
    let installation = Installation::new().await;
    let (key, next) = (installation.key(), beside(&installation.key(), ".next"));
    let kept = installation.folder.path().join("kept");
    fs::rename(&key, &kept).unwrap();
    let others = [&key, &next].map(|path| {
        let other = RootKey::generate();
        other.write_new(path).unwrap();
        other.id()
    });
    assert!(matches!(installation.replace().await, Err(UnlockError::Elsewhere(_))));
    assert_eq!([&key, &next].map(|path| RootKey::read(path).unwrap().id()), others);
    assert_eq!(installation.store.keyring_status().await.unwrap().root_id, Some(installation.root.id()));
    fs::rename(&kept, &key).unwrap();
    assert!(installation.starts().await);
}

#[tokio::test]
async fn a_rotation_whose_end_this_process_did_not_see_keeps_the_new_key() {
    let installation = Installation::new().await;
    let (key, next) = (installation.key(), beside(&installation.key(), ".next"));
    let new = RootKey::generate();
    new.write_new(&next).unwrap();
    installation.store.rotate_root_key(&context(), &installation.root, &new, None).await.unwrap();
    // The process still holds the old key, and is asked once more.
    assert!(matches!(installation.replace().await, Err(UnlockError::Wrong(_))));
    assert_eq!(RootKey::read(&key).unwrap().id(), new.id());
    assert!(installation.starts().await);
}
