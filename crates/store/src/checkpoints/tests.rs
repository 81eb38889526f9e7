//! Tests of the checkpoints.

use serde_json::json;
use vaultterm_ledger::{AuditAction, Checkpoint, VerifierKey};

use super::Uncovered;
use crate::{
    AuditFilter, Page, StoreError,
    testing::{House, NOW_US},
};

async fn vkeys(house: &House) -> Vec<VerifierKey> {
    house.store.audit_vkeys().await.unwrap().into_iter().map(|key| key.vkey).collect()
}

#[tokio::test]
async fn a_checkpoint_is_signed_says_the_whole_log_and_is_no_entry() {
    let house = House::new().await;
    assert_eq!(house.store.audit_root(0).await.unwrap().unwrap()[..2], [0xe3, 0xb0]);
    let first = house.store.checkpoint().await.unwrap().unwrap();
    assert_eq!(house.store.checkpoint().await.unwrap(), None, "there is nothing new to sign");
    assert_eq!(house.audited().await, [AuditAction::UserCreated, AuditAction::CollectionCreated]);
    for n in 0..37 {
        house.save(&format!("r{n}"), json!({"x": n})).await.unwrap();
    }
    house.pass(7);
    let second = house.store.checkpoint().await.unwrap().unwrap();
    assert_eq!((first.checkpoint.size, second.checkpoint.size), (2, 39));
    assert_eq!((second.created_us, second.key_id), (NOW_US + 7_000_000, house.store.keyring().signer().key_id()));
    for stored in [&first, &second] {
        let (said, _) = Checkpoint::open(&stored.note, &vkeys(&house).await).unwrap();
        assert_eq!(said, stored.checkpoint);
        assert_eq!(house.store.audit_root(said.size).await.unwrap(), Some(said.root));
    }
    let verdict = house.store.verify_audit().await.unwrap();
    assert_eq!((verdict.entries, verdict.checkpoints, verdict.broken), (39, 2, None));
}

#[tokio::test]
async fn the_tree_goes_on_from_a_checkpoint_as_from_the_beginning() {
    let (with, without) = (House::new().await, House::new().await);
    let mut roots = Vec::new();
    for n in 0..20 {
        with.save(&format!("r{n}"), json!({"x": n})).await.unwrap();
        roots.push(with.store.checkpoint().await.unwrap().unwrap().checkpoint);
        without.save(&format!("r{n}"), json!({"x": n})).await.unwrap();
    }
    for said in roots {
        let (tree, previous) = with.store.audit_start(said.size + 1).await.unwrap();
        assert_eq!((tree.size(), tree.root()), (said.size, said.root));
        let filter = AuditFilter { after: Some(said.size - 1), ..AuditFilter::default() };
        let page = Page { limit: 1, cursor: None };
        let last = with.store.audit_events(&filter, &page).await.unwrap().items.remove(0);
        assert_eq!((last.seq, last.hash), (said.size, previous));
    }
    // Without a stored tree, the whole log is read.
    let (tree, _) = without.store.audit_start(23).await.unwrap();
    assert_eq!(tree.size(), 22);
    assert!(matches!(without.store.audit_start(24).await, Err(StoreError::Refused(_))));
    assert_eq!(without.store.audit_root(23).await.unwrap(), None);
    assert_eq!(with.store.audit_start(1).await.unwrap().1, [0; 32]);
}

#[tokio::test]
async fn what_is_not_covered_is_counted_from_its_first_entry_on() {
    let house = House::new().await;
    let found = house.store.uncovered().await.unwrap();
    assert_eq!(found, Uncovered { entries: 2, since_us: Some(NOW_US), prompt: true });
    house.store.checkpoint().await.unwrap();
    assert_eq!(house.store.uncovered().await.unwrap(), Uncovered::default());
    house.pass(5);
    house.save("a", json!({"x": 1})).await.unwrap();
    house.pass(5);
    house.save("b", json!({"x": 1})).await.unwrap();
    let since_us = Some(NOW_US + 5_000_000);
    assert_eq!(house.store.uncovered().await.unwrap(), Uncovered { entries: 2, since_us, prompt: false });
    house.store.keep_sealed_root(&house.ann(), &sealed()).await.unwrap();
    assert_eq!(house.store.uncovered().await.unwrap(), Uncovered { entries: 3, since_us, prompt: true });
}

fn sealed() -> crate::SealedRoot {
    let root_id = vaultterm_sealing::RootKey::generate().id();
    crate::SealedRoot { root_id, binding: "context".to_owned(), ciphertext: "vault:v1:x".to_owned(), created_us: 1 }
}

#[tokio::test]
async fn checkpoints_are_listed_by_size_and_page() {
    let house = House::new().await;
    for n in 0..5 {
        house.save(&format!("r{n}"), json!({"x": n})).await.unwrap();
        house.store.checkpoint().await.unwrap();
    }
    let list = async |sizes, limit, cursor: Option<&str>| {
        let page = Page { limit, cursor: cursor.map(str::to_owned) };
        let page = house.store.checkpoints(sizes, &page).await.unwrap();
        (page.items.iter().map(|stored| stored.checkpoint.size).collect::<Vec<_>>(), page.next_cursor)
    };
    assert_eq!(list(0..=u64::MAX, 0, None).await, (vec![3, 4, 5, 6, 7], None));
    let (first, next) = list(4..=6, 2, None).await;
    assert_eq!(first, [4, 5]);
    assert_eq!(list(4..=6, 2, next.as_deref()).await, (vec![6], None));
}

#[tokio::test]
async fn an_export_is_signed_with_its_own_entry() {
    let house = House::new().await;
    let signed = house.store.audit_exported(&house.ann(), [("from", "1".to_owned())]).await.unwrap();
    assert_eq!(signed.checkpoint.size, 3);
    assert_eq!(house.audited().await.last(), Some(&AuditAction::AuditExported));
}
