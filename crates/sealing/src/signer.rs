//! Signing with the audit key: checkpoints of the audit log, and backups.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use uuid::Uuid;

use crate::SealingError;

/// A key that signs (Ed25519, RFC 8032). What it signs must say itself what it is: a signature
/// of one kind of text must never be one of another kind. `Debug` prints the id alone.
pub struct Signer {
    key_id: Uuid,
    pair: Ed25519KeyPair,
}

impl Signer {
    /// Makes a signer of a key's 32 bytes, the seed of RFC 8032 §5.1.5.
    pub(crate) fn new(key_id: Uuid, seed: &[u8; 32]) -> Result<Self, SealingError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| SealingError::Malformed)?;
        Ok(Self { key_id, pair })
    }

    /// Returns the id of the key in the keyring.
    #[must_use]
    pub const fn key_id(&self) -> Uuid {
        self.key_id
    }

    /// Returns the public key.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.pair.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes")
    }

    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.key_id)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::Signer;

    /// RFC 8032 §7.1, test 2.
    #[test]
    fn it_signs_as_the_standard_says() {
        let seed = hex::decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").unwrap();
        let signer = Signer::new(Uuid::nil(), &seed.try_into().unwrap()).unwrap();
        let key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(
            (hex::encode(signer.public_key()), hex::encode(signer.sign(&[0x72]))),
            (key.into(), signature.into())
        );
    }
}
