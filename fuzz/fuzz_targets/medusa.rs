//! Reads any bytes as `Format::Medusa`.
#![no_main]

vaultterm_fuzz::target!(Medusa);
