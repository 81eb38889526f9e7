//! The rows of the keyring, sealed root keys, and rotations.
//!
//! The process may die anywhere in a rotation. The rotation of the root key is one transaction. The rotation
//! of the record key begins with one transaction, after which the new key seals and the old one still opens.
//! It continues in batches, and after each of them every row is readable. It ends when nothing is wrapped
//! under the old key. The rows themselves show what is left to do.

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, Draft, ObjectKind};
use vaultterm_sealing::{InstanceId, KeyPurpose, KeyState, Keyring, KeyringRow, RootKey, RootKeyId};

use crate::{
    Context, Database, Store, StoreError,
    context::Facts as _,
    sql::{Db, Row, Tx, args},
};

/// A root key that Transit sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRoot {
    /// The id of the root key.
    pub root_id: RootKeyId,
    /// The parameter that binds it to this installation, as Transit names it.
    pub binding: String,
    /// The ciphertext. Only Transit opens it.
    pub ciphertext: String,
    /// The time at which it was stored, in microseconds.
    pub created_us: i64,
}

/// A key of the keyring, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// The id.
    pub id: Uuid,
    /// The purpose.
    pub purpose: KeyPurpose,
    /// The number of the generation. The first is 1.
    pub generation: u32,
    /// Whether the key still seals.
    pub state: KeyState,
}

/// The state of the keys.
#[derive(Clone, Debug)]
pub struct KeyringStatus {
    /// The root key that wraps the keyring.
    pub root_id: Option<RootKeyId>,
    /// The keyring, by purpose, the oldest generation first.
    pub keys: Vec<KeyInfo>,
    /// The number of data keys that a rotation of the record key must still wrap again.
    pub rewrap_pending: u64,
    /// The stored sealed root keys, the newest first.
    pub sealed: Vec<SealedRoot>,
}

/// The place of sealed messages: three columns of a table, and the text column that finds a row.
pub(crate) struct SealedColumns {
    pub(crate) table: &'static str,
    pub(crate) found_by: &'static str,
    pub(crate) prefix: &'static str,
}

/// All sealed columns of the schema. A test compares the list with the schema itself.
pub(crate) const SEALED_COLUMNS: [SealedColumns; 10] = [
    SealedColumns { table: "revisions", found_by: "record_id", prefix: "" },
    SealedColumns { table: "connections", found_by: "id", prefix: "" },
    SealedColumns { table: "connections", found_by: "id", prefix: "tls_" },
    SealedColumns { table: "plans", found_by: "id", prefix: "" },
    SealedColumns { table: "conflicts", found_by: "id", prefix: "" },
    SealedColumns { table: "idempotency", found_by: "user_id", prefix: "" },
    SealedColumns { table: "webhooks", found_by: "id", prefix: "" },
    SealedColumns { table: "webhooks", found_by: "id", prefix: "old_" },
    SealedColumns { table: "otp_seeds", found_by: "user_id", prefix: "" },
    SealedColumns { table: "generated_values", found_by: "id", prefix: "" },
];

/// The number of sealed root keys that are kept: the one in use and those before it.
const SEALED_ROOTS_KEPT: u32 = 5;

impl Database {
    /// Returns the root key that wraps the keyring, if its id was recorded.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn root_id(&self) -> Result<Option<RootKeyId>, StoreError> {
        root_id(&self.db).await
    }

    /// Returns the id of the installation.
    ///
    /// # Errors
    /// [`StoreError::NotInitialised`].
    pub async fn instance(&self) -> Result<InstanceId, StoreError> {
        let row = self.db.one("SELECT id FROM instance", args![]).await?;
        let row = row.ok_or(StoreError::NotInitialised)?;
        row.id("id").map(InstanceId)
    }

    /// Returns the sealed root keys, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn sealed_roots(&self) -> Result<Vec<SealedRoot>, StoreError> {
        sealed_roots(&self.db).await
    }
}

impl Store {
    /// Returns the state of the keys.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn keyring_status(&self) -> Result<KeyringStatus, StoreError> {
        let rows = self.db.all("SELECT * FROM keyring ORDER BY purpose, generation", args![]).await?;
        let rows = rows.iter().map(keyring_row).collect::<Result<Vec<_>, _>>()?;
        let mut rewrap_pending = 0;
        for retired in rows.iter().filter(|row| row.purpose == KeyPurpose::Record && row.state != KeyState::Active) {
            for columns in &SEALED_COLUMNS {
                let sql = format!("SELECT COUNT(*) AS n FROM {} WHERE {}key_id = $1", columns.table, columns.prefix);
                let row = self.db.one(&sql, args![retired.id]).await?;
                rewrap_pending += row.ok_or(StoreError::Malformed("count"))?.count("n")?;
            }
        }
        let keys = rows.into_iter().map(|row| KeyInfo {
            id: row.id,
            purpose: row.purpose,
            generation: row.generation,
            state: row.state,
        });
        Ok(KeyringStatus {
            root_id: root_id(&self.db).await?,
            keys: keys.collect(),
            rewrap_pending,
            sealed: sealed_roots(&self.db).await?,
        })
    }

    /// Stores a sealed root key (`KEY_SEALED`).
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn keep_sealed_root(&self, context: &Context, sealed: &SealedRoot) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        keep_sealed(&mut tx, context, sealed).await?;
        tx.commit().await
    }

    /// Records that the root key was written to a file (`KEY_UNSEALED`).
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn note_unsealed_root(&self, context: &Context, root: RootKeyId) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        tx.audit(about_key(context, AuditAction::KeyUnsealed, "root", root.0));
        tx.commit().await
    }

    /// Wraps the keyring under another root key in one transaction (`KEY_ROTATED`). Before the commit the old
    /// root key opens the database, and after it the new one does.
    ///
    /// # Errors
    /// [`StoreError::Sealing`] if `old` is no longer the root key.
    pub async fn rotate_root_key(
        &self,
        context: &Context,
        old: &RootKey,
        new: &RootKey,
        sealed: Option<&SealedRoot>,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        for row in keyring_rows(&mut tx).await? {
            let row = row.rewrap(old, new, self.instance())?;
            tx.run("UPDATE keyring SET wrapped = $1 WHERE id = $2", args![row.wrapped, row.id]).await?;
        }
        tx.run("UPDATE instance SET root_id = $1", args![new.id().0]).await?;
        if let Some(sealed) = sealed {
            keep_sealed(&mut tx, context, sealed).await?;
        }
        tx.audit(about_key(context, AuditAction::KeyRotated, "root", new.id().0));
        tx.commit().await
    }

    /// Generates a new record key, which seals everything from now on (`KEY_ROTATED`). [`Self::rewrap_some`]
    /// moves older messages to it.
    ///
    /// # Errors
    /// [`StoreError::Rotating`] while an earlier rotation is in progress.
    pub async fn rotate_record_key(&self, context: &Context, root: &RootKey) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let mut rows = keyring_rows(&mut tx).await?;
        rows.retain(|row| row.purpose == KeyPurpose::Record);
        if rows.iter().any(|row| row.state == KeyState::DecryptOnly) {
            return Err(StoreError::Rotating);
        }
        self.draw(&mut tx, context, root, KeyPurpose::Record, &rows).await?;
        let newer = Keyring::open(root, self.instance(), &keyring_rows(&mut tx).await?)?;
        // The next transaction seals with the new key, and may begin before the commit returns here.
        self.keyring.learn(&newer);
        tx.commit().await?;
        self.keyring.adopt(newer);
        Ok(())
    }

    /// Wraps up to `limit` data keys under the active record key. Returns whether none is left. If so, the
    /// retired key is deleted, and the database no longer contains anything that a copy of that key opens.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn rewrap_some(&self, context: &Context, limit: u32) -> Result<bool, StoreError> {
        let mut tx = self.db.write().await?;
        let rows = keyring_rows(&mut tx).await?;
        let retired: Vec<_> = rows
            .iter()
            .filter(|row| row.purpose == KeyPurpose::Record && row.state == KeyState::DecryptOnly)
            .map(|row| row.id)
            .collect();
        if retired.is_empty() {
            return Ok(true);
        }
        let mut left = limit;
        for key in &retired {
            for columns in &SEALED_COLUMNS {
                left -= self.rewrap_in(&mut tx, columns, *key, left).await?;
                if left == 0 {
                    tx.commit().await?;
                    return Ok(false);
                }
            }
        }
        for key in retired {
            tx.run("DELETE FROM keyring WHERE id = $1", args![key]).await?;
            tx.audit(about_key(context, AuditAction::KeyRotated, "record", key).with("retired", true));
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Moves up to `limit` data keys of one column, and returns their number.
    async fn rewrap_in(
        &self,
        tx: &mut Tx,
        SealedColumns { table, found_by, prefix }: &SealedColumns,
        key: Uuid,
        limit: u32,
    ) -> Result<u32, StoreError> {
        let sql = format!(
            "SELECT {found_by} AS place, {prefix}wrapped_key AS wrapped FROM {table} WHERE {prefix}key_id = $1 LIMIT $2"
        );
        let rows = tx.all(&sql, args![key, limit]).await?;
        let active = tx.record_key().await?;
        let mut moved = 0;
        for row in rows {
            let wrapped = row.bytes("wrapped")?;
            let rewrapped = self.keyring.rewrap(key, active, &wrapped)?;
            // Each wrapped key has its own salt, so it identifies its row.
            let sql = format!(
                "UPDATE {table} SET {prefix}key_id = $1, {prefix}wrapped_key = $2
                 WHERE {found_by} = $3 AND {prefix}wrapped_key = $4"
            );
            tx.run(&sql, args![active, rewrapped, row.text("place")?, wrapped]).await?;
            moved += 1;
        }
        Ok(moved)
    }

    /// Retires the active key of a purpose and generates the next one.
    async fn draw(
        &self,
        tx: &mut Tx,
        context: &Context,
        root: &RootKey,
        purpose: KeyPurpose,
        rows: &[KeyringRow],
    ) -> Result<(), StoreError> {
        let generation = rows.iter().map(|row| row.generation).max().unwrap_or(0) + 1;
        let row = KeyringRow::draw(root, self.instance(), purpose, generation)?;
        let sql = "UPDATE keyring SET state = $1 WHERE purpose = $2";
        tx.run(sql, args![KeyState::DecryptOnly.as_str(), purpose.as_str()]).await?;
        insert(tx, &row).await?;
        tx.audit(about_key(context, AuditAction::KeyRotated, purpose.as_str(), row.id).with("generation", generation));
        Ok(())
    }
}

fn about_key(context: &Context, action: AuditAction, name: &str, id: Uuid) -> Draft {
    context.draft(action, ObjectKind::Key, id, Some(name))
}

/// Adds a key to the keyring.
pub(crate) async fn insert(tx: &mut Tx, row: &KeyringRow) -> Result<(), StoreError> {
    let sql = "INSERT INTO keyring (id, purpose, generation, state, wrapped) VALUES ($1, $2, $3, $4, $5)";
    let wrapped = row.wrapped.clone();
    tx.run(sql, args![row.id, row.purpose.as_str(), row.generation, row.state.as_str(), wrapped]).await?;
    Ok(())
}

pub(crate) async fn keep_sealed(tx: &mut Tx, context: &Context, sealed: &SealedRoot) -> Result<(), StoreError> {
    let sql = "INSERT INTO sealed_roots (id, root_id, binding, ciphertext, created_us) VALUES ($1, $2, $3, $4, $5)";
    let SealedRoot { root_id, binding, ciphertext, created_us } = sealed.clone();
    tx.run(sql, args![vaultterm_sync::new_id(), root_id.0, binding, ciphertext, created_us]).await?;
    let sql = "DELETE FROM sealed_roots WHERE id NOT IN (SELECT id FROM sealed_roots ORDER BY id DESC LIMIT $1)";
    tx.run(sql, args![SEALED_ROOTS_KEPT]).await?;
    tx.audit(about_key(context, AuditAction::KeySealed, "root", root_id.0).with("binding", &sealed.binding));
    Ok(())
}

async fn root_id(db: &Db) -> Result<Option<RootKeyId>, StoreError> {
    let row = db.one("SELECT root_id FROM instance", args![]).await?;
    Ok(row.map(|row| row.maybe_id("root_id")).transpose()?.flatten().map(RootKeyId))
}

pub(crate) async fn sealed_roots(db: &Db) -> Result<Vec<SealedRoot>, StoreError> {
    let rows = db.all("SELECT * FROM sealed_roots ORDER BY id DESC", args![]).await?;
    let sealed = |row: &Row| {
        Ok(SealedRoot {
            root_id: RootKeyId(row.id("root_id")?),
            binding: row.text("binding")?,
            ciphertext: row.text("ciphertext")?,
            created_us: row.int("created_us")?,
        })
    };
    rows.iter().map(sealed).collect()
}

pub(crate) async fn keyring_rows(tx: &mut Tx) -> Result<Vec<KeyringRow>, StoreError> {
    tx.all("SELECT * FROM keyring ORDER BY id", args![]).await?.iter().map(keyring_row).collect()
}

pub(crate) fn keyring_row(row: &Row) -> Result<KeyringRow, StoreError> {
    Ok(KeyringRow {
        id: row.id("id")?,
        purpose: row.named("purpose")?,
        generation: row.small("generation")?,
        state: row.named("state")?,
        wrapped: row.bytes("wrapped")?,
    })
}

#[cfg(test)]
mod tests {
    use vaultterm_ledger::AuditAction;
    use vaultterm_sealing::{KeyPurpose, KeyState, RootKey};

    use super::SealedRoot;
    use crate::{
        StoreError,
        sql::args,
        testing::{House, cut_before_statement, reopened},
    };

    fn sealed(root: &RootKey) -> SealedRoot {
        let (binding, ciphertext) = ("context".to_owned(), format!("vault:v1:{}", root.id().0));
        SealedRoot { root_id: root.id(), binding, ciphertext, created_us: 1 }
    }

    #[tokio::test]
    async fn after_a_rotation_of_the_root_key_the_new_one_opens_everything_and_the_old_one_nothing() {
        let mut house = House::new().await;
        let spots = house.gallery().await;
        let before = house.open_all(&spots).await.unwrap();
        let new = RootKey::generate();
        house.store.rotate_root_key(&house.ann(), &house.root, &new, Some(&sealed(&new))).await.unwrap();
        assert!(matches!(reopened(&house, &house.root).await, Err(StoreError::Sealing(_))));
        house.store = reopened(&house, &new).await.unwrap();
        assert_eq!(house.open_all(&spots).await.unwrap(), before);
        let status = house.store.keyring_status().await.unwrap();
        assert_eq!((status.root_id, status.sealed), (Some(new.id()), vec![sealed(&new)]));
        assert_eq!(
            house.audited().await[house.audited().await.len() - 2..],
            [AuditAction::KeySealed, AuditAction::KeyRotated]
        );
        let again = house.store.rotate_root_key(&house.ann(), &house.root, &new, None).await;
        assert!(matches!(again, Err(StoreError::Sealing(_))), "the old key is not the root key any more");
    }

    #[tokio::test]
    async fn a_rotation_of_the_root_key_that_dies_anywhere_leaves_one_key_that_opens_everything() {
        let mut house = House::new().await;
        let spots = house.gallery().await;
        let before = house.open_all(&spots).await.unwrap();
        let (mut deaths, mut ended) = (0, 0);
        for statements in 0..500 {
            let new = RootKey::generate();
            let store = house.store.clone();
            let done = cut_before_statement(statements, async {
                store.rotate_root_key(&house.ann(), &house.root, &new, Some(&sealed(&new))).await.unwrap();
            })
            .await;
            let (old_opens, new_opens) = (reopened(&house, &house.root).await, reopened(&house, &new).await);
            assert!(old_opens.is_ok() != new_opens.is_ok(), "one of the two, whole, after {statements} statements");
            assert!(!done || new_opens.is_ok(), "what was answered is so");
            if let Ok(store) = new_opens {
                house.store = store;
                house.root = new;
            }
            assert_eq!(house.open_all(&spots).await.unwrap(), before, "after {statements} statements");
            (deaths, ended) = if done { (deaths, ended + 1) } else { (deaths + 1, ended) };
            if ended == 3 {
                break;
            }
        }
        assert!(deaths >= 8 && ended == 3, "it died {deaths} times and ended {ended} times");
    }

    #[tokio::test]
    async fn a_rotation_of_the_record_key_moves_everything_and_forgets_the_old_key() {
        let mut house = House::new().await;
        let spots = house.gallery().await;
        let before = house.open_all(&spots).await.unwrap();
        house.store.rotate_record_key(&house.ann(), &house.root).await.unwrap();
        assert_eq!(house.open_all(&spots).await.unwrap(), before, "while it goes on everything opens");
        let status = house.store.keyring_status().await.unwrap();
        assert_eq!(status.rewrap_pending, house.counted().await);
        let early = house.store.rotate_record_key(&house.ann(), &house.root).await.unwrap_err();
        assert!(early.to_string().contains("has not ended yet"), "{early}");
        let mut batches = 0;
        while !house.store.rewrap_some(&house.ann(), 3).await.unwrap() {
            batches += 1;
            assert_eq!(house.open_all(&spots).await.unwrap(), before, "after batch {batches}");
        }
        assert!(batches >= 4, "{batches}");
        let status = house.store.keyring_status().await.unwrap();
        let records: Vec<_> = status.keys.iter().filter(|key| key.purpose == KeyPurpose::Record).collect();
        assert_eq!((records.len(), records[0].generation, records[0].state), (1, 2, KeyState::Active));
        house.store = reopened(&house, &house.root).await.unwrap();
        assert_eq!(house.open_all(&spots).await.unwrap(), before);
    }

    #[tokio::test]
    async fn a_rotation_of_the_record_key_that_dies_anywhere_goes_on_where_it_was() {
        let mut house = House::new().await;
        let spots = house.gallery().await;
        let before = house.open_all(&spots).await.unwrap();
        let (mut deaths, mut ended) = (0, 0);
        for statements in 0..2_000 {
            let store = house.store.clone();
            let done = cut_before_statement(statements, async {
                let status = store.keyring_status().await.unwrap();
                if !status.keys.iter().any(|key| key.state == KeyState::DecryptOnly) {
                    store.rotate_record_key(&house.ann(), &house.root).await.unwrap();
                }
                while !store.rewrap_some(&house.ann(), 7).await.unwrap() {}
            })
            .await;
            house.store = reopened(&house, &house.root).await.unwrap();
            assert_eq!(house.open_all(&spots).await.unwrap(), before, "after {statements} statements");
            (deaths, ended) = if done { (deaths, ended + 1) } else { (deaths + 1, ended) };
            if ended == 3 {
                break;
            }
        }
        assert!(deaths >= 20 && ended == 3, "it died {deaths} times and ended {ended} times");
    }

    impl House {
        /// Returns the number of sealed messages.
        async fn counted(&self) -> u64 {
            let mut counted = 0;
            for columns in &super::SEALED_COLUMNS {
                let (table, prefix) = (columns.table, columns.prefix);
                let sql = format!("SELECT COUNT({prefix}ciphertext) AS n FROM {table}");
                counted += self.store.db.one(&sql, args![]).await.unwrap().unwrap().count("n").unwrap();
            }
            counted
        }
    }
}
