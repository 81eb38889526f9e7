//! The edits of people on both sides. Every value is written once in a chapter.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use vaultterm_testkit::openbao::OpenBao;

use super::{
    dice::Dice,
    road::{Mode, Road},
};
use crate::{house::House, town::PREFIX};

/// The number of edited paths. Those below `LASTING` are never moved or deleted, so that neither side is ever
/// empty.
const PATHS: u64 = 8;
const LASTING: u64 = 3;
const FIELDS: [&str; 3] = ["x", "y", "z"];

/// The written values. It does not matter who wrote them.
#[derive(Default)]
pub(crate) struct Book {
    /// The values that were certainly saved.
    pub(crate) saved: BTreeSet<String>,
    /// The values with an unknown fate, because the server was killed while saving them.
    pub(crate) cut: BTreeSet<String>,
    /// The values that a person deleted in Vault.
    pub(crate) let_go: BTreeSet<String>,
    next: u64,
}

/// All people.
#[derive(Default)]
pub(crate) struct People {
    book: Mutex<Book>,
}

#[derive(Clone, Copy)]
enum Edit {
    Save,
    Move,
    Trash,
    Put,
    DeleteRemote,
}

impl People {
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a new value. It counts as cut until [`Self::saved`] is called.
    fn value(&self) -> String {
        let mut book = self.book();
        book.next += 1;
        let value = format!("value-{}", book.next);
        book.cut.insert(value.clone());
        value
    }

    fn saved(&self, value: &str) {
        let mut book = self.book();
        book.cut.remove(value);
        book.saved.insert(value.to_owned());
    }

    /// Writes values that no person deletes, on the side that leads in the mode.
    pub(crate) async fn begin(&self, house: &House, bao: &OpenBao, road: &Road) {
        for number in 0..LASTING {
            let path = format!("p{number}");
            match road.mode {
                Mode::Pull => self.put(bao, road, &path, FIELDS[0]).await,
                Mode::Push | Mode::Bidirectional => self.save(house, road, &path, FIELDS[0]).await,
            }
        }
    }

    /// Makes an edit on one side.
    pub(crate) async fn edit(&self, dice: &mut Dice, house: &House, bao: &OpenBao, road: &Road) {
        let edit = match (road.mode, dice.below(100)) {
            (Mode::Push, 0..60) | (Mode::Pull, 0..15) | (Mode::Bidirectional, 0..35) => Edit::Save,
            (Mode::Push, 60..75) | (Mode::Bidirectional, 35..47) => Edit::Move,
            (Mode::Push, 75..87) | (Mode::Bidirectional, 47..55) => Edit::Trash,
            (Mode::Pull, 15..30) | (Mode::Bidirectional, 55..65) => Edit::DeleteRemote,
            _ => Edit::Put,
        };
        let path = format!("p{}", dice.below(PATHS));
        let spared = format!("p{}", LASTING + dice.below(PATHS - LASTING));
        match edit {
            Edit::Save => self.save(house, road, &path, dice.pick(&FIELDS)).await,
            Edit::Move => self.move_away(house, road, &spared).await,
            Edit::Trash => self.trash(house, road, &spared).await,
            Edit::Put => self.put(bao, road, &path, dice.pick(&FIELDS)).await,
            Edit::DeleteRemote => self.delete_remote(bao, road, &spared).await,
        }
    }

    /// Saves a value into an existing or a new record.
    async fn save(&self, house: &House, road: &Road, path: &str, field: &str) {
        let value = self.value();
        let fields = json!({ field: value });
        let answer = match find(house, road, path).await {
            Some(record) => {
                let body = json!({"fields": fields});
                let id = record["id"].as_str().expect("an id");
                house.owner.patch(&format!("/records/{id}"), &record["revision"], body).await
            }
            None => {
                let body = json!({"path": path, "type": "KEY_VALUE", "fields": fields});
                house.owner.post(&format!("/collections/{}/records", road.collection), body).await
            }
        };
        // Another client, perhaps a run, was faster. Nothing was saved in that case.
        match answer.status {
            200 | 201 => self.saved(&value),
            409 | 412 => drop(self.book().cut.remove(&value)),
            // The database was restarted, or its connections were cut: nobody knows whether the value was saved.
            503 => {}
            _ => panic!("a record cannot be saved: {answer:?}"),
        }
    }

    /// Gives a record a new path that no record had before.
    async fn move_away(&self, house: &House, road: &Road, path: &str) {
        let Some(record) = find(house, road, path).await else { return };
        let to = {
            let mut book = self.book();
            book.next += 1;
            format!("moved/{}", book.next)
        };
        let id = record["id"].as_str().expect("an id");
        let answer = house.owner.patch(&format!("/records/{id}"), &record["revision"], json!({"path": to})).await;
        assert!(matches!(answer.status, 200 | 404 | 409 | 412 | 503), "a record cannot be moved: {answer:?}");
    }

    /// Moves a record to the trash, unless a run does so at the same moment.
    async fn trash(&self, house: &House, road: &Road, path: &str) {
        let Some(record) = find(house, road, path).await else { return };
        let answer = house.owner.delete(&format!("/records/{}", record["id"].as_str().expect("an id"))).await;
        assert!(matches!(answer.status, 204 | 404 | 409 | 503), "a record cannot be trashed: {answer:?}");
    }

    /// Writes a value over the content in Vault.
    async fn put(&self, bao: &OpenBao, road: &Road, path: &str, field: &str) {
        let value = self.value();
        let path = format!("{PREFIX}/{path}");
        let mut data = bao.root().value(&road.mount, &path).await.unwrap_or_else(|| json!({}));
        data[field] = json!(value);
        bao.root().put(&road.mount, &path, data).await;
        self.saved(&value);
    }

    /// Deletes the version of a secret that a person has looked at.
    async fn delete_remote(&self, bao: &OpenBao, road: &Road, path: &str) {
        let (status, answer) = bao.root().try_call("GET", &format!("{}/data/{PREFIX}/{path}", road.mount), None).await;
        if !status.is_success() {
            return;
        }
        let version = answer["data"]["metadata"]["version"].clone();
        texts(&answer["data"]["data"], &mut self.book().let_go);
        let body = json!({"versions": [version]});
        bao.root().call("POST", &format!("{}/delete/{PREFIX}/{path}", road.mount), Some(body)).await;
    }

    /// Resolves half of the open conflicts. If one side is deleted, the decision keeps the other side,
    /// because a value that a person drops on purpose says nothing about the runs. No decision accepts that
    /// the sides differ: in a pull none keeps the record, and in a push none keeps the secret. Returns the
    /// number of open and of resolved conflicts.
    pub(crate) async fn decide(&self, dice: &mut Dice, house: &House, roads: &[Road]) -> (u64, u64) {
        let open = house.owner.items("/conflicts?status=open&limit=500").await;
        let mut decided = 0;
        for conflict in &open {
            if dice.percent(50) {
                continue;
            }
            let gone = |side: &str| conflict[side].is_null();
            let road = roads.iter().find(|road| conflict["connection_id"] == road.connection).expect("a connection");
            let resolution = match (gone("local_revision"), gone("remote_version"), road.mode) {
                (true, ..) | (false, false, Mode::Pull) => "keep_remote",
                (_, true, _) => "keep_local",
                (false, false, Mode::Push) => dice.pick(&["keep_local", "keep_both"]),
                _ => dice.pick(&["keep_local", "keep_remote", "keep_both"]),
            };
            let body = json!({"resolution": resolution, "reason": "a person decided", "expect": {
                "local_revision": conflict["local_revision"], "remote_version": conflict["remote_version"],
            }});
            let path = format!("/conflicts/{}/resolve", conflict["id"].as_str().expect("an id"));
            let answer = house.owner.post(&path, body).await;
            assert!(answer.status < 500 || answer.status == 503, "{resolution} of {conflict:#}: {answer:?}");
            decided += u64::from(answer.status == 200);
        }
        (open.len() as u64, decided)
    }
}

async fn find(house: &House, road: &Road, path: &str) -> Option<Value> {
    road.records(house, "live").await.into_iter().find(|record| record["path"] == path)
}

/// Collects all texts in a value.
pub(crate) fn texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(found.insert(text.clone())),
        Value::Object(map) => map.values().for_each(|value| texts(value, found)),
        Value::Array(items) => items.iter().for_each(|value| texts(value, found)),
        _ => {}
    }
}
