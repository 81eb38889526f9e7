//! The check that entries follow one another without a gap and without a changed entry.

use crate::{Entry, Malformed, tree::leaf_hash};

/// Why a sequence of stored entries is not a valid chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenChain {
    /// The bytes at this place cannot be decoded as an entry.
    #[error("entry {seq} is malformed")]
    Malformed {
        /// The place where the entry was expected.
        seq: u64,
        /// The decoding error.
        source: Malformed,
    },
    /// An entry is missing, duplicated or out of order.
    #[error("entry {expected} is missing: {found} stands in its place")]
    Gap {
        /// The place that should come next.
        expected: u64,
        /// The place that the entry names.
        found: u64,
    },
    /// The entry does not name the hash of the entry before it, so one of the two was changed.
    #[error("entry {seq} does not follow the entry before it")]
    Link {
        /// The place of the entry.
        seq: u64,
    },
    /// The entry belongs to another log.
    #[error("entry {seq} belongs to another log")]
    OtherLog {
        /// The place of the entry.
        seq: u64,
    },
}

/// Checks entries, oldest first, that follow the entry with number `seq` and hash `previous`, and
/// returns the number and the hash of the last entry. Pass 0 and a hash of zeros to check from the
/// beginning of the log.
///
/// # Errors
/// [`BrokenChain`] describes the first fault that is found.
pub fn verify_chain<'a>(
    entries: impl IntoIterator<Item = &'a [u8]>,
    mut seq: u64,
    mut previous: [u8; 32],
) -> Result<(u64, [u8; 32]), BrokenChain> {
    let mut log_id = None;
    for bytes in entries {
        let expected = seq + 1;
        let entry = Entry::decode(bytes).map_err(|source| BrokenChain::Malformed { seq: expected, source })?;
        if entry.seq != expected {
            return Err(BrokenChain::Gap { expected, found: entry.seq });
        }
        if *log_id.get_or_insert(entry.log_id) != entry.log_id {
            return Err(BrokenChain::OtherLog { seq: expected });
        }
        if entry.previous != previous {
            return Err(BrokenChain::Link { seq: expected });
        }
        seq = expected;
        previous = leaf_hash(bytes);
    }
    Ok((seq, previous))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{BrokenChain, verify_chain};
    use crate::{Actor, ActorKind, AuditAction, AuditOutcome, Draft, Entry};

    fn log(length: u64) -> Vec<Vec<u8>> {
        let mut previous = [0; 32];
        (1..=length)
            .map(|seq| {
                let draft = Draft {
                    time_us: 1_000 + i64::try_from(seq).unwrap(),
                    actor: Actor { kind: ActorKind::User, id: Uuid::from_u128(1), name: "ann@example.com".to_owned() },
                    source_ip: None,
                    request_id: None,
                    action: AuditAction::RecordCreated,
                    objects: Vec::new(),
                    outcome: AuditOutcome::Success,
                    remote: None,
                    detail: [("n".to_owned(), seq.to_string())].into(),
                };
                let sealed = Entry { log_id: Uuid::from_u128(9), seq, previous, draft }.encode();
                previous = sealed.hash;
                sealed.bytes
            })
            .collect()
    }

    fn verify(log: &[Vec<u8>]) -> Result<(u64, [u8; 32]), BrokenChain> {
        verify_chain(log.iter().map(Vec::as_slice), 0, [0; 32])
    }

    #[test]
    fn a_log_verifies_whole_and_in_parts() {
        let log = log(20);
        let whole = verify(&log).unwrap();
        assert_eq!(whole.0, 20);
        let (seq, hash) = verify(&log[..7]).unwrap();
        assert_eq!(verify_chain(log[7..].iter().map(Vec::as_slice), seq, hash), Ok(whole));
    }

    #[test]
    fn edits_gaps_insertions_and_swaps_are_found() {
        let log = log(20);
        let mut cut = log.clone();
        cut.remove(7);
        assert_eq!(verify(&cut), Err(BrokenChain::Gap { expected: 8, found: 9 }));
        let mut doubled = log.clone();
        doubled.insert(7, log[6].clone());
        assert_eq!(verify(&doubled), Err(BrokenChain::Gap { expected: 8, found: 7 }));
        let mut swapped = log.clone();
        swapped.swap(3, 4);
        assert_eq!(verify(&swapped), Err(BrokenChain::Gap { expected: 4, found: 5 }));
        let mut edited = log.clone();
        let mut entry = Entry::decode(&log[7]).unwrap();
        entry.draft.actor.name = "eve@example.com".to_owned();
        edited[7] = entry.encode().bytes;
        assert_eq!(verify(&edited), Err(BrokenChain::Link { seq: 9 }));
    }

    #[test]
    fn every_flipped_bit_before_the_last_entry_is_found() {
        let log = log(3);
        for at in 0..2 {
            for bit in 0..log[at].len() * 8 {
                let mut bent = log.clone();
                bent[at][bit / 8] ^= 1 << (bit % 8);
                assert!(verify(&bent).is_err(), "bit {bit} of entry {}", at + 1);
            }
        }
    }
}
