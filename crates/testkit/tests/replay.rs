//! Compares the fake KV v2 with a real OpenBao. The same random operations run on both, and after each of
//! them both must give the same answers. This searches blindly for differences that the sentences of the
//! contract do not cover.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vaultterm_reconcile::UnixNanos;
use vaultterm_testkit::{KvMount, openbao::OpenBao, world::data};

const PATHS: [&str; 3] = ["a", "a/b", "c"];
const OPERATIONS: usize = 120;

/// Numbers that depend only on the seed (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    }
}

/// Both mounts, and the time of the fake.
struct Pair {
    server: OpenBao,
    mount: String,
    fake: KvMount,
    now: i64,
}

impl Pair {
    async fn ask(&self, method: &str, place: &str, body: Option<Value>) -> (u16, Value) {
        let path = format!("{}/{place}", self.mount);
        let (status, answer) = self.server.root().try_call(method, &path, body).await;
        (status.as_u16(), answer)
    }

    /// Runs an operation on both, and asserts that they give the same answer.
    async fn operate(&mut self, dice: &mut Dice, number: usize) -> String {
        self.now += 1_000_000_000;
        let now = UnixNanos(self.now);
        let path = PATHS[usize::try_from(dice.roll(3)).expect("small")];
        let current = self.fake.key(path).map_or(0, |key| key.current);
        // Mostly this is a version that exists or existed.
        let version = dice.roll(current + 2);
        match dice.roll(12) {
            0..5 => {
                let cas = match dice.roll(4) {
                    0 => None,
                    1 => Some(version),
                    2 => Some(0),
                    _ => Some(current),
                };
                let fields = json!({"n": number, "nested": {"list": [1.5, null, ""]}});
                let options = cas.map_or(json!({}), |cas| json!({ "cas": cas }));
                let body = json!({"data": fields, "options": options});
                let (status, answer) = self.ask("POST", &format!("data/{path}"), Some(body)).await;
                let faked = self.fake.put(path, data(fields), cas, now);
                let real = (status == 200).then(|| answer["data"]["version"].as_u64()).flatten();
                let real = real.or_else(|| answer["version"].as_u64());
                assert_eq!(faked.as_ref().ok().copied(), real, "put {path} cas {cas:?}: {status} {answer}");
                format!("put {path} cas {cas:?}")
            }
            5 | 6 => {
                self.ask("POST", &format!("delete/{path}"), Some(json!({"versions": [version]}))).await;
                self.fake.delete(path, version, now);
                format!("delete {path} {version}")
            }
            7 | 8 => {
                self.ask("POST", &format!("undelete/{path}"), Some(json!({"versions": [version]}))).await;
                self.fake.undelete(path, version, now);
                format!("undelete {path} {version}")
            }
            9 => {
                self.ask("POST", &format!("destroy/{path}"), Some(json!({"versions": [version]}))).await;
                self.fake.destroy(path, version);
                format!("destroy {path} {version}")
            }
            10 => {
                if dice.roll(3) == 0 {
                    self.ask("DELETE", &format!("metadata/{path}"), None).await;
                    self.fake.delete_metadata(path);
                    return format!("delete metadata {path}");
                }
                let versions_max = dice.roll(4);
                let custom = json!({"by": format!("{number}")});
                let body = json!({"max_versions": versions_max, "custom_metadata": custom});
                self.ask("POST", &format!("metadata/{path}"), Some(body)).await;
                let custom = BTreeMap::from([("by".to_owned(), number.to_string())]);
                self.fake.put_metadata(path, custom, None, versions_max, now);
                format!("put metadata {path} max {versions_max}")
            }
            _ => {
                let body = json!({"custom_metadata": {"mark": format!("{number}")}});
                let (status, _) = self.ask("PATCH", &format!("metadata/{path}"), Some(body)).await;
                let faked = self.fake.patch_custom(path, [("mark".to_owned(), number.to_string())]);
                assert_eq!(faked, status < 300, "patch metadata {path}: {status}");
                format!("patch metadata {path}")
            }
        }
    }

    /// Returns everything that the server shows of a path.
    async fn real(&self, path: &str) -> Value {
        let (status, answer) = self.ask("GET", &format!("metadata/{path}"), None).await;
        if status != 200 {
            return Value::Null;
        }
        let answer = if answer["data"].is_object() { answer["data"].clone() } else { answer };
        let mut versions = BTreeMap::new();
        for (number, version) in answer["versions"].as_object().expect("versions") {
            let (status, read) = self.ask("GET", &format!("data/{path}?version={number}"), None).await;
            let held = (status == 200).then(|| read["data"]["data"].clone());
            let deleted = version["deletion_time"].as_str().is_some_and(|time| !time.is_empty());
            let number: u64 = number.parse().expect("a number");
            versions.insert(number, json!([deleted, version["destroyed"], held]));
        }
        json!({
            "current": answer["current_version"],
            "custom": if answer["custom_metadata"].is_null() { json!({}) } else { answer["custom_metadata"].clone() },
            "versions": versions,
        })
    }

    /// Returns the same from the fake.
    fn faked(&self, path: &str) -> Value {
        let Some(key) = self.fake.key(path) else { return Value::Null };
        let now = UnixNanos(self.now);
        let versions: BTreeMap<u64, Value> = key
            .versions
            .iter()
            .map(|(number, version)| {
                let held = self.fake.read(path, *number, now).map(|version| json!(version.data));
                (*number, json!([version.deletion.is_some(), version.destroyed, held]))
            })
            .collect();
        json!({"current": key.current, "custom": key.custom, "versions": versions})
    }
}

#[tokio::test]
async fn the_fake_answers_as_a_real_server_whatever_is_done_to_both() {
    let server = OpenBao::start().await;
    let mut pair = Pair { server, mount: String::new(), fake: KvMount::new(), now: 1_767_225_600_000_000_000 };
    for seed in 0..12 {
        pair.mount = format!("kv-{seed}");
        pair.server.root().mount_kv(&pair.mount, 2).await;
        pair.fake = KvMount::new();
        let mut dice = Dice(seed);
        let mut history = Vec::new();
        for number in 0..OPERATIONS {
            history.push(pair.operate(&mut dice, number).await);
            let touched = history.last().expect("just pushed");
            let path = PATHS.iter().rev().find(|path| touched.split(' ').any(|word| word == **path));
            let path = path.expect("an operation names its path");
            let (real, faked) = (pair.real(path).await, pair.faked(path));
            assert_eq!(faked, real, "seed {seed}, {path} after {:#?}", &history[history.len().saturating_sub(12)..]);
        }
    }
}
