//! Sealed columns: `key_id`, `wrapped_key`, `ciphertext`. What stands in them opens only at the
//! place it was sealed for.

use vaultterm_sealing::{Keyring, Place, Sealed, SecretBytes};

use crate::{
    StoreError,
    sql::{Arg, Row},
};

impl Row {
    /// Reads the three columns of a sealed message.
    pub(crate) fn sealed(&self) -> Result<Sealed, StoreError> {
        self.sealed_as("")
    }

    /// Reads the three columns of a sealed message whose names begin with a prefix.
    pub(crate) fn sealed_as(&self, prefix: &str) -> Result<Sealed, StoreError> {
        Ok(Sealed {
            key_id: self.id(&format!("{prefix}key_id"))?,
            wrapped_key: self.bytes(&format!("{prefix}wrapped_key"))?,
            ciphertext: self.bytes(&format!("{prefix}ciphertext"))?,
        })
    }
}

/// Opens what is kept as JSON.
pub(crate) fn open_json<T: serde::de::DeserializeOwned>(
    keyring: &Keyring,
    place: &Place,
    row: &Row,
    what: &'static str,
) -> Result<T, StoreError> {
    let opened = keyring.unseal(place, &row.sealed()?)?;
    serde_json::from_slice(opened.expose()).map_err(|_| StoreError::Malformed(what))
}

/// Seals what is kept as JSON for one place: the three columns, in order.
pub(crate) fn seal_json(
    keyring: &Keyring,
    place: &Place,
    value: &impl serde::Serialize,
) -> Result<[Arg; 3], StoreError> {
    let json = serde_json::to_vec(value).expect("what is stored as JSON has only text keys");
    seal(keyring, place, SecretBytes::new(json).expose())
}

/// Seals bytes for one place: the three columns, in order.
pub(crate) fn seal(keyring: &Keyring, place: &Place, plaintext: &[u8]) -> Result<[Arg; 3], StoreError> {
    let sealed = keyring.seal(place, plaintext)?;
    Ok([sealed.key_id.into(), sealed.wrapped_key.into(), sealed.ciphertext.into()])
}
