//! Rotations, cut lines, restarts and gaps, on real files.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::PathBuf,
    time::Duration,
};

use tempfile::TempDir;

use super::{Follower, Gap, Piece, Place};

/// A log that a program writes.
struct Writer {
    folder: TempDir,
    file: File,
}

impl Writer {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = open(&folder.path().join("audit.log"));
        Self { folder, file }
    }

    fn path(&self) -> PathBuf {
        self.named("audit.log")
    }

    fn named(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&mut self, text: &str) {
        self.file.write_all(text.as_bytes()).unwrap();
    }

    /// What `logrotate` does without `copytruncate`, before it tells the program.
    fn rename(&self, to: &str) {
        fs::rename(self.path(), self.named(to)).unwrap();
    }

    /// What the program does when it is told.
    fn reopen(&mut self) {
        self.file = open(&self.path());
    }

    fn follow(&self, place: Option<&Place>) -> (Follower, Option<Gap>) {
        Follower::open(&self.path(), place).unwrap()
    }
}

fn open(path: &PathBuf) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

/// Reads everything that there is.
fn read(follower: &mut Follower) -> Vec<String> {
    let mut pieces = Vec::new();
    while follower.poll(&mut pieces).unwrap() {}
    let text = |piece: Piece| match piece {
        Piece::Line(line) => String::from_utf8(line).unwrap(),
        Piece::Gap(gap) => format!("gap: {gap:?}"),
    };
    pieces.into_iter().map(text).collect()
}

/// Sets when a file was last written, before it really was. Tests do all within one tick of the clock.
fn written(path: PathBuf, seconds_ago: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let time = file.metadata().unwrap().modified().unwrap() - Duration::from_secs(seconds_ago);
    file.set_modified(time).unwrap();
}

#[test]
fn a_file_is_followed_from_its_end_and_the_begin_is_a_gap() {
    let mut log = Writer::new();
    log.write("before\nbeg");
    let (mut follower, gap) = log.follow(None);
    assert_eq!(gap, Some(Gap::Begin));
    assert_eq!(read(&mut follower), [""; 0]);
    log.write("un\none\ntw");
    assert_eq!(read(&mut follower), ["un", "one"], "the rest of a line is no entry, and the gap covers it");
    log.write("o\n");
    assert_eq!(read(&mut follower), ["two"]);
}

#[test]
fn a_file_that_comes_later_is_read_from_its_begin() {
    let mut log = Writer::new();
    fs::remove_file(log.path()).unwrap();
    let (mut follower, gap) = log.follow(None);
    assert_eq!(gap, Some(Gap::Begin));
    assert_eq!(read(&mut follower), [""; 0]);
    assert_eq!(follower.place().unwrap(), None);
    log.reopen();
    log.write("one\n");
    assert_eq!(read(&mut follower), ["one"]);
}

#[test]
fn a_renamed_file_is_read_for_as_long_as_the_program_writes_to_it() {
    let mut log = Writer::new();
    let (mut follower, _) = log.follow(None);
    log.write("one\n");
    log.rename("audit.log.1");
    log.write("two\n");
    assert_eq!(read(&mut follower), ["one", "two"]);
    // Some tools make the new file themselves, before they tell the program.
    let early = open(&log.path());
    assert_eq!(read(&mut follower), [""; 0]);
    log.write("three\n");
    assert_eq!(read(&mut follower), ["three"]);
    log.write("four\n");
    log.reopen();
    log.write("five\n");
    assert_eq!(read(&mut follower), ["four", "five"], "in order, and nothing is a gap");
    drop(early);
    // The next rotation shifts the files.
    fs::rename(log.named("audit.log.1"), log.named("audit.log.2")).unwrap();
    log.rename("audit.log.1");
    log.reopen();
    log.write("six\n");
    assert_eq!(read(&mut follower), ["six"]);
}

#[test]
fn a_file_that_is_emptied_is_a_gap_and_read_from_its_begin() {
    let mut log = Writer::new();
    let (mut follower, _) = log.follow(None);
    log.write("a long first line\n");
    assert_eq!(read(&mut follower).len(), 1);
    fs::copy(log.path(), log.named("audit.log.1")).unwrap();
    log.file.set_len(0).unwrap();
    log.write("two\n");
    assert_eq!(read(&mut follower), ["gap: Emptied", "two"]);
    // It was emptied and has grown beyond the place where it was read last.
    log.file.set_len(0).unwrap();
    log.write("three is longer than two\nfour\n");
    assert_eq!(read(&mut follower), ["gap: Emptied", "three is longer than two", "four"]);
}

#[test]
fn the_end_of_a_file_without_the_end_of_its_line_is_a_gap() {
    let mut log = Writer::new();
    let (mut follower, _) = log.follow(None);
    log.write("one\ntw");
    log.rename("audit.log.1");
    log.reopen();
    log.write("three\n");
    assert_eq!(read(&mut follower), ["one", "gap: Cut", "three"]);
}

#[test]
fn a_restart_goes_on_after_the_last_whole_line_that_was_read() {
    let mut log = Writer::new();
    let (mut follower, _) = log.follow(None);
    log.write("one\ntw");
    read(&mut follower);
    let place = follower.place().unwrap();
    drop(follower);
    log.write("o\nthree\n");
    let (mut follower, gap) = log.follow(place.as_ref());
    assert_eq!((gap, read(&mut follower)), (None, vec!["two".to_owned(), "three".to_owned()]));
}

#[test]
fn a_restart_after_one_rotation_reads_the_rest_of_the_renamed_file_first() {
    let mut log = Writer::new();
    log.write("zero\n");
    let (mut follower, _) = log.follow(None);
    log.write("one\n");
    read(&mut follower);
    let place = follower.place().unwrap();
    drop(follower);
    log.write("two\n");
    log.rename("audit.log.1");
    log.reopen();
    log.write("three\n");
    let (mut follower, gap) = log.follow(place.as_ref());
    assert_eq!((gap, read(&mut follower)), (None, vec!["two".to_owned(), "three".to_owned()]));
}

#[test]
fn a_restart_after_several_rotations_is_a_gap() {
    let mut log = Writer::new();
    log.write("zero\n");
    let (follower, _) = log.follow(None);
    let place = follower.place().unwrap();
    drop(follower);
    log.write("one\n");
    log.rename("audit.log.2");
    written(log.named("audit.log.2"), 20);
    log.reopen();
    log.write("two\n");
    log.rename("audit.log.1");
    written(log.named("audit.log.1"), 10);
    log.reopen();
    log.write("three\n");
    let (mut follower, gap) = log.follow(place.as_ref());
    assert_eq!(gap, None);
    assert_eq!(read(&mut follower), ["one", "gap: Rotated", "three"]);
    // Without the file in which the place is, nothing can be read after it.
    drop(follower);
    fs::remove_file(log.named("audit.log.2")).unwrap();
    let (mut follower, gap) = log.follow(place.as_ref());
    assert_eq!((gap, read(&mut follower)), (Some(Gap::Lost), vec![]));
}

#[test]
fn a_place_is_lost_when_the_file_was_emptied_or_replaced_in_place() {
    let mut log = Writer::new();
    log.write("one\ntwo\n");
    let (follower, _) = log.follow(None);
    let place = follower.place().unwrap().unwrap();
    log.file.set_len(4).unwrap();
    assert_eq!(log.follow(Some(&place)).1, Some(Gap::Lost), "it is shorter now");
    log.write("six\nseven\n");
    assert_eq!(log.follow(Some(&place)).1, Some(Gap::Lost), "other bytes stand before the place");
    log.file.set_len(4).unwrap();
    log.write("two\nthree\n");
    assert_eq!(log.follow(Some(&place)).1, None);
}

#[test]
fn much_at_once_is_read_in_parts() {
    let mut log = Writer::new();
    let (mut follower, _) = log.follow(None);
    let line = "x".repeat(100_000);
    for _ in 0..100 {
        log.write(&format!("{line}\n"));
    }
    let mut pieces = Vec::new();
    assert!(follower.poll(&mut pieces).unwrap(), "others get a turn");
    assert!(pieces.len() < 60, "{}", pieces.len());
    while follower.poll(&mut pieces).unwrap() {}
    assert_eq!(pieces.len(), 100);
}
