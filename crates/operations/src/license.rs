//! The state of the license, and the installation of another one. The server needs no restart.

use vaultterm_license::EVALUATION_DAYS;
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

/// Begins the evaluation of this installation: synchronization for 30 days, once. Returns how the licenses stand, and a
/// sentence that says what it is.
///
/// # Errors
/// [`Refusal`]; `LicenseRefused` for a second evaluation, and where a license was installed already.
pub async fn evaluate(services: &Services, caller: &Caller) -> Result<(Report, String), Refusal> {
    access::scope(services, caller, Scope::Admin).await?;
    access::instance(services, caller, InstanceRole::Owner).await?;
    services.license.evaluate(&services.store, &caller.context(services)).await.map_err(refused)?;
    let report = services.license.report();
    let until = report.best().map(|entry| entry.license.expires.to_string()).unwrap_or_default();
    let notice = format!(
        "an evaluation of {EVALUATION_DAYS} days has begun: synchronization is included until {until}. This installation \
         issued it to itself, once; no vendor was asked, and nothing was sent anywhere"
    );
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
        Refused::License(_)
        | Refused::RolledBack { .. }
        | Refused::EvaluatedBefore
        | Refused::NothingToEvaluate
        | Refused::Evaluation(_) => Refusal::new(RefusalKind::LicenseRefused, refused.to_string()).then(next),
    }
}
