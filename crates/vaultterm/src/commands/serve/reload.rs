//! Handles SIGHUP: reads the certificate, the credentials and the license again. A reload never ends the
//! server.

use std::sync::{Arc, OnceLock};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
};
use vaultterm_server::{ServerState, TlsPem, TlsReload};

use crate::{
    failure::Failure,
    private_file,
    server_config::{ConfigArgs, ServerConfig, TlsFiles},
};

/// The parts that can be reloaded, as far as the start of the server has got.
#[derive(Clone, Default)]
pub(super) struct Reloads {
    /// Wakes a server that waits for the unsealing of its root key.
    pub(super) again: Arc<Notify>,
    /// The certificate, if the server uses TLS.
    pub(super) tls: Arc<OnceLock<TlsReload>>,
    /// The server, after its keys are open.
    pub(super) app: Arc<OnceLock<ServerState>>,
}

/// Listens for SIGHUP, which would otherwise end the process.
pub(super) fn listen() -> Result<Signal, Failure> {
    signal(SignalKind::hangup()).map_err(|error| Failure::local("cannot listen for signals").because(&error))
}

impl Reloads {
    /// Reloads at each SIGHUP. Never returns.
    pub(super) async fn at_each(self, mut hangup: Signal, args: ConfigArgs) {
        while hangup.recv().await.is_some() {
            self.reload(&args);
        }
    }

    /// Reads everything again that may have been renewed. An error is logged, and the previous part stays in
    /// force.
    fn reload(&self, args: &ConfigArgs) {
        tracing::info!("SIGHUP: certificate, credentials and license are read again");
        match (ServerConfig::load(args, None), self.tls.get()) {
            (Err(failure), _) => tell("the configuration", &failure),
            (Ok(config), Some(tls)) => match config.tls.as_ref().map(read_tls) {
                Some(Ok(pem)) => match tls.reload(&pem) {
                    Ok(()) => tracing::info!("the certificate was read again"),
                    Err(error) => tell("the certificate", &Failure::local("it cannot be used").because(&error)),
                },
                Some(Err(failure)) => tell("the certificate", &failure),
                None => {
                    tracing::warn!(
                        "TLS is served until a restart, although the configuration names no certificate now"
                    );
                }
            },
            (Ok(_), None) => {}
        }
        // The credential for the seal is read before each use. A server that waits for a new credential
        // therefore tries again at once.
        self.again.notify_one();
        if let Some(app) = self.app.get() {
            app.read_license_again();
        }
    }
}

fn tell(what: &str, failure: &Failure) {
    let causes = failure.causes.join(": ");
    tracing::error!(why = failure.message, causes, "{what} cannot be read again: the previous one stays in use");
}

/// Reads the certificate and its key.
pub(super) fn read_tls(files: &TlsFiles) -> Result<TlsPem, Failure> {
    private_file::check_mode(&files.key)?;
    let read = |path: &std::path::Path| {
        std::fs::read(path).map_err(|error| Failure::local(format!("cannot read {}", path.display())).because(&error))
    };
    Ok(TlsPem { certificates: read(&files.cert)?, key: read(&files.key)? })
}
