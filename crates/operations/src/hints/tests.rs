//! What is taken as a hint, and from whom.

use vaultterm_reconcile::{SecretPath, UnixNanos, Version};
use vaultterm_store::{AuditFilter, CollectionRole, Page, Scope};

use super::{Change, PATHS_MAX, Told, add, scopes};
use crate::{
    Caller, Part, RefusalKind, connections,
    matrix::{credential, wanted},
    scrape,
    testing::House,
};

async fn connected(house: &House) -> uuid::Uuid {
    let services = &house.services;
    let made = connections::create(services, &house.owner, house.collection.0, wanted(), &credential()).await.unwrap();
    made.summary.connection.id.0
}

fn change(path: &str, writer: Option<&str>) -> Change {
    Change { path: path.to_owned(), writer: writer.map(str::to_owned), ..Change::default() }
}

fn paths(paths: &[&str]) -> Told {
    Told { paths: paths.iter().map(|path| (*path).to_owned()).collect(), ..Told::default() }
}

#[tokio::test]
async fn a_token_for_hints_sends_them_and_learns_the_places_and_may_do_nothing_else() {
    let house = House::new().await;
    let id = connected(&house).await;
    let editor = house.member("editor@example.com", CollectionRole::Editor).await;
    let feed = house.with_scopes(&editor, &[Scope::SyncHint]).await;
    let services = &house.services;
    let taken = add(services, &feed, id, paths(&["a", "a", "b/c"])).await.unwrap();
    assert_eq!((taken.accepted, taken.now.waiting, taken.now.everything), (2, 2, false));
    let places = scopes(services, &feed, Part::default()).await.unwrap().items;
    assert_eq!(places.iter().map(|place| place.id.0).collect::<Vec<_>>(), [id]);
    let refused = connections::show(services, &feed, id).await.unwrap_err();
    assert_eq!(refused.kind, RefusalKind::Forbidden);

    // The scope says what a program may do, and the role what its person may.
    let viewer = house.member("viewer@example.com", CollectionRole::Viewer).await;
    let feed: Caller = house.with_scopes(&viewer, &[Scope::SyncHint]).await;
    assert_eq!(add(services, &feed, id, paths(&["a"])).await.unwrap_err().kind, RefusalKind::Forbidden);
    assert!(scopes(services, &feed, Part::default()).await.unwrap().items.is_empty());
    let runner = house.with_scopes(&editor, &[Scope::SyncRun]).await;
    assert_eq!(add(services, &runner, id, paths(&["a"])).await.unwrap().now.waiting, 2);
}

#[tokio::test]
async fn both_forms_are_taken_together_with_who_changed_what() {
    let house = House::new().await;
    let id = connected(&house).await;
    let mut told = paths(&["a", "b"]);
    told.writer = Some("approle ci".to_owned());
    told.changes = vec![
        Change { version: Some(4), at: Some("2026-01-31T12:00:00.123456789Z".to_owned()), ..change("b", Some("ann")) },
        change("b", None),
        change("c", None),
    ];
    told.everything = true;
    let taken = add(&house.services, &house.owner, id, told).await.unwrap();
    assert_eq!((taken.accepted, taken.now.everything), (3, true));
    let path = |text: &str| SecretPath::new(text).unwrap();
    let id = vaultterm_sync::ConnectionId(id);
    let found = house.services.store.waiting_hints(id, 0, 10).await.unwrap().unwrap().paths;
    assert_eq!((found.len(), &found[&path("c")].writer), (3, &None), "nobody is named for c");
    assert_eq!(found[&path("a")].writer.as_deref(), Some("approle ci"));
    let b = &found[&path("b")];
    assert_eq!((b.writer.as_deref(), b.version), (Some("ann"), Some(Version(4))));
    assert_eq!(b.changed, Some(UnixNanos(1_769_860_800_123_456_789)), "to the nanosecond, as versions have it");
}

#[tokio::test]
async fn what_is_no_hint_is_refused_by_its_place_and_nothing_is_taken() {
    let house = House::new().await;
    let id = connected(&house).await;
    let long = "x".repeat(257);
    let many: Vec<String> = (0..=PATHS_MAX).map(|n| format!("p{n}")).collect();
    let wrong_time = Change { at: Some("yesterday".to_owned()), ..change("a", None) };
    for (told, field) in [
        (Told::default(), "paths"),
        (paths(&["a", "a//b"]), "paths[1]"),
        (Told { paths: many.clone(), ..Told::default() }, "paths"),
        (Told { changes: vec![change("a", None), change("/a", None)], ..Told::default() }, "changes[1].path"),
        (Told { changes: vec![change("a", Some(&long))], ..Told::default() }, "changes[0].writer"),
        (Told { changes: vec![change("a", Some("two\nlines"))], ..Told::default() }, "changes[0].writer"),
        (Told { changes: vec![wrong_time], ..Told::default() }, "changes[0].at"),
        (Told { writer: Some(String::new()), ..paths(&["a"]) }, "writer"),
    ] {
        let refused = add(&house.services, &house.owner, id, told).await.unwrap_err();
        assert_eq!((refused.kind, refused.fields[0].field.as_str()), (RefusalKind::Invalid, field));
    }
    assert_eq!(house.services.store.hinted_connections().await.unwrap(), []);
    let full = Told { paths: many[..PATHS_MAX].to_vec(), ..Told::default() };
    assert_eq!(add(&house.services, &house.owner, id, full).await.unwrap().accepted, PATHS_MAX as u64);
}

#[tokio::test]
async fn hints_are_counted_for_the_metrics_and_not_audited() {
    let house = House::new().await;
    let id = connected(&house).await;
    let services = &house.services;
    let filter = AuditFilter::default();
    let page = Page { limit: 500, cursor: None };
    let before = services.store.audit_events(&filter, &page).await.unwrap().items.len();
    add(services, &house.owner, id, paths(&["some/secret", "b"])).await.unwrap();
    add(services, &house.owner, id, Told { everything: true, ..paths(&["b"]) }).await.unwrap();
    assert_eq!(services.store.audit_events(&filter, &page).await.unwrap().items.len(), before);
    let text = scrape::text(&services.meters, Some(services)).await;
    for line in [
        "vaultterm_hints_total 3\n".to_owned(),
        "vaultterm_hint_gaps_total 1\n".to_owned(),
        format!("vaultterm_hints_waiting{{connection=\"{id}\"}} 2\n"),
    ] {
        assert!(text.contains(&line), "{line}: {text}");
    }
    assert!(!text.contains("some/secret"));
}
