//! Tests the four formats. The answers of `kv get` were made by OpenBao 2.7.2; the other samples were written by hand in the
//! shapes that medusa, vkv and safe write.

use super::{kv, medusa, safe, vkv};
use crate::{
    item::{Found, Question},
    options::Options,
    refused::FileError,
    testing,
};

type Read = fn(&[u8], &Options) -> Result<Found, FileError>;

const KV_2: &[u8] = include_bytes!("../../tests/samples/vault-kv/v2.json");
const KV_1: &[u8] = include_bytes!("../../tests/samples/vault-kv/v1.json");
const KV_DELETED: &[u8] = include_bytes!("../../tests/samples/vault-kv/deleted.json");
const MEDUSA_YAML: &[u8] = include_bytes!("../../tests/samples/medusa/export.yaml");
const MEDUSA_JSON: &[u8] = include_bytes!("../../tests/samples/medusa/export.json");
const VKV_JSON: &[u8] = include_bytes!("../../tests/samples/vkv/export.json");
const VKV_YAML: &[u8] = include_bytes!("../../tests/samples/vkv/export.yaml");
const SAFE_1: &[u8] = include_bytes!("../../tests/samples/safe/v1.json");
const SAFE_2: &[u8] = include_bytes!("../../tests/samples/safe/v2.json");

fn outline(read: Read, bytes: &[u8]) -> Vec<String> {
    testing::outline(&read(bytes, &Options::default()).unwrap())
}

/// Options for a file of this name.
fn file(name: &str) -> Options {
    Options { file_name: Some(name.to_owned()), ..Options::default() }
}

/// The outline of an answer that was saved as `db.json`.
fn answer(bytes: &[u8]) -> Vec<String> {
    testing::outline(&kv::read(bytes, &file("db.json")).unwrap())
}

fn reasons(found: &Found) -> Vec<String> {
    found.refused.iter().map(|refused| format!("{} {:?}: {}", refused.place, refused.name, refused.why)).collect()
}

#[test]
fn an_answer_of_either_engine_is_one_secret_with_its_values_as_they_are() {
    assert_eq!(
        answer(KV_2),
        [
            "PASSWORD db options={\"a\":[1,2.5]} password=\"geheim-1\" port=5432 tls=true username=\"ann\"",
            "  lost part that VaultTerm does not know `custom_metadata.owner`",
        ]
    );
    assert_eq!(answer(KV_1), ["KEY_VALUE db token=\"geheim-2\""]);
}

#[test]
fn a_path_in_an_answer_names_the_record() {
    let answer = br#"{"path":"secret/app/db","data":{"data":{"a":"b"},"metadata":{"version":1}}}"#;
    assert_eq!(outline(kv::read, answer), ["KEY_VALUE secret/app/db a=\"b\""]);
    let first_engine = br#"{"request_id":"x","data":{"data":{"a":"b"},"metadata":"no version"}}"#;
    assert_eq!(self::answer(first_engine), ["KEY_VALUE db data={\"a\":\"b\"} metadata=\"no version\""]);
}

#[test]
fn an_answer_without_a_path_is_called_like_its_file() {
    for (name, expected) in [
        ("db.json", "db"),
        ("db", "db"),
        ("DB.JSON", "DB"),
        ("db.json.age", "db"),
        ("db.prod", "db.prod"),
        ("C:\\dumps\\db.json", "db"),
        ("/tmp/é.json", "é"),
    ] {
        let found = kv::read(KV_1, &file(name)).unwrap();
        assert_eq!(found.items[0].name, expected, "{name}");
    }
    for options in [Options::default(), file(""), file(".json"), file("dir/")] {
        assert_eq!(kv::read(KV_1, &options).unwrap_err(), FileError::Nameless);
    }
}

#[test]
fn a_deleted_version_is_refused_with_what_to_do() {
    let found = kv::read(KV_DELETED, &file("db.json")).unwrap();
    assert!(found.items.is_empty());
    assert!(found.refused[0].why.contains("undelete it"), "{:?}", found.refused);
}

#[test]
fn medusa_writes_nested_maps_as_folders_unless_the_person_says_no() {
    let asked = [
        "PASSWORD secret/app/db password=\"geheim-1\" port=5432 username=\"ann\"",
        "KEY_VALUE secret/app/settings mode=\"yes\"",
        "KEY_VALUE secret/app/settings/limits burst=\"010\" rate=3",
        "ENV_VAR secret/app/token value=\"line one\\nline two\"",
    ];
    assert_eq!(outline(medusa::read, MEDUSA_YAML), asked);
    assert_eq!(outline(medusa::read, MEDUSA_JSON).len(), asked.len());
    let found = medusa::read(MEDUSA_JSON, &Options::default()).unwrap();
    assert_eq!(found.questions, [Question::KeepNested]);
    assert_eq!(reasons(&found), ["entry 5 Some(\"secret/empty\"): it holds no data"]);
    let found = medusa::read(MEDUSA_YAML, &Options { keep_nested: true, ..Options::default() }).unwrap();
    assert_eq!(
        testing::outline(&found)[1],
        "KEY_VALUE secret/app/settings limits={\"burst\":\"010\",\"rate\":3} mode=\"yes\""
    );
    assert_eq!(found.questions, [Question::KeepNested]);
    let plain = medusa::read(b"a:\n  b:\n    c: d\n", &Options::default()).unwrap();
    assert!(plain.questions.is_empty());
}

#[test]
fn vkv_tells_folders_from_secrets() {
    for bytes in [VKV_JSON, VKV_YAML] {
        let found = vkv::read(bytes, &Options::default()).unwrap();
        assert_eq!(
            testing::outline(&found),
            [
                "API_KEY secret/admin api_key=\"geheim-1\"",
                "PASSWORD secret/sub/demo options={\"retries\":3} password=\"geheim-2\" user=\"ann\"",
            ]
        );
        assert_eq!(reasons(&found), ["entry 3 Some(\"secret/sub/sub2/none\"): it holds no data"]);
    }
}

#[test]
fn masked_values_of_vkv_are_no_values() {
    let Err(error) = vkv::read(br#"{"secret/":{"a":{"x":"***","y":"*"}}}"#, &Options::default()) else {
        panic!("read")
    };
    assert!(error.to_string().contains("--show-values"), "{error}");
}

#[test]
fn safe_writes_the_newest_values_or_every_version() {
    assert_eq!(
        outline(safe::read, SAFE_1),
        ["PASSWORD secret/app/db password=\"geheim-1\" username=\"ann\"", "KEY_VALUE secret/handshake knock=\"knock\"",]
    );
    let found = safe::read(SAFE_2, &Options::default()).unwrap();
    assert_eq!(
        testing::outline(&found),
        [
            "PASSWORD secret/app/db password=\"geheim-3\" username=\"ann\"",
            "  was password=\"geheim-1\" username=\"ann\"",
            "  was password=\"geheim-2\"",
            "  lost earlier state without values",
            "  lost deleted in the other program, an ordinary revision here: version `3`",
            "(trash) KEY_VALUE secret/old key=\"geheim-5\"",
            "  was key=\"geheim-4\"",
            "  lost newest version was deleted; the record goes to the trash",
        ]
    );
    assert_eq!(
        reasons(&found),
        ["entry 2 Some(\"secret/gone\"): every version of it was deleted or destroyed, so it holds no data"]
    );
}

#[test]
fn a_newer_export_of_safe_is_refused_with_its_version() {
    let Err(error) = safe::read(br#"{"export_version":3,"data":{}}"#, &Options::default()) else { panic!("read") };
    assert!(error.to_string().contains("its version is 3"), "{error}");
}

#[test]
fn no_bytes_make_a_reader_panic() {
    let samples: [(&[u8], Read); 8] = [
        (KV_1, kv::read),
        (KV_2, kv::read),
        (MEDUSA_YAML, medusa::read),
        (MEDUSA_JSON, medusa::read),
        (VKV_JSON, vkv::read),
        (VKV_YAML, vkv::read),
        (SAFE_1, safe::read),
        (SAFE_2, safe::read),
    ];
    for (sample, read) in samples {
        testing::shake(sample, &file("db.json"), read);
    }
}
