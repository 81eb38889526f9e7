//! Hints that come, wait and are taken.

use std::collections::BTreeMap;

use serde_json::json;
use vaultterm_reconcile::{Mode, RemoteStamp, SecretPath, UnixNanos, Version};
use vaultterm_sync::{BaseChange, ConnectionId, Journal as _, Outcome, SeenInVault, Trigger};

use super::{AddedHints, HINTS_MAX, HintedWriter};
use crate::{
    ConnectionUpdate, ErrorClass,
    testing::{House, NOW_US, at, base, outcome},
};

fn by(writer: &str, version: u64) -> HintedWriter {
    let changed = UnixNanos(i64::try_from(version).unwrap());
    HintedWriter { writer: Some(writer.to_owned()), version: Some(Version(version)), changed: Some(changed) }
}

fn plain(paths: &[&str]) -> BTreeMap<SecretPath, HintedWriter> {
    paths.iter().map(|path| (at(path), HintedWriter::default())).collect()
}

async fn connected(house: &House) -> ConnectionId {
    house.connect("kv", Mode::Bidirectional, "team").await.unwrap().id
}

async fn paths(house: &House, id: ConnectionId, limit: u64) -> (Vec<String>, bool, u64) {
    let Some(waiting) = house.store.waiting_hints(id, 0, limit).await.unwrap() else { return (Vec::new(), false, 0) };
    let paths = waiting.paths.keys().map(|path| path.as_str().to_owned()).collect();
    (paths, waiting.everything, waiting.up_to)
}

#[tokio::test]
async fn a_hint_that_comes_while_a_run_looks_stays_when_the_run_takes_what_it_read() {
    let house = House::new().await;
    let id = connected(&house).await;
    assert_eq!(house.store.waiting_hints(id, 0, 100).await.unwrap(), None);
    let added = house.store.add_hints(id, &plain(&["a", "b"]), false, NOW_US).await.unwrap();
    assert_eq!(added, AddedHints { waiting: 2, everything: false });
    let (read, everything, up_to) = paths(&house, id, 100).await;
    assert_eq!((read, everything), (vec!["a".to_owned(), "b".to_owned()], false));

    // While the run looks, `b` changes again, and `c` for the first time.
    house.store.add_hints(id, &plain(&["b", "c"]), false, NOW_US + 1).await.unwrap();
    house.store.take_hints(id, up_to, NOW_US + 2).await.unwrap();
    let (left, _, up_to) = paths(&house, id, 100).await;
    assert_eq!(left, ["b", "c"]);
    assert_eq!(house.store.hinted_connections().await.unwrap()[0].id, id);
    house.store.take_hints(id, up_to, NOW_US + 3).await.unwrap();
    assert_eq!(house.store.hinted_connections().await.unwrap(), []);
    // A run that took less ends later. It brings nothing back, and hides nothing that comes.
    house.store.take_hints(id, up_to - 1, NOW_US + 4).await.unwrap();
    house.store.add_hints(id, &plain(&["d"]), false, NOW_US + 5).await.unwrap();
    let hinted = house.store.hinted_connections().await.unwrap();
    assert_eq!((hinted.len(), hinted[0].waiting_us), (1, NOW_US + 5), "since nothing had waited");
}

#[tokio::test]
async fn a_limit_gives_those_that_waited_longest_and_the_rest_waits_on() {
    let house = House::new().await;
    let id = connected(&house).await;
    for path in ["z", "m", "a"] {
        house.store.add_hints(id, &plain(&[path]), false, NOW_US).await.unwrap();
    }
    house.store.add_hints(id, &BTreeMap::new(), true, NOW_US).await.unwrap();
    let (read, everything, up_to) = paths(&house, id, 2).await;
    assert_eq!((read, everything), (vec!["m".to_owned(), "z".to_owned()], false));
    house.store.take_hints(id, up_to, NOW_US).await.unwrap();
    let (read, everything, up_to) = paths(&house, id, 2).await;
    assert_eq!((read, everything), (vec!["a".to_owned()], true));
    house.store.take_hints(id, up_to, NOW_US).await.unwrap();
    assert_eq!(house.store.waiting_hints(id, 0, 2).await.unwrap(), None);
}

#[tokio::test]
async fn hints_that_are_followed_during_a_look_are_taken_and_a_wish_to_look_at_everything_stays() {
    let house = House::new().await;
    let id = connected(&house).await;
    let read = async |after| {
        let waiting = house.store.waiting_hints(id, after, 2).await.unwrap()?;
        let paths: Vec<_> = waiting.paths.keys().map(|path| path.as_str().to_owned()).collect();
        Some((paths.concat(), waiting.up_to))
    };
    for path in ["a", "b", "c"] {
        house.store.add_hints(id, &plain(&[path]), false, NOW_US).await.unwrap();
    }
    assert_eq!(read(0).await, Some(("ab".to_owned(), 2)));
    assert_eq!(read(2).await, Some(("c".to_owned(), 3)), "what was not taken is not read again");
    assert_eq!(read(3).await, None);
    house.store.take_followed_hints(id, 2, NOW_US).await.unwrap();
    assert_eq!(read(0).await, Some(("c".to_owned(), 3)));
    house.store.take_followed_hints(id, 3, NOW_US).await.unwrap();
    assert_eq!(house.store.hinted_connections().await.unwrap(), []);

    house.store.add_hints(id, &plain(&["d"]), true, NOW_US).await.unwrap();
    house.store.add_hints(id, &plain(&["e"]), false, NOW_US).await.unwrap();
    let (paths_read, up_to) = read(3).await.unwrap();
    assert_eq!(paths_read, "de");
    house.store.take_followed_hints(id, up_to, NOW_US).await.unwrap();
    let waiting = house.store.waiting_hints(id, 0, 2).await.unwrap().expect("the wish waits");
    assert!(waiting.everything && waiting.paths.is_empty(), "{waiting:?}");
    house.store.take_hints(id, waiting.up_to, NOW_US).await.unwrap();
    assert_eq!(house.store.hinted_connections().await.unwrap(), []);
}

#[tokio::test]
async fn the_wish_to_look_at_everything_is_taken_only_by_a_run_that_read_it() {
    let house = House::new().await;
    let id = connected(&house).await;
    house.store.add_hints(id, &plain(&["a"]), false, NOW_US).await.unwrap();
    let (_, everything, up_to) = paths(&house, id, 100).await;
    assert!(!everything);
    let added = house.store.add_hints(id, &BTreeMap::new(), true, NOW_US).await.unwrap();
    assert_eq!(added, AddedHints { waiting: 1, everything: true });
    house.store.take_hints(id, up_to, NOW_US).await.unwrap();
    assert!(house.store.hinted_connections().await.unwrap()[0].everything);
    let (read, everything, up_to) = paths(&house, id, 100).await;
    assert_eq!((read.len(), everything), (0, true));
    house.store.take_hints(id, up_to, NOW_US).await.unwrap();
    assert_eq!(house.store.hinted_connections().await.unwrap(), []);
}

#[tokio::test]
async fn more_paths_than_may_wait_become_a_look_at_everything() {
    let house = House::new().await;
    let id = connected(&house).await;
    let many = |range: std::ops::Range<u64>| {
        range.map(|n| (at(&format!("p{n}")), HintedWriter::default())).collect::<BTreeMap<_, _>>()
    };
    let added = house.store.add_hints(id, &many(0..HINTS_MAX), false, NOW_US).await.unwrap();
    assert_eq!(added, AddedHints { waiting: HINTS_MAX, everything: false });
    // A path that waits already needs no further place.
    let added = house.store.add_hints(id, &many(5..9), false, NOW_US).await.unwrap();
    assert_eq!(added, AddedHints { waiting: HINTS_MAX, everything: false });
    let added = house.store.add_hints(id, &plain(&["one more"]), false, NOW_US).await.unwrap();
    assert_eq!(added, AddedHints { waiting: 0, everything: true });
    assert!(paths(&house, id, 10).await.1);
}

#[tokio::test]
async fn the_writer_is_that_of_the_newest_hint_which_names_one() {
    let house = House::new().await;
    let id = connected(&house).await;
    for hint in [by("approle one", 3), by("approle two", 4), HintedWriter::default()] {
        house.store.add_hints(id, &BTreeMap::from([(at("a"), hint)]), false, NOW_US).await.unwrap();
    }
    house.store.add_hints(id, &plain(&["b"]), false, NOW_US).await.unwrap();
    let found = house.store.hinted_writers_of(id, &[at("a"), at("b"), at("c")]).await.unwrap();
    assert_eq!(found, BTreeMap::from([(at("a"), by("approle two", 4))]));
    assert_eq!(house.store.waiting_hints(id, 0, 9).await.unwrap().unwrap().paths[&at("a")], by("approle two", 4));
}

#[tokio::test]
async fn a_hint_about_the_version_on_which_both_sides_agree_waits_for_nothing_and_names_its_writer() {
    let house = House::new().await;
    let id = connected(&house).await;
    let run = house.begin(id, Trigger::Manual).await;
    let record = house.import(&run, "a", json!({"x": 1})).await;
    let entry = base(record, 1);
    let RemoteStamp { version, version_created, .. } = entry.stamp;
    let exact = |writer: &str, changed: UnixNanos| {
        let hint = HintedWriter { writer: Some(writer.to_owned()), version: Some(version), changed: Some(changed) };
        BTreeMap::from([(at("a"), hint)])
    };
    let writer = async || house.store.agreed_versions(record).await.unwrap().remove(0).writer;
    let add = async |hints| house.store.add_hints(id, &hints, false, NOW_US).await.unwrap().waiting;
    assert_eq!(writer().await, None);
    assert_eq!(add(exact("approle ci", version_created)).await, 0);
    assert_eq!(writer().await.as_deref(), Some("approle ci"), "nobody had known it");
    assert_eq!(house.store.hinted_connections().await.unwrap(), []);

    // Another time is another version of the same number. A deletion, and a change of what is said about it, name none.
    let later = UnixNanos(version_created.0 + 1);
    assert_eq!(add(exact("somebody else", later)).await, 1);
    assert_eq!(writer().await.as_deref(), Some("approle ci"));
    assert_eq!(add(plain(&["a", "b"])).await, 2);

    // A version that VaultTerm wrote stays its own.
    let wrote = Outcome { base: BaseChange::Set(entry.clone()), wrote_remote: true, ..outcome("a") };
    house.store.commit(run.0, run.1.id, vec![wrote]).await.unwrap();
    house.store.take_hints(id, 99, NOW_US).await.unwrap();
    assert_eq!(add(exact("approle vaultterm", version_created)).await, 0);
    assert_eq!(writer().await.as_deref(), Some("VaultTerm"));
}

#[tokio::test]
async fn a_hint_names_the_writer_of_a_version_that_a_run_saw_and_still_waits() {
    let house = House::new().await;
    let id = connected(&house).await;
    let run = house.begin(id, Trigger::Manual).await;
    let record = house.import(&run, "a", json!({"x": 1})).await;
    let stamp = RemoteStamp { key_created: UnixNanos(1), version: Version(8), version_created: UnixNanos(8) };
    let seen =
        SeenInVault { path: at("a"), stamp: Some(stamp), is_deleted: false, writer: Some("somebody".to_owned()) };
    house.store.record_seen(run.0, None, &[seen]).await.unwrap();
    let hints = BTreeMap::from([(at("a"), by("approle ci", 8))]);
    assert_eq!(house.store.add_hints(id, &hints, false, NOW_US).await.unwrap().waiting, 1);
    let found = house.store.record(record).await.unwrap().unwrap().sync.remove(0).seen.unwrap();
    assert_eq!(found.writer.as_deref(), Some("approle ci"));
}

#[tokio::test]
async fn hints_go_with_their_connection_and_with_its_place_in_vault() {
    let house = House::new().await;
    let id = connected(&house).await;
    house.store.add_hints(id, &plain(&["a"]), true, NOW_US).await.unwrap();
    let summary = house.store.connection_summary(id).await.unwrap().unwrap();
    assert_eq!((summary.hints_waiting, summary.hinted_everything), (1, true));
    let update = ConnectionUpdate { path: Some("other".to_owned()), ..ConnectionUpdate::default() };
    house.store.update_connection(&house.ann(), id, 1, update).await.unwrap();
    assert_eq!(house.store.waiting_hints(id, 0, 9).await.unwrap(), None, "they named paths below the old place");

    house.store.add_hints(id, &plain(&["a"]), false, NOW_US).await.unwrap();
    house.store.delete_connection(&house.ann(), id, None).await.unwrap();
    assert_eq!(house.store.hinted_connections().await.unwrap(), []);
    let gone = house.store.add_hints(id, &plain(&["a"]), false, NOW_US).await.unwrap_err();
    assert_eq!(gone.class(), ErrorClass::NotFound);
}
