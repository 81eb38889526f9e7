//! Finds out whether an answer can be older than what a session has seen or written. The result depends on
//! how the server behaves in this session, and never on the name of the product.

use reqwest::StatusCode;
use vaultterm_sync::Freshness;

use crate::{
    http::Request,
    route::Scope,
    session::Session,
    sys::{Leader, Mount, ask},
};

/// Finds out how fresh the answers of a session are. `secondary` says that the cluster replicates from
/// another cluster, so that even its active node can be behind.
pub(crate) async fn find(session: &Session, scope: &Scope, secondary: bool) -> Freshness {
    let helping = &session.transport.helping;
    if helping.honoured() {
        return Freshness::Index;
    }
    if secondary || helping.nodes_changed() {
        return Freshness::Unknown;
    }
    let request = Leader::request();
    let Ok(answer) = ask(&session.transport, &request).await else { return Freshness::Unknown };
    match answer.parse::<Leader>(&request.doing) {
        Err(_) => Freshness::Unknown,
        Ok(leader) if leader.performance_standby => Freshness::Unknown,
        // Without HA there is a single node, even though its `is_self` is false.
        Ok(leader) if !leader.ha_enabled || leader.is_self => Freshness::Active,
        Ok(_) if forwards(session, scope).await => Freshness::Forwarded,
        Ok(_) => Freshness::Unknown,
    }
}

/// Checks after other requests whether `found` still holds, because several nodes can answer at one address.
pub(crate) async fn confirm(session: &Session, scope: &Scope, found: Freshness) -> Freshness {
    match found {
        Freshness::Unknown => Freshness::Unknown,
        Freshness::Index if session.transport.helping.honoured() => Freshness::Index,
        // The server now refuses what it accepted before, so another node answers.
        Freshness::Index => Freshness::Unknown,
        _ if find(session, scope, false).await == found => found,
        _ => Freshness::Unknown,
    }
}

/// Returns whether a standby forwards every request and never answers a read by itself. Such a standby
/// answers with a redirect if a request forbids it to forward.
async fn forwards(session: &Session, scope: &Scope) -> bool {
    let request = Request { forwarded: false, ..Mount::request(scope) };
    session.once(&request).await.is_ok_and(|answer| answer.status == StatusCode::TEMPORARY_REDIRECT)
}
