//! Lines of `NAME=VALUE`. Each becomes an `ENV_VAR` with the name of the variable.
//!
//! [`lines`] reads the text. It expands nothing, and refuses a text that the programs which read such files take in
//! different ways.

pub mod lines;

use std::collections::HashMap;

use vaultterm_reconcile::RecordType;

use crate::{
    collect::Collector,
    format::Format,
    item::{Found, Item},
    options::Options,
    place::Place,
    refused::{FileError, Refused},
    text,
};

/// The field that holds the value of a variable.
pub(crate) const FIELD: &str = "value";

/// Reads a file of variables. A variable that a later line sets again is refused, because the later line counts for the
/// programs that read such files.
///
/// # Errors
/// [`FileError::Unclear`] with the line that can be read in more than one way, or not at all.
pub(crate) fn read(bytes: &[u8], _: &Options) -> Result<Found, FileError> {
    let text = text::decode(bytes)?;
    let entries = lines::parse(&text).map_err(|refused| {
        let detail = format!("{}: {}", refused.why.words(), refused.why.hint());
        FileError::Unclear { place: Place::line(refused.line as u64), detail }
    })?;
    let last: HashMap<&str, usize> = entries.iter().map(|entry| (entry.name.as_str(), entry.line)).collect();
    let mut found = Collector::new(Format::Env);
    for entry in &entries {
        let place = Place::line(entry.line as u64);
        let counts = last[entry.name.as_str()];
        if counts != entry.line {
            found.refuse(Refused::new(place, Some(&entry.name), format!("line {counts} sets it again")))?;
            continue;
        }
        let mut item = Item::new(place, &*entry.name, RecordType::EnvVar);
        item.value(FIELD, entry.value.as_str().into());
        found.item(item)?;
    }
    Ok(found.finish())
}

/// Says whether a text is a file of variables: it has at least one, and every line can be read.
pub(crate) fn fits(text: &str) -> bool {
    lines::parse(text).is_ok_and(|entries| !entries.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const SAMPLE: &[u8] = include_bytes!("../tests/samples/env/dot.env");

    #[test]
    fn each_line_becomes_a_variable_as_it_is_written() {
        let found = read(SAMPLE, &Options::default()).unwrap();
        assert_eq!(
            testing::outline(&found),
            [
                "ENV_VAR DATABASE_URL value=\"postgres://app:$ecret@db/app\"",
                "ENV_VAR GREETING value=\"it's ${HOME} \\\\n\"",
                "ENV_VAR EMPTY value=\"\"",
                "ENV_VAR PEM value=\"-----BEGIN KEY-----\\nabc\\n-----END KEY-----\"",
                "ENV_VAR TWICE value=\"second\"",
            ]
        );
        assert_eq!(found.refused, [Refused::new(Place::line(9), Some("TWICE"), "line 10 sets it again")]);
    }

    #[test]
    fn a_line_with_two_meanings_refuses_the_file_with_its_number() {
        let refused = read(b"A=1\nB=x #y\n", &Options::default()).unwrap_err().to_string();
        assert!(refused.starts_with("VaultTerm does not read line 2 of this file: a blank and `#`"), "{refused}");
        assert!(refused.contains("single quotes"), "{refused}");
        assert!(!refused.contains("x #y"), "{refused}");
    }

    #[test]
    fn no_bytes_make_the_reader_panic() {
        testing::shake(SAMPLE, &Options::default(), read);
    }
}
