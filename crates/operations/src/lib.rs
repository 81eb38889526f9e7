//! What a caller may do: every rule of the product, once, for every surface.
//!
//! A surface (the HTTP API, the pages) finds out who asks, makes a [`Caller`], calls one function of
//! this crate, and shows what the function returned. An operation checks access first, then what was
//! asked for, and then does it. If it does not do it, it returns a [`Refusal`], which names no status
//! and no command: each surface words what to do next in its own way.
//!
//! Start reading at [`Services`] in `services.rs` and at `access.rs`, then any file of a resource.

pub mod access;
pub mod anchors;
pub mod audit;
mod caller;
mod clock;
mod codes;
pub mod collections;
pub mod conflicts;
pub mod connections;
mod deliveries;
mod denials;
pub mod drafts;
pub mod exports;
pub mod factors;
mod fresh;
pub mod generator;
pub mod health;
pub mod hints;
pub mod imports;
mod insist;
pub mod jobs;
pub mod keys;
mod leases;
pub mod license;
mod licensing;
pub mod links;
pub mod login;
#[cfg(test)]
mod matrix;
pub mod members;
mod meters;
pub mod my_sessions;
mod names;
pub mod outline;
mod part;
pub mod passkeys;
mod password;
mod paths;
pub mod people;
pub mod plans;
mod presence;
pub mod profiles;
mod read_at;
mod readers;
pub mod records;
mod refusal;
mod root_key;
pub mod runs;
pub mod scrape;
mod services;
pub mod sessions;
mod standing;
pub mod surroundings;
#[cfg(test)]
mod testing;
mod throttle;
pub mod tokens;
mod traced;
mod transit_source;
mod turns;
pub mod webhooks;

pub use anchors::{AuditOptions, SyslogTarget};
pub use caller::{Caller, Origin, anonymous, authenticate};
pub use clock::SystemClock;
pub use deliveries::Sender;
pub use insist::insist;
pub use licensing::{Entry as LicenseEntry, LicenseSettings, Report as LicenseReport, examine as examine_license};
pub use meters::{
    Meters,
    table::{Label, METRICS, Metric, MetricKind, Source},
};
pub use part::Part;
pub use password::{PasswordError, hash as hash_password};
pub use presence::Presence;
pub use read_at::ReadAt;
pub use refusal::{FieldError, Next, Refusal, RefusalKind, is_busy};
pub use root_key::{RootKeeper, RootKeys, UnlockError, seal};
pub use services::{ServerEngine, Services, Settings, WITHIN};
pub use traced::Asked;
pub use transit_source::TransitSource;
pub use vaultterm_exchange::env_file;
