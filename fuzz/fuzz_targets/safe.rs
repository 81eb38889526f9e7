//! Reads any bytes as `Format::Safe`.
#![no_main]

vaultterm_fuzz::target!(Safe);
