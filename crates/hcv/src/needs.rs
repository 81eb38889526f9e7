//! The capabilities that each mode needs, with their paths. `policy.rs` writes the same capabilities as HCL,
//! and a test on a real server checks that the two agree.

use std::collections::BTreeSet;

use vaultterm_reconcile::Mode;

use crate::{
    Listing, approle, kv2,
    route::Scope,
    sys::{CAPABILITIES_SELF, Capabilities, Product},
};

/// A capability on a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) capability: &'static str,
    /// The path as a policy names it.
    pub(crate) path: String,
}

/// Returns the capabilities that a mode needs, except those for listing.
pub(crate) fn needs(scope: &Scope, mode: Mode, annotate: bool) -> Vec<Need> {
    let need = |capability, api| Need { capability, path: scope.glob(api) };
    let mut needs = vec![need("read", "data"), need("read", "metadata")];
    if writes(mode) {
        // `delete` is needed even where deletions are retained, because a record that moves leaves its old
        // path.
        needs.extend([need("create", "data"), need("update", "data"), need("update", "delete")]);
        if annotate {
            needs.push(need("patch", "metadata"));
        }
    }
    needs
}

fn writes(mode: Mode) -> bool {
    matches!(mode, Mode::Push | Mode::Bidirectional)
}

/// The AppRole mount and role with which a session logged in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Login<'a> {
    pub(crate) mount: &'a str,
    /// The role; `None` if the server did not name it.
    pub(crate) role: Option<&'a str>,
}

/// A capability that a run can do without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Optional {
    pub(crate) need: Need,
    /// What happens without it.
    pub(crate) without: &'static str,
}

/// Returns the optional capabilities that `connection policy` prints too. Each has a fallback.
pub(crate) fn optional(scope: &Scope, mode: Mode, product: Product, login: Login<'_>) -> Vec<Optional> {
    let mut optional = Vec::new();
    let mut add = |capability, path, without| optional.push(Optional { need: Need { capability, path }, without });
    if product == Product::OpenBao {
        add("list", folder(scope, "detailed-metadata"), "the scope is listed in another way");
        add("scan", folder(scope, "detailed-metadata"), "the scope is listed folder by folder");
    }
    if writes(mode) {
        add(
            "read",
            kv2::config_path(scope),
            "only the setting of a secret says for certain how many versions it keeps",
        );
    }
    add("update", CAPABILITIES_SELF.to_owned(), "without it, a missing right is found only by the run that needs it");
    if let Some(role) = login.role {
        let path = approle::lookup_path(login.mount, role);
        add("update", path, "VaultTerm cannot warn before the SecretID expires");
    }
    optional
}

/// Returns the capability to revoke the own token. Without it, a run works but its token stays alive.
pub(crate) fn revoking() -> Need {
    Need { capability: "update", path: approle::REVOKE_SELF.to_owned() }
}

/// Returns all paths for a single question about capabilities.
pub(crate) fn paths(scope: &Scope, needs: &[Need], optional: &[Optional]) -> BTreeSet<String> {
    let mut paths: BTreeSet<_> = needs.iter().map(|need| need.path.clone()).collect();
    paths.extend(["metadata", "detailed-metadata"].map(|api| folder(scope, api)));
    paths.extend(optional.iter().map(|optional| optional.need.path.clone()));
    paths.insert(revoking().path);
    paths
}

fn folder(scope: &Scope, api: &str) -> String {
    scope.folder(api, "").as_str().to_owned()
}

/// The open ways of listing, in the order in which they are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ways(pub(crate) Vec<Listing>);

impl Ways {
    /// Returns the open ways. If the capabilities are unknown, all ways are tried.
    pub(crate) fn open(wanted: Listing, product: Product, capabilities: Option<&Capabilities>, scope: &Scope) -> Self {
        if wanted != Listing::Auto {
            return Self(vec![wanted]);
        }
        let allowed = |api: &str, capability: &str| {
            capabilities.is_none_or(|capabilities| capabilities.allows(&folder(scope, api), capability))
        };
        let openbao = product == Product::OpenBao;
        let mut ways = Vec::new();
        if openbao && allowed("detailed-metadata", "scan") {
            ways.push(Listing::Scan);
        }
        if openbao && allowed("detailed-metadata", "list") {
            ways.push(Listing::DetailedList);
        }
        if allowed("metadata", "list") {
            ways.push(Listing::PerKey);
        }
        Self(ways)
    }

    /// Returns a description of the first ways for people.
    pub(crate) fn describe(&self) -> &'static str {
        match self.0.first() {
            Some(Listing::Scan) if self.0.contains(&Listing::DetailedList) => {
                "the whole scope at once (SCAN), or folder by folder if it is large (LIST detailed-metadata)"
            }
            Some(Listing::Auto | Listing::Scan) => "the whole scope at once (SCAN)",
            Some(Listing::DetailedList) => "folder by folder, with all stamps (LIST detailed-metadata)",
            Some(Listing::PerKey) => "folder by folder, and one request per secret (LIST metadata)",
            None => "not possible",
        }
    }

    /// Returns the missing capability if no way is open.
    pub(crate) fn missing(&self, product: Product, scope: &Scope) -> Option<Need> {
        if !self.0.is_empty() {
            return None;
        }
        let api = if product == Product::OpenBao { "detailed-metadata" } else { "metadata" };
        Some(Need { capability: "list", path: scope.glob(api) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope::new("kv", "team").expect("a scope")
    }

    #[test]
    fn pull_needs_no_capability_that_changes_anything() {
        for need in needs(&scope(), Mode::Pull, true) {
            assert_eq!(need.capability, "read", "{need:?}");
        }
    }

    #[test]
    fn the_ways_of_listing_follow_product_and_grants() {
        let auto = |product, capabilities| Ways::open(Listing::Auto, product, capabilities, &scope()).0;
        assert_eq!(auto(Product::Vault, None), [Listing::PerKey]);
        assert_eq!(auto(Product::OpenBao, None), [Listing::Scan, Listing::DetailedList, Listing::PerKey]);
        assert_eq!(auto(Product::OpenBao, Some(&Capabilities::default())), []);
        let none = Ways(Vec::new());
        assert_eq!(none.missing(Product::Vault, &scope()).expect("missing").path, "kv/metadata/team/*");
        assert_eq!(none.missing(Product::OpenBao, &scope()).expect("missing").path, "kv/detailed-metadata/team/*");
    }

    #[test]
    fn a_forced_way_is_the_only_one() {
        let ways = Ways::open(Listing::PerKey, Product::OpenBao, None, &scope());
        assert_eq!(ways.0, [Listing::PerKey]);
    }
}
