//! Which entries of the log a caller asks for, and who may.

use jiff::Timestamp;
use uuid::Uuid;
use vaultterm_ledger::AuditAction;
use vaultterm_store::{AuditFilter, InstanceRole, Scope};

use crate::{access, caller::Caller, part::Part, refusal::Refusal, services::Services};

/// Which entries.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Only after this place.
    pub after: Option<u64>,
    /// Only this action, by name.
    pub action: Option<String>,
    /// Only by this person.
    pub actor: Option<Uuid>,
    /// Only about this object.
    pub object: Option<Uuid>,
    /// From this moment on, RFC 3339.
    pub from: Option<String>,
    /// Before this moment, RFC 3339.
    pub to: Option<String>,
    /// `oldest` first (unless told) or `newest` first.
    pub order: Option<String>,
    /// Which part of the list.
    pub part: Part,
}

impl Search {
    pub(super) fn filter(&self) -> Result<AuditFilter, Refusal> {
        let action = self.action.as_deref().map(|name| {
            AuditAction::from_name(name).ok_or_else(|| Refusal::field("action", "there is no such action"))
        });
        let newest_first = match self.order.as_deref() {
            None | Some("oldest") => false,
            Some("newest") => true,
            Some(_) => return Err(Refusal::field("order", "is `oldest` or `newest`")),
        };
        Ok(AuditFilter {
            newest_first,
            after: self.after,
            from_us: self.from.as_deref().map(|text| moment("from", text)).transpose()?,
            to_us: self.to.as_deref().map(|text| moment("to", text)).transpose()?,
            action: action.transpose()?,
            actor: self.actor,
            object: self.object,
        })
    }
}

/// Requires what reading the log needs.
pub(super) async fn may_read(services: &Services, caller: &Caller) -> Result<(), Refusal> {
    access::scope(services, caller, Scope::AuditRead).await?;
    access::instance(services, caller, InstanceRole::Admin).await
}

/// Reads a moment, into microseconds since the Unix epoch.
pub(crate) fn moment(field: &str, text: &str) -> Result<i64, Refusal> {
    let read = text.parse::<Timestamp>().map(Timestamp::as_microsecond);
    read.map_err(|_| Refusal::field(field, "expected a time such as 2026-01-31T12:00:00Z"))
}
