//! `/imports/{id}`: what each item of a file becomes, what is lost and what is here already, before anything is stored; and
//! what became of it afterwards.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;
use vaultterm_exchange::{Duplicates, Fate, ImportState, SkipReason};
use vaultterm_operations::{
    Refusal,
    imports::{self, Going, Review, Undone},
    outline,
};
use vaultterm_reconcile::SecretPath;

use super::{
    going,
    rows::{self, Becomes, Lines, Ordered, ROWS, RefusedRow, Row},
    words,
};
use crate::{
    request::Id,
    state::ServerState,
    web::{
        assets,
        frame::{Frame, Here},
        link::{self, Query as Address},
        page::{show as shown, show_as},
        parts::{self, Choice, Filter},
        refused::{Refused, sentence},
        visitor::Visitor,
        words::{Moment, counted, to_the_minute},
    },
};

/// What is asked for, in the address. What does not fit is left out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    duplicates: String,
    /// `look`: only the items about which there is something to say.
    only: String,
    from: String,
    /// What became of the records just now, as [`Undone`] counts them.
    trashed: Option<u64>,
    restored: u64,
    kept: u64,
    in_trash: u64,
}

impl Asked {
    fn duplicates(&self) -> Duplicates {
        self.duplicates.parse().unwrap_or(Duplicates::Skip)
    }

    fn address(&self) -> Address {
        Address::default().with("duplicates", &self.duplicates).with("only", &self.only)
    }

    fn only_look(&self) -> bool {
        self.only == "look"
    }
}

/// A choice for items that are here already with other values.
#[derive(Debug)]
struct DuplicatesChoice {
    value: &'static str,
    words: &'static str,
    means: &'static str,
    chosen: bool,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "import/show.html")]
pub(crate) struct ImportPage {
    frame: Frame,
    id: Uuid,
    title: String,
    format: &'static str,
    /// Collection and path, in words.
    place: String,
    told: String,
    wrong: Option<String>,
    is_open: bool,
    /// What only the person can decide, with the address where to do so.
    questions: Vec<(&'static str, &'static str)>,
    again: String,
    choices: Vec<DuplicatesChoice>,
    only: String,
    refused: Lines<RefusedRow>,
    /// What is lost, what changes, what is to be known: each with its heading.
    losses: Vec<(&'static str, Lines<String>)>,
    filters: Vec<Filter>,
    rows: Vec<Row>,
    foot: String,
    next: Option<String>,
    consequence: Vec<String>,
    /// What the button that imports says; `None` if nothing would be stored.
    button: Option<String>,
    plan: String,
    duplicates: &'static str,
    kept: Option<Moment>,
    undo_until: Option<String>,
    records: String,
    command: String,
}

/// `GET /imports/{id}`
pub(crate) async fn show(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let wrong = match imports::going(&app, &visitor.caller, id).await? {
        Some(Going::On { progress, head, collection }) => {
            return going::show(&app, &visitor, progress, head, collection).await;
        }
        Some(Going::Failed(why)) => Some(sentence(&why)),
        None => None,
    };
    let review = imports::review(&app, &visitor.caller, id, asked.duplicates()).await?;
    Ok(shown(&ImportPage { wrong, ..page(&app, &visitor, &review, &asked).await? }))
}

/// Shows what would happen now, after it was refused to do what the person saw.
pub(super) async fn again(
    app: &ServerState,
    visitor: &Visitor,
    id: Uuid,
    duplicates: Duplicates,
    refusal: &Refusal,
) -> Result<Response, Refused> {
    let review = imports::review(app, &visitor.caller, id, duplicates).await?;
    let asked = Asked { duplicates: duplicates.as_str().to_owned(), ..Asked::default() };
    let wrong = Some(format!("{} This is what would happen now.", sentence(&refusal.detail)));
    let page = ImportPage { wrong, ..page(app, visitor, &review, &asked).await? };
    Ok(show_as(StatusCode::CONFLICT, &page))
}

async fn page(app: &ServerState, visitor: &Visitor, review: &Review, asked: &Asked) -> Result<ImportPage, Refused> {
    let frame = Frame::around(app, visitor, Here::Records).await?;
    let collection = review.import.collection_id;
    let connections = outline::connections(app, &visitor.caller).await?;
    let own = connections.into_iter().filter(|found| found.connection.collection_id == collection);
    let connections: Vec<String> = own.map(|found| found.connection.name).collect();
    Ok(of(review, asked, frame.in_collection(collection.0), &connections, app.now_us()))
}

fn of(review: &Review, asked: &Asked, frame: Frame, connections: &[String], now_us: i64) -> ImportPage {
    let Review { import, head, counts, duplicates, .. } = review;
    let (id, is_open) = (import.id, import.state == ImportState::Reviewed);
    let shelf = frame.collections.iter().find(|shelf| shelf.id == import.collection_id.0);
    let collection = shelf.map(|shelf| shelf.name.clone()).unwrap_or_default();
    let prefix = head.prefix.as_ref().map(SecretPath::as_str);
    let ordered = Ordered::of(review);
    let from = asked.from.parse().unwrap_or(0);
    let (rows, all) = ordered.page(asked.only_look(), from);
    let next = from.saturating_add(ROWS);
    let again = Address::default().with("in", import.collection_id.0).with("prefix", prefix.unwrap_or_default());
    ImportPage {
        id,
        title: head.file_name.clone().unwrap_or_else(|| "Import".to_owned()),
        format: import.format.title(),
        place: prefix.map_or_else(|| collection.clone(), |prefix| format!("{collection} / {prefix}")),
        told: told(review, asked),
        is_open,
        questions: if is_open {
            review.report.questions.iter().map(|one| words::question(*one)).collect()
        } else {
            Vec::new()
        },
        again: again.with("format", import.format).on("/import"),
        choices: if is_open { choices(review) } else { Vec::new() },
        only: asked.only.clone(),
        refused: rows::refused(review),
        losses: rows::losses(review),
        filters: filters(asked, id, ordered.look.len(), review.items.len()),
        foot: foot(from, rows.len(), all),
        next: (next < all).then(|| asked.address().with("from", next).on(&address(id))),
        rows,
        consequence: consequence(review, connections),
        button: words::button(counts).filter(|_| is_open),
        plan: review.plan.clone(),
        duplicates: duplicates.as_str(),
        kept: is_open.then(|| Moment::seen(import.expires_us(), now_us)),
        undo_until: import.undo_until_us().filter(|until| *until > now_us).map(to_the_minute),
        records: link::records_in(
            import.collection_id.0,
            &prefix.map(|prefix| format!("{prefix}/")).unwrap_or_default(),
        ),
        command: words::command(&collection, prefix, *duplicates),
        wrong: None,
        frame,
    }
}

/// Returns the page of an import.
pub(super) fn address(id: Uuid) -> String {
    format!("/imports/{id}")
}

fn told(review: &Review, asked: &Asked) -> String {
    let import = &review.import;
    let counts = words::counts(import.found, &review.counts, import.state != ImportState::Reviewed);
    match import.state {
        ImportState::Reviewed => format!("Nothing is imported yet. {counts}"),
        ImportState::Done => format!("Imported. {counts}"),
        ImportState::Undone => match asked.trashed {
            Some(trashed) => {
                words::undone(Undone { trashed, restored: asked.restored, kept: asked.kept, in_trash: asked.in_trash })
            }
            None => format!("Undone. {counts}"),
        },
    }
}

/// Lists the choices for items that are here already with other values, if there are such items.
fn choices(review: &Review) -> Vec<DuplicatesChoice> {
    let is_kept = |fate: &Fate| matches!(fate, Fate::Skip { reason: SkipReason::Kept, .. });
    if review.duplicates == Duplicates::Skip && !review.fates.iter().any(is_kept) {
        return Vec::new();
    }
    let choice = |choice: &Duplicates| {
        let (words, means) = words::choice(*choice);
        DuplicatesChoice { value: choice.as_str(), words, means, chosen: *choice == review.duplicates }
    };
    Duplicates::ALL.iter().map(choice).collect()
}

fn filters(asked: &Asked, id: Uuid, look: usize, all: usize) -> Vec<Filter> {
    if look == 0 || look == all {
        return Vec::new();
    }
    let choice = |only: &str, words: String| {
        let other = Asked { only: only.to_owned(), ..asked.clone() };
        Choice { words, href: other.address().on(&address(id)), chosen: asked.only_look() == other.only_look() }
    };
    let choices =
        vec![choice("", format!("every item ({all})")), choice("look", format!("what needs a look ({look})"))];
    vec![Filter { name: "Show", choices }]
}

fn foot(from: usize, rows: usize, all: usize) -> String {
    match rows {
        0 => String::new(),
        rows if rows == all => counted(all as u64, "item", "items"),
        rows => format!("items {} to {} of {all}", from + 1, from + rows),
    }
}

/// Words what importing does.
fn consequence(review: &Review, connections: &[String]) -> Vec<String> {
    let counts = &review.counts;
    let mut sentences = Vec::new();
    if counts.created > 0 {
        sentences.push(format!("{} made.", counted(counts.created, "record is", "records are")));
    }
    if counts.updated > 0 {
        let gets = counted(counts.updated, "record here gets", "records here get");
        sentences.push(format!("{gets} the values of the file as the next revision."));
    }
    match crate::view::imports::elsewhere(review) {
        0 => {}
        1 => sentences
            .push("1 of them lies outside the target folder: an earlier import brought its item there.".to_owned()),
        several => sentences.push(format!(
            "{several} of them lie outside the target folder: an earlier import brought their items there."
        )),
    }
    sentences.push("All of it happens together, or nothing. For a day you can undo it.".to_owned());
    sentences.extend(connections.iter().map(|name| {
        format!("The next run of {name} decides about writing them to Vault, by its options; its plan says so first.")
    }));
    sentences
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    fn row(becomes: Becomes) -> Row {
        Row {
            place: "row 2".to_owned(),
            folder: "<b> / ".to_owned(),
            name: "<b>".to_owned(),
            kind: "Password",
            becomes,
            remarks: vec!["field `<b>` is lost".to_owned()],
        }
    }

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let path = || "<b>".to_owned();
        let question = words::question(vaultterm_exchange::Question::KeepNested);
        let asked = Asked::default();
        let refused = RefusedRow { place: "row 3".to_owned(), name: path(), why: "a `<b>` is too long".to_owned() };
        let rows = || {
            vec![
                row(Becomes::New(path())),
                row(Becomes::Revision { revision: 3, path: path(), href: "/records/x".to_owned() }),
                row(Becomes::LeftOut(path())),
                row(Becomes::Refused),
            ]
        };
        let (words, means) = words::choice(Duplicates::Update);
        let open = ImportPage {
            title: path(),
            place: path(),
            is_open: true,
            wrong: Some(path()),
            questions: vec![question],
            choices: vec![DuplicatesChoice { value: "update", words, means, chosen: true }],
            refused: Lines { shown: vec![refused], more: 3 },
            losses: vec![("What is lost", Lines { shown: vec!["attachment `<b>`".to_owned()], more: 1 })],
            filters: filters(&asked, Uuid::nil(), 1, 2),
            rows: rows(),
            next: Some("/imports/x?from=100".to_owned()),
            consequence: vec!["<b> decides.".to_owned()],
            button: Some("Import 2 records".to_owned()),
            kept: Some(Moment::seen(1, 0)),
            ..ImportPage::default()
        };
        let done = ImportPage { rows: rows(), undo_until: Some(to_the_minute(1)), ..ImportPage::default() };
        let nothing = ImportPage { is_open: true, kept: Some(Moment::seen(1, 0)), ..ImportPage::default() };
        vec![
            ("import to review", open.render().unwrap()),
            ("import that is done", done.render().unwrap()),
            ("import of nothing", nothing.render().unwrap()),
        ]
    }

    #[test]
    fn the_filter_is_offered_when_it_would_change_the_list() {
        let asked = Asked { only: "look".to_owned(), duplicates: "both".to_owned(), ..Asked::default() };
        assert!(filters(&asked, Uuid::nil(), 0, 5).is_empty() && filters(&asked, Uuid::nil(), 5, 5).is_empty());
        let made = filters(&asked, Uuid::nil(), 2, 5);
        let (every, look) = (&made[0].choices[0], &made[0].choices[1]);
        assert!(look.chosen && !every.chosen);
        assert!(every.href.ends_with("?duplicates=both") && look.href.ends_with("?duplicates=both&only=look"));
        assert_eq!(look.words, "what needs a look (2)");
    }

    #[test]
    fn the_foot_says_which_part_of_the_list_is_shown() {
        assert_eq!(foot(0, 0, 0), "");
        assert_eq!(foot(0, 1, 1), "1 item");
        assert_eq!(foot(100, 12, 112), "items 101 to 112 of 112");
    }
}
