//! Imports from the file to the records and back, and who may.

use vaultterm_store::{InstanceRole, Record, RecordState};

use super::*;
use crate::{
    part::Part,
    records::{self, Search},
    testing::House,
};

/// A file in VaultTerm's own words would hide how names change, so the tests bring variables.
fn upload(house: &House, text: &str) -> Upload {
    Upload {
        collection: house.collection.0,
        prefix: None,
        format: Some("env".to_owned()),
        file_name: Some("prod.env".to_owned()),
        bytes: Zeroizing::new(text.as_bytes().to_vec()),
        password: None,
        key_file: None,
        decode_entities: false,
        keep_nested: false,
    }
}

async fn here(house: &House) -> Vec<Record> {
    let search =
        Search { state: Some(RecordState::Live.as_str().to_owned()), part: Part::default(), ..Search::default() };
    records::list(&house.services, &house.owner, house.collection.0, search).await.unwrap().items
}

async fn import(house: &House, text: &str, duplicates: Duplicates) -> Review {
    bring(house, upload(house, text), duplicates).await
}

/// Brings a file and imports what it becomes.
async fn bring(house: &House, upload: Upload, duplicates: Duplicates) -> Review {
    let (services, owner) = (&house.services, &house.owner);
    let read = read(services, owner, upload).await.unwrap();
    let seen = review(services, owner, read.import.id, duplicates).await.unwrap();
    commit(services, owner, read.import.id, duplicates, &seen.plan).await.unwrap()
}

#[tokio::test]
async fn a_file_becomes_records_only_after_a_person_confirmed_what_it_becomes() {
    let house = House::new().await;
    let (services, owner) = (&house.services, &house.owner);
    let seen = read(services, owner, upload(&house, "A=1\nB=2\n")).await.unwrap();
    assert_eq!((seen.import.format, seen.counts.created, seen.import.found), (Format::Env, 2, 2));
    assert!(here(&house).await.is_empty());
    let refused = commit(services, owner, seen.import.id, Duplicates::Skip, "something else").await;
    assert_eq!(refused.err().map(|refusal| refusal.kind), Some(RefusalKind::Stale));
    let done = commit(services, owner, seen.import.id, Duplicates::Skip, &seen.plan).await.unwrap();
    assert_eq!((done.import.state, done.counts), (ImportState::Done, seen.counts));
    assert_eq!(done.fates, seen.fates);
    assert_eq!(here(&house).await.len(), 2);
    let again = commit(services, owner, seen.import.id, Duplicates::Skip, &seen.plan).await;
    assert_eq!(again.err().map(|refusal| refusal.kind), Some(RefusalKind::Refused));
}

#[tokio::test]
async fn what_changed_since_the_person_looked_is_not_imported_over() {
    let house = House::new().await;
    let (services, owner) = (&house.services, &house.owner);
    let seen = read(services, owner, upload(&house, "A=1\n")).await.unwrap();
    import(&house, "A=2\n", Duplicates::Skip).await;
    let refused = commit(services, owner, seen.import.id, Duplicates::Skip, &seen.plan).await;
    assert_eq!(refused.err().map(|refusal| refusal.kind), Some(RefusalKind::Stale));
    assert_eq!(here(&house).await.len(), 1);
}

#[tokio::test]
async fn the_same_file_again_changes_nothing_and_a_changed_one_what_the_person_chooses() {
    let house = House::new().await;
    import(&house, "A=1\nB=2\n", Duplicates::Skip).await;
    let again = import(&house, "A=1\nB=2\n", Duplicates::Update).await;
    assert_eq!((again.counts.skipped, again.counts.created, again.counts.updated), (2, 0, 0));
    let kept = import(&house, "A=1\nB=3\n", Duplicates::Skip).await;
    assert_eq!((kept.counts.skipped, kept.counts.updated), (2, 0));
    let updated = import(&house, "A=1\nB=3\n", Duplicates::Update).await;
    assert_eq!((updated.counts.skipped, updated.counts.updated), (1, 1));
    let revisions: Vec<_> = here(&house).await.iter().map(|record| record.revision.0).collect();
    assert_eq!(revisions, [1, 2]);
}

#[tokio::test]
async fn an_import_is_undone_for_a_day() {
    let house = House::new().await;
    let (services, owner) = (&house.services, &house.owner);
    let done = import(&house, "A=1\nB=2\n", Duplicates::Skip).await;
    let undone = undo(services, owner, done.import.id).await.unwrap();
    assert_eq!(undone, Undone { trashed: 2, restored: 0, kept: 0, in_trash: 0 });
    assert!(here(&house).await.is_empty());
    let shown = review(services, owner, done.import.id, Duplicates::Skip).await.unwrap();
    assert_eq!((shown.import.state, shown.counts), (ImportState::Undone, done.counts));
    discard(services, owner, done.import.id).await.unwrap();
    let gone = review(services, owner, done.import.id, Duplicates::Skip).await;
    assert_eq!(gone.err().map(|refusal| refusal.kind), Some(RefusalKind::NotFound));
}

#[tokio::test]
async fn nobody_but_the_person_who_brought_a_file_sees_it() {
    let house = House::new().await;
    let seen = read(&house.services, &house.owner, upload(&house, "A=1\n")).await.unwrap();
    let ben = house.member("ben@example.com", CollectionRole::Owner).await;
    let stranger = house.person("cleo@example.com", InstanceRole::Owner).await;
    for other in [&ben, &stranger] {
        for kind in [
            review(&house.services, other, seen.import.id, Duplicates::Skip).await.err(),
            commit(&house.services, other, seen.import.id, Duplicates::Skip, &seen.plan).await.err(),
            undo(&house.services, other, seen.import.id).await.err(),
            discard(&house.services, other, seen.import.id).await.err(),
        ] {
            assert_eq!(kind.map(|refusal| refusal.kind), Some(RefusalKind::NotFound));
        }
        assert!(list(&house.services, other).await.unwrap().is_empty());
    }
    let listed = list(&house.services, &house.owner).await.unwrap();
    let [(import, head)] = listed.as_slice() else { panic!("{}", listed.len()) };
    assert_eq!((import.id, head.file_name.as_deref()), (seen.import.id, Some("prod.env")));
}

#[tokio::test]
async fn a_viewer_imports_nothing_and_an_editor_does() {
    let house = House::new().await;
    let viewer = house.member("ben@example.com", CollectionRole::Viewer).await;
    let refused = read(&house.services, &viewer, upload(&house, "A=1\n")).await.err();
    assert_eq!(refused.map(|refusal| refusal.kind), Some(RefusalKind::Forbidden));
    let editor = house.member("cleo@example.com", CollectionRole::Editor).await;
    assert!(read(&house.services, &editor, upload(&house, "A=1\n")).await.is_ok());
    let reader = house.with_scopes(&editor, &[Scope::RecordsRead]).await;
    let refused = read(&house.services, &reader, upload(&house, "A=1\n")).await.err();
    assert_eq!(refused.map(|refusal| refusal.kind), Some(RefusalKind::Forbidden));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_refused_with_the_part_that_is_wrong() {
    let house = House::new().await;
    let try_with = async |change: fn(&mut Upload)| {
        let mut upload = upload(&house, "hunter2 without an assignment\n");
        change(&mut upload);
        read(&house.services, &house.owner, upload).await.err().unwrap()
    };
    for (field, change) in [
        ("file", (|_| {}) as fn(&mut Upload)),
        ("format", |upload| upload.format = Some("pdf".to_owned())),
        ("format", |upload| upload.format = None),
        ("prefix", |upload| upload.prefix = Some("a//b".to_owned())),
    ] {
        let refusal = try_with(change).await;
        assert_eq!(refusal.fields[0].field, field, "{refusal}");
        assert!(!format!("{refusal:?}").contains("hunter2"), "{refusal:?}");
    }
}

#[tokio::test]
async fn an_import_that_takes_long_goes_on_by_itself_and_tells_what_became_of_it() {
    let house = House::new().await;
    let (services, owner) = (&house.services, &house.owner);
    let text: String = (0..300).map(|n| format!("NAME_{n}=value {n}\n")).collect();
    let seen = read(services, owner, upload(&house, &text)).await.unwrap();
    let (id, at_once) = (seen.import.id, Duration::ZERO);
    assert!(going(services, owner, id).await.unwrap().is_none());
    // Who does not wait is told by the next look how far it is.
    assert!(!commit_within(services, owner, id, Duplicates::Skip, &seen.plan, at_once).await.unwrap());
    let (mut most, mut looks) = (0, 0);
    while let Some(now) = going(services, owner, id).await.unwrap() {
        let Going::On { progress, head, collection } = now else { panic!("it failed") };
        assert_eq!((head.file_name.as_deref(), collection), (Some("prod.env"), house.collection.0));
        assert!(progress.done >= most && (progress.total == 300 || progress == Progress { done: 0, total: 0 }));
        (most, looks) = (progress.done, looks + 1);
    }
    assert!(looks > 0, "it goes on from the moment in which nobody waits any more");
    let done = review(services, owner, id, Duplicates::Skip).await.unwrap();
    assert_eq!((done.import.state, done.counts.created), (ImportState::Done, 300));
    let again = commit_within(services, owner, id, Duplicates::Skip, &seen.plan, Duration::from_secs(60)).await;
    assert_eq!(again.err().map(|refusal| refusal.kind), Some(RefusalKind::Refused));
}

#[tokio::test]
async fn an_import_that_fails_when_nobody_waits_says_so_at_the_next_look_to_its_person() {
    let house = House::new().await;
    let (services, owner) = (&house.services, &house.owner);
    let seen = read(services, owner, upload(&house, "A=1\n")).await.unwrap();
    let id = seen.import.id;
    assert!(!commit_within(services, owner, id, Duplicates::Skip, "another plan", Duration::ZERO).await.unwrap());
    services.tasks.close();
    services.tasks.wait().await;
    let stranger = house.person("cleo@example.com", InstanceRole::Owner).await;
    assert_eq!(going(services, &stranger, id).await.err().map(|refusal| refusal.kind), Some(RefusalKind::NotFound));
    let Some(Going::Failed(why)) = going(services, owner, id).await.unwrap() else { panic!("it did not fail") };
    assert!(why.contains("nothing was imported"), "{why}");
    assert!(going(services, owner, id).await.unwrap().is_none(), "it is told once");
    assert!(here(&house).await.is_empty());
}

#[tokio::test]
async fn an_import_that_goes_on_is_not_begun_twice() {
    let house = House::new().await;
    let (services, owner) = (&house.services, &house.owner);
    let seen = read(services, owner, upload(&house, "A=1\n")).await.unwrap();
    let _going = services.imports.going.begin(seen.import.id).unwrap();
    let refused = commit(services, owner, seen.import.id, Duplicates::Skip, &seen.plan).await.err().unwrap();
    assert_eq!(refused.kind, RefusalKind::Refused);
    assert!(refused.detail.contains("goes on already"), "{}", refused.detail);
    assert!(here(&house).await.is_empty());
}

#[tokio::test]
async fn two_vaults_with_the_same_paths_come_into_two_folders_and_never_change_each_other() {
    let house = House::new().await;
    let file = |prefix: &str, format: &str, text: &str| Upload {
        prefix: Some(prefix.to_owned()),
        format: Some(format.to_owned()),
        file_name: Some("export.json".to_owned()),
        ..upload(&house, text)
    };
    let medusa = |password: &str| format!(r#"{{"app":{{"db":{{"password":"{password}"}}}}}}"#);
    let vkv = |password: &str| format!(r#"{{"app/":{{"db":{{"password":"{password}"}}}}}}"#);
    for (folder, format, text) in [
        ("staging", "medusa", medusa("staging")),
        ("prod", "medusa", medusa("production")),
        ("three", "vkv", vkv("3")),
        ("four", "vkv", vkv("4")),
    ] {
        let done = bring(&house, file(folder, format, &text), Duplicates::Update).await;
        assert_eq!((done.counts.created, done.counts.updated, done.counts.skipped), (1, 0, 0), "{folder}");
    }
    let paths: Vec<_> = here(&house).await.iter().map(|record| (record.path.to_string(), record.revision.0)).collect();
    let expected = ["four/app/db", "prod/app/db", "staging/app/db", "three/app/db"].map(|path| (path.to_owned(), 1));
    assert_eq!(paths, expected);
    let again = bring(&house, file("prod", "medusa", &medusa("newer")), Duplicates::Update).await;
    assert_eq!((again.counts.created, again.counts.updated), (0, 1));
}

#[tokio::test]
async fn a_record_that_an_import_changed_has_its_earlier_values_again_when_that_is_undone() {
    let house = House::new().await;
    import(&house, "A=1\nB=1\n", Duplicates::Skip).await;
    let done = import(&house, "A=2\nB=1\nC=3\n", Duplicates::Update).await;
    assert_eq!((done.counts.created, done.counts.updated, done.counts.skipped), (1, 1, 1));
    let undone = undo(&house.services, &house.owner, done.import.id).await.unwrap();
    assert_eq!(undone, Undone { trashed: 1, restored: 1, kept: 0, in_trash: 0 });
    let again = import(&house, "A=1\nB=1\n", Duplicates::Update).await;
    assert_eq!(again.counts.skipped, 2, "the values are those of before");
}
