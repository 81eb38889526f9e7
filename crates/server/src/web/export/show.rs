//! `/export`: what to export, what each format would hold and lose, and how the file is protected.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;
use vaultterm_exchange::Effect;
use vaultterm_operations::exports::{self, FormatReview, Part, Review};
use vaultterm_store::CollectionRole;

use super::words::{self, Sealing};
use crate::{
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here, Shelf},
        page::{show as shown, show_as},
        parts,
        refused::Refused,
        visitor::Visitor,
        words::counted,
    },
};

/// The losses of a format that are named, and the paths of records for programs only.
const LINES: usize = 50;

/// What is asked for. A passphrase is not among it: it is typed again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Typed {
    r#in: String,
    prefix: String,
    pub(super) format: String,
    #[serde(skip)]
    pub(super) sealing: Sealing,
    #[serde(skip)]
    recipients: String,
}

impl Typed {
    pub(super) fn of(pairs: &Pairs) -> Self {
        let text = |name: &str| pairs.text(name).trim().to_owned();
        Self {
            r#in: text("in"),
            prefix: text("prefix"),
            format: text("format"),
            sealing: Sealing::of(pairs.text("sealing")),
            recipients: text("recipients"),
        }
    }

    /// Returns what to export. No collection is nil, which nobody may see.
    pub(super) fn part(&self) -> Part {
        let prefix = Some(self.prefix.clone()).filter(|prefix| !prefix.is_empty());
        Part { collection: self.r#in.parse().unwrap_or_default(), prefix }
    }

    /// Lists the keys for which the file is sealed: one a line.
    pub(super) fn recipients(&self) -> Vec<String> {
        self.recipients.split_whitespace().map(str::to_owned).collect()
    }
}

/// A format, with what it would hold and lose.
#[derive(Debug)]
struct FormatRow {
    name: &'static str,
    title: &'static str,
    purpose: &'static str,
    holds: String,
    /// What becomes of the records in the trash.
    trash: String,
    can: bool,
    losses: Vec<LossRow>,
    more: usize,
    chosen: bool,
}

#[derive(Debug)]
struct LossRow {
    /// Whether it is lost, changes, or is to be known.
    label: &'static str,
    words: String,
    /// The path of a record that it is about.
    example: String,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "export/show.html")]
pub(crate) struct ExportPage {
    frame: Frame,
    told: String,
    typed: Typed,
    chosen: Uuid,
    /// What leaves, in words.
    place: String,
    /// Whether a part was chosen and reviewed.
    is_reviewed: bool,
    formats: Vec<FormatRow>,
    inject_only: Vec<String>,
    more_inject_only: usize,
    /// What is wrong, by the name of the field.
    wrong: Vec<(&'static str, String)>,
    command: String,
}

impl ExportPage {
    fn shelves(&self) -> Vec<&Shelf> {
        self.frame.shelves_as(CollectionRole::Admin).collect()
    }

    fn wrong(&self, field: &str) -> Option<&str> {
        self.wrong.iter().find(|(name, _)| *name == field).map(|(_, message)| message.as_str())
    }

    /// Says whether there is a format that holds anything.
    fn can(&self) -> bool {
        self.formats.iter().any(|format| format.can)
    }
}

/// `GET /export`
pub(crate) async fn show(
    State(app): State<ServerState>,
    visitor: Visitor,
    Query(asked): Query<Typed>,
) -> Result<Response, Refused> {
    if asked.r#in.is_empty() {
        let frame = Frame::around(&app, &visitor, Here::Records).await?;
        return Ok(shown(&of(asked, None, frame)));
    }
    match exports::review(&app, &visitor.caller, &asked.part()).await {
        Ok(review) => {
            let frame = Frame::around(&app, &visitor, Here::Records).await?;
            Ok(shown(&of(asked, Some(&review), frame)))
        }
        Err(refusal) => unread(&app, &visitor, asked, refusal).await,
    }
}

/// Shows the page with a fault of the path.
async fn unread(
    app: &ServerState,
    visitor: &Visitor,
    typed: Typed,
    refusal: vaultterm_operations::Refusal,
) -> Result<Response, Refused> {
    let Some(fault) = refusal.fields.iter().find(|fault| fault.field == "prefix") else { return Err(Refused(refusal)) };
    let wrong = vec![("prefix", crate::web::refused::sentence(&fault.message))];
    let frame = Frame::around(app, visitor, Here::Records).await?;
    Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &ExportPage { wrong, ..of(typed, None, frame) }))
}

/// Shows the page again, with what is wrong. What was typed stays, but for passphrases.
pub(super) async fn again(
    app: &ServerState,
    visitor: &Visitor,
    typed: Typed,
    wrong: (&'static str, String),
) -> Result<Response, Refused> {
    let review = exports::review(app, &visitor.caller, &typed.part()).await?;
    let frame = Frame::around(app, visitor, Here::Records).await?;
    let page = ExportPage { wrong: vec![wrong], ..of(typed, Some(&review), frame) };
    Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &page))
}

fn of(typed: Typed, review: Option<&Review>, frame: Frame) -> ExportPage {
    let chosen = typed.part().collection;
    let collection = frame.collections.iter().find(|shelf| shelf.id == chosen).map_or("", |shelf| shelf.name.as_str());
    let prefix = typed.prefix.trim_matches('/');
    let inject_only = review.map(|review| review.inject_only.as_slice()).unwrap_or_default();
    ExportPage {
        told: told(review),
        chosen,
        place: if prefix.is_empty() { collection.to_owned() } else { format!("{collection} / {prefix}") },
        is_reviewed: review.is_some(),
        formats: review.map(|review| formats(review, &typed.format)).unwrap_or_default(),
        inject_only: inject_only.iter().take(LINES).map(|path| path.as_str().to_owned()).collect(),
        more_inject_only: inject_only.len().saturating_sub(LINES),
        wrong: Vec::new(),
        command: words::command(collection, prefix),
        frame: frame.in_collection(chosen),
        typed,
    }
}

fn told(review: Option<&Review>) -> String {
    let Some(review) = review else {
        return "First you see what each format holds and what it loses. Nothing leaves before you say so.".to_owned();
    };
    match review.records {
        0 => "There is no record here that could leave.".to_owned(),
        records => format!("{} can leave. Nothing has left yet.", counted(records, "record", "records")),
    }
}

/// Counts the kinds of things of the records that a file holds to which this happens.
fn others(one: &FormatReview, effect: Effect) -> u64 {
    let kinds = one.losses.iter().map(|(loss, _)| loss.what);
    kinds.filter(|what| !what.is_whole_record() && what.effect() == effect).count() as u64
}

fn formats(review: &Review, chosen: &str) -> Vec<FormatRow> {
    let loss = |(loss, example): &(vaultterm_exchange::Loss, String)| LossRow {
        label: if loss.what.is_whole_record() { "left out" } else { loss.what.effect().label() },
        words: loss.to_string(),
        example: example.clone(),
    };
    let row = |one: &FormatReview| FormatRow {
        name: one.format.as_str(),
        title: one.format.title(),
        purpose: words::purpose(one.format),
        holds: words::holds(one.records, one.left_out, others(one, Effect::Lost), others(one, Effect::Changed)),
        trash: words::trash(one.trash_held, one.trash_left),
        can: one.records > 0,
        losses: one.losses.iter().take(LINES).map(loss).collect(),
        more: one.losses.len().saturating_sub(LINES),
        chosen: one.format.as_str() == chosen,
    };
    let mut rows: Vec<FormatRow> = review.formats.iter().map(row).collect();
    if !rows.iter().any(|row| row.chosen && row.can) {
        rows.iter_mut().for_each(|row| row.chosen = false);
        if let Some(first) = rows.iter_mut().find(|row| row.can) {
            first.chosen = true;
        }
    }
    rows
}

#[cfg(test)]
pub(crate) mod samples {
    use vaultterm_exchange::{Format, Loss, Lost};

    use super::*;

    fn review() -> Review {
        let losses = vec![(Loss::named(Lost::Field, "<b>"), "<b>/db".to_owned())];
        let one = |format, records, losses| FormatReview {
            format,
            records,
            left_out: 2 - records,
            trash_held: 0,
            trash_left: 1,
            losses,
        };
        Review {
            records: 2,
            inject_only: vec![vaultterm_reconcile::SecretPath::new("<b>").unwrap()],
            formats: vec![
                one(Format::Vaultterm, 2, Vec::new()),
                one(Format::BitwardenCsv, 1, losses),
                one(Format::Env, 0, Vec::new()),
            ],
        }
    }

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let typed = Typed { prefix: "<b>".to_owned(), recipients: "<b>".to_owned(), ..Typed::default() };
        let wrong =
            ["prefix", "format", "passphrase", "recipients", "plain"].map(|name| (name, "<b> is wrong.".to_owned()));
        let page = || of(typed.clone(), Some(&review()), Frame::default());
        let shelf = || Shelf { name: "<b>".to_owned(), ..Shelf::default() };
        let framed = Frame { collections: vec![shelf()], ..Frame::default() };
        vec![
            ("export", page().render().unwrap()),
            ("export refused", ExportPage { wrong: wrong.to_vec(), ..page() }.render().unwrap()),
            ("export of nothing", ExportPage::default().render().unwrap()),
            ("first export", ExportPage { frame: framed, ..ExportPage::default() }.render().unwrap()),
        ]
    }

    #[test]
    fn the_first_format_that_holds_anything_is_chosen_unless_another_was() {
        let chosen = |asked: &str| {
            let rows = formats(&review(), asked);
            rows.iter().filter(|row| row.chosen).map(|row| row.name).collect::<Vec<_>>()
        };
        assert_eq!(chosen(""), ["vaultterm"]);
        assert_eq!(chosen("bitwarden-csv"), ["bitwarden-csv"]);
        assert_eq!(chosen("env"), ["vaultterm"], "it can hold none of them");
    }

    #[test]
    fn recipients_stand_in_lines_of_their_own() {
        let typed = Typed::of(&Pairs::of(&[("recipients", " age1a\r\n\r\nage1b "), ("sealing", "recipients")]));
        assert_eq!(typed.recipients(), ["age1a", "age1b"]);
        assert_eq!(typed.sealing, Sealing::Recipients);
    }
}
