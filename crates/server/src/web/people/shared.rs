//! What the pages of people share: the words of an account, the roles that somebody may give, the address of a link.

use axum::http::{HeaderMap, header};
use vaultterm_contract::PersonState;
use vaultterm_store::InstanceRole;

use crate::web::parts;

/// A role in a form.
#[derive(Clone, Debug)]
pub(super) struct RoleChoice {
    pub(super) name: &'static str,
    pub(super) chosen: bool,
}

/// Returns the words for the state of an account.
pub(super) const fn state_word(state: PersonState) -> parts::State {
    match state {
        PersonState::Invited => parts::State { tone: "waits", words: "invited" },
        PersonState::Active => parts::State { tone: "good", words: "active" },
        PersonState::Disabled => parts::State { tone: "off", words: "disabled" },
    }
}

/// Lists the roles that somebody of a role may give.
pub(super) fn roles_up_to(most: InstanceRole, chosen: InstanceRole) -> Vec<RoleChoice> {
    let allowed = InstanceRole::ALL.iter().filter(|role| **role <= most);
    allowed.map(|role| RoleChoice { name: role.as_str(), chosen: *role == chosen }).collect()
}

/// Puts the address of this server before a path. A browser names the address with every form that it sends.
pub(super) fn absolute(headers: &HeaderMap, path: &str) -> String {
    let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok()).unwrap_or_default();
    format!("{origin}{path}")
}
