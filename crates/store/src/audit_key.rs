//! Rotates the audit key in one transaction. The last signature of the old key covers the entry that names
//! the new key, so that a verifier who trusts one key can get to every later one. Then the secret half of the
//! old key is deleted, and only its public half is kept. A thief of today's key therefore cannot sign a log
//! of yesterday.

use vaultterm_ledger::{AuditAction, NoteSigner as _, ObjectKind};
use vaultterm_sealing::{KeyPurpose, Keyring, KeyringRow, RootKey};

use crate::{
    Context, Store, StoreError,
    checkpoints::{LogSigner, grow_in, log_id, note_key},
    context::Facts as _,
    keys,
    sql::args,
};

impl Store {
    /// Generates a new audit key, which signs from now on (`KEY_ROTATED`, with both public keys).
    ///
    /// # Errors
    /// [`StoreError::Sealing`] when `root` is no longer the root key.
    pub async fn rotate_audit_key(&self, context: &Context, root: &RootKey) -> Result<(), StoreError> {
        // Nearly everything is read before the transaction, so that other writers need not wait for it.
        let mut edge = self.edge().await?;
        let instance = self.instance();
        let mut tx = self.db.write().await?;
        let rows = keys::keyring_rows(&mut tx).await?;
        let retired = rows.iter().filter(|row| row.purpose == KeyPurpose::Audit).max_by_key(|row| row.generation);
        let retired = retired.ok_or(StoreError::Malformed("keyring"))?;
        let drawn = KeyringRow::draw(root, instance, KeyPurpose::Audit, retired.generation + 1)?;
        let log_id = log_id(&mut tx).await?;
        let [old, new] = [retired, &drawn].map(|row| row.signer(root, instance).map(std::sync::Arc::new));
        let (old, new) = (old?, LogSigner::new(log_id, new?));
        let previous = LogSigner::new(log_id, std::sync::Arc::clone(&old));
        tx.audit(
            context
                .draft(AuditAction::KeyRotated, ObjectKind::Key, drawn.id, Some(KeyPurpose::Audit.as_str()))
                .with("generation", drawn.generation)
                .with("vkey", new.verifier())
                .with("previous_vkey", previous.verifier()),
        );
        grow_in(&mut tx, &mut edge).await?;
        self.sign_in(&mut tx, &edge, &old).await?;
        tx.run("DELETE FROM keyring WHERE purpose = $1", args![KeyPurpose::Audit.as_str()]).await?;
        keys::insert(&mut tx, &drawn).await?;
        keys::count_change(&mut tx).await?;
        note_key(&mut tx, &new, context.now_us).await?;
        let newer = Keyring::open(root, instance, &keys::keyring_rows(&mut tx).await?)?;
        tx.commit().await?;
        self.keyring.adopt(newer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_ledger::{AuditAction, Checkpoint, VerifierKey};
    use vaultterm_sealing::KeyPurpose;

    use crate::{
        AuditFilter, Page,
        testing::{House, cut_before_statement, reopened},
    };

    /// The checkpoints with the keys that signed them, and the rotations that the log reports.
    struct Told {
        checkpoints: Vec<(u64, String)>,
        rotations: Vec<(u64, String, String)>,
    }

    async fn told(house: &House) -> Told {
        let keys: Vec<_> = house.store.audit_vkeys().await.unwrap().into_iter().map(|key| key.vkey).collect();
        let stored = house.store.checkpoints(0..=u64::MAX, &Page::default()).await.unwrap().items;
        let checkpoints = stored.iter().map(|stored| {
            let (said, by) = Checkpoint::open(&stored.note, &keys).unwrap();
            (said.size, keys[by].to_string())
        });
        let filter = AuditFilter { action: Some(AuditAction::KeyRotated), ..AuditFilter::default() };
        let events = house.store.audit_events(&filter, &Page { limit: 500, cursor: None }).await.unwrap().items;
        let rotations = events.iter().map(|event| {
            let detail = |name: &str| event.entry.draft.detail[name].clone();
            (event.seq, detail("previous_vkey"), detail("vkey"))
        });
        Told { checkpoints: checkpoints.collect(), rotations: rotations.collect() }
    }

    /// Follows the keys from the first to the newest. Each key names the next one in an entry that its last
    /// signature covers.
    fn follow(told: &Told, mut trusted: String) -> String {
        for (seq, previous, next) in &told.rotations {
            assert_eq!(*previous, trusted);
            let last = told.checkpoints.iter().filter(|(_, by)| *by == trusted).map(|(size, _)| *size).max();
            assert_eq!(last, Some(*seq), "its last checkpoint ends with the rotation");
            assert!(VerifierKey::parse(next).is_ok());
            trusted.clone_from(next);
        }
        trusted
    }

    #[tokio::test]
    async fn a_new_audit_key_is_named_under_the_old_ones_last_signature() {
        let house = House::new().await;
        let first = house.store.audit_vkeys().await.unwrap().remove(0);
        assert!(first.active);
        for n in 0..3 {
            house.save(&format!("r{n}"), json!({"x": n})).await.unwrap();
            house.store.rotate_audit_key(&house.ann(), &house.root).await.unwrap();
            assert_eq!(house.store.checkpoint().await.unwrap(), None, "nothing is signed twice");
        }
        house.save("last", json!({"x": 1})).await.unwrap();
        house.store.checkpoint().await.unwrap().unwrap();
        let told = told(&house).await;
        let newest = follow(&told, first.vkey.to_string());
        assert_eq!((told.rotations.len(), &told.checkpoints.last().unwrap().1), (3, &newest));
        let keys = house.store.audit_vkeys().await.unwrap();
        assert_eq!(keys.iter().map(|key| key.active).collect::<Vec<_>>(), [false, false, false, true]);
        assert_eq!(keys[3].vkey.to_string(), newest);
        let verdict = house.store.verify_audit().await.unwrap();
        assert_eq!((verdict.checkpoints, verdict.broken), (4, None));
        let rows = house.store.keyring_status().await.unwrap().keys;
        let audit: Vec<_> = rows.iter().filter(|key| key.purpose == KeyPurpose::Audit).collect();
        assert_eq!((audit.len(), audit[0].generation), (1, 4), "the old seeds are gone");
    }

    #[tokio::test]
    async fn a_rotation_of_the_audit_key_that_dies_anywhere_leaves_one_key_and_an_unbroken_chain_of_them() {
        let mut house = House::new().await;
        let first = house.store.audit_vkeys().await.unwrap().remove(0).vkey.to_string();
        let (mut deaths, mut ended) = (0, 0);
        for statements in 0..500 {
            let before = house.store.audit_vkeys().await.unwrap().last().unwrap().vkey.clone();
            let store = house.store.clone();
            let done = cut_before_statement(statements, async {
                store.rotate_audit_key(&house.ann(), &house.root).await.unwrap();
            })
            .await;
            house.store = reopened(&house, &house.root).await.unwrap();
            let after = house.store.audit_vkeys().await.unwrap().last().unwrap().clone();
            assert!(
                after.active && (!done || after.vkey != before),
                "what was answered is so, after {statements} statements"
            );
            // The next process signs with the key from the keyring, and the chain stays valid.
            house.save(&format!("r{statements}"), json!({"x": statements})).await.unwrap();
            let signed = house.store.checkpoint().await.unwrap().unwrap();
            assert_eq!(signed.key_id, after.key_id);
            assert_eq!(
                follow(&told(&house).await, first.clone()),
                after.vkey.to_string(),
                "after {statements} statements"
            );
            assert_eq!(house.store.verify_audit().await.unwrap().broken, None, "after {statements} statements");
            (deaths, ended) = if done { (deaths, ended + 1) } else { (deaths + 1, ended) };
            if ended == 3 {
                break;
            }
        }
        assert!(deaths >= 8 && ended == 3, "it died {deaths} times and ended {ended} times");
    }
}
