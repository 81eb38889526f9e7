//! Tells a listener about each request to a Vault: what it was for, how it was answered, and how long that took. A path, a
//! mount or an address is never told.

use std::{fmt, sync::Arc, time::Duration};

use reqwest::Method;
use vaultterm_reconcile::names;

use crate::route::Area;

names!(
    /// What a request to a Vault is for.
    RequestKind, "kind of request" {
        /// A login with AppRole.
        Login = "login",
        /// Another request about authentication: the lookup of a `SecretID`, an unwrapping, the revocation of a token.
        Auth = "auth",
        /// A request about the server: its health, its mounts, the capabilities of a token.
        System = "system",
        /// The content of a version.
        Read = "read",
        /// A new version.
        Write = "write",
        /// The deletion of a version.
        Delete = "delete",
        /// A folder.
        List = "listing",
        /// A whole scope at once.
        Scan = "scan",
        /// The stamps of the versions of a secret.
        Stamps = "stamps",
        /// The metadata of a secret, to mark it.
        Mark = "mark",
        /// Everything else, for example the configuration of a mount.
        Other = "other",
    }
);

impl RequestKind {
    /// Returns the kind of a request by the part of the API that it goes to.
    pub(crate) fn of(area: Area, method: &Method, query: &str) -> Self {
        match area {
            Area::Login => Self::Login,
            Area::Auth => Self::Auth,
            Area::System => Self::System,
            Area::Data if *method == Method::GET => Self::Read,
            Area::Data => Self::Write,
            Area::Metadata if *method == Method::GET => Self::Stamps,
            Area::Metadata => Self::Mark,
            Area::Delete => Self::Delete,
            Area::Folder if query.starts_with("scan=") => Self::Scan,
            Area::Folder => Self::List,
            Area::Other => Self::Other,
        }
    }
}

/// A request that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What the request was for.
    pub kind: RequestKind,
    /// The method.
    pub method: &'static str,
    /// The attempt at what the request is a part of, from 1.
    pub attempt: u32,
    /// The status of the answer. `None` if no complete answer came.
    pub status: Option<u16>,
    /// The time from the beginning of the request to the end of the answer.
    pub took: Duration,
    /// What kept a complete answer from coming, in one word. It is `None` where one came.
    pub failure: Option<&'static str>,
}

/// Returns a method of this client as a name that lasts. The client has no other methods.
pub(crate) fn method_name(method: &Method) -> &'static str {
    const NAMES: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "LIST"];
    NAMES.iter().find(|name| **name == method.as_str()).copied().unwrap_or("_OTHER")
}

/// A listener for the requests to Vaults.
pub trait Traffic: Send + Sync {
    /// Takes a request that has ended. It must not block.
    fn exchanged(&self, exchange: &Exchange);
}

/// The listener of a connector, if there is one.
#[derive(Clone, Default)]
pub(crate) struct Watch(Option<Arc<dyn Traffic>>);

impl Watch {
    pub(crate) const fn by(traffic: Arc<dyn Traffic>) -> Self {
        Self(Some(traffic))
    }

    pub(crate) fn tell(&self, exchange: Exchange) {
        if let Some(traffic) = &self.0 {
            traffic.exchanged(&exchange);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Watch(one listens)" } else { "Watch(nobody listens)" })
    }
}

#[cfg(test)]
mod tests {
    use vaultterm_reconcile::SecretPath;

    use super::*;
    use crate::route::{Route, Scope};

    #[test]
    fn the_kind_of_a_request_follows_from_where_it_goes_and_never_from_what_people_named() {
        let scope = Scope::new("sys/data", "auth/x/login").unwrap();
        let path = SecretPath::new("delete/metadata").unwrap();
        let post = Method::POST;
        for (route, method, query, kind) in [
            (Route::new("auth/team/approle/login"), &post, "", "login"),
            (Route::new("auth/token/revoke-self"), &post, "", "auth"),
            (Route::new("identity/entity/id/1"), &Method::GET, "", "auth"),
            (Route::new("sys/wrapping/unwrap"), &post, "", "auth"),
            (Route::new("sys/health"), &Method::GET, "", "system"),
            (Route::new("kv/config"), &Method::GET, "", "other"),
            (scope.secret("data", &path), &Method::GET, "version=3", "read"),
            (scope.secret("data", &path), &post, "", "write"),
            (scope.secret("metadata", &path), &Method::GET, "", "stamps"),
            (scope.secret("metadata", &path), &Method::PATCH, "", "mark"),
            (scope.secret("delete", &path), &post, "", "delete"),
            (scope.folder("metadata", "a/"), &Method::GET, "list=true", "listing"),
            (scope.folder("detailed-metadata", ""), &Method::GET, "scan=true", "scan"),
        ] {
            assert_eq!(RequestKind::of(route.area(), method, query).as_str(), kind, "{route}");
        }
    }
}
