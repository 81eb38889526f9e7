//! The setting `VAULTTERM_METRICS_LISTEN`.

use std::{ffi::OsString, net::SocketAddr};

use super::sources::{METRICS_LISTEN, Sources, unusable};
use crate::failure::Failure;

/// Where the metrics are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MetricsListen {
    /// The address.
    pub(crate) address: SocketAddr,
    /// Whether somebody chose the address. The server goes on without metrics if the default is in use.
    pub(crate) chosen: bool,
}

const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8_251);

/// Reads the setting. `off` means that no metrics are told.
pub(super) fn load(sources: &Sources<impl Fn(&str) -> Option<OsString>>) -> Result<Option<MetricsListen>, Failure> {
    match sources.text(METRICS_LISTEN)?.as_deref() {
        None => Ok(Some(MetricsListen { address: DEFAULT, chosen: false })),
        Some("" | "off") => Ok(None),
        Some(text) => match text.parse() {
            Ok(address) => Ok(Some(MetricsListen { address, chosen: true })),
            Err(_) => Err(unusable(METRICS_LISTEN, text, "an address and port, for example 127.0.0.1:8251, or `off`")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(value: Option<&str>) -> Result<Option<MetricsListen>, Failure> {
        let value = value.map(OsString::from);
        let environment = move |name: &str| (name == METRICS_LISTEN.name).then(|| value.clone()).flatten();
        load(&Sources { environment, file: toml::Table::new() })
    }

    #[test]
    fn metrics_are_on_loopback_unless_they_are_moved_or_switched_off() {
        let usual = loaded(None).unwrap().unwrap();
        assert_eq!((usual.address.to_string().as_str(), usual.chosen), ("127.0.0.1:8251", false));
        let moved = loaded(Some("0.0.0.0:9000")).unwrap().unwrap();
        assert_eq!((moved.address.port(), moved.chosen), (9_000, true));
        assert_eq!(loaded(Some("off")).unwrap(), None);
        assert!(loaded(Some("8251")).unwrap_err().message.contains("VAULTTERM_METRICS_LISTEN"));
    }
}
