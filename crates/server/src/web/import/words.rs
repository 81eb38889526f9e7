//! What an import does and did, in words.

use vaultterm_contract::{CHANGES_ELSEWHERE, shell::word, skipped_because};
use vaultterm_exchange::{Duplicates, Fate, ImportState, Item, Question, is_elsewhere};
use vaultterm_reconcile::SecretPath;
use vaultterm_store::{StepCounts, Undone};

use crate::web::{parts::State, words::counted};

/// Words for an import that stores records at this moment.
pub(super) const GOES_ON: State = State { tone: "off", words: "goes on" };

/// Words for how far an import is.
pub(super) const fn state(state: ImportState) -> State {
    let (tone, words) = match state {
        ImportState::Reviewed => ("waits", "waits for you"),
        ImportState::Done => ("good", "imported"),
        ImportState::Undone => ("off", "undone"),
    };
    State { tone, words }
}

/// Words what becomes of the items, or became of them: `212 items found: 200 become new records, 3 change records`.
pub(super) fn counts(found: u64, counts: &StepCounts, is_done: bool) -> String {
    if found == 0 {
        return "The file holds no item.".to_owned();
    }
    let StepCounts { created, updated, skipped, refused } = *counts;
    // One item, several items; now, and when it is done.
    let told = |count: u64, words: [&str; 3]| {
        let word = if is_done {
            words[2]
        } else if count == 1 {
            words[0]
        } else {
            words[1]
        };
        format!("{count} {word}")
    };
    let became = if created == 1 { "became a new record" } else { "became new records" };
    let changed = if updated == 1 { "changed a record" } else { "changed records" };
    let was = if skipped == 1 { "was left out" } else { "were left out" };
    let parts = [
        (created, ["becomes a new record", "become new records", became]),
        (updated, ["changes a record", "change records", changed]),
        (skipped, ["is left out", "are left out", was]),
        (refused, ["cannot come over", "cannot come over", "could not come over"]),
    ];
    let parts: Vec<String> =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, words)| told(count, words)).collect();
    format!("{} found: {}.", counted(found, "item", "items"), parts.join(", "))
}

/// Words the button that imports; `None` if nothing would be stored.
pub(super) fn button(counts: &StepCounts) -> Option<String> {
    let (made, changed) = (counts.created, counts.updated);
    match (made, changed) {
        (0, 0) => None,
        (made, 0) => Some(format!("Import {}", counted(made, "record", "records"))),
        (0, changed) => Some(format!("Change {}", counted(changed, "record", "records"))),
        (made, changed) => Some(format!("Import {}, and change {changed}", counted(made, "record", "records"))),
    }
}

/// Words what a choice for duplicates means: what it is called, and what happens.
pub(super) const fn choice(duplicates: Duplicates) -> (&'static str, &'static str) {
    match duplicates {
        Duplicates::Skip => ("Leave the records here as they are", "Their items are left out."),
        Duplicates::Update => (
            "Change the records here",
            "Each gets the values of its item as its next revision. The revision before stays in its history.",
        ),
        Duplicates::Both => ("Keep both", "The item becomes a record of its own, with a number behind its name."),
    }
}

/// Words what only the person can decide: what was met, and what to tick if it was meant otherwise.
pub(super) const fn question(question: Question) -> (&'static str, &'static str) {
    match question {
        Question::DecodeEntities => (
            "Values of this file hold `&amp;`, which LastPass writes for `&` in some of its versions. They come over to the letter.",
            "If each stands for `&`, bring the file again and say so there.",
        ),
        Question::KeepNested => (
            "Values of this file are JSON objects, which look like folders. They were read as folders.",
            "If they are values, bring the file again and say so there.",
        ),
    }
}

/// Words what became of the records of an import that was undone.
pub(super) fn undone(undone: Undone) -> String {
    let Undone { trashed, restored, kept, in_trash } = undone;
    let parts = [
        (trashed, counted(trashed, "record went to the trash", "records went to the trash")),
        (restored, counted(restored, "record has its earlier values again", "records have their earlier values again")),
        (
            kept,
            counted(
                kept,
                "stays as it is, because somebody changed, moved or trashed it since",
                "stay as they are, because somebody changed, moved or trashed them since",
            ),
        ),
        (
            in_trash,
            counted(in_trash, "was put into the trash and stays there", "were put into the trash and stay there"),
        ),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, words)| words).collect();
    if parts.is_empty() {
        "Undone: there was nothing to take back.".to_owned()
    } else {
        format!("Undone: {}.", parts.join(", "))
    }
}

/// Lists what is to be said about an item of an import that goes below a prefix.
pub(super) fn remarks(item: &Item, fate: &Fate, prefix: Option<&SecretPath>) -> Vec<String> {
    let is_elsewhere = is_elsewhere(fate, prefix);
    let mut remarks = Vec::new();
    match fate {
        Fate::Create { is_renamed: true, .. } => remarks.push("another name than in the file".to_owned()),
        Fate::Skip { reason, .. } => remarks.push(skipped_because(*reason, is_elsewhere).to_owned()),
        Fate::Refuse { why } => remarks.push(why.clone()),
        Fate::Update { .. } if is_elsewhere => remarks.push(CHANGES_ELSEWHERE.to_owned()),
        Fate::Create { .. } | Fate::Update { .. } => {}
    }
    if matches!(fate, Fate::Skip { .. } | Fate::Refuse { .. }) {
        return remarks;
    }
    if item.is_trashed {
        remarks.push("goes to the trash, as in the file".to_owned());
    }
    if matches!(fate, Fate::Create { .. }) && !item.history.is_empty() {
        let past = item.history.len() as u64;
        remarks.push(counted(past, "earlier state becomes a revision", "earlier states become revisions"));
    }
    remarks.extend(item.losses.iter().map(ToString::to_string));
    remarks
}

/// Returns the command that does the same.
pub(super) fn command(collection: &str, prefix: Option<&str>, duplicates: Duplicates) -> String {
    let place = match (collection, prefix) {
        ("", _) => "COLLECTION/PREFIX".to_owned(),
        (collection, None) => collection.to_owned(),
        (collection, Some(prefix)) => format!("{collection}/{prefix}"),
    };
    let mut command = format!("vaultterm import FILE --into {}", word(&place));
    if duplicates != Duplicates::Skip {
        command.push_str(&format!(" --duplicates {duplicates}"));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_add_up_in_one_sentence() {
        let some = StepCounts { created: 200, updated: 3, skipped: 8, refused: 1 };
        assert_eq!(
            counts(212, &some, false),
            "212 items found: 200 become new records, 3 change records, 8 are left out, 1 cannot come over."
        );
        assert_eq!(
            counts(212, &some, true),
            "212 items found: 200 became new records, 3 changed records, 8 were left out, 1 could not come over."
        );
        let one = StepCounts { created: 1, updated: 0, skipped: 1, refused: 0 };
        assert_eq!(counts(2, &one, false), "2 items found: 1 becomes a new record, 1 is left out.");
        assert_eq!(counts(0, &StepCounts::default(), false), "The file holds no item.");
    }

    #[test]
    fn what_became_of_an_import_that_was_undone_is_said_without_noughts() {
        assert_eq!(
            undone(Undone { trashed: 3, restored: 0, kept: 0, in_trash: 0 }),
            "Undone: 3 records went to the trash."
        );
        assert_eq!(
            undone(Undone { trashed: 20, restored: 1, kept: 2, in_trash: 1 }),
            "Undone: 20 records went to the trash, 1 record has its earlier values again, 2 stay as they are, because \
             somebody changed, moved or trashed them since, 1 was put into the trash and stays there."
        );
        assert_eq!(
            undone(Undone { trashed: 0, restored: 0, kept: 0, in_trash: 0 }),
            "Undone: there was nothing to take back."
        );
    }

    #[test]
    fn the_button_says_what_it_does_and_there_is_none_for_nothing() {
        let of = |created, updated| button(&StepCounts { created, updated, ..StepCounts::default() });
        assert_eq!(of(0, 0), None);
        assert_eq!(of(1, 0).as_deref(), Some("Import 1 record"));
        assert_eq!(of(0, 2).as_deref(), Some("Change 2 records"));
        assert_eq!(of(20, 3).as_deref(), Some("Import 20 records, and change 3"));
    }

    #[test]
    fn the_command_names_the_place_and_the_choice() {
        assert_eq!(command("", None, Duplicates::Skip), "vaultterm import FILE --into COLLECTION/PREFIX");
        assert_eq!(
            command("my team", Some("apps"), Duplicates::Update),
            "vaultterm import FILE --into 'my team/apps' --duplicates update"
        );
    }
}
