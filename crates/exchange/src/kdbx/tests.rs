//! Tests against databases that other programs made (see `README.md` beside the samples), and against damaged ones.

mod ciphers;
mod database;
mod hostile;

use zeroize::Zeroizing;

use super::{header, read, stream::Stream, xml::Xml};
use crate::{
    limits::{Limit, LimitMet},
    options::Options,
    refused::FileError,
    testing,
};

const FOUR: &[u8] = include_bytes!("../../tests/samples/kdbx/pykeepass-4.kdbx");
const WITH_KEY_FILE: &[u8] = include_bytes!("../../tests/samples/kdbx/keepassxc-4-keyfile.kdbx");
const THREE: &[u8] = include_bytes!("../../tests/samples/kdbx/kdbxweb-3.1.kdbx");
const KEY_FILE: &[u8] = include_bytes!("../../tests/samples/kdbx/key.keyx");

fn password(text: &str) -> Options {
    Options { password: Some(Zeroizing::new(text.to_owned())), ..Options::default() }
}

fn with_key_file(file: &[u8]) -> Options {
    Options { key_file: Some(Zeroizing::new(file.to_vec())), ..password("geheim") }
}

#[test]
fn version_4_is_read_with_history_codes_trash_and_losses() {
    let found = read(FOUR, &password("geheim")).unwrap();
    assert_eq!(
        testing::outline(&found),
        [
            "PASSWORD Work/Ops/Mail PIN=\" 0042 \" expires=\"2023-01-02T03:04:05Z\" notes=\"  line one\\n& <two>\\n\" \
             otpauth_url=\"otpauth://totp/Mail:ann?secret=JBSWY3DPEHPK3PXP&issuer=Mail\" password=\"new pass €\" \
             password 2=\"second\" url=\"https://mail.example\" url_2=\"https://other.example\" username=\"ann\" #a #b",
            "  was 1672628645000000 expires=\"2023-01-02T03:04:05Z\" notes=\"  line one\\n& <two>\\n\" \
             password=\"old pass\" url=\"https://mail.example\" username=\"ann\"",
            "  lost attached file `note.txt` (16 bytes)",
            "  lost icon or colour",
            "  lost field with a name that another field has; it gets a number `password 2`",
            "PASSWORD Work/Reference password=\"y\" username=\"{REF:U@I:46C9B1FFBD4ABC4BBB260C6190BAD20C}\"",
            "  lost reference to another entry; its text was stored, not the value that it stands for `username`",
            "SECURE_NOTE Note note=\"only text\"",
            "PASSWORD Codes otpauth_url=\"otpauth://totp/KeePass?secret=JBSWY3DPEHPK3PXP&algorithm=SHA256&digits=6&period=60\" \
             password=\"x\" username=\"bob\"",
            "(trash) PASSWORD Gone password=\"z\" username=\"eve\"",
        ]
    );
    assert_eq!(found.losses, []);
    assert_eq!(found.items[0].created_us, Some(1_672_628_645_000_000));
    assert_eq!(found.items[0].updated_us, Some(1_672_715_045_000_000));
}

#[test]
fn a_database_of_keepassxc_opens_with_its_key_file() {
    let found = read(WITH_KEY_FILE, &with_key_file(KEY_FILE)).unwrap();
    let outline = testing::outline(&found);
    assert_eq!(
        [&outline[0], &outline[3], &outline[4]],
        [
            "PASSWORD Work/Mail notes=\"note\" password=\"new pass\" url=\"https://mail.example\" username=\"ann\"",
            "  lost attached file `note.txt` (16 bytes)",
            "(trash) PASSWORD Gone password=\"zzz\" username=\"eve\"",
        ]
    );
    assert!(outline[1].ends_with("notes=\"note\" password=\"old pass\" url=\"https://mail.example\" username=\"ann\""));
    // Nothing in the database tells that it has a key file, so the error asks for one.
    let alone = read(WITH_KEY_FILE, &password("geheim")).unwrap_err();
    assert_eq!(alone, FileError::WrongPasswordAlone);
    assert!(alone.to_string().contains("--key-file"), "{alone}");
    let changed = String::from_utf8(KEY_FILE.to_vec()).unwrap().replace("44444444", "44444445");
    let refused = read(WITH_KEY_FILE, &with_key_file(changed.as_bytes())).unwrap_err();
    assert!(refused.to_string().contains("key file was changed"), "{refused}");
}

#[test]
fn version_3_is_read() {
    let found = read(THREE, &password("geheim")).unwrap();
    assert_eq!(
        testing::outline(&found),
        [
            "PASSWORD Work/Mail expires=\"2023-01-02T03:04:05Z\" password=\"new €\" url=\"https://mail.example\" \
             username=\"ann\"",
            "  was 1672628645000000 password=\"old\" url=\"https://mail.example\" username=\"ann\"",
            "  lost attached file `note.txt` (16 bytes)",
        ]
    );
}

#[test]
fn without_the_right_password_nothing_opens() {
    for sample in [FOUR, THREE] {
        assert_eq!(read(sample, &Options::default()).unwrap_err(), FileError::NeedsPassword);
        assert_eq!(read(sample, &password("gehein")).unwrap_err(), FileError::WrongPasswordAlone);
        assert_eq!(read(sample, &with_key_file(b"any")).unwrap_err(), FileError::WrongPassword);
    }
}

/// Replaces bytes that stand once in a file.
fn patched(sample: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = sample.windows(old.len()).position(|window| window == old).expect("the bytes stand there");
    let mut bytes = sample.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

#[test]
fn work_factors_are_refused_with_their_number_before_anything_is_derived() {
    let factor = |name: &[u8], size: u8, value: u64| {
        let old = [name, &[size, 0, 0, 0]].concat();
        let new = [&old, &value.to_le_bytes()[..usize::from(size)]].concat();
        read(&patched(FOUR, &old, &new), &password("geheim")).unwrap_err()
    };
    for (refused, limit, found, max) in [
        (factor(b"M", 8, 1 << 40), Limit::KdfMemory, 1 << 30, 256 * 1024),
        (factor(b"M", 8, u64::MAX), Limit::KdfMemory, u64::from(u32::MAX), 256 * 1024),
        (factor(b"I", 8, 1000), Limit::KdfIterations, 1000, 64),
        (factor(b"P", 4, 100), Limit::KdfLanes, 100, 16),
    ] {
        assert_eq!(refused, FileError::from(LimitMet { limit, found: Some(found), max }));
    }
    let rounds = [&[6, 8, 0][..], &u64::MAX.to_le_bytes()].concat();
    let refused = read(&patched(THREE, &rounds[..3], &rounds), &password("geheim")).unwrap_err();
    assert!(refused.to_string().contains("18446744073709551615 rounds"), "{refused}");
}

#[test]
fn other_versions_and_files_are_told_apart() {
    let refused = |bytes: &[u8]| read(bytes, &password("geheim")).unwrap_err().to_string();
    assert!(refused(b"PK\x03\x04").contains("does not begin"));
    assert!(refused(&patched(FOUR, &FOUR[..12], b"\x03\xD9\xA2\x9A\x65\xFB\x4B\xB5\0\0\0\0")).contains("KeePass 1"));
    assert!(
        refused(&patched(FOUR, &FOUR[..12], b"\x03\xD9\xA2\x9A\x67\xFB\x4B\xB5\0\0\x05\0")).contains("version is 5")
    );
}

#[test]
fn nothing_in_the_xml_expands() {
    let refused = |text: &str| match Xml::new(text, None).document() {
        Ok(element) => panic!("{}", element.text()),
        Err(error) => error.to_string(),
    };
    assert!(refused("<!DOCTYPE a [<!ENTITY b \"cc\">]><a>&b;</a>").contains("document type"));
    assert!(refused("<a>&b;</a>").contains("entity of its own"));
    assert!(refused(&"<a>".repeat(100_000)).contains("levels of nesting"));
    assert!(refused("<a><b></a></b>").contains("well formed"));
    assert!(refused("<a>").contains("well formed"));
    let element = Xml::new("<a>&lt;&#x20AC;<![CDATA[<&]]> \r\n</a>", None).document().unwrap();
    assert_eq!(element.text(), "<€<& \n");
    assert!(Xml::new("<a Protected=\"True\">!</a>", Some(Stream::Plain)).document().is_err());
}

#[test]
fn a_bent_database_of_another_program_is_read_or_refused() {
    for (sample, options) in
        [(FOUR, password("geheim")), (THREE, password("geheim")), (WITH_KEY_FILE, with_key_file(KEY_FILE))]
    {
        let head = header::read(sample).unwrap().length;
        // The header is read at every byte; what it says is not derived.
        testing::shake_head(&sample[..head], |bytes| {
            let _ = header::read(bytes).map(|header| header.check());
        });
        // Behind it each reading costs a derivation, and nearly every change fails its check. Databases without rounds are
        // bent at every byte.
        testing::shake_some(sample, &options, 60, read);
    }
}
