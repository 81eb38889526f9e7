//! The rows of what only pages ask for.

use vaultterm_reconcile::Revision;
use vaultterm_store::Search;

use super::*;
use crate::{outline, surroundings};

const NEVER: Revision = Revision(999);
const NEVER_MADE: Uuid = Uuid::from_u128(77);

/// Returns the rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        row!("surroundings::of", Token, [], |s, c, i| surroundings::of(s, c).await),
        row!("outline::search", Token, [RecordsRead], |s, c, i| {
            outline::search(s, c, &Search::default(), &Page::default()).await
        }),
        row!("records::everywhere::everywhere", Token, [RecordsRead], |s, c, i| {
            crate::records::everywhere(s, c, crate::records::Everywhere::default()).await
        }),
        row!("records::relocate::relocation", ADMIN, [RecordsRead], |s, c, i| {
            crate::records::relocation(s, c, i.record, i.collection).await
        }),
        row!("records::relocate::relocate", ADMIN, [RecordsWrite], |s, c, i| {
            crate::records::relocate(s, c, i.record, STALE, i.collection, None).await
        }),
        row!("records::many::change", EDITOR, [RecordsWrite], |s, c, i| {
            let one = crate::records::ReadOne { id: i.record, revision: 999 };
            let many = crate::records::Many::Tag { add: vec![text("x")], remove: Vec::new() };
            crate::records::change_many(s, c, &[one], many).await
        }),
        row!("records::many::reveal", VIEWER, [RecordsReveal], |s, c, i| {
            crate::records::reveal_many(s, c, &[i.record], None).await
        }),
        row!("records::many::review", ADMIN, [RecordsRead], |s, c, i| {
            crate::records::review_many(s, c, &[i.record], crate::records::Many::Trash).await
        }),
        row!("records::who::who", VIEWER, [RecordsRead], |s, c, i| crate::records::who(s, c, i.record, part()).await),
        row!("generator::generate", Token, [RecordsWrite], |s, c, i| {
            crate::generator::generate(s, c, vaultterm_sealing::PasswordRules::default()).await
        }),
        row!("generator::recent", Token, [RecordsWrite], |s, c, i| crate::generator::recent(s, c).await),
        row!("generator::reveal", Token, [RecordsWrite], |s, c, i| crate::generator::reveal(s, c, NEVER_MADE).await),
        row!("outline::folders", VIEWER, [RecordsRead], |s, c, i| outline::folders(s, c, i.collection, "").await),
        row!("outline::connections", Token, [RecordsRead], |s, c, i| outline::connections(s, c).await),
        row!("outline::outline", VIEWER, [RecordsRead], |s, c, i| outline::outline(s, c, i.record).await),
        row!("outline::for_edit", EDITOR, [RecordsWrite], |s, c, i| outline::for_edit(s, c, i.record).await),
        row!("outline::preview", EDITOR, [RecordsWrite], |s, c, i| {
            outline::preview(s, c, i.record, NEVER.0, "a", "{}").await
        }),
        row!("outline::preview_new", EDITOR, [RecordsWrite], |s, c, i| {
            outline::preview_new(s, c, i.collection, "..", "{}").await
        }),
        row!("outline::changes", VIEWER, [RecordsRead], |s, c, i| {
            outline::changes(s, c, i.record, NEVER, NEVER).await
        }),
    ]
}
