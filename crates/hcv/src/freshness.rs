//! Finds out whether an answer can be older than what a session saw or wrote. The answer rests on
//! how the server behaves in this session, never on the name of the product.

use reqwest::StatusCode;
use vaultterm_sync::Freshness;

use crate::{
    http::Request,
    route::Scope,
    session::Session,
    sys::{Leader, Mount, ask},
};

/// Finds out how fresh the answers of a session are. `secondary`: whether the cluster replicates
/// from another one, so that even its active node may be behind.
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
        // Without HA there is one node, although its `is_self` is false.
        Ok(leader) if !leader.ha_enabled || leader.is_self => Freshness::Active,
        Ok(_) if forwards(session, scope).await => Freshness::Forwarded,
        Ok(_) => Freshness::Unknown,
    }
}

/// Finds out whether what was found still holds, after other requests were answered: behind one
/// address there may be several nodes.
pub(crate) async fn confirm(session: &Session, scope: &Scope, found: Freshness) -> Freshness {
    match found {
        Freshness::Unknown => Freshness::Unknown,
        Freshness::Index if session.transport.helping.honoured() => Freshness::Index,
        // The server took back what it accepted: another node answers.
        Freshness::Index => Freshness::Unknown,
        _ if find(session, scope, false).await == found => found,
        _ => Freshness::Unknown,
    }
}

/// Proves that a standby answers no read by itself: told not to forward, it answers by a redirect.
async fn forwards(session: &Session, scope: &Scope) -> bool {
    let request = Request { forwarded: false, ..Mount::request(scope) };
    session.once(&request).await.is_ok_and(|answer| answer.status == StatusCode::TEMPORARY_REDIRECT)
}
