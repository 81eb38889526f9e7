//! Reads everything that a decision about some paths depends on, without reading the rest of the connection.

use std::collections::BTreeSet;

use vaultterm_reconcile::{RecordId, SecretPath, together};

use crate::{Clock, Journal, Remote, Surroundings, brake::Stopped, session::Session};

impl<J: Journal, R: Remote, K: Clock> Session<'_, J, R, K> {
    /// Returns the number of all bases of the connection.
    pub(crate) async fn based(&self) -> Result<u64, Stopped> {
        let nothing = self.journal.surroundings(self.connection, &BTreeSet::new(), &BTreeSet::new()).await;
        nothing.map(|found| found.based).map_err(|error| self.brake.journal_failed(error))
    }

    /// Reads what [`together`] finds for the named paths. Returns these paths, what is there, and the number of all bases
    /// of the connection.
    pub(crate) async fn around(
        &self,
        named: &BTreeSet<SecretPath>,
    ) -> Result<(BTreeSet<SecretPath>, Surroundings), Stopped> {
        if named.iter().any(|path| !path.as_str().is_ascii()) {
            // Any path may look like such a path.
            let base = self.base().await?;
            let local = self.local().await?;
            let based = base.len() as u64;
            return Ok(kept(named, Surroundings { base, local, based }));
        }
        let (mut paths, mut records) = (named.clone(), BTreeSet::new());
        loop {
            let found = self.journal.surroundings(self.connection, &paths, &records).await;
            let found = found.map_err(|error| self.brake.journal_failed(error))?;
            let (known_paths, known_records) = (paths.len(), records.len());
            paths.extend(together(named, &found.base, &found.local));
            records.extend(records_at(&paths, &found));
            // What was read last was asked for with all paths and records that concern one another.
            if (paths.len(), records.len()) == (known_paths, known_records) {
                return Ok(kept(named, found));
            }
        }
    }
}

/// Leaves out what does not concern the named paths.
fn kept(named: &BTreeSet<SecretPath>, mut found: Surroundings) -> (BTreeSet<SecretPath>, Surroundings) {
    let paths = together(named, &found.base, &found.local);
    found.base.retain(|path, _| paths.contains(path));
    found.local.keep(&paths);
    (paths, found)
}

/// Returns the records that live at some paths, or were in step there.
fn records_at(paths: &BTreeSet<SecretPath>, found: &Surroundings) -> BTreeSet<RecordId> {
    let records = |path| {
        let live = found.local.live.get(path).map(|entry| entry.record_id);
        [live, found.base.get(path).map(|entry| entry.record_id)]
    };
    paths.iter().flat_map(records).flatten().collect()
}
