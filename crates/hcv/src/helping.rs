//! The headers `X-Vault-Index` and `X-Vault-Inconsistent`, which only help a server to answer with a fresh
//! state. OpenBao understands both. HashiCorp Vault refuses the second one with HTTP 400 on every path unless
//! its operator allowed it. Therefore no request depends on either header.
//!
//! Neither header is sent before the server has sent an index, because without an index the server has
//! nothing to compare with. A header that the server refuses is left out from then on.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::index::NewestIndex;

pub(crate) const INDEX: HeaderName = HeaderName::from_static("x-vault-index");
pub(crate) const INCONSISTENT: HeaderName = HeaderName::from_static("x-vault-inconsistent");
/// The headers in which a server names the node that answers, if its operator enabled them.
const NODE: [&str; 2] = ["x-vault-raft-node-id", "x-vault-hostname"];

/// The headers that servers refused, by address. The set lives as long as the process.
#[derive(Debug, Default)]
pub(crate) struct RefusedHeaders(Mutex<HashSet<(String, HeaderName)>>);

impl RefusedHeaders {
    fn contains(&self, base: &str, header: &HeaderName) -> bool {
        let refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused.iter().any(|(at, name)| at == base && name == header)
    }

    fn insert(&self, base: &str, header: HeaderName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((base.to_owned(), header));
    }
}

/// What a session has learned about the freshness of its answers.
#[derive(Debug)]
pub(crate) struct Helping {
    base: String,
    refused: Arc<RefusedHeaders>,
    index: NewestIndex,
    nodes: Mutex<HashSet<HeaderValue>>,
}

impl Helping {
    /// Returns the state for a new session with the server at a base URL.
    pub(crate) fn new(base: &str, refused: Arc<RefusedHeaders>) -> Self {
        Self { base: base.to_owned(), refused, index: NewestIndex::default(), nodes: Mutex::default() }
    }

    /// Returns the headers for the next request. There are none until the server has sent an index.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(index) = self.index.newest() {
            headers.insert(INDEX, index);
            headers.insert(INCONSISTENT, HeaderValue::from_static("forward-active-node"));
        }
        for header in [INDEX, INCONSISTENT] {
            if self.refused.contains(&self.base, &header) {
                headers.remove(header);
            }
        }
        headers
    }

    /// Returns whether the server sends an index and accepts both headers together.
    pub(crate) fn honoured(&self) -> bool {
        self.headers().len() == 2
    }

    /// Returns whether more than one node answered. This is known only if the servers name themselves.
    pub(crate) fn nodes_changed(&self) -> bool {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).len() > 1
    }

    /// Remembers the index and the node that the headers of an answer name.
    pub(crate) fn see(&self, answer: &HeaderMap) {
        if let Some(index) = answer.get(INDEX) {
            self.index.see(index);
        }
        if let Some(node) = NODE.iter().find_map(|name| answer.get(*name)) {
            self.nodes.lock().unwrap_or_else(PoisonError::into_inner).insert(node.clone());
        }
    }

    /// Returns whether the body of an HTTP 400 refuses one of the headers that were sent, and remembers that
    /// header. The request had no effect in that case.
    pub(crate) fn refuses(&self, body: &[u8], sent: &HeaderMap) -> bool {
        let body = body.to_ascii_lowercase();
        let named = |header: &HeaderName| {
            let name = header.as_str().as_bytes();
            sent.contains_key(header) && body.windows(name.len()).any(|window| window == name)
        };
        // A message about `X-Vault-Inconsistent` may also name the index, so `X-Vault-Inconsistent` is tried
        // first.
        let Some(header) = [INCONSISTENT, INDEX].into_iter().find(named) else { return false };
        tracing::debug!(header = header.as_str(), "the server refuses a header that only helps: sent without it");
        self.refused.insert(&self.base, header);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSAL: &[u8] =
        br#"{"errors":["forwarding via header X-Vault-Inconsistent=forward-active-node disabled in configuration"]}"#;

    fn handed_out() -> HeaderMap {
        HeaderMap::from_iter([(INDEX, HeaderValue::from_static("v1:c:9:0:hmac"))])
    }

    #[test]
    fn neither_header_is_sent_before_the_server_handed_out_an_index() {
        let helping = Helping::new("https://vault", Arc::default());
        assert!(helping.headers().is_empty() && !helping.honoured());
        helping.see(&handed_out());
        assert_eq!(helping.headers().len(), 2);
        assert!(helping.honoured());
    }

    #[test]
    fn a_refused_header_is_remembered_for_the_address_and_the_other_one_goes_on() {
        let refused = Arc::<RefusedHeaders>::default();
        let helping = Helping::new("https://vault", Arc::clone(&refused));
        helping.see(&handed_out());
        assert!(helping.refuses(REFUSAL, &helping.headers()));
        assert!(!helping.honoured(), "an index alone was never tried for freshness");
        for helping in [helping, Helping::new("https://vault", Arc::clone(&refused))] {
            helping.see(&handed_out());
            let sent = helping.headers();
            assert!(sent.contains_key(INDEX) && !sent.contains_key(INCONSISTENT), "{sent:?}");
            assert!(!helping.refuses(REFUSAL, &sent), "what was not sent cannot be refused");
        }
        let elsewhere = Helping::new("https://other", refused);
        elsewhere.see(&handed_out());
        assert_eq!(elsewhere.headers().len(), 2);
    }

    #[test]
    fn another_node_is_noticed_where_servers_name_themselves() {
        let helping = Helping::new("https://vault", Arc::default());
        let hostname = HeaderName::from_static("x-vault-hostname");
        let node = |name| HeaderMap::from_iter([(hostname.clone(), HeaderValue::from_static(name))]);
        for name in ["one", "one"] {
            helping.see(&node(name));
            assert!(!helping.nodes_changed());
        }
        helping.see(&node("two"));
        assert!(helping.nodes_changed());
    }
}
