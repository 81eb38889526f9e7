//! Checks an export offline: every entry, every link, every checkpoint, and checkpoints that were
//! kept elsewhere.
//!
//! Entries are decoded on all cores, a batch at a time, and then go one by one through the chain
//! and the tree. A finding does not end the check: it goes on with what is there. Start reading at
//! [`verify`].
//!
//! Keys: a rotation is an entry that names the old and the new key. Once a key that is trusted has
//! signed a checkpoint over that entry, the other one is trusted too, forwards and backwards.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    mem, thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use uuid::Uuid;

use crate::{
    Action, Checkpoint, Class, Entry, Finding, Frontier, Hash, Report, VerifierKey,
    export::{ENTRY, End, Header, Mark, header_line, mark_line, write_entry},
    note::signed_by,
    tree::leaf_hash,
};

/// Bytes that are read and decoded at once.
const BATCH_BYTES: usize = 2 << 20;
/// No line of an export is longer: the largest entries are far below.
const LINE_BYTES_MAX: usize = 16 << 20;
/// Findings that are kept in words; more are counted.
const FINDINGS_KEPT: usize = 100;

/// Whom and what the caller trusts.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Keys that sign checkpoints. With none, those that the export brings are used.
    pub vkeys: Vec<VerifierKey>,
    /// Signed checkpoints that were kept elsewhere.
    pub anchors: Vec<String>,
}

/// Checks an export.
///
/// # Errors
/// Only when it cannot be read. Whatever is wrong with what was read is in the report.
pub fn verify(export: impl Read, trust: Trust) -> io::Result<Report> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut verifier = Verifier::new(trust);
    let mut batches = Batches::new(export);
    while let Some(batch) = batches.next()? {
        verifier.batch(batch, threads);
    }
    Ok(verifier.finish())
}

/// Cuts what is read at line ends, in a buffer that is used again and again.
struct Batches<R> {
    export: R,
    buffer: Vec<u8>,
    /// How much of the buffer was handed out, and how much was read.
    taken: usize,
    filled: usize,
}

impl<R: Read> Batches<R> {
    fn new(export: R) -> Self {
        Self { export, buffer: vec![0; BATCH_BYTES], taken: 0, filled: 0 }
    }

    /// Returns whole lines; the last of an export may lack its end.
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.buffer.copy_within(self.taken..self.filled, 0);
        (self.filled, self.taken) = (self.filled - self.taken, 0);
        loop {
            if self.filled == self.buffer.len() {
                if self.filled >= LINE_BYTES_MAX {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is longer than any of an export"));
                }
                self.buffer.resize(2 * self.filled, 0);
            }
            let more = self.export.read(&mut self.buffer[self.filled..])?;
            let searched = self.filled;
            self.filled += more;
            let whole = memchr::memrchr(b'\n', &self.buffer[searched..self.filled]);
            // A batch is worth its threads when it is full, or nothing more comes.
            if more == 0 {
                self.taken = self.filled;
            } else if let Some(end) = whole.filter(|_| self.filled == self.buffer.len()) {
                self.taken = searched + end + 1;
            } else {
                continue;
            }
            return Ok((self.taken > 0).then_some(&self.buffer[..self.taken]));
        }
    }
}

/// What a line says, checked as far as it can be by itself.
enum Line {
    Entry(Checked),
    Mark(Mark),
    /// No line of an export. An entry's hash is still that of its bytes.
    Malformed(String),
}

/// An entry that was decoded.
struct Checked {
    log_id: Uuid,
    seq: u64,
    previous: Hash,
    hash: Hash,
    /// What people read says the same as the bytes.
    words_fit: bool,
    rotation: Option<Box<Rotation>>,
}

/// A checkpoint of the export.
#[derive(Clone, Debug)]
struct Note {
    line: u64,
    checkpoint: Checkpoint,
    text: String,
    /// The entries before it are those it was made of.
    fits: bool,
}

/// A key that took another one's place.
#[derive(Clone, Debug)]
struct Rotation {
    old: String,
    new: String,
}

/// A check that goes on.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    trust: Trust,
    /// Checkpoints kept elsewhere, by size: what they say, and the note.
    anchors: BTreeMap<u64, Vec<(Checkpoint, String)>>,
    header: Option<Header>,
    tree: Frontier,
    previous: Hash,
    line: u64,
    ended: bool,
    notes: Vec<Note>,
    /// Rotations of the signing key, by place.
    rotations: Vec<(u64, Rotation)>,
    report: Report,
}

impl Verifier {
    /// Begins a check.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        let mut verifier = Self { trust, ..Self::default() };
        for note in mem::take(&mut verifier.trust.anchors) {
            match Checkpoint::peek(&note) {
                Ok(anchor) => verifier.anchors.entry(anchor.size).or_default().push((anchor, note)),
                Err(error) => verifier.find(Class::Anchor, None, format!("a kept checkpoint cannot be read: {error}")),
            }
        }
        verifier
    }

    /// Says whether anything was found so far.
    #[must_use]
    pub fn found_any(&self) -> bool {
        self.report.found > 0
    }

    /// Checks the next whole lines, decoding them on as many threads as are given.
    pub fn batch(&mut self, batch: &[u8], threads: usize) {
        let mut begin = 0;
        let mut lines: Vec<&[u8]> =
            memchr::memchr_iter(b'\n', batch).map(|end| &batch[mem::replace(&mut begin, end + 1)..end]).collect();
        // What follows the last line end is nothing, unless the export was cut in the middle of a line.
        lines.extend(Some(&batch[begin..]).filter(|rest| !rest.is_empty()));
        let mut lines = lines.as_slice();
        if self.line == 0
            && let Some((first, rest)) = lines.split_first()
        {
            self.begin(first);
            lines = rest;
        }
        let share = lines.len().div_ceil(threads.max(1)).max(1);
        let parts: Vec<Vec<Line>> = if lines.len() <= share {
            vec![check_all(lines)]
        } else {
            thread::scope(|scope| {
                let parts = lines.chunks(share);
                let parts: Vec<_> = parts.map(|part| scope.spawn(|| check_all(part))).collect();
                parts.into_iter().map(|part| part.join().expect("checking a line never panics")).collect()
            })
        };
        for line in parts.into_iter().flatten() {
            self.line += 1;
            self.take(line);
        }
    }

    fn begin(&mut self, first: &[u8]) {
        self.line = 1;
        let header = serde_json::from_slice::<Header>(first).ok();
        let header = header.filter(|header| {
            header.is_known() && is_written_as(first, &mut Vec::new(), |line| header_line(header, line))
        });
        let header = header.and_then(|header| header.before().map(|tree| (header, tree)));
        let Some((header, tree)) = header else {
            return self.find(
                Class::Malformed,
                Some(1),
                "it does not begin as an export of the audit log does".to_owned(),
            );
        };
        if tree.size() == 0 && header.previous != [0; 32] {
            self.find(
                Class::Link,
                Some(1),
                "nothing stands before the first entry, but it is said to have a hash".to_owned(),
            );
        }
        (self.previous, self.tree) = (header.previous, tree);
        self.report.log_id = Some(header.log_id);
        (self.report.after, self.report.last) = (header.after, header.after);
        (self.report.selection, self.report.until) = (header.selection, header.until);
        self.header = Some(header);
        self.compare_anchors();
    }

    fn take(&mut self, line: Line) {
        let at = Some(self.line);
        if mem::take(&mut self.ended) {
            self.find(Class::Malformed, at, "something stands after the end".to_owned());
        }
        match line {
            Line::Entry(entry) => self.entry(entry),
            Line::Mark(Mark::Checkpoint(note)) => self.checkpoint(note),
            Line::Mark(Mark::End(end)) => self.end(&end),
            Line::Malformed(what) => self.find(Class::Malformed, at, what),
        }
    }

    fn entry(&mut self, entry: Checked) {
        let Checked { log_id, seq, previous, hash, words_fit, rotation } = entry;
        let at = Some(self.line);
        if !words_fit {
            self.find(
                Class::Altered,
                at,
                format!("what is written beside the bytes of entry {seq} is not what they say"),
            );
        }
        if self.report.log_id.is_some_and(|log| log != log_id) {
            self.find(Class::OtherLog, at, format!("entry {seq} belongs to log {log_id}"));
        }
        self.report.entries += 1;
        let expected = self.report.last + 1;
        self.report.last = seq;
        if self.report.selection {
            if seq < expected {
                self.find(Class::Gap, at, format!("entry {seq} stands after entry {}", expected - 1));
            }
            return;
        }
        if seq != expected {
            self.find(Class::Gap, at, format!("entry {expected} should stand here, not {seq}"));
        }
        if previous != self.previous {
            self.find(
                Class::Link,
                at,
                format!("entry {seq} does not follow the entry before it: one of them was changed"),
            );
        }
        self.previous = hash;
        self.tree.push(hash);
        self.rotations.extend(rotation.map(|rotation| (seq, *rotation)));
        self.compare_anchors();
    }

    fn checkpoint(&mut self, text: String) {
        let at = Some(self.line);
        let Ok(checkpoint) = Checkpoint::peek(&text) else {
            return self.find(Class::Malformed, at, "the text of a checkpoint is none".to_owned());
        };
        self.report.checkpoints += 1;
        if self.report.log_id.is_some_and(|log| log != checkpoint.log_id) {
            self.find(Class::OtherLog, at, format!("the checkpoint is of log {}", checkpoint.log_id));
        }
        let size = checkpoint.size;
        let fits = size == self.tree.size() && checkpoint.root == self.tree.root();
        if size != self.tree.size() {
            let place = self.tree.size();
            self.find(Class::Gap, at, format!("a checkpoint of {size} entries stands after entry {place}"));
        } else if checkpoint.root != self.tree.root() {
            self.find(
                Class::Root,
                at,
                format!("the first {size} entries are not those that the checkpoint was made of"),
            );
        }
        if let Some(Note { checkpoint: before, .. }) = self.notes.last()
            && (before.epoch > checkpoint.epoch || before.license_counter > checkpoint.license_counter)
        {
            let what = "restores or licenses counted fewer than in the checkpoint before";
            self.find(Class::Rollback, at, what.to_owned());
        }
        self.notes.push(Note { line: self.line, checkpoint, text, fits });
    }

    fn end(&mut self, end: &End) {
        self.ended = true;
        if end.seq > self.report.last {
            self.find(
                Class::Truncated,
                Some(self.line),
                format!("it ends after entry {}, not {}", self.report.last, end.seq),
            );
        } else if (end.seq, end.hash) != (self.report.last, self.previous) && !self.report.selection {
            self.find(Class::Link, Some(self.line), "the last entry is not the one that the end names".to_owned());
        }
    }

    /// Compares what was kept elsewhere about a log of the size that was reached just now.
    fn compare_anchors(&mut self) {
        if self.anchors.is_empty() || self.report.selection {
            return;
        }
        let Some(anchors) = self.anchors.get(&self.tree.size()) else { return };
        let (root, log_id) = (self.tree.root(), self.report.log_id);
        let differ = anchors.iter().filter(|(anchor, _)| anchor.root != root || Some(anchor.log_id) != log_id).count();
        self.report.anchors.0 += anchors.len() as u64;
        if differ > 0 {
            let size = self.tree.size();
            let what = format!(
                "the first {size} entries are not those that a kept checkpoint was made of: history was rewritten"
            );
            self.find(Class::Anchor, None, what);
        }
    }

    /// Ends the check.
    #[must_use]
    pub fn finish(mut self) -> Report {
        if self.line == 0 {
            self.find(Class::Malformed, None, "it is empty".to_owned());
        } else if !self.ended {
            self.find(Class::Truncated, None, "the line that ends an export is missing: it was cut off".to_owned());
        }
        self.report.trusted = !self.trust.vkeys.is_empty();
        if !self.report.selection {
            let trusted = self.trusted();
            self.check_kept(&trusted);
            self.check_signatures(&trusted);
        }
        self.report
    }

    /// Returns the keys that are trusted in the end, and notes up to where they vouch.
    fn trusted(&mut self) -> Vec<VerifierKey> {
        let mut trusted = self.trust.vkeys.clone();
        if trusted.is_empty() {
            let brought = self.header.iter().flat_map(|header| &header.vkeys);
            trusted.extend(brought.filter_map(|text| VerifierKey::parse(text).ok()));
        }
        let mut unsigned: Vec<&Note> = self.notes.iter().filter(|note| note.fits).collect();
        loop {
            unsigned.retain(|note| {
                let signed = signed_by(&note.text, &trusted).is_ok();
                self.report.signed_to = self.report.signed_to.max(if signed { note.checkpoint.size } else { 0 });
                !signed
            });
            let vouched = self.rotations.iter().filter(|(seq, _)| *seq <= self.report.signed_to);
            let named = vouched.flat_map(|(_, Rotation { old, new })| [old, new]);
            let mut keys = named.filter_map(|key| VerifierKey::parse(key).ok());
            match keys.find(|key| !trusted.contains(key)) {
                Some(key) => trusted.push(key),
                None => return trusted,
            }
        }
    }

    fn check_signatures(&mut self, trusted: &[VerifierKey]) {
        for Note { line, checkpoint, text, .. } in mem::take(&mut self.notes) {
            if let Err(error) = Checkpoint::open(&text, trusted) {
                self.find(Class::Signature, Some(line), format!("checkpoint of {} entries: {error}", checkpoint.size));
            }
        }
        let brought = self.header.iter().flat_map(|header| header.vkeys.clone()).collect::<Vec<_>>();
        for text in brought {
            if !VerifierKey::parse(&text).is_ok_and(|key| trusted.contains(&key)) {
                self.find(Class::Signature, Some(1), format!("nothing that is trusted vouches for the key {text}"));
            }
        }
        if self.report.trusted && self.report.signed_to == 0 {
            self.find(Class::Signature, None, "no checkpoint is signed by the key that is trusted".to_owned());
        }
    }

    /// Checks the checkpoints that were kept elsewhere, apart from what they say of the tree.
    fn check_kept(&mut self, trusted: &[VerifierKey]) {
        let size = self.tree.size();
        for (_, (anchor, note)) in
            mem::take(&mut self.anchors).into_iter().flat_map(|(at, all)| all.into_iter().map(move |one| (at, one)))
        {
            if let Err(error) = Checkpoint::open(&note, trusted) {
                self.find(Class::Anchor, None, format!("a kept checkpoint of {} entries: {error}", anchor.size));
            }
            if anchor.size > size && self.report.until {
                self.report.anchors.1 += 1;
            } else if anchor.size > size {
                let what = format!("a kept checkpoint is of {} entries, and the log ends after {size}", anchor.size);
                self.find(Class::Truncated, None, what);
            } else if anchor.size < self.report.after {
                self.report.anchors.1 += 1;
            }
        }
    }

    fn find(&mut self, class: Class, line: Option<u64>, what: String) {
        self.report.found += 1;
        if self.report.findings.len() < FINDINGS_KEPT {
            self.report.findings.push(Finding { class, line, what });
        }
    }
}

fn check_all(lines: &[&[u8]]) -> Vec<Line> {
    let (mut checked, mut written) = (Vec::with_capacity(lines.len()), Vec::new());
    checked.extend(lines.iter().map(|line| check(line, &mut written)));
    checked
}

/// Checks a line as far as it can be by itself. `written` is used again and again.
fn check(line: &[u8], written: &mut Vec<u8>) -> Line {
    let Some(rest) = line.strip_prefix(ENTRY.as_bytes()) else {
        return match serde_json::from_slice(line) {
            Ok(mark) if is_written_as(line, written, |words| mark_line(&mark, words)) => Line::Mark(mark),
            _ => Line::Malformed("it is no line of an export".to_owned()),
        };
    };
    let text = memchr::memchr(b'"', rest).and_then(|end| std::str::from_utf8(&rest[..end]).ok());
    let Some((text, bytes)) = text.and_then(|text| Some((text, BASE64.decode(text).ok()?))) else {
        return Line::Malformed("the bytes of an entry are not base64".to_owned());
    };
    let entry = match Entry::decode(&bytes) {
        Ok(entry) => entry,
        Err(error) => return Line::Malformed(error.to_string()),
    };
    let hash = leaf_hash(&bytes);
    let words_fit = is_written_as(line, written, |words| write_entry(&entry, text, &hash, words));
    Line::Entry(Checked {
        log_id: entry.log_id,
        seq: entry.seq,
        previous: entry.previous,
        hash,
        words_fit,
        rotation: rotation(&entry),
    })
}

/// Says whether a line is the one that is written for what it says.
fn is_written_as(line: &[u8], written: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> bool {
    written.clear();
    write(written);
    written.strip_suffix(b"\n") == Some(line)
}

fn rotation(entry: &Entry) -> Option<Box<Rotation>> {
    let detail = |name| entry.draft.detail.get(name).cloned();
    if entry.draft.action != Action::KeyRotated {
        return None;
    }
    Some(Box::new(Rotation { old: detail("previous_vkey")?, new: detail("vkey")? }))
}
