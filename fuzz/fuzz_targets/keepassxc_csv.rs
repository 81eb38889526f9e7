//! Reads any bytes as `Format::KeepassxcCsv`.
#![no_main]

vaultterm_fuzz::target!(KeepassxcCsv);
