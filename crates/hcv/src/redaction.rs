//! Prepares texts from outside for messages. Everything that the request sent is struck out first, and then
//! the text is cut to a single line of limited length.
//!
//! A server, or a gateway before it, may repeat a request in its refusal, either literally or encoded. A
//! literal occurrence is struck out. A text that repeats a secret in another form known here (JSON escapes,
//! percent-encoding, base64, cut off, a part of it) is dropped as a whole.

use std::{collections::HashSet, fmt};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use vaultterm_sealing::SecretText;
use zeroize::Zeroizing;

use crate::{route, wire};

/// The part of a request's body that must not come back in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrets {
    /// No part.
    None,
    /// Every value in the body.
    Body,
    /// Every value below `data`.
    Data,
}

/// The maximum number of characters of a foreign text that are examined and kept.
const CHARACTERS_MAX: usize = 2_000;
/// A secret shorter than this occurs in any text by chance. It counts only where it stands as a separate
/// word.
const SHORT: usize = 4;
/// A part of a secret with at least this length counts as the secret.
const PART: usize = 12;
const STRUCK: &str = "[struck out]";
const LEFT_OUT: &str = "[the message repeats what was sent, and is left out]";

/// What a request sent that must not come back. The values are extracted only when there is a text to check.
pub(crate) struct Sent {
    body: Option<Bytes>,
    part: Secrets,
    token: Option<SecretText>,
}

impl Sent {
    /// Keeps the secrets that a request sent: a part of its body, and its token.
    pub(crate) fn new(body: Option<&Bytes>, part: Secrets, token: Option<&SecretText>) -> Self {
        let body = body.filter(|_| part != Secrets::None).cloned();
        Self { body, part, token: token.map(SecretText::duplicate) }
    }

    /// Returns a text from outside in a form that is safe for a message.
    pub(crate) fn foreign(&self, text: &str) -> String {
        let text: String = text.chars().take(CHARACTERS_MAX).collect();
        let secrets = self.secrets();
        let struck = strike(text, &secrets);
        if repeats(&struck, &secrets) { LEFT_OUT.to_owned() } else { wire::printable(&struck) }
    }

    /// Returns whether a text from outside repeats a secret that was sent.
    pub(crate) fn repeats(&self, text: &str) -> bool {
        repeats(text, &self.secrets())
    }

    fn secrets(&self) -> Vec<Zeroizing<String>> {
        #[derive(Deserialize)]
        struct Body {
            data: Leaves,
        }
        let mut secrets: Vec<_> = self.token.iter().map(|token| Zeroizing::new(token.expose().to_owned())).collect();
        if let Some(body) = &self.body {
            let leaves = match self.part {
                Secrets::Data => serde_json::from_slice::<Body>(body).map(|body| body.data),
                _ => serde_json::from_slice::<Leaves>(body),
            };
            match leaves {
                Ok(Leaves(leaves)) => secrets.extend(leaves),
                Err(_) => secrets.push(Zeroizing::new(String::from_utf8_lossy(body).into_owned())),
            }
        }
        // A secret that is base64 may come back decoded.
        let decoded: Vec<_> =
            secrets.iter().filter(|secret| secret.len() >= 8).filter_map(|secret| plain(secret)).collect();
        secrets.extend(decoded);
        secrets.retain(|secret| !secret.trim().is_empty());
        // The longest secret comes first, because it may contain another one.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        secrets
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sent")
    }
}

/// The strings and numbers of a JSON value at any depth. Names of fields are not secrets.
struct Leaves(Vec<Zeroizing<String>>);

impl<'de> Deserialize<'de> for Leaves {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(LeavesVisitor)
    }
}

struct LeavesVisitor;

impl LeavesVisitor {
    fn one<E>(leaf: impl ToString) -> Result<Leaves, E> {
        Ok(Leaves(vec![Zeroizing::new(leaf.to_string())]))
    }
}

impl<'de> Visitor<'de> for LeavesVisitor {
    type Value = Leaves;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Leaves, E> {
        Ok(Leaves(Vec::new()))
    }

    fn visit_unit<E>(self) -> Result<Leaves, E> {
        Ok(Leaves(Vec::new()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Leaves, E> {
        Self::one(number)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Leaves, E> {
        Self::one(number)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Leaves, E> {
        Self::one(number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Leaves, E> {
        Self::one(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Leaves, A::Error> {
        let mut all = Vec::new();
        while let Some(Leaves(leaves)) = values.next_element()? {
            all.extend(leaves);
        }
        Ok(Leaves(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Leaves, A::Error> {
        let mut all = Vec::new();
        while let Some((serde::de::IgnoredAny, Leaves(leaves))) = entries.next_entry()? {
            all.extend(leaves);
        }
        Ok(Leaves(all))
    }
}

/// Strikes out secrets that appear literally or in one of the usual encodings, so that the rest of the text
/// stays useful.
fn strike(mut text: String, secrets: &[Zeroizing<String>]) -> String {
    for secret in secrets.iter().filter(|secret| secret.chars().count() >= SHORT) {
        let json = serde_json::to_string(secret.as_str()).unwrap_or_default();
        let forms = [
            secret.to_string(),
            json.trim_matches('"').to_owned(),
            route::encode(secret),
            BASE64_STANDARD.encode(secret.as_bytes()),
            BASE64_STANDARD_NO_PAD.encode(secret.as_bytes()),
            BASE64_URL_SAFE_NO_PAD.encode(secret.as_bytes()),
        ]
        .map(Zeroizing::new);
        for form in forms.iter().filter(|form| !form.is_empty()) {
            if text.contains(form.as_str()) {
                text = text.replace(form.as_str(), STRUCK);
            }
        }
    }
    text
}

/// Returns whether a text contains a secret or a part of one, in any form that is known here.
fn repeats(text: &str, secrets: &[Zeroizing<String>]) -> bool {
    if secrets.is_empty() {
        return false;
    }
    let mut views = vec![text.to_owned()];
    let mut newest = 0..1;
    // Encodings can be nested: a body in base64 holds JSON, and the JSON holds escapes.
    for _ in 0..3 {
        let found: Vec<_> = newest.clone().flat_map(|index| decoded(&views[index])).collect();
        newest = views.len()..views.len() + found.len();
        views.extend(found);
    }
    views.iter().any(|view| shows(view, secrets))
}

/// Returns the possible decodings of a text.
fn decoded(text: &str) -> Vec<String> {
    let percent = percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let literal = percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut found = vec![unescaped(text), percent, literal];
    for shift in 0..4 {
        found.push(from_base64(text, shift));
    }
    found.retain(|view| view != text && !view.is_empty());
    found.dedup();
    found
}

/// Decodes the escapes of JSON anywhere in a text.
fn unescaped(text: &str) -> String {
    let mut plain: Vec<u16> = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    let push = |plain: &mut Vec<u16>, c: char| plain.extend(c.encode_utf16(&mut [0; 2]).iter());
    while let Some(c) = characters.next() {
        if c != '\\' {
            push(&mut plain, c);
            continue;
        }
        match characters.next() {
            Some('n') => push(&mut plain, '\n'),
            Some('t') => push(&mut plain, '\t'),
            Some('r') => push(&mut plain, '\r'),
            Some('b') => push(&mut plain, '\u{8}'),
            Some('f') => push(&mut plain, '\u{c}'),
            Some('u') => {
                let digits: String = characters.clone().take(4).collect();
                if let (4, Ok(unit)) = (digits.len(), u16::from_str_radix(&digits, 16)) {
                    characters.by_ref().nth(3);
                    plain.push(unit);
                }
            }
            Some(other) => push(&mut plain, other),
            None => {}
        }
    }
    String::from_utf16_lossy(&plain)
}

/// Decodes each run of characters that may be base64 of either alphabet. Skips the first `shift` characters
/// of each run, because a run may begin with letters that do not belong to it.
fn from_base64(text: &str, shift: usize) -> String {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&alphabet::STANDARD, lenient);
    let text = text.replace('-', "+").replace('_', "/");
    let runs = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/')));
    let mut all = String::new();
    for run in runs.filter_map(|run| run.get(shift..)).filter(|run| run.len() >= 2) {
        let whole = if run.len() % 4 == 1 { &run[..run.len() - 1] } else { run };
        if let Ok(bytes) = engine.decode(whole) {
            all.push_str(&String::from_utf8_lossy(&bytes));
            all.push(' ');
        }
    }
    all
}

/// Returns the text that a secret in base64 encodes, if it is a text.
fn plain(secret: &str) -> Option<Zeroizing<String>> {
    let bytes = BASE64_STANDARD.decode(secret).ok()?;
    String::from_utf8(bytes).ok().filter(|text| text.chars().count() >= SHORT).map(Zeroizing::new)
}

/// Returns whether a text shows a secret without further decoding. Case and spaces do not matter.
fn shows(view: &str, secrets: &[Zeroizing<String>]) -> bool {
    let squeezed = squeeze(view);
    let parts: HashSet<&[u8]> = squeezed.as_bytes().windows(PART).collect();
    secrets.iter().any(|secret| {
        if secret.chars().count() < SHORT {
            return is_word_in(secret, view);
        }
        if view.contains(secret.as_str()) {
            return true;
        }
        let secret = Zeroizing::new(squeeze(secret));
        if secret.chars().count() < SHORT {
            return is_word_in(&secret, view);
        }
        squeezed.contains(secret.as_str())
            || secret.as_bytes().windows(PART).any(|part| parts.contains(part))
            || ends_within(&squeezed, &secret)
    })
}

/// Returns a text in lower case without spaces and control characters.
fn squeeze(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !c.is_control()).flat_map(char::to_lowercase).collect()
}

/// Returns whether a text ends in the middle of a secret, because it was cut off.
fn ends_within(text: &str, secret: &str) -> bool {
    let text = text.trim_end_matches(['.', '…', '"', '\'', ')', ']', '}']);
    let begins = secret.char_indices().map(|(at, _)| &secret[..at]).skip(SHORT).take(PART);
    begins.into_iter().any(|begin| text.ends_with(begin))
}

/// Returns whether a short text stands as a separate word in another one.
fn is_word_in(word: &str, text: &str) -> bool {
    let word = word.trim();
    let apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    !word.is_empty()
        && text
            .match_indices(word)
            .any(|(at, _)| apart(text[..at].chars().next_back()) && apart(text[at + word.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_URL_SAFE;
    use proptest::prelude::*;

    use super::*;

    fn sent(secrets: &[&str]) -> Sent {
        let data: serde_json::Map<_, _> =
            secrets.iter().enumerate().map(|(at, secret)| (format!("f{at}"), (*secret).into())).collect();
        let json = serde_json::json!({"options": {"cas": 1}, "data": {"nested": [data]}}).to_string().into_bytes();
        let token = SecretText::new("hvs.the-token-of-the-session".to_owned());
        Sent::new(Some(&Bytes::from(json)), Secrets::Data, Some(&token))
    }

    /// Returns the forms in which a gateway may repeat a secret.
    fn echoes(secret: &str) -> Vec<String> {
        let json = serde_json::to_string(secret).expect("a text encodes");
        let body = format!(r#"{{"data":{{"password":{json}}}}}"#);
        let ascii =
            |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
        vec![
            secret.to_owned(),
            json.clone(),
            body.clone(),
            serde_json::to_string(&body).expect("a text encodes"),
            secret.chars().map(ascii).collect(),
            route::encode(secret),
            secret.bytes().map(|byte| format!("%{byte:02x}")).collect(),
            route::encode(&body),
            BASE64_STANDARD.encode(secret),
            BASE64_URL_SAFE.encode(secret),
            BASE64_STANDARD.encode(&body),
            BASE64_STANDARD_NO_PAD.encode(format!("x{body}")),
            route::encode(&BASE64_STANDARD.encode(&body)),
            secret.to_ascii_uppercase(),
        ]
    }

    fn assert_unseen(secret: &str, echo: &str) -> Result<(), TestCaseError> {
        for text in [echo.to_owned(), format!("bad request: {echo}"), format!("invalid body {echo}, see the manual")] {
            let kept = sent(&[secret]).foreign(&text);
            let squeezed = kept.replace("[struck out]", "");
            prop_assert!(!squeezed.contains(secret), "{secret:?} in {kept:?}");
            if !echo.is_empty() && kept != LEFT_OUT {
                prop_assert!(!squeezed.contains(echo), "{echo:?} of {secret:?} in {kept:?}");
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

        #[test]
        fn no_form_of_a_secret_comes_back(secret in r#"[ -~äß€"\\/+=%&<>😀\n]{4,60}"#) {
            prop_assume!(secret.trim().chars().count() >= 4);
            for echo in echoes(&secret) {
                assert_unseen(&secret, &echo)?;
            }
        }

        #[test]
        fn a_text_that_was_cut_in_the_middle_of_a_secret_does_not_come_back(
            secret in "[a-zA-Z0-9!$]{16,60}", keep in 5_usize..16, dots in "|…|\\.\\.\\.",
        ) {
            let kept = sent(&[&secret]).foreign(&format!("cannot parse {{\"password\":\"{}{dots}", &secret[..keep]));
            prop_assert!(!kept.contains(&secret[..keep]), "{kept:?}");
        }

        #[test]
        fn a_short_secret_that_stands_on_its_own_takes_the_text_with_it(secret in "[a-z0-9]{1,3}") {
            for text in [format!("bad value \"{secret}\""), format!("v={secret}&x"), format!("%22{secret}%22")] {
                prop_assert_eq!(sent(&[&secret]).foreign(&text), LEFT_OUT);
            }
        }
    }

    #[test]
    fn a_text_that_repeats_nothing_stays_as_it_is() {
        for text in [
            "JSON string value exceeds allowed length",
            "check-and-set parameter did not match the current version",
            "request path \"kv/data/team/x\": rate limit quota exceeded",
        ] {
            assert_eq!(sent(&["hunter2-hunter2", "c", "42"]).foreign(text), text);
        }
    }

    #[test]
    fn the_rest_of_a_text_that_repeats_a_secret_word_for_word_stays() {
        let kept = sent(&["Tr0ub4dor&3"]).foreign("field `password`: Tr0ub4dor&3 is not allowed");
        assert_eq!(kept, "field `password`: [struck out] is not allowed");
        let kept = sent(&[]).foreign("token hvs.the-token-of-the-session is unknown");
        assert_eq!(kept, "token [struck out] is unknown");
    }

    #[test]
    fn what_stands_in_base64_does_not_come_back_decoded() {
        let kept = sent(&[&BASE64_STANDARD.encode("the root key")]).foreign("cannot seal the root key");
        assert_eq!(kept, "cannot seal [struck out]");
    }

    #[test]
    fn a_secret_of_few_letters_and_a_line_end_does_not_come_back_in_escapes() {
        for echo in ["aA\\na", "\"aA\\\\na\"", "aA%0Aa"] {
            assert_eq!(sent(&["aA\na"]).foreign(echo), if echo.contains('"') { LEFT_OUT } else { "[struck out]" });
        }
    }

    #[test]
    fn a_number_does_not_come_back() {
        let json = br#"{"data":{"pin":918273}}"#.to_vec();
        assert_eq!(
            Sent::new(Some(&Bytes::from(json)), Secrets::Data, None).foreign("bad pin 918273"),
            "bad pin [struck out]"
        );
    }
}
