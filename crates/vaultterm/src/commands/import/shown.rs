//! What a person reads before the decision: where each item goes, what is lost, what cannot come over.

use std::fmt::Write as _;

use vaultterm_contract::{CollectionView, ImportItemView, ImportSummaryView, ImportView, ItemFate};
use vaultterm_exchange::{Effect, ImportState, Question};

use crate::{
    printable::printable,
    table::{Table, moment},
};

/// The items that are listed at most, unless all are asked for.
pub(super) const ITEMS_MAX: usize = 40;

/// Returns how many items become what.
pub(super) fn counts(import: &ImportView) -> Table {
    let counts = &import.counts;
    let (created, updated) =
        if import.state == ImportState::Reviewed { ("new", "changed") } else { ("created", "updated") };
    Table::of_facts()
        .fact("found", counts.found.to_string())
        .fact(created, counts.created.to_string())
        .fact(updated, counts.updated.to_string())
        .fact("left out", counts.skipped.to_string())
        .fact("refused", counts.refused.to_string())
        .fact("import", import.id.to_string())
}

/// Returns the imports of the last week.
pub(super) fn list(imports: &[ImportSummaryView], collections: &[CollectionView]) -> Table {
    let table =
        Table::new(&["READ", "FILE", "FORMAT", "INTO", "STATE", "ITEMS", "ID"], "no imports within the last week");
    imports.iter().fold(table, |table, import| {
        let collection = collections.iter().find(|one| one.id == import.collection_id);
        let name = collection.map_or_else(|| import.collection_id.to_string(), |one| one.name.clone());
        let prefix = import.prefix.as_deref().map(|prefix| format!("/{prefix}")).unwrap_or_default();
        table.row([
            moment(&import.created_at),
            short(import.file_name.as_deref().unwrap_or_default()),
            import.format.to_string(),
            format!("{name}{prefix}"),
            import.state.to_string(),
            import.found.to_string(),
            import.id.to_string(),
        ])
    })
}

/// Returns the report on a file.
pub(super) fn report(import: &ImportView, items: &[ImportItemView], all: bool) -> String {
    let mut text = String::new();
    let name = import.file_name.as_deref().map(|name| format!("{}: ", printable(name))).unwrap_or_default();
    let _ = writeln!(text, "{name}{}", import.format.title());
    text.push_str(&counts(import).render(true));
    if import.elsewhere > 0 {
        let (lie, items) = if import.elsewhere == 1 { ("lies", "its item") } else { ("lie", "their items") };
        let _ = writeln!(
            text,
            "{} of the records that change {lie} outside the target folder: an earlier import brought {items} there",
            import.elsewhere
        );
    }
    let listed = if all { items.len() } else { items.len().min(ITEMS_MAX) };
    if listed > 0 {
        text.push('\n');
        let table = Table::new(&["AT", "ITEM", "BECOMES", ""], "");
        let table = items[..listed].iter().fold(table, |table, item| {
            let path = item.path.clone().unwrap_or_default();
            table.row([
                item.place.clone(),
                short(&item.name),
                format!("{} {}", word(item), short(&path)),
                remarks(item),
            ])
        });
        text.push_str(&table.render(true));
        if items.len() > listed {
            text.push_str("… and more: --all lists every item\n");
        }
    }
    for refused in &import.refused {
        let name = refused.name.as_deref().map(|name| format!(" {}", printable(name))).unwrap_or_default();
        let _ = writeln!(text, "refused: {}{name}: {}", refused.place, printable(&refused.why));
    }
    for effect in Effect::ALL {
        let mut losses = import.losses.iter().filter(|loss| loss.effect == *effect).peekable();
        if losses.peek().is_some() {
            let _ = writeln!(text, "\n{}:", effect.title());
        }
        for loss in losses {
            let _ = writeln!(text, "  {}", printable(&loss.text));
        }
    }
    for question in &import.questions {
        let _ = writeln!(text, "\n{}", asked(*question));
    }
    text
}

/// The characters of a name in a table. One that is longer would make every row as wide.
const NAME_CHARS_MAX: usize = 80;

/// Returns a name, or its beginning if it is long.
fn short(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        Some(_) => name.chars().take(NAME_CHARS_MAX - 1).chain(['…']).collect(),
        None => name.to_owned(),
    }
}

fn word(item: &ImportItemView) -> &'static str {
    match item.fate {
        ItemFate::Create if item.trashed => "in the trash:",
        ItemFate::Create => "new:",
        ItemFate::Update => "changes",
        ItemFate::Skip => "left out:",
        ItemFate::Refuse => "refused",
    }
}

fn remarks(item: &ImportItemView) -> String {
    let mut remarks = Vec::new();
    if item.renamed {
        remarks.push("another name than in the file".to_owned());
    }
    remarks.extend(item.reason.clone());
    remarks.extend(item.losses.iter().map(|loss| loss.text.clone()));
    remarks.join("; ")
}

fn asked(question: Question) -> &'static str {
    match question {
        Question::DecodeEntities => {
            "Some values hold `&amp;`, which LastPass writes for `&` in some of its versions. They come over as they are. \
             If they should read `&`, import again with --decode-entities."
        }
        Question::KeepNested => {
            "Some values are JSON objects, which look like folders. They become folders. If they are values of one secret, \
             import again with --keep-nested."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_so_that_no_table_is_thousands_of_columns_wide() {
        assert_eq!(short(&"é".repeat(NAME_CHARS_MAX)), "é".repeat(NAME_CHARS_MAX));
        let cut = short(&"é".repeat(3_000));
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (NAME_CHARS_MAX, true));
    }
}
