//! Proves that a server knows namespaces before VaultTerm relies on one. The Community edition of HashiCorp
//! Vault ignores the header and serves the root namespace, whatever namespace the header names.

use vaultterm_sync::{FaultClass, RemoteFault};

use crate::{
    fault::{self, Absence},
    http::{Namespace, Request, Transport},
    sys::{Health, Mount},
};

/// Proves that the server does not ignore the namespaces of a connection. Sends no request if the connection
/// names none.
///
/// The proof is a request to a namespace that cannot exist. It needs no token. A server that knows namespaces
/// refuses it. A server that serves it ignores namespaces, or a gateway before it drops the header.
///
/// # Errors
/// [`FaultClass::NamespaceIgnored`], or the reason why nothing could be proven.
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
        // The server does not say why it refuses the request, so the edition that its health names decides.
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
