//! A log as a server keeps it, with the signing keys that an attacker may have stolen.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use uuid::Uuid;
use vaultterm_ledger::{
    Actor, ActorKind, AuditAction, AuditOutcome, Checkpoint, Draft, Entry, Frontier, Hash, Header, NoteSigner,
    ObjectKind, ObjectRef, RemoteRef, VerifierKey, checkpoint_line, end_line, entry_line, header_line,
};

/// A signing key made from one byte.
pub(crate) struct Key(Ed25519KeyPair, VerifierKey);

impl Key {
    pub(crate) fn new(log_id: Uuid, seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        let vkey = VerifierKey::new(&Checkpoint::origin(log_id), public).unwrap();
        Self(pair, vkey)
    }

    pub(crate) fn vkey(&self) -> VerifierKey {
        self.1.clone()
    }
}

impl NoteSigner for Key {
    fn verifier(&self) -> &VerifierKey {
        &self.1
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).as_ref().try_into().unwrap()
    }
}

/// A log: its entries in order, and its checkpoints.
pub(crate) struct Log {
    pub(crate) id: Uuid,
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) checkpoints: Vec<(u64, String)>,
    pub(crate) vkeys: Vec<String>,
}

/// The number of entries of the log.
pub(crate) const LENGTH: u64 = 10_000;
/// The place of the entry that replaces the signing key.
pub(crate) const ROTATED_AT: u64 = 5_500;
/// The number of entries between two checkpoints.
pub(crate) const SIGNED_EVERY: u64 = 1_000;

/// Makes the log of most tests, with `LENGTH` entries and two signing keys.
pub(crate) fn log(seeds: [u8; 2]) -> Log {
    of_length(LENGTH, ROTATED_AT, SIGNED_EVERY, seeds)
}

pub(crate) fn of_length(length: u64, rotated_at: u64, signed_every: u64, seeds: [u8; 2]) -> Log {
    let id = Uuid::from_u128(u128::from(seeds[0]) << 64);
    let keys = seeds.map(|seed| Key::new(id, seed));
    let entries = drafts(length, rotated_at, &keys);
    sign(id, entries, (rotated_at, signed_every), &keys)
}

fn drafts(length: u64, rotated_at: u64, keys: &[Key; 2]) -> Vec<Draft> {
    let objects = |n: u64| {
        let path = format!("team-{}/ünï \"{n}\"", n % 7);
        vec![ObjectRef { kind: ObjectKind::Record, id: Uuid::from_u128(n.into()), name: Some(path) }]
    };
    let remote = |n: u64| RemoteRef {
        cluster: Some("c".to_owned()),
        path: format!("kv/data/team/{n}"),
        version: Some(n),
        request_id: None,
    };
    let draft = |n: u64| Draft {
        time_us: 1_700_000_000_000_000 + i64::try_from(n * 977).unwrap(),
        actor: Actor { kind: ActorKind::User, id: Uuid::from_u128(1), name: "ann@example.com".to_owned() },
        source_ip: (!n.is_multiple_of(3)).then(|| "127.0.0.1".to_owned()),
        request_id: Some(format!("{:032x}", n * 7_919)),
        action: if n.is_multiple_of(2) { AuditAction::RecordRevealed } else { AuditAction::HcvSecretSynced },
        objects: objects(n),
        outcome: AuditOutcome::Success,
        remote: (!n.is_multiple_of(2)).then(|| remote(n)),
        detail: [("revision".to_owned(), n.to_string())].into(),
    };
    let mut drafts: Vec<Draft> = (1..=length).map(draft).collect();
    let rotation = &mut drafts[usize::try_from(rotated_at).unwrap() - 1];
    rotation.action = AuditAction::KeyRotated;
    let [old, new] = keys.each_ref().map(|key| key.vkey().to_string());
    rotation.detail = [("previous_vkey".to_owned(), old), ("vkey".to_owned(), new)].into();
    drafts
}

/// Chains entries and signs checkpoints, as a server does, or an attacker with its keys.
pub(crate) fn sign(id: Uuid, drafts: Vec<Draft>, (rotated_at, signed_every): (u64, u64), keys: &[Key; 2]) -> Log {
    let vkeys = keys.iter().map(|key| key.vkey().to_string()).collect();
    let mut log = Log { id, entries: Vec::new(), checkpoints: Vec::new(), vkeys };
    let (mut previous, mut tree, length) = ([0; 32], Frontier::default(), drafts.len() as u64);
    for (seq, draft) in (1..).zip(drafts) {
        let sealed = Entry { log_id: id, seq, previous, draft }.encode();
        previous = sealed.hash;
        tree.push(sealed.hash);
        log.entries.push(sealed.bytes);
        // The old key signs up to the entry that names the new key. The new key signs the rest.
        let key = if seq <= rotated_at { &keys[0] } else { &keys[1] };
        if seq.is_multiple_of(signed_every) || seq == rotated_at || seq == length {
            let checkpoint = Checkpoint { log_id: id, size: seq, root: tree.root(), epoch: 1, license_counter: 3 };
            log.checkpoints.push((seq, checkpoint.sign(key)));
        }
    }
    log
}

impl Log {
    /// Exports the entries after place `after`.
    pub(crate) fn export_after(&self, after: u64) -> Vec<Vec<u8>> {
        let (mut tree, mut previous) = (Frontier::default(), [0; 32]);
        let skipped = usize::try_from(after).unwrap();
        for bytes in &self.entries[..skipped] {
            previous = hash(bytes);
            tree.push(previous);
        }
        let mut lines = Vec::new();
        lines.push(written(|out| header_line(&Header::new(self.id, &tree, previous, self.vkeys.clone()), out)));
        for (seq, bytes) in (after + 1..).zip(&self.entries[skipped..]) {
            lines.push(written(|out| entry_line(bytes, out).unwrap()));
            previous = hash(bytes);
            for (_, note) in self.checkpoints.iter().filter(|(size, _)| *size == seq) {
                lines.push(written(|out| checkpoint_line(note, out)));
            }
        }
        lines.push(written(|out| end_line(self.entries.len() as u64, previous, out)));
        lines
    }

    /// Exports the whole log and returns its lines.
    pub(crate) fn export(&self) -> Vec<Vec<u8>> {
        self.export_after(0)
    }

    /// Returns the checkpoint of the given size.
    pub(crate) fn checkpoint(&self, size: u64) -> &str {
        &self.checkpoints.iter().find(|(at, _)| *at == size).unwrap().1
    }

    pub(crate) fn vkey(&self, at: usize) -> VerifierKey {
        VerifierKey::parse(&self.vkeys[at]).unwrap()
    }

    /// Returns the index of an entry's line in the export, counting the header and the checkpoints.
    pub(crate) fn line_of(&self, seq: u64) -> usize {
        let before = self.checkpoints.iter().filter(|(size, _)| *size < seq).count();
        usize::try_from(seq).unwrap() + before
    }
}

fn hash(bytes: &[u8]) -> Hash {
    Entry::decode(bytes).unwrap().encode().hash
}

pub(crate) fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut line = Vec::new();
    write(&mut line);
    line
}
