//! One-time codes and recovery codes of people: they are drawn, read and judged here. Each code works
//! only once: the store uses it up in the same transaction as the action that the code permits.

use jiff::Timestamp;
use totp_rs::{Builder, Totp};
use uuid::Uuid;
use vaultterm_sealing::{SecretBytes, SecretText};
use vaultterm_store::Spend;
use zeroize::Zeroizing;

use crate::{
    refusal::{Refusal, RefusalKind},
    services::Services,
};

/// How many recovery codes a person gets.
pub(crate) const RECOVERY_CODES: usize = 10;
/// The signs of a recovery code. They leave out signs that people confuse, such as `i`, `l` and `o`.
const SIGNS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// How many signs a recovery code has: 80 random bits.
const RECOVERY_SIGNS: usize = 16;
/// How long a one-time code is.
const OTP_DIGITS: usize = 6;
/// How long a secret of one-time codes is, in bytes, as RFC 4226 recommends.
const SEED_BYTES: usize = 20;

/// A code that was typed, without spaces and dashes.
pub(crate) enum Typed {
    Otp(Zeroizing<String>),
    Recovery(Zeroizing<String>),
    Neither,
}

/// Reads a code as a person types it.
pub(crate) fn read(text: &str) -> Typed {
    let kept = text.chars().filter(|sign| !sign.is_whitespace() && *sign != '-');
    let plain: Zeroizing<String> = Zeroizing::new(kept.map(|sign| sign.to_ascii_lowercase()).collect());
    if plain.len() == OTP_DIGITS && plain.bytes().all(|byte| byte.is_ascii_digit()) {
        Typed::Otp(plain)
    } else if plain.len() == RECOVERY_SIGNS && plain.bytes().all(|byte| SIGNS.contains(&byte)) {
        Typed::Recovery(plain)
    } else {
        Typed::Neither
    }
}

/// Judges a code of a person who has a second factor. Returns what the store has to use up.
///
/// # Errors
/// `LoginRefused` for a wrong code and for one that was used already, in words that help the person: the time of the
/// server, and whether the code was used.
pub(crate) async fn judge(services: &Services, user_id: Uuid, code: &str) -> Result<Spend, Refusal> {
    let now = services.now_us() / 1_000_000;
    match read(code) {
        Typed::Otp(code) => {
            let seed = services.store.otp_seed(user_id, true).await?.ok_or_else(|| wrong(now))?;
            let totp = totp(&seed.seed, "")?;
            let step = totp.check(&code, u64::try_from(now).unwrap_or_default()).ok_or_else(|| wrong(now))?;
            if step <= seed.used_step {
                return Err(used());
            }
            Ok(Spend::Otp(step))
        }
        // The store says whether it is one of theirs.
        Typed::Recovery(code) => Ok(Spend::Recovery(services.store.recovery_digest(user_id, &code))),
        Typed::Neither => Err(wrong(now)),
    }
}

/// Judges the first code of a secret that a person is about to switch on. Returns its time step.
///
/// # Errors
/// `Invalid`, with the time of the server.
pub(crate) fn judge_first(services: &Services, seed: &SecretBytes, code: &str) -> Result<u64, Refusal> {
    let now = services.now_us() / 1_000_000;
    let found = match read(code) {
        Typed::Otp(code) => totp(seed, "")?.check(&code, u64::try_from(now).unwrap_or_default()),
        Typed::Recovery(_) | Typed::Neither => None,
    };
    found.ok_or_else(|| Refusal::field("code", format!("does not fit; {}", time_words(now))))
}

fn wrong(now: i64) -> Refusal {
    Refusal::new(RefusalKind::LoginRefused, format!("the code is wrong; {}", time_words(now)))
}

/// Makes the refusal of a code that was used already.
pub(crate) fn used() -> Refusal {
    let why = "this code was used already: wait for the next one, or use another recovery code";
    Refusal::new(RefusalKind::LoginRefused, why)
}

fn time_words(now: i64) -> String {
    let now = Timestamp::from_second(now).unwrap_or(Timestamp::MAX);
    format!("the server's time is {} UTC, and the clock of your device has to agree", now.strftime("%H:%M:%S"))
}

/// Draws a secret for one-time codes.
pub(crate) fn draw_seed() -> Result<SecretBytes, Refusal> {
    let bytes = random()?;
    Ok(SecretBytes::new(bytes[..SEED_BYTES].to_vec()))
}

/// Draws recovery codes, as a person reads them: `7k3m-92qx-…`.
pub(crate) fn draw_recovery_codes() -> Result<Vec<Zeroizing<String>>, Refusal> {
    (0..RECOVERY_CODES).map(|_| draw_recovery_code()).collect()
}

fn draw_recovery_code() -> Result<Zeroizing<String>, Refusal> {
    let bytes = random()?;
    let mut code = Zeroizing::new(String::with_capacity(RECOVERY_SIGNS + 3));
    for (at, byte) in bytes.iter().take(RECOVERY_SIGNS).enumerate() {
        if at > 0 && at % 4 == 0 {
            code.push('-');
        }
        // 32 signs divide 256, so each one is equally likely.
        code.push(char::from(SIGNS[usize::from(byte % 32)]));
    }
    Ok(code)
}

/// Returns 32 random bytes.
fn random() -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let drawn = SecretText::draw("").map_err(|error| Refusal::internal(&error))?;
    hex::decode(drawn.expose()).map(Zeroizing::new).map_err(|error| Refusal::internal(&error))
}

/// Makes the generator of a secret: six digits, 30 seconds, SHA-1, which every authenticator app knows. A code of the
/// step before and after counts, too.
pub(crate) fn totp(seed: &SecretBytes, email: &str) -> Result<Totp, Refusal> {
    let builder = Builder::new().with_secret(seed.expose()).with_skew(1).with_issuer(Some("VaultTerm"));
    // An account name in a link has no colon.
    builder.with_account_name(email.replace(':', "_")).build().map_err(|error| Refusal::internal(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_whatever_stands_between_its_signs_and_whatever_their_case() {
        assert!(matches!(read(" 123 456 "), Typed::Otp(code) if code.as_str() == "123456"));
        let written = "7K3M-92QX-0000-zzzz";
        assert!(matches!(read(written), Typed::Recovery(code) if code.as_str() == "7k3m92qx0000zzzz"));
        for text in ["", "12345", "1234567", "12345a", "7k3m-92qx-0000-zzz", "7k3m-92qx-0000-ilou"] {
            assert!(matches!(read(text), Typed::Neither), "{text}");
        }
    }

    #[test]
    fn recovery_codes_are_drawn_so_that_they_are_read_again_and_differ() {
        let codes = draw_recovery_codes().unwrap();
        let mut plain: Vec<_> = codes
            .iter()
            .map(|code| match read(code) {
                Typed::Recovery(plain) => plain.to_string(),
                Typed::Otp(_) | Typed::Neither => panic!("{}", code.as_str()),
            })
            .collect();
        plain.sort();
        plain.dedup();
        assert_eq!(plain.len(), RECOVERY_CODES);
    }

    #[test]
    fn an_app_gets_everything_by_the_link() {
        let url = totp(&SecretBytes::new(vec![1; 20]), "ann@example.com").unwrap().to_url().unwrap();
        assert!(url.starts_with("otpauth://totp/VaultTerm:ann%40example.com?secret="), "{url}");
        assert!(url.ends_with("&issuer=VaultTerm"), "{url}");
    }
}
