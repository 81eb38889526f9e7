//! Tools for tests: a fake KV v2 with scripted faults, a journal in memory, a clock that stands still,
//! deliberate crashes, builders, and the two contracts that both the fakes and the real implementations keep.
//! This crate is only ever a development dependency.
//!
//! Start reading at `world.rs` (both sides together), `contract/mod.rs` (the remote) and
//! `journal_contract/mod.rs` (the database).

mod backdoor;
mod clock;
pub mod contract;
mod database;
mod fake;
mod fault;
mod fuse;
mod hints;
mod journal;
pub mod journal_contract;
mod kv;
mod license;
mod mishap;
pub mod openbao;
mod postgres;
pub mod vault_like;
pub mod world;

pub use backdoor::{Backdoor, FakeBackdoor, Metadata, fake_world};
pub use clock::{ManualClock, SkewedClock};
pub use database::{SERVER as POSTGRES, cut_connections, fresh_database, on_postgres};
pub use fake::{FakeKv, FakeRemote, SECRET_ID};
pub use fault::{Operation, Request, Rule, Verdict, fault};
pub use fuse::Fuse;
pub use hints::FakeHints;
pub use journal::{AuditLine, MemoryBackup, MemoryDesk, MemoryJournal, MemoryRecord, MemoryRevision, memory_world};
pub use kv::{CasMismatch, Data, KvKey, KvMount, KvVersion};
pub use license::FakeLicense;
pub use mishap::Mishap;
pub use postgres::{CommitCut, OwnPostgres, PostgresBetween, PostgresStop};
pub use world::World;
