//! Fields of a body that can be null, and that can be left out.

use serde::{Deserialize, Deserializer};

/// Tells a field that is null from one that is not there.
pub fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}
