//! Lists of the form `key=value,key=value`, as OpenTelemetry has them for attributes and headers.

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

/// A list that cannot be read. The error names the place and not the text, because a value may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {place} is not of the form key=value")]
pub struct NotPairs {
    /// The place in the list, from 1.
    pub place: usize,
}

/// Reads a list. `%2C` in a value stands for a comma, and so on.
///
/// # Errors
/// [`NotPairs`].
pub fn pairs(text: &str) -> Result<Vec<(String, Zeroizing<String>)>, NotPairs> {
    let entries = text.split(',').enumerate().filter(|(_, entry)| !entry.trim().is_empty());
    let pair = |(at, entry): (usize, &str)| {
        let malformed = NotPairs { place: at + 1 };
        let (key, value) = entry.split_once('=').ok_or(malformed)?;
        let value = percent_decode_str(value.trim()).decode_utf8().map_err(|_| malformed)?;
        let key = key.trim();
        if key.is_empty() { Err(malformed) } else { Ok((key.to_owned(), Zeroizing::new(value.into_owned()))) }
    };
    entries.map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_with_its_escapes_and_one_that_cannot_be_meant_names_only_the_place() {
        let read = pairs("deployment.environment.name=prod, x=a%2Cb%20c,authorization=Basic YTpi==,").unwrap();
        let read: Vec<_> = read.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(read, [("deployment.environment.name", "prod"), ("x", "a,b c"), ("authorization", "Basic YTpi==")]);
        for (text, place) in [("a=b,hunter2", 2), ("=hunter2", 1), ("a=%ff", 1)] {
            let error = pairs(text).unwrap_err();
            assert_eq!(error, NotPairs { place });
            assert!(!error.to_string().contains("hunter2"));
        }
        assert!(pairs("").unwrap().is_empty());
    }
}
