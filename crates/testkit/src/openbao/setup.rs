//! The settings of a test server.

use super::{certificates::Leaf, product::Product};

/// The settings of a server.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The product to start. `None` means that the environment chooses.
    pub product: Option<Product>,
    /// Raft on disk instead of memory. Such a server keeps its data over a
    /// [`OpenBao::restart`](super::OpenBao::restart), and knows state indexes.
    pub raft: bool,
    /// TLS with this certificate.
    pub tls: Option<Leaf>,
    /// The CA of the client certificates that every client must show.
    pub client_ca: Option<String>,
    /// The maximum number of bytes of a request.
    pub request_bytes_max: Option<u32>,
    /// The maximum number of JSON strings in a request.
    pub request_strings_max: Option<u32>,
}

impl Setup {
    /// Returns the product to start. The stand-in does not speak TLS. Both products use the same TLS library,
    /// so a test with TLS runs directly on OpenBao.
    pub(super) fn product(&self) -> Product {
        match self.product.unwrap_or_else(Product::chosen) {
            Product::StandIn if self.tls.is_some() => Product::OpenBao,
            product => product,
        }
    }
}
