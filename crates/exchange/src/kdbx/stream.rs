//! The cipher of the values within the XML.

use aes::cipher::StreamCipher as _;
use chacha20::ChaCha20;
use salsa20::Salsa20;

use crate::refused::FileError;

/// The cipher of the values within the XML. Its state goes on from value to value.
pub(super) enum Stream {
    Plain,
    Salsa20(Box<Salsa20>),
    ChaCha20(Box<ChaCha20>),
}

impl Stream {
    /// Decrypts the next value.
    pub(super) fn apply(&mut self, value: &mut [u8]) -> Result<(), FileError> {
        let done = match self {
            Self::Plain => Ok(()),
            Self::Salsa20(cipher) => cipher.try_apply_keystream(value),
            Self::ChaCha20(cipher) => cipher.try_apply_keystream(value),
        };
        done.map_err(|_| FileError::damaged(None, "it protects more values than its cipher can"))
    }
}
