//! Ed25519 signatures with the audit keys of the keyring.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use uuid::Uuid;

use crate::SealingError;

/// The number of bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// An audit key that signs. `Debug` prints only the type name.
pub struct Signer {
    key_id: Uuid,
    pair: Ed25519KeyPair,
}

impl Signer {
    /// Derives the key from its seed.
    pub(crate) fn from_seed(key_id: Uuid, seed: &[u8; 32]) -> Result<Self, SealingError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| SealingError::Malformed)?;
        Ok(Self { key_id, pair })
    }

    /// Returns the id of the key in the keyring.
    #[must_use]
    pub fn key_id(&self) -> Uuid {
        self.key_id
    }

    /// Returns the public key: 32 bytes (RFC 8032).
    ///
    /// # Panics
    /// Never: an Ed25519 public key has 32 bytes.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.pair.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes")
    }

    /// Signs domain ‖ bytes. The domain names the kind of message. It ends with a line end or a zero
    /// byte and is not the prefix of another domain, so that a signature of one kind is never valid for
    /// another kind.
    ///
    /// # Panics
    /// Never: an Ed25519 signature has 64 bytes.
    #[must_use]
    pub fn sign(&self, domain: &str, bytes: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let signature = self.pair.sign(&message(domain, bytes));
        signature.as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }
}

/// Checks a signature that [`Signer::sign`] made.
///
/// # Errors
/// [`SealingError::BadSignature`].
pub fn verify(public_key: &[u8; 32], domain: &str, bytes: &[u8], signature: &[u8]) -> Result<(), SealingError> {
    let key = UnparsedPublicKey::new(&ED25519, public_key);
    key.verify(&message(domain, bytes), signature).map_err(|_| SealingError::BadSignature)
}

fn message(domain: &str, bytes: &[u8]) -> Vec<u8> {
    [domain.as_bytes(), bytes].concat()
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Signer, verify};

    /// The seed of RFC 8032, section 7.1, test 3. `PUBLIC` is its public key, `SIGNATURE` its signature of
    /// the bytes `af 82`.
    const SEED: &str = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7";
    const PUBLIC: &str = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
    const SIGNATURE: &str = "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
                             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";

    #[test]
    fn a_key_signs_as_the_standard_says() {
        let seed = hex::decode(SEED).unwrap().try_into().unwrap();
        let signer = Signer::from_seed(Uuid::from_u128(1), &seed).unwrap();
        assert_eq!(hex::encode(signer.public_key()), PUBLIC);
        assert_eq!(hex::encode(signer.sign("", &[0xaf, 0x82])), SIGNATURE);
    }

    #[test]
    fn a_signature_holds_for_its_key_its_domain_and_its_bytes_only() {
        let signer = Signer::from_seed(Uuid::from_u128(1), &[7; 32]).unwrap();
        let other = Signer::from_seed(Uuid::from_u128(1), &[8; 32]).unwrap();
        let signature = signer.sign("a\n", b"bytes");
        assert!(verify(&signer.public_key(), "a\n", b"bytes", &signature).is_ok());
        assert!(verify(&other.public_key(), "a\n", b"bytes", &signature).is_err());
        assert!(verify(&signer.public_key(), "b\n", b"bytes", &signature).is_err());
        assert!(verify(&signer.public_key(), "a\n", b"bytez", &signature).is_err());
        for at in 0..signature.len() {
            let mut bent = signature;
            bent[at] ^= 1;
            assert!(verify(&signer.public_key(), "a\n", b"bytes", &bent).is_err(), "byte {at}");
        }
        assert!(verify(&signer.public_key(), "a\n", b"bytes", &signature[..63]).is_err());
    }
}
