//! Reads the rows of connections, their sealed secrets and their state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vaultterm_reconcile::Options;
use vaultterm_sealing::{Place, Purpose, SecretText};
use vaultterm_sync::{CollectionId, Connection, ConnectionId, ConnectionSecrets, Credential, Run, RunId, Tls};

use crate::{
    Store, StoreError, runs,
    sealed::seal,
    sql::{Arg, Row, Select, Tx, args},
};

/// A connection with its state.
#[derive(Clone, Debug)]
pub struct ConnectionSummary {
    /// The connection.
    pub connection: Connection,
    /// The newest run. Resolutions do not count as runs here.
    pub last_run: Option<Run>,
    /// Whether a run holds the lease now.
    pub running: bool,
    /// The number of conflicts that wait for a person.
    pub open_conflicts: u64,
    /// The number of paths whose two sides differ, and a person accepted the difference.
    pub accepted_paths: u64,
    /// The number of paths at which somebody hinted that a secret changed in Vault, and no run has looked yet.
    pub hints_waiting: u64,
    /// Whether somebody hinted to look at everything, and no run has done so yet.
    pub hinted_everything: bool,
    /// The time at which a test or run last talked to the server with success, in microseconds.
    pub last_verified_us: Option<i64>,
    /// The expiry of the `SecretID` in microseconds, if the role may look it up.
    pub secret_id_expires_us: Option<i64>,
    /// The number of consecutive runs that were refused at the login since the credential was last changed or
    /// used with success.
    pub logins_refused: u32,
    /// The time of creation, in microseconds.
    pub created_us: i64,
    /// The time of the last change, in microseconds.
    pub updated_us: i64,
}

impl Store {
    /// Lists the connections with risky options by name, each with a description of the risk.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn risky_connections(&self) -> Result<Vec<(String, &'static str)>, StoreError> {
        let rows = self.db.all("SELECT name, options FROM connections ORDER BY name", args![]).await?;
        let mut risky = Vec::new();
        for row in &rows {
            let options: Options = row.json("options")?;
            if let Some(risk) = options.risk() {
                risky.push((row.text("name")?, risk));
            }
        }
        Ok(risky)
    }

    /// Reads a connection.
    pub(crate) fn connection_row(&self, row: &Row) -> Result<Connection, StoreError> {
        let identity = row.maybe_text("identity")?.map(|_| row.json("identity")).transpose()?;
        let Way { tls, auth_namespace } = row.json("tls")?;
        Ok(self.as_read(Connection {
            id: ConnectionId(row.id("id")?),
            name: row.text("name")?,
            collection_id: CollectionId(row.id("collection_id")?),
            address: row.text("address")?,
            namespace: row.maybe_text("namespace")?,
            tls,
            auth_mount: row.text("auth_mount")?,
            auth_namespace,
            role_id: row.text("role_id")?,
            mount: row.text("mount")?,
            path: row.text("path")?,
            options: row.json("options")?,
            schedule: row.json("schedule")?,
            concurrency_max: row.small("concurrency_max")?,
            paused: row.flag("paused")?,
            started: row.flag("started")?,
            scope_changed: row.flag("scope_changed")?,
            guarded: row.maybe_text("guarded")?,
            identity,
            revision: row.count("revision")?,
        }))
    }

    /// Sets the instance that marks remote secrets to this installation, and ignores the stored one.
    pub(crate) fn as_read(&self, mut connection: Connection) -> Connection {
        connection.options.instance = self.instance().0.to_string();
        connection
    }

    /// Opens the secrets of a connection.
    pub(crate) fn secrets_row(&self, row: &Row) -> Result<ConnectionSecrets, StoreError> {
        let place = |purpose| Ok::<_, StoreError>(place(purpose, row.id("collection_id")?, row.id("id")?));
        let open = |purpose, prefix| {
            let opened = self.keyring.unseal(&place(purpose)?, &row.sealed_as(prefix)?)?;
            let text = std::str::from_utf8(opened.expose()).map_err(|_| StoreError::Malformed("credential"))?;
            Ok::<_, StoreError>(SecretText::new(text.to_owned()))
        };
        let credential = open(Purpose::ConnectionSecretId, "")?;
        let credential = match row.text("credential_kind")?.as_str() {
            SECRET_ID => Credential::SecretId(credential),
            WRAPPING_TOKEN => Credential::WrappingToken(credential),
            _ => return Err(StoreError::Malformed("credential kind")),
        };
        let has_key = row.maybe_text("tls_key_id")?.is_some();
        let client_key_pem = if has_key { Some(open(Purpose::ConnectionTlsKey, "tls_")?) } else { None };
        Ok(ConnectionSecrets { credential, client_key_pem })
    }

    /// Seals a credential. Returns the name of its kind and the three columns.
    pub(crate) async fn sealed_credential(
        &self,
        tx: &mut Tx,
        connection: &Connection,
        credential: &Credential,
    ) -> Result<(&'static str, [Arg; 3]), StoreError> {
        let (kind, text) = match credential {
            Credential::SecretId(text) => (SECRET_ID, text),
            Credential::WrappingToken(text) => (WRAPPING_TOKEN, text),
        };
        let place = place(Purpose::ConnectionSecretId, connection.collection_id.0, connection.id.0);
        Ok((kind, seal(tx, &self.keyring, &place, text.expose().as_bytes()).await?))
    }

    /// Seals a client key. Returns the three columns, which are NULL without a key.
    pub(crate) async fn sealed_tls_key(
        &self,
        tx: &mut Tx,
        connection: &Connection,
        key: Option<&SecretText>,
    ) -> Result<[Arg; 3], StoreError> {
        let place = place(Purpose::ConnectionTlsKey, connection.collection_id.0, connection.id.0);
        match key {
            Some(key) => seal(tx, &self.keyring, &place, key.expose().as_bytes()).await,
            None => Ok([Arg::Text(None), Arg::Bytes(None), Arg::Bytes(None)]),
        }
    }

    /// Replaces the credential and returns the name of its kind.
    pub(crate) async fn set_credential(
        &self,
        tx: &mut Tx,
        connection: &Connection,
        credential: &Credential,
    ) -> Result<&'static str, StoreError> {
        let (kind, [key_id, wrapped_key, ciphertext]) = self.sealed_credential(tx, connection, credential).await?;
        // The expiry of the previous credential says nothing about the new one.
        let sql = "UPDATE connections SET credential_kind = $2, key_id = $3, wrapped_key = $4, ciphertext = $5,
                                          secret_id_expires_us = NULL, logins_refused = 0
                   WHERE id = $1";
        tx.run(sql, args![connection.id, kind, key_id, wrapped_key, ciphertext]).await?;
        Ok(kind)
    }

    /// Reads connections with their state.
    pub(crate) async fn summaries(&self, rows: &[Row]) -> Result<Vec<ConnectionSummary>, StoreError> {
        let last_runs = rows.iter().map(|row| row.maybe_id("last_run_id")).collect::<Result<Vec<_>, _>>()?;
        let mut select = Select::new("SELECT * FROM runs WHERE 1 = 1", args![]);
        select.and_any("id", last_runs.iter().flatten().copied());
        let runs = self.db.select(select.all()).await?;
        let runs = runs.iter().map(|row| runs::run(row).map(|run| (run.id, run)));
        let mut runs: BTreeMap<RunId, Run> = runs.collect::<Result<_, _>>()?;
        let now = self.now();
        let summary = |(row, last_run): (&Row, Option<uuid::Uuid>)| {
            Ok(ConnectionSummary {
                connection: self.connection_row(row)?,
                last_run: last_run.and_then(|id| runs.remove(&RunId(id))),
                running: row.maybe_int("leased_until")?.is_some_and(|until| until > now.0),
                open_conflicts: row.count("open_conflicts")?,
                accepted_paths: row.count("accepted_paths")?,
                hints_waiting: row.count("hints_waiting")?,
                hinted_everything: row.maybe_int("hinted_everything")?.is_some_and(|number| number > 0),
                last_verified_us: row.maybe_int("last_verified_us")?,
                secret_id_expires_us: row.maybe_int("secret_id_expires_us")?,
                logins_refused: row.small("logins_refused")?,
                created_us: row.int("created_us")?,
                updated_us: row.int("updated_us")?,
            })
        };
        rows.iter().zip(last_runs).map(summary).collect()
    }
}

/// How a server is reached, as the column `tls` stores it. The namespace of the login was added later, and
/// older rows do not have it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Way {
    #[serde(flatten)]
    tls: Tls,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    auth_namespace: Option<String>,
}

impl Way {
    /// Returns the content of the column for a connection.
    pub(crate) fn of(connection: &Connection) -> Self {
        Self { tls: connection.tls.clone(), auth_namespace: connection.auth_namespace.clone() }
    }
}

const SECRET_ID: &str = "secret_id";
const WRAPPING_TOKEN: &str = "wrapping_token";

const fn place(purpose: Purpose, collection: uuid::Uuid, object: uuid::Uuid) -> Place {
    Place { purpose, collection, object, revision: 0 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use vaultterm_reconcile::{MergePolicy, Mode, Options};

    use crate::{ConnectionUpdate, testing::House};

    #[tokio::test]
    async fn a_connection_keeps_the_merge_that_it_has_and_is_listed_while_that_risks_something() {
        let house = House::new().await;
        let made = house.connect("one", Mode::Bidirectional, "one").await.unwrap();
        house.connect("two", Mode::Push, "two").await.unwrap();
        assert_eq!(made.options.merge, MergePolicy::Descriptive, "the default of new connections");
        assert!(house.store.risky_connections().await.unwrap().is_empty());
        // This is how a connection is stored that was created when `field` was the default.
        let options = Some(Options { merge: MergePolicy::Field, ..made.options });
        let update = ConnectionUpdate { options, ..ConnectionUpdate::default() };
        house.store.update_connection(&house.ann(), made.id, 1, update).await.unwrap();
        let update = ConnectionUpdate { name: Some("renamed".to_owned()), ..ConnectionUpdate::default() };
        let edited = house.store.update_connection(&house.ann(), made.id, 2, update).await.unwrap();
        assert_eq!(edited.options.merge, MergePolicy::Field);
        let risky = house.store.risky_connections().await.unwrap();
        let [(name, risk)] = &risky[..] else { panic!("{risky:?}") };
        assert!(name == "renamed" && risk.contains("nobody wrote"), "{name}: {risk}");
    }
}
