//! The license: how it stands, and installing one. No restart is needed.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vaultterm_license::{Feature, License};
use vaultterm_operations::{Caller, LicenseEntry, LicenseReport, Services, license};

use crate::{problem::Problem, request::Body};

/// The license that counts, what it lets synchronization do, and every other one.
#[derive(Serialize, ToSchema)]
pub(crate) struct LicenseView {
    /// `none`, `valid`, `grace`, `not_yet_valid`, `expired`, `rolled_back` or `refused`. If no license holds, that of the next one
    /// to begin, else of the one that ended last.
    standing: &'static str,
    /// Why, where the standing alone does not say it.
    detail: Option<String>,
    /// `full`, or `plan_only`: plans work, nothing is written and nothing forgotten.
    sync: &'static str,
    id: Option<Uuid>,
    licensee: Option<String>,
    /// `free`, `pro`, `team` or `enterprise`.
    tier: Option<&'static str>,
    /// How many people; no limit without.
    seats: Option<u32>,
    /// What it includes: `hcv_sync`.
    features: Vec<&'static str>,
    not_before: Option<String>,
    expires: Option<String>,
    /// Until when everything goes on.
    grace_until: Option<String>,
    /// Whole days until it expires.
    days_left: Option<i64>,
    counter: Option<u64>,
    /// Answered to an installation: what became of the license that was installed.
    notice: Option<String>,
    /// Every license that is kept.
    licenses: Vec<KeptLicenseView>,
    /// What is there and cannot be used, and why.
    refused: Vec<String>,
}

/// One of the licenses that are kept side by side.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeptLicenseView {
    id: Uuid,
    licensee: String,
    /// `free`, `pro`, `team` or `enterprise`.
    tier: &'static str,
    /// `valid`, `grace`, `not_yet_valid`, `expired` or `rolled_back`.
    standing: &'static str,
    /// Why it does not let synchronization go on, if it does not.
    detail: Option<String>,
    /// Whether it is the one that counts now.
    counts: bool,
    not_before: String,
    expires: String,
    /// Until when everything goes on.
    grace_until: String,
    counter: u64,
    /// `api`, or `file` for what lay at `LICENSE_PATH`.
    from: &'static str,
}

impl KeptLicenseView {
    fn of(entry: &LicenseEntry) -> Self {
        let LicenseEntry { license, by_file, counts, .. } = entry;
        Self {
            id: license.id,
            licensee: license.licensee.clone(),
            tier: license.tier.as_str(),
            standing: entry.word(),
            detail: entry.detail(),
            counts: *counts,
            not_before: license.not_before.to_string(),
            expires: license.expires.to_string(),
            grace_until: license.grace_end().to_string(),
            counter: license.counter,
            from: if *by_file { "file" } else { "api" },
        }
    }
}

impl LicenseView {
    fn of(report: &LicenseReport, notice: Option<String>) -> Self {
        let license: Option<&License> = report.best().map(|entry| &entry.license);
        Self {
            standing: report.word(),
            detail: report.sentence(),
            sync: if report.missing.is_none() { "full" } else { "plan_only" },
            id: license.map(|license| license.id),
            licensee: license.map(|license| license.licensee.clone()),
            tier: license.map(|license| license.tier.as_str()),
            seats: license.and_then(|license| license.seats),
            features: license.into_iter().flat_map(License::included).map(Feature::as_str).collect(),
            not_before: license.map(|license| license.not_before.to_string()),
            expires: license.map(|license| license.expires.to_string()),
            grace_until: license.map(|license| license.grace_end().to_string()),
            days_left: license.map(|license| (license.expires.duration_since(report.now).as_hours() / 24).max(0)),
            counter: license.map(|license| license.counter),
            notice,
            licenses: report.entries.iter().map(KeptLicenseView::of).collect(),
            refused: report.refused.clone(),
        }
    }
}

/// A license to install.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LicenseBody {
    /// The text of the `.vtlic` file.
    license: String,
}

/// Shows how the licenses stand.
#[utoipa::path(get, path = "/license", tag = "license", responses((status = 200, body = LicenseView)))]
pub(crate) async fn show(State(services): State<Services>, caller: Caller) -> Json<LicenseView> {
    Json(LicenseView::of(&license::show(&services, &caller), None))
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
    Ok(Json(LicenseView::of(&report, notice)))
}
