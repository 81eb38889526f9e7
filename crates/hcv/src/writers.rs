//! The writers of secrets. HashiCorp Vault (with a KV plugin from 0.25 on) names in the metadata of a key who created
//! and who deleted each version: the display name of the token, and the id of its entity.
//!
//! The display name of every AppRole login is the path of the auth mount, so it tells no roles apart. The entity
//! does. Its aliases name the role, if the policy of the connection allows reading it (an optional stanza).

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::Deserialize;
use vaultterm_reconcile::SecretPath;

use crate::{
    http::Request,
    route::{Route, encode},
    session::Session,
    wire::{self, Envelope},
};

/// The name under which VaultTerm itself is shown.
const OURSELVES: &str = "VaultTerm";
/// The maximum number of entities that a session asks for.
const ENTITIES_MAX: usize = 200;

/// A writer in the metadata of a version. A server that uses the field for something else is not taken for a fault.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Told<'a> {
    /// The writer.
    Writer {
        /// The display name of the token.
        #[serde(borrow)]
        actor: Cow<'a, str>,
        /// The id of the entity.
        #[serde(borrow, default)]
        entity_id: Option<Cow<'a, str>>,
    },
    /// Anything else.
    Other(serde::de::IgnoredAny),
}

/// Who wrote a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribution {
    /// The display name of the token.
    actor: String,
    /// The id of the entity.
    entity: Option<String>,
}

impl Told<'_> {
    /// Returns the writer, if the server named one.
    pub(crate) fn attribution(&self) -> Option<Attribution> {
        let Self::Writer { actor, entity_id } = self else { return None };
        let actor = wire::printable(actor);
        let is_id =
            |id: &&str| !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        let entity = entity_id.as_deref().filter(is_id).map(str::to_owned);
        (!actor.is_empty()).then_some(Attribution { actor, entity })
    }
}

/// What a session knows about writers.
#[derive(Debug, Default)]
pub(crate) struct Writers {
    /// The writers of the newest versions that the session has looked at.
    seen: Mutex<BTreeMap<SecretPath, Attribution>>,
    /// The names behind entities that were asked for. `None` for an entity without a name.
    names: Mutex<HashMap<String, Option<String>>>,
    /// Whether the role may not read entities.
    closed: AtomicBool,
}

impl Writers {
    /// Remembers who wrote the newest version of a secret.
    pub(crate) fn note(&self, path: &SecretPath, attribution: Option<Attribution>) {
        if let Some(attribution) = attribution {
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), attribution);
        }
    }

    /// Returns who wrote the newest version of a secret, in words for people.
    pub(crate) async fn named(&self, session: &Session, path: &SecretPath) -> Option<String> {
        let Attribution { actor, entity } =
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()?;
        let Some(entity) = entity else { return Some(actor) };
        if session.entity() == Some(entity.as_str()) {
            return Some(OURSELVES.to_owned());
        }
        Some(match self.name_of(session, &entity).await {
            Some(name) if !actor.contains(&name) => format!("{actor} {name}"),
            _ => actor,
        })
    }

    /// Returns the name of the role or person behind an entity. Each is asked for once.
    async fn name_of(&self, session: &Session, entity: &str) -> Option<String> {
        let known = {
            let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            if names.len() >= ENTITIES_MAX {
                return names.get(entity).cloned().flatten();
            }
            names.get(entity).cloned()
        };
        if let Some(known) = known {
            return known;
        }
        if self.closed.load(Ordering::Relaxed) {
            return None;
        }
        let name = self.ask(session, entity).await;
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(entity.to_owned(), name.clone());
        name
    }

    async fn ask(&self, session: &Session, entity: &str) -> Option<String> {
        #[derive(Deserialize)]
        struct Entity {
            #[serde(default)]
            aliases: Option<Vec<Alias>>,
        }
        #[derive(Deserialize)]
        struct Alias {
            #[serde(default)]
            name: String,
            #[serde(default)]
            metadata: Option<BTreeMap<String, String>>,
        }
        let route = Route::new(format!("identity/entity/id/{}", encode(entity)));
        let request = Request::get(route, "reading an entity", &["read"]);
        // The name is only for people, so nothing fails without it.
        let Ok(answer) = session.call(&request).await else {
            self.closed.store(true, Ordering::Relaxed);
            return None;
        };
        let found = answer.parse::<Envelope<Entity>>(&request.doing).ok()?.data;
        let aliases = found.aliases.unwrap_or_default();
        let role = |alias: &Alias| alias.metadata.as_ref().and_then(|known| known.get("role_name")).cloned();
        let name = aliases.iter().find_map(role).or_else(|| aliases.into_iter().next().map(|alias| alias.name))?;
        let name = wire::printable(&name);
        (!name.is_empty()).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str) -> Option<Attribution> {
        serde_json::from_str::<Told<'_>>(json).expect("any JSON").attribution()
    }

    #[test]
    fn a_writer_is_the_actor_with_an_entity_if_there_is_one() {
        let writer = |actor: &str, entity: Option<&str>| {
            Some(Attribution { actor: actor.to_owned(), entity: entity.map(str::to_owned) })
        };
        let json = r#"{"actor":"approle","operation":"update","client_id":"c","entity_id":"0a-1b"}"#;
        assert_eq!(told(json), writer("approle", Some("0a-1b")));
        assert_eq!(told(r#"{"actor":"root","operation":"create","client_id":"c"}"#), writer("root", None));
        assert_eq!(told(r#"{"actor":"x","entity_id":"../sys"}"#), writer("x", None), "no id leads elsewhere");
        assert_eq!(told(r#"{"actor":"a\nb"}"#), writer("a b", None));
    }

    #[test]
    fn a_field_of_another_shape_names_nobody_and_is_no_fault() {
        for json in ["null", "\"ann\"", "{}", "7", r#"{"actor":""}"#] {
            assert_eq!(told(json), None, "{json}");
        }
    }
}
