//! `/generated`: the values that the person had generated within a day, each shown on request.

use askama::Template;
use axum::{extract::State, response::Response};
use uuid::Uuid;
use vaultterm_operations::generator;
use zeroize::Zeroizing;

use crate::{
    request::Id,
    state::ServerState,
    web::{
        assets,
        frame::{Frame, Here},
        page::show,
        parts,
        refused::Refused,
        visitor::Visitor,
        words::Moment,
    },
};

/// A value that was generated.
pub(crate) struct Row {
    id: Uuid,
    when: Moment,
    /// The value, after the person asked for it.
    value: Option<Zeroizing<String>>,
}

/// The page.
#[derive(Default, Template)]
#[template(path = "records/generated.html")]
pub(crate) struct GeneratedPage {
    frame: Frame,
    rows: Vec<Row>,
}

/// `GET /generated`
pub(crate) async fn list(State(app): State<ServerState>, visitor: Visitor) -> Result<Response, Refused> {
    page(&app, &visitor, None).await
}

/// `POST /generated/{id}/reveal`
pub(crate) async fn reveal(State(app): State<ServerState>, visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    let value = generator::reveal(&app, &visitor.caller, id).await?;
    page(&app, &visitor, Some((id, value))).await
}

async fn page(
    app: &ServerState,
    visitor: &Visitor,
    mut shown: Option<(Uuid, Zeroizing<String>)>,
) -> Result<Response, Refused> {
    let kept = generator::recent(app, &visitor.caller).await?;
    let now_us = app.now_us();
    let row = |kept: &vaultterm_store::GeneratedValue| Row {
        id: kept.id,
        when: Moment::seen(kept.created_us, now_us),
        value: shown.take_if(|(id, _)| *id == kept.id).map(|(_, value)| value),
    };
    let rows = kept.iter().map(row).collect();
    Ok(show(&GeneratedPage { frame: Frame::around(app, visitor, Here::Records).await?, rows }))
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let row = |value: Option<&str>| Row {
            id: Uuid::nil(),
            when: Moment::seen(0, 1),
            value: value.map(|value| value.to_owned().into()),
        };
        let page = GeneratedPage { rows: vec![row(Some("<b>")), row(None)], ..GeneratedPage::default() };
        vec![("generated", page.render().unwrap()), ("nothing generated", GeneratedPage::default().render().unwrap())]
    }
}
