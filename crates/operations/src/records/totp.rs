//! The secrets of one-time codes.

use totp_rs::{Builder, Secret, Totp};

/// The fields that may hold one, the first one first.
pub(super) const FIELDS: [&str; 2] = ["otpauth_url", "totp_secret"];

/// Reads a TOTP secret. Many issuers use shorter ones than RFC 4226 asks for, so only what the
/// computation needs is checked.
pub(super) fn read(name: &str, text: &str) -> Option<Totp> {
    let totp = if name == "otpauth_url" {
        Totp::from_url_unchecked(text).ok()?
    } else {
        let spaceless: String = text.chars().filter(|character| !character.is_whitespace()).collect();
        let secret = Secret::try_from_base32(spaceless.to_uppercase()).ok()?;
        Builder::new().with_secret(secret).build_noncompliant()
    };
    ((6..=8).contains(&totp.digits()) && totp.step() > 0).then_some(totp)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B: SHA-1, secret "12345678901234567890", 8 digits at 59 s.
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let url = format!("otpauth://totp/x?secret={secret}&digits=8");
        let code = read("otpauth_url", &url).expect("a secret").generate(59).to_string();
        assert_eq!(code, "94287082");
        let code = read("totp_secret", "gezd gnbv gy3t qojq gezd gnbv gy3t qojq").expect("a secret").generate(59);
        assert_eq!(code.to_string(), "287082");
    }

    #[test]
    fn a_text_that_is_no_secret_gives_no_code() {
        for (name, text) in [
            ("totp_secret", "not base32 !"),
            ("otpauth_url", "https://example.com"),
            ("otpauth_url", "otpauth://totp/x?secret=GEZDGNBV&digits=200"),
            ("otpauth_url", "otpauth://totp/x?secret=GEZDGNBV&period=0"),
        ] {
            assert!(read(name, text).is_none(), "{text}");
        }
    }
}
