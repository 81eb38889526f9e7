//! Stores the tokens of `login`: a private file per server address below `$XDG_CONFIG_HOME/vaultterm/tokens`.
//! Logins at two servers therefore do not overwrite each other, and a token is never sent to another address
//! than the one that issued it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{address::Address, failure::Failure, private_file};

/// The tokens of this person on this machine.
#[derive(Debug)]
pub(crate) struct LoginStore {
    directory: PathBuf,
}

/// A stored login.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// The address that issued the token. It is compared when the token is read.
    address: String,
    token: Zeroizing<String>,
}

impl LoginStore {
    /// Returns the store below the configuration directory of the client.
    pub(crate) fn new(configuration: &Path) -> Self {
        Self { directory: configuration.join("tokens") }
    }

    /// Returns the token for an address.
    pub(crate) fn token(&self, address: &Address) -> Result<Option<Zeroizing<String>>, Failure> {
        let path = self.path(address);
        let text = match fs::read(&path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::local(format!("cannot read {}", path.display())).because(&error)),
        };
        private_file::check_mode(&path)?;
        let stored: Stored = serde_json::from_slice(&text).map_err(|_| {
            Failure::local(format!("{} does not hold a login", path.display())).hint("log in again: vaultterm login")
        })?;
        Ok((stored.address == address.to_string()).then_some(stored.token))
    }

    /// Stores the token for an address.
    pub(crate) fn keep(&self, address: &Address, token: &str) -> Result<(), Failure> {
        private_file::create_directory(&self.directory)?;
        let stored = Stored { address: address.to_string(), token: Zeroizing::new(token.to_owned()) };
        let json = Zeroizing::new(serde_json::to_vec(&stored).expect("two texts always encode"));
        private_file::write(&self.path(address), &json)
    }

    /// Deletes the token for an address, if there is one.
    pub(crate) fn forget(&self, address: &Address) -> Result<(), Failure> {
        let path = self.path(address);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::local(format!("cannot remove {}", path.display())).because(&error))
            }
            _ => Ok(()),
        }
    }

    fn path(&self, address: &Address) -> PathBuf {
        let name: String = address
            .to_string()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' })
            .collect();
        self.directory.join(format!("{name}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_only_to_the_address_that_issued_it() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let store = LoginStore::new(directory.path());
        let here = Address::parse("http://127.0.0.1:8250").expect("valid");
        let there = Address::parse("http://127.0.0.1:8251").expect("valid");
        assert!(store.token(&here).expect("read").is_none());
        store.keep(&here, "vtt_one").expect("kept");
        assert_eq!(store.token(&here).expect("read").expect("there").as_str(), "vtt_one");
        assert!(store.token(&there).expect("read").is_none());

        // A file that was moved to the place of another address is not used.
        fs::rename(store.path(&here), store.path(&there)).expect("moved");
        assert!(store.token(&there).expect("read").is_none());

        store.forget(&there).expect("forgotten");
        store.forget(&there).expect("forgetting twice is fine");
    }
}
