//! Reads any bytes as the document within an archive of 1Password, in an archive around it whose checks are right.
#![no_main]

use std::io::{Cursor, Write as _};

use vaultterm_fuzz::{Kind, look};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

const ATTRIBUTES: &[u8] = br#"{"version":3,"description":"1Password Unencrypted Export","createdAt":1585333569}"#;

vaultterm_fuzz::fuzz_target!(|bytes: &[u8]| {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in [("export.attributes", ATTRIBUTES), ("export.data", bytes)] {
        zip.start_file(name, options).expect("memory takes everything");
        zip.write_all(bytes).expect("memory takes everything");
    }
    let file = zip.finish().expect("memory takes everything").into_inner();
    look(Kind::OnePasswordArchive, &file);
});
