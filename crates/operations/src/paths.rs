//! Paths as callers name them.

use std::collections::BTreeSet;

use vaultterm_reconcile::SecretPath;

use crate::refusal::Refusal;

/// The largest number of paths that a request may name.
const PATHS_MAX: usize = 10_000;

/// Reads a list of paths. `field` is the name of the list in the request.
///
/// # Errors
/// `Invalid` for a text that is not a path, or for too many of them.
pub(crate) fn read(field: &str, texts: &[String]) -> Result<BTreeSet<SecretPath>, Refusal> {
    read_some(field, texts, PATHS_MAX)
}

/// Reads a list of at most `max` paths.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_some(field: &str, texts: &[String], max: usize) -> Result<BTreeSet<SecretPath>, Refusal> {
    if texts.len() > max {
        return Err(Refusal::field(field, format!("names more than {max} paths")));
    }
    let path = |(at, text): (usize, &String)| {
        SecretPath::new(text.as_str()).map_err(|error| Refusal::field(format!("{field}[{at}]"), error.to_string()))
    };
    texts.iter().enumerate().map(path).collect()
}
