//! Tests the two levels, the types of the standard and of drafts, and archives. The samples were written by hand after the
//! standard.

use super::read;
use crate::{archive, options::Options, testing};

const HEADER: &[u8] = include_bytes!("../../tests/samples/cxf/header.json");
const DRAFT: &[u8] = include_bytes!("../../tests/samples/cxf/draft-account.json");

fn refused(bytes: &[u8]) -> String {
    match read(bytes, &Options::default()) {
        Ok(found) => panic!("{found:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_type_of_the_standard_is_read() {
    let found = read(HEADER, &Options::default()).unwrap();
    assert_eq!(
        testing::outline(&found),
        [
            "PASSWORD Work/Ops/Mail More PIN=\"0042\" field=\"true\" notes=\"line one\\nline two\" otpauth_url=\"otpauth://totp/Mail:ann?secret=JBSWY3DPEHPK3PXP&issuer=Mail\" password=\"geheim-1\" url=\"https://mail.example\" url_2=\"https://other.example\" username=\"ann\" #a #b",
            "  lost attached file `scan.pdf` (1234 bytes)",
            "  lost part that VaultTerm does not know `extensions`",
            "  lost reference to another item `item-reference`",
            "  lost mark as a favourite",
            "  lost setting for filling in forms `androidApps/com.example.mail`",
            "  lost date that cannot be kept as it is `creationAt`",
            "  lost field without a name; it is called `field`",
            "PASSKEY Work/Ops/Mail (passkey) credential_id=\"Y3JlZA\" private_key=\"a2V5\" rp_id=\"mail.example\" user_display_name=\"Ann\" user_handle=\"dXNlcg\" username=\"ann\" #a #b",
            "  lost part that VaultTerm does not know `fido2Extensions`",
            "PAYMENT_CARD Work/Ops/Card card_number=\"4111111111111111\" expires=\"2030-01\" holder=\"Ann B\"",
            "SECURE_NOTE Note note=\"only text\"",
            "KEY_VALUE Net passphrase=\"geheim-2\" ssid=\"home\"",
            "  lost kind of item that has no type of its own in VaultTerm; it becomes KEY_VALUE `wifi`",
            "PASSKEY Key credential_id=\"Y3JlZDI\" private_key=\"a2V5Mg\" rp_id=\"a.example\" user_handle=\"dQ\"",
            "SSH_KEY Shell comment=\"ann@host\" key_type=\"ssh-ed25519\" private_key=\"-----BEGIN PRIVATE KEY-----\\nAQIDBA==\\n-----END PRIVATE KEY-----\\n\"",
            "KEY_VALUE Future depth=\"3\" left=\"l\"",
            "  lost type that VaultTerm does not know; it becomes KEY_VALUE `retina-scan`",
        ]
    );
    assert_eq!(found.items[0].updated_us, Some(1_706_613_835_000_000));
    assert_eq!(found.refused.len(), 1);
}

#[test]
fn an_account_of_a_draft_is_read() {
    let found = read(DRAFT, &Options::default()).unwrap();
    assert_eq!(
        testing::outline(&found),
        [
            "PASSWORD Old/Mail otpauth_url=\"otpauth://totp/?secret=JBSWY3DP&algorithm=SHA256&digits=8&period=60\" password=\"geheim-1\" url=\"https://mail.example\" username=\"ann\"",
            "PAYMENT_CARD Card card_number=\"4111\" holder=\"Ann\" security_code=\"123\"",
        ]
    );
}

#[test]
fn a_document_within_an_archive_is_found() {
    let zip = archive::tests::zipped(&[("documents/Zg", b"x"), ("other.json", b"{}"), ("CXF/index.json", HEADER)]);
    let outline = |bytes| testing::outline(&read(bytes, &Options::default()).unwrap());
    assert_eq!(outline(&zip), outline(HEADER));
    assert!(super::fits_archive(&zip));
    let sealed = archive::tests::zipped(&[("CXF/index.jwe", b"x")]);
    assert!(refused(&sealed).contains("encrypted"));
    assert!(refused(&archive::tests::zipped(&[("a.txt", b"x")])).contains("no file of the archive"));
}

#[test]
fn a_newer_version_and_other_documents_are_refused() {
    assert!(refused(br#"{"version":{"major":2,"minor":0},"accounts":[]}"#).contains("its version is 2"));
    assert!(refused(br#"{"a":1}"#).contains("neither accounts nor items"));
    let deep = r#"{"subCollections":["#.repeat(60) + &"]}".repeat(60);
    assert!(refused(format!(r#"{{"items":[],"collections":[{deep}]}}"#).as_bytes()).contains("levels"));
}

#[test]
fn no_bytes_make_the_reader_panic() {
    testing::shake(DRAFT, &Options::default(), read);
    testing::shake(HEADER, &Options::default(), read);
    testing::shake(&archive::tests::zipped(&[("a.json", DRAFT)]), &Options::default(), read);
}

#[test]
fn the_label_of_a_group_of_fields_stands_before_theirs() {
    let group = |label: &str| {
        format!(
            r#"{{"type":"custom-fields","label":"{label}","fields":[{{"label":"password","value":"{label}-1"}},
                    {{"fieldType":"string","label":"user","value":"{label}-2"}}]}}"#
        )
    };
    let document = format!(
        r#"{{"version":{{"major":1,"minor":0}},"accounts":[{{"id":"a","items":[{{"id":"i","title":"X","credentials":[{},{}]}}]}}]}}"#,
        group("Staging"),
        group("Production")
    );
    let found = read(document.as_bytes(), &Options::default()).unwrap();
    let fields = found.items[0].fields.expose();
    assert_eq!(fields["Staging user"], "Staging-2");
    assert_eq!(
        (&fields["Staging password"], &fields["Production password"]),
        (&"Staging-1".into(), &"Production-1".into())
    );
    assert_eq!(fields["Production user"], "Production-2");
}
