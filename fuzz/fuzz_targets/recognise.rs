//! Recognises any bytes.
#![no_main]

vaultterm_fuzz::fuzz_target!(|bytes: &[u8]| {
    let _ = vaultterm_exchange::recognise(bytes, None);
});
