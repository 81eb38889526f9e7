//! Reads any bytes as `Format::BitwardenJson`.
#![no_main]

vaultterm_fuzz::target!(BitwardenJson);
