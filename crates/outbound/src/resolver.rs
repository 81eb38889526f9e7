//! A DNS resolver with a filter: a host name never leads to an address that would be refused as an IP
//! literal.
//!
//! The resolver checks exactly the addresses to which the client connects next, so a name that
//! changes between check and connect (DNS rebinding) does not help an attacker. IP literals do not
//! reach the resolver: [`Address::parse`](crate::address::Address::parse) has checked them.

use std::{io, net::SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::address::{AddressError, canonical, check_ip};

/// Resolves host names to allowed addresses.
#[derive(Clone, Debug)]
pub struct Resolver {
    /// The host to resolve for all names. `None` resolves each name as it is.
    host: Option<String>,
    /// Only loopback addresses are allowed. Plain http must stay on this machine, whatever address
    /// `localhost` resolves to.
    loopback_only: bool,
}

impl Resolver {
    /// Returns a resolver that resolves `host` for all names. TLS verifies the name in the URL of the
    /// request, and the connection goes to `host`.
    #[must_use]
    pub const fn of_host(host: String, loopback_only: bool) -> Self {
        Self { host: Some(host), loopback_only }
    }

    /// Returns a resolver that resolves each name as it is.
    #[must_use]
    pub const fn of_names(loopback_only: bool) -> Self {
        Self { host: None, loopback_only }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (host, loopback_only) = (self.host.clone().unwrap_or_else(|| name.as_str().to_owned()), self.loopback_only);
        Box::pin(async move {
            // The client replaces port 0 by the port of the URL.
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let allowed = filter(found, loopback_only)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Returns the allowed addresses.
///
/// # Errors
/// The reason of the last refusal when all addresses are refused, or an error when there is no address.
fn filter(
    found: impl Iterator<Item = SocketAddr>,
    loopback_only: bool,
) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let mut refusal = None;
    let mut allowed = Vec::new();
    for address in found {
        match check_ip(address.ip()) {
            Err(error) => refusal = Some(error),
            Ok(()) if loopback_only && !canonical(address.ip()).is_loopback() => {
                refusal = Some(AddressError::Plaintext);
            }
            Ok(()) => allowed.push(address),
        }
    }
    match refusal {
        Some(error) if allowed.is_empty() => Err(error.into()),
        None if allowed.is_empty() => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address").into()),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> std::vec::IntoIter<SocketAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn a_name_that_resolves_to_a_metadata_service_is_refused() {
        let error = filter(addresses(&["169.254.169.254:0"]), false).expect_err("refused");
        assert!(matches!(error.downcast_ref(), Some(AddressError::Forbidden { .. })), "{error}");
    }

    #[test]
    fn forbidden_addresses_are_left_out_and_others_stay() {
        let allowed = filter(addresses(&["[fe80::1]:0", "10.0.0.1:0"]), false).expect("one is left");
        assert_eq!(allowed, addresses(&["10.0.0.1:0"]).collect::<Vec<_>>());
    }

    #[test]
    fn plain_http_follows_no_name_off_the_machine() {
        let error = filter(addresses(&["10.0.0.1:0"]), true).expect_err("refused");
        assert_eq!(error.downcast_ref(), Some(&AddressError::Plaintext));
        assert!(filter(addresses(&["127.0.0.1:0", "[::1]:0"]), true).is_ok());
    }
}
