//! The bounds of what is read. Each is named when a file meets it.

use serde::{Deserialize, Serialize};
use vaultterm_names::names;

/// The bytes of a file.
pub const FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// The bytes of all that a file unfolds to, when it is compressed.
pub(crate) const UNFOLDED_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// The files within an archive.
pub(crate) const ARCHIVE_FILES_MAX: u64 = 20_000;
/// The items of a file, with those that are refused.
pub const ITEMS_MAX: u64 = 50_000;
/// Earlier states of an item. The oldest are left out, and counted as lost.
pub(crate) const PAST_MAX: usize = 100;
/// The earlier states of all items.
pub(crate) const PAST_OF_ALL_MAX: u64 = 200_000;
/// Nested folders, objects and elements.
pub(crate) const DEPTH_MAX: u64 = 64;
/// The columns of a table.
pub(crate) const COLUMNS_MAX: u64 = 256;
/// The memory of a key derivation, in KiB.
pub(crate) const KDF_MEMORY_KIB_MAX: u64 = 256 * 1024;
/// The rounds of a key derivation by AES (KDBX).
pub(crate) const AES_ROUNDS_MAX: u64 = 60_000_000;
/// The iterations of PBKDF2.
pub(crate) const PBKDF2_ITERATIONS_MAX: u64 = 10_000_000;
/// The iterations of Argon2.
pub(crate) const ARGON2_ITERATIONS_MAX: u64 = 64;
/// The lanes of Argon2.
pub(crate) const ARGON2_LANES_MAX: u64 = 16;
/// The memory of Argon2, in MiB, times its iterations: what it writes in all. As much takes 6 seconds of processor time on the
/// machine on which it was measured, and the process that parses has 30.
pub(crate) const ARGON2_WORK_MIB_MAX: u64 = 8 * 1024;
/// The losses that one item or one file names. Further ones are counted in one line.
pub(crate) const LOSSES_MAX: usize = 100;

names!(
    /// A bound of what is read.
    Limit, "limit" {
        /// [`FILE_BYTES_MAX`].
        FileBytes = "file_bytes",
        /// [`UNFOLDED_BYTES_MAX`].
        UnfoldedBytes = "unfolded_bytes",
        /// [`ARCHIVE_FILES_MAX`].
        ArchiveFiles = "archive_files",
        /// [`ITEMS_MAX`].
        Items = "items",
        /// [`PAST_OF_ALL_MAX`].
        Past = "past",
        /// [`DEPTH_MAX`].
        Depth = "depth",
        /// [`COLUMNS_MAX`].
        Columns = "columns",
        /// [`KDF_MEMORY_KIB_MAX`].
        KdfMemory = "kdf_memory",
        /// [`AES_ROUNDS_MAX`].
        AesRounds = "aes_rounds",
        /// [`PBKDF2_ITERATIONS_MAX`] and [`ARGON2_ITERATIONS_MAX`].
        KdfIterations = "kdf_iterations",
        /// [`ARGON2_LANES_MAX`].
        KdfLanes = "kdf_lanes",
        /// [`ARGON2_WORK_MIB_MAX`].
        KdfWork = "kdf_work",
        /// The memory or the time of the process that parses.
        Process = "process",
    }
);

/// A bound that a file met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitMet {
    /// Which bound.
    pub limit: Limit,
    /// What the file has, if that is known without reading on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<u64>,
    /// What is allowed.
    pub max: u64,
}

impl LimitMet {
    /// Checks a number against a bound.
    ///
    /// # Errors
    /// [`LimitMet`] when it is larger.
    pub const fn check(limit: Limit, found: u64, max: u64) -> Result<(), Self> {
        if found > max { Err(Self { limit, found: Some(found), max }) } else { Ok(()) }
    }
}

/// Checks the parameters of Argon2.
///
/// # Errors
/// [`LimitMet`] with the first that is beyond its bound.
pub(crate) fn argon2(memory_kib: u64, iterations: u64, lanes: u64) -> Result<(), LimitMet> {
    LimitMet::check(Limit::KdfMemory, memory_kib, KDF_MEMORY_KIB_MAX)?;
    LimitMet::check(Limit::KdfIterations, iterations, ARGON2_ITERATIONS_MAX)?;
    LimitMet::check(Limit::KdfLanes, lanes, ARGON2_LANES_MAX)?;
    LimitMet::check(Limit::KdfWork, (memory_kib * iterations).div_ceil(1024), ARGON2_WORK_MIB_MAX)
}

impl std::error::Error for LimitMet {}

impl std::fmt::Display for LimitMet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { limit, found, max } = self;
        let (what, unit, hint) = match limit {
            Limit::FileBytes => ("the file", "MiB", "split it"),
            Limit::UnfoldedBytes => ("what the file unfolds to", "MiB", "export fewer items, or without attachments"),
            Limit::ArchiveFiles => ("the archive", "files", "export fewer items, or without attachments"),
            Limit::Items => ("the file", "items", "split it"),
            Limit::Past => ("the file", "earlier states of items", "split it"),
            Limit::Depth => ("the file", "levels of nesting", "it was not made by the program that it names"),
            Limit::Columns => ("the table", "columns", "check the delimiter"),
            Limit::KdfMemory => ("its key derivation", "MiB of memory", "lower it in the other program and save again"),
            Limit::AesRounds => ("its key derivation", "rounds", "lower them in the other program and save again"),
            Limit::KdfIterations => {
                ("its key derivation", "iterations", "lower them in the other program and save again")
            }
            Limit::KdfLanes => ("its key derivation", "lanes", "lower them in the other program and save again"),
            Limit::KdfWork => {
                let unit = "MiB of memory times iterations";
                ("its key derivation", unit, "lower either in the other program and save again")
            }
            Limit::Process => ("reading it", "seconds or MiB", "split it, or export it in another format"),
        };
        // People read MiB, and files and memory are so large that nothing is lost by it.
        let (found, max) = match limit {
            Limit::FileBytes | Limit::UnfoldedBytes => {
                (found.map(|bytes| mebi(bytes, 1024 * 1024)), mebi(*max, 1024 * 1024))
            }
            Limit::KdfMemory => (found.map(|kibi| mebi(kibi, 1024)), mebi(*max, 1024)),
            _ => (found.map(|found| found.to_string()), max.to_string()),
        };
        match found {
            Some(found) => write!(f, "{what} has {found} {unit}, and at most {max} are allowed: {hint}"),
            None => write!(f, "{what} has more than the {max} {unit} that are allowed: {hint}"),
        }
    }
}

/// Words a size in MiB, rounded up to a tenth, so that what is too large never reads as what is allowed.
fn mebi(size: u64, of_one: u64) -> String {
    let tenths = size.saturating_mul(10).div_ceil(of_one);
    match (tenths / 10, tenths % 10) {
        (whole, 0) => whole.to_string(),
        (whole, tenth) => format!("{whole}.{tenth}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_in_mib_and_never_rounded_to_what_is_allowed() {
        let file = |found| LimitMet { limit: Limit::FileBytes, found, max: FILE_BYTES_MAX }.to_string();
        assert!(file(None).starts_with("the file has more than the 32 MiB that are allowed"), "{}", file(None));
        let one_more = file(Some(FILE_BYTES_MAX + 1));
        assert!(one_more.starts_with("the file has 32.1 MiB, and at most 32 are allowed"), "{one_more}");
        let memory = LimitMet { limit: Limit::KdfMemory, found: Some(1 << 20), max: KDF_MEMORY_KIB_MAX }.to_string();
        assert!(memory.contains("1024 MiB of memory, and at most 256"), "{memory}");
    }
}
