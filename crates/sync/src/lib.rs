//! The sync engine. Its phases are observe → plan → guard → apply → record.
//!
//! The engine uses four traits and nothing else: [`Remote`] (one KV v2 scope, opened by a [`Connector`]),
//! [`Journal`] (the database), [`Clock`] and [`Entitlement`] (the license). It knows no SQL, no HTTP and no
//! routes. `vaultterm-reconcile` decides what should happen, and the engine carries it out.
//!
//! Start reading at `engine.rs`, then `running.rs`.

mod advice;
mod alike;
mod apply;
mod attempt;
mod begun;
mod brake;
mod clock;
mod conflict;
mod connection;
mod engine;
mod engine_error;
mod entitlement;
mod findings;
mod follow_hints;
mod hints;
mod ids;
mod in_time;
mod journal;
mod lease;
mod mark;
mod meanwhile;
mod moment;
mod observe;
mod pacing;
mod peek;
mod people;
mod pool;
mod problem;
mod problem_class;
mod progress;
mod recognise;
mod record;
mod record_state;
mod refresh;
mod remote;
mod resolve;
mod retry;
mod rights;
mod run;
mod running;
pub mod schedule;
mod session;
mod surroundings;
mod tally;
mod writers;

pub use advice::{Advice, ToDo};
pub use attempt::attempt;
pub use begun::Begun;
pub use clock::{Clock, follow_clock, machine_time, system_time};
pub use conflict::{ConflictStatus, Decision, FieldChoice, Resolution, ResolutionName, StoredConflict};
pub use connection::{Connection, ConnectionSecrets, Credential, RemoteIdentity, Schedule, Tls};
pub use engine::{Engine, ResolvedBy, RunRequest};
pub use engine_error::EngineError;
pub use entitlement::{Entitlement, Unlicensed};
pub use hints::{Hints, NoHints, WaitingPaths};
pub use ids::{CollectionId, ConflictId, ConnectionId, Ids, PlanId, RandomIds, RunId};
pub use journal::{
    BaseChange, Committed, HintedWriter, Journal, JournalError, Lease, LocalChange, Origin, OtherConflicts, Outcome,
    Resolved, SeenInVault, StoredFields, Surroundings, SyncedAudit,
};
pub use moment::later;
pub use people::{Nobody, People};
pub use problem_class::{EngineProblem, ProblemClass};
pub use progress::{Event, Phase, Progress, Stage};
pub use record_state::{RecordState, RecordSyncState, RevisionOrigin};
pub use remote::{Connected, Connector, FaultClass, Freshness, Mark, Remote, RemoteFault, SecretRead, WriteReceipt};
pub use rights::{CollectionRole, GrantKind, InstanceRole, LinkPurpose, Scope, SignInMethod, TokenKind};
pub use run::{PlannedDecision, Run, RunPart, RunProblem, RunState, StoredPlan, Trigger};
pub use vaultterm_sealing::new_id;
