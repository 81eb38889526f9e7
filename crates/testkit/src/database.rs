//! Databases for tests: an SQLite file each, or a database each on a PostgreSQL server.

use std::{env, path::Path, process};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// The variable with the URL of a PostgreSQL server on which the tests may create databases, without the name of a
/// database: `postgres://USER@127.0.0.1:PORT`. Without it, the tests run on SQLite.
pub const SERVER: &str = "VAULTTERM_TEST_POSTGRES";

/// Returns whether the tests run on PostgreSQL.
#[must_use]
pub fn on_postgres() -> bool {
    env::var_os(SERVER).is_some_and(|server| !server.is_empty())
}

/// Returns the URL of a database that nobody has used: a file in the folder that opening it creates, or a new database on
/// the server.
///
/// # Panics
/// If the server cannot create a database.
pub async fn fresh_database(folder: &Path) -> String {
    if !on_postgres() {
        return format!("sqlite:{}", folder.join("vaultterm.db").display());
    }
    // Backups are made beside the database, and for one on a server in this folder too.
    std::fs::create_dir_all(folder).expect("the folder can be made");
    create(&server()).await
}

/// Returns the URL of the server that the tests share.
pub(crate) fn server() -> String {
    env::var(SERVER).unwrap_or_else(|_| panic!("{SERVER} names a PostgreSQL server"))
}

/// Creates a database on a server, and returns its URL.
pub(crate) async fn create(server: &str) -> String {
    let name = format!("t{}_{}", process::id(), vaultterm_sync::new_id().simple());
    let mut admin = PgConnection::connect(&format!("{server}/postgres")).await.expect("the server answers");
    drop_those_of_ended_tests(&mut admin).await;
    // The locale sorts letters otherwise than by their bytes, as that of many servers does.
    let sql = format!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US' STRATEGY wal_log"
    );
    admin.execute(AssertSqlSafe(sql)).await.expect("the server creates a database");
    admin.close().await.expect("the connection closes");
    format!("{server}/{name}")
}

/// Ends all connections to a database on the server, as an administrator or a firewall does.
///
/// # Panics
/// If the server does not answer.
pub async fn cut_connections(url: &str) {
    let mut admin = PgConnection::connect(url).await.expect("the database answers");
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query(sql).execute(&mut admin).await.expect("the connections end");
}

/// Drops the databases of tests whose process has ended, because hundreds of them would fill the disk. Their names begin with
/// the id of the process. Another test may drop the same one at the same moment, so an error does not count.
async fn drop_those_of_ended_tests(admin: &mut PgConnection) {
    let sql = "SELECT datname::TEXT FROM pg_database WHERE datname LIKE 't%\\_%' AND NOT datistemplate";
    let names: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut *admin).await.expect("the server lists databases");
    for name in names {
        let id = name.trim_start_matches('t').split('_').next().and_then(|id| id.parse::<u32>().ok());
        if id.is_some_and(|id| !Path::new("/proc").join(id.to_string()).exists()) {
            let _ = admin.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))).await;
        }
    }
}
