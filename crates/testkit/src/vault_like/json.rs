//! The limits that Vault sets for a JSON body before it handles the request. It answers each violation with
//! HTTP 500 and a single line, which does not mean an outage.

use std::{collections::HashSet, iter::Peekable, slice::Iter};

use super::message::Answer;

const DEPTH_MAX: usize = 300;
const STRING_BYTES_MAX: usize = 1_048_576;
const ENTRIES_MAX: usize = 10_000;
const TOKENS_MAX: usize = 500_000;

/// Returns the refusal of a body, if Vault refuses it.
pub(super) fn refusal(body: &[u8]) -> Option<Answer> {
    let error = Scan::new(body).run().err()?;
    Some(Answer::refusal(500, &[&error]))
}

/// An object or a list that is not closed yet.
struct Container {
    object: bool,
    entries: usize,
    /// Whether the next string of the object is a key.
    key: bool,
    keys: HashSet<Vec<u8>>,
}

struct Scan<'a> {
    bytes: Peekable<Iter<'a, u8>>,
    open: Vec<Container>,
    after_comma: bool,
    began: bool,
}

impl<'a> Scan<'a> {
    fn new(body: &'a [u8]) -> Self {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        Self { bytes: body.iter().peekable(), open: Vec::new(), after_comma: false, began: false }
    }

    /// Reads the whole body. The limits do not apply to a body that is neither an object nor a list.
    fn run(&mut self) -> Result<(), String> {
        let mut tokens = 0;
        while let Some(&byte) = self.next_token() {
            if !self.began && !b"{[".contains(&byte) {
                return Ok(());
            }
            if self.began && self.open.is_empty() {
                return Err(format!("invalid character '{}' after top-level value", char::from(byte)));
            }
            tokens += 1;
            if tokens > TOKENS_MAX {
                return Err("JSON payload exceeds allowed token count".to_owned());
            }
            self.token(byte)?;
        }
        if self.open.is_empty() { Ok(()) } else { Err("malformed JSON, unclosed containers".to_owned()) }
    }

    fn next_token(&mut self) -> Option<&'a u8> {
        while self.bytes.next_if(|byte| b" \t\n\r\x1f".contains(byte)).is_some() {}
        self.bytes.peek().copied()
    }

    fn token(&mut self, byte: u8) -> Result<(), String> {
        let after_comma = std::mem::take(&mut self.after_comma);
        match byte {
            b'{' | b'[' => self.opens(byte == b'{'),
            b'}' | b']' => self.closes(byte, after_comma),
            b'"' => self.string(),
            b't' | b'f' | b'n' => {
                while self.bytes.next_if(|byte| !b" \t\n\r,}]".contains(byte)).is_some() {}
                self.value()
            }
            b'-' | b'0'..=b'9' => self.number(),
            b',' => {
                self.after_comma = true;
                if let Some(container) = self.open.last_mut() {
                    container.key = container.object;
                }
                self.bytes.next();
                Ok(())
            }
            b':' => {
                self.bytes.next();
                Ok(())
            }
            other => Err(format!("invalid character '{}' looking for beginning of value", char::from(other))),
        }
    }

    fn opens(&mut self, object: bool) -> Result<(), String> {
        self.bytes.next();
        self.value()?;
        self.began = true;
        if self.open.len() == DEPTH_MAX {
            return Err("JSON input exceeds allowed nesting depth".to_owned());
        }
        self.open.push(Container { object, entries: 0, key: object, keys: HashSet::new() });
        Ok(())
    }

    fn closes(&mut self, byte: u8, after_comma: bool) -> Result<(), String> {
        self.bytes.next();
        if after_comma {
            let what = if byte == b'}' { "object key-value pair" } else { "array element" };
            return Err(format!("invalid character '{}' after {what}", char::from(byte)));
        }
        let Some(container) = self.open.pop() else {
            return Err(format!("malformed JSON: unmatched closing delimiter '{}'", char::from(byte)));
        };
        if container.object && !container.key {
            return Err("invalid character '}' after object key".to_owned());
        }
        if container.object != (byte == b'}') {
            return Err(format!("malformed JSON: mismatched closing delimiter '{}'", char::from(byte)));
        }
        Ok(())
    }

    /// Counts a value in the open container.
    fn value(&mut self) -> Result<(), String> {
        match self.open.last_mut() {
            Some(container) if container.object => container.key = true,
            Some(container) => {
                container.entries += 1;
                if container.entries > ENTRIES_MAX {
                    return Err("JSON array exceeds allowed element count".to_owned());
                }
            }
            None => {}
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), String> {
        let text = self.text()?;
        let Some(container) = self.open.last_mut().filter(|container| container.object && container.key) else {
            return self.value();
        };
        if !container.keys.insert(text.clone()) {
            return Err(format!("duplicate key '{}' in object", String::from_utf8_lossy(&text)));
        }
        container.entries += 1;
        if container.entries > ENTRIES_MAX {
            return Err("JSON object exceeds allowed entry count".to_owned());
        }
        container.key = false;
        Ok(())
    }

    /// Reads a string. Its length counts as it was sent, with all escapes.
    fn text(&mut self) -> Result<Vec<u8>, String> {
        self.bytes.next();
        let (mut text, mut length, mut half) = (Vec::new(), 0, false);
        loop {
            match self.bytes.next() {
                None => return Err("malformed JSON, unclosed string".to_owned()),
                Some(b'"') if half => {
                    return Err("malformed JSON, unterminated surrogate pair in string".to_owned());
                }
                Some(b'"') => return Ok(text),
                Some(b'\\') => half = self.escape(&mut text, &mut length)?,
                Some(byte) => {
                    (half, length) = (false, length + 1);
                    text.push(*byte);
                }
            }
            if length > STRING_BYTES_MAX {
                return Err("JSON string value exceeds allowed length".to_owned());
            }
        }
    }

    /// Reads the part of an escape after the backslash. Returns whether it is the first half of a surrogate
    /// pair.
    fn escape(&mut self, text: &mut Vec<u8>, length: &mut usize) -> Result<bool, String> {
        *length += 2;
        match self.bytes.next() {
            None => Err("malformed JSON, unterminated escape sequence in string".to_owned()),
            Some(b'u') => {
                *length += 4;
                let digits: Vec<u8> = self.bytes.by_ref().take(4).copied().collect();
                if digits.len() < 4 {
                    return Err("malformed JSON, unterminated unicode escape in string".to_owned());
                }
                let wrong = digits.iter().find(|digit| !digit.is_ascii_hexdigit());
                if let Some(wrong) = wrong {
                    return Err(format!("invalid character '{}' in string escape code", char::from(*wrong)));
                }
                let code = std::str::from_utf8(&digits).ok().and_then(|hex| u32::from_str_radix(hex, 16).ok());
                let code = code.expect("four hexadecimal digits");
                let sign = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                text.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes());
                Ok((0xd800..=0xdbff).contains(&code))
            }
            Some(sign) if b"\"\\/bfnrt".contains(sign) => {
                text.push(match sign {
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                });
                Ok(false)
            }
            Some(other) => Err(format!("invalid character '{}' in string escape code", char::from(*other))),
        }
    }

    fn number(&mut self) -> Result<(), String> {
        let mut digits = String::new();
        while let Some(byte) = self.bytes.next_if(|byte| b"0123456789.eE+-".contains(byte)) {
            digits.push(char::from(*byte));
            if digits.len() > STRING_BYTES_MAX {
                return Err("JSON number value exceeds allowed length".to_owned());
            }
        }
        match digits.parse::<f64>() {
            Ok(number) if number.is_finite() => self.value(),
            _ => Err(format!("malformed JSON, invalid number syntax for '{digits}'")),
        }
    }
}
