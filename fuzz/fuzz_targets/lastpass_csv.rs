//! Reads any bytes as `Format::LastpassCsv`.
#![no_main]

vaultterm_fuzz::target!(LastpassCsv);
