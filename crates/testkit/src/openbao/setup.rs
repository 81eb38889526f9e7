//! How a test wants its server.

use super::{certificates::Leaf, product::Product};

/// How a server is to be run.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// What is started; what the environment chooses without.
    pub product: Option<Product>,
    /// Raft on disk instead of memory: survives [`OpenBao::restart`](super::OpenBao::restart) and knows state indexes.
    pub raft: bool,
    /// TLS with this certificate.
    pub tls: Option<Leaf>,
    /// The CA of the client certificates that every client must show.
    pub client_ca: Option<String>,
    /// Bytes that a request may have.
    pub request_bytes_max: Option<u32>,
    /// JSON strings that a request may have.
    pub request_strings_max: Option<u32>,
}

impl Setup {
    /// Returns what is started. Behind the stand-in there is no TLS: the same library speaks it in
    /// both products, so OpenBao is asked directly then.
    pub(super) fn product(&self) -> Product {
        match self.product.unwrap_or_else(Product::chosen) {
            Product::StandIn if self.tls.is_some() => Product::OpenBao,
            product => product,
        }
    }
}
