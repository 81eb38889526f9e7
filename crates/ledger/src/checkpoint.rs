//! Checkpoints: signed statements of the root hash that the log had at one size. Their text follows
//! C2SP `tlog-checkpoint` and adds two lines: how many times the installation was restored from a
//! backup, and the highest license counter that it has seen.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use uuid::Uuid;

use crate::{NoteError, NoteSigner, VerifierKey, open_note, sign_note, tree::Hash};

/// The prefix of an origin. The id of the log follows it.
const ORIGIN: &str = "vaultterm.audit/";
const EPOCH: &str = "epoch ";
const LICENSE: &str = "license ";

/// The state of the log at one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The id of the log.
    pub log_id: Uuid,
    /// The number of entries.
    pub size: u64,
    /// The root of the Merkle tree over these entries.
    pub root: Hash,
    /// The number of restores from a backup plus one: 1 in an installation that was never restored.
    pub epoch: u64,
    /// The highest license counter that the installation has seen, 0 before the first license. It never
    /// decreases.
    pub license_counter: u64,
}

/// Why a text is not a valid checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The text is not a signed note, or no trusted key signed it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The signed text does not have the form of a checkpoint.
    #[error("the signed text is not a checkpoint of a VaultTerm audit log")]
    Malformed,
}

impl Checkpoint {
    /// Returns the key name under which checkpoints of this log are signed.
    #[must_use]
    pub fn origin(log_id: Uuid) -> String {
        format!("{ORIGIN}{log_id}")
    }

    /// Signs the checkpoint and returns the signed note.
    #[must_use]
    pub fn sign(&self, signer: &impl NoteSigner) -> String {
        sign_note(&self.text(), signer)
    }

    /// Opens a signed checkpoint. Returns it with the index (in `trusted`) of the key that signed it.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(note: &str, trusted: &[VerifierKey]) -> Result<(Self, usize), CheckpointError> {
        let (text, signer) = open_note(note, trusted)?;
        Ok((Self::parse(text).ok_or(CheckpointError::Malformed)?, signer))
    }

    /// Reads a signed checkpoint without checking its signature. The result may be compared with the log
    /// but proves nothing by itself.
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
        // Refuse other spellings of numbers and ids (`01`, `+1`), so that each checkpoint has exactly
        // one text.
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
    fn a_signed_checkpoint_is_read_back() {
        let signer = TestSigner::new(&Checkpoint::origin(Uuid::from_u128(9)), 1);
        let note = checkpoint().sign(&signer);
        assert_eq!(Checkpoint::open(&note, &[signer.verifier().clone()]), Ok((checkpoint(), 0)));
        assert_eq!(Checkpoint::peek(&note), Ok(checkpoint()));
        assert!(note.starts_with("vaultterm.audit/00000000-0000-0000-0000-000000000009\n1000\nBwcHBwcHBwc"), "{note}");
    }

    #[test]
    fn a_text_with_another_spelling_is_refused() {
        let signer = TestSigner::new("log", 1);
        for (from, to) in [("1000", "01000"), ("1000", "+1000"), ("epoch 2", "epoch 2 "), ("license 5\n", "")] {
            let text = checkpoint().text().replace(from, to);
            let opened = Checkpoint::open(&sign_note(&text, &signer), &[signer.verifier().clone()]);
            assert_eq!(opened, Err(CheckpointError::Malformed), "{text}");
        }
    }
}
