//! Proxies in front of the server, whose word about the address of a client is taken. Without any, each client is whom the
//! socket says; behind a proxy that is not named here, all of them share one address, and one limit on logins.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use axum::http::HeaderMap;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The proxies that are trusted: addresses, or networks as `10.0.0.0/8`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    fn holds(self, address: IpAddr) -> bool {
        let differ = match (self.address, address) {
            (IpAddr::V4(one), IpAddr::V4(other)) => u128::from(one.to_bits() ^ other.to_bits()) << 96,
            (IpAddr::V6(one), IpAddr::V6(other)) => one.to_bits() ^ other.to_bits(),
            _ => return false,
        };
        differ.leading_zeros() >= u32::from(self.bits)
    }
}

impl FromStr for TrustedProxies {
    type Err = String;

    /// Reads addresses and networks, with commas or spaces between. The error is the part that is neither.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split([',', ' ']).filter(|part| !part.is_empty());
        let network = |part: &str| {
            let (address, bits) = match part.split_once('/') {
                Some((address, bits)) => (address, Some(bits)),
                None => (part, None),
            };
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most))?;
            Some(Network { address, bits })
        };
        parts.map(|part| network(part).ok_or_else(|| part.to_owned())).collect::<Result<_, _>>().map(Self)
    }
}

impl TrustedProxies {
    /// Returns whether the list has an address.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.holds(address))
    }

    /// Returns the address of the client: the last one in `X-Forwarded-For` that no trusted proxy has, when a trusted proxy
    /// asks. What a client wrote into the header itself stands before that, and is not looked at.
    pub(crate) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        if !self.trusts(peer.ip()) {
            return peer;
        }
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut client = peer;
        for part in lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(',')) {
            let Ok(address) = part.trim().parse::<IpAddr>() else { break };
            client = SocketAddr::new(address, 0);
            if !self.trusts(address) {
                break;
            }
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &str, peer: &str, lines: &[&str]) -> String {
        let trusted: TrustedProxies = trusted.parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        trusted.client(SocketAddr::new(peer.parse().unwrap(), 7), &headers).ip().to_string()
    }

    #[test]
    fn only_a_trusted_proxy_says_who_asks_and_only_for_the_last_address_that_is_no_proxy() {
        for (trusted, peer, lines, expected) in [
            ("", "127.0.0.1", &["9.9.9.9"][..], "127.0.0.1"),
            ("127.0.0.1", "127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", "127.0.0.1", &["9.9.9.9"], "9.9.9.9"),
            ("127.0.0.1", "10.0.0.1", &["9.9.9.9"], "10.0.0.1"),
            // A client that claims to be somebody else.
            ("127.0.0.1", "127.0.0.1", &["1.1.1.1, 9.9.9.9"], "9.9.9.9"),
            ("127.0.0.1", "127.0.0.1", &["1.1.1.1", "9.9.9.9"], "9.9.9.9"),
            // Two proxies.
            ("127.0.0.1 10.0.0.0/8", "127.0.0.1", &["9.9.9.9, 10.1.2.3"], "9.9.9.9"),
            ("127.0.0.1,10.0.0.0/8", "127.0.0.1", &["10.3.3.3, 10.1.2.3"], "10.3.3.3"),
            // A text that is not an address ends the search.
            ("127.0.0.1", "127.0.0.1", &["9.9.9.9, unknown"], "127.0.0.1"),
            ("::1 fd00::/8", "::1", &["2001:db8::1, fd00::7"], "2001:db8::1"),
            ("127.0.0.1", "::ffff:127.0.0.1", &["9.9.9.9"], "9.9.9.9"),
        ] {
            assert_eq!(client(trusted, peer, lines), expected, "{trusted} {peer} {lines:?}");
        }
    }

    #[test]
    fn a_list_that_cannot_be_meant_names_the_part_that_is_wrong() {
        for (text, wrong) in [("10.0.0.1, proxy", "proxy"), ("10.0.0.0/33", "10.0.0.0/33"), ("::/x", "::/x")] {
            assert_eq!(text.parse::<TrustedProxies>().unwrap_err(), wrong);
        }
        assert_eq!("0.0.0.0/0".parse::<TrustedProxies>().unwrap().0.len(), 1);
    }
}
