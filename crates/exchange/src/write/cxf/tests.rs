//! Tests that a file that is written and read again has the records, without what was foretold.

use proptest::prelude::*;
use vaultterm_reconcile::RecordType;
use vaultterm_sealing::SecretFields;

use super::*;
use crate::{format::Format, options::Options, read::read, testing::records::records};

fn record(record_type: RecordType, fields: &str) -> Outgoing {
    Outgoing::new("1", "work/ops/x", record_type, SecretFields::parse(fields.as_bytes()).unwrap())
}

#[test]
fn usual_records_lose_nothing() {
    for (record_type, fields) in [
        (
            RecordType::Password,
            r#"{"username":"a","password":"b","url":"u","url_2":"v","notes":"n","PIN":"",
                "otpauth_url":"otpauth://totp/M:a?secret=JBSWY3DP&issuer=M&algorithm=SHA512&digits=8&period=60"}"#,
        ),
        (RecordType::PaymentCard, r#"{"card_number":"4","holder":"a","expires":"2030-01","security_code":"1"}"#),
        (RecordType::PaymentCard, r#"{"card_number":"4","expires":"01/30"}"#),
        (RecordType::Identity, r#"{"first_name":"a","last_name":"b","email":"e","phone":"1","address":"s"}"#),
        (RecordType::ApiKey, r#"{"key":"k","key_id":"i","url":"u"}"#),
        (RecordType::SshKey, r#"{"private_key":"p","public_key":"q","notes":"n"}"#),
        (RecordType::SecureNote, r#"{"note":"n"}"#),
        (RecordType::Totp, r#"{"otpauth_url":"otpauth://totp/M:a?secret=JBSWY3DP&issuer=M"}"#),
        (RecordType::Totp, r#"{"totp_secret":"JBSWY3DP"}"#),
        (RecordType::EnvVar, r#"{"value":"v"}"#),
        (RecordType::KeyValue, r#"{"a":"b"}"#),
        (
            RecordType::Passkey,
            r#"{"credential_id":"AA","rp_id":"r","user_handle":"BB","private_key":"CC","username":"u","counter":"0"}"#,
        ),
    ] {
        let records = [record(record_type, fields)];
        assert_eq!(losses(&records), [], "{fields}");
        let found = read(Format::Cxf, &write(&records).bytes, &Options::default()).unwrap();
        assert_eq!(found.items.len(), 1, "{fields}");
        assert_eq!(found.items[0].record_type, record_type, "{fields}");
        assert_eq!(found.items[0].fields.expose(), records[0].fields.expose(), "{fields}");
    }
}

#[test]
fn a_login_stands_where_other_programs_look() {
    let records = [record(RecordType::Password, r#"{"username":"a","password":"b","url":"u"}"#)];
    let written = write(&records);
    let document: Value = serde_json::from_slice(&written.bytes).unwrap();
    let account = &document["accounts"][0];
    assert_eq!(account["collections"][0]["subCollections"][0]["items"], json!([{"item": "MQ"}]));
    assert_eq!(
        account["items"][0],
        json!({
            "id": "MQ",
            "title": "x",
            "scope": {"urls": ["u"], "androidApps": []},
            "credentials": [{
                "type": "basic-auth",
                "username": {"fieldType": "string", "value": "a"},
                "password": {"fieldType": "concealed-string", "value": "b"},
            }],
        })
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn records_that_are_read_again_are_what_was_written_without_what_was_foretold(records in records()) {
        let written = write(&records);
        prop_assert_eq!(&written.losses, &losses(&records));
        let found = read(Format::Cxf, &written.bytes, &Options::default()).unwrap();
        prop_assert!(found.refused.is_empty() && found.losses.is_empty());
        let lost = |record: &Outgoing, loss: Loss| written.losses.contains(&(record.path.clone(), loss));
        let kept: Vec<_> = records.iter().filter(|record| !lost(record, Loss::new(Lost::Record))).collect();
        prop_assert_eq!(found.items.len(), kept.len());
        for (item, record) in found.items.iter().zip(kept) {
            let path = [item.folder.as_slice(), std::slice::from_ref(&item.name)].concat().join("/");
            // Two records with one id stand in the folders of both.
            let is_twice = records.iter().filter(|other| other.id == record.id).count() > 1;
            prop_assert!(is_twice || path == record.path);
            prop_assert_eq!(item.source_id.clone(), Some(id(&record.id)));
            prop_assert_eq!(item.record_type != record.record_type, lost(record, Loss::new(Lost::Type)));
            prop_assert_eq!(&item.tags, &record.tags);
            prop_assert_eq!((item.created_us, item.updated_us), (record.created_us, record.updated_us));
            prop_assert!(item.losses.iter().all(|loss| is_twice && loss.what == Lost::Rights));
            let names: Vec<_> = item.fields.names().collect();
            prop_assert_eq!(names, record.fields.names().collect::<Vec<_>>());
            for (name, value) in record.fields.expose() {
                let is_kind_lost = lost(record, Loss::named(Lost::Kind, name));
                let expected = if is_kind_lost { Value::String(value.to_string()) } else { value.clone() };
                prop_assert_eq!(&item.fields.expose()[name], &expected, "{}", name);
            }
            prop_assert_eq!(record.history.is_empty(), !written.losses.iter().any(|(path, loss)| {
                *path == record.path && loss.what == Lost::Past && loss.count == record.history.len() as u64
            }));
            prop_assert_eq!(record.ask_again, lost(record, Loss::new(Lost::Mark)));
        }
    }
}
