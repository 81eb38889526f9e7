//! The notation of the table. It turns the words of a row into two sides and a base, and a plan into words.
//!
//! The notation makes no decisions and contains no rules. The page that `page.rs` prints explains the words.
//! Start reading at [`Row::check`].

use std::collections::{BTreeMap, BTreeSet};

use vaultterm_reconcile::{
    Accepted, Action, BaseEntry, Content, FieldDigest, HaltKind, Inquiries, Link, Mode, Options, Plan, RecordId,
    RecordType, RemoteHead, RemoteStamp, Revision, RunMark, SecretPath, SeenMark, Side, UnixNanos, Version,
};

use crate::world::{ELSEWHERE, HERE, Key, Veil, World, id, path, run_mark};

/// The time at which an expiring version expires.
const EXPIRY: UnixNanos = UnixNanos(50);
/// The lifetime of a version that expires before any run sees it.
const BRIEFLY_NS: i64 = 30_000_000_000;
/// The stamp with which a base was recorded: version 2 of its key.
const BASE_STAMP: RemoteStamp = stamp(1, 2, 2);

/// A named case.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) options: &'static str,
    /// The form is `path | base | local | remote | plan`, without the path if there is only one. The form of
    /// a halt is `halt | kind`.
    pub(crate) lines: &'static [&'static str],
}

/// A path of a case.
#[derive(Debug)]
pub(crate) struct Line {
    /// The path as written. `×N` stands for N paths of the same kind.
    pub(crate) path: &'static str,
    pub(crate) base: &'static str,
    pub(crate) local: &'static str,
    pub(crate) remote: &'static str,
    pub(crate) planned: &'static str,
}

impl Row {
    /// Returns the paths.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let lines = self.lines.iter().filter_map(|line| match cells(line)[..] {
            [base, local, remote, planned] => Some(Line { path: "p", base, local, remote, planned }),
            [path, base, local, remote, planned] => Some(Line { path, base, local, remote, planned }),
            [_, _] => None,
            _ => panic!("{}: `{line}` has neither four nor five cells", self.name),
        });
        lines.collect()
    }

    /// Returns the halts that the plan must have.
    pub(crate) fn halts(&self) -> Vec<&'static str> {
        let halts = self.lines.iter().filter_map(|line| match cells(line)[..] {
            ["halt", kind] => Some(kind),
            _ => None,
        });
        halts.collect()
    }

    /// Plans the case in each of its modes and compares the plans.
    pub(crate) fn check(&self, section: &str) {
        let choices = Choices::of(&format!("{section} {}", self.options));
        for mode in &choices.modes {
            let options = choices.options(*mode);
            let (world, expected) = self.build(&options, &choices);
            let plan = world.plan(&options, &choices.acknowledged);
            let found = outcomes(&plan, expected.keys());
            assert_eq!(found, expected, "{}, {mode:?}\n{world:#?}\n{plan:#?}", self.name);
            let halts: Vec<_> = plan.halts.iter().map(|halt| halt.kind.as_str()).collect();
            assert_eq!(halts, self.halts(), "{}, {mode:?}", self.name);
        }
    }

    /// Returns the lookups before planning the case, in each of its modes.
    pub(crate) fn asked(&self, section: &str) -> Vec<Inquiries> {
        let choices = Choices::of(&format!("{section} {}", self.options));
        let asked = |mode: &Mode| {
            let options = choices.options(*mode);
            self.build(&options, &choices).0.asked(&options)
        };
        choices.modes.iter().map(asked).collect()
    }

    /// Builds the two sides and the base, and returns the expected outcome at each path.
    fn build(&self, options: &Options, choices: &Choices) -> (World, BTreeMap<SecretPath, String>) {
        let mut world = World {
            clock: 1_000,
            scope_changed: choices.scope_changed,
            guarded: choices.guarded.then(|| "the database was restored".to_owned()),
            remote_replaced: choices.remote_replaced.then(|| "another cluster".to_owned()),
            newest_run: choices.knows_run,
            ..World::default()
        };
        let mut expected = BTreeMap::new();
        for line in self.lines() {
            let (name, count) = line.path.split_once('×').unwrap_or((line.path, "1"));
            for number in 1..=count.parse::<usize>().expect("a count follows ×") {
                let at = if count == "1" { path(name) } else { path(&format!("{name}{number}")) };
                let record = id(1 + expected.len() as u128);
                Site { world: &mut world, at: &at, record, options, run: choices.marks_run }.set(&line);
                expected.insert(at, line.planned.to_owned());
            }
        }
        (world, expected)
    }
}

/// The options of a row.
struct Choices {
    modes: Vec<Mode>,
    named: BTreeMap<String, String>,
    acknowledged: BTreeSet<HaltKind>,
    scope_changed: bool,
    guarded: bool,
    remote_replaced: bool,
    /// The newest run that wrote to Vault, as far as the database knows.
    knows_run: u64,
    /// The run that the marks name.
    marks_run: Option<RunMark>,
}

impl Choices {
    /// Reads the options. Of several modes, the last one counts.
    fn of(text: &str) -> Self {
        let mut choices = Self {
            modes: Vec::new(),
            named: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            scope_changed: false,
            guarded: false,
            remote_replaced: false,
            knows_run: 0,
            marks_run: None,
        };
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some(("acknowledge", kind)) => {
                    let kind = kind.parse().ok();
                    choices.acknowledged.insert(kind.expect("a halt"));
                }
                Some(("knows_run", number)) => choices.knows_run = number.parse().expect("a number"),
                Some(("marks_run", number)) => choices.marks_run = Some(run_mark(number.parse().expect("a number"))),
                Some(("marks_run_of_another_connection", number)) => {
                    let number = number.parse().expect("a number");
                    choices.marks_run = Some(RunMark { connection: uuid::Uuid::from_u128(0xC9), number });
                }
                Some((name, value)) => {
                    choices.named.insert(name.to_owned(), value.to_owned());
                }
                None if word == "any" => choices.modes = Mode::ALL.to_vec(),
                None if word == "edited_scope" => choices.scope_changed = true,
                None if word == "restored" => choices.guarded = true,
                None if word == "other_server" => choices.remote_replaced = true,
                None => choices.modes = vec![one_of(Mode::ALL, word)],
            }
        }
        choices
    }

    fn options(&self, mode: Mode) -> Options {
        let mut options = Options::defaults(mode, HERE);
        for (name, value) in &self.named {
            match name.as_str() {
                "merge" => options.merge = one_of(vaultterm_reconcile::MergePolicy::ALL, value),
                "deletions" => options.deletions = one_of(vaultterm_reconcile::DeletionPolicy::ALL, value),
                "expired" => options.expired = one_of(vaultterm_reconcile::ExpiryPolicy::ALL, value),
                "initial" => options.initial = one_of(vaultterm_reconcile::InitialPolicy::ALL, value),
                "on_drift" => options.on_drift = one_of(vaultterm_reconcile::DriftPolicy::ALL, value),
                "annotate" => options.annotate = value == "true",
                "max_delete_percent" => options.max_delete_percent = value.parse().expect("a number"),
                "max_delete_count" => options.max_delete_count = value.parse().expect("a number"),
                other => panic!("no option `{other}`"),
            }
        }
        options
    }
}

/// Returns the choice with this name in the API.
fn one_of<T: Copy + serde::Serialize>(all: &[T], name: &str) -> T {
    let named = |choice: &&T| serde_json::to_value(**choice).is_ok_and(|value| value == name);
    *all.iter().find(named).unwrap_or_else(|| panic!("no choice `{name}`"))
}

/// A path of the world under construction.
struct Site<'a> {
    world: &'a mut World,
    at: &'a SecretPath,
    record: RecordId,
    options: &'a Options,
    /// The run that marks of this instance name.
    run: Option<RunMark>,
}

impl Site<'_> {
    fn set(&mut self, line: &Line) {
        let base = self.set_base(line.base);
        match &base {
            Some((record_type, _)) => self.set_record(line.local, *record_type),
            None => self.set_new_record(line.local),
        }
        self.set_secret(line.remote, base);
    }

    /// Records the agreed state, with the record and the secret at that time.
    fn set_base(&mut self, text: &str) -> Option<(RecordType, Content)> {
        if text == "-" {
            return None;
        }
        let (text, note) = noted(text);
        if let Some(told) = note.strip_prefix("accepted in ") {
            return Some(self.set_accepted(text, told));
        }
        let (record_type, content) = typed(text);
        let entry = BaseEntry {
            record_id: self.record,
            revision: Revision::FIRST,
            record_type,
            stamp: BASE_STAMP,
            expires: (note == "expires").then_some(EXPIRY),
            link: match note {
                "record gone" => Link::LocalGone,
                "secret gone" => Link::RemoteGone,
                _ => Link::Linked,
            },
            held_since: Version(1),
            accepted: None,
        };
        self.world.base.insert(self.at.clone(), entry);
        self.world.add(self.record, self.at, record_type, content.clone());
        Some((record_type, content))
    }

    /// Records a difference that a person accepted. `told` has the form `pull: a=2 there a=3`: the mode, and
    /// the contents of the two sides since then. `agreed` is the content of both sides before, or `-` if they
    /// were never in step.
    fn set_accepted(&mut self, agreed: &str, told: &str) -> (RecordType, Content) {
        let (mode, held) = told.split_once(": ").expect("a mode");
        let (mode, reopened) = mode.strip_suffix(", reopened").map_or((mode, false), |mode| (mode, true));
        let (here, there) = held.split_once(" there ").expect("what both sides hold");
        let (record_type, here) = typed(here);
        let there = fields(there);
        let first = if agreed == "-" { here.clone() } else { fields(agreed) };
        self.world.add(self.record, self.at, record_type, first);
        self.world.edit(self.record, there.clone());
        self.world.edit(self.record, here);
        let accepted = Accepted {
            local: Revision(3),
            remote: Revision(2),
            agreed: agreed != "-",
            mode: one_of(Mode::ALL, mode),
            reopened,
            by: "ada".to_owned(),
            at: UnixNanos(20),
        };
        let entry = BaseEntry {
            record_id: self.record,
            revision: if agreed == "-" { Revision(2) } else { Revision::FIRST },
            record_type,
            stamp: BASE_STAMP,
            expires: None,
            link: Link::Linked,
            held_since: Version(1),
            accepted: Some(accepted),
        };
        self.world.base.insert(self.at.clone(), entry);
        (record_type, there)
    }

    /// Sets what happened to the record that the base names.
    fn set_record(&mut self, text: &str, base_type: RecordType) {
        match text {
            "same" => {}
            "trash" => self.trash(),
            _ if text.starts_with("renamed to ") => {
                self.world.rename(self.record, &path(&text["renamed to ".len()..]));
            }
            _ if text.starts_with("another record ") => {
                self.trash();
                let (record_type, content) = typed(&text["another record ".len()..]);
                let other = id(self.record.0.as_u128() + 1_000);
                self.world.add(other, self.at, record_type, content);
            }
            edits => {
                for edit in edits.split(" → ") {
                    let (record_type, content) = typed_or(edit, base_type);
                    self.world.edit(self.record, content);
                    self.world.records.get_mut(&self.record).unwrap().record_type = record_type;
                }
            }
        }
    }

    fn trash(&mut self) {
        self.world.records.get_mut(&self.record).unwrap().trashed = true;
    }

    fn veil(&mut self, veil: Veil) {
        self.world.veils.insert(self.at.clone(), veil);
    }

    fn set_new_record(&mut self, text: &str) {
        // A record that was renamed to this path is set at its old path.
        if text == "-" || text.ends_with("'s record") {
            return;
        }
        let content = text.strip_prefix("trash ").unwrap_or(text);
        let (record_type, content) = typed(content);
        self.world.add(self.record, self.at, record_type, content);
        if text.starts_with("trash ") {
            self.trash();
        }
    }

    fn set_secret(&mut self, text: &str, base: Option<(RecordType, Content)>) {
        let (text, note) = noted(text);
        let marks = self.options.annotate && self.options.mode != Mode::Pull;
        let of = |instance: &str, record_type| SeenMark {
            instance: Some(instance.to_owned()),
            record_id: Some(self.record),
            record_type: Some(record_type),
            run: self.run,
        };
        let mark = match (note, &base) {
            ("marked elsewhere", _) => of(ELSEWHERE, RecordType::KeyValue),
            (note, _) if note.starts_with("marked ") => of(HERE, kind(&note["marked ".len()..])),
            ("unmarked", _) | (_, None) => SeenMark::default(),
            (_, Some((record_type, _))) if marks => of(HERE, *record_type),
            _ => SeenMark::default(),
        };
        let expires = (note == "expires").then_some(EXPIRY);
        let (head, content) = if let Some((_, content)) = base {
            match text {
                "unlisted" => return self.veil(Veil::Unlisted),
                "denied" => return self.veil(Veil::Unreadable),
                "gone" => return,
                "same" => (RemoteHead::Live { stamp: BASE_STAMP, expires }, Some(content)),
                "deleted" => (deleted(BASE_STAMP, 20), Some(content)),
                "expired" => (deleted(BASE_STAMP, EXPIRY.0), Some(content)),
                "destroyed" => (RemoteHead::Deleted { stamp: BASE_STAMP, deleted: None, destroyed: true }, None),
                "emptied" => (RemoteHead::Empty { key_created: UnixNanos(9) }, None),
                _ if text.ends_with(", run out") => {
                    let content = fields(text.trim_end_matches(", run out"));
                    (deleted(stamp(1, 3, 3), 3 + BRIEFLY_NS), Some(content))
                }
                _ if text.ends_with(", deleted") => {
                    (deleted(stamp(1, 3, 3), 20), Some(fields(&text[..text.len() - 9])))
                }
                _ if text.starts_with("made anew ") => live(stamp(9, 1, 9), expires, &text["made anew ".len()..]),
                _ if text.starts_with("v1 ") => live(stamp(1, 1, 1), expires, &text["v1 ".len()..]),
                _ if text.starts_with("v2 again ") => live(stamp(1, 2, 7), expires, &text["v2 again ".len()..]),
                edited => live(stamp(1, 3, 3), expires, edited),
            }
        } else {
            match text {
                "-" => return,
                "denied" => return self.veil(Veil::Unreadable),
                "deleted" => (deleted(stamp(9, 1, 9), 20), None),
                "no version" => (RemoteHead::Empty { key_created: UnixNanos(9) }, None),
                new => live(stamp(9, 1, 9), expires, new),
            }
        };
        self.world.keys.insert(self.at.clone(), Key { head, content, mark });
    }
}

const fn stamp(key_created: i64, version: u64, version_created: i64) -> RemoteStamp {
    RemoteStamp {
        key_created: UnixNanos(key_created),
        version: Version(version),
        version_created: UnixNanos(version_created),
    }
}

fn live(stamp: RemoteStamp, expires: Option<UnixNanos>, text: &str) -> (RemoteHead, Option<Content>) {
    (RemoteHead::Live { stamp, expires }, Some(fields(text)))
}

fn deleted(stamp: RemoteStamp, at: i64) -> RemoteHead {
    RemoteHead::Deleted { stamp, deleted: Some(UnixNanos(at)), destroyed: false }
}

fn cells(line: &'static str) -> Vec<&'static str> {
    line.split('|').map(str::trim).collect()
}

/// Splits `a=1 (note)`.
fn noted(text: &str) -> (&str, &str) {
    match text.split_once(" (") {
        Some((text, note)) => (text, note.trim_end_matches(')')),
        None => (text, ""),
    }
}

fn typed(text: &str) -> (RecordType, Content) {
    typed_or(text, RecordType::KeyValue)
}

/// Splits `PASSWORD username=1` into the type and the rest. Without a type, the type is `otherwise`.
fn typed_or(text: &str, otherwise: RecordType) -> (RecordType, Content) {
    match text.split_once(' ') {
        Some((name, rest)) if !name.contains('=') => (kind(name), fields(rest)),
        _ => (otherwise, fields(text)),
    }
}

fn kind(name: &str) -> RecordType {
    name.parse().expect("a record type")
}

/// Reads `a=1 b=2`. The numbers stand for values.
fn fields(text: &str) -> Content {
    let field = |word: &str| {
        let (name, value) = word.split_once('=').unwrap_or_else(|| panic!("`{word}` is no field"));
        (name.to_owned(), FieldDigest { digest: [value.parse().expect("a small number"); 32], length: 1 })
    };
    text.split_whitespace().map(field).collect()
}

/// Returns the outcome of a plan at each of these paths. The plan must not do anything at other paths.
fn outcomes<'a>(plan: &Plan, paths: impl Iterator<Item = &'a SecretPath>) -> BTreeMap<SecretPath, String> {
    let mut told: BTreeMap<SecretPath, String> = BTreeMap::new();
    let mut say = |at: &SecretPath, what: String| assert_eq!(told.insert(at.clone(), what), None, "twice at {at}");
    for accepted in &plan.accepted {
        say(&accepted.path, "differs, accepted".to_owned());
    }
    for step in &plan.steps {
        say(&step.path, action(&step.action) + if step.annotate { ", mark" } else { "" });
        if let Action::MoveRemote { from, .. } = &step.action {
            say(from, format!("moved to {}", step.path));
        }
    }
    for conflict in &plan.conflicts {
        let fields = conflict.diverged.iter().map(|name| format!(" {name}")).collect::<String>();
        say(&conflict.path, format!("conflict {}{fields}", conflict.kind.as_str()));
    }
    for skip in &plan.skips {
        say(&path(&skip.path), format!("skip: {}", skip.reason));
    }
    let silent: Vec<_> = paths.filter(|at| !told.contains_key(*at)).collect();
    let word = match plan.unchanged {
        0 => "nothing",
        all if all == silent.len() as u64 => "in step",
        some => panic!("{some} of {silent:?} are in step: the notation cannot tell which"),
    };
    told.extend(silent.into_iter().map(|at| (at.clone(), word.to_owned())));
    told
}

fn action(action: &Action) -> String {
    let name = action.as_str();
    let retyped = |kind: &Option<RecordType>| kind.map_or_else(String::new, |kind| format!(" as {kind}"));
    match action {
        Action::CreateRemote { cas, .. } => format!("{name} cas={}", cas.0),
        Action::UpdateRemote { cas, archive: false } => format!("{name} cas={}", cas.0),
        Action::UpdateRemote { cas, archive: true } => format!("{name} cas={0}, v{0} kept", cas.0),
        Action::DeleteRemote { version } => format!("{name} v{}", version.0),
        Action::MoveRemote { from, from_base, cas, .. } => {
            format!("{name} cas={} from {from} v{}", cas.0, from_base.stamp.version.0)
        }
        Action::CreateLocal { restores, record_type } => {
            let restored = if restores.is_some() { " from the trash" } else { "" };
            format!("{name}{restored}{}", retyped(record_type))
        }
        Action::UpdateLocal { record_type } | Action::Adopt { record_type } => {
            format!("{name}{}", retyped(record_type))
        }
        Action::Merge { fields, cas, .. } => {
            let side = |side| if side == Side::Remote { "remote" } else { "local" };
            let fields = fields.iter().map(|(name, from)| format!(" {name}:{}", side(*from))).collect::<String>();
            format!("{name} cas={}{fields}", cas.0)
        }
        Action::DeleteLocal
        | Action::Forget
        | Action::Unlink
        | Action::Accept
        | Action::KeepAccepted
        | Action::CopyLocal { .. } => name.to_owned(),
    }
}
