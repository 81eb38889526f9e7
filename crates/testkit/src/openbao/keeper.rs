//! The shell that ties a server to its test.

use std::{
    fs,
    io::Write,
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

/// Starts the server and waits for the end of standard input, and then cleans up. If standard input contains
/// the word `keep`, the folder stays. The keeper ignores signals to its process group, because it must clean
/// up when they come.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
"$1" server -config="$2/config.hcl" </dev/null >>"$2/log" 2>&1 &
server=$!
read -r word
kill -9 "$server" 2>/dev/null
wait "$server" 2>/dev/null
[ "$word" = keep ] || rm -rf "$2"
"#;

/// The process of a server, run by its keeper.
#[derive(Debug)]
pub(super) struct Keeper {
    shell: Child,
    /// `None` after the server was killed.
    leash: Option<ChildStdin>,
}

impl Keeper {
    /// Starts a server with the configuration in a folder.
    pub(super) fn start(binary: &Path, folder: &Path) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "keeper"])
            .args([binary, folder])
            // The environment of a developer's own Vault must not reach the server.
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be started");
        let leash = shell.stdin.take();
        Self { shell, leash }
    }

    /// Waits until the server listens on the port. Returns `false` if it could not bind the port.
    pub(super) fn listens_on(&mut self, port: u16, log: &Path, patience: Duration) -> bool {
        let began = Instant::now();
        while began.elapsed() < patience {
            let said = fs::read_to_string(log).unwrap_or_default();
            if said.contains("address already in use") {
                self.kill();
                let _ = fs::remove_file(log);
                return false;
            }
            // The server prints the banner after it opened its listeners. Without the banner, a listener on
            // this port belongs to another program.
            if said.contains("server started!") && TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// Kills the server and waits until it is gone. Its folder stays.
    pub(super) fn kill(&mut self) {
        if let Some(mut leash) = self.leash.take() {
            let _ = leash.write_all(b"keep\n");
            drop(leash);
            let _ = self.shell.wait();
        }
    }
}
