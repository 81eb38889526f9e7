//! Generated passwords, drawn with the randomness of the operating system.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::SealingError;

/// The groups of characters. A password has at least one character of each group in use.
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &[u8] = b"0123456789";
const SYMBOLS: &[u8] = b"!#$%&()*+,-./:;<=>?@[]^_{|}~";
/// The characters that people confuse with others.
const AMBIGUOUS: &[u8] = b"Il1O0o|";

/// The shortest and the longest password, in characters.
pub const PASSWORD_CHARS: std::ops::RangeInclusive<u16> = 8..=1024;

/// What a generated password consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordRules {
    /// The number of characters, within [`PASSWORD_CHARS`].
    pub length: u16,
    /// Whether it has symbols beside letters and digits.
    pub symbols: bool,
    /// Whether it may have characters that look alike (I l 1 O 0 o |).
    pub ambiguous: bool,
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self { length: 24, symbols: true, ambiguous: true }
    }
}

impl PasswordRules {
    /// Draws a password that is uniformly distributed among those with a character of every group. A password without
    /// one is discarded as a whole, which favours no other password. A length outside of [`PASSWORD_CHARS`] is taken
    /// as the nearest one within.
    ///
    /// # Errors
    /// [`SealingError`] when the operating system gives no random bytes.
    pub fn draw(&self) -> Result<Zeroizing<String>, SealingError> {
        let groups = self.groups();
        let alphabet = groups.concat();
        let length = self.length.clamp(*PASSWORD_CHARS.start(), *PASSWORD_CHARS.end());
        // With eight characters of four groups, one in three is discarded: the loop ends soon.
        loop {
            let drawn = draw(&SystemRandom::new(), length, &alphabet)?;
            if groups.iter().all(|group| drawn.bytes().any(|byte| group.contains(&byte))) {
                return Ok(drawn);
            }
        }
    }

    fn groups(&self) -> Vec<Vec<u8>> {
        let used: &[&[u8]] = if self.symbols { &[LOWER, UPPER, DIGITS, SYMBOLS] } else { &[LOWER, UPPER, DIGITS] };
        let wanted = |byte: &u8| self.ambiguous || !AMBIGUOUS.contains(byte);
        used.iter().map(|group| group.iter().copied().filter(wanted).collect()).collect()
    }
}

/// Returns uniformly distributed characters. Bytes beyond the last whole multiple of the alphabet's size are skipped.
fn draw(random: &dyn SecureRandom, length: u16, alphabet: &[u8]) -> Result<Zeroizing<String>, SealingError> {
    let fair = 256 - 256 % alphabet.len();
    let mut text = Zeroizing::new(String::with_capacity(length.into()));
    let mut bytes = Zeroizing::new([0_u8; 64]);
    while text.len() < length.into() {
        random.fill(&mut *bytes).map_err(|_| SealingError::NoRandomness)?;
        let fair_bytes = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        for byte in fair_bytes.take(usize::from(length) - text.len()) {
            text.push(alphabet[byte % alphabet.len()].into());
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn generated(length: u16, symbols: bool, ambiguous: bool) -> String {
        PasswordRules { length, symbols, ambiguous }.draw().expect("generated").to_string()
    }

    #[test]
    fn a_password_has_its_length_and_a_character_of_every_kind() {
        for length in [8, 24, 200, 1024] {
            let password = generated(length, true, true);
            assert_eq!(password.len(), usize::from(length));
            for group in PasswordRules::default().groups() {
                assert!(password.bytes().any(|byte| group.contains(&byte)), "{length}");
            }
        }
        assert_eq!(generated(0, true, true).len(), 8, "a length that is too small becomes the smallest");
    }

    #[test]
    fn what_is_left_out_never_appears() {
        let password = generated(1024, false, false);
        assert!(password.bytes().all(|byte| byte.is_ascii_alphanumeric() && !AMBIGUOUS.contains(&byte)));
    }

    #[test]
    fn passwords_differ() {
        let drawn: BTreeSet<_> = (0..100).map(|_| generated(24, true, true)).collect();
        assert_eq!(drawn.len(), 100);
    }
}
