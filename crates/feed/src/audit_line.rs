//! Reads one line of an audit log: a change of a secret, or nothing.
//!
//! The types here name the few members that are needed. Every other member of a line, values and tokens among them, is passed
//! over by the parser and never kept.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, de::IgnoredAny};

/// How far into a line its JSON may begin. An audit device may be set to begin each line with a text, and so do log collectors.
const PREFIX_BYTES_MAX: usize = 1_024;
/// What a Vault writes in the place of a text that it keeps to itself.
const HASHED: &str = "hmac-sha256:";
/// The characters of the name of a writer that are kept.
const WRITER_CHARS_MAX: usize = 200;

/// What a line tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Somebody changed something, perhaps a secret.
    Change(Change),
    /// Mounts were changed, or a snapshot was restored: nobody can say which secrets changed.
    Upheaval,
}

/// A request that succeeded, and may have changed a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The path of the request with the namespace before it: `eng/kv/data/team/db`.
    pub(crate) path: String,
    /// Whether the operation was a deletion.
    pub(crate) is_delete: bool,
    /// Who asked, in words for people.
    pub(crate) writer: Option<String>,
    /// The version that was made, if the answer names one.
    pub(crate) version: Option<u64>,
    /// When the version was made, or else when the answer was logged.
    pub(crate) at: Option<Timestamp>,
}

/// A line that begins like an entry and is none: it was cut, or is in another format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line of the audit log cannot be read")]
pub(crate) struct Unreadable;

/// Reads a line. Returns `None` for an entry that changed nothing, and for a line that is no entry at all.
pub(crate) fn read(line: &[u8]) -> Result<Option<Told>, Unreadable> {
    let Some(begin) = line.iter().take(PREFIX_BYTES_MAX).position(|byte| *byte == b'{') else { return Ok(None) };
    let entry: Entry<'_> = serde_json::from_slice(&line[begin..]).map_err(|_| Unreadable)?;
    if entry.kind.text() != Some("response") || entry.error.is_there() {
        return Ok(None);
    }
    let Some(request) = entry.request else { return Ok(None) };
    let (Some(operation), Some(path)) = (request.operation.text(), request.path.text()) else { return Ok(None) };
    if !matches!(operation, "create" | "update" | "patch" | "delete") {
        return Ok(None);
    }
    if is_upheaval(path) {
        return Ok(Some(Told::Upheaval));
    }
    let namespace = request.namespace.as_ref().and_then(|namespace| namespace.path.text()).unwrap_or_default();
    let namespace = namespace.trim_matches('/');
    let path = if namespace.is_empty() { path.to_owned() } else { format!("{namespace}/{path}") };
    let made = entry.response.and_then(|response| response.data).unwrap_or_default();
    let created = made.created_time.text().and_then(|text| text.parse().ok());
    let at = created.or_else(|| entry.time.text().and_then(|text| text.parse().ok()));
    let writer = entry.auth.as_ref().and_then(writer);
    Ok(Some(Told::Change(Change {
        path,
        is_delete: operation == "delete",
        writer,
        version: made.version.number(),
        at,
    })))
}

/// Returns whether a request to this path may change many secrets at once.
fn is_upheaval(path: &str) -> bool {
    (path.starts_with("sys/mounts/") && !path.ends_with("/tune"))
        || path == "sys/remount"
        || path.starts_with("sys/storage/raft/snapshot")
}

/// Names a writer as VaultTerm names the writers that HashiCorp Vault keeps with versions: the display name of the token, and the
/// role if that does not contain it. The display name of every AppRole login is the path of the auth mount.
fn writer(auth: &Auth<'_>) -> Option<String> {
    let role = auth.metadata.as_ref().and_then(|metadata| plain(&metadata.role_name));
    let name = match (plain(&auth.display_name), role) {
        (Some(name), Some(role)) if !name.contains(role.as_str()) => format!("{name} {role}"),
        (Some(name), _) => name,
        (None, role) => role?,
    };
    Some(name.chars().take(WRITER_CHARS_MAX).collect())
}

/// Returns a text in one line, unless it is empty or hashed.
fn plain(text: &Loose<'_>) -> Option<String> {
    let text = text.text().filter(|text| !text.starts_with(HASHED))?;
    let words = text.split(|sign: char| sign.is_whitespace() || sign.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then_some(line)
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, default)]
    time: Loose<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Loose<'a>,
    #[serde(borrow, default)]
    error: Loose<'a>,
    #[serde(borrow, default)]
    auth: Option<Auth<'a>>,
    #[serde(borrow, default)]
    request: Option<Request<'a>>,
    #[serde(borrow, default)]
    response: Option<Response<'a>>,
}

#[derive(Deserialize)]
struct Auth<'a> {
    #[serde(borrow, default)]
    display_name: Loose<'a>,
    #[serde(borrow, default)]
    metadata: Option<Metadata<'a>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    role_name: Loose<'a>,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow, default)]
    operation: Loose<'a>,
    #[serde(borrow, default)]
    path: Loose<'a>,
    #[serde(borrow, default)]
    namespace: Option<Namespace<'a>>,
}

#[derive(Deserialize)]
struct Namespace<'a> {
    #[serde(borrow, default)]
    path: Loose<'a>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    data: Option<Made<'a>>,
}

/// What the answer to a write tells of the version that it made. HashiCorp Vault hashes the time, and OpenBao does not.
#[derive(Default, Deserialize)]
struct Made<'a> {
    #[serde(borrow, default)]
    version: Loose<'a>,
    #[serde(borrow, default)]
    created_time: Loose<'a>,
}

/// A member of which only some shapes are of use. Another shape is no fault, because it says nothing that is needed.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Loose<'a> {
    #[default]
    Missing,
    Text(#[serde(borrow)] Cow<'a, str>),
    Number(u64),
    Other(IgnoredAny),
}

impl Loose<'_> {
    fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    const fn number(&self) -> Option<u64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// Returns whether something stands there.
    fn is_there(&self) -> bool {
        match self {
            Self::Missing => false,
            Self::Text(text) => !text.is_empty(),
            Self::Number(_) | Self::Other(_) => true,
        }
    }
}

#[cfg(test)]
mod tests;
