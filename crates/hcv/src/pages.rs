//! Decides which pages of a folder are requested, and when all of its names are known.
//!
//! A policy of OpenBao can shorten a listing without a word (measured on OpenBao 2.7.2):
//!
//! - With `pagination_limit`, a listing that names no limit ends after that many names. A listing that names a
//!   larger limit is refused, and `limit=max` returns as many names as the policy allows.
//! - With `list_scan_response_keys_filter_path`, the server first chooses the names of a page, and then removes
//!   those that the role may not read. So a page with fewer names than its limit need not be the last one, and
//!   a page that lost all of its names is HTTP 404, like the end of the folder.
//!
//! Therefore every listing on OpenBao names its limit, and after a page that is not full the rest of the folder
//! is requested at once. If a scope showed recently that nothing is hidden ([`KnownScopes`]), that request is
//! left out, because it would double the requests of each look at a scope with many small folders.
//!
//! HashiCorp Vault has no pages and no such policies.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::route::encode;

/// The maximum number of secrets in a scope. A request for the rest of a folder asks for this many names.
pub(crate) const SECRETS_MAX: usize = 1_000_000;
/// How long a scope that hid no name is trusted to hide none.
const TRUSTED_FOR: Duration = Duration::from_secs(3_600);

/// How many names a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// All names, of a server without pages.
    Unnamed,
    /// This many names at most.
    Page(usize),
    /// All names that are left.
    Rest,
    /// As many names as the policy allows.
    Allowed,
}

/// The pages of one folder.
#[derive(Debug)]
pub(crate) struct Pages {
    limit: Limit,
    size: usize,
    /// The last name of the newest page.
    after: String,
    /// Whether the end of the folder must be proven.
    proves_end: bool,
    /// Whether the server refused one kind of limit, and the other kind is tried.
    refused: bool,
    /// Whether the rest was too large for one answer, and is read page by page.
    in_steps: bool,
    is_first: bool,
    hides: bool,
}

impl Pages {
    /// Returns the single page of a folder on a server without pages.
    pub(crate) fn single() -> Self {
        Self {
            limit: Limit::Unnamed,
            size: usize::MAX,
            after: String::new(),
            proves_end: false,
            refused: false,
            in_steps: false,
            is_first: true,
            hides: false,
        }
    }

    /// Returns the pages of a folder, with at most `size` names each. `are_limited` tells that the policy
    /// limits pages to fewer names.
    pub(crate) fn of(size: usize, proves_end: bool, are_limited: bool) -> Self {
        let limit = if are_limited { Limit::Allowed } else { Limit::Page(size) };
        Self { limit, size, proves_end, ..Self::single() }
    }

    /// Returns the query of the next request.
    pub(crate) fn query(&self) -> String {
        let mut query = "list=true".to_owned();
        match self.limit {
            Limit::Unnamed => {}
            Limit::Page(size) => query.push_str(&format!("&limit={size}")),
            Limit::Rest => query.push_str(&format!("&limit={SECRETS_MAX}")),
            Limit::Allowed => query.push_str("&limit=max"),
        }
        if !self.after.is_empty() {
            query.push_str(&format!("&after={}", encode(&self.after)));
        }
        query
    }

    /// Returns the name after which the next page begins. Empty before the first page.
    pub(crate) fn after(&self) -> &str {
        &self.after
    }

    /// Returns whether no page came yet.
    pub(crate) const fn is_first(&self) -> bool {
        self.is_first
    }

    /// Returns whether the policy may hide names of this folder: some were missing from a page, or the end of the folder could
    /// not be proven.
    pub(crate) fn may_hide(&self) -> bool {
        self.hides || self.are_limited()
    }

    /// Returns whether the policy limits pages, as far as this folder showed it.
    pub(crate) fn are_limited(&self) -> bool {
        self.limit == Limit::Allowed
    }

    /// Notes a page with `count` names, and its last name. Returns whether another page must be requested.
    pub(crate) fn shown(&mut self, count: usize, last: Option<&str>) -> bool {
        let nothing_yet = self.after.is_empty() && count == 0;
        self.is_first = false;
        if let Some(last) = last {
            last.clone_into(&mut self.after);
        }
        match self.limit {
            Limit::Unnamed => false,
            // A server that returns more than the limit has no pages.
            Limit::Page(size) if count > size => false,
            Limit::Page(size) if self.in_steps => {
                // An empty page may be hidden. A larger one passes it, or proves the end.
                self.limit = Limit::Page(if count > 0 { self.size } else { SECRETS_MAX.min(2 * size) });
                count > 0 || size < SECRETS_MAX
            }
            Limit::Page(size) if count == size => true,
            Limit::Page(_) if self.proves_end || nothing_yet => {
                self.limit = Limit::Rest;
                true
            }
            Limit::Page(_) => false,
            Limit::Rest => {
                self.hides |= count > 0;
                false
            }
            Limit::Allowed => count > 0,
        }
    }

    /// Notes that the answer was too large. Returns whether it can be read in smaller pages.
    pub(crate) fn too_large(&mut self) -> bool {
        let was_rest = self.limit == Limit::Rest;
        if was_rest {
            (self.limit, self.in_steps, self.hides) = (Limit::Page(self.size), true, true);
        }
        was_rest
    }

    /// Notes that the server refused the limit of the newest request. Returns whether another limit can be
    /// tried.
    pub(crate) fn refused(&mut self) -> bool {
        let other = match self.limit {
            Limit::Unnamed => return false,
            Limit::Page(_) | Limit::Rest => Limit::Allowed,
            Limit::Allowed => Limit::Page(self.size),
        };
        self.limit = other;
        !std::mem::replace(&mut self.refused, true)
    }
}

/// What observations of scopes showed. It lives as long as the process.
#[derive(Debug, Default)]
pub(crate) struct KnownScopes(Mutex<HashMap<String, Known>>);

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    is_large: bool,
    hid_nothing: Option<Instant>,
}

impl KnownScopes {
    /// Returns whether a scope proved too large for a single `SCAN`.
    pub(crate) fn is_large(&self, key: &str) -> bool {
        self.get(key).is_large
    }

    /// Notes that a scope is too large for a single `SCAN`.
    pub(crate) fn note_large(&self, key: &str) {
        self.change(key, |known| known.is_large = true);
    }

    /// Returns whether a scope must prove that its listings hide no name.
    pub(crate) fn must_prove_ends(&self, key: &str) -> bool {
        self.get(key).hid_nothing.is_none_or(|at| at.elapsed() > TRUSTED_FOR)
    }

    /// Notes that a scope proved just now that its listings hide no name.
    pub(crate) fn note_hid_nothing(&self, key: &str) {
        self.change(key, |known| known.hid_nothing = Some(Instant::now()));
    }

    fn get(&self, key: &str) -> Known {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied().unwrap_or_default()
    }

    fn change(&self, key: &str, change: impl FnOnce(&mut Known)) {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key.to_owned()).or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that shows at most `allowed` names per page, and removes the hidden ones afterwards.
    struct Server {
        names: Vec<(String, bool)>,
        allowed: Option<usize>,
        /// The number of names that fit into an answer.
        fit: usize,
    }

    impl Server {
        /// Returns a server whose names are shown (`+`) or hidden (`-`).
        fn new(names: &str, allowed: Option<usize>) -> Self {
            let name = |(number, kind): (usize, char)| (format!("name-{number:03}"), kind == '+');
            Self { names: names.chars().enumerate().map(name).collect(), allowed, fit: usize::MAX }
        }

        fn visible(&self) -> Vec<String> {
            self.names.iter().filter(|(_, is_shown)| *is_shown).map(|(name, _)| name.clone()).collect()
        }

        /// Answers a query as OpenBao 2.7.2 does. `None` stands for HTTP 400 and 403.
        fn answer(&self, query: &str) -> Option<Vec<String>> {
            let of = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            let limit = match (of("limit"), self.allowed) {
                (Some("max"), None) => return None,
                (Some("max") | None, Some(allowed)) => allowed,
                (None, None) => usize::MAX,
                (Some(limit), allowed) => {
                    let limit = limit.parse().expect("a number");
                    if allowed.is_some_and(|allowed| limit > allowed) {
                        return None;
                    }
                    limit
                }
            };
            let after = of("after").unwrap_or_default();
            let page = self.names.iter().filter(|(name, _)| name.as_str() > after).take(limit);
            Some(page.filter(|(_, is_shown)| *is_shown).map(|(name, _)| name.clone()).collect())
        }

        /// Lists everything. Returns the names, the number of requests, and whether names were hidden.
        fn list(&self, mut pages: Pages) -> Option<(Vec<String>, usize, bool)> {
            let mut names = Vec::new();
            for requests in 1..100 {
                let Some(page) = self.answer(&pages.query()) else {
                    if pages.refused() {
                        continue;
                    }
                    return None;
                };
                if page.len() > self.fit {
                    if pages.too_large() {
                        continue;
                    }
                    return None;
                }
                let goes_on = pages.shown(page.len(), page.last().map(String::as_str));
                names.extend(page);
                if !goes_on {
                    return Some((names, requests, pages.may_hide()));
                }
            }
            panic!("it does not end: {pages:?}");
        }
    }

    #[test]
    fn every_visible_name_is_listed_whatever_the_policy_hides_or_limits() {
        let plain = ["", "+", "+++", "++++", "+++++++", "++++++++"];
        let hiding =
            ["-", "----", "-----+", "+-----+", "++-+", "---++++", "++++----++++----", "+--------------------+"];
        for names in plain.iter().chain(&hiding) {
            let server = Server::new(names, None);
            for are_limited in [false, true] {
                let (listed, _, _) = server.list(Pages::of(4, true, are_limited)).expect("allowed");
                assert_eq!(listed, server.visible(), "{names}");
            }
        }
        for names in plain {
            for allowed in 1..6 {
                let server = Server::new(names, Some(allowed));
                for (proves_end, are_limited) in [(false, false), (true, false), (false, true), (true, true)] {
                    let (listed, ..) = server.list(Pages::of(4, proves_end, are_limited)).expect("allowed");
                    assert_eq!(listed, server.visible(), "{names}, {allowed} allowed");
                }
            }
        }
    }

    #[test]
    fn a_name_that_is_hidden_before_others_is_noticed_and_others_are_not() {
        for (names, hides) in [("+++", false), ("++++++", false), ("+--", false), ("----+", true), ("++-+++", true)] {
            let (.., noticed) = Server::new(names, None).list(Pages::of(4, true, false)).expect("allowed");
            assert_eq!(noticed, hides, "{names}");
        }
    }

    #[test]
    fn a_proof_costs_one_request_and_only_an_empty_folder_needs_it_always() {
        for (names, trusted, proven) in [("", 2, 2), ("+", 1, 2), ("++++", 2, 3), ("+++++", 2, 3)] {
            let requests =
                |proves_end| Server::new(names, None).list(Pages::of(4, proves_end, false)).expect("allowed").1;
            assert_eq!((requests(false), requests(true)), (trusted, proven), "{names}");
        }
    }

    #[test]
    fn a_rest_that_is_too_large_for_one_answer_is_read_page_by_page() {
        for names in [
            "+++-++++++++++++",
            "---++++++++++++--",
            "-----++++++++++++++",
            "+++-++++++++----++++++++",
            "++-+++++--------",
        ] {
            let server = Server { fit: 7, ..Server::new(names, None) };
            let (listed, _, may_hide) = server.list(Pages::of(4, true, false)).expect("it can be read");
            assert_eq!((listed, may_hide), (server.visible(), true), "{names}");
        }
        // More hidden names than fit into an answer, before a rest that is too large, cannot be passed.
        let server = Server { fit: 7, ..Server::new(&("-".repeat(8) + &"+".repeat(20)), None) };
        assert_eq!(server.list(Pages::of(4, true, false)), None);
    }

    #[test]
    fn a_server_without_pages_is_asked_once() {
        let server = Server::new("+++++++", None);
        assert_eq!(server.list(Pages::single()), Some((server.visible(), 1, false)));
        let mut ignores_the_limit = Pages::of(4, true, false);
        assert!(!ignores_the_limit.shown(7, Some("name-006")));
    }

    #[test]
    fn a_role_that_may_not_list_at_all_is_asked_twice() {
        let mut pages = Pages::of(4, true, false);
        assert!(pages.refused());
        assert!(!pages.refused());
        assert!(!Pages::single().refused());
    }

    #[test]
    fn a_scope_that_hid_nothing_need_not_prove_it_again_soon() {
        let scopes = KnownScopes::default();
        scopes.note_large("a");
        assert!(scopes.is_large("a") && scopes.must_prove_ends("a"));
        scopes.note_hid_nothing("a");
        assert!(scopes.is_large("a") && !scopes.must_prove_ends("a"));
        assert!(!scopes.is_large("b") && scopes.must_prove_ends("b"));
        let earlier = Instant::now().checked_sub(TRUSTED_FOR + Duration::from_secs(1));
        scopes.change("a", |known| known.hid_nothing = earlier);
        assert!(scopes.must_prove_ends("a"));
    }
}
