//! Every cipher, derivation and kind of key file, in databases of another program.

use zeroize::Zeroizing;

use super::super::{header, header::Cipher, read};
use crate::{options::Options, refused::FileError, testing};

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/samples/kdbx/", $name))
    };
}

/// A database with its key file, and whether it has a password beside it.
type Sample = (&'static str, &'static [u8], Option<&'static [u8]>, bool);

const SAMPLES: [Sample; 8] = [
    ("none", sample!("none.kdbx"), None, true),
    ("raw", sample!("raw.kdbx"), Some(sample!("keys/raw.key")), true),
    ("hex", sample!("hex.kdbx"), Some(sample!("keys/hex.key")), false),
    ("xml1", sample!("xml1.kdbx"), Some(sample!("keys/xml1.key")), true),
    ("xml2", sample!("xml2.kdbx"), Some(sample!("keys/xml2.key")), false),
    ("any", sample!("any.kdbx"), Some(sample!("keys/any.key")), true),
    ("picture", sample!("picture.kdbx"), Some(sample!("keys/picture.key")), true),
    ("twofish-3.1", sample!("twofish-3.1.kdbx"), None, true),
];

fn options(password: Option<&str>, key_file: Option<&[u8]>) -> Options {
    let password = password.map(|password| Zeroizing::new(password.to_owned()));
    Options { password, key_file: key_file.map(|file| Zeroizing::new(file.to_vec())), ..Options::default() }
}

fn right(key_file: Option<&[u8]>, has_password: bool) -> Options {
    options(has_password.then_some("geheim"), key_file)
}

#[test]
fn every_cipher_derivation_and_key_file_opens() {
    let mail = "password=\"first €\" url=\"https://mail.example\" username=\"ann\"";
    for (name, file, key_file, has_password) in SAMPLES {
        let found = read(file, &right(key_file, has_password)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let outline = testing::outline(&found);
        let first = &outline[0];
        assert!(first.starts_with("PASSWORD Work/Mail PIN=\"0042\"") && first.ends_with(mail), "{name}: {outline:?}");
        let door = "PASSWORD Work/Door password=\"second\"";
        assert!(name == "twofish-3.1" || outline.iter().any(|line| line == door), "{name}: {outline:?}");
    }
}

#[test]
fn the_samples_have_the_ciphers_for_which_they_stand() {
    for (at, cipher, derivation) in [
        (0, Cipher::ChaCha20, "Argon2 { is_id: true, version: 19"),
        (1, Cipher::Twofish, "Argon2 { is_id: false, version: 19"),
        (2, Cipher::Aes256, "Aes { rounds: 1000"),
        (3, Cipher::Aes256, "Argon2 { is_id: true, version: 16"),
        (4, Cipher::ChaCha20, "Argon2 { is_id: false"),
        (7, Cipher::Twofish, "Aes { rounds: 1000"),
    ] {
        let (name, file, ..) = SAMPLES[at];
        let header = header::read(file).unwrap();
        assert_eq!(header.cipher, cipher, "{name}");
        let told = format!("{:?}", header.derivation);
        assert!(told.starts_with(derivation), "{name}: {told}");
    }
    assert!(!header::read(SAMPLES[0].1).unwrap().is_compressed && header::read(SAMPLES[1].1).unwrap().is_compressed);
}

#[test]
fn neither_half_of_a_key_opens_a_database_that_has_both() {
    for (name, file, key_file, has_password) in SAMPLES {
        let password = has_password.then_some("geheim");
        let mut wrong = vec![options(Some("geheim "), key_file), options(password, Some(b"another file"))];
        if key_file.is_some() && has_password {
            wrong.push(options(password, None));
            wrong.push(options(None, key_file));
            // An empty password beside a key file counts as none.
            wrong.push(options(Some(""), key_file));
        }
        for options in &wrong {
            let expected =
                if options.key_file.is_some() { FileError::WrongPassword } else { FileError::WrongPasswordAlone };
            assert_eq!(read(file, options).unwrap_err(), expected, "{name}");
        }
    }
}

#[test]
fn a_form_without_a_password_opens_a_database_that_has_a_key_file_only() {
    for at in [2, 4] {
        let (name, file, key_file, _) = SAMPLES[at];
        assert!(read(file, &options(Some(""), key_file)).is_ok(), "{name}");
    }
}

#[test]
fn a_key_file_that_was_cut_off_is_named_and_not_taken_for_any_file() {
    let (_, file, key_file, _) = SAMPLES[4];
    let key_file = key_file.unwrap();
    for cut in [key_file.len() / 2, key_file.len() - 20] {
        let refused = read(file, &options(None, Some(&key_file[..cut]))).unwrap_err().to_string();
        assert!(refused.contains("the key file is XML"), "{refused}");
    }
    let text = String::from_utf8(key_file.to_vec()).unwrap();
    for (from, to) in [("Hash=", "hash="), ("2.0", "3.0"), ("<Data", "<Date")] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        let read = read(file, &options(None, Some(changed.as_bytes())));
        // Without its hash the key is the same; otherwise nothing is guessed.
        assert!(read.is_ok() == (from == "Hash="), "{from}");
    }
}
