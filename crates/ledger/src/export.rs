//! The export of a log: JSON lines that say in plain words what the entries say in bytes.
//!
//! ```text
//! {"format":"vaultterm-audit/1", …}   where the export begins: what a tree over the rest needs
//! {"bytes":"…","seq":1, …}            an entry, as it is hashed and as people read it
//! {"checkpoint":"…"}                  the signed note of the tree over all entries above it
//! {"end":{"seq":1,"hash":"…"}}        the last line of an export that was not cut off
//! ```
//!
//! An entry has exactly one line, so whoever checks one writes it anew and compares: what people
//! read can say nothing else than what was hashed.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use crate::{ActorKind, Entry, Frontier, Hash, Malformed, ObjectRef, Outcome, tree::leaf_hash};

/// The name of this form.
pub const FORMAT: &str = "vaultterm-audit/1";
/// What the line of an entry begins with.
pub(crate) const ENTRY: &str = "{\"bytes\":\"";

/// Where an export begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    format: String,
    /// The log.
    pub log_id: Uuid,
    /// How many entries stand before the first one here.
    pub after: u64,
    /// The hash of the last of those, zeros for none.
    #[serde(with = "hex::serde")]
    pub previous: Hash,
    frontier: Vec<HexHash>,
    /// It was asked for up to a moment, and ends before the log does.
    pub until: bool,
    /// Entries are left out in between: only each one by itself can be checked.
    pub selection: bool,
    /// The keys that the log's checkpoints were signed with, oldest first, as text.
    pub vkeys: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct HexHash(#[serde(with = "hex::serde")] Hash);

impl Header {
    /// Describes where an export of a whole log begins: the tree over the entries before it, and the
    /// last hash. [`Self::until`] and [`Self::selection`] say what is left out after that.
    #[must_use]
    pub fn new(log_id: Uuid, before: &Frontier, previous: Hash, vkeys: Vec<String>) -> Self {
        let frontier = before.subtrees().iter().copied().map(HexHash).collect();
        let (format, after) = (FORMAT.to_owned(), before.size());
        Self { format, log_id, after, previous, frontier, until: false, selection: false, vkeys }
    }

    /// Returns the tree over the entries before the first one here; none when its parts do not fit.
    #[must_use]
    pub fn before(&self) -> Option<Frontier> {
        Frontier::from_parts(self.after, self.frontier.iter().map(|hash| hash.0).collect()).ok()
    }

    pub(crate) fn is_known(&self) -> bool {
        self.format == FORMAT
    }
}

/// A line that is no entry.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Mark {
    Checkpoint(String),
    End(End),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    pub(crate) seq: u64,
    #[serde(with = "hex::serde")]
    pub(crate) hash: Hash,
}

/// Writes the first line.
pub fn header_line(header: &Header, out: &mut Vec<u8>) {
    line(header, out);
}

/// Writes the line of a checkpoint, which stands right after the last entry it covers.
pub fn checkpoint_line(note: &str, out: &mut Vec<u8>) {
    mark_line(&Mark::Checkpoint(note.to_owned()), out);
}

/// Writes the last line: the last entry's place and hash.
pub fn end_line(seq: u64, hash: Hash, out: &mut Vec<u8>) {
    mark_line(&Mark::End(End { seq, hash }), out);
}

pub(crate) fn mark_line(mark: &Mark, out: &mut Vec<u8>) {
    line(mark, out);
}

/// Writes the line of an entry.
///
/// # Errors
/// [`Malformed`] when the bytes are no entry.
pub fn entry_line(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let entry = Entry::decode(bytes)?;
    write_entry(&entry, &BASE64.encode(bytes), &leaf_hash(bytes), out);
    Ok(())
}

fn line(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, value).expect("texts, numbers and lists can be written as JSON");
    out.push(b'\n');
}

/// An entry in words. The field names are those of the API.
#[derive(Serialize)]
struct EntryLine<'a> {
    bytes: &'a str,
    seq: u64,
    time: jiff::Timestamp,
    actor: &'a str,
    actor_id: Uuid,
    actor_kind: &'static str,
    source_ip: Option<&'a str>,
    request_id: Option<&'a str>,
    action: &'static str,
    object: Option<Cow<'a, str>>,
    #[serde(serialize_with = "objects")]
    objects: &'a [ObjectRef],
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<RemoteLine<'a>>,
    detail: &'a BTreeMap<String, String>,
    hash: &'a str,
}

#[derive(Serialize)]
struct ObjectLine<'a> {
    kind: &'static str,
    id: Uuid,
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct RemoteLine<'a> {
    cluster: Option<&'a str>,
    path: &'a str,
    version: Option<u64>,
    request_id: Option<&'a str>,
}

fn objects<S: Serializer>(objects: &[ObjectRef], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(objects.iter().map(|object| ObjectLine {
        kind: object.kind.as_str(),
        id: object.id,
        name: object.name.as_deref(),
    }))
}

/// Writes the one line of an entry, from its bytes in base64 and its hash.
pub(crate) fn write_entry(entry: &Entry, bytes: &str, hash: &Hash, out: &mut Vec<u8>) {
    let draft = &entry.draft;
    let mut digits = [0; 64];
    hex::encode_to_slice(hash, &mut digits).expect("32 bytes are 64 digits");
    let first = draft.objects.first();
    let words = EntryLine {
        bytes,
        seq: entry.seq,
        time: jiff::Timestamp::from_microsecond(draft.time_us).unwrap_or(jiff::Timestamp::MAX),
        actor: &draft.actor.name,
        actor_id: draft.actor.id,
        actor_kind: draft.actor.kind.as_str(),
        source_ip: draft.source_ip.as_deref(),
        request_id: draft.request_id.as_deref(),
        action: draft.action.as_str(),
        object: first.map(|object| match &object.name {
            Some(name) => Cow::Borrowed(name.as_str()),
            None => Cow::Owned(object.id.to_string()),
        }),
        objects: &draft.objects,
        outcome: draft.outcome.as_str(),
        remote: draft.remote.as_ref().map(|remote| RemoteLine {
            cluster: remote.cluster.as_deref(),
            path: &remote.path,
            version: remote.version,
            request_id: remote.request_id.as_deref(),
        }),
        detail: &draft.detail,
        hash: std::str::from_utf8(&digits).expect("hexadecimal digits are ASCII"),
    };
    line(&words, out);
}

impl ActorKind {
    /// Returns the name that people and programs read.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Token => "token",
            Self::System => "system",
            Self::Anonymous => "anonymous",
        }
    }
}

impl Outcome {
    /// Returns the name that people and programs read.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denied => "denied",
            Self::Failure => "failure",
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Header, entry_line, header_line};
    use crate::{Action, Actor, ActorKind, Draft, Entry, Frontier, ObjectKind, ObjectRef, Outcome, RemoteRef};

    /// Exports are kept for years: this line must be written the same way for ever.
    #[test]
    fn the_line_of_an_entry_never_changes() {
        let objects =
            vec![ObjectRef { kind: ObjectKind::Record, id: Uuid::from_u128(3), name: Some("a \"b\"".into()) }];
        let remote = RemoteRef { cluster: None, path: "kv/a".into(), version: Some(2), request_id: Some("r".into()) };
        let entry = Entry {
            log_id: Uuid::from_u128(1),
            seq: 7,
            previous: [3; 32],
            draft: Draft {
                time_us: 1_700_000_000_250_000,
                actor: Actor { kind: ActorKind::Token, id: Uuid::from_u128(2), name: "ci".into() },
                source_ip: Some("127.0.0.1".into()),
                request_id: None,
                action: Action::HcvSecretSynced,
                objects,
                outcome: Outcome::Success,
                remote: Some(remote),
                detail: [("direction".to_owned(), "push".to_owned())].into(),
            },
        };
        let mut line = Vec::new();
        entry_line(&entry.encode().bytes, &mut line).unwrap();
        let line = String::from_utf8(line).unwrap();
        let words = line.split_once("\",\"seq\":").unwrap().1;
        let words = words.split_once("\"hash\"").unwrap().0;
        let expected = r#"7,"time":"2023-11-14T22:13:20.25Z","actor":"ci","actor_id":"00000000-0000-0000-0000-000000000002","actor_kind":"token","source_ip":"127.0.0.1","request_id":null,"action":"HCV_SECRET_SYNCED","object":"a \"b\"","objects":[{"kind":"record","id":"00000000-0000-0000-0000-000000000003","name":"a \"b\""}],"outcome":"success","remote":{"cluster":null,"path":"kv/a","version":2,"request_id":"r"},"detail":{"direction":"push"},"#;
        assert_eq!(words, expected);
        assert!(line.starts_with(super::ENTRY) && line.ends_with("\"}\n"), "{line}");
    }

    #[test]
    fn a_header_is_read_back_and_one_that_does_not_fit_is_noticed() {
        let mut tree = Frontier::default();
        tree.push([1; 32]);
        tree.push([2; 32]);
        let header = Header::new(Uuid::from_u128(1), &tree, [2; 32], Vec::new());
        let mut line = Vec::new();
        header_line(&header, &mut line);
        let read: Header = serde_json::from_slice(&line).unwrap();
        assert_eq!((read.before(), &read), (Some(tree), &header));
        assert_eq!(Header { after: 3, ..read }.before(), None);
    }
}
