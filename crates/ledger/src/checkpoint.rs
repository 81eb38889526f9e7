//! Checkpoints: what the whole log was at one size, signed. Their text is the one of C2SP
//! `tlog-checkpoint`, with two lines of our own below: the restores that the installation has
//! been through, and the highest number of a license it has seen.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use uuid::Uuid;

use crate::{NoteError, NoteSigner, VerifierKey, open_note, sign_note, tree::Hash};

/// What origins begin with; the log's id follows.
const ORIGIN: &str = "vaultterm.audit/";
const EPOCH: &str = "epoch ";
const LICENSE: &str = "license ";

/// The log at one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub log_id: Uuid,
    /// How many entries it has.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// Counts restores of the installation from a backup, from 1.
    pub epoch: u64,
    /// The highest counter of a license that was seen, 0 for none: it never goes back.
    pub license_counter: u64,
}

/// Why something is no checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is no note, or nobody trusted signed it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Its text has another form.
    #[error("the signed text is no checkpoint of an audit log of VaultTerm")]
    Malformed,
}

impl Checkpoint {
    /// Returns the name that a log's checkpoints are signed with.
    #[must_use]
    pub fn origin(log_id: Uuid) -> String {
        format!("{ORIGIN}{log_id}")
    }

    /// Signs it.
    #[must_use]
    pub fn sign(&self, signer: &impl NoteSigner) -> String {
        sign_note(&self.text(), signer)
    }

    /// Opens a signed checkpoint; answers the place (in `trusted`) of the key that signed it, too.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(note: &str, trusted: &[VerifierKey]) -> Result<(Self, usize), CheckpointError> {
        let (text, signer) = open_note(note, trusted)?;
        Ok((Self::parse(text).ok_or(CheckpointError::Malformed)?, signer))
    }

    /// Reads what a signed checkpoint says, whoever signed it: to compare, not to trust.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`].
    pub fn peek(note: &str) -> Result<Self, CheckpointError> {
        let end = note.find("\n\n").ok_or(CheckpointError::Malformed)?;
        Self::parse(&note[..=end]).ok_or(CheckpointError::Malformed)
    }

    fn text(&self) -> String {
        let Self { log_id, size, root, epoch, license_counter } = self;
        let root = BASE64.encode(root);
        format!("{ORIGIN}{log_id}\n{size}\n{root}\n{EPOCH}{epoch}\n{LICENSE}{license_counter}\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let checkpoint = Self {
            log_id: lines.next()?.strip_prefix(ORIGIN)?.parse().ok()?,
            size: lines.next()?.parse().ok()?,
            root: BASE64.decode(lines.next()?).ok()?.try_into().ok()?,
            epoch: lines.next()?.strip_prefix(EPOCH)?.parse().ok()?,
            license_counter: lines.next()?.strip_prefix(LICENSE)?.parse().ok()?,
        };
        // Numbers and ids with two spellings would be two texts for one checkpoint.
        (checkpoint.text() == text).then_some(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Checkpoint, CheckpointError};
    use crate::{
        NoteSigner as _,
        note::{sign_note, tests::TestSigner},
    };

    fn checkpoint() -> Checkpoint {
        Checkpoint { log_id: Uuid::from_u128(9), size: 1_000, root: [7; 32], epoch: 2, license_counter: 5 }
    }

    #[test]
    fn a_checkpoint_is_what_was_signed() {
        let signer = TestSigner::new(&Checkpoint::origin(Uuid::from_u128(9)), 1);
        let note = checkpoint().sign(&signer);
        assert_eq!(Checkpoint::open(&note, &[signer.verifier().clone()]), Ok((checkpoint(), 0)));
        assert_eq!(Checkpoint::peek(&note), Ok(checkpoint()));
        assert!(note.starts_with("vaultterm.audit/00000000-0000-0000-0000-000000000009\n1000\nBwcHBwcHBwc"), "{note}");
    }

    #[test]
    fn a_text_with_another_spelling_is_none() {
        let signer = TestSigner::new("log", 1);
        for (from, to) in [("1000", "01000"), ("1000", "+1000"), ("epoch 2", "epoch 2 "), ("license 5\n", "")] {
            let text = checkpoint().text().replace(from, to);
            let opened = Checkpoint::open(&sign_note(&text, &signer), &[signer.verifier().clone()]);
            assert_eq!(opened, Err(CheckpointError::Malformed), "{text}");
        }
    }
}
