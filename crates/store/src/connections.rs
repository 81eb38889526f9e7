//! Connections and their secrets.

use uuid::Uuid;
use vaultterm_ledger::{Action, ObjectKind};
use vaultterm_sealing::{Place, Purpose, Sealed, SecretText};
use vaultterm_sync::{CollectionId, Connection, ConnectionId, ConnectionSecrets, Credential};

use crate::{
    Context, Store, StoreError,
    audit::about,
    revisions::sealed,
    sql::{Row, Tx, args, json, taken},
};

/// A connection to create.
#[derive(Debug)]
pub struct NewConnection {
    /// Everything but the secrets; `id`, `revision`, `paused`, `started`, `scope_changed` and
    /// `identity` are set by the store.
    pub connection: Connection,
    /// Its secrets.
    pub secrets: ConnectionSecrets,
}

impl Store {
    /// Creates a connection (`HCV_CONNECTION_CREATED`).
    ///
    /// # Errors
    /// [`StoreError::Exists`] for the name.
    pub async fn create_connection(&self, context: &Context, new: NewConnection) -> Result<Connection, StoreError> {
        let id = ConnectionId(Uuid::now_v7());
        let NewConnection { connection, secrets } = new;
        let (kind, credential) = self.seal_credential(id, &secrets.credential)?;
        let client_key = secrets.client_key_pem.as_ref().map(|key| self.seal_client_key(id, key)).transpose()?;
        let mut tx = self.db.write().await?;
        tx.run(
            "INSERT INTO connections (id, name, collection_id, address, namespace, tls, auth_mount, role_id, mount, path,
                 options, schedule, concurrency_max, created_us, updated_us,
                 credential_kind, credential_key_id, credential_wrapped_key, credential_ciphertext,
                 client_key_key_id, client_key_wrapped_key, client_key_ciphertext)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14, $15, $16, $17, $18, $19, $20, $21)",
            args![
                id.0,
                connection.name.as_str(),
                connection.collection_id.0,
                connection.address.as_str(),
                connection.namespace.clone(),
                json(&connection.tls),
                connection.auth_mount.as_str(),
                connection.role_id.as_str(),
                connection.mount.as_str(),
                connection.path.as_str(),
                json(&connection.options),
                json(&connection.schedule),
                connection.concurrency_max,
                context.now_us,
                kind,
                credential.key_id,
                credential.wrapped_key,
                credential.ciphertext,
                client_key.as_ref().map(|key| key.key_id),
                client_key.as_ref().map(|key| key.wrapped_key.clone()),
                client_key.map(|key| key.ciphertext),
            ],
        )
        .await
        .map_err(|error| taken(error, "connection", &connection.name))?;
        let draft = context.draft(Action::HcvConnectionCreated, ObjectKind::Connection, id.0, Some(&connection.name));
        self.log.append(&mut tx, [about(draft, ObjectKind::Collection, connection.collection_id.0)]).await?;
        tx.commit().await?;
        self.connection_with_secrets(id).await?.map(|(made, _)| made).ok_or(StoreError::NotFound("connection"))
    }

    /// Finds a connection by name.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn connection_by_name(&self, name: &str) -> Result<Option<Connection>, StoreError> {
        let row = self.db.one("SELECT * FROM connections WHERE name = $1", args![name]).await?;
        row.map(|row| read(&row)).transpose()
    }

    /// Loads a connection's secrets.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn connection_secrets(&self, id: ConnectionId) -> Result<Option<ConnectionSecrets>, StoreError> {
        Ok(self.connection_with_secrets(id).await?.map(|(_, secrets)| secrets))
    }

    /// Replaces the credential (`HCV_SECRET_ID_ROTATED`).
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn rotate_secret_id(
        &self,
        context: &Context,
        id: ConnectionId,
        credential: &Credential,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        if self.set_credential(&mut tx, id, credential).await? == 0 {
            return Err(StoreError::NotFound("connection"));
        }
        self.log
            .append(&mut tx, [context.draft(Action::HcvSecretIdRotated, ObjectKind::Connection, id.0, None)])
            .await?;
        tx.commit().await
    }

    pub(crate) async fn set_credential(
        &self,
        tx: &mut Tx,
        id: ConnectionId,
        credential: &Credential,
    ) -> Result<u64, StoreError> {
        let (kind, sealed) = self.seal_credential(id, credential)?;
        tx.run(
            "UPDATE connections SET credential_kind = $2, credential_key_id = $3, credential_wrapped_key = $4,
                 credential_ciphertext = $5, secret_id_expires_us = NULL WHERE id = $1",
            args![id.0, kind, sealed.key_id, sealed.wrapped_key, sealed.ciphertext],
        )
        .await
    }

    pub(crate) async fn connection_with_secrets(
        &self,
        id: ConnectionId,
    ) -> Result<Option<(Connection, ConnectionSecrets)>, StoreError> {
        let Some(row) = self.db.one("SELECT * FROM connections WHERE id = $1", args![id.0]).await? else {
            return Ok(None);
        };
        let text = self.open_text(Purpose::ConnectionSecretId, id, &sealed(&row, "credential_")?)?;
        let credential = match row.text("credential_kind")?.as_str() {
            "secret_id" => Credential::SecretId(text),
            "wrapping_token" => Credential::WrappingToken(text),
            _ => return Err(StoreError::Malformed("credential kind")),
        };
        let client_key_pem = match row.maybe_text("client_key_key_id")? {
            Some(_) => Some(self.open_text(Purpose::ConnectionTlsKey, id, &sealed(&row, "client_key_")?)?),
            None => None,
        };
        Ok(Some((read(&row)?, ConnectionSecrets { credential, client_key_pem })))
    }

    fn seal_credential(&self, id: ConnectionId, credential: &Credential) -> Result<(&'static str, Sealed), StoreError> {
        let (kind, text) = match credential {
            Credential::SecretId(text) => ("secret_id", text),
            Credential::WrappingToken(text) => ("wrapping_token", text),
        };
        Ok((kind, self.keyring.seal(&place(Purpose::ConnectionSecretId, id), text.expose().as_bytes())?))
    }

    fn seal_client_key(&self, id: ConnectionId, key: &SecretText) -> Result<Sealed, StoreError> {
        Ok(self.keyring.seal(&place(Purpose::ConnectionTlsKey, id), key.expose().as_bytes())?)
    }

    fn open_text(&self, purpose: Purpose, id: ConnectionId, sealed: &Sealed) -> Result<SecretText, StoreError> {
        let bytes = self.keyring.unseal(&place(purpose, id), sealed)?;
        let text = std::str::from_utf8(bytes.expose()).map_err(|_| StoreError::Malformed("credential"))?;
        Ok(SecretText::new(text.to_owned()))
    }
}

const fn place(purpose: Purpose, id: ConnectionId) -> Place {
    Place { purpose, collection: Uuid::nil(), object: id.0, revision: 0 }
}

fn read(row: &Row) -> Result<Connection, StoreError> {
    let identity = row.maybe_text("identity")?.map(|text| serde_json::from_str(&text)).transpose();
    Ok(Connection {
        id: ConnectionId(row.id("id")?),
        name: row.text("name")?,
        collection_id: CollectionId(row.id("collection_id")?),
        address: row.text("address")?,
        namespace: row.maybe_text("namespace")?,
        tls: row.json("tls")?,
        auth_mount: row.text("auth_mount")?,
        role_id: row.text("role_id")?,
        mount: row.text("mount")?,
        path: row.text("path")?,
        options: row.json("options")?,
        schedule: row.json("schedule")?,
        concurrency_max: u32::try_from(row.int("concurrency_max")?).unwrap_or(u32::MAX),
        paused: row.flag("paused")?,
        started: row.flag("started")?,
        scope_changed: row.flag("scope_changed")?,
        identity: identity.map_err(|_| StoreError::Malformed("identity"))?,
        revision: row.count("revision")?,
    })
}
