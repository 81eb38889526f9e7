//! `/records`: every record of the person's collections, searched and narrowed by links. `/trash`: those in the trash.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;
use vaultterm_contract::shell::word;
use vaultterm_operations::outline;
use vaultterm_reconcile::RecordType;
use vaultterm_store::{CollectionRole, ConnectionSummary, Found, Page, Search, SyncFilter};
use vaultterm_sync::{CollectionId, RecordState};

use super::standing;
use crate::{
    state::ServerState,
    web::{
        assets,
        frame::{Folder, Frame, Here},
        link::{self, Query as Address},
        page::show,
        parts::{self, Choice, Filter, State as Word},
        refused::Refused,
        visitor::Visitor,
        words::{Moment, counted, type_name},
    },
};

/// Rows of a page.
const ROWS: u32 = 100;

/// The states that the list is narrowed by: the name in the address, the words, what the search takes.
const STATES: [(&str, &str, SyncFilter); 4] = [
    ("in_step", "in step", SyncFilter::InStep),
    ("ahead", "differs", SyncFilter::Differs),
    ("conflict", "needs a decision", SyncFilter::NeedsDecision),
    ("only", "VaultTerm only", SyncFilter::HereOnly),
];

/// What is asked for, in the address. A parameter that does not fit is left out: an old link still shows a list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    q: String,
    r#in: String,
    prefix: String,
    r#type: String,
    tag: String,
    state: String,
    cursor: String,
    /// How many records were changed just now.
    changed: Option<u64>,
    /// How many records were moved here just now.
    moved: Option<u64>,
    /// `none` after a button was pressed without a tick, `many` after it was pressed with too many.
    ticked: String,
}

impl Asked {
    fn address(&self) -> Address {
        Address::default()
            .with("q", &self.q)
            .with("in", &self.r#in)
            .with("prefix", &self.prefix)
            .with("type", &self.r#type)
            .with("tag", &self.tag)
            .with("state", &self.state)
    }

    fn collection(&self) -> Option<Uuid> {
        self.r#in.parse().ok()
    }

    fn search(&self, state: RecordState) -> Search {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Search {
            query: given(&self.q),
            collection: self.collection().map(CollectionId),
            prefix: given(&self.prefix),
            record_type: self.r#type.parse().ok(),
            tag: given(&self.tag),
            standing: STATES.iter().find(|(name, ..)| *name == self.state).map(|(.., standing)| *standing),
            state,
        }
    }

    /// Returns the address of the same list with one parameter set otherwise, from its first page on.
    fn but(&self, change: impl FnOnce(&mut Self)) -> String {
        let mut other = Self { cursor: String::new(), ..self.clone() };
        change(&mut other);
        other.address().on("/records")
    }
}

/// A row of the list.
#[derive(Debug)]
pub(crate) struct Row {
    id: Uuid,
    revision: u64,
    collection: String,
    path: String,
    kind: &'static str,
    tags: Vec<Tag>,
    state: Word,
    who: String,
    when: Moment,
}

#[derive(Debug)]
pub(crate) struct Tag {
    name: String,
    href: String,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "records/list.html")]
pub(crate) struct ListPage {
    frame: Frame,
    title: String,
    told: String,
    query: String,
    filters: Vec<Filter>,
    rows: Vec<Row>,
    narrowed: bool,
    /// Whether the visitor may change records here, or somewhere if the list is about all collections.
    may_edit: bool,
    /// Whether the visitor may move records out of here and to the trash, and connect a Vault.
    may_manage: bool,
    new_href: String,
    import_href: String,
    export_href: String,
    foot: String,
    next: Option<String>,
    command: String,
}

/// The page of the trash.
#[derive(Debug, Default, Template)]
#[template(path = "records/trash_list.html")]
pub(crate) struct TrashPage {
    frame: Frame,
    told: String,
    rows: Vec<Row>,
    foot: String,
    next: Option<String>,
    command: String,
}

/// `GET /records`
pub(crate) async fn list(
    State(app): State<ServerState>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let page = Page { limit: ROWS, cursor: Some(asked.cursor.clone()).filter(|cursor| !cursor.is_empty()) };
    let found = outline::search(&app, &visitor.caller, &asked.search(RecordState::Live), &page).await?;
    let connections = outline::connections(&app, &visitor.caller).await?;
    let mut frame = Frame::around(&app, &visitor, Here::Records).await?;
    frame.query.clone_from(&asked.q);
    if let Some(id) = asked.collection() {
        frame = with_folders(&app, &visitor, frame.in_collection(id), &asked).await?;
    }
    let shelf = frame.collections.iter().find(|shelf| shelf.here).map(|shelf| shelf.name.clone());
    let may = |role| asked.collection().map_or_else(|| frame.roles.anywhere(role), |id| frame.roles.on(id, role));
    let here = Address::default().with("in", &asked.r#in).with("prefix", asked.prefix.trim_matches('/'));
    let now_us = app.now_us();
    let row = |found| row(found, &connections, now_us);
    let rows: Vec<Row> = found.items.into_iter().map(row).collect();
    Ok(show(&ListPage {
        title: shelf.clone().map_or_else(|| "All records".to_owned(), |name| title_in(&name, &asked.prefix)),
        told: told(&asked, shelf.as_deref()),
        filters: filters(&asked),
        may_edit: may(CollectionRole::Editor),
        may_manage: may(CollectionRole::Admin),
        narrowed: asked.address().on("") != Address::default().with("in", &asked.r#in).on(""),
        new_href: Address::default().with("in", &asked.r#in).with("path", &asked.prefix).on("/records/new"),
        import_href: here.clone().on("/import"),
        export_href: here.on("/export"),
        foot: foot(rows.len(), found.next_cursor.is_some()),
        next: found.next_cursor.map(|cursor| asked.address().with("cursor", cursor).on("/records")),
        command: command(&asked, shelf.as_deref()),
        query: asked.q,
        rows,
        frame,
    }))
}

/// `GET /trash`
pub(crate) async fn trash(
    State(app): State<ServerState>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let page = Page { limit: ROWS, cursor: Some(asked.cursor.clone()).filter(|cursor| !cursor.is_empty()) };
    let search = Search { state: RecordState::Trash, ..Search::default() };
    let found = outline::search(&app, &visitor.caller, &search, &page).await?;
    let connections = outline::connections(&app, &visitor.caller).await?;
    let now_us = app.now_us();
    let rows: Vec<Row> = found.items.into_iter().map(|found| row(found, &connections, now_us)).collect();
    Ok(show(&TrashPage {
        frame: Frame::around(&app, &visitor, Here::Trash).await?,
        told: asked
            .moved
            .map_or_else(String::new, |moved| format!("{} moved here.", counted(moved, "record was", "records were"))),
        foot: foot(rows.len(), found.next_cursor.is_some()),
        next: found.next_cursor.map(|cursor| Address::default().with("cursor", cursor).on("/trash")),
        command: "vaultterm record ls --trash".to_owned(),
        rows,
    }))
}

/// Adds the folders of the collection, and those below the folder that is shown.
async fn with_folders(app: &ServerState, visitor: &Visitor, mut frame: Frame, asked: &Asked) -> Result<Frame, Refused> {
    let Some(id) = asked.collection() else { return Ok(frame) };
    let Some(shelf) = frame.collections.iter_mut().find(|shelf| shelf.here) else { return Ok(frame) };
    let parent = if asked.prefix.ends_with('/') { asked.prefix.as_str() } else { "" };
    if !parent.is_empty() {
        let name = parent.trim_end_matches('/').to_owned();
        shelf.folders.push(Folder { name, href: link::records_in(id, parent), here: true });
    }
    for name in outline::folders(app, &visitor.caller, id, parent).await? {
        let prefix = format!("{parent}{name}/");
        let shown = if parent.is_empty() { name } else { format!("… / {name}") };
        shelf.folders.push(Folder { name: shown, href: link::records_in(id, &prefix), here: false });
    }
    Ok(frame)
}

fn row(found: Found, connections: &[ConnectionSummary], now_us: i64) -> Row {
    let Found { record, collection, changed_by, changed_through, .. } = found;
    let through = changed_through.and_then(|id| connections.iter().find(|known| known.connection.id == id));
    let tag = |name: &String| Tag { name: name.clone(), href: Address::default().with("tag", name).on("/records") };
    Row {
        id: record.id.0,
        revision: record.revision.0,
        path: record.path.as_str().to_owned(),
        kind: type_name(record.record_type),
        tags: record.tags.iter().map(tag).collect(),
        state: standing::of_record(&record.sync, connections),
        who: through.map_or(changed_by, |found| format!("from Vault by {}", found.connection.name)),
        when: Moment::seen(record.deleted_us.unwrap_or(record.updated_us), now_us),
        collection,
    }
}

fn title_in(collection: &str, prefix: &str) -> String {
    if prefix.is_empty() { collection.to_owned() } else { format!("{collection} / {}", prefix.trim_end_matches('/')) }
}

fn told(asked: &Asked, shelf: Option<&str>) -> String {
    if let Some(changed) = asked.changed {
        return format!("{} changed.", counted(changed, "record was", "records were"));
    }
    if asked.ticked == "none" {
        return "Tick the records first.".to_owned();
    }
    if asked.ticked == "many" {
        return "The values of at most 100 records are shown together: tick fewer.".to_owned();
    }
    let place = shelf.map_or_else(|| "in all your collections".to_owned(), |name| format!("in {name}"));
    if asked.q.is_empty() { String::new() } else { format!("Records that match “{}” {place}.", asked.q) }
}

fn foot(rows: usize, more: bool) -> String {
    match (rows, more) {
        (0, _) => String::new(),
        (1, false) => "1 record".to_owned(),
        (rows, false) => format!("{rows} records on this page"),
        (rows, true) => format!("{rows} records on this page, and more"),
    }
}

fn filters(asked: &Asked) -> Vec<Filter> {
    let kinds = RecordType::ALL.iter().map(|kind| Choice {
        words: type_name(*kind).to_owned(),
        href: asked.but(|other| kind.as_str().clone_into(&mut other.r#type)),
        chosen: asked.r#type == kind.as_str(),
    });
    let any_kind = Choice {
        words: "any".to_owned(),
        href: asked.but(|other| other.r#type.clear()),
        chosen: asked.r#type.is_empty(),
    };
    let states = STATES.iter().map(|(name, words, _)| Choice {
        words: (*words).to_owned(),
        href: asked.but(|other| (*name).clone_into(&mut other.state)),
        chosen: asked.state == *name,
    });
    let any_state = Choice {
        words: "any".to_owned(),
        href: asked.but(|other| other.state.clear()),
        chosen: asked.state.is_empty(),
    };
    let mut filters = vec![
        Filter { name: "In Vault", choices: std::iter::once(any_state).chain(states).collect() },
        Filter { name: "Type", choices: std::iter::once(any_kind).chain(kinds).collect() },
    ];
    if !asked.tag.is_empty() {
        let all = Choice { words: "any".to_owned(), href: asked.but(|other| other.tag.clear()), chosen: false };
        let this = Choice { words: asked.tag.clone(), href: asked.but(|_| ()), chosen: true };
        filters.push(Filter { name: "Tag", choices: vec![all, this] });
    }
    filters
}

fn command(asked: &Asked, shelf: Option<&str>) -> String {
    let place = shelf.map(|name| match asked.prefix.as_str() {
        "" => name.to_owned(),
        prefix => format!("{name}/{prefix}"),
    });
    let mut command =
        place.map_or_else(|| "vaultterm record ls".to_owned(), |place| format!("vaultterm record ls {}", word(&place)));
    for (option, value) in [("--query", &asked.q), ("--type", &asked.r#type), ("--tag", &asked.tag)] {
        if !value.is_empty() {
            command.push_str(&format!(" {option} {}", word(value)));
        }
    }
    command
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    fn sample() -> Row {
        Row {
            id: Uuid::nil(),
            revision: 3,
            collection: "team".to_owned(),
            path: "apps/<b>pay".to_owned(),
            kind: "API key",
            tags: vec![Tag { name: "<b>".to_owned(), href: "/records?tag=x".to_owned() }],
            state: Word { tone: "waits", words: "needs a decision" },
            who: "<b>ann".to_owned(),
            when: Moment::seen(0, 1),
        }
    }

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let asked = Asked { q: "<b>".to_owned(), tag: "<b>".to_owned(), ..Asked::default() };
        let list = |rows| ListPage {
            title: "All records".to_owned(),
            told: told(&asked, None),
            filters: filters(&asked),
            command: command(&asked, None),
            query: asked.q.clone(),
            next: Some("/records?cursor=x".to_owned()),
            may_edit: true,
            may_manage: true,
            rows,
            ..ListPage::default()
        };
        let trash = |rows| TrashPage { rows, ..TrashPage::default() };
        vec![
            ("records", list(vec![sample()]).render().unwrap()),
            ("no records", list(Vec::new()).render().unwrap()),
            ("trash", trash(vec![sample()]).render().unwrap()),
            ("empty trash", trash(Vec::new()).render().unwrap()),
        ]
    }

    #[test]
    fn a_choice_changes_one_parameter_and_begins_at_the_first_page() {
        let asked = Asked { q: "a b".to_owned(), state: "only".to_owned(), cursor: "x".to_owned(), ..Asked::default() };
        let filters = filters(&asked);
        assert_eq!(filters[0].choices[1].href, "/records?q=a%20b&state=in_step");
        assert_eq!(filters[0].choices[0].href, "/records?q=a%20b");
        assert!(filters[0].choices[4].chosen && !filters[0].choices[0].chosen);
    }

    #[test]
    fn the_command_quotes_what_was_searched_for() {
        let asked = Asked { q: "it's".to_owned(), prefix: "apps/".to_owned(), ..Asked::default() };
        assert_eq!(command(&asked, Some("team")), r"vaultterm record ls team/apps/ --query 'it'\''s'");
    }
}
