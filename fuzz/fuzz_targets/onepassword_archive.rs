//! Reads any bytes as `Format::OnePasswordArchive`.
#![no_main]

vaultterm_fuzz::target!(OnePasswordArchive);
