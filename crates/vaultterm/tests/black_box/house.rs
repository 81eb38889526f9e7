//! A server with its data directory and its owner.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use vaultterm_license::{IssuerKey, License, Tier, issue};

use crate::guest::Guest;

pub(crate) const OWNER: &str = "ann@example.com";
/// The setting of a server on an SQLite file, on whatever database the other tests run.
pub(crate) const IN_A_FILE: (&str, &str) = ("DATABASE_URL", "");
pub(crate) const PASSWORD: &str = "correct horse battery";
/// The time limit for an expected event. It is generous because tests run on busy machines.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the server and waits for the end of standard input. The kernel closes that input however the test
/// dies, so the server cannot outlive its test. The word `term` on it asks the server to stop, `stop` freezes it, and
/// `cont` lets it go on.
const LEASH: &str = r#"
trap '' INT TERM HUP
"$1" serve --listen 127.0.0.1:0 </dev/null >"$2/address" 2>>"$2/log" &
server=$!
while read -r word; do
    case "$word" in
        stop) kill -STOP "$server" ;;
        cont) kill -CONT "$server" ;;
        *) break ;;
    esac
done
[ "$word" = term ] && kill -TERM "$server" || kill -9 "$server" 2>/dev/null
wait "$server" 2>/dev/null
"#;

/// Does the same for a command, whose exit code becomes that of the shell.
const LEASH_OF_A_COMMAND: &str = r#"
trap '' INT TERM HUP
log=$1
shift
"$@" </dev/null >/dev/null 2>>"$log" &
command=$!
read -r word
[ "$word" = term ] && kill -TERM "$command" || kill -9 "$command" 2>/dev/null
wait "$command"
"#;

/// A command that runs until the test ends it.
pub(crate) struct InBackground {
    shell: Child,
    leash: Option<ChildStdin>,
}

impl InBackground {
    /// Ends it with a signal, `term` or `kill`. Returns the exit code.
    pub(crate) fn end(mut self, word: &str) -> Option<i32> {
        if let Some(mut leash) = self.leash.take() {
            let _ = writeln!(leash, "{word}");
        }
        self.shell.wait().expect("it ends").code()
    }
}

impl Drop for InBackground {
    fn drop(&mut self) {
        // The shell kills the command when its input ends.
        drop(self.leash.take());
        let _ = self.shell.wait();
    }
}

/// A running server.
pub(crate) struct House {
    folder: TempDir,
    binary: PathBuf,
    /// The environment of the server and of the commands.
    environment: Vec<(String, String)>,
    shell: Child,
    leash: Option<ChildStdin>,
    pub(crate) address: String,
    /// The owner, who is logged in.
    pub(crate) owner: Guest,
    /// The vendor whose licenses the server accepts.
    pub(crate) vendor: IssuerKey,
}

impl House {
    /// Sets a server up as the manual describes, and logs its owner in.
    pub(crate) async fn new() -> Self {
        Self::configured(&[]).await
    }

    /// Does the same with these variables for the server.
    pub(crate) async fn configured(environment: &[(&str, &str)]) -> Self {
        let vendor = IssuerKey::generate();
        let license = text_of(&license(), &vendor);
        Self::built(environment, vendor, Some(&license), binary()).await
    }

    /// Does the same with a binary of another version.
    pub(crate) async fn of_a_binary(binary: &Path, environment: &[(&str, &str)]) -> Self {
        let vendor = IssuerKey::generate();
        let license = text_of(&license(), &vendor);
        Self::built(environment, vendor, Some(&license), binary.to_owned()).await
    }

    /// Does the same on an SQLite file, for a test that puts another file in its place.
    pub(crate) async fn in_a_file() -> Self {
        Self::configured(&[IN_A_FILE]).await
    }

    /// Returns a house on an SQLite file that trusts a vendor and has no license.
    pub(crate) async fn unlicensed_in_a_file() -> Self {
        Self::built(&[IN_A_FILE], IssuerKey::generate(), None, binary()).await
    }

    /// Returns a house that trusts a vendor and has no license.
    pub(crate) async fn unlicensed() -> Self {
        Self::built(&[], IssuerKey::generate(), None, binary()).await
    }

    async fn built(environment: &[(&str, &str)], vendor: IssuerKey, license: Option<&str>, binary: PathBuf) -> Self {
        let mut environment = owned(environment, &vendor);
        let folder = tempfile::tempdir().expect("a temporary directory");
        if vaultterm_testkit::on_postgres() && !environment.iter().any(|(name, _)| name == "DATABASE_URL") {
            environment.push(("DATABASE_URL".to_owned(), vaultterm_testkit::fresh_database(folder.path()).await));
        }
        fs::write(folder.path().join("password"), format!("{PASSWORD}\n")).expect("written");
        let database = environment.iter().filter(|(name, _)| name == "DATABASE_URL").cloned().collect::<Vec<_>>();
        let made = command(&binary, folder.path(), "", &database)
            .args(["init", "--owner-email", OWNER, "--owner-password-file"])
            .arg(folder.path().join("password"))
            .output()
            .expect("the binary runs");
        assert!(made.status.success(), "{made:?}");
        if let Some(license) = license {
            fs::write(folder.path().join("data/license.vtlic"), license).expect("written");
        }
        let (shell, leash, address) = start(&binary, folder.path(), &environment);
        let owner = Guest::new(&address, None).login(OWNER, PASSWORD).await;
        Self { folder, binary, environment, shell, leash: Some(leash), address, owner, vendor }
    }

    /// Starts a server on a data directory that was set up before. No person is logged in.
    pub(crate) fn in_folder(folder: TempDir, environment: &[(&str, &str)]) -> Self {
        let vendor = IssuerKey::generate();
        let environment = owned(environment, &vendor);
        let binary = binary();
        let (shell, leash, address) = start(&binary, folder.path(), &environment);
        let owner = Guest::new(&address, None);
        Self { folder, binary, environment, shell, leash: Some(leash), address, owner, vendor }
    }

    /// Starts another server on the same database. It has a data directory of its own with the same master key.
    pub(crate) fn beside(&self) -> Self {
        self.beside_with(&[])
    }

    /// Does the same with other variables for the new server.
    pub(crate) fn beside_with(&self, variables: &[(String, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("made");
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("private");
        fs::copy(self.data().join("master.key"), data.join("master.key")).expect("copied");
        let mut environment = self.environment.clone();
        environment.retain(|(set, _)| variables.iter().all(|(name, _)| name != set));
        environment.extend_from_slice(variables);
        let binary = self.binary.clone();
        let (shell, leash, address) = start(&binary, folder.path(), &environment);
        let owner = Guest { address: address.clone(), ..self.owner.clone() };
        let vendor = IssuerKey::generate();
        Self { folder, binary, environment, shell, leash: Some(leash), address, owner, vendor }
    }

    /// Freezes the server (SIGSTOP).
    pub(crate) fn freeze(&mut self) {
        self.say("stop");
    }

    /// Lets a frozen server go on (SIGCONT).
    pub(crate) fn thaw(&mut self) {
        self.say("cont");
    }

    fn say(&mut self, word: &str) {
        writeln!(self.leash.as_mut().expect("the server runs"), "{word}").expect("the shell listens");
    }

    /// Kills the server (-9).
    pub(crate) fn kill(&mut self) {
        self.end("kill");
    }

    /// Asks the server to stop, and waits until it has.
    pub(crate) fn stop(&mut self) {
        self.end("term");
    }

    /// Returns the text of a license that the server accepts, after `change` changed it.
    pub(crate) fn license(&self, change: impl FnOnce(&mut License)) -> String {
        let mut license = license();
        change(&mut license);
        text_of(&license, &self.vendor)
    }

    /// Kills the server (-9) and starts it again. Logins stay valid.
    pub(crate) fn kill_and_restart(&mut self) {
        self.end("kill");
        self.start_again();
    }

    /// Asks the server to stop, waits until it has stopped, and starts it again.
    pub(crate) fn stop_and_restart(&mut self) {
        self.end("term");
        self.start_again();
    }

    /// Stops the server, calls `happens`, and starts the server again.
    pub(crate) fn while_stopped<T>(&mut self, happens: impl FnOnce(&mut Self) -> T) -> T {
        self.end("term");
        let happened = happens(self);
        self.start_again();
        happened
    }

    /// Puts the binary under test in the place of another version, from the next start on.
    pub(crate) fn upgrade(&mut self) {
        self.binary = binary();
    }

    /// Starts a binary of any version on the same data directory while the server runs, and expects it to end by itself.
    pub(crate) fn refuses(&self, binary: &Path, arguments: &[&str]) -> String {
        let mut command = command(binary, self.folder.path(), &self.address, &self.environment);
        let started =
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = started.expect("the binary runs");
        let began = Instant::now();
        while child.try_wait().expect("it can be asked").is_none() && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        assert_eq!(status.code(), Some(1), "{arguments:?} ends by itself: {said}");
        said
    }

    /// Returns a variable of the server.
    pub(crate) fn setting(&self, name: &str) -> Option<String> {
        self.environment.iter().find(|(set, _)| set == name).map(|(_, value)| value.clone())
    }

    /// Sets a variable for the server and all commands, from their next start on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(set, _)| set != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    fn end(&mut self, word: &str) {
        if let Some(mut leash) = self.leash.take() {
            let _ = writeln!(leash, "{word}");
            drop(leash);
            let _ = self.shell.wait();
        }
    }

    pub(crate) fn start_again(&mut self) {
        let (shell, leash, address) = start(&self.binary, self.folder.path(), &self.environment);
        self.owner.address.clone_from(&address);
        (self.shell, self.leash, self.address) = (shell, Some(leash), address);
    }

    /// Returns a client without a token.
    pub(crate) fn stranger(&self) -> Guest {
        Guest::new(&self.address, None)
    }

    /// Creates a person with a role on the installation, and logs them in.
    pub(crate) async fn person(&self, email: &str, role: &str) -> Guest {
        let body = json!({"email": email, "role": role, "password": PASSWORD});
        self.owner.post("/users", body).await.expect(201);
        self.stranger().login(email, PASSWORD).await
    }

    /// Runs a command as the owner, with `input` on stdin.
    pub(crate) fn cli_with(&self, input: impl AsRef<[u8]>, arguments: &[&str]) -> Output {
        self.run(Some(self.owner.token.as_deref().unwrap_or_default()), input.as_ref(), arguments)
    }

    /// Runs a command as a person who logs in on it, and has no token in the environment.
    pub(crate) fn cli_of_a_person(&self, input: &str, arguments: &[&str]) -> Output {
        self.run(None, input.as_bytes(), arguments)
    }

    fn run(&self, token: Option<&str>, input: &[u8], arguments: &[&str]) -> Output {
        let mut command = command(&self.binary, self.folder.path(), &self.address, &self.environment);
        command.args(arguments).envs(token.map(|token| ("VAULTTERM_TOKEN", token)));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        child.stdin.take().expect("piped").write_all(input).expect("it reads");
        child.wait_with_output().expect("it ends")
    }

    /// Runs a command as the owner, without input.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        self.cli_with("", arguments)
    }

    /// Runs a command as the owner with JSON output, and asserts that it exits with 0. Returns the JSON.
    pub(crate) fn cli_json(&self, arguments: &[&str]) -> Value {
        let output = self.cli(&[&["--format", "json"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Starts a command as the owner, and kills it (-9) after a while if it still runs.
    pub(crate) fn kill_after(&self, after: Duration, arguments: &[&str]) {
        let mut command = command(&self.binary, self.folder.path(), &self.address, &self.environment);
        let child = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("the binary runs");
        std::thread::sleep(after);
        let _ = child.kill();
        child.wait().expect("it ends");
    }

    /// Starts a command with a token, which runs until the test ends it. What it prints to stderr goes to a file.
    pub(crate) fn in_background(&self, token: &str, log: &str, arguments: &[&str]) -> InBackground {
        let mut command = command(Path::new("sh"), self.folder.path(), &self.address, &self.environment);
        command.args(["-c", LEASH_OF_A_COMMAND, "sh", log]).arg(&self.binary).args(arguments);
        let started = command.env("VAULTTERM_TOKEN", token).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        let mut shell = started.expect("a shell");
        let leash = shell.stdin.take();
        InBackground { shell, leash }
    }

    /// Writes a file in the folder of the house and returns its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, content).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    }

    /// Returns the data directory of the server.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns the folder in which commands keep logins.
    pub(crate) fn kept_logins(&self) -> PathBuf {
        self.folder.path().join(".config/vaultterm/tokens")
    }

    /// Returns the log of the server.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Creates a collection and returns its id.
    pub(crate) async fn collection(&self, name: &str) -> String {
        self.owner.post("/collections", json!({ "name": name })).await.expect(201).id()
    }

    /// Creates a record and returns its id.
    pub(crate) async fn record(&self, collection: &str, path: &str, fields: Value) -> String {
        let body = json!({"path": path, "type": "KEY_VALUE", "fields": fields});
        self.owner.post(&format!("/collections/{collection}/records"), body).await.expect(201).id()
    }

    /// Changes fields of a record at its current revision.
    pub(crate) async fn change(&self, id: &str, fields: Value) {
        let revision = self.owner.get(&format!("/records/{id}")).await.body["revision"].clone();
        self.owner.patch(&format!("/records/{id}"), &revision, json!({ "fields": fields })).await.expect(200);
    }

    /// Moves a record to the trash.
    pub(crate) async fn trash(&self, id: &str) {
        self.owner.delete(&format!("/records/{id}")).await.expect(204);
    }

    /// Returns the fields of the live records of a collection, by path.
    pub(crate) async fn values(&self, collection: &str) -> serde_json::Map<String, Value> {
        let mut values = serde_json::Map::new();
        for record in self.owner.items(&format!("/collections/{collection}/records?limit=500")).await {
            let id = record["id"].as_str().expect("an id");
            let revealed = self.owner.post(&format!("/records/{id}/reveal"), json!({})).await.expect(200);
            values.insert(record["path"].as_str().expect("a path").to_owned(), revealed.body["fields"].clone());
        }
        values
    }

    /// Waits until a question has an answer.
    pub(crate) async fn until<T>(&self, what: &str, mut question: impl AsyncFnMut() -> Option<T>) -> T {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(answer) = question().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("waited in vain for: {what}\n{}", self.log());
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.end("kill");
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}

/// Returns a license for all features that stays valid for long.
fn license() -> License {
    let moment = |text: &str| text.parse().expect("a moment");
    License {
        id: vaultterm_sync::new_id(),
        licensee: "Black Box Ltd".to_owned(),
        tier: Tier::Enterprise,
        seats: None,
        features: None,
        not_before: moment("2020-01-01T00:00:00Z"),
        expires: moment("2099-12-31T23:59:59Z"),
        grace_days: 0,
        counter: 1,
    }
}

fn text_of(license: &License, vendor: &IssuerKey) -> String {
    issue(license, vendor).expect("it can be meant")
}

/// Returns the variables for the server. The vendor's key is added unless the test sets one.
fn owned(environment: &[(&str, &str)], vendor: &IssuerKey) -> Vec<(String, String)> {
    let mut owned: Vec<_> = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    if !owned.iter().any(|(name, _)| name.starts_with("LICENSE_PUBLIC_KEY")) {
        owned.push(("LICENSE_PUBLIC_KEY".to_owned(), vendor.public().to_string()));
    }
    owned
}

/// Returns the binary under test.
pub(crate) fn binary() -> PathBuf {
    env!("CARGO_BIN_EXE_vaultterm").into()
}

/// Returns a command for a binary. The environment holds no settings of the developer.
fn command(binary: &Path, folder: &Path, address: &str, environment: &[(String, String)]) -> Command {
    let mut command = Command::new(binary);
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("HOME", folder)
        .env("VAULTTERM_DATA_DIR", folder.join("data"))
        .env("VAULTTERM_ADDR", address)
        .envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

fn start(binary: &Path, folder: &Path, environment: &[(String, String)]) -> (Child, ChildStdin, String) {
    let address = folder.join("address");
    let _ = fs::remove_file(&address);
    let mut shell = Command::new("sh")
        .args(["-c", LEASH, "leash"])
        .args([binary, folder])
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("HOME", folder)
        .env("VAULTTERM_DATA_DIR", folder.join("data"))
        .env("VAULTTERM_LOG", "debug")
        .env("VAULTTERM_METRICS_LISTEN", "off")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell can be started");
    let leash = shell.stdin.take().expect("piped");
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let said = fs::read_to_string(&address).unwrap_or_default();
        if let Some(line) = said.strip_suffix('\n') {
            return (shell, leash, line.to_owned());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(leash);
    let _ = shell.wait();
    panic!("the server did not start: {}", fs::read_to_string(folder.join("log")).unwrap_or_default());
}
