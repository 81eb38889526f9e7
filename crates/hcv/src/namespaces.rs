//! Proves that a server knows namespaces before one is relied on. HashiCorp Vault's Community edition
//! ignores the header and serves the root namespace, whatever it names.

use vaultterm_sync::{FaultClass, RemoteFault};

use crate::{
    fault::{self, Absence},
    http::{Namespace, Request, Transport},
    sys::{Health, Mount},
};

/// Proves that the namespaces of a connection are not ignored. Nothing is asked where none is named.
///
/// The proof is a request to a namespace that cannot exist, and it needs no token: a server that
/// knows namespaces refuses it, one that serves it ignores them, and so does a gateway that drops the
/// header.
///
/// # Errors
/// [`FaultClass::NamespaceIgnored`], or why nothing could be proven.
pub(crate) async fn prove(transport: &Transport, health: &Health) -> Result<(), RemoteFault> {
    if !transport.namespaces().any() {
        return Ok(());
    }
    let request = Request { namespace: Namespace::Nowhere, ..Mount::request_all() };
    let answer = transport.send(&request, None).await.map_err(|error| error.fault(&request))?;
    let ignored = match answer.status.as_u16() {
        200 => {
            answer.parse::<serde::de::IgnoredAny>(&request.doing)?;
            true
        }
        404 if fault::absence(&answer) == Absence::NoNamespace => false,
        // Refused for a reason that is not told: then what the server says about itself counts.
        400 | 403 | 404 => health.is_community(),
        _ => return Err(fault::refused(&request, &answer)),
    };
    if !ignored {
        return Ok(());
    }
    Err(fault::hinted(
        FaultClass::NamespaceIgnored,
        "a namespace is configured, but this server has none: it ignores the name and would serve the secrets of its root namespace (HashiCorp Vault Community does so, and so does a proxy that drops X-Vault-Namespace)",
        "remove the namespace if the secrets are in the root namespace; else use the address of a server that has namespaces (Vault Enterprise, OpenBao)",
    ))
}
