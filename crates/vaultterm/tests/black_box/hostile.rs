//! Files that were made to do harm, brought to a real server: each is refused with the limit that it met, or comes over to the
//! letter, and the server goes on.

use std::{
    fs,
    io::{Cursor, Write as _},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::json;
use sha2::{Digest as _, Sha256};
use vaultterm_exchange::{Errand, FileError, PipeError, from_pipe};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    house::{House, binary},
    imports::base64,
};

const CANARY: &str = "canary-7c02e5";
const SEED: [u8; 32] = [7; 32];
const GIB: u64 = 1024 * 1024 * 1024;

/// An archive of 1Password whose document unfolds to 200 MiB.
fn bomb() -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, size) in [("export.attributes", 1), ("export.data", 200 * 1024 * 1024)] {
        zip.start_file(name, SimpleFileOptions::default()).expect("memory");
        zip.write_all(&vec![b' '; size]).expect("memory");
    }
    zip.finish().expect("memory").into_inner()
}

/// The beginning of a KeePass database with these parameters of its derivation, as far as the check of the password, which
/// fits none.
fn database(parameters: &[(u8, &str, &[u8])]) -> Vec<u8> {
    const AES_256: [u8; 16] =
        [0x31, 0xC1, 0xF2, 0xE6, 0xBF, 0x71, 0x43, 0x50, 0xBE, 0x58, 0x05, 0x21, 0x6A, 0xFC, 0x5A, 0xFF];
    let mut derivation = vec![0, 1];
    for (kind, name, value) in parameters {
        derivation.push(*kind);
        add(&mut derivation, name.as_bytes());
        add(&mut derivation, value);
    }
    derivation.push(0);
    let mut file = b"\x03\xD9\xA2\x9A\x67\xFB\x4B\xB5\x01\0\x04\0".to_vec();
    for (kind, bytes) in [(2, &AES_256[..]), (3, &[0; 4]), (4, &SEED), (7, &SEED[..16]), (11, &derivation), (0, &[])] {
        file.push(kind);
        add(&mut file, bytes);
    }
    let hash = Sha256::digest(&file);
    [&file[..], &hash, &[0; 32]].concat()
}

fn add(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend(u32::try_from(bytes.len()).expect("a short text").to_le_bytes());
    to.extend_from_slice(bytes);
}

fn argon2(memory: u64, iterations: u64, lanes: u32) -> Vec<u8> {
    const ARGON2_ID: [u8; 16] =
        [0x9E, 0x29, 0x8B, 0x19, 0x56, 0xDB, 0x47, 0x73, 0xB2, 0x3D, 0xFC, 0x3E, 0xC6, 0xF0, 0xA1, 0xE6];
    database(&[
        (0x42, "$UUID", &ARGON2_ID),
        (0x05, "M", &memory.to_le_bytes()),
        (0x05, "I", &iterations.to_le_bytes()),
        (0x04, "P", &lanes.to_le_bytes()),
        (0x04, "V", &0x13_u32.to_le_bytes()),
        (0x42, "S", &SEED),
    ])
}

fn aes(rounds: u64) -> Vec<u8> {
    const AES_KDF: [u8; 16] =
        [0xC9, 0xD9, 0xF3, 0x9A, 0x62, 0x8A, 0x44, 0x60, 0xBF, 0x74, 0x0D, 0x08, 0xC1, 0x8A, 0x4F, 0xEA];
    database(&[(0x42, "$UUID", &AES_KDF), (0x05, "R", &rounds.to_le_bytes()), (0x42, "S", &SEED)])
}

/// A protected file of Bitwarden with so many iterations of PBKDF2, which no password opens.
fn bitwarden(iterations: u64) -> Vec<u8> {
    let zeros = |count| base64(&vec![0; count]).as_str().expect("a text").to_owned();
    let sealed = format!("2.{}|{}|{}", zeros(16), zeros(16), zeros(32));
    let file = json!({
        "encrypted": true, "passwordProtected": true, "salt": "salt", "kdfType": 0, "kdfIterations": iterations,
        "encKeyValidation_DO_NOT_EDIT": &sealed, "data": sealed,
    });
    file.to_string().into_bytes()
}

/// The process that parses.
fn parser() -> Child {
    let mut command = Command::new(binary());
    command.arg("parse-file-of-another-program").env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().expect("it starts")
}

#[tokio::test]
async fn a_hostile_file_is_refused_with_the_limit_that_it_met_and_the_server_goes_on() {
    let house = House::new().await;
    let app = house.collection("app").await;
    let rows: String = (0..60_000).map(|n| format!("https://{n}.example.com,ann,pw{n},site {n}\n")).collect();
    let nested = format!("{{\"encrypted\":false,\"items\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let head = "url,username,password,name\n";
    let million = "a,b,c,d\n".repeat(1_000_000);
    let spread = rows.replace(',', "|");
    let utf16: Vec<u8> = head.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (format, bytes, expected) in [
        (None, format!("{head}{rows}").into_bytes(), "items"),
        (None, format!("{head}{million}").into_bytes(), "items"),
        (Some("bitwarden-json"), nested.into_bytes(), "levels of nesting"),
        (Some("chrome-csv"), b"\xFF\xFE\0\0u\0\0\0".to_vec(), "save it as UTF-8"),
        (Some("chrome-csv"), utf16, "byte order mark"),
        (None, format!("url|username|password|name\n{spread}").into_bytes(), "name it"),
        (Some("chrome-csv"), format!("url|username|password|name\n{spread}").into_bytes(), "names no column"),
        (Some("chrome-csv"), b"url,username,password,name,url\na,b,c,d,e\n".to_vec(), "rename or remove one"),
        (Some("chrome-csv"), format!("{head}a,b,\"{CANARY}\n").into_bytes(), "does not end"),
        (Some("1pux"), bomb(), "unfolds to"),
        (None, argon2(2 * GIB, 2, 2), "2048 MiB of memory"),
        (None, vec![0; 1024], "name it"),
    ] {
        let body = json!({"collection_id": app, "format": format, "content": base64(&bytes), "password": "geheim"});
        let refused = house.owner.post("/imports", body).await.expect(422).body;
        let detail = refused["detail"].as_str().expect("words");
        assert!(detail.contains(expected) && !detail.contains(CANARY), "{format:?}: {refused}");
    }
    assert!(house.owner.get("/imports").await.expect(200).body["items"].as_array().expect("a list").is_empty());
    assert!(house.values(&app).await.is_empty());
}

#[tokio::test]
async fn cells_that_a_spreadsheet_takes_for_formulas_come_over_to_the_letter() {
    let house = House::new().await;
    let app = house.collection("app").await;
    let file = "\u{feff}name;url;username;password\r\nsum;=1+1;@ann;\"=HYPERLINK(\"\"x\"\")\"\r\nminus;+1;-1;\t=2\r\n";
    let utf16: Vec<u8> = file.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let body = json!({"collection_id": app, "content": base64(&utf16)});
    let read = house.owner.post("/imports", body).await.expect(201).body;
    let id = read["id"].as_str().expect("an id");
    house.owner.post(&format!("/imports/{id}/commit"), json!({"plan": read["plan"]})).await.expect(200);
    let values = house.values(&app).await;
    assert_eq!(values["sum"], json!({"url": "=1+1", "username": "@ann", "password": "=HYPERLINK(\"x\")"}));
    assert_eq!(values["minus"], json!({"url": "+1", "username": "-1", "password": "\t=2"}));
}

#[test]
fn the_heaviest_derivation_that_is_admitted_ends_within_the_bounds_of_the_process() {
    for (name, file) in
        [("Argon2", argon2(GIB / 4, 32, 16)), ("AES", aes(60_000_000)), ("PBKDF2", bitwarden(10_000_000))]
    {
        let mut child = parser();
        let errand = Errand { password: Some("geheim".to_owned().into()), ..Errand::default() };
        child.stdin.take().expect("a pipe").write_all(&errand.input(&file)).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        // Only after the derivation it is known that the password does not fit.
        let answer = from_pipe(&output.stdout);
        let is_refused =
            matches!(answer, Err(PipeError::File(FileError::WrongPassword | FileError::WrongPasswordAlone)));
        assert!(is_refused, "{name}: {answer:?}");
    }
}

#[test]
fn the_process_that_parses_has_little_memory_and_time_and_no_files() {
    let mut child = parser();
    let limits = format!("/proc/{}/limits", child.id());
    let mut text = fs::read_to_string(&limits).expect("it runs");
    for _ in 0..200 {
        if text.lines().any(|line| line.starts_with("Max open files") && line.contains(" 3 ")) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        text = fs::read_to_string(&limits).expect("it runs");
    }
    for (name, max) in [("Max cpu time", "30"), ("Max address space", "1073741824"), ("Max open files", "3")] {
        let line = text.lines().find(|line| line.starts_with(name)).expect("a limit");
        let hard = line.strip_prefix(name).expect("the name").split_whitespace().nth(1);
        assert_eq!(hard, Some(max), "{line}");
    }
    child.stdin.take().expect("a pipe").write_all(b"no errand").expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
}
