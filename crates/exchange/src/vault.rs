//! Secrets of Vault or OpenBao, as four programs write them. A secret has no type there: the names of its fields tell it.

pub(crate) mod kv;
pub(crate) mod medusa;
pub(crate) mod safe;
mod secret;
pub(crate) mod vkv;

#[cfg(test)]
mod tests;
