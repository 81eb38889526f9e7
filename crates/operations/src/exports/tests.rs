//! Exports: what is told before, what leaves, and who may.

use serde_json::json;
use vaultterm_exchange::Errand;
use vaultterm_ledger::AuditAction;
use vaultterm_store::AuditFilter;

use super::*;
use crate::{
    records::{self, New},
    refusal::RefusalKind,
    testing::House,
};

async fn save(house: &House, path: &str, record_type: &str, fields: &str, inject_only: bool) {
    let new = New {
        path: path.to_owned(),
        record_type: Some(record_type.to_owned()),
        fields,
        tags: vec!["team".to_owned()],
        inject_only,
        ask_again: false,
    };
    records::create(&house.services, &house.owner, house.collection.0, new).await.unwrap();
}

fn part(house: &House, prefix: Option<&str>) -> Part {
    Part { collection: house.collection.0, prefix: prefix.map(str::to_owned) }
}

async fn filled() -> House {
    let house = House::new().await;
    let login = json!({"username": "ann", "password": "hunter2", "url": "https://mail.example.com"}).to_string();
    save(&house, "web/mail", "PASSWORD", &login, false).await;
    save(&house, "ci/TOKEN", "ENV_VAR", r#"{"value": "abc"}"#, false).await;
    save(&house, "ci/HIDDEN", "ENV_VAR", r#"{"value": "hidden"}"#, true).await;
    house
}

async fn actions(house: &House) -> Vec<AuditAction> {
    let page = vaultterm_store::Page { limit: 500, cursor: None };
    let events = house.services.store.audit_events(&AuditFilter::default(), &page).await.unwrap();
    events.items.iter().map(|event| event.entry.draft.action).collect()
}

#[tokio::test]
async fn what_a_format_loses_is_told_before_one_chooses_it_and_no_value_leaves() {
    let house = filled().await;
    let review = review(&house.services, &house.owner, &part(&house, None)).await.unwrap();
    assert_eq!(review.records, 2);
    assert_eq!(review.inject_only.iter().map(SecretPath::as_str).collect::<Vec<_>>(), ["ci/HIDDEN"]);
    let of = |format: Format| review.formats.iter().find(|one| one.format == format).unwrap();
    assert_eq!((of(Format::Vaultterm).records, of(Format::Vaultterm).losses.len()), (2, 0));
    assert!(!of(Format::Env).losses.is_empty(), "a login is no variable");
    assert!(!format!("{review:?}").contains("hunter2"));
    assert!(!actions(&house).await.contains(&AuditAction::RecordsExported));
}

#[tokio::test]
async fn an_archive_leaves_sealed_and_audited_and_comes_back_without_loss() {
    let house = filled().await;
    let (services, owner) = (&house.services, &house.owner);
    let protection = Protection::Passphrase(Zeroizing::new("correct horse battery".to_owned()));
    let exported = export(services, owner, &part(&house, Some("web")), "vaultterm", protection).await.unwrap();
    assert_eq!((exported.records, exported.losses.len()), (1, 0));
    assert!(exported.file_name.ends_with(".vaultterm.age"), "{}", exported.file_name);
    assert!(!exported.bytes.windows(7).any(|bytes| bytes == b"hunter2"));
    let actions = actions(&house).await;
    assert_eq!(actions[actions.len() - 2..], [AuditAction::RecordExported, AuditAction::RecordsExported]);
    let password = Some(Zeroizing::new("correct horse battery".to_owned()));
    let found = Errand { password, ..Errand::default() }.parse(&exported.bytes).unwrap();
    assert_eq!((found.format, found.items.len()), (Format::Vaultterm, 1));
    let item = &found.items[0];
    assert_eq!((item.folder.as_slice(), item.name.as_str()), (&["web".to_owned()][..], "mail"));
    assert_eq!(item.fields.expose()["password"], "hunter2");
    assert_eq!(item.tags, ["team"]);
}

#[tokio::test]
async fn a_record_for_programs_never_leaves_in_any_format() {
    let house = filled().await;
    for format in WRITTEN {
        let exported =
            export(&house.services, &house.owner, &part(&house, None), format.as_str(), Protection::Plain).await;
        if let Ok(exported) = exported {
            assert!(!exported.bytes.windows(6).any(|bytes| bytes == b"hidden"), "{format}");
        }
    }
}

#[tokio::test]
async fn an_export_needs_an_admin_and_a_known_format_and_a_sound_recipient() {
    let house = filled().await;
    let editor = house.member("ben@example.com", CollectionRole::Editor).await;
    let refused = export(&house.services, &editor, &part(&house, None), "vaultterm", Protection::Plain).await.err();
    assert_eq!(refused.map(|refusal| refusal.kind), Some(RefusalKind::Forbidden));
    let refused = review(&house.services, &editor, &part(&house, None)).await.err();
    assert_eq!(refused.map(|refusal| refusal.kind), Some(RefusalKind::Forbidden));
    let short = || Protection::Passphrase(Zeroizing::new("short".to_owned()));
    let nobody = || Protection::Recipients(vec!["age1nobody".to_owned()]);
    for (field, format, protection) in [
        ("format", "pdf", Protection::Plain),
        ("format", "kdbx", Protection::Plain),
        ("passphrase", "vaultterm", short()),
        ("recipients", "vaultterm", nobody()),
    ] {
        let refused =
            export(&house.services, &house.owner, &part(&house, None), format, protection).await.err().unwrap();
        assert_eq!(refused.fields[0].field, field);
    }
    let empty = export(&house.services, &house.owner, &part(&house, Some("nothing")), "env", Protection::Plain).await;
    assert_eq!(empty.err().map(|refusal| refusal.kind), Some(RefusalKind::Invalid));
}

#[tokio::test]
async fn a_format_says_how_many_records_of_the_trash_it_leaves_behind() {
    let house = filled().await;
    let (services, owner) = (&house.services, &house.owner);
    let listed = records::list(services, owner, house.collection.0, records::Search::default()).await.unwrap();
    let mail = listed.items.iter().find(|record| record.path.as_str() == "web/mail").unwrap();
    services.store.trash_record(&owner.context(services), mail.id, None).await.unwrap();
    let review = review(services, owner, &part(&house, None)).await.unwrap();
    assert_eq!(review.records, 1);
    for one in &review.formats {
        let expected = if one.format == Format::Vaultterm { (1, 0) } else { (0, 1) };
        assert_eq!((one.trash_held, one.trash_left), expected, "{}", one.format);
    }
}

#[tokio::test]
async fn variables_of_one_name_in_two_folders_are_counted_with_the_reason_and_what_to_do() {
    let house = House::new().await;
    for path in ["staging/API_KEY", "prod/API_KEY", "prod/URL", "test/API_KEY"] {
        save(&house, path, "ENV_VAR", r#"{"value": "x"}"#, false).await;
    }
    save(&house, "note", "SECURE_NOTE", r#"{"note": "x"}"#, false).await;
    let (services, owner) = (&house.services, &house.owner);
    let review = review(services, owner, &part(&house, None)).await.unwrap();
    let env = review.formats.iter().find(|one| one.format == Format::Env).unwrap();
    assert_eq!((env.records, env.left_out), (2, 3));
    let said: Vec<_> = env.losses.iter().map(|(loss, _)| loss.to_string()).collect();
    assert!(said.contains(&"1 record that this format cannot hold".to_owned()), "{said:?}");
    let same = said.iter().find(|words| words.starts_with("2 records have the same name")).unwrap();
    assert!(same.ends_with("export one folder at a time"), "{same}");
    let exported = export(services, owner, &part(&house, None), "env", Protection::Plain).await.unwrap();
    assert_eq!((exported.records, exported.bytes.as_slice()), (2, &b"API_KEY=x\nURL=x\n"[..]));
}
