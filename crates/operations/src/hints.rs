//! Hints: a program beside a Vault says where something changed. A hint is never believed further than that.
//!
//! Hints are not written to the audit log: a hint changes nothing, a busy Vault gives thousands in a minute, and the run that
//! looks is audited with what it found. The metrics count them.

pub(crate) mod beside;

use std::collections::BTreeMap;

use uuid::Uuid;
use vaultterm_contract::moment;
use vaultterm_reconcile::{SecretPath, Version};
use vaultterm_store::{AddedHints, CollectionRole, Paged, Scope};
use vaultterm_sync::{Connection, HintedWriter};

use crate::{access, caller::Caller, part::Part, refusal::Refusal, services::Services};

/// The paths that a request may name.
const PATHS_MAX: usize = 1_000;
/// The characters of the name of a writer.
const WRITER_CHARS_MAX: usize = 256;

/// The scopes of which each suffices. Who may start runs may also say where one should look.
const HINT: [Scope; 2] = [Scope::SyncHint, Scope::SyncRun];

/// What a caller says about changes in Vault.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Paths below the path of the connection.
    pub paths: Vec<String>,
    /// Who changed the secrets at these paths.
    pub writer: Option<String>,
    /// Paths with what is known of each change.
    pub changes: Vec<Change>,
    /// Whether to look at everything once.
    pub everything: bool,
}

/// A change of a secret in Vault, as a caller tells it.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The path below the path of the connection.
    pub path: String,
    /// Who changed it.
    pub writer: Option<String>,
    /// The version that the change made.
    pub version: Option<u64>,
    /// When it changed, RFC 3339.
    pub at: Option<String>,
}

/// What became of hints.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    /// The number of paths that were taken.
    pub accepted: u64,
    /// What waits now.
    pub now: AddedHints,
}

/// Takes hints for a connection. They wait until a run has looked.
///
/// # Errors
/// [`Refusal`]; `Invalid` names the place of a path that is none. Nothing is taken then.
pub async fn add(services: &Services, caller: &Caller, connection: Uuid, told: Told) -> Result<Accepted, Refusal> {
    access::any_scope(services, caller, &HINT).await?;
    let id = access::connection(services, caller, connection, CollectionRole::Editor).await?;
    let everything = told.everything;
    let hints = read(told)?;
    if hints.is_empty() && !everything {
        return Err(Refusal::field("paths", "is empty: name the paths that changed, or set `everything`"));
    }
    let now = services.store.add_hints(id, &hints, everything, services.now_us()).await?;
    let accepted = hints.len() as u64;
    services.meters.hinted(accepted, everything);
    Ok(Accepted { accepted, now })
}

/// Lists the connections for which the caller may send hints, by name.
///
/// # Errors
/// [`Refusal`].
pub async fn scopes(services: &Services, caller: &Caller, part: Part) -> Result<Paged<Connection>, Refusal> {
    access::any_scope(services, caller, &HINT).await?;
    let collections = access::Roles::of(services, caller).await?.collections(CollectionRole::Editor);
    let found = services.store.connection_summaries(Some(&collections), &part.page()?).await?;
    let items = found.items.into_iter().map(|summary| summary.connection).collect();
    Ok(Paged { items, next_cursor: found.next_cursor })
}

fn read(told: Told) -> Result<BTreeMap<SecretPath, HintedWriter>, Refusal> {
    let Told { paths, writer, changes, .. } = told;
    if paths.len() + changes.len() > PATHS_MAX {
        let field = if changes.is_empty() { "paths" } else { "changes" };
        let why = format!("a request names at most {PATHS_MAX} paths: send the rest in another one");
        return Err(Refusal::field(field, why));
    }
    let writer = writer.map(|text| known_writer("writer", text)).transpose()?;
    let mut hints: BTreeMap<SecretPath, HintedWriter> = BTreeMap::new();
    let mut note = |path: SecretPath, hint: HintedWriter| {
        let known = hints.entry(path).or_default();
        // A later change of the same path by nobody known leaves the writer who is.
        if hint.writer.is_some() || known.writer.is_none() {
            *known = hint;
        }
    };
    for (at, path) in paths.into_iter().enumerate() {
        let hint = HintedWriter { writer: writer.clone(), ..HintedWriter::default() };
        note(path_of(format!("paths[{at}]"), path)?, hint);
    }
    for (at, change) in changes.into_iter().enumerate() {
        let field = |name: &str| format!("changes[{at}].{name}");
        let Change { path, writer, version, at: moment_text } = change;
        let changed = moment_text.map(|text| {
            let wrong = || Refusal::field(field("at"), "expected a time like 2026-01-31T12:00:00Z");
            moment::parse(&text).ok_or_else(wrong)
        });
        let hint = HintedWriter {
            writer: writer.map(|text| known_writer(&field("writer"), text)).transpose()?,
            version: version.map(Version),
            changed: changed.transpose()?,
        };
        note(path_of(field("path"), path)?, hint);
    }
    Ok(hints)
}

fn path_of(field: String, text: String) -> Result<SecretPath, Refusal> {
    SecretPath::new(text).map_err(|error| Refusal::field(field, error.to_string()))
}

fn known_writer(field: &str, text: String) -> Result<String, Refusal> {
    if text.is_empty() || text.chars().count() > WRITER_CHARS_MAX || text.chars().any(char::is_control) {
        let why = format!("expected a name of at most {WRITER_CHARS_MAX} characters in one line");
        return Err(Refusal::field(field, why));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
