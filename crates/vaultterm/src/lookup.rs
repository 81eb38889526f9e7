//! Turns names into ids: collections, connections and people by name, records by `COLLECTION/PATH`. An id is
//! accepted everywhere too.

use std::str::FromStr;

use serde::de::DeserializeOwned;
use uuid::Uuid;
use vaultterm_contract::{CollectionView, ConflictView, ConnectionView, RecordView, RunView, UserView, WebhookView};

use crate::{
    client::{Client, Query, Reply},
    failure::Failure,
    shell,
};

/// A reference to a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RecordRef {
    /// The record with this id.
    Id(Uuid),
    /// The record at a path of a collection.
    Place {
        /// The name or id of the collection.
        collection: String,
        /// The path in the collection.
        path: String,
    },
}

impl RecordRef {
    /// Reads `COLLECTION/PATH`, `CONNECTION:PATH` or an id.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            None if text.split_once(':').is_some_and(|(name, path)| !name.is_empty() && !path.is_empty()) => {
                Ok(Self::Place { collection: text.to_owned(), path: String::new() })
            }
            Some((collection, path)) if !collection.is_empty() && !path.is_empty() => {
                Ok(Self::Place { collection: collection.to_owned(), path: path.to_owned() })
            }
            None if Uuid::parse_str(text).is_ok() => {
                Uuid::parse_str(text).map(Self::Id).map_err(|error| error.to_string())
            }
            _ => Err("a record is named COLLECTION/PATH, CONNECTION:PATH or by its id".to_owned()),
        }
    }
}

/// A reference to a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConflictRef {
    /// The conflict with this id.
    Id(Uuid),
    /// The open conflict of a connection at a path.
    Place {
        /// The name or id of the connection.
        connection: String,
        /// The path below the connection's own.
        path: String,
    },
    /// The only open conflict with this name: `COLLECTION/PATH`, `CONNECTION/PATH` or the path alone. It holds a slash.
    Named(String),
}

impl FromStr for ConflictRef {
    type Err = String;

    /// Reads `CONNECTION:PATH`, an id, or a name that may stand for several.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((connection, path)) if !connection.is_empty() && !path.is_empty() => {
                Ok(Self::Place { connection: connection.to_owned(), path: path.to_owned() })
            }
            None if Uuid::parse_str(text).is_ok() => {
                Uuid::parse_str(text).map(Self::Id).map_err(|error| error.to_string())
            }
            None if text.contains('/') => Ok(Self::Named(text.to_owned())),
            _ => Err("a conflict is named CONNECTION:PATH, COLLECTION/PATH (or by its id)".to_owned()),
        }
    }
}

/// Whether a reference means a live or a trashed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LiveOrTrashed {
    /// A live record.
    Live,
    /// A record in the trash.
    Trashed,
}

impl Client {
    /// Finds a collection.
    pub(crate) async fn collection(&self, name: &str) -> Result<Reply<CollectionView>, Failure> {
        self.named("collection", "/collections", name, |collection: &CollectionView| &collection.name).await
    }

    /// Finds a connection.
    pub(crate) async fn connection(&self, name: &str) -> Result<Reply<ConnectionView>, Failure> {
        self.named("connection", "/connections", name, |connection: &ConnectionView| &connection.name).await
    }

    /// Finds the id of a conflict.
    pub(crate) async fn conflict(&self, reference: &ConflictRef) -> Result<Uuid, Failure> {
        let (connection, path) = match reference {
            ConflictRef::Id(id) => return Ok(*id),
            ConflictRef::Named(name) => return self.conflict_named(name).await,
            ConflictRef::Place { connection, path } => (connection, path),
        };
        let id = self.connection(connection).await?.data.id;
        let query = Query::default().with_some("connection_id", Some(id)).with("status", "open");
        let open: Reply<Vec<ConflictView>> = self.list("/conflicts", &query, None).await?;
        let found = open.data.iter().find(|conflict| conflict.path == *path);
        found.map(|conflict| conflict.id).ok_or_else(|| {
            Failure::server(format!("the connection `{connection}` has no open conflict at `{path}`"))
                .hint(format!("list them with `vaultterm conflict ls --connection {}`", shell::word(connection)))
        })
    }

    /// Finds the only open conflict with a name: the path of a record as other commands take it, or the path alone.
    async fn conflict_named(&self, name: &str) -> Result<Uuid, Failure> {
        let query = Query::default().with("status", "open");
        let open: Reply<Vec<ConflictView>> = self.list("/conflicts", &query, None).await?;
        let connections: Reply<Vec<ConnectionView>> = self.list("/connections", &Query::default(), None).await?;
        let collections: Reply<Vec<CollectionView>> = self.list("/collections", &Query::default(), None).await?;
        let through = |conflict: &ConflictView| connections.data.iter().find(|one| one.id == conflict.connection_id);
        let is_named = |conflict: &ConflictView| {
            let connection = through(conflict);
            let collection = connection.and_then(|one| collections.data.iter().find(|of| of.id == one.collection_id));
            let of = [connection.map(|one| &one.name), collection.map(|one| &one.name)];
            let mut whole = of.into_iter().flatten().map(|of| format!("{of}/{}", conflict.path));
            conflict.path == name || whole.any(|whole| whole == name)
        };
        let found: Vec<_> = open.data.iter().filter(|conflict| is_named(conflict)).collect();
        match found[..] {
            [conflict] => Ok(conflict.id),
            [] => Err(Failure::server(format!("no open conflict is named `{name}`")).hint(
                "a conflict is named CONNECTION:PATH, COLLECTION/PATH or by its id: see `vaultterm conflict ls`",
            )),
            _ => {
                let full = |conflict: &&ConflictView| {
                    let connection = through(conflict).map_or("CONNECTION", |one| one.name.as_str());
                    shell::word(&format!("{connection}:{}", conflict.path)).into_owned()
                };
                let names: Vec<_> = found.iter().map(full).collect();
                Err(Failure::server(format!("{} open conflicts are named `{name}`", names.len()))
                    .hint(format!("name one of them: {}", names.join(", "))))
            }
        }
    }

    /// Finds the id of a run: the newest one of a connection, or the one with this id.
    pub(crate) async fn run(&self, wanted: &str) -> Result<Uuid, Failure> {
        if let Ok(id) = Uuid::parse_str(wanted) {
            return Ok(id);
        }
        let connection = self.connection(wanted).await?.data;
        let path = format!("/connections/{}/runs", connection.id);
        let newest: Reply<Vec<RunView>> = self.list(&path, &Query::default(), Some(1)).await?;
        newest.data.first().map(|run| run.id).ok_or_else(|| {
            Failure::server(format!("the connection `{}` has never run", connection.name))
                .hint(format!("make a plan with `vaultterm sync plan {}`", shell::word(&connection.name)))
        })
    }

    /// Finds a webhook.
    pub(crate) async fn webhook(&self, name: &str) -> Result<Reply<WebhookView>, Failure> {
        self.named("webhook", "/webhooks", name, |webhook: &WebhookView| &webhook.name).await
    }

    /// Finds a person by e-mail address.
    pub(crate) async fn user(&self, email: &str) -> Result<Reply<UserView>, Failure> {
        self.named("user", "/users", &email.to_lowercase(), |user: &UserView| &user.email).await
    }

    /// Finds a person to share a collection with.
    pub(crate) async fn person(&self, email: &str) -> Result<UserView, Failure> {
        self.user(email).await.map(|found| found.data)
    }

    /// Finds a live record. It is an error if there is none.
    pub(crate) async fn record(&self, reference: &RecordRef) -> Result<Reply<RecordView>, Failure> {
        match reference {
            RecordRef::Id(id) => self.get(&format!("/records/{id}")).await,
            RecordRef::Place { collection, path } => {
                let (id, path) = self.place(collection, path).await?;
                self.record_at(id, &path, LiveOrTrashed::Live).await?.ok_or_else(|| no_record(collection, &path))
            }
        }
    }

    /// Finds the collection and the path of a record that is named `COLLECTION/PATH` or `CONNECTION:PATH`. The
    /// name of a collection may hold a colon, so collections come first.
    pub(crate) async fn place(&self, collection: &str, path: &str) -> Result<(Uuid, String), Failure> {
        let unknown = match self.collection(collection).await {
            Ok(found) => return Ok((found.data.id, path.to_owned())),
            Err(unknown) => unknown,
        };
        let Some((connection, first)) = collection.split_once(':') else { return Err(unknown) };
        let found = self.connection(connection).await?.data;
        let whole = if path.is_empty() { first.to_owned() } else { format!("{first}/{path}") };
        Ok((found.collection_id, whole))
    }

    /// Finds the record at a path, if there is one. If several are in the trash, returns the newest.
    pub(crate) async fn record_at(
        &self,
        collection_id: Uuid,
        path: &str,
        standing: LiveOrTrashed,
    ) -> Result<Option<Reply<RecordView>>, Failure> {
        let state = match standing {
            LiveOrTrashed::Live => "live",
            LiveOrTrashed::Trashed => "trash",
        };
        let query = Query::default().with("prefix", path).with("state", state);
        let found: Reply<Vec<RecordView>> =
            self.list(&format!("/collections/{collection_id}/records"), &query, None).await?;
        let mut at_path: Vec<_> = found.data.into_iter().filter(|record| record.path == path).collect();
        at_path.sort_by(|a, b| a.deleted_at.cmp(&b.deleted_at));
        match at_path.pop() {
            Some(record) => self.get(&format!("/records/{}", record.id)).await.map(Some),
            None => Ok(None),
        }
    }

    async fn named<T: DeserializeOwned>(
        &self,
        what: &str,
        path: &str,
        name: &str,
        name_of: impl Fn(&T) -> &String,
    ) -> Result<Reply<T>, Failure> {
        if let Ok(id) = Uuid::parse_str(name) {
            match self.get(&format!("{path}/{id}")).await {
                Err(failure) if failure.status == Some(404) => {}
                found_or_failed => return found_or_failed,
            }
        }
        let list: Reply<Vec<T>> = self.list(path, &Query::default(), None).await?;
        list.into_items().find(|reply| name_of(&reply.data) == name).ok_or_else(|| not_found(what, name))
    }
}

fn not_found(what: &str, name: &str) -> Failure {
    Failure::server(format!("there is no {what} `{name}`, or you may not see it"))
        .hint(format!("list them with `vaultterm {what} ls`"))
}

/// Returns the error for a path without a live record.
pub(crate) fn no_record(collection: &str, path: &str) -> Failure {
    Failure::server(format!("there is no record `{path}` in the collection `{collection}`"))
        .hint(format!("list them with `vaultterm record ls {collection}` (and `--trash`)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_is_named_by_place_or_id() {
        let place =
            |connection: &str, path: &str| ConflictRef::Place { connection: connection.into(), path: path.into() };
        assert_eq!("prod:db/main".parse(), Ok(place("prod", "db/main")));
        assert_eq!("prod:a:b".parse(), Ok(place("prod", "a:b")), "a path may hold a colon");
        let id = vaultterm_sync::new_id();
        assert_eq!(id.to_string().parse(), Ok(ConflictRef::Id(id)));
        assert_eq!("team/wiki".parse(), Ok(ConflictRef::Named("team/wiki".into())));
        for bad in ["prod", "prod:", ":db", ""] {
            assert!(bad.parse::<ConflictRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_record_is_named_by_place_or_id() {
        let place =
            |collection: &str, path: &str| RecordRef::Place { collection: collection.into(), path: path.into() };
        assert_eq!(RecordRef::parse("app/db/main"), Ok(place("app", "db/main")));
        // The server decides which paths are valid.
        assert_eq!(RecordRef::parse("app/../x"), Ok(place("app", "../x")));
        let id = vaultterm_sync::new_id();
        assert_eq!(RecordRef::parse(&id.to_string()), Ok(RecordRef::Id(id)));
        for bad in ["app", "app/", "/db", ""] {
            assert!(RecordRef::parse(bad).is_err(), "{bad}");
        }
    }
}
