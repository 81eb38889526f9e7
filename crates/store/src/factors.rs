//! Second factors: the secrets of one-time codes, sealed, and recovery codes as keyed digests.

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, ObjectKind};
use vaultterm_sealing::{Place, Purpose, SecretBytes};

use crate::{
    Context, Store, StoreError,
    context::Facts as _,
    sealed,
    sql::{Tx, args},
};

/// The second factors of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Factors {
    /// When one-time codes were switched on, in microseconds.
    pub otp_since_us: Option<i64>,
    /// How many recovery codes are left.
    pub codes_left: u32,
    /// When the recovery codes were made, in microseconds.
    pub codes_made_us: Option<i64>,
    /// Whether the person typed one of the recovery codes back.
    pub codes_typed_back: bool,
}

impl Factors {
    /// Returns whether a login asks for a second factor.
    #[must_use]
    pub const fn asked_for(&self) -> bool {
        self.otp_since_us.is_some()
    }
}

/// The secret of a person's one-time codes.
#[derive(Debug)]
pub struct OtpSeed {
    /// The secret.
    pub seed: SecretBytes,
    /// The newest time step whose code was accepted.
    pub used_step: u64,
}

/// A code that works only once. The store uses it up in the same transaction as the action that the code permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spend {
    /// The one-time code of a time step.
    Otp(u64),
    /// A recovery code, by its digest.
    Recovery([u8; 32]),
}

impl Store {
    /// Returns the second factors of a person.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn factors(&self, user_id: Uuid) -> Result<Factors, StoreError> {
        let sql = "SELECT created_us FROM otp_seeds WHERE user_id = $1 AND is_active = 1";
        let otp_since_us = self.db.one(sql, args![user_id]).await?.map(|row| row.int("created_us")).transpose()?;
        let sql = "SELECT COUNT(*) AS made, COUNT(used_us) AS used, MAX(made_us) AS made_us, MAX(typed_back) AS typed
                   FROM recovery_codes WHERE user_id = $1";
        let row = self.db.one(sql, args![user_id]).await?.ok_or(StoreError::Malformed("count"))?;
        Ok(Factors {
            otp_since_us,
            codes_left: row.small("made")?.saturating_sub(row.small("used")?),
            codes_made_us: row.maybe_int("made_us")?,
            codes_typed_back: row.maybe_int("typed")? == Some(1),
        })
    }

    /// Returns the secret of a person's one-time codes: the one that a login asks for, or the one that waits for
    /// its first right code.
    ///
    /// # Errors
    /// [`StoreError::Sealing`] when it does not open.
    pub async fn otp_seed(&self, user_id: Uuid, is_active: bool) -> Result<Option<OtpSeed>, StoreError> {
        let sql = "SELECT * FROM otp_seeds WHERE user_id = $1 AND is_active = $2";
        let Some(row) = self.db.one(sql, args![user_id, is_active]).await? else { return Ok(None) };
        let seed = self.keyring.unseal(&place(user_id, row.count("created_us")?), &row.sealed()?)?;
        Ok(Some(OtpSeed { seed, used_step: row.count("used_step")? }))
    }

    /// Stores the secret of one-time codes that a person is about to switch on. An older one that waits is
    /// replaced. Nothing is asked for at a login yet.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn begin_otp(&self, context: &Context, user_id: Uuid, seed: &SecretBytes) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        tx.run("DELETE FROM otp_seeds WHERE user_id = $1 AND is_active = 0", args![user_id]).await?;
        let created_us = u64::try_from(context.now_us).unwrap_or_default();
        let [key, wrapped, ciphertext] =
            sealed::seal(&mut tx, &self.keyring, &place(user_id, created_us), seed.expose()).await?;
        let sql = "INSERT INTO otp_seeds (user_id, is_active, created_us, used_step, key_id, wrapped_key, ciphertext)
                   VALUES ($1, 0, $2, 0, $3, $4, $5)";
        tx.run(sql, args![user_id, created_us, key, wrapped, ciphertext]).await?;
        tx.commit().await
    }

    /// Switches one-time codes on: the secret that waited takes the place of an older one, the code of `step` counts
    /// as used, and the recovery codes are replaced (`FACTOR_ADDED`). Browsers are no longer remembered.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when no secret waits.
    pub async fn confirm_otp(
        &self,
        context: &Context,
        user_id: Uuid,
        step: u64,
        codes: &[[u8; 32]],
    ) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let email = email(&mut tx, user_id).await?;
        let sql = "DELETE FROM otp_seeds WHERE user_id = $1 AND is_active = 1
                   AND EXISTS (SELECT 1 FROM otp_seeds WHERE user_id = $1 AND is_active = 0)";
        tx.run(sql, args![user_id]).await?;
        let sql = "UPDATE otp_seeds SET is_active = 1, used_step = $2 WHERE user_id = $1 AND is_active = 0";
        if tx.run(sql, args![user_id, step]).await? == 0 {
            return Err(StoreError::Refused("no set-up of one-time codes waits for a code: begin it again".to_owned()));
        }
        replace_codes(&mut tx, context, user_id, codes).await?;
        tx.run("DELETE FROM trusted_devices WHERE user_id = $1", args![user_id]).await?;
        let draft = context.draft(AuditAction::FactorAdded, ObjectKind::User, user_id, Some(&email));
        tx.audit(draft.with("factor", "one-time codes").with("recovery_codes", codes.len()));
        tx.commit().await
    }

    /// Switches one-time codes off and deletes the recovery codes (`FACTOR_REMOVED`).
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when they are off already.
    pub async fn remove_otp(&self, context: &Context, user_id: Uuid) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let email = email(&mut tx, user_id).await?;
        let sql = "DELETE FROM otp_seeds WHERE user_id = $1 AND is_active = 1";
        if tx.run(sql, args![user_id]).await? == 0 {
            return Err(StoreError::NotFound("second factor"));
        }
        for table in ["otp_seeds", "recovery_codes", "trusted_devices"] {
            tx.run(&format!("DELETE FROM {table} WHERE user_id = $1"), args![user_id]).await?;
        }
        let draft = context.draft(AuditAction::FactorRemoved, ObjectKind::User, user_id, Some(&email));
        tx.audit(draft.with("factor", "one-time codes"));
        tx.commit().await
    }

    /// Replaces the recovery codes of a person (`RECOVERY_CODES_MADE`).
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn replace_recovery_codes(
        &self,
        context: &Context,
        user_id: Uuid,
        codes: &[[u8; 32]],
    ) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let email = email(&mut tx, user_id).await?;
        replace_codes(&mut tx, context, user_id, codes).await?;
        let draft = context.draft(AuditAction::RecoveryCodesMade, ObjectKind::User, user_id, Some(&email));
        tx.audit(draft.with("recovery_codes", codes.len()));
        tx.commit().await
    }

    /// Notes that a person typed a recovery code back. Returns whether it is one of theirs that is not used.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn type_back(&self, user_id: Uuid, digest: [u8; 32]) -> Result<bool, StoreError> {
        let mut tx = self.db.write().await?;
        let sql = "UPDATE recovery_codes SET typed_back = 1 WHERE user_id = $1 AND digest = $2 AND used_us IS NULL";
        let found = tx.run(sql, args![user_id, digest]).await? == 1;
        tx.commit().await?;
        Ok(found)
    }

    /// Returns the digest of a recovery code, as it is stored.
    #[must_use]
    pub fn recovery_digest(&self, user_id: Uuid, code: &str) -> [u8; 32] {
        self.keyring.token_digest(&format!("recovery code of {user_id}: {code}"))
    }
}

/// Uses up a code. If several logins use the same code at the same time, it works for only one of them.
pub(crate) async fn spend(tx: &mut Tx, context: &Context, user_id: Uuid, spend: &Spend) -> Result<(), StoreError> {
    let used = || StoreError::Refused("this code was used already".to_owned());
    match spend {
        Spend::Otp(step) => {
            let sql = "UPDATE otp_seeds SET used_step = $2 WHERE user_id = $1 AND is_active = 1 AND used_step < $2";
            if tx.run(sql, args![user_id, *step]).await? == 0 {
                return Err(used());
            }
        }
        Spend::Recovery(digest) => {
            let sql = "UPDATE recovery_codes SET used_us = $3 WHERE user_id = $1 AND digest = $2 AND used_us IS NULL";
            if tx.run(sql, args![user_id, *digest, context.now_us]).await? == 0 {
                return Err(used());
            }
            let email = email(tx, user_id).await?;
            let sql = "SELECT COUNT(*) AS n FROM recovery_codes WHERE user_id = $1 AND used_us IS NULL";
            let left = tx.one(sql, args![user_id]).await?.ok_or(StoreError::Malformed("count"))?.count("n")?;
            let draft = context.draft(AuditAction::RecoveryCodeUsed, ObjectKind::User, user_id, Some(&email));
            tx.audit(draft.with("left", left));
        }
    }
    Ok(())
}

/// Deletes every second factor of a person, with the passkeys, the recovery codes and the remembered browsers.
pub(crate) async fn forget(tx: &mut Tx, user_id: Uuid) -> Result<(), StoreError> {
    for table in ["otp_seeds", "recovery_codes", "trusted_devices", "passkeys"] {
        tx.run(&format!("DELETE FROM {table} WHERE user_id = $1"), args![user_id]).await?;
    }
    Ok(())
}

async fn replace_codes(tx: &mut Tx, context: &Context, user_id: Uuid, codes: &[[u8; 32]]) -> Result<(), StoreError> {
    tx.run("DELETE FROM recovery_codes WHERE user_id = $1", args![user_id]).await?;
    for digest in codes {
        let sql = "INSERT INTO recovery_codes (user_id, digest, made_us, used_us, typed_back)
                   VALUES ($1, $2, $3, NULL, 0)";
        tx.run(sql, args![user_id, *digest, context.now_us]).await?;
    }
    Ok(())
}

async fn email(tx: &mut Tx, user_id: Uuid) -> Result<String, StoreError> {
    let row = tx.one("SELECT email FROM users WHERE id = $1", args![user_id]).await?;
    row.ok_or(StoreError::NotFound("user"))?.text("email")
}

/// Binds a secret to its person and to the moment at which it was drawn.
fn place(user_id: Uuid, created_us: u64) -> Place {
    Place { purpose: Purpose::UserOtpSeed, collection: Uuid::nil(), object: user_id, revision: created_us }
}

#[cfg(test)]
mod tests {
    use vaultterm_sealing::SecretBytes;

    use super::Spend;
    use crate::{ErrorClass, NewSession, testing::House};

    fn seed(byte: u8) -> SecretBytes {
        SecretBytes::new(vec![byte; 20])
    }

    #[tokio::test]
    async fn a_secret_is_asked_for_only_after_its_first_right_code_and_replaces_the_older_one_then() {
        let house = House::new().await;
        let (store, ann) = (&house.store, house.owner.id);
        let active = async || store.otp_seed(ann, true).await.unwrap().map(|found| found.seed.expose()[0]);
        store.begin_otp(&house.ann(), ann, &seed(1)).await.unwrap();
        assert_eq!((active().await, store.factors(ann).await.unwrap().asked_for()), (None, false));
        store.confirm_otp(&house.ann(), ann, 7, &[[1; 32], [2; 32]]).await.unwrap();
        assert_eq!((active().await, store.factors(ann).await.unwrap().codes_left), (Some(1), 2));
        let again = store.confirm_otp(&house.ann(), ann, 8, &[]).await.unwrap_err();
        assert_eq!((again.class(), active().await), (ErrorClass::Refused, Some(1)), "no secret waits");
        house.pass(1);
        store.begin_otp(&house.ann(), ann, &seed(2)).await.unwrap();
        assert_eq!(active().await, Some(1), "the old telephone works until the new one showed a code");
        store.confirm_otp(&house.ann(), ann, 9, &[[3; 32]]).await.unwrap();
        assert_eq!((active().await, store.factors(ann).await.unwrap().codes_left), (Some(2), 1));
        store.remove_otp(&house.ann(), ann).await.unwrap();
        assert_eq!(store.factors(ann).await.unwrap(), super::Factors::default());
        assert_eq!(store.remove_otp(&house.ann(), ann).await.unwrap_err().class(), ErrorClass::NotFound);
    }

    #[tokio::test]
    async fn a_code_counts_once_even_when_two_logins_show_it_at_the_same_time() {
        let house = House::new().await;
        let (store, ann) = (&house.store, house.owner.id);
        store.begin_otp(&house.ann(), ann, &seed(1)).await.unwrap();
        let recovery = store.recovery_digest(ann, "abcd");
        store.confirm_otp(&house.ann(), ann, 7, &[recovery]).await.unwrap();
        assert!(!store.type_back(ann, [9; 32]).await.unwrap());
        assert!(store.type_back(ann, recovery).await.unwrap());
        assert!(store.factors(ann).await.unwrap().codes_typed_back);
        let context = house.ann();
        for (spend, fits) in [
            (Spend::Otp(7), 0),
            (Spend::Otp(8), 1),
            (Spend::Otp(6), 0),
            (Spend::Recovery(recovery), 1),
            (Spend::Recovery([9; 32]), 0),
        ] {
            let login = || {
                let new = NewSession { spend: Some(spend.clone()), ..NewSession::new(ann, "Firefox") };
                store.begin_session(&context, new)
            };
            let (one, two) = tokio::join!(login(), login());
            let let_in = [one, two].iter().filter(|login| login.is_ok()).count();
            assert_eq!(let_in, fits, "{spend:?}");
        }
        assert_eq!(store.factors(ann).await.unwrap().codes_left, 0);
        assert_eq!(store.otp_seed(ann, true).await.unwrap().unwrap().used_step, 8);
    }
}
