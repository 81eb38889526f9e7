//! The HTTP client for whoever speaks to an address of a user's: trust, resolver, limits.
//!
//! Redirects are never followed (what is secret in a request would follow them), proxies of the
//! environment are not used (they would see it, and the address check would judge the wrong
//! host), and `reqwest` repeats nothing by itself.

use std::{sync::Arc, time::Duration};

use reqwest::{Client, redirect, retry};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier, client::WantsClientCert, crypto::aws_lc_rs};

use crate::Resolver;

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is nothing to judge a certificate by.
    #[error("this machine has no CA certificates")]
    NoSystemCa,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Http(#[from] reqwest::Error),
}

/// How long a client waits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a connection may take to open, TLS included.
    pub connect_timeout: Duration,
    /// How long one request may take, body included.
    pub request_timeout: Duration,
}

/// Returns the CAs of this machine.
///
/// # Errors
/// [`ClientError::NoSystemCa`].
pub fn system_roots() -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    // Single unreadable certificates are common on real machines: what is left decides.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(ClientError::NoSystemCa) } else { Ok(roots) }
}

/// Begins the set-up of TLS that trusts these CAs.
///
/// # Errors
/// [`ClientError::Tls`].
pub fn trusting(roots: RootCertStore) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, ClientError> {
    let builder: ConfigBuilder<ClientConfig, WantsVerifier> =
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots))
}

/// Makes a client.
///
/// # Errors
/// [`ClientError::Http`].
pub fn client(mut tls: ClientConfig, resolver: Resolver, limits: Limits) -> Result<Client, ClientError> {
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(resolver)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(limits.connect_timeout)
        .timeout(limits.request_timeout)
        .user_agent(concat!("vaultterm/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(client?)
}
