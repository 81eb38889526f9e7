//! The rows of the keyring, sealed root keys, and rotations.
//!
//! The process may die anywhere in a rotation. The rotation of the root key is one transaction. The rotation
//! of the record key begins with one transaction, after which the new key seals and the old one still opens. (Where several
//! servers work, the new key is stored before, so that they know it when it begins to seal.) It continues in batches, and
//! after each of them every row is readable. It ends when nothing is wrapped under the old key. The rows themselves show what
//! is left to do.

use std::sync::atomic::Ordering;

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
pub(crate) const SEALED_COLUMNS: [SealedColumns; 12] = [
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
    SealedColumns { table: "drafts", found_by: "id", prefix: "" },
    SealedColumns { table: "import_parts", found_by: "import_id", prefix: "" },
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
        for retired in retired(&rows) {
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
        count_change(&mut tx).await?;
        tx.audit(about_key(context, AuditAction::KeyRotated, "root", new.id().0));
        tx.commit().await?;
        self.keyring.take_root(new);
        Ok(())
    }

    /// Generates a new record key, which seals everything from now on (`KEY_ROTATED`). [`Self::rewrap_some`]
    /// moves older messages to it.
    ///
    /// A caller that shares the database with other servers calls [`Self::announce_record_key`] first, and waits
    /// until the others know the key. Otherwise they meet messages that they cannot open for a moment.
    ///
    /// # Errors
    /// [`StoreError::Rotating`] while an earlier rotation is in progress.
    pub async fn rotate_record_key(&self, context: &Context, root: &RootKey) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let next = self.next_record_key(&mut tx, root).await?;
        let sql = "UPDATE keyring SET state = CASE WHEN id = $1 THEN $2 ELSE $3 END WHERE purpose = $4";
        let (active, retired) = (KeyState::Active.as_str(), KeyState::DecryptOnly.as_str());
        tx.run(sql, args![next.id, active, retired, KeyPurpose::Record.as_str()]).await?;
        count_change(&mut tx).await?;
        let draft = about_key(context, AuditAction::KeyRotated, KeyPurpose::Record.as_str(), next.id);
        tx.audit(draft.with("generation", next.generation));
        let newer = Keyring::open(root, self.instance(), &keyring_rows(&mut tx).await?)?;
        // The next transaction seals with the new key, and may begin before the commit returns here.
        self.keyring.learn(&newer);
        tx.commit().await?;
        self.keyring.adopt(newer);
        Ok(())
    }

    /// Generates the next record key and stores it, so that every server can open what it will seal. It seals nothing
    /// yet. A key that an earlier call announced is used again. Returns the state of the keyring that a server needs to
    /// know the key.
    ///
    /// # Errors
    /// [`StoreError::Rotating`] while an earlier rotation is in progress.
    pub async fn announce_record_key(&self, root: &RootKey) -> Result<u64, StoreError> {
        let mut tx = self.db.write().await?;
        self.next_record_key(&mut tx, root).await?;
        let generation = generation(&mut tx).await?;
        tx.commit().await?;
        Ok(generation)
    }

    /// Returns the record key that seals after the next rotation. Draws it, unless it was announced.
    async fn next_record_key(&self, tx: &mut Tx, root: &RootKey) -> Result<KeyringRow, StoreError> {
        let rows = keyring_rows(tx).await?;
        if retired(&rows).next().is_some() {
            return Err(StoreError::Rotating);
        }
        if let Some(announced) = announced(&rows) {
            return Ok(announced.clone());
        }
        let drawn = KeyringRow::draw(root, self.instance(), KeyPurpose::Record, active_generation(&rows) + 1)?;
        let drawn = KeyringRow { state: KeyState::DecryptOnly, ..drawn };
        insert(tx, &drawn).await?;
        count_change(tx).await?;
        Ok(drawn)
    }

    /// Adopts the stored keyring, to which another server may have added keys. Returns its state.
    ///
    /// # Errors
    /// [`StoreError::Sealing`] when another root key wraps it by now.
    pub async fn renew_keyring(&self) -> Result<u64, StoreError> {
        let generation = self.stored_keyring_generation().await?;
        // Keys that are stored after the state was read belong to a later state, and do no harm.
        let rows = self.db.all("SELECT * FROM keyring ORDER BY id", args![]).await?;
        self.keyring.renew(&rows.iter().map(keyring_row).collect::<Result<Vec<_>, _>>()?)?;
        self.keyring_generation.fetch_max(generation, Ordering::Relaxed);
        Ok(generation)
    }

    /// Returns the state of the stored keyring.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn stored_keyring_generation(&self) -> Result<u64, StoreError> {
        let row = self.db.one("SELECT keyring_generation FROM instance", args![]).await?;
        row.ok_or(StoreError::NotInitialised)?.count("keyring_generation")
    }

    /// Takes the root key with which another server wrapped the stored keyring, and adopts the keyring. Returns its state.
    ///
    /// # Errors
    /// [`StoreError::Sealing`] if that is not the root key.
    pub async fn take_root(&self, root: &RootKey) -> Result<u64, StoreError> {
        self.keyring.take_root(root);
        self.renew_keyring().await
    }

    /// Returns the state of the keyring that this server works with.
    #[must_use]
    pub fn keyring_generation(&self) -> u64 {
        self.keyring_generation.load(Ordering::Relaxed)
    }

    /// Makes sure that this server has the keys of a state of the keyring that a row of the database named.
    pub(crate) async fn follow_keyring(&self, row: &Row) -> Result<(), StoreError> {
        if row.count("keyring_generation")? > self.keyring_generation() {
            self.renew_keyring().await?;
        }
        Ok(())
    }

    /// Wraps up to `limit` data keys under the active record key. Returns whether none is left. If so, the
    /// retired key is deleted, and the database no longer contains anything that a copy of that key opens.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn rewrap_some(&self, context: &Context, limit: u32) -> Result<bool, StoreError> {
        let sql = "SELECT id FROM keyring WHERE purpose = $1 AND state = $2";
        let maybe = self.db.one(sql, args![KeyPurpose::Record.as_str(), KeyState::DecryptOnly.as_str()]).await?;
        if maybe.is_none() {
            // Every server asks this from time to time, and nearly always there is nothing to change.
            return Ok(true);
        }
        let mut tx = self.db.write().await?;
        let rows = keyring_rows(&mut tx).await?;
        let retired: Vec<_> = retired(&rows).map(|row| row.id).collect();
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
        count_change(&mut tx).await?;
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
}

/// Returns the generation of the active record key.
fn active_generation(rows: &[KeyringRow]) -> u32 {
    let active = rows.iter().find(|row| row.purpose == KeyPurpose::Record && row.state == KeyState::Active);
    active.map_or(0, |row| row.generation)
}

/// Returns the record keys that sealed before the active one.
fn retired(rows: &[KeyringRow]) -> impl Iterator<Item = &KeyringRow> {
    let active = active_generation(rows);
    rows.iter().filter(move |row| row.purpose == KeyPurpose::Record && row.generation < active)
}

/// Returns the record key that seals after the next rotation, if it was announced.
fn announced(rows: &[KeyringRow]) -> Option<&KeyringRow> {
    let active = active_generation(rows);
    rows.iter().find(|row| row.purpose == KeyPurpose::Record && row.generation > active)
}

/// Counts a change of the keyring, so that every server notices it.
pub(crate) async fn count_change(tx: &mut Tx) -> Result<(), StoreError> {
    tx.run("UPDATE instance SET keyring_generation = keyring_generation + 1", args![]).await.map(drop)
}

async fn generation(tx: &mut Tx) -> Result<u64, StoreError> {
    let row = tx.one("SELECT keyring_generation FROM instance", args![]).await?;
    row.ok_or(StoreError::NotInitialised)?.count("keyring_generation")
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
mod tests;
