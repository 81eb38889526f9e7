//! What creates or changes a connection. `operations` checks it.

use uuid::Uuid;
use vaultterm_contract::{
    AuthBody, AuthPatch, ConnectionCreate, ConnectionPatch, CredentialBody, OptionsBody, ReachBody, TlsBody,
};
use vaultterm_operations::connections::{Wanted, WantedAuth, WantedCredential, WantedOptions, WantedTls};

fn tls(body: TlsBody) -> WantedTls {
    let TlsBody { ca_pem, server_name, client_cert_pem, client_key_pem } = body;
    WantedTls { ca_pem, server_name, client_cert_pem, client_key_pem }
}

pub(super) fn credential(body: CredentialBody) -> WantedCredential {
    WantedCredential { secret_id: body.secret_id, wrapping_token: body.wrapping_token }
}

fn options(body: OptionsBody) -> WantedOptions {
    WantedOptions {
        merge: body.merge,
        deletions: body.deletions,
        expired: body.expired,
        initial: body.initial,
        on_drift: body.on_drift,
        annotate: body.annotate,
        interval_seconds: body.interval_seconds,
        on_change: body.on_change,
        max_delete_percent: body.max_delete_percent,
        max_delete_count: body.max_delete_count,
        concurrency_max: body.concurrency_max,
        requests_per_second_max: body.requests_per_second_max,
    }
}

/// Takes the body apart: what the connection should be, and the credential.
pub(super) fn created(body: ConnectionCreate) -> (Wanted, WantedCredential) {
    let AuthBody { method, mount, namespace, role_id, secret_id, wrapping_token } = body.auth;
    let wanted = Wanted {
        name: Some(body.name),
        address: Some(body.address),
        namespace: Some(body.namespace),
        tls: body.tls.map(tls),
        auth: WantedAuth { method, mount, namespace: Some(namespace), role_id: Some(role_id) },
        mount: Some(body.mount),
        path: Some(body.path),
        mode: Some(body.mode),
        options: body.options.map(options),
    };
    (wanted, WantedCredential { secret_id, wrapping_token })
}

/// Takes the body apart: the collection, and where its server would be.
pub(super) fn reached(body: ReachBody) -> (Uuid, Wanted) {
    let ReachBody { collection_id, address, namespace, tls: of_tls } = body;
    let (address, namespace, tls) = (Some(address), Some(namespace), of_tls.map(tls));
    (collection_id, Wanted { address, namespace, tls, ..Wanted::default() })
}

pub(super) fn changed(body: ConnectionPatch) -> Wanted {
    let auth = body.auth.map_or_else(WantedAuth::default, |auth| {
        let AuthPatch { method, mount, namespace, role_id } = auth;
        WantedAuth { method, mount, namespace, role_id }
    });
    Wanted {
        name: body.name,
        address: body.address,
        namespace: body.namespace,
        tls: body.tls.map(tls),
        auth,
        mount: body.mount,
        path: body.path,
        mode: body.mode,
        options: body.options.map(options),
    }
}
