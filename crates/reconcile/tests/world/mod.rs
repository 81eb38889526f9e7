//! Two small sides and a base, with an executor for plans. The tests plan on them.
//!
//! The remote side keeps a single version per key (`max_versions = 1`, the harshest setting). A value that a
//! plan overwrites without keeping it first is gone, and `lost` finds it.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use vaultterm_reconcile::{
    Accepted, AcceptedContents, Action, BaseEntry, Beyond, Content, FieldDigest, HaltKind, Input, Inquiries, Link,
    LocalEntry, LocalSnapshot, Mode, OlderVersions, Options, Plan, RecordId, RecordType, RemoteEntry, RemoteHead,
    RemoteSight, RemoteSnapshot, RemoteStamp, Revision, RunMark, SecretPath, SeenMark, Side, Step, UnixNanos, Version,
    inquiries, lint, plan,
};

pub const HERE: &str = "here";
pub const ELSEWHERE: &str = "elsewhere";

#[derive(Clone, Debug)]
pub struct Record {
    pub path: SecretPath,
    pub revision: Revision,
    pub record_type: RecordType,
    pub trashed: bool,
    pub history: BTreeMap<Revision, Content>,
}

impl Record {
    pub fn content(&self) -> &Content {
        &self.history[&self.revision]
    }

    fn push(&mut self, content: Content) {
        self.revision = self.revision.next();
        self.history.insert(self.revision, content);
    }
}

#[derive(Clone, Debug)]
pub struct Key {
    pub head: RemoteHead,
    pub content: Option<Content>,
    pub mark: SeenMark,
}

/// The ways in which an existing key can be hidden from a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Veil {
    Unlisted,
    Unreadable,
}

#[derive(Clone, Debug, Default)]
pub struct World {
    pub base: BTreeMap<SecretPath, BaseEntry>,
    pub records: BTreeMap<RecordId, Record>,
    pub keys: BTreeMap<SecretPath, Key>,
    pub veils: BTreeMap<SecretPath, Veil>,
    /// Whether the scope was edited since the base was recorded.
    pub scope_changed: bool,
    /// The reason of the guard, if the database was restored.
    pub guarded: Option<String>,
    /// The difference, if another server or mount answers than the recorded one.
    pub remote_replaced: Option<String>,
    /// The newest run that wrote to Vault, as far as the database knows.
    pub newest_run: u64,
    pub clock: i64,
    /// The contents that were overwritten or erased in Vault.
    pub erased: Vec<Content>,
    /// The number of KV versions that were written.
    pub written: u64,
}

pub fn path(text: &str) -> SecretPath {
    SecretPath::new(text).unwrap()
}

/// Returns the mark of a run of the planned connection.
pub fn run_mark(number: u64) -> RunMark {
    RunMark { connection: Uuid::from_u128(0xC0), number }
}

pub fn id(number: u128) -> RecordId {
    RecordId(Uuid::from_u128(number))
}

/// Returns a content with the fields `a` and `b`, each with a number as its value.
pub fn content(a: u8, b: u8) -> Content {
    let field = |value: u8| FieldDigest { digest: [value; 32], length: 1 };
    BTreeMap::from([("a".to_owned(), field(a)), ("b".to_owned(), field(b))])
}

impl World {
    pub fn tick(&mut self) -> UnixNanos {
        self.clock += 1;
        UnixNanos(self.clock)
    }

    pub fn local(&self) -> LocalSnapshot {
        let mut snapshot = LocalSnapshot::default();
        for (record_id, record) in &self.records {
            let side = if record.trashed { &mut snapshot.trashed } else { &mut snapshot.live };
            let entry =
                LocalEntry { record_id: *record_id, revision: record.revision, record_type: record.record_type };
            side.insert(record.path.clone(), entry);
        }
        snapshot
    }

    pub fn remote(&self) -> RemoteSnapshot {
        let mut sights = BTreeMap::new();
        for path in self.keys.keys().chain(self.base.keys()).chain(self.veils.keys()) {
            let sight = match (self.veils.get(path), self.keys.get(path)) {
                (Some(Veil::Unlisted), _) => continue,
                (Some(Veil::Unreadable), _) => RemoteSight::Unreadable("denied".to_owned()),
                (None, None) => RemoteSight::ProvenAbsent,
                (None, Some(key)) => RemoteSight::Seen(RemoteEntry {
                    head: key.head,
                    mark: key.mark.clone(),
                    older: OlderVersions::default(),
                }),
            };
            sights.insert(path.clone(), sight);
        }
        RemoteSnapshot { sights, refused: Vec::new() }
    }

    /// Asks, plans and lints as the engine does, with these halts acknowledged.
    pub fn plan(&self, options: &Options, acknowledged: &BTreeSet<HaltKind>) -> Plan {
        self.with_input(options, acknowledged, |input| {
            let plan = plan(input);
            let findings = lint(input, &plan);
            assert!(findings.is_empty(), "{findings:?}\n{self:#?}\n{options:?}\n{plan:#?}");
            plan
        })
    }

    /// Returns the findings of the linter on a plan.
    pub fn findings(&self, options: &Options, plan: &Plan) -> Vec<String> {
        self.with_input(options, &BTreeSet::new(), |input| lint(input, plan))
    }

    /// Returns the findings if no remote content was read.
    pub fn findings_without_contents(&self, options: &Options, plan: &Plan) -> Vec<String> {
        let unread = BTreeMap::new();
        self.with_input(options, &BTreeSet::new(), |input| {
            lint(&Input { remote_contents: &unread, ..input.clone() }, plan)
        })
    }

    /// Calls `act` with the input on which the engine would base a plan.
    pub fn with_input<T>(
        &self,
        options: &Options,
        acknowledged: &BTreeSet<HaltKind>,
        then: impl FnOnce(&Input<'_>) -> T,
    ) -> T {
        let (local, remote, asked) = (self.local(), self.remote(), self.asked(options));
        let current = |path: &SecretPath| {
            let entry = &local.live[path];
            (path.clone(), self.records[&entry.record_id].content().clone())
        };
        let before = |path: &SecretPath| {
            let base = &self.base[path];
            (path.clone(), self.records[&base.record_id].history[&base.revision].clone())
        };
        let there = |path: &SecretPath| (path.clone(), Ok(self.keys[path].content.clone().unwrap()));
        let accepted = |path: &SecretPath| {
            let (base, history) = (&self.base[path], &self.records[&self.base[path].record_id].history);
            let Accepted { local, remote, .. } = base.accepted.as_ref().unwrap();
            (path.clone(), AcceptedContents { local: history[local].clone(), remote: history[remote].clone() })
        };
        then(&Input {
            base: &self.base,
            local: &local,
            remote: &remote,
            options,
            accepted_contents: &asked.accepted_contents.iter().map(accepted).collect(),
            base_contents: &asked.base_contents.iter().map(before).collect(),
            local_contents: &asked.local_contents.iter().map(current).collect(),
            remote_contents: &asked.remote_contents.iter().map(there).collect(),
            scope_changed: self.scope_changed,
            guarded: self.guarded.as_deref(),
            remote_replaced: self.remote_replaced.clone(),
            newest_run: run_mark(self.newest_run),
            beyond: Beyond::default(),
            acknowledged,
        })
    }

    /// Returns the lookups before planning.
    pub fn asked(&self, options: &Options) -> Inquiries {
        let nothing = BTreeMap::new();
        let set_aside = self.scope_changed || self.remote_replaced.is_some();
        inquiries(if set_aside { &nothing } else { &self.base }, &self.local(), &self.remote(), options)
    }

    pub fn plan_all(&self, options: &Options) -> Plan {
        self.plan(options, &HaltKind::ALL.iter().copied().collect())
    }

    /// Returns every value of a field that still exists: in local history, or in a live version.
    pub fn reachable(&self) -> BTreeSet<(String, FieldDigest)> {
        let local = self.records.values().flat_map(|record| record.history.values());
        let live = self.keys.values().filter(|key| matches!(key.head, RemoteHead::Live { .. }));
        let remote = live.filter_map(|key| key.content.as_ref());
        local.chain(remote).flatten().map(|(name, value)| (name.clone(), *value)).collect()
    }

    /// Returns the credentials on either side that no person wrote before. Contents are compared as a whole,
    /// so this fits worlds without descriptive fields.
    pub fn mixed_since(&self, before: &Self) -> Vec<Content> {
        let all = |world: &Self| -> BTreeSet<Content> {
            let local = world.records.values().flat_map(|record| record.history.values());
            local.chain(world.keys.values().filter_map(|key| key.content.as_ref())).cloned().collect()
        };
        all(self).difference(&all(before)).cloned().collect()
    }

    /// Carries out a plan. Without `record`, the process stops after the remote writes. Then neither the base
    /// nor the records are changed, except for values that are kept for safety.
    pub fn apply(&mut self, plan: &Plan, options: &Options, record: bool) {
        assert!(plan.halts.is_empty());
        let deletes = |step: &&Step| matches!(step.action, Action::DeleteRemote { .. } | Action::DeleteLocal);
        for step in plan.steps.iter().filter(|step| !deletes(step)).chain(plan.steps.iter().filter(deletes)) {
            self.carry_out(step, options, record);
        }
    }

    fn carry_out(&mut self, step: &Step, options: &Options, record: bool) {
        let at = &step.path;
        let local = self.local().live.get(at).map(|entry| entry.record_id);
        match &step.action {
            Action::CreateRemote { cas, .. } => self.write(at, local, *cas),
            Action::UpdateRemote { cas, archive } => {
                if *archive {
                    let remote = self.keys[at].content.clone().unwrap();
                    let record = self.records.get_mut(&local.unwrap()).unwrap();
                    let now = record.content().clone();
                    record.push(remote);
                    record.push(now);
                }
                self.write(at, local, *cas);
            }
            Action::MoveRemote { from, from_base, cas, .. } => {
                self.write(at, local, *cas);
                self.delete(from, from_base.stamp.version);
                if record {
                    self.base.remove(from);
                }
            }
            Action::Merge { fields, cas, record_type } => {
                let mine = self.records[&local.unwrap()].content().clone();
                let theirs = self.keys[at].content.clone().unwrap();
                let merged: Content = fields
                    .iter()
                    .map(|(name, side)| (name.clone(), if *side == Side::Local { mine[name] } else { theirs[name] }))
                    .collect();
                self.write_content(at, merged.clone(), *cas);
                if record {
                    let entry = self.records.get_mut(&local.unwrap()).unwrap();
                    entry.record_type = *record_type;
                    entry.push(merged);
                }
            }
            Action::DeleteRemote { version } => self.delete(at, *version),
            Action::DeleteLocal if record => self.records.get_mut(&local.unwrap()).unwrap().trashed = true,
            Action::CreateLocal { .. } | Action::UpdateLocal { .. } | Action::Adopt { .. } if record => {
                self.import(step, local);
            }
            _ => {}
        }
        if step.annotate {
            let entry = self.local().live.get(at).cloned();
            let drawn = match step.action {
                Action::CreateLocal { restores, .. } => restores.unwrap_or(id(999)),
                _ => id(999),
            };
            self.keys.get_mut(at).unwrap().mark = SeenMark {
                instance: Some(options.instance.clone()),
                record_id: Some(entry.as_ref().map_or(drawn, |entry| entry.record_id)),
                record_type: Some(entry.map_or(RecordType::KeyValue, |entry| entry.record_type)),
                run: Some(run_mark(self.newest_run)),
            };
        }
        if record {
            self.record(step);
        }
    }

    fn import(&mut self, step: &Step, local: Option<RecordId>) {
        let remote = self.keys[&step.path].content.clone().unwrap();
        match &step.action {
            Action::CreateLocal { restores: Some(record_id), record_type } => {
                let record = self.records.get_mut(record_id).unwrap();
                record.trashed = false;
                record.record_type = record_type.unwrap_or(record.record_type);
                record.push(remote);
            }
            Action::CreateLocal { restores: None, record_type } => {
                let record_id = id(1_000 + u128::from(self.tick().0.unsigned_abs()));
                let record_type = record_type.unwrap_or(RecordType::KeyValue);
                self.add(record_id, &step.path, record_type, remote);
            }
            Action::UpdateLocal { record_type } => {
                let record = self.records.get_mut(&local.unwrap()).unwrap();
                record.record_type = record_type.unwrap_or(record.record_type);
                record.push(remote);
            }
            Action::Adopt { record_type: Some(record_type) } => {
                let record = self.records.get_mut(&local.unwrap()).unwrap();
                record.record_type = *record_type;
                let same = record.content().clone();
                record.push(same);
            }
            _ => {}
        }
    }

    fn record(&mut self, step: &Step) {
        match step.action {
            Action::Forget | Action::DeleteLocal | Action::DeleteRemote { .. } => {
                self.base.remove(&step.path);
            }
            Action::Unlink => {
                let gone = if self.local().live.contains_key(&step.path) { Link::RemoteGone } else { Link::LocalGone };
                let base = self.base.get_mut(&step.path).unwrap();
                (base.link, base.accepted) = (gone, None);
            }
            Action::KeepAccepted => {
                let entry = self.local().live[&step.path].clone();
                let RemoteHead::Live { stamp, expires } = self.keys[&step.path].head else { panic!("no live version") };
                let base = self.base.get_mut(&step.path).unwrap();
                base.accepted.as_mut().unwrap().local = entry.revision;
                (base.record_type, base.stamp, base.expires) = (entry.record_type, stamp, expires);
            }
            _ => self.set_base(&step.path),
        }
    }

    /// Makes the present states of both sides the base of a path.
    pub fn set_base(&mut self, path: &SecretPath) {
        let entry = self.local().live[path].clone();
        let RemoteHead::Live { stamp, expires } = self.keys[path].head else { panic!("no live version at {path}") };
        let base = BaseEntry {
            record_id: entry.record_id,
            revision: entry.revision,
            record_type: entry.record_type,
            stamp,
            expires,
            link: Link::Linked,
            held_since: Version(1),
            accepted: None,
        };
        self.base.insert(path.clone(), base);
    }

    /// Accepts that the two sides of a path differ, as a decision in this mode does.
    pub fn accept(&mut self, path: &SecretPath, mode: Mode) {
        let agreed = self.base.get(path).filter(|base| base.is_agreed()).map(|base| base.revision);
        let record_id = self.local().live[path].record_id;
        let remote = self.keys[path].content.clone().unwrap();
        let record = self.records.get_mut(&record_id).unwrap();
        let mine = record.content().clone();
        record.push(remote);
        let archived = record.revision;
        record.push(mine);
        let (by, at) = ("ada".to_owned(), UnixNanos(self.clock));
        let local = record.revision;
        self.set_base(path);
        let base = self.base.get_mut(path).unwrap();
        base.revision = agreed.unwrap_or(archived);
        base.accepted =
            Some(Accepted { local, remote: archived, agreed: agreed.is_some(), mode, reopened: false, by, at });
    }

    pub fn add(&mut self, record_id: RecordId, path: &SecretPath, record_type: RecordType, content: Content) {
        let history = BTreeMap::from([(Revision::FIRST, content)]);
        let record = Record { path: path.clone(), revision: Revision::FIRST, record_type, trashed: false, history };
        assert!(self.records.insert(record_id, record).is_none());
    }

    /// Renames a record. This makes another revision with the same content.
    pub fn rename(&mut self, record_id: RecordId, path: &SecretPath) {
        let record = self.records.get_mut(&record_id).unwrap();
        record.path = path.clone();
        let same = record.content().clone();
        record.push(same);
    }

    pub fn edit(&mut self, record_id: RecordId, content: Content) {
        self.records.get_mut(&record_id).unwrap().push(content);
    }

    fn write(&mut self, path: &SecretPath, record_id: Option<RecordId>, cas: Version) {
        let content = self.records[&record_id.unwrap()].content().clone();
        self.write_content(path, content, cas);
    }

    /// Writes a version as KV v2 does, and refuses a `cas` other than the newest version.
    pub fn write_content(&mut self, path: &SecretPath, content: Content, cas: Version) {
        let now = self.tick();
        self.written += 1;
        self.veils.remove(path);
        let before = self.keys.get(path).cloned();
        assert_eq!(before.as_ref().map_or(Version::NONE, |key| key.head.cas()), cas, "check-and-set at {path}");
        let key_created = match before.as_ref().map(|key| key.head) {
            None => now,
            Some(RemoteHead::Empty { key_created }) => key_created,
            Some(RemoteHead::Live { stamp, .. } | RemoteHead::Deleted { stamp, .. }) => stamp.key_created,
        };
        self.erased.extend(before.as_ref().and_then(|key| key.content.clone()));
        let stamp = RemoteStamp { key_created, version: cas.next(), version_created: now };
        let mark = before.map(|key| key.mark).unwrap_or_default();
        let key = Key { head: RemoteHead::Live { stamp, expires: None }, content: Some(content), mark };
        self.keys.insert(path.clone(), key);
    }

    /// Soft-deletes a version. Its data can be restored.
    pub fn delete(&mut self, path: &SecretPath, version: Version) {
        let now = self.tick();
        let key = self.keys.get_mut(path).unwrap();
        if let RemoteHead::Live { stamp, .. } = key.head
            && stamp.version == version
        {
            key.head = RemoteHead::Deleted { stamp, deleted: Some(now), destroyed: false };
        }
    }
}
