//! The cookie of a session.
//!
//! `__Host-vaultterm` is bound by the browser to this host, to https and to every path. Over http a browser refuses it;
//! there a session works on the machine itself only, under a name of its own.

use axum::http::{HeaderMap, HeaderValue, header};

use super::look::Look;

const NAME: &str = "__Host-vaultterm";
const NAME_ON_LOOPBACK: &str = "vaultterm";

/// The cookie of a browser that is remembered.
const DEVICE: &str = "__Host-vaultterm-device";
const DEVICE_ON_LOOPBACK: &str = "vaultterm-device";
/// The cookie of how a person wants the pages.
const LOOK: &str = "vaultterm-look";
const LOOK_SECONDS: u32 = 365 * 24 * 3_600;
/// How long a browser is remembered, in seconds.
const DEVICE_SECONDS: i64 = vaultterm_store::DEVICE_LASTS_US / 1_000_000;

/// Reads the text of the session from the cookies of a request.
pub(crate) fn read(headers: &HeaderMap) -> Option<&str> {
    find(headers, NAME).or_else(|| find(headers, NAME_ON_LOOPBACK).filter(|_| is_loopback(headers)))
}

/// Reads the text of a remembered browser from the cookies of a request.
pub(crate) fn read_device(headers: &HeaderMap) -> Option<&str> {
    find(headers, DEVICE).or_else(|| find(headers, DEVICE_ON_LOOPBACK).filter(|_| is_loopback(headers)))
}

fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split("; ")).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// Writes the cookie of a browser that is remembered from now on.
pub(crate) fn set_device(headers: &HeaderMap, text: &str) -> Option<HeaderValue> {
    let name = if is_plain(headers) { DEVICE_ON_LOOPBACK } else { DEVICE };
    let cookie = format!("{name}={text}; Max-Age={DEVICE_SECONDS}; {}", attributes(headers));
    let mut value = HeaderValue::from_str(&cookie).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Reads how a person wants the pages.
pub(crate) fn read_look(headers: &HeaderMap) -> Look {
    find(headers, LOOK).map(Look::of).unwrap_or_default()
}

/// Writes the cookie of how a person wants the pages.
pub(crate) fn set_look(headers: &HeaderMap, look: Look) -> Option<HeaderValue> {
    let cookie = format!("{LOOK}={}; Max-Age={LOOK_SECONDS}; {}", look.text(), attributes(headers));
    HeaderValue::from_str(&cookie).ok()
}

/// Writes the cookie of a session that begins.
pub(crate) fn set(headers: &HeaderMap, text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("{}={text}; {}", name(headers), attributes(headers))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Writes the cookie that ends a session.
pub(crate) fn clear(headers: &HeaderMap) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{}=; Max-Age=0; {}", name(headers), attributes(headers))).ok()
}

fn name(headers: &HeaderMap) -> &'static str {
    if is_plain(headers) { NAME_ON_LOOPBACK } else { NAME }
}

fn attributes(headers: &HeaderMap) -> &'static str {
    if is_plain(headers) { "Path=/; HttpOnly; SameSite=Strict" } else { "Path=/; Secure; HttpOnly; SameSite=Strict" }
}

/// Says whether a form was sent over http to the machine itself. Browsers name their origin with every form.
fn is_plain(headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok()).unwrap_or_default();
    is_loopback(headers) && origin.starts_with("http://")
}

fn is_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_cookie_is_bound_to_host_and_https_but_on_the_machine_itself() {
        for (host, origin, begins) in [
            ("vault.example.com", "https://vault.example.com", "__Host-vaultterm=x; Path=/; Secure; HttpOnly"),
            ("vault.example.com", "http://vault.example.com", "__Host-vaultterm=x; Path=/; Secure; HttpOnly"),
            ("127.0.0.1:8250", "http://127.0.0.1:8250", "vaultterm=x; Path=/; HttpOnly; SameSite=Strict"),
            ("[::1]:8250", "http://[::1]:8250", "vaultterm=x; Path=/; HttpOnly; SameSite=Strict"),
            ("localhost:8250", "https://localhost:8250", "__Host-vaultterm=x; Path=/; Secure"),
        ] {
            let set = set(&headers(&[(header::HOST, host), (header::ORIGIN, origin)]), "x").unwrap();
            assert!(set.to_str().unwrap().starts_with(begins), "{origin}: {set:?}");
            assert!(set.is_sensitive());
        }
    }

    #[test]
    fn the_name_without_a_prefix_counts_on_the_machine_itself_only() {
        let plain = (header::COOKIE, "a=b; vaultterm=vtb_1");
        assert_eq!(read(&headers(&[plain.clone(), (header::HOST, "localhost:1")])), Some("vtb_1"));
        assert_eq!(read(&headers(&[plain, (header::HOST, "localhost.example.com")])), None);
        let bound = (header::COOKIE, "vaultterm=vtb_1; __Host-vaultterm=vtb_2");
        assert_eq!(read(&headers(&[bound, (header::HOST, "localhost:1")])), Some("vtb_2"));
        assert_eq!(read(&HeaderMap::new()), None);
    }
}
