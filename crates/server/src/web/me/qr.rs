//! A QR code as a picture, made on the server.

use askama::{Template, filters::HtmlSafe};
use qrcodegen::{QrCode, QrCodeEcc};

/// Empty squares around the code, as readers expect.
const QUIET: i32 = 4;

/// The mark-up of a QR code: one path of black squares on white, in dark windows, too.
#[derive(Clone, Debug, Default, Template)]
#[template(
    ext = "html",
    source = "<svg class=\"qr\" viewBox=\"0 0 {{ side }} {{ side }}\" role=\"img\" aria-label=\"{{ label }}\">\
              <rect width=\"{{ side }}\" height=\"{{ side }}\" fill=\"#fff\"/><path d=\"{{ path }}\" fill=\"#000\"/></svg>"
)]
pub(crate) struct Qr {
    side: i32,
    path: String,
    label: &'static str,
}

impl HtmlSafe for Qr {}

/// Draws a text. `None` when it is too long for a code.
pub(crate) fn draw(text: &str, label: &'static str) -> Option<Qr> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let mut path = String::new();
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
            path.push_str(&format!("M{} {}h1v1h-1z", x + QUIET, y + QUIET));
        }
    }
    Some(Qr { side: code.size() + 2 * QUIET, path, label })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_becomes_one_path_with_a_quiet_border() {
        let qr = draw("otpauth://totp/VaultTerm:ann%40example.com?secret=GEZDGNBV&issuer=VaultTerm", "a code").unwrap();
        // The corner of the upper left finder pattern.
        assert!(qr.path.starts_with("M4 4h1v1h-1z"), "{}", qr.path);
        let text = qr.render().unwrap();
        assert!(text.contains("role=\"img\" aria-label=\"a code\""), "{text}");
        assert!(draw(&"x".repeat(5_000), "too long").is_none());
    }
}
