//! `/keys`: who keeps the root key, the keys below it, and their rotation, each with what it means.

use askama::Template;
use axum::{extract::State, response::Response};
use vaultterm_contract::{KeyProvider, KeyRotation};
use vaultterm_operations::keys::{self, Keys};
use vaultterm_sealing::{KeyPurpose, KeyState};
use vaultterm_store::InstanceRole;

use crate::{
    state::ServerState,
    web::{
        assets,
        form::Pairs,
        frame::{Frame, Here},
        page::show as shown,
        parts::{self, State as Word},
        refused::Refused,
        visitor::Visitor,
        words::{Moment, counted},
    },
};

/// A key of the keyring.
#[derive(Debug)]
pub(crate) struct Row {
    does: &'static str,
    generation: u32,
    state: Word,
    id: String,
}

/// A rotation that an owner can ask for.
#[derive(Debug)]
pub(crate) struct Rotation {
    name: &'static str,
    words: &'static str,
    means: &'static str,
}

/// The page.
#[derive(Debug, Default, Template)]
#[template(path = "house/keys.html")]
pub(crate) struct KeysPage {
    frame: Frame,
    told: String,
    provider: &'static str,
    kept_at: String,
    root: String,
    sealed: Option<Moment>,
    rows: Vec<Row>,
    pending: String,
    rotations: Vec<Rotation>,
}

/// `GET /keys`
pub(crate) async fn show(State(app): State<ServerState>, visitor: Visitor) -> Result<Response, Refused> {
    let found = keys::show(&app, &visitor.caller).await?;
    Ok(shown(&page(&app, &visitor, &found).await?))
}

/// `POST /keys/rotate`
pub(crate) async fn rotate(
    State(app): State<ServerState>,
    visitor: Visitor,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let found = keys::rotate(&app, &visitor.caller, pairs.text("key")).await?;
    let told = "Rotated. Nothing that was stored before is lost.".to_owned();
    Ok(shown(&KeysPage { told, ..page(&app, &visitor, &found).await? }))
}

async fn page(app: &ServerState, visitor: &Visitor, found: &Keys) -> Result<KeysPage, Refused> {
    let keyring = &found.keyring;
    let is_owner = visitor.caller.user.role >= InstanceRole::Owner;
    let (provider, sealed_by_transit) = match found.provider {
        KeyProvider::Local => ("a file on the machine of the server", false),
        KeyProvider::HcvTransit => ("sealed by a Transit key of Vault", true),
    };
    let row = |key: &vaultterm_store::KeyInfo| Row {
        does: purpose(key.purpose),
        generation: key.generation,
        state: match key.state {
            KeyState::Active => Word { tone: "good", words: "in use" },
            KeyState::DecryptOnly => Word { tone: "off", words: "opens what is old" },
        },
        id: key.id.to_string(),
    };
    let pending = keyring.rewrap_pending;
    Ok(KeysPage {
        frame: Frame::around(app, visitor, Here::Keys).await?,
        told: String::new(),
        provider,
        kept_at: found.kept_at.clone(),
        root: keyring.root_id.map_or_else(String::new, |id| id.0.to_string()),
        sealed: keyring.sealed.first().map(|sealed| Moment::seen(sealed.created_us, app.now_us())),
        rows: keyring.keys.iter().map(row).collect(),
        pending: if pending > 0 { counted(pending, "value has", "values have") } else { String::new() },
        rotations: if is_owner { rotations(sealed_by_transit) } else { Vec::new() },
    })
}

const fn purpose(purpose: KeyPurpose) -> &'static str {
    match purpose {
        KeyPurpose::Record => "wraps the keys of values",
        KeyPurpose::Digest => "compares values without showing them",
        KeyPurpose::Audit => "signs the audit log",
        KeyPurpose::Token => "finds tokens and sessions",
    }
}

fn rotations(sealed_by_transit: bool) -> Vec<Rotation> {
    let all = [
        (
            KeyRotation::Record,
            "Rotate the record key",
            "New values are wrapped with a new key at once, and the old ones are moved to it in the background. Reading goes on meanwhile.",
        ),
        (
            KeyRotation::Audit,
            "Rotate the audit key",
            "The last signature of the old key covers the entry that names the new one. Then the server deletes the private half of the old key.",
        ),
        (
            KeyRotation::Root,
            "Rotate the root key",
            "A new root key wraps the keys below it, in one transaction. The new key is written to the same place; make a new copy of it.",
        ),
        (
            KeyRotation::Transit,
            "Seal again",
            "The root key stays, and is sealed again under the newest version of the Transit key.",
        ),
    ];
    let fits = |rotation: &KeyRotation| *rotation != KeyRotation::Transit || sealed_by_transit;
    let made = |(rotation, words, means): (KeyRotation, _, _)| Rotation { name: rotation.as_str(), words, means };
    all.into_iter().filter(|(rotation, ..)| fits(rotation)).map(made).collect()
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn pages() -> Vec<(&'static str, String)> {
        let row =
            Row { does: "signs", generation: 2, state: Word { tone: "good", words: "in use" }, id: "<b>".to_owned() };
        let page = KeysPage {
            provider: "a file",
            kept_at: "<b>".to_owned(),
            sealed: Some(Moment::seen(0, 1)),
            rows: vec![row],
            pending: "3 values have".to_owned(),
            rotations: rotations(true),
            ..KeysPage::default()
        };
        vec![("keys", page.render().unwrap())]
    }

    #[test]
    fn the_seal_is_renewed_only_where_there_is_one() {
        assert_eq!(rotations(true).len(), 4);
        assert!(rotations(false).iter().all(|rotation| rotation.name != "transit"));
    }
}
