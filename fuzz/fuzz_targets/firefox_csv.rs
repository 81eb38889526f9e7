//! Reads any bytes as `Format::FirefoxCsv`.
#![no_main]

vaultterm_fuzz::target!(FirefoxCsv);
