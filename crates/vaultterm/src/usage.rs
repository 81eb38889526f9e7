//! Removes the given values from usage errors.
//!
//! Clap repeats what it cannot use. On this command line that can be a password in the wrong place (`run
//! --env PGPASSWORD=hunter2`, `login hunter2`). The errors therefore contain only the name of the argument
//! and the reason.

use clap::{
    Error,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// The text in place of a value.
const MASK: &str = "…";

/// Removes every given value from an error.
pub(crate) fn without_values(mut error: Error) -> Error {
    let given = matches!(
        error.get(ContextKind::InvalidValue),
        // An empty value stands for a missing one, which clap words differently.
        Some(ContextValue::String(text)) if !text.is_empty()
    );
    if given {
        error.insert(ContextKind::InvalidValue, ContextValue::String(MASK.to_owned()));
    }
    let unknown = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) if error.kind() == ErrorKind::UnknownArgument => !is_flag(text),
        _ => false,
    };
    if unknown {
        error.insert(ContextKind::InvalidArg, ContextValue::String(MASK.to_owned()));
        // The suggestion repeats the argument in the form with `--` before it.
        error.remove(ContextKind::Suggested);
    }
    error
}

/// Returns whether an argument has the form of VaultTerm's flags.
fn is_flag(text: &str) -> bool {
    text.strip_prefix("--").is_some_and(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    fn shown(line: &str) -> String {
        let error = Cli::command().try_get_matches_from(line.split(' ')).expect_err(line);
        without_values(error).render().to_string()
    }

    #[test]
    fn no_usage_error_repeats_a_value() {
        for line in [
            "vaultterm run --env PGPASSWORD=hunter2 -- psql",
            "vaultterm run hunter2",
            "vaultterm login hunter2",
            "vaultterm login --email a@b -hunter2",
            "vaultterm login --email a@b --password=hunter2",
            "vaultterm login --email a@b --password hunter2",
            "vaultterm whoami hunter2",
            "vaultterm --format hunter2 whoami",
            "vaultterm record set app/db =hunter2",
            "vaultterm record set hunter2 a=b",
            "vaultterm record set app/db --inject-only=hunter2",
            "vaultterm record set app/db --if-revision hunter2 a=-",
            "vaultterm record generate --length hunter2",
            "vaultterm conflict show hunter2",
            "vaultterm conflict resolve 01932b8e-0000-7000-8000-000000000000 --field password=hunter2",
            "vaultterm connection policy --mount a --mode hunter2",
            "vaultterm connection create a --option hunter2 --collection b --mount c --mode push --role-id d",
            "vaultterm token create a --scope hunter2",
            "vaultterm token create a --scope admin --expires-in hunter2",
            "vaultterm audit ls --from hunter2",
            "vaultterm audit prune --before hunter2",
            "vaultterm license issue --key k --tier team --licensee l --expires hunter2",
            "vaultterm read hunter2",
            "vaultterm sync apply hunter2",
        ] {
            let text = shown(line);
            assert!(!text.contains("hunter2"), "{line}\n{text}");
        }
    }

    #[test]
    fn a_usage_error_names_the_argument_the_reason_and_what_is_possible() {
        let text = shown("vaultterm run --env PGPASSWORD=hunter2 -- psql");
        assert!(text.contains("for '--env <NAME=REF>': a reference looks like vt://"), "{text}");
        let text = shown("vaultterm connection create a --collection b --mount c --mode both --role-id d");
        assert!(text.contains("'--mode <MODE>'") && text.contains("bidirectional"), "{text}");
        let text = shown("vaultterm login --email a@b --password hunter2");
        assert!(text.contains("'--password' found") && text.contains("--password-file"), "{text}");
    }
}
