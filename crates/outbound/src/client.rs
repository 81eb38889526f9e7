//! The HTTP client for addresses that users enter: its CA certificates, resolver and limits.
//!
//! The client never follows a redirect, because the secrets of a request would follow it. It ignores
//! the proxies of the environment: a proxy would see the secrets, and the address check would judge
//! the proxy instead of the server. `reqwest` never repeats a request by itself.

use std::{sync::Arc, time::Duration};

use reqwest::{Client, redirect, retry};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier, client::WantsClientCert, crypto::aws_lc_rs};

use crate::Resolver;

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The machine has no CA certificates, so no server certificate could be verified.
    #[error("this machine has no CA certificates: install the system's CA certificate package")]
    NoSystemCa,
    /// The TLS library refused the configuration.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The HTTP library refused the configuration.
    #[error("the HTTP client cannot be set up")]
    Http(#[from] reqwest::Error),
}

/// The time limits of a client.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The time to open a connection, TLS included.
    pub connect_timeout: Duration,
    /// The time of one request, body included.
    pub request_timeout: Duration,
}

/// Returns the CA certificates of this machine.
///
/// # Errors
/// [`ClientError::NoSystemCa`].
pub fn system_roots() -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    // Many machines have a few unreadable certificates. Skip them and use the others.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(ClientError::NoSystemCa) } else { Ok(roots) }
}

/// Returns a TLS configuration builder that trusts these CA certificates.
///
/// # Errors
/// [`ClientError::Tls`].
pub fn trusting(roots: RootCertStore) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, ClientError> {
    let builder: ConfigBuilder<ClientConfig, WantsVerifier> =
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots))
}

/// Builds a client.
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
