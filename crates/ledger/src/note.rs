//! Signed notes: a text with signatures below it, as C2SP `signed-note` defines them.
//!
//! Only Ed25519 is supported (signature type 0x01). The text ends with a newline. The signatures cover
//! the text with this newline, but not the blank line that follows it.

use std::fmt;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use crate::tree::digest;

/// The type of an Ed25519 signature and key.
const ED25519_TYPE: u8 = 1;
/// The text with which a signature line begins.
const SIGNATURE: &str = "\u{2014} ";
/// The maximum number of signatures below a note.
const SIGNATURES_MAX: usize = 16;

/// A public key with its name. The text form is `name+id+key`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: [u8; 32],
}

/// Signs notes. The owner of a private key implements this trait.
pub trait NoteSigner {
    /// Returns the public key, with its name.
    fn verifier(&self) -> &VerifierKey;

    /// Signs a message with Ed25519.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

/// Why a text is not a valid signed note or verifier key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text does not have the form of a signed note.
    #[error("it is not a signed note: {0}")]
    Malformed(&'static str),
    /// The text does not have the form of a verifier key.
    #[error("it is not a verifier key: {0}")]
    MalformedKey(&'static str),
    /// No trusted key signed the note.
    #[error("no trusted key signed it")]
    UnknownSigner,
    /// A signature that names a trusted key does not match the text.
    #[error("the signature of `{0}` does not match the text: the text or the signature was changed")]
    BadSignature(String),
}

impl VerifierKey {
    /// Makes a verifier key from a name and a public key.
    ///
    /// # Errors
    /// [`NoteError::MalformedKey`] for a name that is empty, or has spaces or a `+` in it.
    pub fn new(name: &str, key: [u8; 32]) -> Result<Self, NoteError> {
        if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+') {
            return Err(NoteError::MalformedKey("a name must not be empty or contain spaces or a `+`"));
        }
        Ok(Self { name: name.to_owned(), key })
    }

    /// Parses the text form.
    ///
    /// # Errors
    /// [`NoteError::MalformedKey`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::MalformedKey("expected `name+id+key`"));
        };
        let bytes = BASE64.decode(key).map_err(|_| NoteError::MalformedKey("its last part is not base64"))?;
        let Some((&ED25519_TYPE, key)) = bytes.split_first() else {
            return Err(NoteError::MalformedKey("only Ed25519 keys are supported"));
        };
        let key = key.try_into().map_err(|_| NoteError::MalformedKey("an Ed25519 key has 32 bytes"))?;
        let key = Self::new(name, key)?;
        if id != key.id_text() {
            return Err(NoteError::MalformedKey("its id does not match its name and key: copy the whole text"));
        }
        Ok(key)
    }

    /// Returns the name of the key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the id of the key: the first four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ key).
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let hash = digest(&[self.name.as_bytes(), b"\n", &[ED25519_TYPE], &self.key]);
        [hash[0], hash[1], hash[2], hash[3]]
    }

    fn id_text(&self) -> String {
        hex::encode(self.id())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519_TYPE];
        key.extend(self.key);
        write!(f, "{}+{}+{}", self.name, self.id_text(), BASE64.encode(key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Signs a text and returns the note. The text must end with a newline and contain no blank line.
#[must_use]
pub fn sign_note(text: &str, signer: &impl NoteSigner) -> String {
    let mut signature = signer.verifier().id().to_vec();
    signature.extend(signer.sign(text.as_bytes()));
    format!("{text}\n{SIGNATURE}{} {}\n", signer.verifier().name, BASE64.encode(signature))
}

/// Checks a note and returns its text with the index (in `trusted`) of the first trusted key that
/// signed it. Signatures of unknown keys are ignored. A wrong signature of a trusted key is an error.
///
/// # Errors
/// [`NoteError`].
pub fn open_note<'a>(note: &'a str, trusted: &[VerifierKey]) -> Result<(&'a str, usize), NoteError> {
    let (text, signatures) =
        note.rsplit_once("\n\n").ok_or(NoteError::Malformed("there is no signature below the text"))?;
    let text = &note[..=text.len()];
    let lines = signatures.strip_suffix('\n').ok_or(NoteError::Malformed("it does not end with a newline"))?;
    let mut signer = None;
    for (count, line) in lines.split('\n').enumerate() {
        if count == SIGNATURES_MAX {
            return Err(NoteError::Malformed("it has too many signatures"));
        }
        let (name, signature) = signature(line)?;
        let (id, signature) =
            signature.split_first_chunk::<4>().ok_or(NoteError::Malformed("a signature is too short"))?;
        let Some(at) = trusted.iter().position(|key| key.name == name && key.id() == *id) else { continue };
        let fits = UnparsedPublicKey::new(&ED25519, trusted[at].key).verify(text.as_bytes(), signature);
        fits.map_err(|_| NoteError::BadSignature(name.to_owned()))?;
        signer.get_or_insert(at);
    }
    Ok((text, signer.ok_or(NoteError::UnknownSigner)?))
}

/// Returns the index (in `trusted`) of the first trusted key that signed a note.
pub(crate) fn signed_by(note: &str, trusted: &[VerifierKey]) -> Result<usize, NoteError> {
    open_note(note, trusted).map(|(_, signer)| signer)
}

/// Parses a signature line into the name of the key and the bytes of key id and signature.
fn signature(line: &str) -> Result<(&str, Vec<u8>), NoteError> {
    let line = line.strip_prefix(SIGNATURE).ok_or(NoteError::Malformed("a line below the text is not a signature"))?;
    let (name, signature) =
        line.split_once(' ').ok_or(NoteError::Malformed("a line below the text is not a signature"))?;
    let bytes = BASE64.decode(signature).map_err(|_| NoteError::Malformed("a signature is not base64"))?;
    Ok((name, bytes))
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

    use super::{NoteError, NoteSigner, VerifierKey, open_note, sign_note};

    /// A signing key for tests, made from one byte.
    pub(crate) struct TestSigner(Ed25519KeyPair, VerifierKey);

    impl TestSigner {
        pub(crate) fn new(name: &str, seed: u8) -> Self {
            let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
            let key = VerifierKey::new(name, pair.public_key().as_ref().try_into().unwrap()).unwrap();
            Self(pair, key)
        }
    }

    impl NoteSigner for TestSigner {
        fn verifier(&self) -> &VerifierKey {
            &self.1
        }

        fn sign(&self, message: &[u8]) -> [u8; 64] {
            self.0.sign(message).as_ref().try_into().unwrap()
        }
    }

    /// The note is the example of the documentation of Go's signed notes.
    #[test]
    fn a_note_that_another_program_signed_is_opened() {
        let key = VerifierKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        let text =
            "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
        let signature = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
        let note = format!("{text}\n\u{2014} PeterNeumann {signature}\n");
        assert_eq!(open_note(&note, &[key]), Ok((text, 0)));
    }

    #[test]
    fn what_is_signed_opens_with_its_key_alone() {
        let (one, two) = (TestSigner::new("log.example/1", 1), TestSigner::new("log.example/1", 2));
        let note = sign_note("a text\n", &one);
        assert_eq!(open_note(&note, &[two.1.clone(), one.1.clone()]), Ok(("a text\n", 1)));
        assert_eq!(open_note(&note, &[two.1]), Err(NoteError::UnknownSigner));
        let key = VerifierKey::parse(&one.1.to_string());
        assert_eq!(key, Ok(one.1));
    }

    #[test]
    fn any_byte_that_is_changed_is_noticed() {
        let signer = TestSigner::new("log", 1);
        let note = sign_note("size 7\n", &signer);
        for at in 0..note.len() {
            let mut bent = note.clone().into_bytes();
            bent[at] ^= 1;
            let Ok(bent) = String::from_utf8(bent) else { continue };
            assert!(open_note(&bent, std::slice::from_ref(&signer.1)).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_key_that_was_not_copied_whole_is_refused() {
        let text = TestSigner::new("log", 1).1.to_string();
        for end in 0..text.len() {
            assert!(VerifierKey::parse(&text[..end]).is_err(), "{end}");
        }
        assert!(VerifierKey::new("two words", [0; 32]).is_err());
    }
}
