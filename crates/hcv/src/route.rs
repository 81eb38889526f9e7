//! Paths of the API, as messages show them and as URLs encode them.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use vaultterm_reconcile::SecretPath;

/// The characters that are encoded: all except the unreserved ones of RFC 3986. `%` and `+` are encoded too,
/// because names of secrets can hold any character except `/`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The part of the API that a path belongs to. The names of mounts and secrets do not decide it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Area {
    Login,
    Auth,
    System,
    Data,
    Metadata,
    Delete,
    Folder,
    Other,
}

/// A path below `/v1/`, not encoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Route {
    path: String,
    area: Area,
}

impl Route {
    /// Returns the route of a path whose segments are separated by `/`. It belongs to no secret.
    pub(crate) fn new(path: impl Into<String>) -> Self {
        let path = path.into();
        let area = match path.split('/').next() {
            Some("auth") if path.ends_with("/login") => Area::Login,
            Some("auth" | "identity") => Area::Auth,
            Some("sys") if path.starts_with("sys/wrapping/") => Area::Auth,
            Some("sys") => Area::System,
            _ => Area::Other,
        };
        Self { path, area }
    }

    /// Returns the part of the API that it belongs to.
    pub(crate) const fn area(&self) -> Area {
        self.area
    }

    /// Returns the path as policies name it.
    pub(crate) fn as_str(&self) -> &str {
        &self.path
    }

    /// Returns the path encoded for a URL. A segment `.` or `..` never occurs, because paths, mounts and
    /// listed names are checked before.
    pub(crate) fn encoded(&self) -> String {
        self.path.split('/').map(encode).collect::<Vec<_>>().join("/")
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// Encodes a segment or a query value.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A mount and a path prefix below it. A connection uses nothing outside of its scope.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    mount: String,
    /// Empty, or ends with `/`.
    prefix: String,
}

impl Scope {
    /// Checks a mount and a prefix.
    ///
    /// # Errors
    /// The reason for people.
    pub(crate) fn new(mount: &str, path: &str) -> Result<Self, String> {
        let (mount, path) = (mount.trim_matches('/'), path.trim_matches('/'));
        SecretPath::new(mount).map_err(|error| format!("the mount `{mount}` is not a valid path: {error}"))?;
        let prefix = if path.is_empty() {
            String::new()
        } else {
            SecretPath::new(path).map_err(|error| format!("the path `{path}` cannot be used: {error}"))?;
            format!("{path}/")
        };
        Ok(Self { mount: mount.to_owned(), prefix })
    }

    /// Returns the mount, without slashes at the ends.
    pub(crate) fn mount(&self) -> &str {
        &self.mount
    }

    /// Returns the route of a secret. `api` is `data`, `metadata`, `delete` …
    pub(crate) fn secret(&self, api: &str, path: &SecretPath) -> Route {
        let area = match api {
            "data" => Area::Data,
            "metadata" => Area::Metadata,
            "delete" => Area::Delete,
            _ => Area::Other,
        };
        Route { path: format!("{}/{api}/{}{path}", self.mount, self.prefix), area }
    }

    /// Returns the route of a folder below the prefix, which is empty or ends with `/`.
    pub(crate) fn folder(&self, api: &str, folder: &str) -> Route {
        Route { path: format!("{}/{api}/{}{folder}", self.mount, self.prefix), area: Area::Folder }
    }

    /// Returns the path that a policy must cover.
    pub(crate) fn glob(&self, api: &str) -> String {
        format!("{}/{api}/{}*", self.mount, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_encoded_so_that_the_server_sees_them_as_they_are() {
        for (name, encoded) in [
            ("a b", "a%20b"),
            ("a%b", "a%25b"),
            ("a%2Fb", "a%252Fb"),
            ("%2e%2e", "%252e%252e"),
            ("a#b", "a%23b"),
            ("a?b", "a%3Fb"),
            ("a\\b", "a%5Cb"),
            ("a+b", "a%2Bb"),
            ("*", "%2A"),
            ("a;b=c", "a%3Bb%3Dc"),
            ("{{x}}", "%7B%7Bx%7D%7D"),
            ("é", "%C3%A9"),
            ("😀", "%F0%9F%98%80"),
            ("a-b_c.d~e", "a-b_c.d~e"),
            ("foo/bar", "foo/bar"),
            ("folder/", "folder/"),
        ] {
            assert_eq!(Route::new(name).encoded(), encoded);
            // A URL parser must keep the path as it is and normalize nothing.
            let url = reqwest::Url::parse(&format!("https://vault/v1/{encoded}")).expect("a URL");
            assert_eq!(url.path(), format!("/v1/{encoded}"));
        }
    }

    #[test]
    fn a_scope_names_secrets_folders_and_globs() {
        let path = SecretPath::new("db/main").expect("a path");
        let scope = Scope::new("/a/kv/", "team/app/").expect("a scope");
        assert_eq!(scope.secret("data", &path).as_str(), "a/kv/data/team/app/db/main");
        assert_eq!(scope.folder("metadata", "").as_str(), "a/kv/metadata/team/app/");
        assert_eq!(scope.glob("data"), "a/kv/data/team/app/*");
        let whole = Scope::new("kv", "").expect("a scope");
        assert_eq!(whole.folder("metadata", "db/").as_str(), "kv/metadata/db/");
        assert_eq!(whole.glob("data"), "kv/data/*");
    }
}
