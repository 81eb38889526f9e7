//! The formats of exports and what protects a file, in words.

use vaultterm_contract::shell::word;
use vaultterm_exchange::Format;

use crate::web::words::counted;

/// Says what a format is for. Only formats that VaultTerm writes are asked about.
pub(super) const fn purpose(format: Format) -> &'static str {
    match format {
        Format::Vaultterm => "For another VaultTerm: with revisions, labels and the trash.",
        Format::BitwardenJson => "For Bitwarden, and for the many programs that read its files.",
        Format::BitwardenCsv => "For spreadsheets, and for programs that read no other file. Logins and notes only.",
        Format::Env => "For programs that read variables: lines of NAME=VALUE.",
        Format::Cxf => "For password managers of other makers.",
        _ => "",
    }
}

/// Words how many of the records a format holds, how many it leaves out, and how many kinds of things of those that it holds are
/// lost or change their form.
pub(super) fn holds(records: u64, left_out: u64, lost: u64, changed: u64) -> String {
    if records == 0 {
        return "It can hold none of these records.".to_owned();
    }
    let held = match left_out {
        0 => counted(records, "record", "records"),
        left_out => {
            let left = counted(left_out, "is left out", "are left out");
            format!("{records} of {} records; {left}", records + left_out)
        }
    };
    let mut parts = vec![held];
    match lost {
        0 if left_out == 0 => parts[0].push_str(", without loss"),
        0 => {}
        lost => parts.push(counted(lost, "thing of them is lost", "things of them are lost")),
    }
    if changed > 0 {
        parts.push(counted(changed, "thing changes its form", "things change their form"));
    }
    format!("{}.", parts.join("; "))
}

/// Words what becomes of the records in the trash. Nothing if there are none.
pub(super) fn trash(held: u64, left: u64) -> String {
    match (held, left) {
        (0, 0) => String::new(),
        (0, 1) => "1 record in the trash stays here: only the VaultTerm archive takes the trash along.".to_owned(),
        (0, left) => {
            format!("{left} records in the trash stay here: only the VaultTerm archive takes the trash along.")
        }
        (1, _) => "1 of them is in the trash.".to_owned(),
        (held, _) => format!("{held} of them are in the trash."),
    }
}

/// How the file is protected, as the form names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sealing {
    #[default]
    Passphrase,
    Recipients,
    Plain,
}

impl Sealing {
    pub(super) fn of(text: &str) -> Self {
        match text {
            "recipients" => Self::Recipients,
            "plain" => Self::Plain,
            _ => Self::Passphrase,
        }
    }
}

/// Returns the command that does the same.
pub(super) fn command(collection: &str, prefix: &str) -> String {
    let prefix = prefix.trim_matches('/');
    let part = match (collection, prefix) {
        ("", _) => "COLLECTION/PREFIX".to_owned(),
        (collection, "") => collection.to_owned(),
        (collection, prefix) => format!("{collection}/{prefix}"),
    };
    format!("vaultterm export {} --to FORMAT -o FILE", word(&part))
}

#[cfg(test)]
mod tests {
    use vaultterm_exchange::WRITTEN;

    use super::*;

    #[test]
    fn every_format_that_is_written_says_what_it_is_for() {
        for format in WRITTEN {
            assert!(!purpose(format).is_empty(), "{format}");
        }
    }

    #[test]
    fn a_format_says_how_much_it_holds() {
        assert_eq!(holds(0, 4, 4, 0), "It can hold none of these records.");
        assert_eq!(holds(1, 0, 0, 0), "1 record, without loss.");
        assert_eq!(holds(12, 0, 1, 0), "12 records; 1 thing of them is lost.");
        assert_eq!(holds(12, 0, 0, 3), "12 records, without loss; 3 things change their form.");
        assert_eq!(holds(7, 49, 0, 0), "7 of 56 records; 49 are left out.");
        assert_eq!(
            holds(7, 1, 2, 1),
            "7 of 8 records; 1 is left out; 2 things of them are lost; 1 thing changes its form."
        );
    }

    #[test]
    fn a_format_says_what_becomes_of_the_trash() {
        assert_eq!(trash(0, 0), "");
        assert!(trash(0, 1).starts_with("1 record in the trash stays here"));
        assert!(trash(0, 4).starts_with("4 records in the trash stay here"));
        assert_eq!(
            (trash(1, 0).as_str(), trash(4, 0).as_str()),
            ("1 of them is in the trash.", "4 of them are in the trash.")
        );
    }

    #[test]
    fn the_command_names_what_is_exported() {
        assert_eq!(command("", ""), "vaultterm export COLLECTION/PREFIX --to FORMAT -o FILE");
        assert_eq!(command("my team", "apps/"), "vaultterm export 'my team/apps' --to FORMAT -o FILE");
    }
}
