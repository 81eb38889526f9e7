//! The engine's `Remote` on a logged-in session.

use vaultterm_reconcile::{RecordId, RecordType, RemoteSight, RemoteSnapshot, SecretPath, Version};
use vaultterm_sealing::SecretFields;
use vaultterm_sync::{Remote, RemoteFault, SecretRead, WriteReceipt};

/// One KV v2 scope of a Vault or OpenBao server, logged in.
#[derive(Debug)]
pub struct VaultRemote {}

impl Remote for VaultRemote {
    async fn observe(&self) -> Result<RemoteSnapshot, RemoteFault> {
        todo!()
    }

    async fn look(&self, path: &SecretPath) -> Result<RemoteSight, RemoteFault> {
        let _ = path;
        todo!()
    }

    async fn read(&self, path: &SecretPath, version: Version) -> Result<Option<SecretRead>, RemoteFault> {
        let _ = (path, version);
        todo!()
    }

    async fn write(&self, path: &SecretPath, fields: &SecretFields, cas: Version) -> Result<WriteReceipt, RemoteFault> {
        let _ = (path, fields, cas);
        todo!()
    }

    async fn annotate(
        &self,
        path: &SecretPath,
        record_id: RecordId,
        record_type: RecordType,
    ) -> Result<(), RemoteFault> {
        let _ = (path, record_id, record_type);
        todo!()
    }

    async fn delete(&self, path: &SecretPath, version: Version) -> Result<Option<String>, RemoteFault> {
        let _ = (path, version);
        todo!()
    }

    fn requests(&self) -> u64 {
        0
    }

    async fn close(&self) {}
}
