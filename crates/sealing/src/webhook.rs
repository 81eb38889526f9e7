//! Signing messages to webhooks, as Standard Webhooks 1.0.0 says (standardwebhooks.com): with a
//! secret that sender and receiver share.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::{SealingError, SecretText};

/// What a secret in text form begins with.
const PREFIX: &str = "whsec_";
/// How long a drawn secret is, and how long a given one may be: the specification's limits.
const BYTES: usize = 32;
const BYTES_MIN: usize = 24;
const BYTES_MAX: usize = 64;

/// A secret that signs messages (HMAC-SHA-256). Wiped on drop; `Debug` prints nothing.
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

    /// Reads a secret in text form: `whsec_` and 24 to 64 bytes in base64.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?);
        (BYTES_MIN..=BYTES_MAX).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// Writes the secret in text form, for the one time it is shown and for its envelope.
    #[must_use]
    pub fn to_text(&self) -> SecretText {
        let encoded = Zeroizing::new(STANDARD.encode(self.0.as_slice()));
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + encoded.len()));
        text.push_str(PREFIX);
        text.push_str(&encoded);
        SecretText::new(std::mem::take(&mut *text))
    }

    /// Signs a message: `v1,` and base64. Neither id nor timestamp may hold a dot, or one message
    /// could be read as another.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        debug_assert!(!id.contains('.'), "a dot divides what is signed");
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

    /// The example that the specification's own libraries are tested with.
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
    fn what_is_no_secret_is_refused() {
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
