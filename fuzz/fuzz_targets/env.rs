//! Reads any bytes as `Format::Env`.
#![no_main]

vaultterm_fuzz::target!(Env);
