//! 1Password's archive: what it holds, damaged forms, bombs.

use super::*;
use crate::{
    archive::tests::zipped,
    testing::{outline, shake},
};

const DOCUMENT: &[u8] = include_bytes!("../../../tests/samples/1password-export-data.json");
const VERSION: &[u8] = br#"{"version":3,"description":"1Password Unencrypted Export","createdAt":1585333569}"#;

fn sample(document: &[u8]) -> Vec<u8> {
    zipped(&[("export.attributes", VERSION), ("export.data", document), ("files/doc1___scan.pdf", b"123456789")])
}

#[test]
fn every_category_comes_over() {
    let found = read(&sample(DOCUMENT), &Options::default()).unwrap();
    let mail = "More PIN=\"1234\" More PIN 2=\"9\" More bare=\"x\" More since=\"2020-01-01\" \
                email=\"alias@mail.example\" notes=\"one\\ntwo\" \
                otpauth_url=\"otpauth://totp/x?secret=A\" password=\"third\" \
                url=\"https://mail.example\" url_2=\"https://admin.example\" username=\"ann\"";
    assert_eq!(
        outline(&found),
        [
            &format!("PASSWORD Personal/Mail {mail} #post/in #work"),
            &format!("  was 100000000 {}", mail.replace("third", "first")),
            &format!("  was 200000000 {}", mail.replace("third", "second")),
            "  lost attached file `scan.pdf` (9 bytes)",
            "  lost part that VaultTerm does not know `novelty`",
            "  lost reference to another item `More related`",
            "  lost mark as a favourite",
            "  lost icon or colour `label`",
            "  lost setting for filling in forms `remember`",
            "  lost field with a name that another field has; it gets a number `More PIN 2`",
            "  lost field without a name; it is called `More bare`",
            "PAYMENT_CARD Personal/Card brand=\"visa\" card_number=\"4111111111111111\" expires=\"2028-04\" \
             holder=\"Ann A\" security_code=\"123\" valid_from=\"7\" #archived",
            "  lost date that cannot be kept as it is `createdAt`",
            "  lost date that cannot be kept as it is `valid_from`",
            "(trash) SECURE_NOTE Personal/Hint note=\"just text\"",
            "IDENTITY Personal/Me address=\"Street 1\" city=\"Vienna\" country=\"at\" email=\"ann@mail.example\" \
             first_name=\"Ann\" last_name=\"A\" office country=\"at\" office street=\"Street 2\" postal_code=\"1010\"",
            "PASSWORD Personal/Password password=\"bare\"",
            "API_KEY Personal/API hostname=\"api.example\" key=\"sk-1\" username=\"robot\"",
            "SSH_KEY Personal/Key fingerprint=\"SHA256:x\" key_type=\"ed25519\" private_key=\"-----BEGIN A\" \
             public_key=\"ssh-ed25519 AAAA\"",
            "KEY_VALUE Personal/Database password=\"pw\" port=\"5432\" server=\"db.example\"",
            "  lost kind of item that has no type of its own in VaultTerm; it becomes KEY_VALUE `database`",
            "KEY_VALUE Personal/Lease",
            "  lost attached file `lease.pdf` (5 bytes)",
            "  lost kind of item that has no type of its own in VaultTerm; it becomes KEY_VALUE `document`",
            "SECURE_NOTE Personal/Old form note=\"old\"",
            "  lost attached file `a.txt`",
        ]
    );
    let refused: Vec<_> = found.refused.iter().map(|refused| (refused.place, refused.why.as_str())).collect();
    assert_eq!(refused, [(Place::entry(11), "the item has no category"), (Place::entry(12), "the item is no object")]);
    let mail = &found.items[0];
    assert_eq!((mail.created_us, mail.source_id.as_deref()), (Some(1_585_333_569_000_000), Some("u1")));
    assert!(found.losses.is_empty());
}

#[test]
fn several_accounts_are_folders_and_unknown_parts_are_counted() {
    let document = br#"{"accounts":[{"attrs":{"accountName":"A"},"vaults":[{"attrs":{"name":"V"},"more":1,"items":[
        {"categoryUuid":"003","overview":{"title":"X"},"details":{"notesPlain":"t","novel":[1]}}]}]},
        {"attrs":{"accountName":"B"},"vaults":[7]}]}"#;
    let found = read(&zipped(&[("export.data", document)]), &Options::default()).unwrap();
    assert_eq!(outline(&found), ["SECURE_NOTE A/V/X note=\"t\"", "  lost part that VaultTerm does not know `novel`"]);
    let lost: Vec<_> = found.losses.iter().filter_map(|loss| loss.name.as_deref()).collect();
    assert_eq!(lost, ["export.attributes", "more", "vault"]);
}

#[test]
fn the_fields_of_sections_keep_the_titles_of_their_sections() {
    let section = |title: &str, password: &str| {
        format!(
            r#"{{"title":"{title}","fields":[{{"title":"password","id":"p","value":{{"concealed":"{password}"}}}},
               {{"title":"","id":"x","value":{{"string":"{password}-x"}}}},
               {{"title":"","id":"","value":{{"string":"{password}-y"}}}},
               {{"title":"code","id":"t","value":{{"totp":"otpauth://totp/{password}?secret=A"}}}}]}}"#
        )
    };
    let sections = ["Staging", "Production", ""].map(|title| section(title, &title.to_lowercase())).join(",");
    let document = format!(
        r#"{{"accounts":[{{"attrs":{{"accountName":"A"}},"vaults":[{{"attrs":{{"name":"V"}},"items":[
           {{"categoryUuid":"001","overview":{{"title":"X"}},"details":{{"sections":[{sections}]}}}}]}}]}}]}}"#
    );
    let found =
        read(&zipped(&[("export.attributes", VERSION), ("export.data", document.as_bytes())]), &Options::default());
    let found = found.unwrap();
    let fields = found.items[0].fields.expose();
    let code = |name: &str| format!("otpauth://totp/{name}?secret=A");
    for (name, value) in [
        ("Staging password", "staging".to_owned()),
        ("Production password", "production".to_owned()),
        ("password", String::new()),
        ("Staging x", "staging-x".to_owned()),
        ("Staging field", "staging-y".to_owned()),
        ("field", "-y".to_owned()),
        ("otpauth_url", code("staging")),
        ("Production otpauth_url", code("production")),
    ] {
        assert_eq!(fields.get(name).and_then(|value| value.as_str()).unwrap_or_default(), value, "{name}");
    }
    let named: Vec<_> = found.items[0].losses.iter().map(ToString::to_string).collect();
    for name in ["Staging x", "Production field", "x", "field"] {
        let words = format!("field without a name; it is called `{name}`");
        assert!(named.contains(&words), "{words}: {named:?}");
    }
}

#[test]
fn other_archives_and_files_are_refused() {
    for bytes in [zipped(&[("data.json", b"{}")]), b"no archive".to_vec(), zipped(&[("export.data", b"{}")])] {
        let error = read(&bytes, &Options::default()).unwrap_err();
        assert!(matches!(error, FileError::NotThisFormat { .. }), "{error}");
    }
}

#[test]
fn damaged_files_are_read_or_refused() {
    let read_document = |document: &[u8], options: &Options| {
        read(&zipped(&[("export.attributes", VERSION), ("export.data", document)]), options)
    };
    shake(DOCUMENT, &Options::default(), read_document);
    shake(&sample(DOCUMENT), &Options::default(), read);
}
