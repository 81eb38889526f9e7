//! soon
use crate::{item::Found, options::Options, refused::FileError};
pub(crate) fn read(_: &[u8], _: &Options) -> Result<Found, FileError> { Err(FileError::Unrecognised) }
