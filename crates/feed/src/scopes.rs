//! Which connection a change concerns.

use std::collections::BTreeMap;

use uuid::Uuid;
use vaultterm_reconcile::SecretPath;

use crate::audit_line::Change;

/// The place of a connection in Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The connection.
    pub connection: Uuid,
    /// The namespace; empty or `root` for the root.
    pub namespace: String,
    /// The KV v2 mount.
    pub mount: String,
    /// The path prefix below the mount; empty for the whole mount.
    pub path: String,
}

/// The places of all connections, by namespace and mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes(BTreeMap<String, Vec<(Uuid, String)>>);

/// A secret that changed, below the path of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) connection: Uuid,
    pub(crate) path: SecretPath,
    /// Whether the change made or unmade a version, so that its writer is the writer of the secret.
    pub(crate) is_of_versions: bool,
}

impl Scopes {
    pub(crate) fn new(scopes: impl IntoIterator<Item = Scope>) -> Self {
        let mut known: BTreeMap<String, Vec<(Uuid, String)>> = BTreeMap::new();
        for scope in scopes {
            let namespace = scope.namespace.trim_matches('/');
            let namespace = if namespace == "root" { "" } else { namespace };
            let mount = scope.mount.trim_matches('/');
            let place = if namespace.is_empty() { mount.to_owned() } else { format!("{namespace}/{mount}") };
            known.entry(place).or_default().push((scope.connection, scope.path.trim_matches('/').to_owned()));
        }
        Self(known)
    }

    /// Returns all connections.
    pub(crate) fn connections(&self) -> impl Iterator<Item = Uuid> {
        self.0.values().flatten().map(|(id, _)| *id)
    }

    /// Finds the secrets that a change concerns, one for each connection whose place contains it. The same secret may belong to
    /// several connections.
    ///
    /// The log names the mount of a request, but whether a namespace is part of that name differs. The places of connections
    /// are known exactly, so that the path of the request is compared with them instead.
    pub(crate) fn find(&self, change: &Change) -> Vec<Found> {
        let mut found = Vec::new();
        for (at, _) in change.path.match_indices('/') {
            let Some(scopes) = self.0.get(&change.path[..at]) else { continue };
            let Some((verb, path)) = change.path[at + 1..].split_once('/') else { continue };
            let is_of_versions = match verb {
                "data" | "delete" | "undelete" | "destroy" => true,
                // A deletion here takes all versions away. Anything else changes only what is said about the secret.
                "metadata" => change.is_delete,
                _ => continue,
            };
            for (connection, prefix) in scopes {
                let Some(path) = below(path, prefix) else { continue };
                // A name that cannot be a path is left out by every run, too.
                if let Ok(path) = SecretPath::new(path) {
                    found.push(Found { connection: *connection, path, is_of_versions });
                }
            }
        }
        found
    }
}

/// Returns the part of a path below a prefix.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    if prefix.is_empty() { Some(path) } else { path.strip_prefix(prefix)?.strip_prefix('/') }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(connection: u128, namespace: &str, mount: &str, path: &str) -> Scope {
        let text = str::to_owned;
        let connection = Uuid::from_u128(connection);
        Scope { connection, namespace: text(namespace), mount: text(mount), path: text(path) }
    }

    fn found(scopes: &[Scope], path: &str, is_delete: bool) -> Vec<(u128, String, bool)> {
        let change = Change { path: path.to_owned(), is_delete, writer: None, version: None, at: None };
        let found = Scopes::new(scopes.iter().cloned()).find(&change);
        found.into_iter().map(|one| (one.connection.as_u128(), one.path.into(), one.is_of_versions)).collect()
    }

    #[test]
    fn a_change_is_found_below_the_path_of_each_connection_that_contains_it() {
        let scopes = [scope(1, "", "kv", ""), scope(2, "root", "/kv/", "team/app"), scope(3, "", "kv", "team/ap")];
        let one = |id: u128, path: &str| (id, path.to_owned(), true);
        assert_eq!(found(&scopes, "kv/data/team/app/db", false), [one(1, "team/app/db"), one(2, "db")]);
        assert_eq!(
            found(&scopes, "kv/data/team/app", false),
            [one(1, "team/app")],
            "the prefix itself is no path below it"
        );
        assert_eq!(found(&scopes, "other/data/team/app/db", false), []);
        assert_eq!(found(&scopes, "kv/data/trailing ", false), [], "no record can have this name");
    }

    #[test]
    fn every_request_that_changes_secrets_is_known_and_others_are_not() {
        let scopes = [scope(1, "", "kv", "")];
        for verb in ["data", "delete", "undelete", "destroy"] {
            assert_eq!(found(&scopes, &format!("kv/{verb}/a"), false), [(1, "a".to_owned(), true)], "{verb}");
        }
        assert_eq!(found(&scopes, "kv/metadata/a", false), [(1, "a".to_owned(), false)]);
        assert_eq!(found(&scopes, "kv/metadata/a", true), [(1, "a".to_owned(), true)]);
        for path in ["kv/config", "kv/subkeys/a", "kv", "kv/data", "kv/data/"] {
            assert_eq!(found(&scopes, path, false), [], "{path}");
        }
    }

    #[test]
    fn mounts_in_namespaces_and_with_several_segments_are_told_apart() {
        let scopes = [
            scope(1, "", "a/deep", ""),
            scope(2, "eng/sub", "kv", ""),
            scope(3, "eng", "kv", ""),
            scope(4, "", "kv", ""),
            // A namespace may also stand before the mount.
            scope(5, "", "eng/kv", "in"),
        ];
        let ids = |path: &str| found(&scopes, path, false).into_iter().map(|one| one.0).collect::<Vec<_>>();
        assert_eq!(ids("a/deep/data/x"), [1]);
        assert_eq!(ids("eng/sub/kv/data/x"), [2]);
        assert_eq!(ids("eng/kv/data/in/x"), [3, 5]);
        assert_eq!(ids("kv/data/x"), [4]);
    }
}
