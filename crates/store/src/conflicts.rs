//! Conflicts.

use std::collections::BTreeSet;

use uuid::Uuid;
use vaultterm_ledger::{Action, ObjectKind};
use vaultterm_reconcile::{Conflict, UnixNanos};
use vaultterm_sealing::{Place, Purpose};
use vaultterm_sync::{ConflictId, ConflictStatus, ConnectionId, OtherConflicts, StoredConflict};

use crate::{
    Context, Page, Paged, Store, StoreError,
    audit::{about, with},
    revisions::sealed,
    sql::{Row, Tx, args, json},
};

/// Which conflicts to list.
#[derive(Clone, Debug, Default)]
pub struct ConflictFilter {
    /// Of one connection.
    pub connection_id: Option<ConnectionId>,
    /// In one state.
    pub status: Option<ConflictStatus>,
}

impl Store {
    /// Lists conflicts, oldest first.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn conflicts(&self, filter: &ConflictFilter, page: &Page) -> Result<Paged<StoredConflict>, StoreError> {
        let rows = self
            .db
            .all(
                "SELECT * FROM conflicts WHERE id > $1 AND ($2 IS NULL OR connection_id = $2)
                   AND ($3 IS NULL OR status = $3) ORDER BY id LIMIT $4",
                args![page.after(), filter.connection_id.map(|id| id.0), filter.status.map(status), page.fetch()],
            )
            .await?;
        page.cut(rows, |row| self.read_conflict(row), |conflict| conflict.id.to_string())
    }

    /// Finds a conflict.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stored_conflict(&self, id: ConflictId) -> Result<Option<StoredConflict>, StoreError> {
        let row = self.db.one("SELECT * FROM conflicts WHERE id = $1", args![id.0]).await?;
        row.map(|row| self.read_conflict(&row)).transpose()
    }

    pub(crate) async fn store_conflicts(
        &self,
        tx: &mut Tx,
        connection_id: ConnectionId,
        context: &Context,
        found: &[Conflict],
        others: &OtherConflicts,
    ) -> Result<u64, StoreError> {
        let sql = "SELECT id, path FROM conflicts WHERE connection_id = $1 AND status = 'open'";
        let open = tx.all(sql, args![connection_id.0]).await?;
        let open =
            open.iter().map(|row| Ok((row.text("path")?, row.id("id")?))).collect::<Result<Vec<_>, StoreError>>()?;
        let mut drafts = Vec::new();
        for conflict in found {
            let known = open.iter().find(|(path, _)| path == conflict.path.as_str()).map(|(_, id)| *id);
            let id = known.unwrap_or_else(Uuid::now_v7);
            self.write_conflict(tx, connection_id, id, conflict, context.now_us).await?;
            if known.is_none() {
                let path = conflict.path.as_str();
                let draft = context.draft(Action::HcvConflictDetected, ObjectKind::Conflict, id, Some(path));
                let draft = about(draft, ObjectKind::Connection, connection_id.0);
                drafts.push(with(draft, "kind", conflict.kind.as_str()));
            }
        }
        self.log.append(tx, drafts).await?;
        if let OtherConflicts::Converged { but } = others {
            let judged = |path: &str| !but.iter().any(|one| one.as_str() == path);
            let still: BTreeSet<&str> = found.iter().map(|conflict| conflict.path.as_str()).collect();
            for (path, id) in open.iter().filter(|(path, _)| !still.contains(path.as_str()) && judged(path)) {
                tracing::debug!(path, "a conflict converged");
                tx.run("UPDATE conflicts SET status = 'converged' WHERE id = $1", args![*id]).await?;
            }
        }
        let sql = "SELECT COUNT(*) AS open FROM conflicts WHERE connection_id = $1 AND status = 'open'";
        tx.one(sql, args![connection_id.0]).await?.map_or(Ok(0), |row| row.count("open"))
    }

    async fn write_conflict(
        &self,
        tx: &mut Tx,
        connection_id: ConnectionId,
        id: Uuid,
        conflict: &Conflict,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let sealed = self.keyring.seal(&place(id), json(conflict).as_bytes())?;
        tx.run(
            "INSERT INTO conflicts (id, connection_id, path, kind, status, first_seen, last_seen, key_id, wrapped_key, ciphertext)
             VALUES ($1, $2, $3, $4, 'open', $5, $5, $6, $7, $8)
             ON CONFLICT (id) DO UPDATE SET kind = $4, last_seen = $5, key_id = $6, wrapped_key = $7, ciphertext = $8",
            args![
                id,
                connection_id.0,
                conflict.path.as_str(),
                conflict.kind.as_str(),
                now_us * 1_000,
                sealed.key_id,
                sealed.wrapped_key,
                sealed.ciphertext,
            ],
        )
        .await?;
        Ok(())
    }

    fn read_conflict(&self, row: &Row) -> Result<StoredConflict, StoreError> {
        let id = row.id("id")?;
        let body = self.keyring.unseal(&place(id), &sealed(row, "")?)?;
        let name = row.text("status")?;
        Ok(StoredConflict {
            id: ConflictId(id),
            connection_id: ConnectionId(row.id("connection_id")?),
            conflict: serde_json::from_slice(body.expose()).map_err(|_| StoreError::Malformed("conflict"))?,
            status: [ConflictStatus::Open, ConflictStatus::Resolved, ConflictStatus::Converged]
                .into_iter()
                .find(|one| status(*one) == name)
                .ok_or(StoreError::Malformed("conflict status"))?,
            first_seen: UnixNanos(row.int("first_seen")?),
            last_seen: UnixNanos(row.int("last_seen")?),
        })
    }
}

const fn place(id: Uuid) -> Place {
    Place { purpose: Purpose::ConflictCopy, collection: Uuid::nil(), object: id, revision: 0 }
}

const fn status(status: ConflictStatus) -> &'static str {
    match status {
        ConflictStatus::Open => "open",
        ConflictStatus::Resolved => "resolved",
        ConflictStatus::Converged => "converged",
    }
}
