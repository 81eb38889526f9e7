//! Reads any bytes as what a KeePass database holds: attachments and XML, in a database around them whose checks are right.
#![no_main]

use vaultterm_fuzz::{Kind, kdbx, look};

vaultterm_fuzz::fuzz_target!(|bytes: &[u8]| {
    let file = kdbx::around(&kdbx::content(bytes));
    // A right container never looks like a wrong password: the target would test nothing then.
    assert!(!look(Kind::Kdbx, &file).contains("password or the key file"));
});
