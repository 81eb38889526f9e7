//! `/records/{id}`: a record, its places in Vault, who can see it. Values are masked until a person asks for one.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;
use vaultterm_operations::outline::{self, Outline, SideOfVault};
use vaultterm_reconcile::{Mode, RecordType};
use vaultterm_sealing::short;
use vaultterm_store::{CollectionRole, Member};

use super::standing;
use crate::{
    request::Id,
    state::ServerState,
    web::{
        assets,
        frame::{Frame, Here},
        link,
        page::show as shown,
        parts::{self, State as Word},
        refused::Refused,
        visitor::Visitor,
        words::{Moment, counted, field_label, type_name, usual_fields},
    },
};

/// One place of a record in Vault, beside the record.
#[derive(Debug)]
pub(crate) struct SideLine {
    state: Word,
    connection_id: Uuid,
    connection: String,
    paused: bool,
    verified: Option<Moment>,
    glyph: &'static str,
    place: String,
    version: String,
    written: Option<Moment>,
}

/// A field, masked.
#[derive(Debug)]
pub(crate) struct FieldLine {
    pub(crate) name: String,
    pub(crate) label: String,
    /// How long the value is, and eight digits of its digest.
    pub(crate) told: String,
    /// The value, after a person asked for it.
    pub(crate) value: Option<zeroize::Zeroizing<String>>,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "records/show.html")]
pub(crate) struct ShowPage {
    pub(crate) frame: Frame,
    pub(crate) id: Uuid,
    pub(crate) path: String,
    pub(crate) collection: String,
    pub(crate) collection_href: String,
    pub(crate) folders: String,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) tags: Vec<String>,
    /// What just happened.
    pub(crate) told: String,
    pub(crate) revision: u64,
    pub(crate) changed_by: String,
    pub(crate) changed: Option<Moment>,
    pub(crate) deleted: Option<Moment>,
    pub(crate) sides: Vec<SideLine>,
    pub(crate) fields: Vec<FieldLine>,
    pub(crate) has_code: bool,
    /// The one-time code, after a person asked for it.
    pub(crate) code: Option<String>,
    pub(crate) inject_only: bool,
    pub(crate) members: Vec<String>,
    pub(crate) may_edit: bool,
    pub(crate) may_trash: bool,
    pub(crate) command: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    saved: Option<u64>,
    restored: Option<u64>,
}

/// `GET /records/{id}`
pub(crate) async fn show(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let mut page = page(&app, &visitor, id).await?;
    page.told = match (asked.saved, asked.restored) {
        (Some(revision), _) if revision == page.revision => format!("Saved as revision {revision}."),
        (_, Some(revision)) if revision == page.revision => format!("Restored as revision {revision}."),
        _ => String::new(),
    };
    Ok(shown(&page))
}

/// Makes the page of a record, masked.
pub(crate) async fn page(app: &ServerState, visitor: &Visitor, id: Uuid) -> Result<ShowPage, Refused> {
    let found = outline::outline(app, &visitor.caller, id).await?;
    let here = if found.record.deleted_us.is_some() { Here::Trash } else { Here::Records };
    let frame = Frame::around(app, visitor, here).await?;
    Ok(of(found, frame, app.now_us()))
}

fn of(found: Outline, frame: Frame, now_us: i64) -> ShowPage {
    let Outline { record, collection, role, contents, newest, sides, members } = found;
    let path = record.path.as_str().to_owned();
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path.as_str()));
    let live = record.deleted_us.is_none();
    let fields = in_order(record.record_type, contents.keys().map(String::as_str));
    let field = |name: &str| FieldLine {
        name: name.to_owned(),
        label: field_label(name),
        told: contents.get(name).map_or(String::new(), |field| {
            format!("{} · {}", counted(field.length, "character", "characters"), short(&field.digest))
        }),
        value: None,
    };
    let has = |name: &str| contents.contains_key(name);
    ShowPage {
        id: record.id.0,
        collection_href: link::records_in(collection.id.0, ""),
        command: format!("vaultterm record get {}/{path}", collection.name),
        folders: folders.replace('/', " / "),
        name: name.to_owned(),
        kind: type_name(record.record_type),
        tags: record.tags.clone(),
        told: String::new(),
        revision: record.revision.0,
        changed_by: newest.map_or_else(String::new, |newest| newest.actor),
        changed: Some(Moment::seen(record.updated_us, now_us)),
        deleted: record.deleted_us.map(|us| Moment::seen(us, now_us)),
        path: path.clone(),
        sides: sides.iter().map(|side| side_line(side, &path, now_us)).collect(),
        fields: fields.into_iter().map(field).collect(),
        has_code: live && (has("otpauth_url") || has("totp_secret")),
        code: None,
        inject_only: record.inject_only,
        members: members.iter().map(member).collect(),
        may_edit: live && role >= CollectionRole::Editor,
        may_trash: live && role >= CollectionRole::Admin,
        collection: collection.name,
        frame: frame.in_collection(collection.id.0),
    }
}

/// Sorts the names of fields as the form of the type does; what the type does not know comes last, by name.
pub(crate) fn in_order<'a>(kind: RecordType, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let usual = usual_fields(kind);
    let mut names: Vec<&str> = names.collect();
    names.sort_by_key(|name| (usual.iter().position(|known| known == name).unwrap_or(usual.len()), *name));
    names
}

fn side_line(side: &SideOfVault, path: &str, now_us: i64) -> SideLine {
    let summary = &side.connection;
    SideLine {
        state: standing::state(&side.sync, Some(summary)),
        connection_id: summary.connection.id.0,
        connection: summary.connection.name.clone(),
        paused: summary.connection.paused,
        verified: summary.last_verified_us.map(|us| Moment::seen(us, now_us)),
        glyph: match summary.connection.options.mode {
            Mode::Push => "→",
            Mode::Pull => "←",
            Mode::Bidirectional => "⇄",
        },
        place: standing::place(side, path),
        version: side.agreed.as_ref().map_or("not written yet".to_owned(), |one| format!("version {}", one.version.0)),
        written: side.agreed.as_ref().map(|one| Moment::seen(one.written.0.div_euclid(1_000), now_us)),
    }
}

fn member(member: &Member) -> String {
    let does = match member.role {
        CollectionRole::Viewer => "sees it",
        CollectionRole::Editor => "sees and edits it",
        CollectionRole::Admin => "sees, edits and deletes it, and says who else does",
        CollectionRole::Owner => "owns the collection",
    };
    format!("{} {does}", member.email)
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn sample() -> ShowPage {
        ShowPage {
            path: "<b>".to_owned(),
            collection: "<b>".to_owned(),
            folders: "<b> / c".to_owned(),
            name: "<b>".to_owned(),
            kind: "Password",
            tags: vec!["<b>".to_owned()],
            told: "Saved as revision 8.".to_owned(),
            revision: 8,
            changed_by: "<b>ann".to_owned(),
            changed: Some(Moment::seen(0, 1)),
            sides: vec![SideLine {
                state: Word { tone: "good", words: "in step" },
                connection_id: Uuid::nil(),
                connection: "<b>".to_owned(),
                paused: false,
                verified: Some(Moment::seen(0, 1)),
                glyph: "⇄",
                place: "kv/<b>".to_owned(),
                version: "version 12".to_owned(),
                written: Some(Moment::seen(0, 1)),
            }],
            fields: vec![
                FieldLine {
                    name: "<b>".to_owned(),
                    label: "<b>".to_owned(),
                    told: "24 characters · a91f02c4".to_owned(),
                    value: None,
                },
                FieldLine {
                    name: "shown".to_owned(),
                    label: "Shown".to_owned(),
                    told: String::new(),
                    value: Some("<b>value".to_owned().into()),
                },
            ],
            has_code: true,
            members: vec!["<b> sees it".to_owned()],
            may_edit: true,
            may_trash: true,
            command: "vaultterm record get <b>".to_owned(),
            ..ShowPage::default()
        }
    }

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let trashed = ShowPage { deleted: Some(Moment::seen(0, 1)), may_edit: false, may_trash: false, ..sample() };
        let hidden = ShowPage { inject_only: true, sides: Vec::new(), ..sample() };
        vec![
            ("record", sample().render().unwrap()),
            ("record in the trash", trashed.render().unwrap()),
            ("record for programs", hidden.render().unwrap()),
        ]
    }

    #[test]
    fn fields_stand_in_the_order_of_their_type() {
        let names = ["zeta", "url", "alpha", "password", "username"];
        let sorted = in_order(RecordType::Password, names.into_iter());
        assert_eq!(sorted, ["username", "password", "url", "alpha", "zeta"]);
    }
}
