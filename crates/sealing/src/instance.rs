//! The id of an installation.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of an installation. It is part of the additional authenticated data (AAD) of each
/// ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub Uuid);
