//! The export of a log as JSON lines, which hold each entry both as bytes and in readable form.
//!
//! ```text
//! {"format":"vaultterm-audit/1", …}   the header: the place where the export begins
//! {"bytes":"…","seq":1, …}            an entry: the hashed bytes, and the same facts in readable form
//! {"checkpoint":"…"}                  a signed checkpoint over all entries above this line
//! {"end":{"seq":1,"hash":"…"}}        the last line; it is missing when the export was cut off
//! ```
//!
//! Each entry has exactly one possible line. A verifier therefore writes the line from the bytes and
//! compares: the readable part cannot differ from the hashed bytes unnoticed.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use crate::{Entry, Frontier, Hash, Malformed, ObjectRef, tree::leaf_hash};

/// The name of this format.
pub const FORMAT: &str = "vaultterm-audit/1";
/// The text with which the line of an entry begins.
pub(crate) const ENTRY: &str = "{\"bytes\":\"";

/// The first line of an export: the place in the log where it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    format: String,
    /// The id of the log.
    pub log_id: Uuid,
    /// The number of entries before the first entry of the export.
    pub after: u64,
    /// The hash of the last entry before the export, zeros when there is no such entry.
    #[serde(with = "hex::serde")]
    pub previous: Hash,
    frontier: Vec<HexHash>,
    /// The export was limited to a moment and may end before the log does.
    pub until: bool,
    /// The export leaves out entries, so a check can judge each entry only by itself.
    pub selection: bool,
    /// The keys that signed the checkpoints of the log, oldest first, in text form.
    pub vkeys: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct HexHash(#[serde(with = "hex::serde")] Hash);

impl Header {
    /// Makes the header of an export that leaves out no later entries. `before` is the tree over the
    /// entries before the export, `previous` the hash of the last of them. The caller sets
    /// [`Self::until`] and [`Self::selection`] when the export leaves out entries.
    #[must_use]
    pub fn new(log_id: Uuid, before: &Frontier, previous: Hash, vkeys: Vec<String>) -> Self {
        let frontier = before.subtrees().iter().copied().map(HexHash).collect();
        let (format, after) = (FORMAT.to_owned(), before.size());
        Self { format, log_id, after, previous, frontier, until: false, selection: false, vkeys }
    }

    /// Returns the tree over the entries before the export, or `None` when the number of hashes does not
    /// fit the number of entries.
    #[must_use]
    pub fn before(&self) -> Option<Frontier> {
        Frontier::from_parts(self.after, self.frontier.iter().map(|hash| hash.0).collect()).ok()
    }

    pub(crate) fn is_known(&self) -> bool {
        self.format == FORMAT
    }
}

/// A line other than the header or an entry.
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

/// Writes the first line of an export.
pub fn header_line(header: &Header, out: &mut Vec<u8>) {
    line(header, out);
}

/// Writes the line of a checkpoint. It belongs directly after the last entry that the checkpoint covers.
pub fn checkpoint_line(note: &str, out: &mut Vec<u8>) {
    mark_line(&Mark::Checkpoint(note.to_owned()), out);
}

/// Writes the last line of an export: the place and the hash of the last entry.
pub fn end_line(seq: u64, hash: Hash, out: &mut Vec<u8>) {
    mark_line(&Mark::End(End { seq, hash }), out);
}

pub(crate) fn mark_line(mark: &Mark, out: &mut Vec<u8>) {
    line(mark, out);
}

/// Writes the line of an entry.
///
/// # Errors
/// [`Malformed`] when the bytes cannot be decoded as an entry.
pub fn entry_line(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let entry = Entry::decode(bytes)?;
    write_entry(&entry, &BASE64.encode(bytes), &leaf_hash(bytes), out);
    Ok(())
}

fn line(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, value).expect("texts, numbers and lists can be written as JSON");
    out.push(b'\n');
}

/// The line of an entry. The field names are those of the API.
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
    action: &'a str,
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
    kind: &'a str,
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

/// Writes the line of an entry, given its bytes in base64 and its hash.
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Header, entry_line, header_line};
    use crate::{
        Actor, ActorKind, AuditAction, AuditOutcome, Draft, Entry, Frontier, ObjectKind, ObjectRef, RemoteRef,
    };

    /// Operators keep exports for years, so the form of this line must never change.
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
                action: AuditAction::HcvSecretSynced,
                objects,
                outcome: AuditOutcome::Success,
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
    fn a_header_is_read_back_and_a_wrong_count_is_noticed() {
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
