//! Where items go, and what they do to records that are here.

use vaultterm_reconcile::RecordType;

use super::*;
use crate::{Format, Item, Place};

fn login(folder: &[&str], name: &str, user: &str, password: &str) -> Item {
    let mut item = Item::new(Place::entry(1), name, RecordType::Password);
    item.folder = folder.iter().map(|name| (*name).to_owned()).collect();
    item.text("username", user);
    item.text("password", password);
    item
}

fn held(n: u128, path: &str, item: &Item) -> Held {
    Held {
        record: RecordId(uuid::Uuid::from_u128(n)),
        revision: Revision(3),
        path: at(path),
        record_type: item.record_type,
        fields: item.fields.duplicate(),
    }
}

fn at(path: &str) -> SecretPath {
    SecretPath::new(path).unwrap()
}

fn with_live(records: impl IntoIterator<Item = Held>) -> World {
    let mut world = World::default();
    for held in records {
        world.taken.insert(held.path.clone());
        world.live.insert(held.path.clone(), held);
    }
    world
}

fn decide(items: &[Item], world: &World, duplicates: Duplicates) -> Vec<String> {
    let fates = fates(Format::BitwardenJson, items, None, world, duplicates);
    fates.iter().map(shown).collect()
}

fn shown(fate: &Fate) -> String {
    match fate {
        Fate::Create { path, is_renamed: false } => format!("create {path}"),
        Fate::Create { path, is_renamed: true } => format!("rename {path}"),
        Fate::Update { path, revision, .. } => format!("update {path} at {}", revision.0),
        Fate::Skip { reason, path } => format!("{reason} {path}"),
        Fate::Refuse { why } => format!("refuse: {why}"),
    }
}

#[test]
fn folders_and_names_become_a_path_and_every_change_of_them_is_told() {
    for (folder, name, expected) in [
        (&["Work", "Mail"][..], "GitHub (work) é 🔑", "create Work/Mail/GitHub (work) é 🔑"),
        (&[], "a/b", "rename a-b"),
        (&["a/b"], "c", "rename a-b/c"),
        (&[], " padded ", "rename padded"),
        (&[], "", "rename unnamed"),
        (&[], "  ", "rename unnamed"),
        (&[".."], ".", "rename __/_"),
        (&[], "tab\there", "rename tab_here"),
        (&[], "zero\u{200b}width", "rename zero_width"),
    ] {
        let items = [login(folder, name, "ann", "x")];
        assert_eq!(decide(&items, &World::default(), Duplicates::Skip), [expected], "{folder:?} {name:?}");
    }
    let long = [login(&[], &"x".repeat(600), "ann", "x")];
    assert!(decide(&long, &World::default(), Duplicates::Skip)[0].starts_with("refuse: a path has at most 512 bytes"));
}

#[test]
fn a_prefix_stands_before_the_folders() {
    let item = login(&["Work"], "mail", "ann", "x");
    let (path, _) = wanted_path(&item, Some(&at("team/old"))).unwrap();
    assert_eq!(path, at("team/old/Work/mail"));
}

#[test]
fn two_items_of_one_name_both_come_over_and_the_same_item_twice_once() {
    let items = [login(&[], "mail", "ann", "1"), login(&[], "mail", "ben", "2"), login(&[], "mail", "ann", "1")];
    assert_eq!(decide(&items, &World::default(), Duplicates::Skip), ["create mail", "rename mail (2)", "twice mail"]);
}

#[test]
fn tens_of_thousands_of_items_of_one_name_are_numbered_without_trying_each_number_again() {
    let items: Vec<_> = (0..20_000).map(|n| login(&[], "mail", "ann", &n.to_string())).collect();
    let mut world = World::default();
    world.taken.insert(at("mail (3)"));
    let decided = decide(&items, &world, Duplicates::Skip);
    let expected = ["create mail", "rename mail (2)", "rename mail (4)", "rename mail (5)"];
    assert_eq!(decided[..4], expected);
    assert_eq!(decided[19_999], "rename mail (20001)");
}

#[test]
fn an_item_that_is_here_is_left_unless_the_person_chose_otherwise() {
    let here = login(&[], "mail", "ann", "old");
    let world = with_live([held(1, "mail", &here)]);
    let new = [login(&[], "mail", "ann", "new")];
    assert_eq!(decide(&[login(&[], "mail", "ann", "old")], &world, Duplicates::Update), ["identical mail"]);
    assert_eq!(decide(&new, &world, Duplicates::Skip), ["kept mail"]);
    assert_eq!(decide(&new, &world, Duplicates::Update), ["update mail at 3"]);
    assert_eq!(decide(&new, &world, Duplicates::Both), ["rename mail (2)"]);
}

#[test]
fn another_account_of_the_same_name_never_changes_the_record_that_is_here() {
    let world = with_live([held(1, "mail", &login(&[], "mail", "ann", "old"))]);
    for duplicates in Duplicates::ALL {
        assert_eq!(decide(&[login(&[], "mail", "ben", "new")], &world, *duplicates), ["rename mail (2)"]);
    }
}

#[test]
fn an_item_is_recognised_by_its_id_after_the_record_was_renamed_here() {
    let mut item = login(&[], "mail", "ann", "new");
    item.source_id = Some("42".to_owned());
    let mut world = World::default();
    let record = held(1, "renamed/here", &login(&[], "mail", "ann", "old"));
    world.imported.insert(source_key(Format::BitwardenJson, &item).unwrap(), record);
    assert_eq!(decide(std::slice::from_ref(&item), &world, Duplicates::Update), ["update renamed/here at 3"]);
    let other_program = fates(Format::Cxf, &[item], None, &world, Duplicates::Update);
    assert_eq!(shown(&other_program[0]), "create mail");
}

#[test]
fn two_items_never_change_the_same_record() {
    let world = with_live([held(1, "mail", &login(&[], "mail", "ann", "old"))]);
    let items = [login(&[], "mail", "ann", "1"), login(&[], "mail", "ann", "2")];
    assert_eq!(decide(&items, &world, Duplicates::Update), ["update mail at 3", "rename mail (2)"]);
}

#[test]
fn what_was_in_the_trash_takes_no_path_and_comes_over_once() {
    let mut item = login(&[], "mail", "ann", "x");
    item.is_trashed = true;
    let world = with_live([held(1, "mail", &login(&[], "mail", "ann", "y"))]);
    assert_eq!(decide(std::slice::from_ref(&item), &world, Duplicates::Update), ["create mail"]);
    let mut world = World::default();
    world.trashed.insert(at("mail"), vec![held(1, "mail", &item)]);
    assert_eq!(decide(&[item], &world, Duplicates::Update), ["identical mail"]);
}

#[test]
fn no_two_created_items_get_the_same_path_whatever_their_names() {
    let names = ["a", "a (2)", "a", "a (2)", "a", "a/b", "a-b", "a\u{1}b", "a_b"];
    let items: Vec<_> = names.iter().enumerate().map(|(n, name)| login(&[], name, &n.to_string(), "x")).collect();
    let fates = fates(Format::Kdbx, &items, None, &World::default(), Duplicates::Skip);
    let paths: BTreeSet<_> = fates
        .iter()
        .map(|fate| match fate {
            Fate::Create { path, .. } => path.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(paths.len(), names.len());
}

#[test]
fn a_path_in_the_file_is_no_id_so_a_record_outside_the_prefix_is_never_met_by_it() {
    let item = |password: &str| {
        let mut item = login(&["app"], "db", "", password);
        // What an older version kept for this item.
        item.source_id = Some("app/db".to_owned());
        item
    };
    for format in [Format::VaultKv, Format::Medusa, Format::Vkv, Format::Safe] {
        assert_eq!(source_key(format, &item("x")), None, "{format}");
        let mut world = with_live([held(1, "staging/app/db", &item("staging"))]);
        world.imported.insert(format!("{format}\napp/db"), held(1, "staging/app/db", &item("staging")));
        for duplicates in Duplicates::ALL {
            let made = fates(format, &[item("production")], Some(&at("prod")), &world, *duplicates);
            assert_eq!(shown(&made[0]), "create prod/app/db", "{format} {duplicates}");
        }
        let again = fates(format, &[item("new")], Some(&at("staging")), &world, Duplicates::Update);
        assert_eq!(shown(&again[0]), "update staging/app/db at 3", "{format}");
    }
}

#[test]
fn an_item_that_is_met_by_its_id_outside_the_prefix_is_always_shown() {
    let mut item = login(&[], "mail", "ann", "new");
    item.source_id = Some("42".to_owned());
    let mut world = World::default();
    let key = source_key(Format::BitwardenJson, &item).unwrap();
    for (prefix, path, is_out) in
        [("team", "old/mail", true), ("team", "team/mail", false), ("team", "teams/mail", true), ("mail", "mail", true)]
    {
        let prefix = at(prefix);
        for (held_item, duplicates) in [
            (login(&[], "mail", "ann", "old"), Duplicates::Update),
            (login(&[], "mail", "ann", "new"), Duplicates::Skip),
        ] {
            world.imported.insert(key.clone(), held(1, path, &held_item));
            let made = fates(Format::BitwardenJson, std::slice::from_ref(&item), Some(&prefix), &world, duplicates);
            assert_eq!(is_elsewhere(&made[0], Some(&prefix)), is_out, "{path}");
            assert_eq!(
                is_notable(&item, &made[0], Some(&prefix)),
                is_out || duplicates == Duplicates::Update,
                "{path}"
            );
            assert!(!is_elsewhere(&made[0], None));
        }
    }
}

#[test]
fn an_item_of_the_trash_that_is_here_with_other_values_comes_again_only_if_both_are_wanted() {
    let trashed = |password: &str, id: Option<&str>| {
        let mut item = login(&[], "mail", "ann", password);
        (item.is_trashed, item.source_id) = (true, id.map(str::to_owned));
        item
    };
    let here = trashed("old", None);
    let key = source_key(Format::BitwardenJson, &trashed("x", Some("42"))).unwrap();
    let in_trash_by_path = World { trashed: [(at("mail"), vec![held(1, "mail", &here)])].into(), ..World::default() };
    let in_trash_by_id =
        World { imported_trashed: [(key.clone(), held(1, "moved", &here))].into(), ..World::default() };
    let live_by_id = World { imported: [(key, held(1, "moved", &here))].into(), ..World::default() };
    for (world, id, path) in
        [(in_trash_by_path, None, "mail"), (in_trash_by_id, Some("42"), "moved"), (live_by_id, Some("42"), "moved")]
    {
        let decide = |password: &str, duplicates| decide(&[trashed(password, id)], &world, duplicates);
        assert_eq!(decide("old", Duplicates::Both), [format!("identical {path}")]);
        assert_eq!(decide("new", Duplicates::Skip), [format!("kept {path}")]);
        assert_eq!(decide("new", Duplicates::Update), [format!("kept {path}")], "the trash is never changed");
        assert_eq!(decide("new", Duplicates::Both), ["create mail"]);
    }
}
