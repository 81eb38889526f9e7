//! Reads any bytes as what the process that parses may send.
#![no_main]

vaultterm_fuzz::fuzz_target!(|bytes: &[u8]| {
    let _ = vaultterm_exchange::from_pipe(bytes);
});
