//! The rules about addresses. Users enter addresses, so each is checked twice: here as text, and at
//! each connect after DNS has resolved it (`resolver.rs`).
//!
//! Private networks are allowed, because Vault servers and webhook receivers usually run there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

/// Why VaultTerm refuses an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The text is not a URL, or does not have the form `https://host:port`.
    #[error("not an address of the form https://host:port: {0}")]
    Malformed(&'static str),
    /// The address uses plain http to another machine.
    #[error("plain http is only allowed to loopback addresses: use https")]
    Plaintext,
    /// The address is link-local, multicast, unspecified or a cloud metadata service.
    #[error("VaultTerm never connects to {address}, because it is {what}")]
    Forbidden {
        /// The address.
        address: IpAddr,
        /// The kind of address, with its article: `a multicast address`.
        what: &'static str,
    },
}

/// A checked address: an http or https URL whose host is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    url: Url,
}

impl Address {
    /// Checks an address. `allow_plaintext` permits plain http to other machines. The resolver checks
    /// the IP addresses of a host name again at each connect.
    ///
    /// # Errors
    /// [`AddressError`] names the part that must change.
    pub fn parse(text: &str, allow_plaintext: bool) -> Result<Self, AddressError> {
        let malformed = |why| Err(AddressError::Malformed(why));
        let Ok(url) = Url::parse(text) else {
            return malformed("it cannot be read as a URL");
        };
        if !matches!(url.scheme(), "http" | "https") {
            return malformed("the scheme must be https");
        }
        if url.host().is_none() {
            return malformed("the host is missing");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return malformed("it must not hold a user name or password");
        }
        if url.fragment().is_some() {
            return malformed("it must not hold a fragment");
        }
        let address = Self { url };
        if let Some(ip) = address.ip() {
            check_ip(ip)?;
        }
        if address.is_plaintext() && !allow_plaintext && !address.names_loopback() {
            return Err(AddressError::Plaintext);
        }
        Ok(address)
    }

    /// Returns the URL as the parser normalised it.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Returns `scheme://host:port`, without a trailing slash.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Returns whether requests go over plain http.
    #[must_use]
    pub fn is_plaintext(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// Returns the host to resolve. An IPv6 literal is returned without brackets.
    #[must_use]
    pub fn host(&self) -> String {
        self.ip().map_or_else(|| self.url.host_str().unwrap_or_default().to_owned(), |ip| ip.to_string())
    }

    /// Returns the port of the URL, or the default port of its scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    /// Returns the IP address when the host is an IP literal.
    fn ip(&self) -> Option<IpAddr> {
        // The parser has normalised the host already: it turns `0x7f.1` into 127.0.0.1.
        self.url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// Returns whether the text of the host names loopback. A name that merely resolves to loopback
    /// does not count, because it may resolve elsewhere later.
    fn names_loopback(&self) -> bool {
        match self.ip() {
            Some(ip) => canonical(ip).is_loopback(),
            None => {
                let host = self.url.host_str().unwrap_or_default();
                host == "localhost" || host.ends_with(".localhost")
            }
        }
    }
}

/// The cloud metadata services outside the link-local range, by provider.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba Cloud
    Ipv4Addr::new(168, 63, 129, 16),   // Azure's wire server
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle Cloud
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), // AWS
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),  // Google Cloud
];

/// Checks an IP address before a connection is opened to it.
///
/// # Errors
/// [`AddressError::Forbidden`].
pub(crate) fn check_ip(address: IpAddr) -> Result<(), AddressError> {
    let what = match canonical(address) {
        ip if ip.is_unspecified() => "the unspecified address",
        ip if ip.is_multicast() => "a multicast address",
        IpAddr::V4(ip) if METADATA_V4.contains(&ip) => "a cloud metadata service",
        IpAddr::V6(ip) if METADATA_V6.contains(&ip) => "a cloud metadata service",
        IpAddr::V4(ip) if ip.is_link_local() => "a link-local address (cloud metadata services live there)",
        IpAddr::V6(ip) if ip.is_unicast_link_local() => "a link-local address",
        IpAddr::V4(ip) if ip.octets()[0] == 0 || ip.is_broadcast() => "a reserved address",
        _ => return Ok(()),
    };
    Err(AddressError::Forbidden { address, what })
}

/// Returns the IPv4 address that an IPv6 address leads to, if it has one of these forms: mapped
/// (`::ffff:a.b.c.d`), compatible (`::a.b.c.d`), NAT64 (`64:ff9b::a.b.c.d`) or 6to4
/// (`2002:aabb:ccdd::`). Returns other addresses unchanged.
pub(crate) fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let segments = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] if (high, low) > (0, 1) => v4(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden(text: &str) -> bool {
        matches!(Address::parse(text, true), Err(AddressError::Forbidden { .. }))
    }

    #[test]
    fn metadata_link_local_multicast_and_unspecified_addresses_are_refused() {
        for text in [
            "https://169.254.169.254",
            "https://169.254.0.1:8200",
            "https://2852039166", // 169.254.169.254 as one number
            "https://0xa9.0xfe.0xa9.0xfe",
            "https://[::ffff:169.254.169.254]",
            "https://[64:ff9b::169.254.169.254]",
            "https://[2002:a9fe:a9fe::1]",
            "https://[fe80::1]",
            "https://[fd00:ec2::254]",
            "https://[ff02::1]",
            "https://[::]",
            "https://0.0.0.0",
            "https://0.1.2.3",
            "https://224.0.0.1",
            "https://255.255.255.255",
            "https://100.100.100.200",
            "https://168.63.129.16",
        ] {
            assert!(forbidden(text), "{text}");
        }
    }

    #[test]
    fn private_and_public_addresses_are_allowed() {
        for text in
            ["https://10.0.0.5:8200", "https://192.168.1.1", "https://[fd12::1]:8200", "https://vault.example.com"]
        {
            assert!(Address::parse(text, false).is_ok(), "{text}");
        }
    }

    #[test]
    fn plain_http_is_for_loopback_unless_allowed() {
        for text in ["http://127.0.0.1:8200", "http://localhost:8200", "http://[::1]:8200", "http://a.localhost"] {
            assert!(Address::parse(text, false).is_ok(), "{text}");
        }
        for text in ["http://10.0.0.5:8200", "http://vault.example.com", "http://localhost.example.com"] {
            assert_eq!(Address::parse(text, false), Err(AddressError::Plaintext), "{text}");
            assert!(Address::parse(text, true).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_address_is_a_url_without_credentials_and_fragment() {
        for text in [
            "",
            "receiver.example.com",
            "receiver.example.com:8443",
            "ftp://receiver.example.com",
            "https://user@receiver.example.com",
            "https://user:password@receiver.example.com",
            "https://receiver.example.com#x",
            "https://",
        ] {
            assert!(matches!(Address::parse(text, true), Err(AddressError::Malformed(_))), "{text}");
        }
        let address = Address::parse("https://Receiver.Example.com/hooks/a?x=1", false).expect("allowed");
        assert_eq!(address.url().as_str(), "https://receiver.example.com/hooks/a?x=1");
        assert_eq!(address.origin(), "https://receiver.example.com");
        assert_eq!((address.host().as_str(), address.port()), ("receiver.example.com", 443));
    }
}
