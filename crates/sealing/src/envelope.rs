//! The form of a sealed message: a wrapped data key, and the ciphertext under this data key.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    constant_time::verify_slices_are_equal,
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{InstanceId, SealingError, SecretBytes};

/// The purpose of a ciphertext. It is part of the AAD, so a ciphertext does not open under another
/// purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Purpose {
    /// The fields of a record revision.
    RecordFields = 1,
    /// The `SecretID` or wrapping token of a connection.
    ConnectionSecretId = 2,
    /// The TLS client key of a connection.
    ConnectionTlsKey = 3,
    /// The OTP seed of a user.
    UserOtpSeed = 4,
    /// The copy of the remote state that a conflict keeps.
    ConflictCopy = 5,
    /// The stored answer of an idempotent request.
    IdempotentAnswer = 6,
    /// A stored plan. It holds digests of values, and no values.
    Plan = 7,
    /// The secret that signs the messages of a webhook.
    WebhookSecret = 8,
    /// The previous secret of a webhook. It also signs for a day after a rotation.
    WebhookOldSecret = 9,
    /// A part of a backup. The revision of its place is twice the index of the part, plus one for the
    /// last part.
    BackupPart = 10,
    /// A value that a person had generated.
    GeneratedValue = 11,
    /// A form of a page that was not carried out.
    Draft = 12,
    /// A part of a file that was read and not imported yet. The revision of its place is the number of the part.
    ImportPart = 13,
}

/// The place of a ciphertext. A ciphertext that is copied to another place does not open there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The purpose of the ciphertext.
    pub purpose: Purpose,
    /// The id of the collection. Nil for ciphertexts outside of collections.
    pub collection: Uuid,
    /// The id of the record, connection, user, conflict or other object that owns the ciphertext.
    pub object: Uuid,
    /// The revision of the object. 0 for objects without revisions.
    pub revision: u64,
}

/// A sealed message as the database stores it, in three columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The id of the keyring key that wraps the data key.
    pub key_id: Uuid,
    /// The suite, the salt, the key commitment, the nonce and the wrapped data key.
    pub wrapped_key: Vec<u8>,
    /// The nonce, the ciphertext and the tag.
    pub ciphertext: Vec<u8>,
}

/// The only suite so far: AES-256-GCM, with keys from HKDF-SHA-256 and a key commitment.
pub(crate) const SUITE: u8 = 1;

const SALT_BYTES: usize = 32;
const COMMITMENT_BYTES: usize = 32;

impl Place {
    /// Encodes the AAD of a ciphertext: parts of fixed length in a fixed order. The id of the keyring
    /// key is not among them. It changes in a rotation, and the AAD of the data key names it already.
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

/// Encodes the AAD of a wrapped data key: the installation and the key that wraps it. The place is
/// not part of it, because the data key opens a single ciphertext, and that ciphertext is bound to
/// its place.
pub(crate) fn data_key_aad(instance: InstanceId, key_id: Uuid) -> Vec<u8> {
    let mut aad = vec![SUITE, u8::MAX];
    aad.extend(instance.0.as_bytes());
    aad.extend(key_id.as_bytes());
    aad
}

/// Wraps 32 key bytes and returns suite ‖ salt ‖ commitment ‖ nonce ‖ ciphertext and tag.
///
/// HKDF derives the AES key and the commitment from the wrapping key and a fresh salt. A derived key
/// per message avoids the limit on random nonces under one key. [`unwrap`] compares the commitment
/// first and in constant time, which ties the message to one wrapping key.
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

/// Opens a key that [`wrap`] wrapped.
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

/// Encrypts a message and returns nonce ‖ ciphertext and tag. The caller uses each key for a single
/// message.
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

/// Decrypts a message that [`encrypt`] encrypted.
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
