//! Reads any bytes as `Format::BitwardenCsv`.
#![no_main]

vaultterm_fuzz::target!(BitwardenCsv);
