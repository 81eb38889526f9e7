//! The actions of people and programs on both sides: edits, deletions, renames, and actions of
//! administrators, from an undelete to a restored snapshot.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use vaultterm_reconcile::RecordType;
use vaultterm_testkit::{
    KvKey, KvMount, MemoryBackup, World,
    world::{at, data},
};

use crate::dice::Dice;

/// A time shorter than the one that passes after a run died.
pub(crate) const RUNS_OUT_AFTER: Duration = Duration::from_secs(30);

/// The reason of the restore guard.
pub(crate) const RESTORED: &str = "the database was restored";

pub(crate) const PATHS: [&str; 6] = ["a", "a/b", "c", "d", "e", "f"];

/// The fields that people edit: parts of a credential, and fields that describe it.
const FIELDS: [&str; 5] = ["x", "y", "z", "note", "Rotate-By"];

/// All people and programs except VaultTerm.
pub(crate) struct People {
    /// The number of the last action. Each action has a number, so that every value is written once.
    number: u32,
    snapshot: Option<KvMount>,
    /// The newest backup of each installation's database.
    backups: BTreeMap<String, MemoryBackup>,
}

impl People {
    pub(crate) fn new() -> Self {
        Self { number: 0, snapshot: None, backups: BTreeMap::new() }
    }

    /// Returns the number of actions so far.
    pub(crate) fn done(&self) -> u32 {
        self.number
    }

    /// Takes one action on either side.
    pub(crate) fn meddle(&mut self, world: &World, dice: &mut Dice) {
        self.number += 1;
        let number = self.number;
        let path = dice.pick(&PATHS);
        let record = world.record(path);
        match dice.roll(24) {
            0..7 => {
                let mut fields = record.unwrap_or_else(|| data(json!({"x": "0", "y": "0"})));
                fields.insert(dice.pick(&FIELDS).to_owned(), json!(format!("here-{number}")));
                world.save(path, json!(fields));
            }
            7..14 => {
                let mut fields = world.secret(path).unwrap_or_else(|| data(json!({"x": "0", "y": "0"})));
                fields.insert(dice.pick(&FIELDS).to_owned(), json!(format!("there-{number}")));
                world.put(path, json!(fields));
            }
            14 | 15 if record.is_some() => world.trash(path),
            16 | 17 => world.delete(path),
            18 | 19 if record.is_some() => {
                let to = dice.pick(&PATHS);
                if world.record(to).is_none() {
                    world.rename(path, to);
                }
            }
            20 if record.is_some() => world.retype(path, dice.pick(&[RecordType::EnvVar, RecordType::Identity])),
            // A field is removed on either side.
            21 if dice.once_in(2) => {
                if let Some(mut fields) = record {
                    fields.remove("y");
                    world.save(path, json!(fields));
                }
            }
            21 => {
                if let Some(mut fields) = world.secret(path) {
                    fields.remove("x");
                    world.put(path, json!(fields));
                }
            }
            _ => self.administer(world, dice, path),
        }
    }

    /// Takes an action that needs more rights than editing.
    fn administer(&mut self, world: &World, dice: &mut Dice, path: &str) {
        let full = format!("team/app/{path}");
        match dice.roll(13) {
            0 => world.delete_metadata(path),
            1 => world.kv.mount(|mount, now| {
                let current = mount.key(&full).map_or(0, |key| key.current);
                mount.undelete(&full, current, now);
            }),
            2 => world.kv.mount(|mount, _| {
                let current = mount.key(&full).map_or(0, |key| key.current);
                mount.destroy(&full, current);
            }),
            // The secret is deleted with its metadata, and written again up to the same version number.
            3 => {
                let version = world.version(path);
                world.delete_metadata(path);
                for n in 0..version {
                    world.put(path, json!({"x": format!("again-{}-{n}", self.number)}));
                }
            }
            4 => self.snapshot = Some(world.kv.mount(|mount, _| mount.clone())),
            5 => {
                if let Some(snapshot) = self.snapshot.take() {
                    world.kv.mount(|mount, _| *mount = snapshot);
                }
            }
            6 => drop(self.backups.insert(world.instance(), world.journal.back_up())),
            7 => {
                if let Some(backup) = self.backups.remove(&world.instance()) {
                    world.journal.restore(&backup);
                    // Half of the restores use `vaultterm restore`. The others copy a file, which raises no
                    // guard.
                    if self.number.is_multiple_of(2) {
                        world.journal.raise_guard(world.id, RESTORED);
                    }
                }
            }
            8 => {
                let kind = dice.pick(&[RecordType::SecureNote, RecordType::Totp]).to_string();
                world.kv.mount(|mount, _| mount.patch_custom(&full, [("vaultterm-type".to_owned(), kind)]));
            }
            // All secrets or all records are deleted.
            9 if dice.once_in(2) => PATHS.iter().for_each(|path| world.delete(path)),
            9 => PATHS.iter().filter(|path| world.record(path).is_some()).for_each(|path| world.trash(path)),
            // From now on, new versions of the secret expire, or no longer expire.
            10 => world.kv.mount(|mount, now| {
                let after = dice.once_in(2).then_some(RUNS_OUT_AFTER);
                let custom = mount.key(&full).map(|key| key.custom.clone()).unwrap_or_default();
                mount.put_metadata(&full, custom, after, 0, now);
            }),
            11 => world.kv.set_identity(|identity| identity.cluster_id = Some(format!("cluster-{}", dice.roll(2)))),
            _ => world.journal.edit_connection(world.id, |connection| connection.scope_changed = true),
        }
    }
}

/// Writes the values of half of the accepted differences again in Vault, unchanged.
pub(crate) fn apply_again(world: &World, dice: &mut Dice) {
    let base = world.journal.base_rows(world.id);
    let accepted = |path: &str| base.get(&at(path)).is_some_and(|entry| entry.accepted.is_some());
    for path in PATHS.iter().filter(|path| accepted(path)) {
        if let Some(secret) = world.secret(path).filter(|_| dice.once_in(2)) {
            world.put(path, json!(secret));
        }
    }
}

/// Returns all values in local history.
pub(crate) fn history(world: &World) -> BTreeSet<String> {
    let revisions = world.journal.records().into_iter().flat_map(|(_, record)| record.revisions);
    revisions.map(|revision| json!(revision.data).to_string()).collect()
}

/// Returns whether a content is one of those that are written while requests are in progress.
pub(crate) fn written_during_a_run(content: &str) -> bool {
    let fields: BTreeMap<String, String> = serde_json::from_str(content).unwrap_or_default();
    let is = |name: &str, fits: &dyn Fn(&str) -> bool| fields.get(name).is_some_and(|text| fits(text));
    fields.len() == 2 && is("x", &|text| text.starts_with("during-")) && is("y", &|text| PATHS.contains(&text))
}

/// Edits while requests are in progress. The values that such an edit itself replaces in Vault are removed
/// from the ledger, because the editor and not the run replaced them.
///
/// The same holds for a value that is written into a mount that was created again in the middle of the run,
/// if only one version is kept there. `cas` is a number, and the number at which a run looked a moment before
/// may be in use again. Vault offers no way to notice that (docs/concepts/trust.md names it among the
/// limits).
///
/// With `hinted`, a hint tells of each change in Vault.
pub(crate) fn meddle_during_the_run(world: &World, dice: &Dice, ledger: &Arc<Mutex<BTreeSet<String>>>, hinted: bool) {
    let (mut dice, ledger, local) = (dice.clone(), Arc::clone(ledger), world.clone());
    let mut left = dice.roll(4);
    let (mut oldest, mut made_anew) = (None, false);
    world.kv.before_each_request(move |_, mount| {
        let oldest_now = mount.keys().map(|(_, key)| key.created).min();
        made_anew |= oldest.is_some() && oldest_now.is_none_or(|now| Some(now) > oldest);
        oldest = oldest_now.or(oldest);
        if left == 0 || !dice.once_in(10) {
            return;
        }
        left -= 1;
        let path = dice.pick(&PATHS);
        let value = json!({"x": format!("during-{left}-{}", dice.roll(1_000_000)), "y": path});
        if dice.once_in(2) {
            local.save(path, value.clone());
        } else {
            let (full, now) = (format!("team/app/{path}"), local.clock.tick());
            let held = |mount: &KvMount| -> BTreeSet<String> {
                // An ended version with the same value cannot be read in its place.
                let versions = mount.key(&full).into_iter().flat_map(|key| key.versions.values());
                let live = versions.filter(|version| version.is_live(now));
                live.map(|version| json!(version.data).to_string()).collect()
            };
            let before = held(mount);
            mount.put(&full, data(value.clone()), None, now).expect("no cas");
            if hinted {
                local.hints.add(local.id, at(path));
            }
            let after = held(mount);
            let here = history(&local);
            for evicted in before.difference(&after).filter(|value| !here.contains(*value)) {
                ledger.lock().expect("one thread").remove(evicted);
            }
            let ends = mount.key(&full).and_then(KvKey::head).is_some_and(|head| head.deletion.is_some());
            if ends || (made_anew && mount.versions_max == 1) {
                return;
            }
        }
        ledger.lock().expect("one thread").insert(value.to_string());
    });
}
