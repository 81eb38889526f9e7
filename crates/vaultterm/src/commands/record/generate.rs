//! `vaultterm record generate`: generates passwords with the randomness of the operating system.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    set::{Change, Fields, infer, save},
    shared::{facts, name_of},
};
use crate::{
    app::App,
    assignment::json_text,
    failure::{Exit, Failure},
    lookup::RecordRef,
};

/// The groups of characters. A password has at least one character of each group in use.
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &[u8] = b"0123456789";
const SYMBOLS: &[u8] = b"!#$%&()*+,-./:;<=>?@[]^_{|}~";
/// The characters that people confuse with others.
const AMBIGUOUS: &[u8] = b"Il1O0o|";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// COLLECTION/PATH or id to put it into, unseen [default: print it]
    #[arg(value_parser = RecordRef::parse)]
    record: Option<RecordRef>,
    /// Field to put it into
    #[arg(long, default_value = "password", value_name = "NAME")]
    field: String,
    /// Characters
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(8..=1024))]
    length: u16,
    /// Letters and digits only
    #[arg(long)]
    no_symbols: bool,
    /// Leave out characters that look alike (I l 1 O 0 o |)
    #[arg(long)]
    no_ambiguous: bool,
}

/// Generates a password.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let password = password(&SystemRandom::new(), args.length, &groups(args.no_symbols, args.no_ambiguous))?;
    let Some(reference) = args.record else {
        let answer = json!({ "value": password.as_str() });
        app.console.answer_text(&answer, || format!("{}\n", password.as_str()))?;
        return Ok(Exit::Done);
    };
    let fields = Fields::from([(args.field, json_text(&password))]);
    let saved = save(&app.client()?, &reference, None, |existing| Change {
        record_type: existing.is_none().then(|| infer(&fields)),
        fields,
        remove: Vec::new(),
        tags: Vec::new(),
        inject_only: None,
    })
    .await?;
    app.console.answer(&saved.json, || facts(&saved.data))?;
    app.console.next(&format!("vaultterm record get {} --reveal", name_of(&reference, &saved.data)));
    Ok(Exit::Done)
}

fn groups(no_symbols: bool, no_ambiguous: bool) -> Vec<Vec<u8>> {
    let used: &[&[u8]] = if no_symbols { &[LOWER, UPPER, DIGITS] } else { &[LOWER, UPPER, DIGITS, SYMBOLS] };
    let wanted = |byte: &u8| !(no_ambiguous && AMBIGUOUS.contains(byte));
    used.iter().map(|group| group.iter().copied().filter(wanted).collect()).collect()
}

/// Returns a password that is uniformly distributed among those with a character of every group. A password
/// without one is discarded as a whole, which favours no other password.
fn password(random: &dyn SecureRandom, length: u16, groups: &[Vec<u8>]) -> Result<Zeroizing<String>, Failure> {
    const TRIES_MAX: u32 = 10_000;
    let alphabet = groups.concat();
    for _ in 0..TRIES_MAX {
        let drawn = draw(random, length, &alphabet)?;
        if groups.iter().all(|group| drawn.bytes().any(|byte| group.contains(&byte))) {
            return Ok(drawn);
        }
    }
    Err(Failure::local("no password with every kind of character was drawn").hint("choose a larger --length"))
}

/// Returns uniformly distributed characters. Bytes beyond the last whole multiple of the alphabet's size are
/// skipped.
fn draw(random: &dyn SecureRandom, length: u16, alphabet: &[u8]) -> Result<Zeroizing<String>, Failure> {
    let fair = 256 - 256 % alphabet.len();
    let mut text = Zeroizing::new(String::with_capacity(length.into()));
    let mut bytes = Zeroizing::new([0_u8; 64]);
    while text.len() < length.into() {
        random.fill(&mut *bytes).map_err(|_| Failure::local("the system gives no random bytes"))?;
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

    fn generated(length: u16, no_symbols: bool, no_ambiguous: bool) -> String {
        let groups = groups(no_symbols, no_ambiguous);
        password(&SystemRandom::new(), length, &groups).expect("generated").to_string()
    }

    #[test]
    fn a_password_has_its_length_and_a_character_of_every_kind() {
        for length in [8, 24, 200, 1024] {
            let password = generated(length, false, false);
            assert_eq!(password.len(), usize::from(length));
            for group in groups(false, false) {
                assert!(password.bytes().any(|byte| group.contains(&byte)), "{length}");
            }
        }
    }

    #[test]
    fn what_is_left_out_never_appears() {
        let password = generated(1024, true, true);
        assert!(password.bytes().all(|byte| byte.is_ascii_alphanumeric() && !AMBIGUOUS.contains(&byte)));
    }

    #[test]
    fn passwords_differ() {
        let drawn: BTreeSet<_> = (0..100).map(|_| generated(24, false, false)).collect();
        assert_eq!(drawn.len(), 100);
    }
}
