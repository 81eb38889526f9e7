//! The bytes of an entry.
//!
//! The encoding is one version byte and then all parts in a fixed order. Numbers are big-endian. A
//! 32-bit length precedes each text. One byte before each optional part tells whether it follows.
//! [`Entry::decode`] refuses all bytes that [`Entry::encode`] does not write, so each entry has
//! exactly one encoding.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{
    Actor, ActorKind, AuditAction, AuditOutcome, Draft, Entry, ObjectKind, ObjectRef, RemoteRef, SealedEntry,
    tree::leaf_hash,
};

const VERSION: u8 = 1;
/// The initial capacity for an entry. Most entries are shorter.
const USUAL_BYTES: usize = 512;

/// The error for bytes that cannot be decoded as an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not an audit entry: {0}")]
pub struct Malformed(&'static str);

impl Entry {
    /// Encodes the entry. Equal entries have equal bytes.
    #[must_use]
    pub fn encode(&self) -> SealedEntry {
        let bytes = self.bytes(USUAL_BYTES);
        SealedEntry { hash: leaf_hash(&bytes), bytes }
    }

    fn bytes(&self, capacity: usize) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(capacity));
        out.0.push(VERSION);
        out.id(self.log_id);
        out.number(self.seq);
        out.0.extend(self.previous);
        let draft = &self.draft;
        out.0.extend(draft.time_us.to_be_bytes());
        out.0.push(draft.actor.kind as u8);
        out.id(draft.actor.id);
        out.text(&draft.actor.name);
        out.option(draft.source_ip.as_deref(), Writer::text);
        out.option(draft.request_id.as_deref(), Writer::text);
        out.text(draft.action.as_str());
        out.length(draft.objects.len());
        for object in &draft.objects {
            out.text(object.kind.as_str());
            out.id(object.id);
            out.option(object.name.as_deref(), Writer::text);
        }
        out.0.push(draft.outcome as u8);
        out.option(draft.remote.as_ref(), Writer::remote);
        out.length(draft.detail.len());
        for (name, value) in &draft.detail {
            out.text(name);
            out.text(value);
        }
        out.0
    }

    /// Reads an entry back from its bytes.
    ///
    /// # Errors
    /// [`Malformed`] for all bytes that [`Self::encode`] does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        if reader.byte()? != VERSION {
            return Err(Malformed("unknown version"));
        }
        let entry =
            Self { log_id: reader.id()?, seq: reader.number()?, previous: reader.array()?, draft: reader.draft()? };
        // Some other encodings decode, too, for example details in another order. Refuse them here.
        if !reader.0.is_empty() || entry.bytes(bytes.len()) != bytes {
            return Err(Malformed("it is not encoded as VaultTerm encodes entries"));
        }
        Ok(entry)
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn id(&mut self, id: Uuid) {
        self.0.extend(id.as_bytes());
    }

    fn number(&mut self, number: u64) {
        self.0.extend(number.to_be_bytes());
    }

    fn length(&mut self, length: usize) {
        let length = u32::try_from(length).expect("the texts of an entry are far shorter than 4 GiB");
        self.0.extend(length.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend(text.as_bytes());
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn remote(&mut self, remote: &RemoteRef) {
        self.option(remote.cluster.as_deref(), Self::text);
        self.text(&remote.path);
        self.option(remote.version, Self::number);
        self.option(remote.request_id.as_deref(), Self::text);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed("cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        Ok(self.take(N)?.try_into().expect("as many bytes as were taken"))
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    fn id(&mut self) -> Result<Uuid, Malformed> {
        Ok(Uuid::from_bytes(self.array()?))
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        Ok(u32::from_be_bytes(self.array()?) as usize)
    }

    fn text(&mut self) -> Result<String, Malformed> {
        let length = self.length()?;
        String::from_utf8(self.take(length)?.to_vec()).map_err(|_| Malformed("a text is not UTF-8"))
    }

    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Malformed>) -> Result<Option<T>, Malformed> {
        match self.byte()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(Malformed("the byte before an optional part is neither 0 nor 1")),
        }
    }

    fn draft(&mut self) -> Result<Draft, Malformed> {
        let time_us = i64::from_be_bytes(self.array()?);
        let kind = ActorKind::from_byte(self.byte()?).ok_or(Malformed("unknown kind of actor"))?;
        let actor = Actor { kind, id: self.id()?, name: self.text()? };
        let source_ip = self.option(Self::text)?;
        let request_id = self.option(Self::text)?;
        let action = AuditAction::read(&self.text()?).ok_or(Malformed("the name of an action cannot be one"))?;
        let mut objects = Vec::new();
        for _ in 0..self.length()? {
            let kind =
                ObjectKind::read(&self.text()?).ok_or(Malformed("the name of a kind of object cannot be one"))?;
            objects.push(ObjectRef { kind, id: self.id()?, name: self.option(Self::text)? });
        }
        let outcome = AuditOutcome::from_byte(self.byte()?).ok_or(Malformed("unknown outcome"))?;
        let remote = self.option(Self::remote)?;
        let mut detail = BTreeMap::new();
        for _ in 0..self.length()? {
            detail.insert(self.text()?, self.text()?);
        }
        Ok(Draft { time_us, actor, source_ip, request_id, action, objects, outcome, remote, detail })
    }

    fn remote(&mut self) -> Result<RemoteRef, Malformed> {
        Ok(RemoteRef {
            cluster: self.option(Self::text)?,
            path: self.text()?,
            version: self.option(Self::number)?,
            request_id: self.option(Self::text)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use crate::{Actor, ActorKind, AuditAction, AuditOutcome, Draft, Entry, ObjectKind, ObjectRef, RemoteRef};

    fn entry() -> Entry {
        Entry {
            log_id: Uuid::from_u128(1),
            seq: 7,
            previous: [3; 32],
            draft: Draft {
                time_us: 1_700_000_000_000_000,
                actor: Actor { kind: ActorKind::Token, id: Uuid::from_u128(2), name: "ci".to_owned() },
                source_ip: Some("127.0.0.1".to_owned()),
                request_id: Some("req".to_owned()),
                action: AuditAction::HcvSecretSynced,
                objects: vec![ObjectRef {
                    kind: ObjectKind::Record,
                    id: Uuid::from_u128(3),
                    name: Some("team/db".to_owned()),
                }],
                outcome: AuditOutcome::Success,
                remote: Some(RemoteRef {
                    cluster: None,
                    path: "kv/team/db".to_owned(),
                    version: Some(4),
                    request_id: Some("r".to_owned()),
                }),
                detail: [("direction".to_owned(), "push".to_owned())].into(),
            },
        }
    }

    #[test]
    fn an_entry_is_read_back_as_it_was_written() {
        let sealed = entry().encode();
        assert_eq!(Entry::decode(&sealed.bytes), Ok(entry()));
    }

    #[test]
    fn the_encoding_never_changes() {
        // The hash is pinned because a newer release must verify a log that an older release wrote.
        assert_eq!(hex(&entry().encode().hash), "de66acad99c567bbd8c4dca2b0daffb591130a2a7a68b0d46d5f826c530c7229");
    }

    #[test]
    fn cut_or_prolonged_bytes_are_refused() {
        let bytes = entry().encode().bytes;
        for end in 0..bytes.len() {
            assert!(Entry::decode(&bytes[..end]).is_err(), "{end} bytes");
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(Entry::decode(&longer).is_err());
    }

    #[test]
    fn every_action_and_kind_has_a_name_of_its_own() {
        for action in AuditAction::ALL {
            assert_eq!(AuditAction::from_name(action.as_str()), Some(*action));
        }
        for kind in ObjectKind::ALL {
            assert_eq!(ObjectKind::from_name(kind.as_str()), Some(*kind));
        }
    }

    #[test]
    fn an_entry_of_a_newer_version_is_read_and_written_again_to_the_byte() {
        let mut newer = entry();
        newer.draft.action = AuditAction::read("QUANTUM_ENTANGLED").unwrap();
        newer.draft.objects[0].kind = ObjectKind::read("qubit_7").unwrap();
        let bytes = newer.encode().bytes;
        let read = Entry::decode(&bytes).unwrap();
        assert_eq!((read.draft.action.as_str(), read.draft.objects[0].kind.as_str()), ("QUANTUM_ENTANGLED", "qubit_7"));
        assert!(matches!(read.draft.action, AuditAction::Other(_)));
        assert_eq!(read.encode().bytes, bytes);
        assert_eq!(format!("{:?}", read.draft.action), r#"Other("QUANTUM_ENTANGLED")"#);
    }

    #[test]
    fn what_cannot_be_a_name_is_refused_and_a_known_name_is_the_known_action() {
        for name in ["", "A B", "A\n", "Ä", &"A".repeat(49)] {
            assert_eq!((AuditAction::read(name), ObjectKind::read(name)), (None, None), "{name:?}");
        }
        assert_eq!(AuditAction::read("RECORD_CREATED"), Some(AuditAction::RecordCreated));
        assert_eq!(AuditAction::read(&"A".repeat(48)).unwrap().as_str().len(), 48);
    }

    fn hex(bytes: &[u8]) -> String {
        hex::encode(bytes)
    }
}
