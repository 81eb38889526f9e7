//! The text of a file: UTF-8, or UTF-16 with a byte order mark. Nothing else is guessed.

use zeroize::Zeroizing;

use crate::refused::FileError;

/// Decodes a file, without its byte order mark.
///
/// # Errors
/// [`FileError::Encoding`], which says how to save the file.
pub(crate) fn decode(bytes: &[u8]) -> Result<Zeroizing<String>, FileError> {
    let refused = |hint: &str| FileError::Encoding { hint: hint.to_owned() };
    let text = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest)?,
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => {
            return Err(refused("it is UTF-32; save it as UTF-8"));
        }
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        _ => utf8(bytes)?,
    };
    if text.contains('\0') {
        return Err(refused("it holds NUL characters; if it is UTF-16, save it with a byte order mark or as UTF-8"));
    }
    Ok(text)
}

fn utf8(bytes: &[u8]) -> Result<Zeroizing<String>, FileError> {
    let text = std::str::from_utf8(bytes).map_err(|error| FileError::Encoding {
        hint: if bytes.iter().any(|byte| is_binary(*byte)) {
            "it is no text at all; check that this is the file which the other program exported".to_owned()
        } else {
            format!("byte {} does not belong to UTF-8; save it as UTF-8", error.valid_up_to() + 1)
        },
    })?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Says whether a byte stands in no text of any encoding that extends ASCII.
pub(crate) const fn is_binary(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\r' | b'\n' | b'\x0c' | b'\x1b')
}

fn utf16(bytes: &[u8], of: fn([u8; 2]) -> u16) -> Result<Zeroizing<String>, FileError> {
    let refused = || FileError::Encoding { hint: "its UTF-16 is damaged; save it as UTF-8".to_owned() };
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(refused());
    }
    // The whole length at once, so that no piece of the text stays behind in memory that was given back.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() / 2 * 3));
    for char in char::decode_utf16(pairs.iter().map(|pair| of(*pair))) {
        text.push(char.map_err(|_| refused())?);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_8_and_utf_16_with_a_mark_are_read_and_nothing_else() {
        let read = |bytes: &[u8]| decode(bytes).map(|text| text.to_string());
        assert_eq!(read("é".as_bytes()).unwrap(), "é");
        assert_eq!(read(b"\xEF\xBB\xBFa").unwrap(), "a");
        assert_eq!(read(b"\xFF\xFEa\0\x3d\xd8\x11\xdd").unwrap(), "a\u{1f511}");
        assert_eq!(read(b"\xFE\xFF\0a").unwrap(), "a");
        for (bytes, hint) in [
            (&b"a\xE9"[..], "byte 2 does not belong to UTF-8"),
            (b"a\0b\0", "byte order mark"),
            (b"\x01\xE9\x02", "no text at all"),
            (b"\xFF\xFEa", "UTF-16 is damaged"),
            (b"\xFF\xFE\x3d\xd8", "UTF-16 is damaged"),
            (b"\xFF\xFE\0\0a\0\0\0", "UTF-32"),
        ] {
            let error = read(bytes).unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
    }
}
