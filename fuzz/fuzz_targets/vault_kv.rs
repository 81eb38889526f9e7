//! Reads any bytes as `Format::VaultKv`.
#![no_main]

vaultterm_fuzz::target!(VaultKv);
