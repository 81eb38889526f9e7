//! The address of a Vault server: scheme, host, port, and the path prefix of a server behind a proxy.
//! `vaultterm-outbound` decides which addresses are allowed at all.

use vaultterm_outbound::{Address, AddressError};

/// A checked address: scheme, host, port and an optional path prefix (`https://host/vault`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultAddress(Address);

impl VaultAddress {
    /// Checks an address. The addresses to which a host name resolves are checked again at every connect.
    ///
    /// # Errors
    /// [`AddressError`], which says what to change.
    pub fn parse(text: &str, allow_plaintext: bool) -> Result<Self, AddressError> {
        let address = Address::parse(text, allow_plaintext)?;
        if address.url().query().is_some() {
            return Err(AddressError::Malformed("it must not hold a query or fragment"));
        }
        let prefix = address.url().path().trim_matches('/');
        if prefix.split('/').any(|segment| segment == "v1") {
            return Err(AddressError::Malformed(
                "it must end before `/v1`: VaultTerm adds it, and mount and path are given on their own",
            ));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
        if !prefix.chars().all(plain) || prefix.contains("//") {
            return Err(AddressError::Malformed("its path prefix holds characters that no prefix has"));
        }
        Ok(Self(address))
    }

    /// Returns `scheme://host:port`, without a trailing slash.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.origin()
    }

    /// Returns the path prefix without a slash at the end, for example `/vault`. Empty when there is none.
    fn prefix(&self) -> &str {
        self.0.url().path().trim_end_matches('/')
    }

    /// Returns whether requests use plain http.
    #[must_use]
    pub fn is_plaintext(&self) -> bool {
        self.0.is_plaintext()
    }

    /// Returns the host to resolve. An IPv6 literal comes without its brackets.
    pub(crate) fn host(&self) -> String {
        self.0.host()
    }

    /// Returns the base of request URLs. If `server_name` is given, it stands in place of the host, so that
    /// TLS asks for that name and verifies it. The resolver still dials the host.
    pub(crate) fn base(&self, server_name: Option<&str>) -> String {
        let origin = server_name
            .map_or_else(|| self.origin(), |name| format!("{}://{name}:{}", self.0.url().scheme(), self.0.port()));
        format!("{origin}{}", self.prefix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_nothing_but_scheme_host_port_and_prefix() {
        for text in [
            "",
            "vault.example.com",
            "vault.example.com:8200",
            "ftp://vault.example.com",
            "https://user@vault.example.com",
            "https://user:password@vault.example.com",
            "https://vault.example.com/v1",
            "https://vault.example.com/vault/v1/secret",
            "https://vault.example.com/a//b",
            "https://vault.example.com/a%2Fb",
            "https://vault.example.com?x=1",
            "https://vault.example.com#x",
            "https://",
        ] {
            assert!(matches!(VaultAddress::parse(text, true), Err(AddressError::Malformed(_))), "{text}");
        }
        let address = VaultAddress::parse("https://Vault.Example.com/", false).expect("allowed");
        assert_eq!(address.origin(), "https://vault.example.com");
        assert_eq!(address.host(), "vault.example.com");
        assert_eq!(address.base(Some("inside.example.com")), "https://inside.example.com:443");
        let behind = VaultAddress::parse("https://Gateway.example.com:8443/tools/vault/", false).expect("allowed");
        assert_eq!(behind.origin(), "https://gateway.example.com:8443");
        assert_eq!(behind.base(None), "https://gateway.example.com:8443/tools/vault");
        assert_eq!(behind.base(Some("inside")), "https://inside:8443/tools/vault");
    }
}
