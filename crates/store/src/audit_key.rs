//! Rotating the audit key, in one transaction. The old key's last signature covers the entry that
//! names the new key, so whoever trusts any one key can follow to every later one; then the old
//! key is forgotten, and only its public half is kept. Whoever steals today's key cannot sign a log
//! of yesterday.

use vaultterm_ledger::{Action, NoteSigner as _, ObjectKind};
use vaultterm_sealing::{KeyPurpose, Keyring, KeyringRow, RootKey};

use crate::{
    Context, Store, StoreError,
    checkpoints::{LogSigner, grow_in, log_id, note_key},
    context::Facts as _,
    keys,
    sql::args,
};

impl Store {
    /// Draws a new audit key, which signs from here on (`KEY_ROTATED`, with both public keys).
    ///
    /// # Errors
    /// [`StoreError::Sealing`] when `root` is not the root key any more.
    pub async fn rotate_audit_key(&self, context: &Context, root: &RootKey) -> Result<(), StoreError> {
        // Nearly everything is read before anybody has to wait for this.
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
                .draft(Action::KeyRotated, ObjectKind::Key, drawn.id, Some(KeyPurpose::Audit.as_str()))
                .with("generation", drawn.generation)
                .with("vkey", new.verifier())
                .with("previous_vkey", previous.verifier()),
        );
        grow_in(&mut tx, &mut edge).await?;
        self.sign_in(&mut tx, &edge, &old).await?;
        tx.run("DELETE FROM keyring WHERE purpose = $1", args![KeyPurpose::Audit.as_str()]).await?;
        keys::insert(&mut tx, &drawn).await?;
        note_key(&mut tx, &new, context.now_us).await?;
        let newer = Keyring::open(root, instance, &keys::keyring_rows(&mut tx).await?)?;
        tx.commit().await?;
        self.keyring.adopt(newer);
        Ok(())
    }
}
