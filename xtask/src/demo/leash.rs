//! Ties the folder and the servers of the demo to its process, so that they do not outlive it.
//!
//! A shell stands between the demo and each of them, and waits for the end of its standard input. The kernel
//! closes that input however the demo ends (normally, with an error, by Ctrl-C, killed), and then the shell
//! cleans up. Each shell is in a process group of its own, so that Ctrl-C at the terminal reaches neither the
//! shells nor the servers.

use std::{
    ffi::OsStr,
    fs,
    io::{ErrorKind, Read as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{self, Child, ChildStdin, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};

/// Makes a folder, reports it, and removes it at the end. A server that is being killed at that moment may
/// still write a file, so the shell retries the removal for at most ten seconds.
const FOLDER: &str = r#"
trap '' INT TERM HUP
mkdir -m 700 "$1" || exit 1
echo made
read -r _
tries=0
until rm -rf "$1" 2>/dev/null; do
  tries=$((tries + 1))
  [ "$tries" -lt 100 ] || exit 1
  sleep 0.1
done
"#;

/// Starts a server, and kills it at the end. The output of the server goes to `$1.out` and `$1.log`.
const SERVER: &str = r#"
trap '' INT TERM HUP
name=$1
shift
"$@" </dev/null >"$name.out" 2>"$name.log" &
server=$!
read -r _
kill -9 "$server" 2>/dev/null
wait "$server" 2>/dev/null
"#;

/// The shell in between, and the writing end of the pipe that it reads.
#[derive(Debug)]
struct Leash {
    shell: Child,
    hand: Option<ChildStdin>,
}

impl Leash {
    fn start(mut command: Command) -> Result<Self> {
        let mut shell = command
            .process_group(0)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start `sh`")?;
        let hand = shell.stdin.take();
        Ok(Self { shell, hand })
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.hand.take();
        // The shell ends by itself after its standard input ended.
        let _ = self.shell.wait();
    }
}

/// A private folder. It is removed on drop.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _leash: Leash,
}

impl Folder {
    /// Creates a folder that only its owner can read.
    #[allow(clippy::disallowed_methods, reason = "a name for a folder; no part of the product")]
    pub(crate) fn make() -> Result<Self> {
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
        let name = format!("vaultterm-demo-{}-{}", process::id(), moment.subsec_nanos());
        let path = std::env::temp_dir().join(name);
        let mut command = Command::new("sh");
        command.args(["-c", FOLDER, "folder"]).arg(&path).stdout(Stdio::piped());
        let mut leash = Leash::start(command)?;
        let mut said = [0; 5];
        let made = leash.shell.stdout.take().is_some_and(|mut stdout| stdout.read_exact(&mut said).is_ok());
        ensure!(made, "cannot make the folder {}", path.display());
        Ok(Self { path, _leash: leash })
    }

    /// Returns the path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The process of a server. It is killed on drop.
#[derive(Debug)]
pub(crate) struct Server {
    log: PathBuf,
    _leash: Leash,
}

impl Server {
    /// Starts a program with the given environment and, of the demo's own variables, only `PATH`. Its output
    /// goes to `NAME.out` (stdout) and `NAME.log` (stderr) in `folder`.
    pub(crate) fn start<'a>(
        folder: &Path,
        name: &str,
        program: &[&OsStr],
        env: impl IntoIterator<Item = (&'a str, &'a OsStr)>,
    ) -> Result<Self> {
        let log = folder.join(name);
        // An earlier server of this name must not speak for this one, which the shell starts a moment later.
        for kind in ["out", "log"] {
            match fs::remove_file(log.with_extension(kind)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).context("cannot remove the log of an earlier server");
                }
                _ => {}
            }
        }
        let mut command = Command::new("sh");
        command.args(["-c", SERVER, "server"]).arg(&log).args(program).stdout(Stdio::null());
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path))).envs(env);
        Ok(Self { log, _leash: Leash::start(command)? })
    }

    /// Returns what the server has printed to stdout so far.
    pub(crate) fn printed(&self) -> String {
        fs::read_to_string(self.log.with_extension("out")).unwrap_or_default()
    }

    /// Returns what the server has logged so far.
    pub(crate) fn logged(&self) -> String {
        fs::read_to_string(self.log.with_extension("log")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// Waits at most ten seconds for a condition, and panics if it does not become true.
    fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < Duration::from_secs(10), "waited in vain until {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts a server that prints its process id. Returns the server and the path of the process in `/proc`.
    fn server(folder: &Path) -> (Server, PathBuf) {
        let program = ["sh", "-c", "echo $$; echo ready >&2; exec sleep 600"].map(OsStr::new);
        let server = Server::start(folder, "sleeper", &program, []).expect("started");
        eventually("it speaks", || server.printed().ends_with('\n') && server.logged() == "ready\n");
        let id = server.printed().trim().to_owned();
        (server, Path::new("/proc").join(id))
    }

    #[test]
    fn a_dropped_folder_and_server_are_gone() {
        let folder = Folder::make().expect("made");
        let path = folder.path().to_owned();
        let (server, process) = server(&path);
        assert!(process.exists());
        drop(server);
        assert!(!process.exists());
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn what_an_earlier_server_of_the_same_name_said_is_not_heard_again() {
        let folder = Folder::make().expect("made");
        let (earlier, _) = server(folder.path());
        drop(earlier);
        let silent = ["sleep", "600"].map(OsStr::new);
        let later = Server::start(folder.path(), "sleeper", &silent, []).expect("started");
        assert_eq!((later.printed(), later.logged()), (String::new(), String::new()));
    }

    #[test]
    fn a_leash_that_is_cut_without_a_word_cleans_up_by_itself() {
        let mut folder = Folder::make().expect("made");
        let path = folder.path().to_owned();
        let (mut server, process) = server(&path);
        // The kernel closes both pipes in the same way when the demo is killed. In that case nobody waits for
        // the shells.
        let ends = (folder._leash.hand.take(), server._leash.hand.take());
        drop(ends);
        eventually("the server is gone", || !process.exists());
        eventually("the folder is gone", || !path.exists());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let folder = Folder::make().expect("made");
        let mut command = Command::new("sh");
        command.args(["-c", FOLDER, "folder"]).arg(folder.path()).stdout(Stdio::piped());
        let mut leash = Leash::start(command).expect("started");
        assert_eq!(leash.shell.wait().expect("ended").code(), Some(1));
    }
}
