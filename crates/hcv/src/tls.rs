//! Builds the HTTP client of a session with its trust and its client certificate. `vaultterm-outbound` sets
//! the rules for all clients that dial an address of a user: no redirects (the token header would follow
//! them), no proxies, and only checked addresses.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use reqwest::Client;
use rustls::{
    ClientConfig, RootCertStore, SignatureScheme,
    client::ResolvesClientCert,
    pki_types::{CertificateDer, DnsName, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use vaultterm_outbound::{ClientError, Limits, Resolver};
use vaultterm_sealing::SecretText;
use vaultterm_sync::{Advice, Tls, ToDo};

use crate::{ConnectorOptions, VaultAddress};

/// Why no client can be built for a connection. A person must fix each of these.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("the CA certificate cannot be read: {0}")]
    Ca(String),
    #[error("the client certificate cannot be read: {0}")]
    ClientCertificate(String),
    #[error("the client key cannot be read, or does not belong to the certificate")]
    ClientKey,
    #[error("a client certificate and its key must be given together")]
    HalfIdentity,
    #[error("the server name `{0}` is not a DNS name")]
    ServerName(String),
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl TlsError {
    /// Returns a hint for the person who fixes it.
    pub(crate) fn hint(&self) -> Option<Advice> {
        match self {
            Self::Ca(_) => Some("give the CA as PEM: one or more CERTIFICATE blocks".into()),
            Self::Client(ClientError::NoSystemCa) => Some(ToDo::GiveCa.into()),
            Self::ServerName(_) => Some("give a DNS name that the server's certificate contains".into()),
            _ => None,
        }
    }
}

/// Whether the server asked for a client certificate. In TLS 1.3 the server judges the certificate after the
/// handshake, and its alert is often lost when it closes the connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct CertificateAsked(Arc<AtomicBool>);

impl CertificateAsked {
    pub(crate) fn yes(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Returns the certificate of another resolver, and records that the server asked for it.
#[derive(Debug)]
struct Noticing {
    inner: Arc<dyn ResolvesClientCert>,
    asked: CertificateAsked,
}

impl ResolvesClientCert for Noticing {
    fn resolve(&self, root_hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.0.store(true, Relaxed);
        self.inner.resolve(root_hints, schemes)
    }

    fn has_certs(&self) -> bool {
        self.inner.has_certs()
    }
}

/// Builds the client of a session.
pub(crate) fn client(
    address: &VaultAddress,
    tls: &Tls,
    client_key_pem: Option<&SecretText>,
    options: &ConnectorOptions,
) -> Result<(Client, CertificateAsked), TlsError> {
    if let Some(name) = &tls.server_name {
        // An IP address here would be dialed as it stands in the URL, without the address check.
        if name.parse::<std::net::IpAddr>().is_ok() || DnsName::try_from(name.as_str()).is_err() {
            return Err(TlsError::ServerName(name.clone()));
        }
    }
    let resolver = Resolver::of_host(address.host(), address.is_plaintext() && !options.allow_plaintext);
    let mut config = config(address, tls, client_key_pem)?;
    let asked = CertificateAsked::default();
    let inner = Arc::clone(&config.client_auth_cert_resolver);
    config.client_auth_cert_resolver = Arc::new(Noticing { inner, asked: asked.clone() });
    let limits = Limits { connect_timeout: options.connect_timeout, request_timeout: options.request_timeout };
    Ok((vaultterm_outbound::client(config, resolver, limits)?, asked))
}

fn config(address: &VaultAddress, tls: &Tls, client_key_pem: Option<&SecretText>) -> Result<ClientConfig, TlsError> {
    let roots = match &tls.ca_pem {
        Some(pem) => given_roots(pem)?,
        // Plain http on loopback must work on a machine without CA certificates.
        None if address.is_plaintext() => RootCertStore::empty(),
        None => vaultterm_outbound::system_roots()?,
    };
    let builder = vaultterm_outbound::trusting(roots)?;
    match (&tls.client_cert_pem, client_key_pem) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(chain), Some(key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| TlsError::ClientKey)?;
            builder
                .with_client_auth_cert(certificates(chain).map_err(TlsError::ClientCertificate)?, key)
                .map_err(|_| TlsError::ClientKey)
        }
        _ => Err(TlsError::HalfIdentity),
    }
}

fn given_roots(pem: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem).map_err(TlsError::Ca)? {
        roots.add(certificate).map_err(|error| TlsError::Ca(error.to_string()))?;
    }
    Ok(roots)
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    if found.is_empty() { Err("it holds no CERTIFICATE block".to_owned()) } else { Ok(found) }
}
