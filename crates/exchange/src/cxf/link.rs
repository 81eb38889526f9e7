//! Links of one-time codes (`otpauth://totp/…`) and their parts.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

/// The parts of a link that CXF has a place for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) secret: Zeroizing<String>,
    pub(crate) issuer: String,
    pub(crate) username: String,
    /// `sha1`, `sha256` or `sha512`.
    pub(crate) algorithm: String,
    pub(crate) digits: u32,
    pub(crate) period: u32,
}

impl Code {
    /// Takes a link apart. `None` when something in it has no place, so that putting it together again would change it.
    pub(crate) fn of(link: &str) -> Option<Self> {
        let (label, query) = link.strip_prefix("otpauth://totp/")?.split_once('?')?;
        let text = |text: &str| percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned);
        let mut code = Self { algorithm: "sha1".to_owned(), digits: 6, period: 30, ..Self::default() };
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=')?;
            match name {
                "secret" => code.secret = Zeroizing::new(value.to_owned()),
                "issuer" => code.issuer = text(value)?,
                "algorithm" => code.algorithm = value.to_ascii_lowercase(),
                "digits" => code.digits = value.parse().ok()?,
                "period" => code.period = value.parse().ok()?,
                _ => return None,
            }
        }
        code.username = match label.split_once(':') {
            Some((_, username)) => text(username)?,
            None => text(label)?,
        };
        (*code.link()? == link).then_some(code)
    }

    /// Puts the link together. `None` when there is no secret, or a part of it is none that a link can hold.
    pub(crate) fn link(&self) -> Option<Zeroizing<String>> {
        let is_secret = !self.secret.is_empty() && self.secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_secret || !matches!(self.algorithm.as_str(), "sha1" | "sha256" | "sha512") {
            return None;
        }
        let text = |text: &str| utf8_percent_encode(text, KEPT).to_string();
        let mut link = Zeroizing::new("otpauth://totp/".to_owned());
        if !self.issuer.is_empty() {
            link.push_str(&format!("{}:", text(&self.issuer)));
        }
        link.push_str(&format!("{}?secret=", text(&self.username)));
        link.push_str(&self.secret);
        if !self.issuer.is_empty() {
            link.push_str(&format!("&issuer={}", text(&self.issuer)));
        }
        if self.algorithm != "sha1" {
            link.push_str(&format!("&algorithm={}", self.algorithm.to_ascii_uppercase()));
        }
        if self.digits != 6 {
            link.push_str(&format!("&digits={}", self.digits));
        }
        if self.period != 30 {
            link.push_str(&format!("&period={}", self.period));
        }
        Some(link)
    }
}

/// What most programs leave as it is.
const KEPT: &percent_encoding::AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_taken_apart_only_where_it_can_be_put_together_again() {
        for link in [
            "otpauth://totp/Mail:ann@example.com?secret=JBSWY3DPEHPK3PXP&issuer=Mail",
            "otpauth://totp/?secret=JBSWY3DPEHPK3PXP",
            "otpauth://totp/A%20B:c?secret=JBSWY3DP&issuer=A%20B&algorithm=SHA256&digits=8&period=60",
        ] {
            assert_eq!(*Code::of(link).unwrap().link().unwrap(), link);
        }
        for link in [
            "otpauth://hotp/x?secret=JBSWY3DP",
            "otpauth://totp/x?secret=JBSWY3DP&image=y",
            "otpauth://totp/Other:x?secret=JBSWY3DP&issuer=Mail",
            "otpauth://totp/x?secret=",
            "otpauth://totp/x",
            "otpauth://totp/x?secret=JBSWY3DP&digits=6",
            "otpauth://totp/%FF?secret=JBSWY3DP",
            "JBSWY3DP",
        ] {
            assert_eq!(Code::of(link), None, "{link}");
        }
    }
}
