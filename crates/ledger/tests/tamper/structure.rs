//! Attacks on the log as a whole by an attacker who can write the database, and in some cases sign.

use uuid::Uuid;
use vaultterm_ledger::{Checkpoint, Class, Draft, Entry, Report, Trust, VerifierKey, end_line, entry_line, verify};

use crate::log::{Key, LENGTH, Log, ROTATED_AT, SIGNED_EVERY, log, sign, written};

/// An attack: the changed export, the keys and checkpoints of the person who checks it, and the class
/// that the check must find.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) export: Vec<u8>,
    pub(crate) vkeys: Vec<VerifierKey>,
    pub(crate) anchors: Vec<String>,
    pub(crate) expected: Option<Class>,
}

const SEEDS: [u8; 2] = [1, 2];

fn drafts(log: &Log) -> Vec<Draft> {
    log.entries.iter().map(|bytes| Entry::decode(bytes).unwrap().draft).collect()
}

fn edited(bytes: &[u8]) -> Vec<u8> {
    let mut entry = Entry::decode(bytes).unwrap();
    entry.draft.actor.name = "eve@example.com".to_owned();
    entry.encode().bytes
}

/// All attacks, and the unchanged log.
pub(crate) fn attacks() -> Vec<Attack> {
    let log = log(SEEDS);
    let lines = log.export();
    let mut attacks = Vec::new();
    let mut add = |name, lines: Vec<Vec<u8>>, (anchors, expected): (&[u64], Option<Class>)| {
        let anchors = anchors.iter().map(|size| log.checkpoint(*size).to_owned()).collect();
        attacks.push(Attack { name, export: lines.concat(), vkeys: vec![log.vkey(0)], anchors, expected });
    };
    add("nothing", lines.clone(), (&[1_000, 10_000], None));
    add("nothing: exported from the middle", log.export_after(4_321), (&[1_000, 5_000], None));
    on_entries(&log, &lines, &mut add);
    on_ends(&log, &lines, &mut add);
    on_history(&log, &mut add);
    for attack in &mut attacks {
        if attack.name.ends_with("(checked with the newest key)") {
            attack.vkeys = vec![log.vkey(1)];
        }
    }
    attacks
}

type Add<'a> = dyn FnMut(&'static str, Vec<Vec<u8>>, (&[u64], Option<Class>)) + 'a;

fn on_entries(log: &Log, lines: &[Vec<u8>], add: &mut Add<'_>) {
    let (at, seq) = (log.line_of(2_345), 2_345_usize);
    let edit = |bytes: &[u8]| written(|out| entry_line(&edited(bytes), out).unwrap());
    let mut bent = lines.to_vec();
    bent[at] = edit(&log.entries[seq - 1]);
    add("an entry is edited, words and bytes", bent, (&[], Some(Class::Link)));
    let mut bent = lines.to_vec();
    bent[at] = String::from_utf8(bent[at].clone()).unwrap().replace("ann@", "eve@").into_bytes();
    add("an entry is edited, only its words", bent, (&[], Some(Class::Altered)));
    let mut bent = lines.to_vec();
    bent.remove(at);
    add("an entry is deleted", bent, (&[], Some(Class::Gap)));
    let mut bent = lines.to_vec();
    bent.insert(at, bent[at].clone());
    add("an entry is inserted", bent, (&[], Some(Class::Gap)));
    let mut bent = lines.to_vec();
    bent.swap(at, at + 1);
    add("two entries are swapped", bent, (&[], Some(Class::Gap)));
    let mut bent = lines.to_vec();
    let checkpoint = log.line_of(3_001) - 1;
    bent.swap(checkpoint, checkpoint - 1);
    add("a checkpoint is moved", bent, (&[], Some(Class::Gap)));
    let mut bent = lines.to_vec();
    bent[log.line_of(LENGTH)] = edit(&log.entries[log.entries.len() - 1]);
    add("the last entry before a checkpoint is edited", bent, (&[], Some(Class::Root)));
    let other = self::log([7, 8]);
    let mut bent = lines.to_vec();
    bent[at] = written(|out| entry_line(&other.entries[seq - 1], out).unwrap());
    add("an entry of another log", bent, (&[], Some(Class::OtherLog)));
    let mut bent = lines.to_vec();
    bent[at] = b"{}\n".to_vec();
    add("a line has another form", bent, (&[], Some(Class::Malformed)));
    add("another installation's log", other.export(), (&[], Some(Class::Signature)));
    add("another installation's log, where this one was anchored", other.export(), (&[1_000], Some(Class::Anchor)));
}

fn on_ends(log: &Log, lines: &[Vec<u8>], add: &mut Add<'_>) {
    let end = |lines: &mut Vec<Vec<u8>>, seq: u64| {
        let hash = Entry::decode(&log.entries[usize::try_from(seq).unwrap() - 1]).unwrap().encode().hash;
        lines.push(written(|out| end_line(seq, hash, out)));
    };
    add("it is cut off", lines[..lines.len() - 1].to_vec(), (&[], Some(Class::Truncated)));
    let mut cut = lines[..log.line_of(9_500)].to_vec();
    cut.push(lines[lines.len() - 1].clone());
    add("entries are cut off below the end", cut, (&[], Some(Class::Truncated)));
    let mut cut = lines[..log.line_of(9_500)].to_vec();
    end(&mut cut, 9_499);
    add("cut off after a checkpoint, with a new end: not detectable without an anchor", cut.clone(), (&[], None));
    add("cut off after a checkpoint, before the newest anchor", cut, (&[10_000], Some(Class::Truncated)));
    let mut cut = lines[..log.line_of(2_500)].to_vec();
    end(&mut cut, 2_499);
    add("cut off far before an anchor", cut, (&[1_000, 5_000], Some(Class::Truncated)));
    let mut without: Vec<_> = lines.iter().filter(|line| !line.starts_with(b"{\"checkpoint\"")).cloned().collect();
    add("every checkpoint is taken out", without.clone(), (&[], Some(Class::Signature)));
    let at = usize::try_from(LENGTH).unwrap();
    without[at] = written(|out| entry_line(&edited(&log.entries[at - 1]), out).unwrap());
    add("every checkpoint is taken out, and the last entry edited", without, (&[], Some(Class::Link)));
}

fn on_history(log: &Log, add: &mut Add<'_>) {
    let rewritten = |key: fn(u8) -> u8| {
        let mut drafts = drafts(log);
        drafts[1_233].actor.name = "eve@example.com".to_owned();
        let keys = SEEDS.map(|seed| Key::new(log.id, key(seed)));
        let [old, new] = keys.each_ref().map(|key| key.vkey().to_string());
        let rotation = usize::try_from(ROTATED_AT).unwrap() - 1;
        drafts[rotation].detail = [("previous_vkey".to_owned(), old), ("vkey".to_owned(), new)].into();
        sign(log.id, drafts, (ROTATED_AT, SIGNED_EVERY), &keys).export()
    };
    let (stolen, own) = (rewritten(|seed| seed), rewritten(|seed| seed + 50));
    add("rewritten with a key of the attacker", own, (&[], Some(Class::Signature)));
    add("rewritten with stolen keys: not detectable without an anchor", stolen.clone(), (&[], None));
    add("rewritten with stolen keys, but an older anchor", stolen.clone(), (&[2_000], Some(Class::Anchor)));
    add("rewritten after the anchor with stolen keys: not detectable", stolen, (&[1_000], None));
    add("nothing (checked with the newest key)", log.export(), (&[1_000], None));
}

/// Checks the export of one attack.
pub(crate) fn check(attack: &Attack) -> Report {
    let trust = Trust { vkeys: attack.vkeys.clone(), anchors: attack.anchors.clone() };
    verify(attack.export.as_slice(), trust).unwrap()
}

#[test]
fn every_attack_is_found_with_its_class() {
    for attack in attacks() {
        let report = check(&attack);
        assert_eq!(report.first(), attack.expected, "{}: {:#?}", attack.name, report.findings.first());
        assert!(report.trusted && (attack.expected.is_some() || report.found == 0), "{}", attack.name);
    }
}

#[test]
fn the_report_tells_what_the_check_covered() {
    let log = log(SEEDS);
    let anchors = [1_000, 5_000].map(|size| log.checkpoint(size).to_owned()).to_vec();
    let trust = Trust { vkeys: vec![log.vkey(1)], anchors };
    let report = verify(log.export_after(4_321).concat().as_slice(), trust).unwrap();
    let (covered, kept) = ((report.after, report.entries, report.last), report.anchors);
    assert_eq!((covered, kept), ((4_321, LENGTH - 4_321, LENGTH), (1, 1)));
    assert_eq!((report.signed_to, report.checkpoints, report.log_id), (LENGTH, 7, Some(log.id)));
    let blind = verify(log.export().concat().as_slice(), Trust::default()).unwrap();
    assert_eq!((blind.trusted, blind.found), (false, 0), "without a key the export vouches for itself");
}

#[test]
fn an_anchor_without_a_trusted_signature_is_refused() {
    let (log, other) = (log(SEEDS), Key::new(Uuid::from_u128(1), 99));
    let checkpoint = Checkpoint::peek(log.checkpoint(1_000)).unwrap();
    for anchors in [vec![checkpoint.sign(&other)], vec!["no note".to_owned()]] {
        let trust = Trust { vkeys: vec![log.vkey(0)], anchors };
        assert_eq!(verify(log.export().concat().as_slice(), trust).unwrap().first(), Some(Class::Anchor));
    }
}

#[test]
fn counts_that_go_back_from_one_checkpoint_to_the_next_are_found() {
    let key = Key::new(Uuid::from_u128(1 << 64), 1);
    for (epoch, license_counter) in [(1, 4), (2, 3)] {
        let mut log = log(SEEDS);
        let first = Checkpoint::peek(log.checkpoint(1_000)).unwrap();
        log.checkpoints[0].1 = Checkpoint { epoch, license_counter, ..first }.sign(&key);
        let trust = Trust { vkeys: vec![log.vkey(0)], anchors: Vec::new() };
        let report = verify(log.export().concat().as_slice(), trust).unwrap();
        assert_eq!((report.first(), report.found), (Some(Class::Rollback), 1), "{report:?}");
    }
}

#[test]
fn every_class_is_explained_on_the_page_about_the_format() {
    let page = include_str!("../../../../docs/reference/audit-log.md");
    for class in Class::ALL {
        let row = format!("| {} | `{}` |", class.exit_code(), class.as_str());
        assert!(page.contains(&row), "{row}");
    }
}
