//! Reads any bytes as `Format::NordpassCsv`.
#![no_main]

vaultterm_fuzz::target!(NordpassCsv);
