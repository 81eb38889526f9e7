//! Reads the remote value of a conflict for a person who looks at it. This writes nothing except a `SecretID`
//! that was unwrapped, and takes no lease.

use tokio_util::sync::CancellationToken;
use vaultterm_reconcile::RemoteExpect;
use vaultterm_sealing::SecretFields;

use crate::{
    Clock, ConflictId, Connector, Engine, EngineError, Journal, Remote,
    brake::Brake,
    engine::unplanned,
    in_time::in_time,
    problem::StepError,
    retry::CallError,
    session::{Session, connect},
};

impl<J: Journal, C: Connector, K: Clock> Engine<J, C, K> {
    /// Reads exactly the version of the secret that the conflict is about. Returns `None` if the conflict is
    /// about a secret that is absent or deleted.
    ///
    /// # Errors
    /// [`EngineError::Stale`] if that version can no longer be read.
    pub async fn remote_of(&self, id: ConflictId) -> Result<Option<SecretFields>, EngineError> {
        let stored = self.journal.conflict(id).await?.ok_or(EngineError::NotFound("conflict"))?;
        let RemoteExpect::Live { stamp, .. } = stored.conflict.expect.remote else { return Ok(None) };
        let (connection, secrets) = self.load(stored.connection_id).await?;
        let brake = Brake::new(CancellationToken::new());
        let seed = self.ids.draw(self.clock.now()).as_u64_pair().1;
        let work = async {
            let connected = connect(self.shell(), &brake, &connection, secrets, seed).await?;
            let session = Session::new(self.shell(), &brake, &connection, &connected, seed);
            let read = session.remote_fields(&stored.conflict.path, &stamp).await;
            if let Err(fault) = connected.remote.close().await {
                tracing::warn!(%fault, "a token could not be revoked");
            }
            Ok::<_, CallError>(read)
        };
        let read = match in_time(&self.clock, &self.bounds, &brake, work).await {
            Ok(read) => read,
            Err(error) => return Err(unplanned(error, brake)),
        };
        match read {
            Ok(read) => Ok(Some(read.fields)),
            Err(StepError::Fault(fault)) => Err(fault.into()),
            Err(StepError::Stale(why) | StepError::Unreadable(why) | StepError::Waits(why)) => {
                Err(EngineError::Stale(why))
            }
            Err(StepError::Limits(error)) => Err(EngineError::NotResolvable(error.to_string())),
            Err(StepError::Stopped) => Err(unplanned(CallError::Stopped, brake)),
        }
    }
}
