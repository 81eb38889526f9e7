//! A PostgreSQL server of the tests' own: in a folder that is removed afterwards, on loopback, as an ordinary user.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    debian::{self, is_root},
    demo::leash::{Folder, Server},
};

/// The variable with the URL of a server on which tests may create databases.
pub(crate) const SERVER: &str = "VAULTTERM_TEST_POSTGRES";
/// The variable with the folder of PostgreSQL's programs, if they are not where Debian puts them.
const PROGRAMS: &str = "VAULTTERM_POSTGRES_BIN";
/// The folder below which Debian has one folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The user that Debian's package makes. PostgreSQL refuses to run as root.
const USER: &str = "postgres";
/// The maximum time that the server may take to start. It is generous because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// The number of ports to try when another program took the port first.
const PORTS_MAX: u32 = 5;

/// A running server. It ends, and its folder is removed, when this value is dropped or this process ends.
#[derive(Debug)]
pub(crate) struct Postgres {
    _server: Server,
    _folder: Folder,
    /// `postgres://USER@127.0.0.1:PORT`.
    pub(crate) url: String,
}

impl Postgres {
    /// Installs PostgreSQL where that needs no question, and starts a server for tests, which lose nothing in a power cut.
    pub(crate) fn start() -> Result<Self> {
        Self::start_with("fsync=off")
    }

    /// Does the same for measurements: each commit is on the disk before it is answered, as in production.
    pub(crate) fn start_durable() -> Result<Self> {
        Self::start_with("fsync=on")
    }

    fn start_with(setting: &str) -> Result<Self> {
        let programs = programs()?;
        let folder = Folder::make()?;
        let data = folder.path().join("data");
        if is_root() {
            command("chown", &[OsStr::new(USER), folder.path().as_os_str()])?;
        }
        let mut words = as_ordinary_user();
        words.push(programs.join("initdb").into());
        words.extend(["--username=vaultterm", "--auth=trust", "--no-sync", "--encoding=UTF8"].map(OsString::from));
        words.extend(["--locale=C.UTF-8".into(), "--pgdata".into(), data.clone().into()]);
        command(&words[0], &words[1..])?;
        for _ in 0..PORTS_MAX {
            let port = TcpListener::bind("127.0.0.1:0").context("loopback has no free port")?.local_addr()?.port();
            let server = begin(&programs, &data, folder.path(), port, setting)?;
            let began = Instant::now();
            let is_up = || server.logged().contains("ready to accept connections");
            let is_taken = || server.logged().contains("could not bind");
            while !is_up() && !is_taken() && began.elapsed() < PATIENCE {
                thread::sleep(Duration::from_millis(20));
            }
            if is_up() {
                let url = format!("postgres://vaultterm@127.0.0.1:{port}");
                return Ok(Self { _server: server, _folder: folder, url });
            }
            ensure!(is_taken(), "PostgreSQL did not start:\n{}", server.logged());
        }
        bail!("PostgreSQL found no free port in {PORTS_MAX} tries");
    }
}

fn begin(programs: &Path, data: &Path, folder: &Path, port: u16, setting: &str) -> Result<Server> {
    let mut words = as_ordinary_user();
    words.extend([programs.join("postgres").into_os_string(), "-D".into(), data.as_os_str().to_owned()]);
    let port = format!("port={port}");
    // The server listens on loopback only, and there on no socket file.
    let settings = ["listen_addresses=127.0.0.1", &port, "unix_socket_directories=", setting, "max_connections=300"];
    words.extend(settings.into_iter().flat_map(|setting| ["-c".into(), OsString::from(setting)]));
    let words: Vec<_> = words.iter().map(OsString::as_os_str).collect();
    Server::start(folder, "postgres", &words, [])
}

/// Returns the words before a command that make it run as an ordinary user.
fn as_ordinary_user() -> Vec<OsString> {
    if !is_root() {
        return vec!["env".into()];
    }
    let words = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups"];
    words.map(OsString::from).into()
}

/// Finds the newest programs of PostgreSQL. Installs them where that needs no question: as root on a system with apt.
fn programs() -> Result<PathBuf> {
    if let Some(own) = env::var_os(PROGRAMS).filter(|own| !own.is_empty()) {
        return Ok(own.into());
    }
    if let Some(found) = newest(Path::new(DEBIAN)) {
        return Ok(found);
    }
    debian::install("postgresql")?;
    newest(Path::new(DEBIAN)).with_context(|| {
        format!(
            "the tests need PostgreSQL 15 or newer: install it (Debian: apt-get install postgresql), or name the folder of its \
             programs in {PROGRAMS}"
        )
    })
}

/// Returns the folder with the programs of the newest version below a folder.
fn newest(folder: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let newest = folder.join(versions.max()?.to_string()).join("bin");
    newest.join("initdb").exists().then_some(newest)
}

fn command(program: impl AsRef<OsStr>, words: &[impl AsRef<OsStr>]) -> Result<()> {
    let name = program.as_ref().to_string_lossy().into_owned();
    let output = Command::new(program.as_ref()).args(words).output().with_context(|| format!("cannot start {name}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{name}` ended with {}: {}", output.status, said.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_chosen_by_number() {
        let folder = Folder::make().expect("made");
        assert_eq!(newest(folder.path()), None);
        for version in ["9", "15", "16", "notes"] {
            let programs = folder.path().join(version).join("bin");
            fs::create_dir_all(&programs).expect("made");
            fs::write(programs.join("initdb"), "").expect("written");
        }
        assert_eq!(newest(folder.path()), Some(folder.path().join("16/bin")));
    }
}
