//! Reads any bytes as `Format::Kdbx`.
#![no_main]

vaultterm_fuzz::target!(Kdbx);
