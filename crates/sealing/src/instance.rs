//! The id of an installation.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of an installation; part of every AAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub Uuid);
