//! The answer to somebody who reads the metrics: what the process counted, and facts that are read for the answer.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use vaultterm_store::{ConnectionSummary, Page, StoreError};
use vaultterm_sync::{Entitlement as _, RunState};

use crate::{
    meters::{Meters, sheet::Sheet, table as metrics},
    services::Services,
    standing,
};

/// How long facts of the database are kept, so that frequent readers cost it little.
const KEPT: Duration = Duration::from_secs(5);
/// How long the database may take to tell them. A reader usually waits 10 seconds.
const WITHIN: Duration = Duration::from_secs(5);
/// The connections of which an answer tells. The server that keeps the answers would have too many series otherwise.
const CONNECTIONS_MAX: usize = 5_000;

/// Returns all metrics in the text format of Prometheus. `services` are there once the root key is open.
pub async fn text(meters: &Meters, services: Option<&Services>) -> String {
    let mut sheet = Sheet::default();
    sheet.put(metrics::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
    sheet.put(metrics::START_TIME, &[], seconds(meters.started.0 / 1_000));
    sheet.put(metrics::SEALED, &[], if services.is_none() { 1.0 } else { 0.0 });
    if let Some(told) = meters.traces.told() {
        sheet.put(metrics::SPANS_SENT_TOTAL, &[], number(told.sent));
        for (why, count) in told.lost {
            sheet.put(metrics::SPANS_LOST_TOTAL, &[why.as_str()], number(count));
        }
    }
    let mut facts = None;
    if let Some(services) = services {
        facts = kept(meters, services).await;
        sheet.put(metrics::DATABASE_UP, &[], if facts.is_some() { 1.0 } else { 0.0 });
        connections_in_use(&mut sheet, services);
        if let Some(entry) = services.license.report().best().filter(|entry| entry.counts) {
            sheet.put(metrics::LICENSE_EXPIRY, &[], seconds(entry.license.expires.as_microsecond()));
        }
    }
    [sheet.text(), meters.text(), facts.unwrap_or_default()].concat()
}

fn connections_in_use(sheet: &mut Sheet, services: &Services) {
    let used = services.store.database_use();
    for pool in used.pools {
        sheet.put(metrics::DATABASE_CONNECTIONS, &[pool.name, "used"], f64::from(pool.used));
        sheet.put(metrics::DATABASE_CONNECTIONS, &[pool.name, "idle"], f64::from(pool.idle));
        sheet.put(metrics::DATABASE_CONNECTIONS_MAX, &[pool.name], f64::from(pool.max));
    }
    sheet.put(metrics::DATABASE_WRITES_TOTAL, &[], number(used.turns));
    sheet.put(metrics::DATABASE_WRITE_WAIT_TOTAL, &[], number(used.waited_us) / 1e6);
}

/// Returns the facts of the database, at most a few seconds old, or nothing if the database does not tell them in time.
async fn kept(meters: &Meters, services: &Services) -> Option<String> {
    // Others who ask at the same time wait here, and get the same answer.
    let mut kept = meters.kept.lock().await;
    if let Some((read, facts)) = &*kept
        && read.elapsed() < KEPT
    {
        return facts.clone();
    }
    let found = match timeout(WITHIN, facts(services)).await {
        Ok(Ok(sheet)) => Some(sheet.text()),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the facts for the metrics could not be read");
            None
        }
        Err(_) => {
            tracing::warn!("the database took longer than {} s to tell the facts for the metrics", WITHIN.as_secs());
            None
        }
    };
    *kept = Some((Instant::now(), found.clone()));
    found
}

async fn facts(services: &Services) -> Result<Sheet, StoreError> {
    let mut sheet = Sheet::default();
    let now_us = services.now_us();
    connections(&mut sheet, services).await?;
    if let Some(expiry) = services.store.first_token_expiry(now_us).await? {
        sheet.put(metrics::API_TOKEN_EXPIRY, &[], seconds(expiry));
    }
    let end = services.store.log_end().await?.seq;
    sheet.put(metrics::AUDIT_ENTRIES_TOTAL, &[], number(end));
    sheet.put(metrics::AUDIT_UNSIGNED, &[], number(services.store.uncovered().await?.entries));
    for webhook in services.store.every_webhook().await? {
        let id = webhook.id.to_string();
        let waiting = end.saturating_sub(webhook.delivered_seq);
        let first = if waiting > 0 { services.store.entry_time_after(webhook.delivered_seq).await? } else { None };
        let lag_us = first.map_or(0, |first| now_us.saturating_sub(first).max(0));
        sheet.put(metrics::WEBHOOK_WAITING, &[&id], number(waiting));
        sheet.put(metrics::WEBHOOK_LAG, &[&id], seconds(lag_us));
        sheet.put(metrics::WEBHOOK_FAILURES, &[&id], f64::from(webhook.failures));
    }
    Ok(sheet)
}

async fn connections(sheet: &mut Sheet, services: &Services) -> Result<(), StoreError> {
    let unlicensed = services.license.missing();
    let mut page = Page { limit: 500, cursor: None };
    let mut told = 0;
    while told < CONNECTIONS_MAX {
        let found = services.store.connection_summaries(None, &page).await?;
        told += found.items.len();
        for summary in &found.items {
            let id = summary.connection.id.0.to_string();
            let (state, _) = standing::of(summary, unlicensed.as_ref());
            sheet.put(metrics::CONNECTION_STATE, &[&id, state.as_str()], 1.0);
            sheet.put(metrics::CONFLICTS_OPEN, &[&id], number(summary.open_conflicts));
            if summary.hints_waiting > 0 {
                sheet.put(metrics::HINTS_WAITING, &[&id], number(summary.hints_waiting));
            }
            if let Some(expires_us) = summary.secret_id_expires_us {
                sheet.put(metrics::SECRET_ID_EXPIRY, &[&id], seconds(expires_us));
            }
            if let Some(success_us) = last_success(summary, services).await? {
                sheet.put(metrics::CONNECTION_LAST_SUCCESS, &[&id], seconds(success_us));
            }
        }
        page.cursor = found.next_cursor;
        if page.cursor.is_none() {
            break;
        }
    }
    Ok(())
}

/// Returns when the last complete run of a connection ended, in microseconds. Usually it is the newest run, which is read
/// already.
async fn last_success(summary: &ConnectionSummary, services: &Services) -> Result<Option<i64>, StoreError> {
    let newest = summary.last_run.as_ref().filter(|run| run.state == RunState::Succeeded);
    let finished = match newest.and_then(|run| run.finished) {
        Some(finished) => Some(finished),
        None => services.store.last_success(summary.connection.id).await?,
    };
    Ok(finished.map(|finished| finished.0 / 1_000))
}

/// Returns microseconds as seconds.
fn seconds(us: i64) -> f64 {
    number(u64::try_from(us).unwrap_or(0)) / 1e6
}

/// Returns a count as a metric has it. A metric needs no more than 53 bits.
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn a_sealed_server_tells_that_it_is_sealed_and_nothing_of_the_database() {
        let text = text(&Meters::default(), None).await;
        assert!(text.contains("vaultterm_sealed 1\n"), "{text}");
        assert!(
            text.contains(concat!("vaultterm_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1\n")),
            "{text}"
        );
        assert!(!text.contains("vaultterm_database_up") && !text.contains("vaultterm_audit"), "{text}");
    }

    #[tokio::test]
    async fn facts_of_the_database_are_kept_for_a_moment_and_a_database_that_is_gone_is_told() {
        let house = House::new().await;
        let meters = Meters::default();
        let before = text(&meters, Some(&house.services)).await;
        assert!(before.contains("vaultterm_sealed 0\n") && before.contains("vaultterm_database_up 1\n"), "{before}");
        assert!(before.contains("# TYPE vaultterm_audit_entries_total counter\n"), "{before}");
        house.services.store.close().await;
        let kept = text(&meters, Some(&house.services)).await;
        assert!(kept.contains("vaultterm_database_up 1\n"), "what was read a moment ago: {kept}");
        let gone = text(&Meters::default(), Some(&house.services)).await;
        assert!(gone.contains("vaultterm_database_up 0\n") && !gone.contains("vaultterm_audit"), "{gone}");
    }
}
