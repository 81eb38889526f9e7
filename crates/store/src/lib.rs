//! The database of VaultTerm. Only this crate knows SQL. It has the migrations, and one module per group of
//! tables.
//!
//! A [`Database`] is the file (or server) with its migrations. When the root key unlocks it, it becomes a
//! [`Store`]. Every change takes a [`Context`] and writes its audit entry in the same transaction. This crate
//! does not check roles, because `operations` checks them in one place.
//!
//! Start reading at `database.rs`, then `records.rs`. `journal.rs` is the part that the engine uses.

mod access;
mod anchors;
mod arguments;
mod audit;
mod audit_key;
mod backup;
mod base;
mod batch;
mod by_path;
mod checkpoints;
mod collections;
mod commit;
mod conflicts;
mod connection_rows;
mod connections;
mod context;
mod copy;
mod cursors;
mod database;
mod decisions;
mod devices;
mod differences;
mod drafts;
mod engine;
mod error;
mod exports;
mod factors;
mod files;
mod gauges;
mod generated;
mod glances;
mod grants;
mod handle;
mod hints;
mod idempotency;
mod ignored;
mod imports;
mod job_leases;
mod journal;
mod keys;
mod known_facts;
mod last_uses;
mod leases;
mod license;
mod links;
mod live_counts;
mod login_addresses;
mod login_failures;
mod migrations;
mod node_id;
mod nodes;
mod passkeys;
mod paths;
mod record_changes;
mod record_moves;
mod records;
mod restore_guard;
mod retention;
mod revisions;
mod run_events;
mod runs;
mod schedule;
mod sealed;
mod search;
mod sessions;
mod shelves;
mod sides;
mod sql;
#[cfg(test)]
mod testing;
mod together;
mod tokens;
mod users;
mod values;
mod verdict;
mod waiting;
mod webhook_deliveries;
mod webhooks;

pub use access::{Owned, RoleOn};
pub use anchors::{AnchorRow, Comparison};
pub use audit::{AuditEvent, AuditFilter};
pub use backup::{Archive, Backup, BackupError, BackupHeader, ImageKind, Restored, Target, clear_leftovers};
pub use checkpoints::{AuditKey, StoredCheckpoint, Uncovered};
pub use collections::{Collection, JudgedRoles, Member};
pub use conflicts::{ConflictFilter, LocalValues};
pub use connection_rows::ConnectionSummary;
pub use connections::{ConnectionUpdate, NewConnection};
pub use context::{Context, Page, Paged};
pub use copy::CopiedTable;
pub use database::Initialised;
pub use decisions::{DecisionMade, Written};
pub use devices::{DEVICE_LASTS_US, TrustedDevice};
pub use differences::AcceptedDifference;
pub use drafts::Draft;
pub use engine::{Claim, Company, DatabaseUrl, DatabaseUse, NotADatabaseUrl, PoolUse};
pub use error::{ErrorClass, StoreError};
pub use exports::Exportable;
pub use factors::{Factors, OtpSeed, Spend};
pub use files::{beside, sync_folder};
pub use generated::GeneratedValue;
pub use glances::{LastSights, Membership};
pub use grants::Grant;
pub use handle::{Clock, Database, Store};
pub use hints::{AddedHints, HINTS_MAX, HintedConnection, WaitingHints};
pub use idempotency::{IdempotencyKey, SavedAnswer};
pub use ignored::IgnoredPath;
pub use imports::{IMPORT_KEPT_US, IMPORT_UNDO_US, Import, ImportOutcome, ImportStep, NewImport, StepCounts, Undone};
pub use keys::{KeyInfo, KeyringStatus, SealedRoot};
pub use license::{KeptLicense, NewLicense};
pub use links::PersonLink;
pub use login_addresses::AttemptLimit;
pub use login_failures::{LoginLock, LoginRow};
pub use migrations::NEWEST as SCHEMA;
pub use node_id::NodeId;
pub use nodes::{GONE_AFTER, Learned, Node, Report};
pub use passkeys::{NewPasskey, PasskeyQuestion, StoredPasskey};
pub use record_changes::Proving;
pub use record_moves::{ChangeOfMany, ReadRecord};
pub use records::{AcceptedBy, NewRecord, Record, RecordFilter, RecordPatch, RecordSync};
pub use retention::Pruned;
pub use revisions::{RevisionInfo, RevisionsVerdict};
pub use run_events::KeptEvent;
pub use runs::RunFilter;
pub use schedule::Scheduled;
pub use search::{Found, Search, SyncFilter};
pub use sessions::{NewSession, SESSION_IDLE_US, Session};
pub use sides::{AgreedVersion, RevisionWriter, SeenVersion};
pub use tokens::{NewToken, TokenHolder, TokenInfo};
pub use users::{NewUser, User, UserUpdate};
pub use verdict::AuditVerdict;
pub use waiting::Waiting;
pub use webhook_deliveries::{LogEnd, WebhookSecrets};
pub use webhooks::{NewWebhook, OLD_SECRET_US, Webhook, WebhookUpdate};
// The names of rights and states are the store's words, too.
pub use vaultterm_sync::{
    CollectionRole, GrantKind, InstanceRole, LinkPurpose, RecordState, RecordSyncState, RevisionOrigin, Scope,
    SignInMethod, TokenKind,
};
