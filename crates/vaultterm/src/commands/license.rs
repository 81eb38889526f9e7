//! `vaultterm license …`: the license of the server, and the vendor's commands, which need no server.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::{
    Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use vaultterm_contract::{KeptLicenseView, LicenseStanding, LicenseView, SyncAllowed};
use vaultterm_license::{IssuerKey, License, Tier, issue};

use crate::{
    app::App,
    client::{Patience, Reply},
    failure::{Exit, Failure},
    input_file::InputFile,
    moments::{When, day_or_moment, now},
    output_place::{OutputPlace, exists, never_a_dash},
    private_file, shell,
    table::{Table, moment},
};

/// The default number of days of grace.
const GRACE_DAYS: u32 = 14;
/// The hint for a file that exists already.
const ELSEWHERE: &str = "name another place with -o, or move it away";

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Show the server's license, and what synchronization may do
    Show,
    /// Install a license on the server; no restart is needed
    Install {
        /// The .vtlic file, or - for stdin
        file: PathBuf,
    },
    /// Begin the evaluation: synchronization for 30 days, once for each installation
    #[command(after_help = "\
The installation issues the evaluation to itself and records it in the audit log. No vendor is asked, and nothing is sent
anywhere. When it ends, synchronization is plan-only again; everything else goes on, and nothing is lost.")]
    Evaluate,
    /// Make a key that signs licenses (the vendor's side; no server)
    Keygen {
        /// Where license.key and license.pub are written
        #[arg(short, long, value_name = "DIR", value_parser = never_a_dash())]
        out: PathBuf,
    },
    /// Issue a license (the vendor's side; no server)
    Issue(IssueArgs),
}

#[derive(clap::Args, Debug)]
pub(crate) struct IssueArgs {
    /// File with the signing key; `-` for stdin
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The tier
    #[arg(long, value_parser = tiers())]
    tier: Tier,
    /// Name of the licensee
    #[arg(long, value_name = "NAME")]
    licensee: String,
    /// When it expires: its last day, or an RFC 3339 moment
    #[arg(long, value_name = "DAY", value_parser = end)]
    expires: Timestamp,
    /// From when it is valid: a day or a moment [default: now]
    #[arg(long, value_name = "DAY", value_parser = start)]
    not_before: Option<Timestamp>,
    /// Number of people [default: no limit]
    #[arg(long, value_name = "N")]
    seats: Option<u32>,
    /// A feature of the tier that it includes; repeat for several [default: all of the tier]
    #[arg(long = "feature", value_name = "NAME")]
    features: Option<Vec<String>>,
    /// Days for which everything still works after it has expired
    #[arg(long, value_name = "N", default_value_t = GRACE_DAYS)]
    grace_days: u32,
    /// Counter, above that of every earlier license; a server refuses a lower one [default: the time in seconds]
    #[arg(long, value_name = "N")]
    counter: Option<u64>,
    /// Where the license is written; `-` for stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    out: OutputPlace,
}

/// Runs the command.
pub(crate) async fn run(command: Command, app: &App) -> Result<Exit, Failure> {
    match command {
        Command::Show => show(app).await,
        Command::Install { file } => install(&file, app).await,
        Command::Evaluate => evaluate(app).await,
        Command::Keygen { out } => keygen(&out, app),
        Command::Issue(args) => issue_one(args, app),
    }
}

async fn show(app: &App) -> Result<Exit, Failure> {
    let state: Reply<LicenseView> = app.client()?.get("/license").await?;
    print(&state, app)?;
    if state.data.sync == SyncAllowed::PlanOnly || state.data.standing == LicenseStanding::Grace {
        app.console.next("vaultterm license install FILE");
    }
    if state.data.evaluation_possible {
        app.console.next("vaultterm license evaluate, to try synchronization for 30 days");
    }
    Ok(Exit::Done)
}

async fn install(file: &Path, app: &App) -> Result<Exit, Failure> {
    let text = InputFile { path: file, what: "the license", by: "FILE" }.text()?;
    let state: Reply<LicenseView> = app.client()?.put_for("/license", &json!({ "license": text })).await?;
    print(&state, app)?;
    if let Some(notice) = &state.data.notice {
        app.console.note(notice);
    }
    if state.data.sync == SyncAllowed::Full {
        app.console.next("vaultterm sync status");
    } else {
        app.console.warn("it is installed, but synchronization stays plan-only: see the detail");
    }
    Ok(Exit::Done)
}

async fn evaluate(app: &App) -> Result<Exit, Failure> {
    let state: Reply<LicenseView> = app.client()?.post("/license/evaluation", &json!({}), Patience::Usual).await?;
    print(&state, app)?;
    if let Some(notice) = &state.data.notice {
        app.console.note(notice);
    }
    app.console.next("vaultterm connection create --help");
    Ok(Exit::Done)
}

fn print(state: &Reply<LicenseView>, app: &App) -> Result<(), Failure> {
    let data = &state.data;
    let time = |time: &Option<String>| time.as_deref().map(moment);
    app.console.answer(&state.json, || {
        let sync = match data.sync {
            SyncAllowed::Full => "full",
            SyncAllowed::PlanOnly => "plan only: nothing is written, nothing is forgotten",
        };
        let facts = Table::of_facts()
            .fact("standing", data.standing.as_str())
            .fact_if("detail", data.detail.as_deref())
            .fact("synchronization", sync)
            .fact_if("licensee", data.licensee.as_deref())
            .fact_if("tier", data.tier.map(Tier::as_str))
            .fact_if("seats", data.seats.map(|seats| seats.to_string()))
            .fact_if("features", (!data.features.is_empty()).then(|| data.features.join(" ")))
            .fact_if("valid from", time(&data.not_before))
            .fact_if("expires", time(&data.expires))
            .fact_if("days left", data.days_left.map(|days| days.to_string()))
            .fact_if("grace until", time(&data.grace_until))
            .fact_if("id", data.id.map(|id| id.to_string()));
        with_kept(facts, &data.licenses)
    })?;
    for refused in &data.refused {
        app.console.warn(refused);
    }
    Ok(())
}

/// Adds a line for each license that the server keeps, if there are several.
fn with_kept(table: Table, licenses: &[KeptLicenseView]) -> Table {
    if licenses.len() < 2 {
        return table;
    }
    licenses.iter().fold(table, |table, license| {
        let KeptLicenseView { id, licensee, tier, standing, counts, not_before, expires, from, .. } = license;
        let tier = tier.as_str();
        let counts = if *counts { "counts" } else { "does not count" };
        let (begin, end) = (moment(not_before), moment(expires));
        table.fact("kept", format!("{id}: {standing}, {counts}; {tier} of {licensee}, {begin} to {end}, from {from}"))
    })
}

fn keygen(out: &Path, app: &App) -> Result<Exit, Failure> {
    private_file::create_directory(out)?;
    let (key_file, public_file) = (out.join("license.key"), out.join("license.pub"));
    if let Some(there) = [&key_file, &public_file].into_iter().find(|path| path.exists()) {
        return Err(exists(there, ELSEWHERE));
    }
    let key = IssuerKey::generate();
    write_new(&key_file, format!("{}\n", key.to_text().as_str()).as_bytes(), 0o600)?;
    write_new(&public_file, format!("{}\n", key.public()).as_bytes(), 0o644)?;
    let answer = json!({
        "key_id": key.public().id().to_string(),
        "public_key": key.public().to_string(),
        "key_file": key_file,
        "public_key_file": public_file,
    });
    app.console.answer(&answer, || {
        Table::of_facts()
            .fact("key id", key.public().id().to_string())
            .fact("signing key", key_file.display().to_string())
            .fact("public key", public_file.display().to_string())
    })?;
    app.console.note("anyone who has the signing key can issue licenses: keep it offline");
    app.console.note(&format!("servers trust it by LICENSE_PUBLIC_KEY_FILE={}", public_file.display()));
    let file = key_file.display().to_string();
    let file = shell::word(&file);
    app.console.next(&format!("vaultterm license issue --key {file} --tier … --licensee … --expires …"));
    Ok(Exit::Done)
}

fn issue_one(args: IssueArgs, app: &App) -> Result<Exit, Failure> {
    let text = InputFile { path: &args.key, what: "the signing key", by: "--key" }.secret()?;
    if args.key != Path::new("-") {
        private_file::check_mode(&args.key)?;
    }
    let key = IssuerKey::parse(&text).map_err(|error| {
        Failure::local("the file that --key names contains no signing key")
            .because(&error)
            .hint("make one with `vaultterm license keygen -o DIR`")
    })?;
    // Whole seconds are enough for people who read a license.
    let now = Timestamp::from_second(now().as_second()).unwrap_or(Timestamp::UNIX_EPOCH);
    let license = License {
        id: vaultterm_sync::new_id(),
        licensee: args.licensee,
        tier: args.tier,
        seats: args.seats,
        features: args.features,
        not_before: args.not_before.unwrap_or_else(|| just_before(args.expires).min(now)),
        expires: args.expires,
        grace_days: args.grace_days,
        counter: args.counter.unwrap_or_else(|| u64::try_from(now.as_second()).unwrap_or_default()),
    };
    let text =
        issue(&license, &key).map_err(|invalid| Failure::local("such a license cannot be issued").because(&invalid))?;
    let Some(out) = args.out.file() else {
        app.console.answer_text(&json!({ "license": text }), || text.clone())?;
        app.console.next("vaultterm license install FILE, where the server is");
        return Ok(Exit::Done);
    };
    args.out.refuse_existing(ELSEWHERE)?;
    let mut output = args.out.begin()?;
    output.write(text.as_bytes())?;
    output.finish_new()?;
    let mut answer = json!(license);
    answer["file"] = json!(out);
    app.console.answer(&answer, || {
        Table::of_facts()
            .fact("license", out.display().to_string())
            .fact("licensee", license.licensee.as_str())
            .fact("tier", license.tier.as_str())
            .fact("expires", license.expires.to_string())
            .fact("counter", license.counter.to_string())
    })?;
    app.console.next(&format!("vaultterm license install {}", shell::word(&out.display().to_string())));
    Ok(Exit::Done)
}

/// Returns the second before a moment. A license that is issued already expired begins at that second.
fn just_before(end: Timestamp) -> Timestamp {
    end.checked_sub(SignedDuration::from_secs(1)).unwrap_or(end)
}

/// Writes a file that must not exist yet.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = opened.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(path, ELSEWHERE),
        _ => Failure::local(format!("cannot write {}", path.display())).because(&error),
    })
}

/// Reads the moment at which a period begins. A day begins at midnight UTC.
fn start(text: &str) -> Result<Timestamp, &'static str> {
    day_or_moment(text).map(|when| when.begin(Timestamp::UNIX_EPOCH))
}

/// Reads a tier that a vendor issues.
fn tiers() -> impl TypedValueParser<Value = Tier> {
    PossibleValuesParser::new(Tier::SOLD.iter().map(|tier| tier.as_str())).try_map(|name| name.parse::<Tier>())
}

/// Reads the moment at which a period ends. A day is included up to its last second, UTC.
fn end(text: &str) -> Result<Timestamp, &'static str> {
    let when = day_or_moment(text)?;
    let end = when.end(Timestamp::UNIX_EPOCH);
    Ok(if matches!(when, When::Day(_)) { just_before(end) } else { end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_included_and_a_moment_is_taken_as_it_is() {
        assert_eq!(end("2027-01-31").expect("a day").to_string(), "2027-01-31T23:59:59Z");
        assert_eq!(start("2027-01-31").expect("a day").to_string(), "2027-01-31T00:00:00Z");
        for read in [start, end] {
            assert_eq!(read("2027-01-31T12:00:00+01:00").expect("a moment").to_string(), "2027-01-31T11:00:00Z");
            for bad in ["", "soon", "2027-02-31", "2027-01-31T12:00", "31.1.2027", "20270131"] {
                assert!(read(bad).is_err(), "{bad}");
            }
        }
    }
}
