//! The credential of a connection on the command line.

use std::path::PathBuf;

use crate::{failure::Failure, input, input_file::InputFile};

/// How VaultTerm logs in to Vault.
#[derive(clap::Args, Debug)]
pub(crate) struct CredentialArgs {
    /// File that holds the SecretID; `-` for stdin
    #[arg(long, value_name = "FILE")]
    secret_id_file: Option<PathBuf>,
    /// File that holds a response-wrapping token of a SecretID; `-` for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "secret_id_file")]
    wrapping_token_file: Option<PathBuf>,
}

impl CredentialArgs {
    /// Reads the credential. Returns the name of the API's field, and its value.
    pub(super) fn read(&self) -> Result<(&'static str, zeroize::Zeroizing<String>), Failure> {
        match (&self.secret_id_file, &self.wrapping_token_file) {
            (Some(path), _) => {
                Ok(("secret_id", InputFile { path, what: "the SecretID", by: "--secret-id-file" }.credential()?))
            }
            (None, Some(path)) => Ok((
                "wrapping_token",
                InputFile { path, what: "the wrapping token", by: "--wrapping-token-file" }.credential()?,
            )),
            (None, None) => {
                let instead = "--secret-id-file FILE or --wrapping-token-file FILE (or -)";
                Ok(("secret_id", input::ask_secret("SecretID", instead)?))
            }
        }
    }
}
