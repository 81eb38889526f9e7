//! `/import`: the form that brings a file, and the person's imports of the last week.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;
use vaultterm_exchange::{Duplicates, Format};
use vaultterm_operations::{
    Refusal, RefusalKind,
    imports::{self, Head, Upload},
};
use vaultterm_store::{CollectionRole, Import};
use zeroize::Zeroizing;

use super::words;
use crate::{
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here, Shelf},
        multipart::FileForm,
        page::{go_to, show, show_as},
        parts::{self, State as Word},
        refused::{Refused, sentence},
        visitor::Visitor,
        words::{Moment, counted},
    },
};

/// What the form says beside its files. Passwords are not among it: they are asked for again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Typed {
    r#in: String,
    prefix: String,
    format: String,
    decode_entities: String,
    keep_nested: String,
    /// The name of a file whose preview was thrown away just now.
    discarded: Option<String>,
}

impl Typed {
    fn of(pairs: &Pairs) -> Self {
        let text = |name: &str| pairs.text(name).trim().to_owned();
        Self {
            r#in: text("in"),
            prefix: text("prefix"),
            format: text("format"),
            decode_entities: text("decode_entities"),
            keep_nested: text("keep_nested"),
            discarded: None,
        }
    }

    /// Returns the collection, or nil for none, which nobody may see.
    fn collection(&self) -> Uuid {
        self.r#in.parse().unwrap_or_default()
    }
}

/// A format that can be chosen.
#[derive(Clone, Copy, Debug)]
struct FormatChoice {
    name: &'static str,
    title: &'static str,
    chosen: bool,
}

/// An import of the last week.
#[derive(Debug)]
struct Row {
    id: Uuid,
    /// The name of the file, if it has one.
    file: String,
    title: &'static str,
    found: String,
    collection: String,
    state: Word,
    read: Moment,
    kept: Moment,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "import/upload.html")]
pub(crate) struct UploadPage {
    frame: Frame,
    told: &'static str,
    chosen: Uuid,
    typed: Typed,
    formats: Vec<FormatChoice>,
    /// What is wrong, by the name of the field.
    wrong: Vec<(String, String)>,
    rows: Vec<Row>,
    command: String,
}

impl UploadPage {
    fn shelves(&self) -> Vec<&Shelf> {
        self.frame.shelves_as(CollectionRole::Editor).collect()
    }

    fn wrong(&self, field: &str) -> Option<&str> {
        self.wrong.iter().find(|(name, _)| name == field).map(|(_, message)| message.as_str())
    }

    /// Says whether the part about protected files is open from the beginning.
    fn is_protected(&self) -> bool {
        self.wrong("password").is_some() || self.wrong("key_file").is_some()
    }

    /// Says whether the part about how values are meant is open from the beginning.
    fn is_in_doubt(&self) -> bool {
        !self.typed.decode_entities.is_empty() || !self.typed.keep_nested.is_empty()
    }
}

/// `GET /import`
pub(crate) async fn form(
    State(app): State<ServerState>,
    visitor: Visitor,
    Query(asked): Query<Typed>,
) -> Result<Response, Refused> {
    Ok(show(&page(&app, &visitor, asked).await?))
}

async fn page(app: &ServerState, visitor: &Visitor, typed: Typed) -> Result<UploadPage, Refused> {
    let frame = Frame::around(app, visitor, Here::Records).await?;
    let found = imports::list(app, &visitor.caller).await?;
    let (chosen, now_us) = (typed.collection(), app.now_us());
    let collection = |id: Uuid| frame.collections.iter().find(|shelf| shelf.id == id).map(|shelf| shelf.name.as_str());
    let prefix = Some(typed.prefix.trim_matches('/')).filter(|prefix| !prefix.is_empty());
    Ok(UploadPage {
        told: if typed.discarded.is_some() { "The preview is gone. Nothing was imported." } else { "" },
        rows: found
            .iter()
            .map(|(import, head)| {
                let goes_on = imports::progress(app, import.id).is_some();
                row(import, head, goes_on, collection(import.collection_id.0), now_us)
            })
            .collect(),
        formats: formats(&typed.format),
        command: words::command(collection(chosen).unwrap_or_default(), prefix, Duplicates::Skip),
        wrong: Vec::new(),
        chosen,
        typed,
        frame: frame.in_collection(chosen),
    })
}

fn row(import: &Import, head: &Head, goes_on: bool, collection: Option<&str>, now_us: i64) -> Row {
    Row {
        id: import.id,
        file: head.file_name.clone().unwrap_or_default(),
        title: import.format.title(),
        found: counted(import.found, "item", "items"),
        collection: collection.unwrap_or_default().to_owned(),
        state: if goes_on { words::GOES_ON } else { words::state(import.state) },
        read: Moment::seen(import.created_us, now_us),
        kept: Moment::seen(import.expires_us(), now_us),
    }
}

fn formats(chosen: &str) -> Vec<FormatChoice> {
    let choice = |format: &Format| FormatChoice {
        name: format.as_str(),
        title: format.title(),
        chosen: format.as_str() == chosen,
    };
    let mut formats: Vec<FormatChoice> = Format::ALL.iter().map(choice).collect();
    formats.sort_by_key(|format| format.title.to_lowercase());
    formats
}

/// `POST /import`: has the file read, and goes on to what it becomes.
pub(crate) async fn submit(
    State(app): State<ServerState>,
    visitor: Visitor,
    form: FileForm,
) -> Result<Response, Refused> {
    let typed = Typed::of(&form.texts);
    match imports::read(&app, &visitor.caller, upload(&typed, form)).await {
        Ok(review) => Ok(go_to(&format!("/imports/{}", review.import.id))),
        Err(refusal) if refusal.kind == RefusalKind::Invalid => {
            let wrong = faults(&refusal);
            let page = UploadPage { wrong, ..page(&app, &visitor, typed).await? };
            Ok(show_as(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(refusal) => Err(Refused(refusal)),
    }
}

fn upload(typed: &Typed, mut form: FileForm) -> Upload {
    let (file, key_file) = (form.take("file"), form.take("key_file"));
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Upload {
        collection: typed.collection(),
        prefix: given(&typed.prefix),
        format: given(&typed.format),
        file_name: file.name,
        bytes: file.bytes,
        password: form.texts.find("password").map(|password| Zeroizing::new(password.to_owned())),
        key_file: Some(key_file.bytes),
        decode_entities: !typed.decode_entities.is_empty(),
        keep_nested: !typed.keep_nested.is_empty(),
    }
}

/// Lists what is wrong, by the names of the fields of the form. What is about none of them is said at the file.
fn faults(refusal: &Refusal) -> Vec<(String, String)> {
    const TOLD: [&str; 4] = ["prefix", "format", "password", "key_file"];
    let at = |field: &str| TOLD.into_iter().find(|told| *told == field).unwrap_or("file").to_owned();
    let faults = refusal.fields.iter().map(|fault| (at(&fault.field), sentence(&fault.message)));
    let faults: Vec<_> = faults.collect();
    if faults.is_empty() { vec![(at(""), sentence(&refusal.detail))] } else { faults }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    fn sample() -> UploadPage {
        let typed = Typed { prefix: "<b>".to_owned(), keep_nested: "on".to_owned(), ..Typed::default() };
        let row = Row {
            id: Uuid::nil(),
            file: "<b>.csv".to_owned(),
            title: "Bitwarden (CSV)",
            found: "2 items".to_owned(),
            collection: "<b>".to_owned(),
            state: words::state(vaultterm_exchange::ImportState::Reviewed),
            read: Moment::seen(0, 1),
            kept: Moment::seen(1, 0),
        };
        UploadPage { formats: formats("kdbx"), typed, rows: vec![row], ..UploadPage::default() }
    }

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let wrong = ["prefix", "file", "format", "password", "key_file"];
        let wrong = wrong.map(|name| (name.to_owned(), "<b> is wrong.".to_owned())).to_vec();
        vec![
            ("import", sample().render().unwrap()),
            ("import refused", UploadPage { wrong, ..sample() }.render().unwrap()),
            ("first import", UploadPage::default().render().unwrap()),
        ]
    }

    #[test]
    fn a_fault_stands_at_its_field_and_opens_the_part_in_which_that_lies() {
        let refusal = Refusal::field("password", "this file is protected: give its password");
        let page = UploadPage { wrong: faults(&refusal), ..sample() };
        assert_eq!(page.wrong("password"), Some("This file is protected: give its password."));
        assert!(page.is_protected() && page.wrong("file").is_none());
        assert!(!sample().is_protected() && sample().is_in_doubt());
        for elsewhere in [Refusal::field("content", "is odd"), Refusal::new(RefusalKind::Invalid, "is odd")] {
            assert_eq!(faults(&elsewhere)[0].0, "file", "every fault is said somewhere");
        }
    }

    #[test]
    fn every_format_can_be_chosen_and_one_is() {
        let formats = formats(Format::Kdbx.as_str());
        assert_eq!(formats.len(), Format::ALL.len());
        let chosen: Vec<_> = formats.iter().filter(|format| format.chosen).map(|format| format.title).collect();
        assert_eq!(chosen, ["KeePass (KDBX)"]);
    }
}
