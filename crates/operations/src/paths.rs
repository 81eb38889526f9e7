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
    if texts.len() > PATHS_MAX {
        return Err(Refusal::field(field, format!("names more than {PATHS_MAX} paths")));
    }
    let path = |(at, text): (usize, &String)| {
        SecretPath::new(text.as_str()).map_err(|error| Refusal::field(format!("{field}[{at}]"), error.to_string()))
    };
    texts.iter().enumerate().map(path).collect()
}
