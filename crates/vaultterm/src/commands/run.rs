//! `vaultterm run -- CMD`: starts a program with values in its environment, and puts them nowhere else.
//!
//! The program replaces this process, so its exit status, its signals and its terminal are its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
};

use zeroize::Zeroizing;

use crate::{
    app::App,
    failure::{Exit, Failure},
    field_ref::{FieldRef, SCHEME, Told, injected},
    input_file::InputFile,
};

/// The token variable is removed from the environment of the program. The program gets the named values, and
/// not the right to read all others.
const TOKEN: &str = "VAULTTERM_TOKEN";
/// The maximum number of bytes that Linux allows for a variable: `NAME=VALUE` with the final NUL
/// (`MAX_ARG_STRLEN`, 32 pages).
const VARIABLE_BYTES_MAX: usize = 128 * 1024;
/// The directories that are searched for the program if `PATH` is not set.
const PATH_DEFAULT: &str = "/bin:/usr/bin";

#[derive(clap::Args, Debug)]
#[command(after_help = "\
A variable of the environment that begins with vt:// is a reference, too; --env goes before
--env-file, and that before the environment. Values in a file arrive as they stand there: nothing
is expanded (docs/reference/env-files.md). VAULTTERM_TOKEN is not handed on.

The program takes this one's place: its exit code is its own. Before it has started: 127 there is
no such program, 126 it cannot be executed, 1 and 2 as everywhere.")]
pub(crate) struct Args {
    /// Variable and the field it gets, for example PGPASSWORD=vt://app/db/password; repeat for several
    #[arg(long, value_name = "NAME=REF")]
    env: Vec<Variable>,
    /// File of lines NAME=VALUE, where VALUE may be a reference, or `-` for stdin; repeat, later ones win
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// A variable and the reference from which it is set.
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

/// The value of a variable.
#[derive(Debug, PartialEq, Eq)]
enum Setting {
    Text(Zeroizing<String>),
    Field(FieldRef),
}

/// Looks the values up, which the audit log records, and then replaces this process with the program.
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
    // Without a reference no server is needed.
    let values = if wanted.is_empty() { BTreeMap::new() } else { injected(&app.client()?, wanted, &told).await? };

    let mut command = Command::new(program);
    command.args(arguments).env_remove(TOKEN);
    let mut path = std::env::var_os("PATH");
    for (name, setting) in &settings {
        let value = match setting {
            Setting::Text(text) => text,
            Setting::Field(reference) => &values[reference],
        };
        check_variable(name, value)?;
        command.env(name, value.as_str());
        if name == "PATH" {
            path = Some(value.as_str().into());
        }
    }
    let error = command.exec();
    Err(not_started(program, path.as_deref(), &error))
}

/// Refuses a variable that the system would refuse without naming it.
fn check_variable(name: &str, value: &str) -> Result<(), Failure> {
    const INSTEAD: &str = "hand it over in a file: vaultterm inject";
    if value.contains('\0') {
        return Err(Failure::local(format!("the value for {name} holds a NUL, which no environment can")).hint(INSTEAD));
    }
    let bytes = name.len() + "=".len() + value.len() + 1;
    if cfg!(target_os = "linux") && bytes > VARIABLE_BYTES_MAX {
        let too_long = format!("the value for {name} is too long for an environment ({} bytes)", value.len());
        return Err(Failure::local(too_long)
            .because_of(format!("a variable has at most {VARIABLE_BYTES_MAX} bytes, its name included"))
            .hint(INSTEAD));
    }
    Ok(())
}

/// Returns the error of a program that did not start, with the exit code that a shell would give.
fn not_started(program: &OsStr, path: Option<&OsStr>, error: &io::Error) -> Failure {
    let failure = Failure::local(format!("cannot start `{}`", program.to_string_lossy())).because(error);
    match error.kind() {
        io::ErrorKind::ArgumentListTooLong => failure
            .because_of("all variables and arguments together are too long")
            .hint("hand long values over in a file: vaultterm inject"),
        io::ErrorKind::NotFound if !is_there(program, path) => failure.exiting(Exit::NoProgram),
        io::ErrorKind::NotFound => {
            failure.because_of("the interpreter that its first line names is not there").exiting(Exit::NotExecutable)
        }
        _ => failure.exiting(Exit::NotExecutable),
    }
}

/// Returns whether the program file exists: at its path if it is a path, and else in a directory of `PATH`.
fn is_there(program: &OsStr, path: Option<&OsStr>) -> bool {
    if Path::new(program).components().count() > 1 {
        return Path::new(program).exists();
    }
    std::env::split_paths(path.unwrap_or(OsStr::new(PATH_DEFAULT))).any(|folder| folder.join(program).is_file())
}

impl Setting {
    fn of(name: &str, text: Zeroizing<String>) -> Result<Self, Failure> {
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

/// Returns the references among the inherited variables.
fn of_environment(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<BTreeMap<String, Setting>, Failure> {
    let texts = variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let references = texts.filter(|(_, value)| value.starts_with(SCHEME));
    references.map(|(name, value)| Ok((name.clone(), Setting::of(&name, Zeroizing::new(value))?))).collect()
}

/// Reads the variables of a file. If a name occurs several times, the last one counts. Errors never contain
/// text of the file.
fn of_file(path: &Path) -> Result<BTreeMap<String, Setting>, Failure> {
    let text = InputFile { path, what: "the variables", by: "--env-file" }.text()?;
    let refused = |line: usize| {
        Failure::local(format!("the variables in {}: line {line} cannot be used", place(path)))
            .because_of("nothing was started")
    };
    let entries = vaultterm_server::env_file::parse(&text)
        .map_err(|error| refused(error.line).because(&error).hint(error.why.hint()))?;
    let mut settings = BTreeMap::new();
    for entry in entries {
        // The error names only the variable and the line, because the text may be a value that merely looks
        // like a reference.
        let setting = Setting::of(&entry.name, entry.value)
            .map_err(|failure| failure.because_of(format!("line {} of {}", entry.line, place(path))))?;
        settings.insert(entry.name, setting);
    }
    Ok(settings)
}

/// Returns the name of a file that was read.
fn place(path: &Path) -> String {
    if path == Path::new("-") { "stdin".to_owned() } else { path.display().to_string() }
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
    fn a_file_holds_references_and_values_as_they_stand_and_its_text_is_in_no_error() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = |text: &str| {
            let path = directory.path().join("env");
            std::fs::write(&path, text).expect("written");
            of_file(&path)
        };
        let found = file("# comment\nPASSWORD=vt://app/db/password\nexport URL='http://x # y'\nA=Tr0ub4$dor&3\n");
        let text = |text: &str| Setting::Text(Zeroizing::new(text.to_owned()));
        let expected =
            [("PASSWORD", field("vt://app/db/password")), ("URL", text("http://x # y")), ("A", text("Tr0ub4$dor&3"))];
        assert_eq!(found.expect("good"), expected.map(|(name, setting)| (name.to_owned(), setting)).into());
        let bad = file("A=1\nhunter2 hunter2\n").expect_err("no assignment");
        assert!(bad.message.contains("line 2"), "{bad:?}");
        assert!(!format!("{bad:?}").contains("hunter2"), "{bad:?}");
        let bad = file("A=vt://hunter2\n").expect_err("no reference");
        assert!(bad.causes.iter().any(|cause| cause.contains("line 1")), "{bad:?}");
        assert!(!format!("{bad:?}").contains("hunter2"), "{bad:?}");
    }

    #[test]
    fn a_value_that_no_environment_takes_is_named_by_its_variable() {
        check_variable("A", &"x".repeat(VARIABLE_BYTES_MAX - 3)).expect("it just fits");
        for value in ["x".repeat(VARIABLE_BYTES_MAX - 2), "hunter2\0".to_owned()] {
            let failure = check_variable("CERTIFICATE", &value).expect_err("too long, or with a NUL");
            assert!(failure.message.contains("CERTIFICATE"), "{failure:?}");
            assert!(failure.hints[0].contains("vaultterm inject"), "{failure:?}");
            assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
        }
    }

    #[test]
    fn a_program_that_does_not_start_gives_the_exit_code_of_a_shell() {
        let directory = tempfile::tempdir().expect("a directory");
        let there = directory.path().join("tool");
        std::fs::write(&there, "#!/no/such/interpreter\n").expect("written");
        let folder = directory.path().as_os_str();
        let exit = |program: &OsStr, kind: io::ErrorKind| not_started(program, Some(folder), &kind.into()).exit.code();
        assert_eq!(exit(OsStr::new("/no/such/program"), io::ErrorKind::NotFound), 127);
        assert_eq!(exit(OsStr::new("no-such-program"), io::ErrorKind::NotFound), 127);
        assert_eq!(exit(there.as_os_str(), io::ErrorKind::NotFound), 126);
        assert_eq!(exit(OsStr::new("tool"), io::ErrorKind::NotFound), 126);
        assert_eq!(exit(there.as_os_str(), io::ErrorKind::PermissionDenied), 126);
        assert_eq!(exit(there.as_os_str(), io::ErrorKind::ArgumentListTooLong), 1);
    }
}
