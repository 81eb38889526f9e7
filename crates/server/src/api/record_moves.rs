//! Records that move to another collection, many records at once, and who can see a record.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;
use vaultterm_contract::{
    AccessChangeView, AccessView, ListView, RecordMove, RecordMoveView, RecordView, RecordsChange, RevealMany,
    RevealedManyView, RevealedOneView, RevealedView, SeerView, SeersView, moment,
};
use vaultterm_operations::{
    Caller, Refusal, Services,
    records::{self, Many, ReadOne, Relocation, Seer},
};
use vaultterm_store::{ConnectionSummary, Member};

use super::{list::PageQuery, revised::Revised};
use crate::{
    idempotency::Shown,
    problem::Problem,
    request::{Body, Id, IfMatch, Parameters},
    view,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MoveQuery {
    /// The collection that the record would enter, by id.
    collection_id: Uuid,
}

/// Tells what a move of a record to another collection would mean: who gains, who loses, and which connections decide
/// about it. Changes nothing.
#[utoipa::path(get, path = "/records/{id}/move", tag = "records", params(("id" = Uuid, Path), MoveQuery),
    responses((status = 200, body = RecordMoveView), (status = 403, body = Problem)))]
pub(crate) async fn preview(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<MoveQuery>,
) -> Result<Json<RecordMoveView>, Problem> {
    Ok(Json(relocation(&records::relocation(&services, &caller, id, query.collection_id).await?)))
}

fn relocation(found: &Relocation) -> RecordMoveView {
    let access = |member: &Member| AccessView { email: member.email.clone(), role: member.role };
    let name = |found: &ConnectionSummary| found.connection.name.clone();
    let change = |change: &records::RoleChange| AccessChangeView {
        email: change.email.clone(),
        before: change.before,
        after: change.after,
    };
    RecordMoveView {
        from: found.from.name.clone(),
        to: found.to.name.clone(),
        gains: found.gains.iter().map(access).collect(),
        loses: found.loses.iter().map(access).collect(),
        changes: found.changes.iter().map(change).collect(),
        leaves: found.leaves.iter().map(name).collect(),
        enters: found.enters.iter().map(name).collect(),
    }
}

/// Moves a record with all its revisions to another collection. The connections that it leaves see it as deleted.
#[utoipa::path(post, path = "/records/{id}/move", tag = "records", request_body = RecordMove,
    params(("id" = Uuid, Path), ("If-Match" = String, Header)),
    responses((status = 200, body = RecordView), (status = 403, body = Problem), (status = 409, body = Problem),
        (status = 412, body = Problem)))]
pub(crate) async fn relocate(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    IfMatch(read_at): IfMatch,
    Body(body): Body<RecordMove>,
) -> Result<Revised<RecordView>, Problem> {
    let moved = records::relocate(&services, &caller, id, read_at, body.collection_id, body.path).await?;
    Ok(Revised::at(moved.revision.0, view::record(&moved)))
}

/// Tags many records, moves them to another collection, or moves them to the trash: all of them, or none.
#[utoipa::path(post, path = "/records", tag = "records", request_body = RecordsChange,
    responses((status = 200, body = ListView<RecordView>), (status = 409, body = Problem)))]
pub(crate) async fn change(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<RecordsChange>,
) -> Result<Json<ListView<RecordView>>, Problem> {
    let read: Vec<_> = body.records.iter().map(|one| ReadOne { id: one.id, revision: one.revision }).collect();
    let many = kind(body)?;
    let changed = records::change_many(&services, &caller, &read, many).await?;
    Ok(Json(ListView { items: changed.iter().map(view::record).collect(), next_cursor: None }))
}

/// Reads which change is asked for.
fn kind(body: RecordsChange) -> Result<Many, Refusal> {
    let tags = !body.add_tags.is_empty() || !body.remove_tags.is_empty();
    match (tags, body.move_to, body.trash) {
        (true, None, false) => Ok(Many::Tag { add: body.add_tags, remove: body.remove_tags }),
        (false, Some(to), false) => Ok(Many::Move(to)),
        (false, None, true) => Ok(Many::Trash),
        _ => Err(Refusal::field("records", "name one change: tags, `move_to`, or `trash`")),
    }
}

/// Shows the values of many records together; each is audited before the answer. A person needs a fresh proof of identity.
/// A record that programs alone may get comes without values.
#[utoipa::path(post, path = "/records/reveal", tag = "records", request_body = RevealMany,
    responses((status = 200, body = RevealedManyView), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn reveal(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<RevealMany>,
) -> Result<Shown<RevealedManyView>, Problem> {
    let found = records::reveal_many(&services, &caller, &body.records, body.reason.as_deref()).await?;
    let one = |shown: records::Shown| RevealedOneView {
        id: shown.record.id.0,
        collection_id: shown.record.collection_id.0,
        path: shown.record.path.as_str().to_owned(),
        revision: shown.record.revision.0,
        programs_only: shown.fields.is_none(),
        revealed: shown.fields.map(|fields| RevealedView { fields }),
    };
    Ok(Shown(RevealedManyView { items: found.into_iter().map(one).collect() }))
}

/// Tells who can see a record, what they may do with it, and who gave them the role.
#[utoipa::path(get, path = "/records/{id}/who", tag = "records", params(("id" = Uuid, Path), PageQuery),
    responses((status = 200, body = SeersView), (status = 404, body = Problem)))]
pub(crate) async fn who(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<SeersView>, Problem> {
    let found = records::who(&services, &caller, id, query.part()).await?;
    Ok(Json(SeersView {
        collection: found.collection.name,
        programs_only: found.programs_only,
        items: found.people.into_iter().map(seer).collect(),
        next_cursor: found.next_cursor,
    }))
}

fn seer(seer: Seer) -> SeerView {
    SeerView {
        user_id: seer.user_id,
        email: seer.email,
        role: seer.role,
        given_at: seer.given.as_ref().map(|given| moment::of_us(given.at_us)),
        given_by: seer.given.map(|given| given.by),
    }
}
