//! The class of a problem of a run.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use vaultterm_reconcile::{UnknownName, names};

use crate::FaultClass;

names!(
    /// The class of a problem that the engine finds, and that is no fault of a request to Vault.
    EngineProblem, "class of problem" {
        /// The path was left alone, and the cause may pass by itself.
        Skipped = "skipped",
        /// The secret can never be taken over under its name.
        LeftOut = "left_out",
        /// A person must act first.
        Waits = "waits",
        /// The plan can no longer be applied.
        PlanNotApplicable = "plan_not_applicable",
        /// A token outlives its run. It does not mean that the run was stopped.
        TokenNotRevoked = "token_not_revoked",
        /// A stored value does not open.
        Unreadable = "unreadable",
        /// The run lost its lease.
        LeaseLost = "lease_lost",
        /// The server that carried the run out stopped.
        ServerStopped = "server_stopped",
        /// The connection was paused.
        Paused = "paused",
        /// The database failed.
        Database = "database",
    }
);

/// The class of a problem: that of a fault of Vault, or one of the engine. Both lists are closed, and have no name in
/// common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemClass {
    /// A request to Vault failed.
    Fault(FaultClass),
    /// The engine found it.
    Engine(EngineProblem),
}

impl ProblemClass {
    /// Returns the name that is stored and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fault(class) => class.as_str(),
            Self::Engine(class) => class.as_str(),
        }
    }
}

impl From<FaultClass> for ProblemClass {
    fn from(class: FaultClass) -> Self {
        Self::Fault(class)
    }
}

impl From<EngineProblem> for ProblemClass {
    fn from(class: EngineProblem) -> Self {
        Self::Engine(class)
    }
}

impl fmt::Display for ProblemClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ProblemClass {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        text.parse().map(Self::Fault).or_else(|_| text.parse().map(Self::Engine))
    }
}

impl Serialize for ProblemClass {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ProblemClass {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|_| de::Error::custom(format!("unknown class of problem `{text}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_read_as_it_is_written_and_another_name_is_an_error() {
        let faults = FaultClass::ALL.iter().copied().map(ProblemClass::Fault);
        let all: Vec<_> = faults.chain(EngineProblem::ALL.iter().copied().map(ProblemClass::Engine)).collect();
        for class in all {
            let json = serde_json::to_string(&class).expect("it is written");
            assert_eq!(json, format!("\"{class}\""));
            assert_eq!(serde_json::from_str::<ProblemClass>(&json).expect("it is read"), class);
        }
        assert!(serde_json::from_str::<ProblemClass>("\"tired\"").is_err());
    }
}
