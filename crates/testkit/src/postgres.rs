//! A PostgreSQL server of a test's own, which the test may restart. The tests share another one, so they must not.
//!
//! It uses the programs and the user of the shared server ([`crate::POSTGRES`]). It never outlives the test: a shell between
//! them waits for the end of its standard input, which the kernel closes however the test process dies.

mod between;

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

pub use between::{CommitCut, PostgresBetween};

use crate::database;

/// The time limit for a start. It is generous because tests run on busy machines.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the server, and starts it again each time when a word asked it to stop: `fast` ends all connections in an orderly way,
/// and `immediate` is a crash of the database without one of the machine.
const KEEPER: &str = r#"
trap '' INT TERM HUP
folder=$1
shift
"$@" </dev/null >>"$folder/log" 2>&1 &
while read -r word; do
    case "$word" in
        fast) kill -INT $! ;;
        *) kill -QUIT $! ;;
    esac
    wait $!
    "$@" </dev/null >>"$folder/log" 2>&1 &
done
kill -QUIT $!
wait $!
"#;

/// How a server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PostgresStop {
    /// It rolls transactions back, and writes everything to its files.
    Fast,
    /// It ends at once, and recovers from its log when it starts again.
    Immediate,
}

/// A running server. It is stopped and removed on drop.
#[derive(Debug)]
pub struct OwnPostgres {
    shell: Child,
    leash: Option<ChildStdin>,
    port: u16,
    _folder: TempDir,
}

/// The programs of the shared server, and the user and the group that own its files.
struct Model {
    programs: PathBuf,
    user: u32,
    group: u32,
}

impl OwnPostgres {
    /// Starts a server.
    ///
    /// # Panics
    /// If there is no shared server, or this one does not start.
    pub async fn start() -> Self {
        let model = Model::of_the_shared_server().await;
        let folder = tempfile::Builder::new().prefix("vaultterm-postgres-").tempdir().expect("a folder can be made");
        chown(folder.path(), Some(model.user), Some(model.group)).expect("the folder can be given away");
        let data = folder.path().join("data");
        let mut init = model.command("initdb");
        init.args(["--username=vaultterm", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]);
        let made = init.arg("--pgdata").arg(&data).output().expect("initdb can be started");
        assert!(made.status.success(), "{made:?}");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let (shell, leash) = model.serve(folder.path(), &data, port);
        let server = Self { shell, leash: Some(leash), port, _folder: folder };
        server.until_it_answers().await;
        server
    }

    /// Returns the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes a database that nobody has used, and returns its URL.
    ///
    /// # Panics
    /// If the server cannot create it.
    pub async fn fresh_database(&self) -> String {
        database::create(&self.url()).await
    }

    /// Stops the server and starts it again. Returns when it answers.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart(&mut self, stop: PostgresStop) {
        let word = match stop {
            PostgresStop::Fast => "fast",
            PostgresStop::Immediate => "immediate",
        };
        let began = self.started_at().await;
        writeln!(self.leash.as_mut().expect("the server runs"), "{word}").expect("the shell listens");
        let waits = Instant::now();
        while self.started_at().await == began {
            assert!(waits.elapsed() < PATIENCE, "PostgreSQL did not stop");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn url(&self) -> String {
        format!("postgres://vaultterm@127.0.0.1:{}", self.port)
    }

    /// Returns the moment at which the server started, once it answers.
    async fn started_at(&self) -> String {
        let waits = Instant::now();
        loop {
            let asked = async {
                let mut admin = PgConnection::connect(&format!("{}/postgres", self.url())).await?;
                sqlx::query_scalar("SELECT pg_postmaster_start_time()::TEXT").fetch_one(&mut admin).await
            };
            match asked.await {
                Ok(moment) => return moment,
                Err(error) => assert!(waits.elapsed() < PATIENCE, "PostgreSQL does not answer: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn until_it_answers(&self) {
        self.started_at().await;
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        self.leash.take();
        let _ = self.shell.wait();
    }
}

impl Model {
    async fn of_the_shared_server() -> Self {
        let url = format!("{}/postgres", database::server());
        let mut admin = PgConnection::connect(&url).await.expect("the shared server answers");
        let sql = "SELECT setting FROM pg_config WHERE name = 'BINDIR'";
        let programs: String = sqlx::query_scalar(sql).fetch_one(&mut admin).await.expect("it names its programs");
        let data: String = sqlx::query_scalar("SHOW data_directory").fetch_one(&mut admin).await.expect("its files");
        let owner = fs::metadata(data).expect("the server is on this machine");
        Self { programs: programs.into(), user: owner.uid(), group: owner.gid() }
    }

    /// Returns a command for one of the programs. They refuse to run as root.
    fn command(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        if fs::metadata("/proc/self").expect("the kernel shows this process").uid() == self.user {
            return Command::new(path);
        }
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={}", self.user), format!("--regid={}", self.group)]);
        command.arg("--clear-groups").arg(path);
        command
    }

    fn serve(&self, folder: &Path, data: &Path, port: u16) -> (Child, ChildStdin) {
        let server = self.command("postgres");
        let mut shell = Command::new("sh");
        shell.args(["-c", KEEPER, "keeper"]).arg(folder).arg(server.get_program()).args(server.get_args());
        shell.arg("-D").arg(data);
        let port = format!("port={port}");
        // The tests lose nothing in a power cut.
        for setting in ["listen_addresses=127.0.0.1", &port, "unix_socket_directories=", "fsync=off"] {
            shell.args(["-c", setting]);
        }
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("a shell can be started");
        let leash = shell.stdin.take().expect("piped");
        (shell, leash)
    }
}
