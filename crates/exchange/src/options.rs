//! What the person gives beside a file.

use zeroize::Zeroizing;

/// What the person gives beside the file.
#[derive(Default)]
pub struct Options {
    /// The name of the file, with its ending. A secret whose file does not hold its name is called so.
    pub file_name: Option<String>,
    /// The password of a protected file.
    pub password: Option<Zeroizing<String>>,
    /// The key file of a KeePass database.
    pub key_file: Option<Zeroizing<Vec<u8>>>,
    /// Yes to [`crate::Question::DecodeEntities`].
    pub decode_entities: bool,
    /// Yes to [`crate::Question::KeepNested`].
    pub keep_nested: bool,
}
