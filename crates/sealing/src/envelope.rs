//! One sealed message: a fresh data key, wrapped, and what it encrypts.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    constant_time::verify_slices_are_equal,
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{InstanceId, SealingError, SecretBytes};

/// What a ciphertext is for. Part of the AAD: a ciphertext of one purpose opens as no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Purpose {
    /// The fields of a record revision.
    RecordFields = 1,
    /// A connection's `SecretID` or wrapping token.
    ConnectionSecretId = 2,
    /// A connection's TLS client key.
    ConnectionTlsKey = 3,
    /// A user's OTP seed.
    UserOtpSeed = 4,
    /// The remote copy a conflict keeps.
    ConflictCopy = 5,
    /// The stored answer of an idempotent request.
    IdempotentAnswer = 6,
    /// A stored plan: no values, but digests of them.
    Plan = 7,
    /// The secret that signs messages to a webhook.
    WebhookSecret = 8,
    /// The one before it, which signs along for a day.
    WebhookOldSecret = 9,
    /// A part of a backup; its revision is its number, doubled, and one more for the last.
    BackupPart = 10,
}

/// Where a ciphertext lives. A ciphertext copied to any other place does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What it is for.
    pub purpose: Purpose,
    /// The collection, or nil where there is none.
    pub collection: Uuid,
    /// The record, connection, user or conflict.
    pub object: Uuid,
    /// The revision, or 0 where there is none.
    pub revision: u64,
}

/// A sealed message as it is stored: three columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The keyring key that wraps the data key.
    pub key_id: Uuid,
    /// Suite, salt, key commitment, nonce, wrapped data key.
    pub wrapped_key: Vec<u8>,
    /// Nonce, ciphertext, tag.
    pub ciphertext: Vec<u8>,
}

/// The one suite so far: AES-256-GCM, wrapped under HKDF-SHA-256 keys with a commitment.
pub(crate) const SUITE: u8 = 1;

const SALT_BYTES: usize = 32;
const COMMITMENT_BYTES: usize = 32;

impl Place {
    /// Encodes what a ciphertext is bound to: fixed order, every part of fixed length. The key of
    /// the keyring is left out: it changes in a rotation, and the data key is bound to it.
    pub(crate) fn aad(&self, instance: InstanceId) -> Vec<u8> {
        let mut aad = Vec::with_capacity(2 + 3 * 16 + 8);
        aad.extend([SUITE, self.purpose as u8]);
        aad.extend(instance.0.as_bytes());
        aad.extend(self.collection.as_bytes());
        aad.extend(self.object.as_bytes());
        aad.extend(self.revision.to_be_bytes());
        aad
    }
}

/// Encodes what a wrapped data key is bound to: the installation and the key that wraps it. Its
/// place is the ciphertext's business: a data key opens one ciphertext, at one place.
pub(crate) fn data_key_aad(instance: InstanceId, key_id: Uuid) -> Vec<u8> {
    let mut aad = vec![SUITE, u8::MAX];
    aad.extend(instance.0.as_bytes());
    aad.extend(key_id.as_bytes());
    aad
}

/// Wraps 32 key bytes: suite ‖ salt ‖ commitment ‖ nonce ‖ ciphertext and tag.
///
/// HKDF over the wrapping key and a fresh salt gives the AES key and the commitment. A key per
/// message lifts the limit on random nonces, and the commitment, compared first and in constant
/// time, ties the message to one wrapping key.
pub(crate) fn wrap(wrapping: &[u8; 32], aad: &[u8], key: &[u8; 32]) -> Result<Vec<u8>, SealingError> {
    let mut salt = [0; SALT_BYTES];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| SealingError::NoRandomness)?;
    let (aes, commitment) = derive(wrapping, &salt)?;
    let mut wrapped = vec![SUITE];
    wrapped.extend(salt);
    wrapped.extend(commitment.as_slice());
    wrapped.extend(encrypt(&aes, aad, key)?);
    Ok(wrapped)
}

/// Opens what [`wrap`] made.
pub(crate) fn unwrap(wrapping: &[u8; 32], aad: &[u8], wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, SealingError> {
    let (suite, rest) = wrapped.split_first().ok_or(SealingError::Malformed)?;
    if *suite != SUITE || rest.len() <= SALT_BYTES + COMMITMENT_BYTES {
        return Err(SealingError::Malformed);
    }
    let (salt, rest) = rest.split_at(SALT_BYTES);
    let (stored, message) = rest.split_at(COMMITMENT_BYTES);
    let (aes, commitment) = derive(wrapping, salt)?;
    verify_slices_are_equal(stored, commitment.as_slice()).map_err(|_| SealingError::DoesNotOpen)?;
    let opened = decrypt(&aes, aad, message)?;
    let bytes: &[u8; 32] = opened.expose().try_into().map_err(|_| SealingError::Malformed)?;
    Ok(Zeroizing::new(*bytes))
}

/// Encrypts one message under a key that encrypts nothing else: nonce ‖ ciphertext and tag.
pub(crate) fn encrypt(key: &[u8; 32], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, SealingError> {
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| SealingError::NoRandomness)?;
    let mut sealed = Vec::with_capacity(NONCE_LEN + plaintext.len() + AES_256_GCM.tag_len());
    sealed.extend(nonce);
    sealed.extend(plaintext);
    let tag = aes(key)?
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut sealed[NONCE_LEN..])
        .map_err(|_| SealingError::Malformed)?;
    sealed.extend(tag.as_ref());
    Ok(sealed)
}

/// Opens what [`encrypt`] made.
pub(crate) fn decrypt(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Result<SecretBytes, SealingError> {
    let (nonce, message) = sealed.split_at_checked(NONCE_LEN).ok_or(SealingError::Malformed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealingError::Malformed)?;
    let mut message = Zeroizing::new(message.to_vec());
    let length =
        aes(key)?.open_in_place(nonce, Aad::from(aad), &mut message).map_err(|_| SealingError::DoesNotOpen)?.len();
    Ok(SecretBytes::new(message[..length].to_vec()))
}

fn aes(key: &[u8; 32]) -> Result<LessSafeKey, SealingError> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).map_err(|_| SealingError::Malformed)?))
}

type Derived = (Zeroizing<[u8; 32]>, Zeroizing<[u8; COMMITMENT_BYTES]>);

fn derive(wrapping: &[u8; 32], salt: &[u8]) -> Result<Derived, SealingError> {
    struct Length;
    impl KeyType for Length {
        fn len(&self) -> usize {
            32 + COMMITMENT_BYTES
        }
    }
    let mut out = Zeroizing::new([0; 32 + COMMITMENT_BYTES]);
    Salt::new(HKDF_SHA256, salt)
        .extract(wrapping)
        .expand(&[b"vaultterm wrap v1"], Length)
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .map_err(|_| SealingError::Malformed)?;
    let (mut key, mut commitment) = (Zeroizing::new([0; 32]), Zeroizing::new([0; COMMITMENT_BYTES]));
    key.copy_from_slice(&out[..32]);
    commitment.copy_from_slice(&out[32..]);
    Ok((key, commitment))
}
