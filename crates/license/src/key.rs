//! The vendor's key, which signs licenses, and the public keys that a server trusts.
//!
//! The id of a key is a digest of its algorithm and its public key. So a key id also decides the
//! algorithm, and a server never has to choose one. The text form of a key is `label+id+base64`, as for a verifier
//! key of a C2SP signed note. The first byte of the base64 data names the algorithm.

use std::fmt;

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

const PUBLIC_LABEL: &str = "vaultterm-license";
const SECRET_LABEL: &str = "VAULTTERM-LICENSE-SECRET-KEY";
/// The byte for Ed25519 (RFC 8032), as in signed notes.
const ED25519_BYTE: u8 = 1;

/// The id of a key: 8 bytes of SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 8]);

/// Why a text is refused as a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text has another form.
    #[error("it does not read `{0}+<id>+<base64>`")]
    Form(&'static str),
    /// The key has an algorithm that this version does not know.
    #[error("it is of an algorithm that this version does not know")]
    Algorithm,
    /// The id does not fit the key, so a character was changed or left out.
    #[error("its id does not belong to it: a character was changed or left out")]
    Mistyped,
}

/// A public key, which verifies signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    bytes: [u8; 32],
}

/// The vendor's key, which signs licenses. `Debug` prints only its id.
pub struct IssuerKey {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// The public keys whose licenses the server accepts. Empty when the operator configured no key.
#[derive(Clone, Debug, Default)]
pub struct TrustedKeys(Vec<PublicKey>);

impl KeyId {
    fn of(public: &[u8]) -> Self {
        let input = [b"vaultterm license key v1\0".as_slice(), &[ED25519_BYTE], public].concat();
        let mut id = [0; 8];
        id.copy_from_slice(&digest(&SHA256, &input).as_ref()[..8]);
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl PublicKey {
    fn new(bytes: [u8; 32]) -> Self {
        Self { id: KeyId::of(&bytes), bytes }
    }

    /// Reads a public key from its text form.
    ///
    /// # Errors
    /// [`KeyError`], when the text is not a public key or was changed.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (id, bytes) = parse(text, PUBLIC_LABEL)?;
        let key = Self::new(*bytes);
        if key.id.to_string() == id { Ok(key) } else { Err(KeyError::Mistyped) }
    }

    /// Returns the id of the key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Checks whether this key made the signature of the message.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.bytes).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(PUBLIC_LABEL, self.id, &self.bytes))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

impl IssuerKey {
    /// Generates a new key.
    ///
    /// # Panics
    /// When the operating system provides no randomness, because no safe key can be made then.
    #[must_use]
    pub fn generate() -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rand::fill(seed.as_mut_slice()).expect("the system provides randomness");
        Self::of(seed)
    }

    /// Makes the key from a seed that only the installation knows.
    pub(crate) fn of_seed(seed: [u8; 32]) -> Self {
        Self::of(Zeroizing::new(seed))
    }

    fn of(seed: Zeroizing<[u8; 32]>) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).expect("every 32 bytes are a seed");
        let bytes = pair.public_key().as_ref().try_into().expect("a public key has 32 bytes");
        Self { seed, pair, public: PublicKey::new(bytes) }
    }

    /// Reads a secret key from its text form.
    ///
    /// # Errors
    /// [`KeyError`], when the text is not a secret key or was changed.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (id, seed) = parse(text, SECRET_LABEL)?;
        let key = Self::of(seed);
        if key.public.id.to_string() == id { Ok(key) } else { Err(KeyError::Mistyped) }
    }

    /// Returns the text form of the secret key. The text is a secret, and is wiped on drop.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(written(SECRET_LABEL, self.public.id, &self.seed))
    }

    /// Returns the public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Returns the signature of the message.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for IssuerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuerKey({})", self.public.id)
    }
}

impl TrustedKeys {
    /// Reads one or more public keys that are separated by white space.
    ///
    /// # Errors
    /// The [`KeyError`] of the first key that cannot be read.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        text.split_whitespace().map(PublicKey::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Returns whether no key is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the trusted key with this id.
    pub(crate) fn find(&self, id: &str) -> Option<&PublicKey> {
        self.0.iter().find(|key| key.id.to_string() == id)
    }

    /// Returns the ids of all trusted keys.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.0.iter().map(PublicKey::id)
    }
}

impl From<PublicKey> for TrustedKeys {
    fn from(key: PublicKey) -> Self {
        Self(vec![key])
    }
}

fn written(label: &str, id: KeyId, bytes: &[u8; 32]) -> String {
    let mut tagged = Zeroizing::new([ED25519_BYTE; 33]);
    tagged[1..].copy_from_slice(bytes);
    format!("{label}+{id}+{}", STANDARD.encode(tagged.as_slice()))
}

/// Splits the text form of a key into the id that it claims and the 32 bytes of the key.
fn parse<'a>(text: &'a str, label: &'static str) -> Result<(&'a str, Zeroizing<[u8; 32]>), KeyError> {
    let form = || KeyError::Form(label);
    let rest = text.trim().strip_prefix(label).and_then(|rest| rest.strip_prefix('+')).ok_or_else(form)?;
    let (id, encoded) = rest.split_once('+').ok_or_else(form)?;
    let tagged = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| form())?);
    let (algorithm, key) = tagged.split_first().ok_or_else(form)?;
    if *algorithm != ED25519_BYTE {
        return Err(KeyError::Algorithm);
    }
    let mut bytes = Zeroizing::new([0; 32]);
    if key.len() != bytes.len() {
        return Err(form());
    }
    bytes.copy_from_slice(key);
    Ok((id, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_being_written_and_read() {
        let key = IssuerKey::generate();
        let read = IssuerKey::parse(&format!("{}\n", key.to_text().as_str())).unwrap();
        assert_eq!(read.public(), key.public());
        assert_eq!(PublicKey::parse(&key.public().to_string()).unwrap(), *key.public());
        let message = b"message";
        assert!(key.public().verifies(message, &read.sign(message)));
        assert!(!IssuerKey::generate().public().verifies(message, &key.sign(message)));
    }

    #[test]
    fn a_mistyped_key_is_refused_wherever_the_slip_is() {
        let text = IssuerKey::generate().public().to_string();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let slip = String::from_utf8(bytes).unwrap();
            assert!(PublicKey::parse(&slip).is_err(), "{slip}");
            assert!(PublicKey::parse(&text[..at]).is_err(), "{}", &text[..at]);
        }
    }

    #[test]
    fn a_public_key_is_not_taken_for_a_secret_one_nor_the_other_way_round() {
        let key = IssuerKey::generate();
        assert_eq!(IssuerKey::parse(&key.public().to_string()).unwrap_err(), KeyError::Form(SECRET_LABEL));
        assert_eq!(PublicKey::parse(&key.to_text()).unwrap_err(), KeyError::Form(PUBLIC_LABEL));
    }

    #[test]
    fn another_algorithm_is_refused_by_name() {
        let key = IssuerKey::generate();
        let mut tagged = vec![2];
        tagged.extend(key.public().bytes);
        let text = format!("{PUBLIC_LABEL}+{}+{}", key.public().id(), STANDARD.encode(tagged));
        assert_eq!(PublicKey::parse(&text).unwrap_err(), KeyError::Algorithm);
    }

    #[test]
    fn several_keys_may_be_trusted() {
        let (one, other) = (IssuerKey::generate(), IssuerKey::generate());
        let trusted = TrustedKeys::parse(&format!(" {}\n{}\n", one.public(), other.public())).unwrap();
        assert_eq!(trusted.ids().collect::<Vec<_>>(), [one.public().id(), other.public().id()]);
        assert!(TrustedKeys::parse(" \n").unwrap().is_empty());
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = IssuerKey::generate();
        let text = key.to_text();
        let secret = text.rsplit('+').next().unwrap();
        assert!(!format!("{key:?}").contains(secret));
        assert_eq!(format!("{key:?}"), format!("IssuerKey({})", key.public().id()));
    }
}
