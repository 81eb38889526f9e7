//! Keyed digests, which compare values without showing them.

/// A key for digests (HMAC-SHA-256).
pub struct DigestKey(aws_lc_rs::hmac::Key);

impl DigestKey {
    /// Makes a digest key from 32 bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, bytes))
    }

    /// Returns the digest of `bytes`.
    #[must_use]
    pub fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        let tag = aws_lc_rs::hmac::sign(&self.0, bytes);
        tag.as_ref().try_into().expect("an HMAC-SHA-256 tag has 32 bytes")
    }
}

/// Returns the first 8 hexadecimal characters of a digest, to show beside a masked value.
#[must_use]
pub fn short(digest: &[u8; 32]) -> String {
    hex::encode(&digest[..4])
}
