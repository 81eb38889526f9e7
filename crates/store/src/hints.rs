//! Hints: where somebody says that a secret changed in Vault. They wait until a run has looked there.
//!
//! A hint says where to look, and is never believed further than that. So no hint is audited: it changes nothing, there may be
//! thousands in a minute, and the run that looks is audited with what it found.
//!
//! Each hint has a number that grows with every hint of its connection. A run reads what waits, looks, and then takes what it read
//! by its number. A hint for the same path that came in the meantime has a higher number, and stays.

use std::collections::BTreeMap;

use vaultterm_reconcile::{SecretPath, UnixNanos, Version};
use vaultterm_sync::{ConnectionId, HintedWriter};

use crate::{
    Store, StoreError,
    base::OURSELVES,
    sql::{Row, Select, Tx, args},
    values::values,
};

/// The paths of a connection that wait at most. With more of them, a run looks at everything.
pub const HINTS_MAX: u64 = 10_000;

/// The hints that wait for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingHints {
    /// The paths at which to look, those that have waited longest. Fewer than wait if a limit was given.
    pub paths: BTreeMap<SecretPath, HintedWriter>,
    /// Whether to look at everything, because somebody does not know where something changed.
    pub everything: bool,
    /// The number of the last hint that is in here. A run gives it to [`Store::take_hints`] after it has looked.
    pub up_to: u64,
}

/// A connection for which hints wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HintedConnection {
    /// The connection.
    pub id: ConnectionId,
    /// The number of the newest hint.
    pub newest: u64,
    /// Whether to look at everything.
    pub everything: bool,
    /// When the first of them came after nothing had waited, in microseconds.
    pub waiting_us: i64,
}

/// What waits after hints were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddedHints {
    /// The number of paths that wait.
    pub waiting: u64,
    /// Whether a run will look at everything.
    pub everything: bool,
}

impl Store {
    /// Adds hints for a connection. A further hint for a path replaces the one that waits; one that names no writer leaves the
    /// writer that is known. If more than [`HINTS_MAX`] paths would wait, they are forgotten, and a run looks at everything.
    ///
    /// A hint about exactly the version on which both sides agree already waits for nothing. It only tells who wrote that
    /// version, if nobody did before. Such hints come of VaultTerm's own writes, and after a run that was faster than its hint.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the connection does not exist.
    pub async fn add_hints(
        &self,
        id: ConnectionId,
        hints: &BTreeMap<SecretPath, HintedWriter>,
        everything: bool,
        now_us: i64,
    ) -> Result<AddedHints, StoreError> {
        let mut hints: BTreeMap<_, _> = hints.iter().collect();
        for path in self.known_already(id, &hints).await? {
            hints.remove(&path);
        }
        let mut tx = self.db.touch().await?;
        // One number for each hint, and one for the wish to look at everything. The row is locked until the commit, so that a
        // reader never sees a number while a lower one is still to come.
        let count = hints.len() as u64 + u64::from(everything);
        let sql = "INSERT INTO hint_marks (connection_id, newest, taken, everything, waiting_us)
                   SELECT c.id, $2, 0, 0, $3 FROM connections c WHERE c.id = $1
                   ON CONFLICT (connection_id) DO UPDATE SET
                       newest = hint_marks.newest + excluded.newest,
                       waiting_us = CASE WHEN hint_marks.newest > hint_marks.taken THEN hint_marks.waiting_us
                                         ELSE excluded.waiting_us END
                   RETURNING newest, everything";
        let row = tx.one(sql, args![id, count, now_us]).await?.ok_or(StoreError::NotFound("connection"))?;
        let (newest, mut asked) = (row.count("newest")?, row.count("everything")? > 0);
        write(&mut tx, id, &hints, newest - count, now_us).await?;
        let sql = "SELECT COUNT(*) AS waiting FROM hints WHERE connection_id = $1";
        let row = tx.one(sql, args![id]).await?.ok_or(StoreError::Malformed("hints"))?;
        let mut waiting = row.count("waiting")?;
        let too_many = waiting > HINTS_MAX;
        if too_many {
            tx.run("DELETE FROM hints WHERE connection_id = $1", args![id]).await?;
            waiting = 0;
        }
        if too_many || everything {
            tx.run("UPDATE hint_marks SET everything = newest WHERE connection_id = $1", args![id]).await?;
            asked = true;
        }
        tx.commit().await?;
        Ok(AddedHints { waiting, everything: asked })
    }

    /// Finds the hints about versions on which both sides agree already, and names the writers of these versions, and of those
    /// that the newest run saw. A version is recognized by its number and by the time at which it was made, to the nanosecond. A
    /// log that does not tell this time leads to one look too many.
    async fn known_already(
        &self,
        id: ConnectionId,
        hints: &BTreeMap<&SecretPath, &HintedWriter>,
    ) -> Result<Vec<SecretPath>, StoreError> {
        let told = hints.iter().filter(|(_, hint)| hint.version.is_some() && hint.changed.is_some());
        let rows = told.map(|(path, hint)| args![*path, hint.version, hint.changed, hint.writer.as_deref()]);
        let (mut known, mut unnamed) = (Vec::new(), false);
        let parts = values(args![id], rows.collect());
        for part in &parts {
            let same = |table: &str| {
                format!(
                    "SELECT n.path, {table}.writer, n.writer AS hinted, '{table}' AS found FROM n JOIN {table} ON
                         {table}.connection_id = $1 AND {table}.path = n.path AND {table}.version = n.version
                         AND {table}.version_created = n.changed"
                )
            };
            let sql = format!(
                "WITH n (path, version, changed, writer) AS (VALUES {}) {} AND base.link = 'linked' UNION ALL {}",
                part.rows,
                same("base"),
                same("seen_in_vault")
            );
            for row in self.db.all(&sql, part.args.clone()).await? {
                let (writer, hinted) = (row.maybe_text("writer")?, row.maybe_text("hinted")?);
                unnamed |= hinted.is_some() && writer != hinted && writer.as_deref() != Some(OURSELVES);
                if row.text("found")? == "base" {
                    known.push(row.path("path")?);
                }
            }
        }
        if unnamed {
            // In the turn of a writer, because a run may change the same rows.
            let mut tx = self.db.write().await?;
            for part in parts {
                for table in ["base", "seen_in_vault"] {
                    let sql = format!(
                        "WITH n (path, version, changed, writer) AS (VALUES {})
                         UPDATE {table} SET writer = n.writer FROM n
                         WHERE {table}.connection_id = $1 AND {table}.path = n.path AND {table}.version = n.version
                           AND {table}.version_created = n.changed AND n.writer IS NOT NULL
                           AND ({table}.writer IS NULL OR {table}.writer <> '{OURSELVES}')",
                        part.rows
                    );
                    tx.run(&sql, part.args.clone()).await?;
                }
            }
            tx.commit().await?;
        }
        Ok(known)
    }

    /// Lists the connections for which hints wait, those first that have waited longest.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn hinted_connections(&self) -> Result<Vec<HintedConnection>, StoreError> {
        let sql = "SELECT connection_id, newest, everything, waiting_us FROM hint_marks WHERE newest > taken
                   ORDER BY waiting_us, connection_id";
        let hinted = |row: &Row| {
            Ok(HintedConnection {
                id: ConnectionId(row.id("connection_id")?),
                newest: row.count("newest")?,
                everything: row.int("everything")? > 0,
                waiting_us: row.int("waiting_us")?,
            })
        };
        self.db.all(sql, args![]).await?.iter().map(hinted).collect()
    }

    /// Returns the number of the newest hint that waits for a run of a connection. A run of the whole connection answers all
    /// hints up to it.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn newest_hint(&self, id: ConnectionId) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT newest FROM hint_marks WHERE connection_id = $1 AND newest > taken";
        self.db.one(sql, args![id]).await?.map(|row| row.count("newest")).transpose()
    }

    /// Reads the hints with numbers above `after` that wait for a run of a connection, at most `limit` paths. `None` if none
    /// waits.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn waiting_hints(
        &self,
        id: ConnectionId,
        after: u64,
        limit: u64,
    ) -> Result<Option<WaitingHints>, StoreError> {
        // The marks are read first: what comes after that has a higher number, and stays.
        let sql =
            "SELECT newest, everything FROM hint_marks WHERE connection_id = $1 AND newest > taken AND newest > $2";
        let Some(marks) = self.db.one(sql, args![id, after]).await? else { return Ok(None) };
        let (newest, asked) = (marks.count("newest")?, marks.count("everything")?);
        let sql = "SELECT path, number, writer, version, changed FROM hints
                   WHERE connection_id = $1 AND number <= $2 AND number > $3 ORDER BY number LIMIT $4";
        let rows = self.db.all(sql, args![id, newest, after, limit]).await?;
        let is_cut = rows.len() as u64 >= limit;
        let up_to = match rows.last() {
            Some(last) if is_cut => last.count("number")?,
            _ => newest,
        };
        let paths = rows.iter().map(|row| Ok((row.path("path")?, writer(row)?))).collect::<Result<_, StoreError>>()?;
        Ok(Some(WaitingHints { paths, everything: asked > 0 && asked <= up_to, up_to }))
    }

    /// Takes the hints that a run has looked at: those up to a number, which [`WaitingHints`] told. What came later stays.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn take_hints(&self, id: ConnectionId, up_to: u64, now_us: i64) -> Result<(), StoreError> {
        let mut tx = self.db.touch().await?;
        tx.run("DELETE FROM hints WHERE connection_id = $1 AND number <= $2", args![id, up_to]).await?;
        let sql = "UPDATE hint_marks SET taken = $2, waiting_us = $3,
                                         everything = CASE WHEN everything <= $2 THEN 0 ELSE everything END
                   WHERE connection_id = $1 AND taken < $2";
        tx.run(sql, args![id, up_to, now_us]).await?;
        tx.commit().await
    }

    /// Takes the hints whose paths a run brought in step while it looked at the whole connection: those up to a number. A wish to
    /// look at everything stays, because the look may have begun before it.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn take_followed_hints(&self, id: ConnectionId, up_to: u64, now_us: i64) -> Result<(), StoreError> {
        let mut tx = self.db.touch().await?;
        tx.run("DELETE FROM hints WHERE connection_id = $1 AND number <= $2", args![id, up_to]).await?;
        let sql = "UPDATE hint_marks SET taken = $2, waiting_us = $3
                   WHERE connection_id = $1 AND taken < $2 AND (everything = 0 OR everything > $2)";
        tx.run(sql, args![id, up_to, now_us]).await?;
        tx.commit().await
    }

    /// Finds who changed some secrets in Vault, as waiting hints say. A path without a hint, or whose hint names no writer, is
    /// missing from the answer.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub(crate) async fn hinted_writers_of(
        &self,
        id: ConnectionId,
        paths: &[SecretPath],
    ) -> Result<BTreeMap<SecretPath, HintedWriter>, StoreError> {
        let sql = "SELECT path, writer, version, changed FROM hints WHERE writer IS NOT NULL AND connection_id = $1";
        let mut found = BTreeMap::new();
        for part in paths.chunks(1_000) {
            let mut select = Select::new(sql, args![id]);
            select.and_any("path", part);
            for row in self.db.select(select.all()).await? {
                found.insert(row.path("path")?, writer(&row)?);
            }
        }
        Ok(found)
    }
}

/// Writes hints with the numbers after `number`.
async fn write(
    tx: &mut Tx,
    id: ConnectionId,
    hints: &BTreeMap<&SecretPath, &HintedWriter>,
    number: u64,
    now_us: i64,
) -> Result<(), StoreError> {
    let rows = hints.iter().zip(number + 1..);
    let rows =
        rows.map(|((path, hint), number)| args![*path, number, hint.writer.as_deref(), hint.version, hint.changed]);
    for part in values(args![id, now_us], rows.collect()) {
        let sql = format!(
            "WITH n (path, number, writer, version, changed) AS (VALUES {})
             INSERT INTO hints (connection_id, path, number, writer, version, changed, received_us)
             SELECT $1, path, number, writer, version, changed, $2 FROM n WHERE path IS NOT NULL
             ON CONFLICT (connection_id, path) DO UPDATE SET
                 number = excluded.number, received_us = excluded.received_us,
                 writer = CASE WHEN excluded.writer IS NULL THEN hints.writer ELSE excluded.writer END,
                 version = CASE WHEN excluded.writer IS NULL THEN hints.version ELSE excluded.version END,
                 changed = CASE WHEN excluded.writer IS NULL THEN hints.changed ELSE excluded.changed END",
            part.rows
        );
        tx.run(&sql, part.args).await?;
    }
    Ok(())
}

/// Forgets the hints of a connection whose place in Vault changed: they name paths below the old place.
pub(crate) async fn forget_hints(tx: &mut Tx, id: ConnectionId) -> Result<(), StoreError> {
    tx.run("DELETE FROM hints WHERE connection_id = $1", args![id]).await?;
    tx.run("UPDATE hint_marks SET taken = newest, everything = 0 WHERE connection_id = $1", args![id]).await.map(drop)
}

fn writer(row: &Row) -> Result<HintedWriter, StoreError> {
    let version = row.maybe_int("version")?.map(|number| u64::try_from(number).map(Version));
    Ok(HintedWriter {
        writer: row.maybe_text("writer")?,
        version: version.transpose().map_err(|_| StoreError::Malformed("number"))?,
        changed: row.maybe_int("changed")?.map(UnixNanos),
    })
}

#[cfg(test)]
mod tests;
