//! Writes records as a file for another program, and foretells what the file will not hold.

mod bitwarden_csv;
mod bitwarden_json;
mod cxf;
mod env;
mod json;
mod place;
mod vaultterm;

use crate::{
    format::Format,
    outgoing::{Outgoing, RecordLoss, WriteError, Written},
};

/// Writes records as a file. The file is plain text: the caller seals it.
///
/// # Errors
/// [`WriteError::NotWritten`] for a format that VaultTerm only reads.
pub fn write(format: Format, records: &[Outgoing]) -> Result<Written, WriteError> {
    match format {
        Format::BitwardenJson => Ok(bitwarden_json::write(records)),
        Format::BitwardenCsv => Ok(bitwarden_csv::write(records)),
        Format::Env => Ok(env::write(records)),
        Format::Cxf => Ok(cxf::write(records)),
        Format::Vaultterm => Ok(vaultterm::write(records)),
        other => Err(WriteError::NotWritten { format: other }),
    }
}

/// Foretells what a format cannot hold of these records, by the path of the record. Nothing is written.
///
/// # Errors
/// [`WriteError::NotWritten`] for a format that VaultTerm only reads.
pub fn losses(format: Format, records: &[Outgoing]) -> Result<Vec<RecordLoss>, WriteError> {
    match format {
        Format::BitwardenJson => Ok(bitwarden_json::losses(records)),
        Format::BitwardenCsv => Ok(bitwarden_csv::losses(records)),
        Format::Env => Ok(env::losses(records)),
        Format::Cxf => Ok(cxf::losses(records)),
        Format::Vaultterm => Ok(vaultterm::losses(records)),
        other => Err(WriteError::NotWritten { format: other }),
    }
}

#[cfg(test)]
mod bitwarden_tests;
