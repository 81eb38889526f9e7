//! The state of the license, and the installation of another one. The server needs no restart.

use axum::{Json, extract::State};
use vaultterm_contract::{KeptLicenseView, LicenseBody, LicenseSource, LicenseView, Nothing, SyncAllowed};
use vaultterm_license::{License, Tier};
use vaultterm_operations::{Caller, LicenseEntry, LicenseReport, Services, license};

use crate::{problem::Problem, request::Body};

fn kept(entry: &LicenseEntry) -> KeptLicenseView {
    let LicenseEntry { license, by_file, counts, .. } = entry;
    KeptLicenseView {
        id: license.id,
        licensee: license.licensee.clone(),
        tier: license.tier,
        standing: entry.word(),
        detail: entry.detail(),
        counts: *counts,
        not_before: license.not_before.to_string(),
        expires: license.expires.to_string(),
        grace_until: license.grace_end().to_string(),
        counter: license.counter,
        from: match (license.tier, by_file) {
            (Tier::Evaluation, _) => LicenseSource::Evaluation,
            (_, true) => LicenseSource::File,
            (_, false) => LicenseSource::Api,
        },
    }
}

fn shown(report: &LicenseReport, notice: Option<String>) -> LicenseView {
    let license: Option<&License> = report.best().map(|entry| &entry.license);
    let included = license.into_iter().flat_map(License::included);
    LicenseView {
        standing: report.word(),
        detail: report.sentence(),
        sync: if report.missing.is_none() { SyncAllowed::Full } else { SyncAllowed::PlanOnly },
        id: license.map(|license| license.id),
        licensee: license.map(|license| license.licensee.clone()),
        tier: license.map(|license| license.tier),
        seats: license.and_then(|license| license.seats),
        features: included.map(|feature| feature.as_str().to_owned()).collect(),
        not_before: license.map(|license| license.not_before.to_string()),
        expires: license.map(|license| license.expires.to_string()),
        grace_until: license.map(|license| license.grace_end().to_string()),
        days_left: license.map(|license| (license.expires.duration_since(report.now).as_hours() / 24).max(0)),
        counter: license.map(|license| license.counter),
        notice,
        licenses: report.entries.iter().map(kept).collect(),
        refused: report.refused.clone(),
        evaluation_possible: report.may_evaluate,
    }
}

/// Shows how the licenses stand.
#[utoipa::path(get, path = "/license", tag = "license", responses((status = 200, body = LicenseView)))]
pub(crate) async fn show(State(services): State<Services>, caller: Caller) -> Json<LicenseView> {
    Json(shown(&license::show(&services, &caller), None))
}

/// Installs a license beside those that are kept; the best that holds now counts. A forged one, and a new one that is older
/// than one that has begun, is refused.
#[utoipa::path(put, path = "/license", tag = "license", request_body = LicenseBody,
    responses((status = 200, body = LicenseView), (status = 422, body = Problem)))]
pub(crate) async fn install(
    State(services): State<Services>,
    caller: Caller,
    Body(body): Body<LicenseBody>,
) -> Result<Json<LicenseView>, Problem> {
    let (report, notice) = license::install(&services, &caller, &body.license).await?;
    Ok(Json(shown(&report, notice)))
}

/// Begins the evaluation of this installation: synchronization for 30 days, once, audited. The installation issues it to
/// itself; no vendor is asked.
#[utoipa::path(post, path = "/license/evaluation", tag = "license", request_body = Nothing,
    responses((status = 200, body = LicenseView), (status = 422, body = Problem)))]
pub(crate) async fn evaluate(
    State(services): State<Services>,
    caller: Caller,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<LicenseView>, Problem> {
    let (report, notice) = license::evaluate(&services, &caller).await?;
    Ok(Json(shown(&report, Some(notice))))
}
