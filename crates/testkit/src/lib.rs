//! What tests need: a fake KV v2 with scripted faults, an in-memory journal, a clock that
//! stands still, crashes on purpose, builders, and the contract that fake and real servers
//! both keep. Never a normal dependency.
//!
//! Start reading at `fake.rs` (the remote side) and `contract/mod.rs`.

mod backdoor;
mod clock;
pub mod contract;
mod fake;
mod fault;
mod fuse;
mod journal;
mod kv;
pub mod world;

pub use backdoor::{Backdoor, FakeBackdoor, Metadata, fake_world};
pub use clock::ManualClock;
pub use fake::{FakeKv, FakeRemote, SECRET_ID};
pub use fault::{Operation, Request, Rule, Verdict, fault};
pub use fuse::Fuse;
pub use journal::{AuditLine, MemoryJournal, MemoryRecord, MemoryRevision};
pub use kv::{CasMismatch, Data, KvKey, KvMount, KvVersion};
pub use world::World;
