//! What all fuzz targets share.

pub mod kdbx;

pub use libfuzzer_sys::fuzz_target;
use vaultterm_exchange::{Format, Options, from_pipe, read, to_pipe};
use zeroize::Zeroizing;

/// Declares the target of a format: `target!(Env)`.
#[macro_export]
macro_rules! target {
    ($format:ident) => {
        $crate::fuzz_target!(|bytes: &[u8]| {
            $crate::look($crate::Kind::$format, bytes);
        });
    };
}

pub use vaultterm_exchange::Format as Kind;

/// Reads bytes with each answer to the questions, and checks that what was found comes over the pipe. Returns why the file
/// was refused, or nothing.
pub fn look(format: Format, bytes: &[u8]) -> String {
    let mut why = String::new();
    for yes in [false, true] {
        let options = Options {
            file_name: Some("db.json".to_owned()),
            // That of the samples.
            password: Some(Zeroizing::new("geheim".to_owned())),
            key_file: None,
            decode_entities: yes,
            keep_nested: yes,
        };
        let found = read(format, bytes, &options);
        let is_found = found.is_ok();
        if let Err(error) = &found {
            why = error.to_string();
        }
        let mut sent = Vec::new();
        to_pipe(found, &mut sent).expect("a vector takes everything");
        assert_eq!(from_pipe(&sent).is_ok(), is_found);
    }
    why
}
