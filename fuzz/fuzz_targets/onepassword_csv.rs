//! Reads any bytes as `Format::OnePasswordCsv`.
#![no_main]

vaultterm_fuzz::target!(OnePasswordCsv);
