//! `/records/{id}`: a record, its places in Vault, who can see it. Values are masked until a person asks for one.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;
use vaultterm_contract::shell::word;
use vaultterm_operations::{
    Part,
    outline::{self, Outline, SideOfVault},
    records::{self, Seer, Seers},
};
use vaultterm_reconcile::{Mode, RecordType};
use vaultterm_sealing::short;
use vaultterm_store::{AgreedVersion, CollectionRole, SeenVersion};

use super::standing;
use crate::{
    request::Id,
    state::ServerState,
    view::makers,
    web::{
        assets,
        frame::{Frame, Here},
        link,
        page::show as shown,
        parts::{self, State as Word},
        refused::Refused,
        visitor::Visitor,
        words::{Moment, counted, does, field_label, type_name, usual_fields},
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
    /// The newest version that is known.
    version: String,
    /// When it was written, by whom, and which version both sides agree on if that is another one.
    written: String,
    exact: String,
    /// The page of the conflict that a person must decide.
    decide: Option<String>,
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

/// Who can see the record, and why.
#[derive(Debug)]
pub(crate) struct SeerLine {
    email: String,
    does: &'static str,
    /// Who gave the role, and when.
    source: parts::RoleSource,
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
    /// How many fields there are, where a box to filter them is shown.
    pub(crate) many_fields: Option<usize>,
    pub(crate) fields_query: String,
    pub(crate) has_code: bool,
    /// The one-time code, after a person asked for it.
    pub(crate) code: Option<String>,
    pub(crate) inject_only: bool,
    pub(crate) ask_again: bool,
    pub(crate) seers: Vec<SeerLine>,
    pub(crate) more_seers: bool,
    pub(crate) may_edit: bool,
    pub(crate) may_trash: bool,
    pub(crate) command: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    saved: Option<u64>,
    restored: Option<u64>,
    moved: Option<u64>,
    /// What the names of the fields that are shown hold.
    fields: String,
}

/// With more fields than these, a box filters them by name.
const FIELDS_WITHOUT_FILTER: usize = 12;

impl ShowPage {
    /// Leaves the fields whose name holds a text, whatever its case.
    fn narrow(&mut self, query: &str) {
        let wanted = query.trim().to_lowercase();
        let holds = |text: &str| text.to_lowercase().contains(&wanted);
        self.fields.retain(|field| holds(&field.name) || holds(&field.label));
        query.trim().clone_into(&mut self.fields_query);
    }
}

/// `GET /records/{id}`
pub(crate) async fn show(
    State(app): State<ServerState>,
    visitor: Visitor,
    Id(id): Id,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    let mut page = page(&app, &visitor, id).await?;
    page.narrow(&asked.fields);
    let now = |told: Option<u64>| told.filter(|revision| *revision == page.revision);
    page.told = match (now(asked.saved), now(asked.restored), now(asked.moved)) {
        (Some(revision), ..) => format!("Saved as revision {revision}."),
        (_, Some(revision), _) => format!("Restored as revision {revision}."),
        (.., Some(revision)) => format!("Moved to {}, as revision {revision}.", page.collection),
        _ => String::new(),
    };
    Ok(shown(&page))
}

/// Makes the page of a record, masked.
pub(crate) async fn page(app: &ServerState, visitor: &Visitor, id: Uuid) -> Result<ShowPage, Refused> {
    let found = outline::outline(app, &visitor.caller, id).await?;
    let who = records::who(app, &visitor.caller, id, Part::default()).await?;
    let here = if found.record.deleted_us.is_some() { Here::Trash } else { Here::Records };
    let frame = Frame::around(app, visitor, here).await?;
    Ok(of(found, &who, frame, app.now_us()))
}

fn of(found: Outline, who: &Seers, frame: Frame, now_us: i64) -> ShowPage {
    let Outline { record, collection, role, contents, newest, sides } = found;
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
        command: format!("vaultterm record get {}", word(&format!("{}/{path}", collection.name))),
        folders: folders.replace('/', " / "),
        name: name.to_owned(),
        kind: type_name(record.record_type),
        tags: record.tags.clone(),
        told: String::new(),
        revision: record.revision.0,
        changed_by: newest.as_ref().map_or_else(String::new, |newest| makers(newest).named()),
        changed: Some(Moment::seen(record.updated_us, now_us)),
        deleted: record.deleted_us.map(|us| Moment::seen(us, now_us)),
        path: path.clone(),
        sides: sides.iter().map(|side| side_line(side, &path, now_us)).collect(),
        many_fields: Some(fields.len()).filter(|count| *count > FIELDS_WITHOUT_FILTER),
        fields_query: String::new(),
        fields: fields.into_iter().map(field).collect(),
        has_code: live && (has("otpauth_url") || has("totp_secret")),
        code: None,
        inject_only: record.inject_only,
        ask_again: record.ask_again,
        seers: who.people.iter().map(|seer| seer_line(seer, now_us)).collect(),
        more_seers: who.next_cursor.is_some(),
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
    let (version, written, exact) = side_words(side.agreed.as_ref(), side.sync.seen.as_ref(), now_us);
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
        version,
        written,
        exact,
        decide: side.sync.conflict.map(|id| format!("/conflicts/{id}")),
    }
}

/// Words the newest version in Vault that is known, who wrote it and when, and the exact time.
fn side_words(agreed: Option<&AgreedVersion>, seen: Option<&SeenVersion>, now_us: i64) -> (String, String, String) {
    let by = |writer: &Option<String>| writer.as_ref().map_or_else(String::new, |name| format!(" by {name}"));
    let agreed_us = agreed.map(|one| one.written.0.div_euclid(1_000));
    if let Some(seen) = seen {
        let when = seen.written_us.map(|us| Moment::seen(us, now_us));
        let version = match (seen.version, seen.is_deleted) {
            (Some(version), false) => format!("version {}", version.0),
            (Some(version), true) => format!("version {}, deleted", version.0),
            (None, _) => "not there any more".to_owned(),
        };
        let did = if seen.is_deleted { "deleted" } else { "written" };
        // Vault tells when a version was written, and not when it was deleted.
        let at = when.as_ref().filter(|_| !seen.is_deleted).map_or_else(String::new, |when| format!(" {}", when.words));
        let before = agreed.map_or_else(
            || "; nothing agreed on yet".to_owned(),
            |one| format!("; both sides agreed on version {}", one.version.0),
        );
        return (
            version,
            format!("{did}{at}{}{before}", by(&seen.writer)),
            when.map_or_else(String::new, |when| when.exact),
        );
    }
    match (agreed, agreed_us) {
        (Some(one), Some(us)) => {
            let when = Moment::seen(us, now_us);
            let words = format!("agreed on, written {}{}", when.words, by(&one.writer));
            (format!("version {}", one.version.0), words, when.exact)
        }
        _ => ("not written yet".to_owned(), "nothing agreed on yet".to_owned(), String::new()),
    }
}

fn seer_line(seer: &Seer, now_us: i64) -> SeerLine {
    SeerLine {
        email: seer.email.clone(),
        does: does(seer.role),
        source: parts::role_source(seer.given.as_ref(), now_us),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use vaultterm_reconcile::{Revision, UnixNanos, Version};
    use vaultterm_sync::ConnectionId;

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
                written: "agreed on, written just now by <b>".to_owned(),
                exact: "<b>".to_owned(),
                decide: Some("/conflicts/<b>".to_owned()),
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
            many_fields: Some(13),
            fields_query: "<b>".to_owned(),
            has_code: true,
            seers: vec![SeerLine { email: "<b>".to_owned(), does: "sees it", source: parts::RoleSource::default() }],
            may_edit: true,
            may_trash: true,
            command: "vaultterm record get <b>".to_owned(),
            ..ShowPage::default()
        }
    }

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let trashed = ShowPage { deleted: Some(Moment::seen(0, 1)), may_edit: false, may_trash: false, ..sample() };
        let hidden = ShowPage { inject_only: true, ask_again: true, sides: Vec::new(), ..sample() };
        vec![
            ("record", sample().render().unwrap()),
            ("record in the trash", trashed.render().unwrap()),
            ("record for programs", hidden.render().unwrap()),
        ]
    }

    #[test]
    fn the_side_of_vault_says_who_wrote_the_newest_version_that_a_run_saw() {
        let now_us = 10 * 3_600_000_000;
        let agreed = AgreedVersion {
            connection_id: ConnectionId(Uuid::nil()),
            path: "a".to_owned(),
            revision: Revision(1),
            version: Version(12),
            written: UnixNanos(8 * 3_600_000_000_000),
            writer: Some("VaultTerm".to_owned()),
        };
        let seen = |version, is_deleted, writer: Option<&str>| SeenVersion {
            version,
            written_us: version.map(|_| 7 * 3_600_000_000),
            is_deleted,
            writer: writer.map(str::to_owned),
        };
        let words = |agreed: Option<&AgreedVersion>, seen: Option<&SeenVersion>| {
            let (version, written, _) = side_words(agreed, seen, now_us);
            format!("{version} · {written}")
        };
        let agreed = Some(&agreed);
        assert_eq!(words(agreed, None), "version 12 · agreed on, written 2 h ago by VaultTerm");
        assert_eq!(
            words(agreed, Some(&seen(Some(Version(13)), false, Some("approle jenkins")))),
            "version 13 · written 3 h ago by approle jenkins; both sides agreed on version 12"
        );
        assert_eq!(
            words(agreed, Some(&seen(Some(Version(12)), true, Some("somebody outside VaultTerm")))),
            "version 12, deleted · deleted by somebody outside VaultTerm; both sides agreed on version 12"
        );
        assert_eq!(words(None, Some(&seen(None, true, None))), "not there any more · deleted; nothing agreed on yet");
        assert_eq!(words(None, None), "not written yet · nothing agreed on yet");
    }

    #[test]
    fn fields_are_narrowed_by_their_name_or_label() {
        let mut page = sample();
        page.narrow(" SHO ");
        assert_eq!(page.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["shown"]);
        let mut page = sample();
        page.narrow("");
        assert_eq!(page.fields.len(), 2);
    }

    #[test]
    fn fields_stand_in_the_order_of_their_type() {
        let names = ["zeta", "url", "alpha", "password", "username"];
        let sorted = in_order(RecordType::Password, names.into_iter());
        assert_eq!(sorted, ["username", "password", "url", "alpha", "zeta"]);
    }
}
