//! The settings that the operator chooses for all connections.

use std::time::Duration;

/// The ways to list the stamps of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Listing {
    /// The cheapest way that the server and the role allow.
    #[default]
    Auto,
    /// OpenBao's `SCAN detailed-metadata`. It is an error if that does not work.
    Scan,
    /// OpenBao's `LIST detailed-metadata` for each folder. It is an error if that does not work.
    DetailedList,
    /// `LIST metadata` and one metadata request per key. This works on every server.
    PerKey,
}

/// The settings that the operator chooses for all connections.
#[derive(Clone, Debug)]
pub struct ConnectorOptions {
    /// Whether plain http may go to other machines (`VAULTTERM_ALLOW_PLAINTEXT_VAULT`).
    pub allow_plaintext: bool,
    /// The time limit for opening a connection, TLS included.
    pub connect_timeout: Duration,
    /// The time limit for one request, body included.
    pub request_timeout: Duration,
    /// The time limit for the whole test of a connection, and for the unwrapping of a `SecretID`. A login, an
    /// unwrapping or a revocation that is in progress at that time still ends, within the time of one request.
    pub answer_timeout: Duration,
    /// The way to list stamps.
    pub listing: Listing,
    /// The number of keys per page of a listing.
    pub page_size: usize,
    /// The maximum number of concurrent listing requests.
    pub listing_concurrency: usize,
    /// The maximum number of requests per second of all connections together. 0 means without limit.
    pub requests_per_second_max: u32,
}

impl Default for ConnectorOptions {
    fn default() -> Self {
        Self {
            allow_plaintext: false,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(60),
            listing: Listing::Auto,
            page_size: 1_000,
            listing_concurrency: 8,
            requests_per_second_max: 0,
        }
    }
}
