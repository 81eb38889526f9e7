//! Tests of restores into a database on a server, which is never replaced. Where the tests run on SQLite, it is a file.

use super::{backed_up, cut, everything, lived_in, somebody};
use crate::{
    Database, DatabaseUrl,
    backup::{Archive, BackupError, Target},
};

#[tokio::test]
async fn a_backup_goes_into_an_empty_database_only_and_from_a_server_into_a_file_and_back() {
    let mut house = lived_in().await;
    let before = house.store.log_end().await.unwrap().seq;
    let bytes = backed_up(&house).await;
    let folder = tempfile::tempdir().unwrap();
    let beside = folder.path().join("vaultterm.db");
    let url: DatabaseUrl = vaultterm_testkit::fresh_database(folder.path()).await.parse().unwrap();
    let target = Target { url: &url, beside: &beside, replace: false };
    let restore = async || Archive::open(&bytes[..])?.restore(&somebody(), &house.root, target, async || {}).await;
    let restored = restore().await.unwrap();
    assert_eq!((restored.epoch, restored.connections_guarded), (2, 3));
    let error = restore().await.expect_err("it is in use");
    assert!(matches!(error, BackupError::NotEmpty(_) | BackupError::InTheWay(_)), "{error:?}");
    if url.file().is_none() {
        assert_eq!(everything(folder.path()).len(), 0, "nothing is left beside a database on a server");
    }
    house.store = Database::open(&url).await.unwrap().unlock(&house.root).await.unwrap();
    assert_eq!(house.store.verify_audit().await.unwrap().broken, None);
    assert!(house.store.log_end().await.unwrap().seq > before);
    assert_eq!(house.store.guarded_connections().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_restore_to_a_server_that_dies_anywhere_leaves_it_empty_or_whole() {
    let house = lived_in().await;
    let bytes = backed_up(&house).await;
    let (mut deaths, mut polls, mut whole) = (0, 0, false);
    // How many polls it needs differs from machine to machine and from one database to another.
    while !whole {
        let folder = tempfile::tempdir().unwrap();
        let url: DatabaseUrl = vaultterm_testkit::fresh_database(folder.path()).await.parse().unwrap();
        let beside = folder.path().join("vaultterm.db");
        let target = Target { url: &url, beside: &beside, replace: false };
        whole = cut(polls, async {
            let archive = Archive::open(&bytes[..]).unwrap();
            archive.restore(&somebody(), &house.root, target, async || {}).await.unwrap();
        })
        .await;
        let found = url.open().await.unwrap();
        if crate::copy::is_empty(&found).await.unwrap() {
            assert!(!whole, "after {polls} polls");
            deaths += 1;
        } else {
            let store = Database::open(&url).await.unwrap().unlock(&house.root).await.unwrap();
            assert_eq!(store.guarded_connections().await.unwrap().len(), 3);
            assert_eq!(store.verify_audit().await.unwrap().broken, None);
            store.close().await;
        }
        found.close().await;
        polls += 1 + polls / 8;
    }
    assert!(deaths > 2, "{deaths} deaths before {polls} polls");
}
