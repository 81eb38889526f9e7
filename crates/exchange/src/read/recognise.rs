//! Recognises the format of a file by what it holds. A name of a file decides only where the content fits several.

use super::{documents, managers};
use crate::format::Format;

/// Returns the format of a file, or `None` when nothing in it tells.
#[must_use]
pub fn recognise(bytes: &[u8], file_name: Option<&str>) -> Option<Format> {
    managers::recognise(bytes).or_else(|| documents::recognise(bytes, file_name))
}
