//! The second step of connecting a Vault: the person names the place in Vault, and copies the policy and the script for
//! it.

use askama::Template;
use axum::{extract::State, response::Response};
use vaultterm_contract::shell::word;
use vaultterm_operations::connections::policy::{self as policies, Place};
use vaultterm_reconcile::Mode;

use super::{
    draft::{Draft, flag},
    steps::{Step, steps},
};
use crate::{
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        page::show as shown,
        parts,
        refused::Refused,
        visitor::Visitor,
    },
};

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "connect/policy.html")]
pub(crate) struct PolicyPage {
    frame: Frame,
    steps: Vec<Step>,
    draft: Draft,
    role: String,
    wrong: Option<String>,
    policy: String,
    script: String,
    back: String,
    next: String,
    command: String,
}

/// `GET /connections/new/policy`
pub(crate) async fn show(State(app): State<ServerState>, visitor: Visitor, typed: Pairs) -> Result<Response, Refused> {
    let draft = Draft::of(&typed);
    let frame = Frame::around(&app, &visitor, Here::Overview).await?;
    let flavor = if draft.flavor == "openbao" { "openbao" } else { "vault" };
    let role = draft.role();
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let mut page = PolicyPage {
        steps: steps(1),
        back: draft.on("/connections/new"),
        command: format!(
            "vaultterm connection policy --mount {}{} --mode {} --role {} --flavor {flavor} --wrap",
            word(&or(&draft.mount, "MOUNT")),
            flag("--path", &draft.path),
            or(&draft.mode, Mode::Bidirectional.as_str()),
            word(&role),
        ),
        role: role.clone(),
        frame,
        ..PolicyPage::default()
    };
    if !draft.mount.is_empty() {
        let place = Place {
            mount: &draft.mount,
            path: &draft.path,
            mode: &draft.mode,
            flavor: Some(flavor),
            role: Some(&role),
            ..Place::default()
        };
        match policies::of_scope(&visitor.caller, &place) {
            Ok(text) => {
                (page.policy, page.script) = (text.hcl, text.wrapping_script);
                page.next = draft.on("/connections/new/login");
            }
            Err(refusal) => page.wrong = Some(refusal.detail),
        }
    }
    Ok(shown(&PolicyPage { draft, ..page }))
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let evil = "<b>".to_owned();
        let draft = Draft { mount: evil.clone(), path: evil.clone(), mode: "push".to_owned(), ..Draft::default() };
        let page = PolicyPage {
            steps: steps(1),
            draft,
            role: evil.clone(),
            wrong: Some(evil.clone()),
            policy: evil.clone(),
            script: evil.clone(),
            back: "/connections/new".to_owned(),
            next: "/connections/new/login".to_owned(),
            command: evil,
            ..PolicyPage::default()
        };
        vec![("policy", page.render().unwrap()), ("place in Vault", PolicyPage::default().render().unwrap())]
    }
}
