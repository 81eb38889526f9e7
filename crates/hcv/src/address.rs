//! Which addresses may be spoken to. Addresses come from users.

/// Why a text is no address of a Vault that may be spoken to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No URL, or not of the form `https://host:port`.
    #[error("{0}")]
    Malformed(&'static str),
    /// Plain http to another machine.
    #[error("plain http is only allowed to loopback addresses")]
    Plaintext,
    /// Link-local, multicast, unspecified or a cloud metadata service.
    #[error("{0} is {1}: never spoken to")]
    Forbidden(std::net::IpAddr, &'static str),
}

/// A checked address: `https://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultAddress {}

impl VaultAddress {
    /// Checks an address. What a host name resolves to is checked again on every connect.
    ///
    /// # Errors
    /// [`AddressError`] says what to change.
    pub fn parse(text: &str, allow_plaintext: bool) -> Result<Self, AddressError> {
        let _ = (text, allow_plaintext);
        todo!()
    }
}
