//! The migrations of the database, the same for every engine.

use std::borrow::Cow;

use sqlx::{
    AssertSqlSafe, SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
};

use crate::engine::words::spoken;

/// The migrations with their numbers, the oldest first. A released migration never changes. Numbers may be
/// left out.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "first", include_str!("../migrations/0001_first.sql")),
    (2, "keys", include_str!("../migrations/0002_keys.sql")),
    (3, "newest_runs", include_str!("../migrations/0003_newest_runs.sql")),
    (4, "license", include_str!("../migrations/0004_license.sql")),
    (5, "audit_checkpoints", include_str!("../migrations/0005_audit_checkpoints.sql")),
    (6, "backup", include_str!("../migrations/0006_backup.sql")),
    (7, "webhooks", include_str!("../migrations/0007_webhooks.sql")),
    (9, "changes", include_str!("../migrations/0009_changes.sql")),
    (11, "logins_and_licenses", include_str!("../migrations/0011_logins_and_licenses.sql")),
    (12, "accepted", include_str!("../migrations/0012_accepted.sql")),
    (13, "sessions", include_str!("../migrations/0013_sessions.sql")),
    (14, "people", include_str!("../migrations/0014_people.sql")),
    (15, "passkeys", include_str!("../migrations/0015_passkeys.sql")),
    (16, "parts_of_runs", include_str!("../migrations/0016_parts_of_runs.sql")),
    (19, "generated", include_str!("../migrations/0019_generated.sql")),
    (20, "job_leases", include_str!("../migrations/0020_job_leases.sql")),
    (23, "seen_in_vault", include_str!("../migrations/0023_seen_in_vault.sql")),
    (24, "asked_and_told", include_str!("../migrations/0024_asked_and_told.sql")),
    (26, "single", include_str!("../migrations/0026_single.sql")),
    (27, "nodes", include_str!("../migrations/0027_nodes.sql")),
    (28, "drafts", include_str!("../migrations/0028_drafts.sql")),
    (29, "agreed", include_str!("../migrations/0029_agreed.sql")),
    (30, "imports", include_str!("../migrations/0030_imports.sql")),
    (31, "hints", include_str!("../migrations/0031_hints.sql")),
];

/// The newest migration that this version knows.
pub const NEWEST: u64 = MIGRATIONS[MIGRATIONS.len() - 1].0.unsigned_abs();

/// The oldest schema that a server may know to work with a database of the newest schema. It grows with a migration after
/// which older servers would read or write something wrong (one that removes, renames or reinterprets). A migration that only
/// adds leaves it as it is, so that servers of two versions can share a database during an upgrade.
pub(crate) const NEEDED: u64 = 29;

const _: () = assert!(NEEDED <= NEWEST, "a server knows its own schema");

/// Returns the migrations in the words of an engine, which stand in the place of tokens.
pub(crate) fn migrator(tokens: &[(&str, &str)]) -> Migrator {
    let migrations = MIGRATIONS.iter().map(|(version, name, text)| {
        let sql = AssertSqlSafe(spoken(text, tokens).into_owned()).into_sql_str();
        Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, sql, false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // A newer server may have migrated the database. `engine/upgrade.rs` decides whether this one can work with it.
    migrator.set_ignore_missing(true);
    migrator
}
