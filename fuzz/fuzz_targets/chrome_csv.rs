//! Reads any bytes as `Format::ChromeCsv`.
#![no_main]

vaultterm_fuzz::target!(ChromeCsv);
