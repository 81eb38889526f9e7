//! Plants deliberate faults in a copy of the sources. The fast tests must catch each of them.
//!
//! All faults are compiled at once, and each asks the environment whether it is active, so that the copy is
//! built once. The sources themselves stay clean. `planted.toml` lists each text and its replacement. A text
//! that does not occur exactly once is an error.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::{
    programs::{self, Program},
    twin,
};

/// The crates whose tests run and in which faults are planted.
const CRATES: [&str; 5] = ["hcv", "outbound", "reconcile", "store", "sync"];
/// A fault can make a test wait forever. It counts as caught after this time.
const PATIENCE: Duration = Duration::from_secs(180);
/// The code that is added to each of these crates.
const QUESTION: &str = "
pub(crate) fn planted(name: &str) -> bool {
    static PLANTED: std::sync::LazyLock<Option<String>> = std::sync::LazyLock::new(|| std::env::var(\"PLANTED\").ok());
    PLANTED.as_deref() == Some(name)
}
";

#[derive(Deserialize)]
struct Faults {
    fault: Vec<Fault>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    name: String,
    file: String,
    find: String,
    plant: String,
    /// What to run first: a test, as `program::test`, or a whole test program. If nothing is named, or if it does not catch the
    /// fault, all programs run.
    by: Option<String>,
}

/// Plants all faults and prints which test caught each.
pub(crate) fn check(root: &Path) -> Result<()> {
    Planted::build(root)?.check()
}

/// The built copy with the faults in it.
pub(crate) struct Planted {
    faults: Vec<Fault>,
    programs: Vec<Program>,
}

impl Planted {
    /// Makes the copy and builds its tests, but runs none.
    pub(crate) fn build(root: &Path) -> Result<Self> {
        let text = fs::read_to_string(root.join("xtask/planted.toml")).context("cannot read xtask/planted.toml")?;
        let Faults { fault: faults } = toml::from_str(&text).context("xtask/planted.toml")?;
        let copy = root.join("target/planted");
        lay_out(root, &copy, &faults)?;
        let programs = programs::build(root, &copy, &CRATES).context("the planted sources do not build")?;
        Ok(Self { faults, programs })
    }

    /// Activates each fault in turn and prints which test caught it.
    pub(crate) fn check(&self) -> Result<()> {
        look_for_all(&self.faults, &self.programs)
    }
}

fn look_for_all(faults: &[Fault], programs: &[Program]) -> Result<()> {
    let healthy = Healthy::default();
    let open = Mutex::new(faults.iter());
    let caught = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    // This is a statement of its own, so that the lock is not held while tests run.
                    let next = lock(&open).next();
                    let Some(fault) = next else { return };
                    let by = catch(fault, programs, &healthy);
                    println!("{:<60} {}", fault.name, by.as_deref().unwrap_or("NOT CAUGHT"));
                    lock(&caught).insert(fault.name.as_str(), by);
                }
            });
        }
    });
    let caught = caught.into_inner().unwrap_or_else(PoisonError::into_inner);
    let survivors: Vec<_> = caught.iter().filter(|(_, by)| by.is_none()).map(|(name, _)| *name).collect();
    ensure!(survivors.is_empty(), "not caught: {}", survivors.join(", "));
    ensure!(caught.len() == faults.len(), "two faults have one name");
    println!("all {} planted faults were caught", caught.len());
    Ok(())
}

/// The tests that were run without a fault, and whether they passed.
#[derive(Default)]
struct Healthy(Mutex<BTreeMap<String, bool>>);

impl Healthy {
    /// Returns whether a test passes without a fault. A test that fails without a fault cannot catch one.
    fn passes(&self, program: &Program, test: &str) -> bool {
        let name = format!("{}::{test}", program.name);
        let known = lock(&self.0).get(&name).copied();
        known.unwrap_or_else(|| {
            let passes = program.failures("PLANTED", "", &[test, "--exact"], PATIENCE).is_empty();
            lock(&self.0).insert(name, passes);
            passes
        })
    }
}

/// Returns a test that fails with a fault and passes without it.
fn catch(fault: &Fault, programs: &[Program], healthy: &Healthy) -> Option<String> {
    let fails = |program: &Program, which: &[&str]| {
        let failed = program.failures("PLANTED", &fault.name, which, PATIENCE);
        let test = failed.into_iter().find(|test| healthy.passes(program, test))?;
        Some(format!("{}::{test}", program.name))
    };
    if let Some(by) = &fault.by {
        let (name, which) = match by.split_once("::") {
            Some((name, test)) => (name, vec![test, "--exact"]),
            None => (by.as_str(), Vec::new()),
        };
        let mut named = programs.iter().filter(|program| program.name == name);
        if let Some(caught) = named.find_map(|program| fails(program, &which)) {
            return Some(caught);
        }
    }
    // The tests of the fault's own crate are the most likely to catch it.
    let (own, other): (Vec<_>, Vec<_>) = programs.iter().partition(|program| fault.file.starts_with(&program.folder));
    let note = |caught| if fault.by.is_some() { format!("{caught} (planted.toml names another)") } else { caught };
    own.into_iter().chain(other).find_map(|program| fails(program, &[])).map(note)
}

/// Copies the workspace and plants the faults in it.
fn lay_out(root: &Path, copy: &Path, faults: &[Fault]) -> Result<()> {
    let mut wanted = twin::sources(root, "planted")?;
    for fault in faults {
        let bytes = wanted.get_mut(Path::new(&fault.file)).with_context(|| format!("no file {}", fault.file))?;
        let text = String::from_utf8(bytes.clone()).context("a source is UTF-8")?;
        let found = text.matches(&fault.find).count();
        ensure!(found == 1, "{}: its text stands {found} times in {}", fault.name, fault.file);
        let question = format!("crate::planted(\"{}\")", fault.name);
        let plant = fault.plant.replace("PLANTED", &question).replace("FIND", &fault.find);
        *bytes = text.replace(&fault.find, &plant).into_bytes();
    }
    for name in CRATES {
        twin::extend(&mut wanted, name, QUESTION)?;
    }
    twin::write(copy, wanted)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
