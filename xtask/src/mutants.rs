//! Checks that the tests notice mutants, which are small changes to the sources.
//!
//! `cargo mutants` (cargo-mutants, which must be installed) lists the mutants. It would build the crate again
//! for each of them. Here all mutants are woven into one copy, and each asks the environment whether it is
//! active (`weave.rs`). The copy is built once, so thousands of mutants are tried in the time in which
//! building them one by one would allow for dozens. Mutants that do not build beside the others are listed
//! and left out.
//!
//! A mutant that no test notices is a survivor. `docs/reference/mutants.md` explains the survivors that are
//! accepted, and any other survivor is an error.

mod mutant;
mod weave;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use self::mutant::Mutant;
use crate::{
    planted::lock,
    programs::{self, Program, Refusal},
    twin,
};

/// The maximum number of builds, each without the mutants that failed to build before.
const ROUNDS_MAX: usize = 40;
/// A mutant can make a test wait forever. It counts as noticed when the test takes this many times as long as
/// without it.
const PATIENCE_FACTOR: u32 = 10;
const PATIENCE_MIN: Duration = Duration::from_secs(20);
/// The build is optimized, because the tests are built once and run often.
const BUILD: [&str; 2] = ["--profile", "measure"];
/// The page with the table that explains the accepted survivors.
const EXPLAINED: &str = "docs/reference/mutants.md";
/// The code that is added to the crate.
const QUESTION: &str = "
#[allow(clippy::all, missing_docs, reason = \"only in the copy\")]
pub(crate) fn mutant(number: u32) -> bool {
    static MUTANT: std::sync::LazyLock<u32> =
        std::sync::LazyLock::new(|| std::env::var(\"MUTANT\").ok().and_then(|text| text.parse().ok()).unwrap_or(0));
    *MUTANT == number
}
";

/// Tries all mutants of a crate with the crate's own tests.
pub(crate) fn check(root: &Path, name: &str) -> Result<()> {
    let began = Instant::now();
    let mut mutants = list(root, name)?;
    println!("{} mutants of vaultterm-{name}", mutants.len());
    let copy = root.join("target/mutants");
    let (programs, unbuilt) = build(root, &copy, name, &mut mutants)?;
    for mutant in &unbuilt {
        println!("not built: {}", mutant.name);
    }
    let programs = fastest_first(programs)?;
    println!("{} are tried, after {:.0} s", mutants.len(), began.elapsed().as_secs_f64());
    let survivors = survivors(&mutants, &programs);
    let explained = explained(root)?;
    let (known, unknown): (Vec<_>, Vec<_>) =
        survivors.iter().partition(|mutant| explained.contains(&mutant.plain_name()));
    println!(
        "vaultterm-{name}: {} mutants, {} noticed, {} survived and are explained, {} could not be built; {:.0} s",
        mutants.len() + unbuilt.len(),
        mutants.len() - survivors.len(),
        known.len(),
        unbuilt.len(),
        began.elapsed().as_secs_f64()
    );
    if unknown.is_empty() {
        return Ok(());
    }
    unknown.iter().for_each(|mutant| println!("survived: {}", mutant.name));
    bail!("{} mutant(s) survived: test what they change, or explain them in {EXPLAINED}", unknown.len());
}

fn list(root: &Path, name: &str) -> Result<Vec<Mutant>> {
    let package = format!("vaultterm-{name}");
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root).args(["mutants", "--list", "--json", "--package", &package]);
    let output = command.output().context("cannot start cargo")?;
    ensure!(output.status.success(), "`cargo mutants` failed: install it with `cargo install cargo-mutants --locked`");
    let mut mutants: Vec<Mutant> = serde_json::from_slice(&output.stdout).context("cargo mutants speaks JSON")?;
    (1..).zip(&mut mutants).for_each(|(number, mutant)| mutant.number = number);
    Ok(mutants)
}

/// Weaves all mutants into a copy and builds it. Returns the test programs and the mutants that do not build.
fn build(root: &Path, copy: &Path, name: &str, mutants: &mut Vec<Mutant>) -> Result<(Vec<Program>, Vec<Mutant>)> {
    let mut unbuilt = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let mut wanted = twin::sources(root, "mutants")?;
        // The testkit has no mutants, but it calls constant functions of the crate, and these stop being
        // constant.
        let woven = [name, "testkit"].map(|name| Path::new("crates").join(name).join("src"));
        let is_woven = |file: &Path| woven.iter().any(|folder| file.starts_with(folder)) && ends_with(file, "rs");
        for (file, bytes) in wanted.iter_mut().filter(|(file, _)| is_woven(file)) {
            let text = String::from_utf8(bytes.clone()).context("a source is UTF-8")?;
            let here: Vec<_> = mutants.iter().filter(|mutant| mutant.file == *file).collect();
            let (woven, left_out) = weave::weave(&text, &here)?;
            *bytes = woven.into_bytes();
            let left_out: BTreeSet<u32> = left_out.into_iter().collect();
            unbuilt.extend(mutants.extract_if(.., |mutant| left_out.contains(&mutant.number)));
        }
        twin::extend(&mut wanted, name, QUESTION)?;
        twin::write(copy, wanted)?;
        match programs::build(root, copy, (&[name], &BUILD))? {
            Ok(programs) => return Ok((programs, unbuilt)),
            Err(refusals) => {
                let refused: BTreeSet<u32> = refusals.iter().filter_map(|refusal| blamed(refusal).ok()).collect();
                ensure!(!refused.is_empty(), "no mutant is to blame for: {}", refusals[0].text);
                unbuilt.extend(mutants.extract_if(.., |mutant| refused.contains(&mutant.number)));
            }
        }
    }
    bail!("after {ROUNDS_MAX} rounds the copy does not build yet")
}

fn ends_with(file: &Path, ending: &str) -> bool {
    file.extension().is_some_and(|found| found == ending)
}

/// Returns the number of the mutant that the compiler refused, which is the last one before the reported
/// place.
fn blamed(refusal: &Refusal) -> Result<u32> {
    let text = fs::read_to_string(&refusal.file)?;
    // The compiler may refuse the question itself, where only constants are allowed.
    let upto = text.get(..refusal.byte + 40).unwrap_or(&text);
    let before = text.get(..refusal.byte).unwrap_or(upto);
    let question = "crate::mutant(";
    let from = if text[before.len()..].starts_with(question) { upto } else { before };
    let (_, number) = from.rsplit_once(question).context("no mutant stands before it")?;
    Ok(number.split_once(')').context("a number ends")?.0.parse()?)
}

/// Runs each program without a mutant; all must pass. Returns them with their time limits, the fastest first.
fn fastest_first(programs: Vec<Program>) -> Result<Vec<(Duration, Program)>> {
    let mut timed = Vec::new();
    for program in programs {
        let began = Instant::now();
        let failed = program.failures(("MUTANT", "0"), &[], Duration::from_secs(600));
        ensure!(failed.is_empty(), "without any mutant `{}` fails: {}", program.name, failed.join(", "));
        timed.push((began.elapsed(), program));
    }
    timed.sort_by_key(|(took, _)| *took);
    Ok(timed.into_iter().map(|(took, program)| (PATIENCE_MIN.max(took * PATIENCE_FACTOR), program)).collect())
}

/// Tries the mutants on all cores. Returns those that no test noticed.
fn survivors(mutants: &[Mutant], programs: &[(Duration, Program)]) -> Vec<Mutant> {
    let open = Mutex::new(mutants.iter());
    let found = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    // This is a statement of its own, so that the lock is not held while tests run.
                    let next = lock(&open).next();
                    let Some(mutant) = next else { return };
                    let number = mutant.number.to_string();
                    let noticed = programs
                        .iter()
                        .any(|(patience, program)| !program.failures(("MUTANT", &number), &[], *patience).is_empty());
                    if !noticed {
                        println!("no test notices: {}", mutant.name);
                        lock(&found).insert(mutant.number, mutant.clone());
                    }
                }
            });
        }
    });
    let mut found = lock(&found);
    std::mem::take(&mut *found).into_values().collect()
}

/// Returns the accepted survivors: the names in backquotes in the first column of the table.
fn explained(root: &Path) -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(root.join(EXPLAINED)).with_context(|| format!("cannot read {EXPLAINED}"))?;
    let names = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    Ok(names.map(|(name, _)| name.replace("\\|", "|")).collect())
}
