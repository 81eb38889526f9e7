//! Changes the arguments of the process before clap reads them.

use std::ffi::{OsStr, OsString};

/// The flags that stand alone or before `true` or `false`.
const SWITCHES: [&str; 1] = ["--inject-only"];

/// Joins a switch with a following `true` or `false`: `--inject-only false` becomes `--inject-only=false`.
/// Clap can take the next word as a value by itself, but then it would take any word, including a record or
/// field after `--inject-only`. Words after `--` belong to another program and are not changed.
pub(crate) fn joined(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments = arguments.peekable();
    let mut joined = Vec::new();
    while let Some(mut argument) = arguments.next() {
        if argument == "--" {
            joined.push(argument);
            break;
        }
        let truth = |next: &OsString| next == "true" || next == "false";
        if SWITCHES.iter().any(|switch| argument == OsStr::new(switch))
            && let Some(truth) = arguments.next_if(truth)
        {
            argument.push("=");
            argument.push(truth);
        }
        joined.push(argument);
    }
    joined.extend(arguments);
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_takes_a_truth_and_no_other_word() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        for (typed, read) in [
            ("set a/b --inject-only false x=-", "set a/b --inject-only=false x=-"),
            ("set --inject-only true a/b", "set --inject-only=true a/b"),
            ("set --inject-only a/b", "set --inject-only a/b"),
            ("set a/b --inject-only", "set a/b --inject-only"),
            ("set a/b --inject-only=false true", "set a/b --inject-only=false true"),
            ("run -- echo --inject-only false", "run -- echo --inject-only false"),
        ] {
            assert_eq!(joined(words(typed).into_iter()), words(read), "{typed}");
        }
    }
}
