//! `vaultterm run -- CMD`: a program with values in its environment, and nowhere else.
//!
//! The program takes this process's place, so that its status, its signals and its terminal are its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
};

use crate::{
    app::App,
    failure::{Exit, Failure},
    field_ref::{FieldRef, SCHEME, Told, injected},
};

/// Not for the program: it gets the values that are named, not the right to all the others.
const TOKEN: &str = "VAULTTERM_TOKEN";

#[derive(clap::Args, Debug)]
#[command(after_help = "\
A variable of the environment that begins with vt:// is a reference, too; --env goes before
--env-file, and that before the environment. The program takes this one's place: its exit code
is its own. VAULTTERM_TOKEN is not handed on.")]
pub(crate) struct Args {
    /// Variable and the field it gets, for example PGPASSWORD=vt://app/db/password; repeat for several
    #[arg(long, value_name = "NAME=REF")]
    env: Vec<Variable>,
    /// File of lines NAME=VALUE, where VALUE may be a reference; repeat for several, later ones win
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// A variable and the reference it is set from.
#[derive(Clone, Debug)]
struct Variable {
    name: String,
    reference: FieldRef,
}

impl FromStr for Variable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, reference) = text.split_once('=').ok_or("write NAME=vt://collection/path/field")?;
        if name.is_empty() {
            return Err("the variable has no name".to_owned());
        }
        Ok(Self { name: name.to_owned(), reference: reference.parse()? })
    }
}

/// What a variable is set to.
#[derive(Debug, PartialEq, Eq)]
enum Setting {
    Text(String),
    Field(FieldRef),
}

/// Looks the values up, which the audit log records, and becomes the program.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let (program, arguments) = args.command.split_first().expect("clap requires one");
    let mut settings = of_environment(std::env::vars_os())?;
    for file in &args.env_file {
        settings.extend(of_file(file)?);
    }
    settings.extend(args.env.into_iter().map(|Variable { name, reference }| (name, Setting::Field(reference))));

    let wanted: BTreeSet<_> = settings.values().filter_map(Setting::reference).cloned().collect();
    let into = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
    let told = Told { into: &into, reason: args.reason.as_deref() };
    // Without a reference there is nothing to ask a server for.
    let values = if wanted.is_empty() { BTreeMap::new() } else { injected(&app.client()?, wanted, &told).await? };

    let mut command = Command::new(program);
    command.args(arguments).env_remove(TOKEN);
    for (name, setting) in &settings {
        let value = match setting {
            Setting::Text(text) => text,
            Setting::Field(reference) => &values[reference],
        };
        if value.contains('\0') {
            return Err(Failure::local(format!("the value for {name} holds a NUL, which no environment can"))
                .hint("hand it over in a file: vaultterm inject"));
        }
        command.env(name, value);
    }
    let error = command.exec();
    Err(Failure::local(format!("cannot start `{}`", program.to_string_lossy())).because(&error))
}

impl Setting {
    fn of(name: &str, text: String) -> Result<Self, Failure> {
        if !text.starts_with(SCHEME) {
            return Ok(Self::Text(text));
        }
        let reference = text.parse();
        reference
            .map(Self::Field)
            .map_err(|why| Failure::local(format!("{name} holds no good reference")).because_of(why))
    }

    fn reference(&self) -> Option<&FieldRef> {
        match self {
            Self::Field(reference) => Some(reference),
            Self::Text(_) => None,
        }
    }
}

/// The references among inherited variables.
fn of_environment(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<BTreeMap<String, Setting>, Failure> {
    let texts = variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let references = texts.filter(|(_, value)| value.starts_with(SCHEME));
    references.map(|(name, value)| Ok((name.clone(), Setting::of(&name, value)?))).collect()
}

/// The variables of a file. Errors never tell its text: it may hold values of its own.
fn of_file(path: &Path) -> Result<BTreeMap<String, Setting>, Failure> {
    let unreadable = || Failure::local(format!("cannot read the variables in {}", path.display()));
    let file = File::open(path).map_err(|error| unreadable().because(&error))?;
    let mut settings = BTreeMap::new();
    for entry in dotenvy::Iter::new(file) {
        let (name, value) = entry.map_err(|error| match error {
            dotenvy::Error::Io(error) => unreadable().because(&error),
            _ => unreadable()
                .because_of(format!("after {} good lines comes one that is not NAME=VALUE", settings.len()))
                .hint("put a value with spaces or `#` in it between single quotes"),
        })?;
        settings.insert(name.clone(), Setting::of(&name, value)?);
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> Setting {
        Setting::Field(text.parse().expect("a reference"))
    }

    #[test]
    fn of_the_environment_only_references_are_taken() {
        let variables = [("A", "vt://app/db/password"), ("B", "plain"), ("C", "x vt://app/db/password")];
        let found = of_environment(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        assert_eq!(found.expect("good"), BTreeMap::from([("A".to_owned(), field("vt://app/db/password"))]));
        let bad = of_environment([("A".into(), "vt://app".into())].into_iter()).expect_err("no reference");
        assert!(bad.message.contains("A holds no good reference"), "{}", bad.message);
    }

    #[test]
    fn a_file_holds_references_and_values_and_its_text_is_in_no_error() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = |text: &str| {
            let path = directory.path().join("env");
            std::fs::write(&path, text).expect("written");
            of_file(&path)
        };
        let found = file("# comment\nPASSWORD=vt://app/db/password\nexport URL='http://x # y'\n").expect("good");
        let url = Setting::Text("http://x # y".to_owned());
        let expected = [("PASSWORD".to_owned(), field("vt://app/db/password")), ("URL".to_owned(), url)];
        assert_eq!(found, BTreeMap::from(expected));
        let bad = file("A=1\nhunter2 hunter2\n").expect_err("no assignment");
        assert!(bad.causes[0].contains("after 1 good lines"), "{bad:?}");
        assert!(!format!("{bad:?}").contains("hunter2"), "{bad:?}");
    }
}
