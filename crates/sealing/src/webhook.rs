//! Signatures of webhook messages as Standard Webhooks 1.0.0 (standardwebhooks.com) defines them, with
//! a secret that sender and receiver share.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::{SealingError, SecretText};

/// The prefix of a secret in text form.
const PREFIX: &str = "whsec_";
/// The number of bytes of a drawn secret.
const BYTES: usize = 32;
/// The minimum and maximum number of bytes of a given secret, as the specification sets them.
const BYTES_MIN: usize = 24;
const BYTES_MAX: usize = 64;

/// A secret that signs messages (HMAC-SHA-256). Wiped on drop. `Debug` prints only the type name.
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl WebhookSecret {
    /// Draws a secret of 32 bytes.
    ///
    /// # Errors
    /// [`SealingError::NoRandomness`].
    pub fn draw() -> Result<Self, SealingError> {
        let mut bytes = Zeroizing::new(vec![0; BYTES]);
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SealingError::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// Parses a secret in text form: `whsec_` and 24 to 64 bytes in base64. Returns `None` for other texts.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?);
        (BYTES_MIN..=BYTES_MAX).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// Returns the secret in text form. It is shown once at creation, and its envelope stores it.
    #[must_use]
    pub fn to_text(&self) -> SecretText {
        let encoded = Zeroizing::new(STANDARD.encode(self.0.as_slice()));
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + encoded.len()));
        text.push_str(PREFIX);
        text.push_str(&encoded);
        SecretText::new(std::mem::take(&mut *text))
    }

    /// Signs a message and returns `v1,` and the signature in base64. `id` must not contain a dot,
    /// because dots separate the signed parts.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        debug_assert!(!id.contains('.'), "dots separate the signed parts");
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret, message and signature are the test vector of the specification's libraries.
    #[test]
    fn it_signs_as_the_standard_says() {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_drawn_secret_is_read_back_and_no_two_are_alike() {
        let (one, other) = (WebhookSecret::draw().unwrap(), WebhookSecret::draw().unwrap());
        assert_ne!(one.to_text().expose(), other.to_text().expose());
        let again = WebhookSecret::parse(one.to_text().expose()).unwrap();
        assert_eq!(again.sign("a", 1, b"x"), one.sign("a", 1, b"x"));
        assert_ne!(again.sign("a", 1, b"x"), other.sign("a", 1, b"x"));
        assert_eq!(one.to_text().expose().len(), "whsec_".len() + 44);
    }

    #[test]
    fn every_part_of_a_message_is_signed() {
        let secret = WebhookSecret::draw().unwrap();
        let signature = secret.sign("a", 1, b"x");
        for other in [secret.sign("b", 1, b"x"), secret.sign("a", 2, b"x"), secret.sign("a", 1, b"y")] {
            assert_ne!(other, signature);
        }
    }

    #[test]
    fn a_text_without_the_form_of_a_secret_is_refused() {
        let of_bytes = |count: usize| format!("whsec_{}", STANDARD.encode(vec![7; count]));
        for text in ["", "whsec_", "hunter2", "whsec_%%%%", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(WebhookSecret::parse(text).is_none(), "{text}");
        }
        let read = |count| WebhookSecret::parse(&of_bytes(count)).is_some();
        assert_eq!([23, 24, 64, 65].map(read), [false, true, true, false]);
    }

    #[test]
    fn debug_prints_nothing_of_it() {
        let secret = WebhookSecret::draw().unwrap();
        assert_eq!(format!("{secret:?}"), "WebhookSecret");
    }
}
