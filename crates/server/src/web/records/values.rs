//! The values of ticked records on one page, after a fresh proof. Each look is audited.

use askama::Template;
use axum::response::Response;
use serde_json::Value;
use uuid::Uuid;
use vaultterm_operations::{
    RefusalKind,
    records::{self, REVEAL_MAX, Shown},
};
use zeroize::Zeroizing;

use super::show::in_order;
use crate::{
    state::ServerState,
    web::{
        assets,
        frame::{Frame, Here},
        page::{go_to, show as shown},
        parts,
        refused::Refused,
        visitor::Visitor,
        words::{counted, field_label, type_name},
    },
};

/// A record with its values.
#[derive(Debug)]
pub(crate) struct Opened {
    href: String,
    collection: String,
    path: String,
    kind: &'static str,
    programs_only: bool,
    fields: Vec<(String, Zeroizing<String>)>,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "records/values.html")]
pub(crate) struct ValuesPage {
    frame: Frame,
    count: String,
    records: Vec<Opened>,
}

/// Shows the values of these records.
pub(crate) async fn show(app: &ServerState, visitor: &Visitor, ids: &[Uuid]) -> Result<Response, Refused> {
    let found = match records::reveal_many(app, &visitor.caller, ids, None).await {
        Err(refusal) if refusal.kind == RefusalKind::Invalid && ids.len() > REVEAL_MAX => {
            return Ok(go_to("/records?ticked=many"));
        }
        found => found?,
    };
    let frame = Frame::around(app, visitor, Here::Records).await?;
    Ok(shown(&of(found, frame)))
}

fn of(found: Vec<Shown>, frame: Frame) -> ValuesPage {
    let collection = |id: Uuid| {
        frame.collections.iter().find(|shelf| shelf.id == id).map_or_else(String::new, |shelf| shelf.name.clone())
    };
    let opened = |one: &Shown| Opened {
        href: crate::web::link::record(one.record.id.0),
        collection: collection(one.record.collection_id.0),
        path: one.record.path.as_str().to_owned(),
        kind: type_name(one.record.record_type),
        programs_only: one.fields.is_none(),
        fields: values(one),
    };
    let records: Vec<Opened> = found.iter().map(opened).collect();
    ValuesPage { count: counted(records.len() as u64, "record", "records"), records, frame }
}

fn values(one: &Shown) -> Vec<(String, Zeroizing<String>)> {
    let Some(fields) = &one.fields else { return Vec::new() };
    let text = |name: &str| match fields.expose().get(name) {
        Some(Value::String(text)) => Zeroizing::new(text.clone()),
        other => Zeroizing::new(serde_json::to_string(&other).unwrap_or_default()),
    };
    let names = in_order(one.record.record_type, fields.names());
    names.into_iter().map(|name| (field_label(name), text(name))).collect()
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let opened = |programs_only, fields| Opened {
            href: "/records/x".to_owned(),
            collection: "<b>".to_owned(),
            path: "<b>/db".to_owned(),
            kind: "Password",
            programs_only,
            fields,
        };
        let values = vec![("<b>".to_owned(), Zeroizing::new("<b>value".to_owned()))];
        let records = vec![opened(false, values), opened(true, Vec::new())];
        let page = ValuesPage { count: "2 records".to_owned(), records, ..ValuesPage::default() };
        vec![("values of many", page.render().unwrap())]
    }
}
