//! PostgreSQL: a server for several nodes.

use std::{sync::Arc, time::Duration};

use sqlx::{
    AssertSqlSafe, Connection as _, PgPool, Postgres, Row as _, Transaction, TypeInfo as _, ValueRef as _,
    error::DatabaseError,
    postgres::{PgConnectOptions, PgDatabaseError, PgPoolOptions, PgRow, PgSslMode},
};

use super::{
    entry::AuditEntry,
    pools::{Pools, STATEMENTS_MAX, TURN_TIMEOUT},
};
use crate::{StoreError, migrations};

/// Every text sorts by its bytes, as the planner and the pages need it. A locale of the server would sort otherwise, and
/// differently after an update of its libraries. `only` is the name of a column in the first migrations, and a reserved
/// word here.
pub(super) const TOKENS: &[(&str, &str)] = &[
    ("@BYTES", "BYTEA"),
    ("@PATH", "TEXT"),
    (" TEXT", " TEXT COLLATE \"C\""),
    (" @WITHOUT_ROWID", ""),
    (" only ", " \"only\" "),
    ("(only ", "(\"only\" "),
    ("@NOW_US", "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"),
];

/// The maximum number of connections of one server that read.
const READERS_MAX: u32 = 6;
/// The maximum number of connections of one server for changes that wait for no turn.
const ASIDE_MAX: u32 = 2;
/// The time for which a statement that reads may run.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);
/// The time after which the database ends a transaction whose server says nothing. A server that froze in its turn to
/// write would hold up all others.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// The time for which a server that lost its connection in a commit asks for the outcome.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(20);
const OUTCOME_PAUSE: Duration = Duration::from_millis(200);
/// The time for which a connection that writes counts as alive after it answered.
const UNASKED: Duration = Duration::from_secs(1);
/// The advisory lock of the one change at a time that is audited: `vterm` in ASCII. It counts within one database.
const TURN: i64 = 0x0076_7465_726d;

/// A transaction.
pub(crate) struct Change {
    pub(super) inner: Transaction<'static, Postgres>,
    /// The id of the transaction, with which its outcome can be asked for.
    id: String,
    pool: PgPool,
}

/// Connects, and migrates the database to the newest schema. Other servers that do so at the same time wait for each
/// other.
pub(super) async fn open(options: PgConnectOptions) -> Result<Pools, StoreError> {
    let options = options.application_name("vaultterm").statement_cache_capacity(STATEMENTS_MAX);
    let millis = |time: Duration| time.as_millis().to_string();
    let migrating = options.clone().options([("lock_timeout", millis(TURN_TIMEOUT))]);
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(TURN_TIMEOUT).connect_with(migrating).await?;
    migrations::migrator(TOKENS).run(&pool).await?;
    pool.close().await;
    let writing = options.clone().options([
        ("lock_timeout", millis(TURN_TIMEOUT)),
        ("idle_in_transaction_session_timeout", millis(IDLE_TIMEOUT)),
        // The server notices a node that is gone without a word.
        ("tcp_keepalives_idle", "10".to_owned()),
        ("tcp_keepalives_interval", "5".to_owned()),
        ("tcp_keepalives_count", "3".to_owned()),
    ]);
    let reading = options.options([
        ("default_transaction_read_only", "on".to_owned()),
        ("statement_timeout", millis(STATEMENT_TIMEOUT)),
    ]);
    let pool = |max| {
        PgPoolOptions::new().max_connections(max).acquire_timeout(TURN_TIMEOUT).after_connect(|connection, _| {
            Box::pin(async move {
                // A commit must be on disk when it is acknowledged. Vault may have been told already.
                let sql = "SELECT set_config('synchronous_commit', 'on', false)
                           WHERE current_setting('synchronous_commit') = 'off'";
                sqlx::query(sql).execute(connection).await.map(drop)
            })
        })
    };
    // A connection answers when it is given back. One that was used a moment ago is not asked once more before the next change.
    let writer = pool(1).test_before_acquire(false).before_acquire(|connection, told| {
        Box::pin(async move { if told.idle_for < UNASKED { Ok(()) } else { connection.ping().await }.map(|()| true) })
    });
    Ok(Pools::Postgres {
        writer: writer.connect_with(writing.clone()).await?,
        aside: pool(ASIDE_MAX).connect_lazy_with(writing),
        readers: pool(READERS_MAX).connect_with(reading).await?,
        turns: Arc::default(),
    })
}

/// Connects without migrating, only to read.
pub(super) async fn only_looking(options: PgConnectOptions) -> Result<Pools, StoreError> {
    let options = options.application_name("vaultterm").options([("default_transaction_read_only", "on")]);
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(TURN_TIMEOUT).connect_with(options).await?;
    Ok(Pools::Postgres { writer: pool.clone(), aside: pool.clone(), readers: pool, turns: Arc::default() })
}

/// Reads the options of a connection from a URL. Where the URL does not say otherwise, a server on another machine must
/// prove its name.
pub(super) fn options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    let options: PgConnectOptions = url.parse()?;
    let (_, query) = url.split_once('?').unwrap_or_default();
    let says = query.split('&').any(|part| part.starts_with("sslmode=") || part.starts_with("ssl-mode="));
    let host = options.get_host();
    let near =
        options.get_socket().is_some() || host.starts_with('/') || ["localhost", "127.0.0.1", "::1"].contains(&host);
    Ok(if says || near { options } else { options.ssl_mode(PgSslMode::VerifyFull) })
}

/// Begins a change in its turn, and returns the row of its first statement as well. Every audited change ends with the newest
/// entry of the audit log, so they follow one another anyway. The lock at the beginning makes all that a change reads hold
/// until its commit.
///
/// The statement that waits for the lock sees the database as it was before the wait. The first statement is therefore one of
/// its own, but both go to the server in one message, because each message makes the others wait longer.
pub(super) async fn begin_in_turn(pool: &PgPool, first: &str) -> Result<(Change, PgRow), StoreError> {
    let mut inner = begin(pool).await?;
    let turn = format!("SELECT pg_current_xact_id()::TEXT AS id FROM (SELECT pg_advisory_xact_lock({TURN})) AS turn");
    let rows = sqlx::raw_sql(AssertSqlSafe(format!("{turn}; {first}"))).fetch_all(&mut *inner).await?;
    let [turn, row] = <[PgRow; 2]>::try_from(rows).map_err(|_| StoreError::Malformed("first statement of a change"))?;
    Ok((Change { inner, id: turn.try_get("id")?, pool: pool.clone() }, row))
}

/// Begins a change that waits for no turn.
pub(super) async fn begin_aside(pool: &PgPool) -> Result<Change, StoreError> {
    let mut inner = begin(pool).await?;
    let row = sqlx::query("SELECT pg_current_xact_id()::TEXT AS id").fetch_one(&mut *inner).await?;
    Ok(Change { inner, id: row.try_get("id")?, pool: pool.clone() })
}

/// Begins a transaction that reads what was there at its first statement.
pub(super) async fn begin_snapshot(pool: &PgPool) -> Result<Change, StoreError> {
    let inner = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    Ok(Change { inner, id: String::new(), pool: pool.clone() })
}

/// Begins a transaction whose every statement sees what was committed before it. It begins on a second connection if the first
/// is gone, because nothing was asked yet.
async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
    match pool.begin_with(BEGIN).await {
        Err(error) if is_lost(&error) => pool.begin_with(BEGIN).await,
        begun => begun,
    }
}

impl Change {
    /// Makes the change permanent. If the connection is lost meanwhile, the database is asked on another one whether it
    /// is permanent. `newest` is the newest audit entry of the change.
    pub(super) async fn commit(self, newest: Option<AuditEntry>) -> Result<(), StoreError> {
        let Self { inner, id, pool } = self;
        match inner.commit().await {
            Err(error) if is_lost(&error) => outcome(&pool, &id, newest).await,
            result => Ok(result?),
        }
    }
}

/// Asks for the outcome of a transaction by its number. A database that crashed forgets numbers that it had not written to its
/// log, and gives them to others, so the newest audit entry of the change must be there too.
async fn outcome(pool: &PgPool, id: &str, newest: Option<AuditEntry>) -> Result<(), StoreError> {
    let sql = format!("SELECT pg_xact_status('{id}'::xid8) AS status");
    let asked = async {
        loop {
            let row = sqlx::query(AssertSqlSafe(sql.clone())).fetch_one(pool).await;
            match row.and_then(|row| row.try_get::<Option<String>, _>("status")) {
                Ok(Some(status)) if status == "committed" => match stands(pool, newest).await {
                    Ok(true) => return Ok(()),
                    Ok(false) => return Err(StoreError::Busy),
                    Err(_) => tokio::time::sleep(OUTCOME_PAUSE).await,
                },
                Ok(Some(status)) if status == "aborted" => return Err(StoreError::Busy),
                Err(error) if is_unknown_number(&error) => return Err(StoreError::Busy),
                // The database is still at it, or does not answer yet.
                Ok(_) | Err(_) => tokio::time::sleep(OUTCOME_PAUSE).await,
            }
        }
    };
    tokio::time::timeout(OUTCOME_TIMEOUT, asked).await.unwrap_or(Err(StoreError::Undecided))
}

/// Returns whether an audit entry stands in the log. A change without one has no such proof, and needs none: each of its
/// statements guards itself.
async fn stands(pool: &PgPool, entry: Option<AuditEntry>) -> Result<bool, sqlx::Error> {
    let Some(AuditEntry { seq, hash }) = entry else { return Ok(true) };
    let sql = "SELECT COUNT(*) FROM audit WHERE seq = $1 AND hash = $2";
    let count: i64 = sqlx::query_scalar(sql).bind(seq.cast_signed()).bind(&hash[..]).fetch_one(pool).await?;
    Ok(count == 1)
}

/// Returns whether the database says that it never gave out the number of a transaction.
fn is_unknown_number(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| code == "22023")
}

/// Reads an integer. PostgreSQL has more types for them than this crate.
pub(super) fn int(row: &PgRow, column: &str) -> Result<Option<i64>, sqlx::Error> {
    let kind = row.try_get_raw(column)?.type_info().name().to_owned();
    match kind.as_str() {
        "INT4" => Ok(row.try_get::<Option<i32>, _>(column)?.map(i64::from)),
        "BOOL" => Ok(row.try_get::<Option<bool>, _>(column)?.map(i64::from)),
        _ => row.try_get(column),
    }
}

/// Returns whether an error means that the connection is gone, and with it an answer.
pub(crate) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => {
            let code = error.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::code);
            // The administrator ended the connection, or the server stopped or crashed.
            code.is_some_and(|code| {
                ["57P01", "57P02", "57P03", "57P05", "25P03", "25P04"].contains(&code) || code.starts_with("08")
            })
        }
        _ => false,
    }
}

/// Returns whether an error of PostgreSQL means that it may carry out the same request in a moment. Returns `None` for an
/// error of another engine.
pub(super) fn is_busy(error: &dyn DatabaseError) -> Option<bool> {
    let code = error.try_downcast_ref::<PgDatabaseError>()?.code();
    let busy = [
        "55P03", // a lock was not free in time
        "57014", // a statement took too long
        "40001", // changes at the same time
        "40P01", // a deadlock
        "53300", // too many connections
        "53400", // a limit of the server
        "57P01", // the administrator ended the connection
        "57P02", // the server crashed
        "57P03", // the server starts or stops
        "25P03", // the transaction was idle for too long
    ];
    Some(busy.contains(&code) || code.starts_with("08"))
}

#[cfg(test)]
mod tests {
    use std::{str::FromStr as _, time::Instant};

    use vaultterm_ledger::{AuditAction, Draft, ObjectKind};

    use super::*;
    use crate::{
        DatabaseUrl,
        arguments::{Statement, args},
        testing::House,
    };

    const ONE: Statement<'static> = Statement { sql: "SELECT 1 AS n", args: Vec::new() };

    fn pools(house: &House) -> (&PgPool, &PgPool) {
        match &house.store.db.0 {
            Pools::Postgres { writer, aside, .. } => (writer, aside),
            Pools::Sqlite { .. } => panic!("these tests need {}", vaultterm_testkit::POSTGRES),
        }
    }

    fn mode_of(url: &str) -> PgSslMode {
        options(url).unwrap().get_ssl_mode()
    }

    #[test]
    fn a_server_on_another_machine_must_prove_its_name_unless_the_url_says_otherwise() {
        for url in ["postgres://u:p@db.example.com/x", "postgres://u@10.0.0.7:5433/x?application_name=y"] {
            assert!(matches!(mode_of(url), PgSslMode::VerifyFull), "{url}");
        }
        assert!(matches!(mode_of("postgres://u@db.example.com/x?sslmode=require"), PgSslMode::Require));
        let elsewhere = "postgres://u@db.example.com/x?application_name=sslmode%3Ddisable&options=-csslmode=disable";
        assert!(matches!(mode_of(elsewhere), PgSslMode::VerifyFull));
        for url in ["postgres://u@127.0.0.1/x", "postgres://u@localhost/x", "postgres://u@%2Frun%2Fpostgresql/x"] {
            assert!(!matches!(mode_of(url), PgSslMode::VerifyFull), "{url}");
        }
    }

    #[test]
    fn the_name_of_a_database_shows_no_password() {
        let url = DatabaseUrl::from_str("postgres://ann:hunter2@db.example.com:5433/vault?sslmode=require").unwrap();
        assert_eq!(format!("{url} {url:?}"), "db.example.com:5433/vault db.example.com:5433/vault");
        let error = DatabaseUrl::from_str("mysql://ann:hunter2@db/x").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL"]
    async fn audited_changes_follow_one_another_and_others_do_not_wait_for_them() {
        let house = House::new().await;
        let other = crate::testing::reopened(&house, &house.root).await.unwrap();
        let turn = house.store.db.write().await.unwrap();
        let waiting = tokio::spawn(async move { other.db.write().await.map(drop) });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!waiting.is_finished(), "another server waits for its turn");
        house.store.db.touch().await.unwrap().end().await.unwrap();
        house.store.ping().await.unwrap();
        turn.end().await.unwrap();
        waiting.await.unwrap().unwrap();
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL"]
    async fn a_change_sees_in_its_first_statement_what_the_change_before_committed_while_it_waited() {
        let house = House::new().await;
        let other = crate::testing::reopened(&house, &house.root).await.unwrap();
        let before = house.store.audit_size().await.unwrap();
        let mut turn = house.store.db.write().await.unwrap();
        let waiting = tokio::spawn(async move { other.db.write().await?.head().await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        turn.audit(drafted(&house));
        turn.commit().await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap().seq, before + 1);
    }

    fn drafted(house: &House) -> Draft {
        house.ann().draft(AuditAction::AuditExported, ObjectKind::Audit, uuid::Uuid::nil(), None)
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL"]
    async fn a_change_begins_although_its_connection_ended_a_moment_ago() {
        let house = House::new().await;
        let (writer, aside) = pools(&house);
        let pid: i32 = sqlx::query("SELECT pg_backend_pid() AS pid").fetch_one(writer).await.unwrap().get("pid");
        tokio::time::sleep(Duration::from_millis(50)).await;
        sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(aside).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        house.store.db.write().await.unwrap().end().await.unwrap();
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL"]
    async fn the_outcome_of_a_lost_commit_is_asked_for() {
        let house = House::new().await;
        let (writer, aside) = pools(&house);
        let (change, _) = begin_in_turn(writer, ONE.sql).await.unwrap();
        let id = change.id.clone();
        change.commit(None).await.unwrap();
        outcome(aside, &id, None).await.unwrap();
        let (change, _) = begin_in_turn(writer, ONE.sql).await.unwrap();
        let id = change.id.clone();
        drop(change);
        assert!(matches!(outcome(aside, &id, None).await, Err(StoreError::Busy)), "it was rolled back");
        // A change whose connection ends before its commit is not made, and says so.
        let (mut change, _) = begin_in_turn(writer, ONE.sql).await.unwrap();
        let row = sqlx::query("SELECT pg_backend_pid() AS pid").fetch_one(&mut *change.inner).await.unwrap();
        let pid: i32 = row.get("pid");
        sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(aside).await.unwrap();
        assert!(matches!(change.commit(None).await, Err(StoreError::Busy)));
        let again = house.store.db.write().await.unwrap();
        again.end().await.unwrap();
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL"]
    async fn a_commit_that_a_crash_undid_does_not_count_although_another_one_got_its_number() {
        let house = House::new().await;
        let (writer, aside) = pools(&house);
        let (change, _) = begin_in_turn(writer, ONE.sql).await.unwrap();
        let id = change.id.clone();
        change.commit(None).await.unwrap();
        let entry = house.store.db.one("SELECT seq, hash FROM audit_head", args![]).await.unwrap().unwrap();
        let there = AuditEntry { seq: entry.count("seq").unwrap(), hash: entry.hash("hash").unwrap() };
        outcome(aside, &id, Some(there)).await.unwrap();
        let of_the_lost = AuditEntry { hash: [7; 32], ..there };
        assert!(matches!(outcome(aside, &id, Some(of_the_lost)).await, Err(StoreError::Busy)));
        // Nobody has got the number yet.
        let later = (id.parse::<u64>().unwrap() + 1_000_000).to_string();
        let asked = tokio::time::timeout(OUTCOME_TIMEOUT / 2, outcome(aside, &later, Some(there))).await;
        assert!(matches!(asked, Ok(Err(StoreError::Busy))), "{asked:?}");
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL"]
    async fn a_database_without_an_answer_is_busy_and_a_wrong_statement_is_not() {
        let house = House::new().await;
        let (_, aside) = pools(&house);
        let turn = house.store.db.write().await.unwrap();
        let mut other = aside.begin().await.unwrap();
        sqlx::query("SET LOCAL lock_timeout = 10").execute(&mut *other).await.unwrap();
        let waited = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(TURN).execute(&mut *other).await;
        assert!(matches!(StoreError::from(waited.unwrap_err()), StoreError::Busy));
        drop(turn);
        let wrong = house.store.db.all("SELECT 1 FROM nowhere", args![]).await.err().unwrap();
        assert!(matches!(wrong, StoreError::Database(_)), "{wrong:?}");
        let nowhere = DatabaseUrl::from_str("postgres://u@127.0.0.1:1/x").unwrap();
        let began = Instant::now();
        let refused = tokio::time::timeout(TURN_TIMEOUT * 2, nowhere.open()).await.unwrap().unwrap_err();
        assert!(matches!(refused, StoreError::Busy), "{refused:?} after {:?}", began.elapsed());
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL"]
    async fn connections_that_read_cannot_write() {
        let house = House::new().await;
        let refused = house.store.db.all("UPDATE instance SET epoch = 7", args![]).await.err().unwrap();
        assert!(matches!(refused, StoreError::Database(_)), "{refused:?}");
        assert!(house.store.db.0.one(ONE).await.unwrap().is_some());
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL"]
    async fn servers_that_start_together_migrate_a_new_database_once() {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::from_str(&vaultterm_testkit::fresh_database(folder.path()).await).unwrap();
        let (one, other) = tokio::join!(url.open(), url.open());
        assert_eq!(super::super::schema(&one.unwrap()).await.unwrap(), migrations::NEWEST);
        assert_eq!(super::super::schema(&other.unwrap()).await.unwrap(), migrations::NEWEST);
    }
}
