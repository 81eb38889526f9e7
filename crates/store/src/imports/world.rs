//! What is in a collection already of what a file holds.

use std::collections::BTreeSet;

use vaultterm_exchange::{Held, World};
use vaultterm_reconcile::{RecordId, SecretPath};
use vaultterm_sync::CollectionId;

use crate::{
    Store, StoreError, revisions,
    sql::{Row, Select, args},
};

/// The values that one statement looks for.
const AT_ONCE: usize = 500;

/// Selects records with what opens their newest revision.
const HELD: &str =
    "SELECT r.collection_id, r.path, r.record_type, r.deleted_us, v.record_id, v.revision, v.key_id, v.wrapped_key,
                           v.ciphertext
                    FROM records r JOIN revisions v ON v.record_id = r.id AND v.revision = r.revision";

impl Store {
    /// Tells what is in a collection of the paths that items want, and of the items that earlier imports brought.
    ///
    /// # Errors
    /// [`StoreError::Sealing`] when a record does not open.
    pub async fn import_world(
        &self,
        collection: CollectionId,
        wanted: &BTreeSet<SecretPath>,
        sources: &[String],
    ) -> Result<World, StoreError> {
        let mut world = World::default();
        let sql = "SELECT path FROM records WHERE collection_id = $1 AND deleted_us IS NULL";
        world.taken.extend(self.db.all_as(sql, args![collection], |row| row.path("path")).await?);
        let wanted: Vec<_> = wanted.iter().collect();
        for paths in wanted.chunks(AT_ONCE) {
            let sql = format!("{HELD} WHERE r.collection_id = $1");
            let mut select = Select::new(&sql, args![collection]);
            select.and_any("r.path", paths.iter().copied());
            for row in self.db.select(select.all()).await? {
                let held = self.held(&row)?;
                if row.maybe_int("deleted_us")?.is_none() {
                    world.live.insert(held.path.clone(), held);
                } else {
                    world.trashed.entry(held.path.clone()).or_default().push(held);
                }
            }
        }
        let digests: Vec<_> = sources.iter().map(|source| (self.source_digest(collection, source), source)).collect();
        for digests in digests.chunks(AT_ONCE) {
            let sql = format!(
                "SELECT s.source, h.* FROM import_sources s JOIN ({HELD}) h
                 ON h.record_id = s.record_id AND h.collection_id = s.collection_id WHERE s.collection_id = $1"
            );
            let mut select = Select::new(&sql, args![collection]);
            select.and_any("s.source", digests.iter().map(|(digest, _)| *digest));
            for row in self.db.select(select.all()).await? {
                let digest = row.hash("source")?;
                let found = digests.iter().find(|(one, _)| *one == digest);
                let (_, source) = found.ok_or(StoreError::Malformed("source of an import"))?;
                let is_live = row.maybe_int("deleted_us")?.is_none();
                let known = if is_live { &mut world.imported } else { &mut world.imported_trashed };
                known.insert((*source).clone(), self.held(&row)?);
            }
        }
        Ok(world)
    }

    fn held(&self, row: &Row) -> Result<Held, StoreError> {
        Ok(Held {
            record: RecordId(row.id("record_id")?),
            revision: row.revision("revision")?,
            path: row.path("path")?,
            record_type: row.record_type()?,
            fields: revisions::open(&self.keyring, row)?,
        })
    }
}
