//! `vaultterm audit verify`: checks an export without a server.

use std::path::{Path, PathBuf};

use serde::Serialize;
use uuid::Uuid;
use vaultterm_contract::SentCheckpoint;
use vaultterm_ledger::{Finding, Report, Trust, VerifierKey, verify};

use crate::{
    app::App,
    failure::{Exit, Failure},
    input_file::InputFile,
    table::Table,
};

/// The maximum number of findings that the terminal shows.
const FINDINGS_TOLD: usize = 10;

/// The exit codes for scripts.
pub(super) const EXIT_CODES: &str = "\
Exit codes: 0 everything fits · 1 it cannot be read · otherwise the class of the first finding: 20 malformed ·
21 altered · 22 gap · 23 link · 24 other_log · 25 truncated · 26 root · 27 signature · 28 rollback · 29 anchor";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The export, as `vaultterm audit export` wrote it; `-` for stdin
    file: PathBuf,
    /// A key to trust, as `vaultterm audit key` printed it once, or @FILE with one key a line; may be given several times
    #[arg(long, value_name = "KEY")]
    vkey: Vec<String>,
    /// A file with checkpoints that were kept elsewhere; may be given several times
    #[arg(long, value_name = "FILE")]
    anchor: Vec<PathBuf>,
}

/// The result of the check as JSON.
#[derive(Serialize)]
struct Verdict<'a> {
    ok: bool,
    log_id: Option<Uuid>,
    after: u64,
    entries: u64,
    last: u64,
    checkpoints: u64,
    signed_to: u64,
    anchors_compared: u64,
    anchors_outside: u64,
    trusted: bool,
    until: bool,
    selection: bool,
    found: u64,
    findings: Vec<Found<'a>>,
}

#[derive(Serialize)]
struct Found<'a> {
    class: &'static str,
    line: Option<u64>,
    what: &'a str,
}

/// Runs the command.
pub(super) fn run(args: &Args, app: &App) -> Result<Exit, Failure> {
    let mut trust = Trust::default();
    for text in &args.vkey {
        trust.vkeys.extend(keys(text)?);
    }
    for file in &args.anchor {
        trust.anchors.extend(anchors(file)?);
    }
    let export = InputFile { path: &args.file, what: "the export", by: "FILE" };
    let report = verify(export.open()?, trust)
        .map_err(|error| Failure::local(format!("cannot read {}", args.file.display())).because(&error))?;
    app.console.answer(&Verdict::of(&report), || facts(&report))?;
    let told = report.findings.iter().take(FINDINGS_TOLD);
    told.clone().for_each(|finding| app.console.warn(&finding.to_string()));
    if report.found > told.len() as u64 {
        app.console.warn(&format!("… and {} more (--format json has them)", report.found - told.len() as u64));
    }
    note_limits(&report, app);
    Ok(report.first().map_or(Exit::Done, Exit::Unverified))
}

/// Reads a key, or the keys in a file.
fn keys(text: &str) -> Result<Vec<VerifierKey>, Failure> {
    let parsed = |line: &str| {
        VerifierKey::parse(line).map_err(|error| {
            Failure::local("--vkey cannot be used")
                .because(&error)
                .hint("copy the whole line of `vaultterm audit key`, or name a file that holds it: --vkey @FILE")
        })
    };
    let Some(file) = text.strip_prefix('@') else { return Ok(vec![parsed(text)?]) };
    let text = InputFile { path: Path::new(file), what: "the key", by: "--vkey" }.text()?;
    let keys =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(parsed).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(Failure::local("--vkey cannot be used").because_of("the file holds no key"));
    }
    Ok(keys)
}

fn anchors(file: &Path) -> Result<Vec<String>, Failure> {
    let text = InputFile { path: file, what: "the checkpoints", by: "--anchor" }.text()?;
    let note = |(at, line): (usize, &str)| {
        let anchor: SentCheckpoint = serde_json::from_str(line).map_err(|error| {
            Failure::local(format!("line {} of {} is no checkpoint", at + 1, file.display()))
                .because(&error)
                .hint("give the file that VAULTTERM_AUDIT_ANCHOR_FILE names, or a line {\"checkpoint\": \"…\"} each")
        })?;
        Ok(anchor.checkpoint)
    };
    text.lines().enumerate().filter(|(_, line)| !line.is_empty()).map(note).collect()
}

impl<'a> Verdict<'a> {
    fn of(report: &'a Report) -> Self {
        let found =
            |finding: &'a Finding| Found { class: finding.class.as_str(), line: finding.line, what: &finding.what };
        Self {
            ok: report.found == 0,
            log_id: report.log_id,
            after: report.after,
            entries: report.entries,
            last: report.last,
            checkpoints: report.checkpoints,
            signed_to: report.signed_to,
            anchors_compared: report.anchors.0,
            anchors_outside: report.anchors.1,
            trusted: report.trusted,
            until: report.until,
            selection: report.selection,
            found: report.found,
            findings: report.findings.iter().map(found).collect(),
        }
    }
}

fn facts(report: &Report) -> Table {
    let verdict = match report.first() {
        None => "everything fits".to_owned(),
        Some(class) => format!("{}, {} finding(s)", class.as_str(), report.found),
    };
    let table = Table::of_facts().fact("verdict", verdict);
    let table = match report.log_id {
        Some(log_id) => table.fact("log", log_id.to_string()),
        None => table,
    };
    let entries = match report.entries {
        0 => "0".to_owned(),
        some => format!("{some}, from {} to {}", report.after + 1, report.last),
    };
    let table = table.fact("entries", entries);
    if report.selection {
        return table;
    }
    let anchors = format!("{} compared, {} outside of this export", report.anchors.0, report.anchors.1);
    table
        .fact("checkpoints", report.checkpoints.to_string())
        .fact("signed up to", format!("entry {}", report.signed_to))
        .fact("kept checkpoints", anchors)
}

/// Prints what a check without findings does not prove.
fn note_limits(report: &Report, app: &App) {
    if report.selection {
        app.console.warn("entries are left out in between: nothing can be said about what is missing");
        return;
    }
    if !report.trusted {
        app.console.warn("signatures were checked with the keys in the export itself: name one that you kept (--vkey)");
    }
    if report.signed_to < report.last {
        let unsigned = report.last - report.signed_to.max(report.after);
        app.console.note(&format!("the last {unsigned} entries are not signed yet"));
    }
    if report.until {
        app.console.note("it was exported up to a moment: nothing is said about what follows");
    }
}
