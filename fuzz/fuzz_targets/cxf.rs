//! Reads any bytes as `Format::Cxf`.
#![no_main]

vaultterm_fuzz::target!(Cxf);
