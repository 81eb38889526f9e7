//! Reads any bytes as `Format::Vkv`.
#![no_main]

vaultterm_fuzz::target!(Vkv);
