//! License files (`.vtlic`): their keys, issuing and verification, the validity of a license, and the
//! features of each tier.
//!
//! This crate has no clock, files, network or SQL. The caller passes the current time and the highest counter
//! that was ever seen.
//!
//! Start reading at [`verify`] in `text.rs`, then [`validity`] and the table in `entitlement.rs`.

mod entitlement;
mod evaluation;
mod key;
mod license;
mod text;
mod validity;

pub use entitlement::{Feature, Tier};
pub use evaluation::{EVALUATION_DAYS, EvaluationKey};
pub use key::{IssuerKey, KeyError, KeyId, PublicKey, TrustedKeys};
pub use license::{Invalid, License};
pub use text::{LicenseError, TEXT_BYTES_MAX, canonical, issue, verify};
pub use validity::{Validity, best, validity};
