//! A connection as the API shows it: its settings and its state.

use vaultterm_contract::{AuthView, ConnectionView, OptionsView, RunView, TlsView, moment};
use vaultterm_operations::connections::Seen;
use vaultterm_sync::{Connection, schedule};

fn options(connection: &Connection) -> OptionsView {
    let options = &connection.options;
    OptionsView {
        merge: options.merge,
        deletions: options.deletions,
        expired: options.expired,
        initial: options.initial,
        on_drift: options.on_drift,
        annotate: options.annotate,
        interval_seconds: connection.schedule.interval_seconds,
        on_change: connection.schedule.on_change,
        max_delete_percent: options.max_delete_percent,
        max_delete_count: options.max_delete_count,
        concurrency_max: connection.concurrency_max,
        requests_per_second_max: connection.schedule.requests_per_second_max,
    }
}

/// Shows a connection.
pub(super) fn of(seen: &Seen) -> ConnectionView {
    let Seen { summary, standing, why, next_login } = seen;
    let connection = &summary.connection;
    ConnectionView {
        id: connection.id.0,
        name: connection.name.clone(),
        collection_id: connection.collection_id.0,
        address: connection.address.clone(),
        namespace: connection.namespace.clone(),
        tls: TlsView {
            ca_pem: connection.tls.ca_pem.clone(),
            server_name: connection.tls.server_name.clone(),
            client_cert_pem: connection.tls.client_cert_pem.clone(),
        },
        auth: AuthView {
            method: "approle".to_owned(),
            mount: connection.auth_mount.clone(),
            namespace: connection.auth_namespace.clone(),
            role_id: connection.role_id.clone(),
        },
        mount: connection.mount.clone(),
        path: connection.path.clone(),
        mode: connection.options.mode,
        options: options(connection),
        warnings: connection.options.risk().into_iter().map(str::to_owned).collect(),
        state: *standing,
        state_detail: why.clone(),
        next_login_at: next_login.map(moment::of),
        last_run: summary.last_run.as_ref().map(RunView::from),
        answers_age_seconds_max: schedule::age_max(connection.schedule, summary.last_run.as_ref())
            .map(|age| age.as_secs() + u64::from(age.subsec_nanos() > 0)),
        last_verified_at: summary.last_verified_us.map(moment::of_us),
        open_conflicts: summary.open_conflicts,
        accepted_differences: summary.accepted_paths,
        hints_waiting: summary.hints_waiting,
        hinted_everything: summary.hinted_everything,
        secret_id_expires_at: summary.secret_id_expires_us.map(moment::of_us),
        revision: connection.revision,
        created_at: moment::of_us(summary.created_us),
        updated_at: moment::of_us(summary.updated_us),
    }
}
