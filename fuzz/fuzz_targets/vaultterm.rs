//! Reads any bytes as `Format::Vaultterm`.
#![no_main]

vaultterm_fuzz::target!(Vaultterm);
