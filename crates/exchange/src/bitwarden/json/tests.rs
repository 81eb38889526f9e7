//! Bitwarden's JSON, plain and damaged.

use super::*;
use crate::{
    archive::tests::zipped,
    limits::Limit,
    testing::{outline, shake},
};

const PLAIN: &[u8] = include_bytes!("../../../tests/samples/bitwarden.json");
const PBKDF2: &[u8] = include_bytes!("../../../tests/samples/bitwarden-pbkdf2.json");
const ARGON2ID: &[u8] = include_bytes!("../../../tests/samples/bitwarden-argon2id.json");

fn with(password: &str) -> Options {
    Options { password: Some(password.to_owned().into()), ..Options::default() }
}

fn right() -> Options {
    with("correct horse é")
}

#[test]
fn every_type_of_item_comes_over() {
    let found = read(PLAIN, &Options::default()).unwrap();
    let mail = "PIN=\"2222\" field=\"x\" notes=\"one\\ntwo\" old=\"true\"";
    let rest = "password 2=\"other\" totp_secret=\"JBSWY3DPEHPK3PXP\" url=\"https://mail.example\" \
                url_2=\"https://post.example\" username=\"ann\"";
    let past = |us: &str, pin: &str, password: &str| {
        format!("  was {us} {} password=\"{password}\" {rest}", mail.replace("2222", pin))
    };
    assert_eq!(
        outline(&found),
        [
            &format!("PASSWORD Work/Post/Mail {mail} password=\"third\" {rest} #archived"),
            &past("1706781600000000", "2222", "first"),
            &past("1709287200000000", "2222", "second"),
            &past("1711965600000000", "1111", "third"),
            "  lost field without a value of its own, which only points to another field of the item `login`",
            "  lost mark as a favourite",
            "  lost setting for filling in forms `match`",
            "  lost earlier state without values",
            "  lost field with a name that another field has; it gets a number `password 2`",
            "  lost field without a name; it is called `field`",
            "PASSKEY Work/Post/Mail (passkey) counter=\"0\" credential_id=\"4a2f1b3c-0000-4000-8000-000000000001\" \
             discoverable=\"true\" key_algorithm=\"ECDSA\" key_curve=\"P-256\" key_type=\"public-key\" \
             private_key=\"MIGHAgEA\" rp_id=\"mail.example\" rp_name=\"Mail\" user_display_name=\"Ann\" \
             user_handle=\"YW5u\" username=\"ann\" #archived",
            "(trash) SECURE_NOTE Hint note=\"just text\"",
            "PAYMENT_CARD Card brand=\"Visa\" card_number=\"4111111111111111\" expires=\"2028-04\" holder=\"Ann A\" \
             security_code=\"123\"",
            "IDENTITY Me address=\"Street 1\" first_name=\"Ann\" last_name=\"A\" postal_code=\"1010\" title=\"Dr\"",
            "SSH_KEY Key fingerprint=\"SHA256:x\" private_key=\"-----BEGIN\" public_key=\"ssh-ed25519 AAAA\"",
            "KEY_VALUE Bank bank_name=\"B\" iban=\"AT00\" notes=\"n\"",
            "  lost kind of item that has no type of its own in VaultTerm; it becomes KEY_VALUE `bank account`",
            "KEY_VALUE Car first_name=\"Ann\" license_number=\"7\"",
            "  lost kind of item that has no type of its own in VaultTerm; it becomes KEY_VALUE `driver's licence`",
            "KEY_VALUE Pass expires=\"2030-01-01\" last_name=\"A\" passport_number=\"8\"",
            "  lost kind of item that has no type of its own in VaultTerm; it becomes KEY_VALUE `passport`",
            "KEY_VALUE New a=\"1\" notes=\"kept\"",
            "  lost type that VaultTerm does not know; it becomes KEY_VALUE `99`",
            "PASSKEY Only a passkey credential_id=\"c2\" private_key=\"MIGH\" rp_id=\"a.example\"",
        ]
    );
    let mail = &found.items[0];
    assert!(mail.ask_again && found.items[1].ask_again && !found.items[2].ask_again);
    assert_eq!((mail.created_us, mail.updated_us), (Some(1_704_103_200_500_000), Some(1_714_557_600_000_000)));
    let ids: Vec<_> = found.items.iter().filter_map(|item| item.source_id.as_deref()).collect();
    assert_eq!(ids, ["i1", "i1/passkey-1", "i2", "i3", "i4", "i5", "i6", "i7", "i8", "i9", "i10"]);
    let refused: Vec<_> = found.refused.iter().map(|refused| (refused.place, refused.why.as_str())).collect();
    assert_eq!(refused, [(Place::entry(11), "the item has no type"), (Place::entry(12), "the item is no object")]);
}

#[test]
fn types_that_are_new_or_that_changed_lose_no_value() {
    let json = r#"{"encrypted":false,"items":[
        {"id":"1","type":6,"name":"Bank","login":null,"permissions":{"delete":true},"bankAccount":{"iban":"AT00","bic":"B",
         "pin":null,"branch":{"city":"Vienna","numbers":[1,"2"]}},"fields":[{"name":"bic","value":"own","type":0}]},
        {"id":"2","type":8,"name":"Pass","travelDocument":{"surname":"A","pages":32,"isValid":true}},
        {"id":"3","type":9,"name":"New","card":{"number":"4"},"gadget":{"serial":"s","sizes":[1.5]},"colour":"red"}]}"#;
    let found = read(json.as_bytes(), &Options::default()).unwrap();
    assert_eq!(
        outline(&found),
        [
            "KEY_VALUE Bank bic=\"B\" bic 2=\"own\" branch.city=\"Vienna\" branch.numbers.1=\"1\" \
             branch.numbers.2=\"2\" iban=\"AT00\"",
            "  lost kind of item that has no type of its own in VaultTerm; it becomes KEY_VALUE `bank account`",
            "  lost field with a name that another field has; it gets a number `bic 2`",
            "KEY_VALUE Pass isValid=\"true\" pages=\"32\" surname=\"A\"",
            "  lost kind of item that has no type of its own in VaultTerm; it becomes KEY_VALUE `passport`",
            "KEY_VALUE New number=\"4\" serial=\"s\" sizes.1=1.5",
            "  lost part that VaultTerm does not know `colour`",
            "  lost type that VaultTerm does not know; it becomes KEY_VALUE `9`",
        ]
    );
}

#[test]
fn the_first_collection_of_an_organisation_is_the_folder() {
    let json = r#"{"encrypted":false,"collections":[{"id":"a","organizationId":"o","name":"Ops","externalId":null},
        {"id":"b","name":"Dev"}],"items":[{"type":2,"name":"X","notes":"t","collectionIds":["a","b","gone"]}],"more":[1]}"#;
    let found = read(json.as_bytes(), &Options::default()).unwrap();
    assert_eq!(outline(&found), ["SECURE_NOTE Ops/X note=\"t\"", "  lost rights and sharing `Dev`"]);
    assert_eq!(found.losses, [Loss::named(Lost::UnknownPart, "more")]);
}

#[test]
fn an_archive_names_its_attachments_as_lost() {
    let json = br#"{"encrypted":false,"items":[{"id":"i1","type":2,"name":"X","notes":"t"}]}"#;
    let bytes = zipped(&[("data.json", json), ("attachments/i1/a b.pdf", b"12345"), ("attachments/i2/c", b"")]);
    let found = read(&bytes, &Options::default()).unwrap();
    assert_eq!(outline(&found), ["SECURE_NOTE X note=\"t\"", "  lost attached file `a b.pdf` (5 bytes)"]);
    let error = read(&zipped(&[("export.data", b"")]), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("`data.json`"), "{error}");
}

#[test]
fn protected_files_open_with_their_password_only() {
    for file in [PBKDF2, ARGON2ID] {
        assert_eq!(outline(&read(file, &right()).unwrap()), ["SECURE_NOTE Hint note=\"just text\""]);
        assert_eq!(read(file, &Options::default()).unwrap_err(), FileError::NeedsPassword);
        assert_eq!(read(file, &with("")).unwrap_err(), FileError::NeedsPassword);
        assert_eq!(read(file, &with("correct horse")).unwrap_err(), FileError::WrongPassword);
    }
}

#[test]
fn the_numbers_of_the_derivation_are_bounded_on_both_sides_before_anything_is_computed() {
    let argon2id = String::from_utf8(ARGON2ID.to_vec()).unwrap();
    let pbkdf2 = String::from_utf8(PBKDF2.to_vec()).unwrap();
    for (file, from, to, limit) in [
        (&pbkdf2, "5000", "10000001", Some(Limit::KdfIterations)),
        (&pbkdf2, "5000", "4999", None),
        (&pbkdf2, "5000", "0", None),
        (&pbkdf2, "5000", "-1", None),
        (&pbkdf2, "5000", "5000.5", None),
        (&pbkdf2, "\"kdfType\": 0", "\"kdfType\": 2", None),
        (&argon2id, "\"kdfIterations\": 2", "\"kdfIterations\": 65", Some(Limit::KdfIterations)),
        (&argon2id, "\"kdfIterations\": 2", "\"kdfIterations\": 1", None),
        (&argon2id, "\"kdfMemory\": 16", "\"kdfMemory\": 257", Some(Limit::KdfMemory)),
        (&argon2id, "\"kdfMemory\": 16", "\"kdfMemory\": 9223372036854775807", Some(Limit::KdfMemory)),
        (&argon2id, "\"kdfMemory\": 16", "\"kdfMemory\": 15", None),
        (&argon2id, "\"kdfParallelism\": 4", "\"kdfParallelism\": 17", Some(Limit::KdfLanes)),
        (&argon2id, "\"kdfParallelism\": 4", "\"kdfParallelism\": 0", None),
        (&argon2id, "\"kdfParallelism\": 4", "\"other\": 0", None),
    ] {
        let changed = file.replace(from, to);
        assert_ne!(&changed, file);
        match (read(changed.as_bytes(), &right()).unwrap_err(), limit) {
            (FileError::Limit { met }, Some(limit)) => assert_eq!(met.limit, limit, "{to}"),
            (FileError::Damaged { .. }, None) => {}
            (other, _) => panic!("{to}: {other}"),
        }
    }
}

#[test]
fn data_that_was_changed_is_told_apart_from_a_wrong_password() {
    let file = String::from_utf8(PBKDF2.to_vec()).unwrap();
    let at = file.find("\"data\"").unwrap() + 60;
    let mut changed = file.clone().into_bytes();
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    assert!(matches!(read(&changed, &right()).unwrap_err(), FileError::Damaged { .. }));
    let other = file.replace("\"data\": \"2.", "\"data\": \"7.");
    assert!(matches!(read(other.as_bytes(), &right()).unwrap_err(), FileError::Damaged { .. }));
}

#[test]
fn a_file_that_only_its_account_can_open_is_refused_with_the_way_out() {
    for json in [
        r#"{"encrypted":true,"encKeyValidation_DO_NOT_EDIT":"2.a|b|c","folders":[],"items":[]}"#,
        r#"{"encKeyValidation_DO_NOT_EDIT":"2.a|b|c","folders":[],"items":[]}"#,
        r#"{"encrypted":true,"passwordProtected":false,"data":""}"#,
    ] {
        assert_eq!(read(json.as_bytes(), &Options::default()).unwrap_err(), FileError::AccountRestricted);
    }
    let error = read(br#"{"encrypted":false}"#, &Options::default()).unwrap_err();
    assert!(matches!(error, FileError::NotThisFormat { .. }));
}

#[test]
fn damaged_files_are_read_or_refused() {
    shake(PLAIN, &Options::default(), read);
    // Most changes keep the numbers of the derivation, and each reading costs one.
    shake(PBKDF2, &right(), read);
    shake(
        &zipped(&[("data.json", br#"{"encrypted":false,"items":[{"type":2,"name":"X"}]}"#)]),
        &Options::default(),
        read,
    );
}
