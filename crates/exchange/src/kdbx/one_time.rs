//! Secrets of one-time codes in the fields of KeePass 2 (`TimeOtp-*`) and of older plugins (`otp` with `key=`).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// The fields of KeePass 2 that belong together.
pub(super) const FIELDS: &str = "TimeOtp-";

/// Makes a link of the fields of KeePass 2. `None` when one of them says what no link can, so that they stay as they are.
pub(super) fn of_keepass<'a>(fields: &[(&'a str, &'a str)]) -> Option<Zeroizing<String>> {
    let (mut secret, mut digits, mut period, mut algorithm) = (None, "6", "30", "SHA1");
    for (name, value) in fields {
        match *name {
            "TimeOtp-Secret-Base32" => {
                let bare: String = value.chars().filter(|c| !c.is_whitespace() && *c != '=').collect();
                secret = Some(Zeroizing::new(bare.to_ascii_uppercase()));
            }
            "TimeOtp-Secret" => secret = Some(base32(value.as_bytes())),
            "TimeOtp-Secret-Hex" => secret = Some(base32(&Zeroizing::new(hex::decode(value.trim()).ok()?))),
            "TimeOtp-Secret-Base64" => {
                secret = Some(base32(&Zeroizing::new(STANDARD.decode(value.trim()).ok()?)));
            }
            "TimeOtp-Length" => digits = value,
            "TimeOtp-Period" => period = value,
            "TimeOtp-Algorithm" => {
                algorithm = match *value {
                    "HMAC-SHA-1" => "SHA1",
                    "HMAC-SHA-256" => "SHA256",
                    "HMAC-SHA-512" => "SHA512",
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
    link(&secret?, digits, period, algorithm)
}

/// Makes a link of `key=…&size=…&step=…`.
pub(super) fn of_plugin(text: &str) -> Option<Zeroizing<String>> {
    let (mut secret, mut digits, mut period) = (None, "6", "30");
    for pair in text.split('&') {
        match pair.split_once('=')? {
            ("key", value) => {
                secret = Some(value.trim_end_matches("%3d").trim_end_matches("%3D").trim_end_matches('='));
            }
            ("size", value) => digits = value,
            ("step", value) => period = value,
            _ => return None,
        }
    }
    link(&secret?.to_ascii_uppercase(), digits, period, "SHA1")
}

/// The fields of the plugin KeeTrayTOTP, which older versions of KeePassXC write too.
pub(super) const TRAY: [&str; 2] = ["TOTP Seed", "TOTP Settings"];

/// Makes a link of the seed in Base32 and the settings `period;digits`. `None` when no link can say them, as for Steam.
pub(super) fn of_tray(seed: &str, settings: Option<&str>) -> Option<Zeroizing<String>> {
    let secret: String = seed.chars().filter(|c| !c.is_whitespace() && !"-=".contains(*c)).collect();
    let secret = Zeroizing::new(Zeroizing::new(secret).to_ascii_uppercase());
    let (period, digits) = settings.map_or(Some(("30", "6")), |settings| settings.split_once(';'))?;
    link(&secret, digits, period, "SHA1")
}

fn link(secret: &str, digits: &str, period: &str, algorithm: &str) -> Option<Zeroizing<String>> {
    let is_number = |text: &str| !text.is_empty() && text.len() < 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_secret = !secret.is_empty() && secret.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'));
    (is_secret && is_number(digits) && is_number(period)).then(|| {
        Zeroizing::new(format!(
            "otpauth://totp/KeePass?secret={secret}&algorithm={algorithm}&digits={digits}&period={period}"
        ))
    })
}

/// Encodes bytes as Base32, without padding (RFC 4648).
pub(super) fn base32(bytes: &[u8]) -> Zeroizing<String> {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 8 / 5 + 1));
    for chunk in bytes.chunks(5) {
        let mut group = [0; 8];
        group[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(group);
        for digit in 0..(chunk.len() * 8).div_ceil(5) {
            text.push(char::from(DIGITS[(bits >> (35 - 5 * digit)) as usize % 32]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_the_standard() {
        // RFC 4648, section 10.
        for (bytes, text) in
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("foobar", "MZXW6YTBOI")]
        {
            assert_eq!(*base32(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn fields_that_no_link_can_hold_stay_as_they_are() {
        assert_eq!(
            **of_keepass(&[("TimeOtp-Secret-Hex", "666f6f"), ("TimeOtp-Algorithm", "HMAC-SHA-256")]).as_ref().unwrap(),
            "otpauth://totp/KeePass?secret=MZXW6&algorithm=SHA256&digits=6&period=30"
        );
        assert_eq!(
            **of_plugin("key=MZXW6%3d%3d&size=8").as_ref().unwrap(),
            "otpauth://totp/KeePass?secret=MZXW6&algorithm=SHA1&digits=8&period=30"
        );
        assert!(of_keepass(&[("TimeOtp-Secret", "x"), ("TimeOtp-Period", "1&secret=Y")]).is_none());
        assert!(of_keepass(&[("TimeOtp-Secret", "x"), ("TimeOtp-New", "1")]).is_none());
        assert!(of_keepass(&[("TimeOtp-Period", "1")]).is_none());
        assert!(of_plugin("key=AA&type=Hotp").is_none());
        assert_eq!(
            **of_tray("jbsw y3dp-ehpk 3pxp=", Some("60;8")).as_ref().unwrap(),
            "otpauth://totp/KeePass?secret=JBSWY3DPEHPK3PXP&algorithm=SHA1&digits=8&period=60"
        );
        assert!(of_tray("JBSWY3DPEHPK3PXP", None).is_some());
        for settings in ["30;S", "30", "", "30;6;https://time.example"] {
            assert!(of_tray("JBSWY3DPEHPK3PXP", Some(settings)).is_none(), "{settings}");
        }
    }
}
