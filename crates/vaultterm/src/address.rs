//! The address of a VaultTerm server, with the rules for the addresses that the command line may use.

use std::{fmt, net::IpAddr};

use reqwest::Url;

use crate::failure::Failure;

/// The address of the server if no setting names another one.
pub(crate) const DEFAULT: &str = "http://127.0.0.1:8250";

/// An address of the form `https://host:port`, or plain http to this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    url: Url,
}

impl Address {
    /// Checks an address. Plain http is allowed only to this machine, because tokens and secrets travel to
    /// the address.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        // The text may contain a password or a token, so the error must not repeat it.
        let shown = if text.contains(['@', '?', '#']) { "what was given" } else { &format!("`{text}`") };
        let refuse = |why: &str| {
            Err(Failure::local(format!("{shown} is not the address of a server"))
                .because_of(why)
                .hint("an address looks like https://vault.example.com:8250, or http://127.0.0.1:8250 on this machine"))
        };
        let Ok(url) = Url::parse(text) else { return refuse("it is not a URL") };
        if url.host_str().is_none() || !matches!(url.scheme(), "http" | "https") {
            return refuse("it does not begin with https:// or http://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Failure::local("an address holds no user name or password")
                .hint("log in with `vaultterm login`, or set VAULTTERM_TOKEN"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return refuse("it has a path; only scheme, host and port count");
        }
        let address = Self { url };
        if address.url.scheme() == "http" && !address.is_loopback() {
            return Err(Failure::local(format!("{address} is plain http to another machine"))
                .because_of("tokens and secrets would travel unencrypted")
                .hint("use https:// (VAULTTERM_CACERT names a private CA), or a tunnel to a loopback address"));
        }
        Ok(address)
    }

    /// Returns whether the address can only be this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Returns whether the server must show a certificate.
    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Returns the URL of an API path, which begins with `/`.
    pub(crate) fn join(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        for fine in ["http://127.0.0.1:8250", "http://localhost:1", "http://[::1]:8250", "https://vault.example.com"] {
            assert!(Address::parse(fine).is_ok(), "{fine}");
        }
        for bad in ["http://vault.example.com", "http://10.0.0.1:8250", "http://localhost.example.com", "ftp://x", "x"]
        {
            let failure = Address::parse(bad).expect_err(bad);
            assert!(!failure.hints.is_empty(), "{failure:?}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        for text in ["https://anna:hunter2@vault.example.com", "anna:hunter2@vault.example.com", "https://a/?t=hunter2"]
        {
            let failure = Address::parse(text).expect_err("refused");
            assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
        }
    }

    #[test]
    fn an_address_is_written_one_way() {
        let address = Address::parse("http://LOCALHOST:8250/").expect("valid");
        assert_eq!(address.to_string(), "http://localhost:8250");
        assert_eq!(address.join("/api/v1/livez").as_str(), "http://localhost:8250/api/v1/livez");
    }
}
