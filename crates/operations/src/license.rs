//! The license: how it stands, and installing one. No restart is needed.

use vaultterm_store::{InstanceRole, Scope};

use crate::{
    access,
    caller::Caller,
    licensing::{FileError, Refused, Report},
    refusal::{Next, Refusal, RefusalKind},
    services::Services,
};

/// Tells how the licenses stand. Every caller may know.
#[must_use]
pub fn show(services: &Services, _: &Caller) -> Report {
    services.license.report()
}

/// Installs a license beside those that are kept; the best that holds now counts. Returns how the licenses
/// stand, and what became of this one.
///
/// # Errors
/// [`Refusal`]; `LicenseRefused` for a forged one, and for a new one that is older than one that has begun.
pub async fn install(services: &Services, caller: &Caller, text: &str) -> Result<(Report, Option<String>), Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    access::instance(services, caller, InstanceRole::Owner).await?;
    let context = caller.context(services);
    let id = services.license.install(text.as_bytes(), &services.store, &context).await.map_err(refused)?;
    let report = services.license.report();
    let notice = report.notice(id);
    Ok((report, notice))
}

fn refused(refused: Refused) -> Refusal {
    let next = Next::Text(refused.hint().to_owned());
    match refused {
        Refused::Store(error) => error.into(),
        Refused::File(FileError::Read { .. } | FileError::Write { .. } | FileError::State(_)) => {
            tracing::error!(error = %refused, "a license could not be installed");
            Refusal::new(RefusalKind::Refused, refused.to_string()).then(next)
        }
        Refused::License(_) | Refused::RolledBack { .. } => {
            Refusal::new(RefusalKind::LicenseRefused, refused.to_string()).then(next)
        }
    }
}
