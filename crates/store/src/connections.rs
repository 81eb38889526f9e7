//! Connections: creating, changing, finding them. Their rows and secrets are read in
//! `connection_rows.rs`.

use uuid::Uuid;
use vaultterm_ledger::{Action, Draft, ObjectKind, Outcome};
use vaultterm_reconcile::{Mode, Options};
use vaultterm_sealing::SecretText;
use vaultterm_sync::{CollectionId, Connection, ConnectionId, ConnectionSecrets, Credential, Run, Schedule, Tls};

use crate::{
    Context, Page, Paged, Store, StoreError,
    context::Facts as _,
    leases,
    sql::{Select, Tx, args, json, taken},
};

/// A connection to create.
#[derive(Debug)]
pub struct NewConnection {
    /// Everything but the secrets; `id`, `revision`, `paused`, `started`, `scope_changed`,
    /// `guarded` and `identity` are set by the store.
    pub connection: Connection,
    /// Its secrets.
    pub secrets: ConnectionSecrets,
}

/// What to change; `None` stays. Another address, namespace, mount or path sets
/// `scope_changed`.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "the names are the connection's")]
pub struct ConnectionUpdate {
    pub name: Option<String>,
    pub address: Option<String>,
    pub namespace: Option<Option<String>>,
    pub tls: Option<Tls>,
    pub client_key_pem: Option<Option<SecretText>>,
    pub auth_mount: Option<String>,
    pub role_id: Option<String>,
    pub mount: Option<String>,
    pub path: Option<String>,
    pub options: Option<Options>,
    pub schedule: Option<Schedule>,
    pub concurrency_max: Option<u32>,
    pub paused: Option<bool>,
}

/// A connection and how it stands.
#[derive(Clone, Debug)]
pub struct ConnectionSummary {
    /// The connection.
    pub connection: Connection,
    /// Its newest run; resolutions are none.
    pub last_run: Option<Run>,
    /// A run holds the lease now.
    pub running: bool,
    /// Conflicts that wait for a person.
    pub open_conflicts: u64,
    /// When a test or run last succeeded in talking to the server, microseconds.
    pub last_verified_us: Option<i64>,
    /// When the `SecretID` expires, microseconds, where the role may know.
    pub secret_id_expires_us: Option<i64>,
    /// Microseconds.
    pub created_us: i64,
    /// Microseconds.
    pub updated_us: i64,
}

/// A connection with what its summary adds.
const SUMMARY: &str = "SELECT c.*,
        (SELECT COUNT(*) FROM conflicts f WHERE f.connection_id = c.id AND f.status = 'open') AS open_conflicts,
        (SELECT l.expires FROM leases l WHERE l.connection_id = c.id AND l.holder IS NOT NULL) AS leased_until,
        (SELECT r.id FROM runs r WHERE r.connection_id = c.id AND r.cause <> 'resolution'
         ORDER BY r.id DESC LIMIT 1) AS last_run_id
    FROM connections c";

impl Store {
    /// Creates a connection (`HCV_CONNECTION_CREATED`).
    ///
    /// # Errors
    /// [`StoreError::Exists`] for the name; [`StoreError::Refused`] when another connection
    /// that writes covers an overlapping remote scope.
    pub async fn create_connection(&self, context: &Context, new: NewConnection) -> Result<Connection, StoreError> {
        let NewConnection { connection, secrets } = new;
        let connection = Connection {
            id: ConnectionId(Uuid::now_v7()),
            paused: false,
            started: false,
            scope_changed: false,
            guarded: None,
            identity: None,
            revision: 1,
            ..connection
        };
        let (kind, [key_id, wrapped_key, ciphertext]) = self.sealed_credential(&connection, &secrets.credential)?;
        let [tls_key_id, tls_wrapped_key, tls_ciphertext] =
            self.sealed_tls_key(&connection, secrets.client_key_pem.as_ref())?;
        let mut tx = self.db.write().await?;
        self.refuse_overlap(&mut tx, &connection).await?;
        tx.run(
            "INSERT INTO connections (id, name, collection_id, address, namespace, tls, auth_mount, role_id, mount,
                                      path, options, schedule, concurrency_max, paused, started, scope_changed,
                                      identity, last_verified_us, secret_id_expires_us, revision, created_us,
                                      updated_us, credential_kind, key_id, wrapped_key, ciphertext, tls_key_id,
                                      tls_wrapped_key, tls_ciphertext)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, 0, 0, NULL, NULL, NULL, 1, $14, $14,
                     $15, $16, $17, $18, $19, $20, $21)",
            args![
                connection.id,
                connection.name.as_str(),
                connection.collection_id,
                connection.address.as_str(),
                connection.namespace.as_deref(),
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
                key_id,
                wrapped_key,
                ciphertext,
                tls_key_id,
                tls_wrapped_key,
                tls_ciphertext,
            ],
        )
        .await
        .map_err(|error| taken(error, "connection", &connection.name))?;
        let draft = about(context, Action::HcvConnectionCreated, connection.id, &connection.name);
        tx.audit(
            draft
                .about(ObjectKind::Collection, connection.collection_id.0)
                .with("address", &connection.address)
                .with("mode", connection.options.mode.as_str())
                .with("scope", scope(&connection).join("/")),
        );
        tx.commit().await?;
        Ok(self.as_read(connection))
    }

    /// Finds a connection and how it stands.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn connection_summary(&self, id: ConnectionId) -> Result<Option<ConnectionSummary>, StoreError> {
        let rows = self.db.all(&format!("{SUMMARY} WHERE c.id = $1"), args![id]).await?;
        Ok(self.summaries(&rows).await?.pop())
    }

    /// Finds a connection by name.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn connection_by_name(&self, name: &str) -> Result<Option<Connection>, StoreError> {
        let row = self.db.one("SELECT * FROM connections WHERE name = $1", args![name]).await?;
        row.map(|row| self.connection_row(&row)).transpose()
    }

    /// Lists connections by name: of the given collections, or all with `None`.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn connection_summaries(
        &self,
        collections: Option<&[CollectionId]>,
        page: &Page,
    ) -> Result<Paged<ConnectionSummary>, StoreError> {
        let mut select = Select::new(&format!("{SUMMARY} WHERE 1 = 1"), args![]);
        if let Some(collections) = collections {
            select.and_any("c.collection_id", collections.iter().copied());
        }
        select.and_maybe("c.name > ?", page.cursor.as_deref());
        let rows = self.db.select(select.order("c.name", page.fetch())).await?;
        let mut found = self.summaries(&rows).await?.into_iter();
        let next = || found.next().ok_or(StoreError::Malformed("connection"));
        let mut next = next;
        page.cut(rows, |_| next(), |summary| summary.connection.name.clone())
    }

    /// Loads a connection's secrets.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn connection_secrets(&self, id: ConnectionId) -> Result<Option<ConnectionSecrets>, StoreError> {
        let row = self.db.one("SELECT * FROM connections WHERE id = $1", args![id]).await?;
        row.map(|row| self.secrets_row(&row)).transpose()
    }

    /// Changes a connection (`HCV_CONNECTION_UPDATED`).
    ///
    /// # Errors
    /// [`StoreError::Stale`], [`StoreError::Exists`]; [`StoreError::Refused`] when the new scope
    /// overlaps that of another connection that writes, or is edited during a run.
    pub async fn update_connection(
        &self,
        context: &Context,
        id: ConnectionId,
        expect: u64,
        update: ConnectionUpdate,
    ) -> Result<Connection, StoreError> {
        let mut tx = self.db.write().await?;
        let before = self.locked_connection(&mut tx, id).await?;
        if before.revision != expect {
            return Err(StoreError::Stale { what: "connection", current: before.revision, expected: expect });
        }
        let client_key = update.client_key_pem.as_ref().map(Option::as_ref);
        let client_key = client_key.map(|key| self.sealed_tls_key(&before, key)).transpose()?;
        let mut after = edited(&before, update);
        let mut changed = differences(&before, &after);
        if client_key.is_some() {
            changed.push("client_key_pem");
        }
        if changed.is_empty() {
            return Ok(before);
        }
        if scope_differs(&before, &after) {
            if leases::is_held(&mut tx, id, self.now()).await? {
                let why = "a run is in progress: edit address, namespace, mount and path when it has ended";
                return Err(StoreError::Refused(why.to_owned()));
            }
            self.move_scope(&mut tx, &mut after).await?;
        }
        self.refuse_overlap(&mut tx, &after).await?;
        after.revision = expect + 1;
        self.write_connection(&mut tx, context, &after).await?;
        if let Some([key_id, wrapped_key, ciphertext]) = client_key {
            let sql = "UPDATE connections SET tls_key_id = $2, tls_wrapped_key = $3, tls_ciphertext = $4 WHERE id = $1";
            tx.run(sql, args![id, key_id, wrapped_key, ciphertext]).await?;
        }
        let draft = about(context, Action::HcvConnectionUpdated, id, &after.name).with("changed", changed.join(" "));
        let address = (after.address != before.address).then_some(&after.address);
        tx.audit(draft.with_maybe("address", address).with("mode", after.options.mode.as_str()));
        tx.commit().await?;
        Ok(after)
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
        let connection = self.locked_connection(&mut tx, id).await?;
        let kind = self.set_credential(&mut tx, &connection, credential).await?;
        tx.audit(about(context, Action::HcvSecretIdRotated, id, &connection.name).with("kind", kind));
        tx.commit().await
    }

    /// Records that a test ran (`HCV_CONNECTION_TESTED`).
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn record_connection_test(
        &self,
        context: &Context,
        id: ConnectionId,
        ok: bool,
        secret_id_expires_us: Option<i64>,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let connection = self.locked_connection(&mut tx, id).await?;
        let sql = "UPDATE connections SET last_verified_us = COALESCE($2, last_verified_us),
                                          secret_id_expires_us = COALESCE($3, secret_id_expires_us)
                   WHERE id = $1";
        tx.run(sql, args![id, ok.then_some(context.now_us), secret_id_expires_us]).await?;
        let draft = about(context, Action::HcvConnectionTested, id, &connection.name);
        tx.audit(Draft { outcome: if ok { Outcome::Success } else { Outcome::Failure }, ..draft });
        tx.commit().await
    }

    /// Deletes a connection with base, plans, runs and conflicts (`HCV_CONNECTION_DELETED`);
    /// records and secrets stay.
    ///
    /// # Errors
    /// [`StoreError::Refused`] while a run holds the lease.
    pub async fn delete_connection(&self, context: &Context, id: ConnectionId) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let connection = self.locked_connection(&mut tx, id).await?;
        if leases::is_held(&mut tx, id, self.now()).await? {
            let why = "a run is in progress: cancel it, or delete the connection when it has ended";
            return Err(StoreError::Refused(why.to_owned()));
        }
        tx.run("DELETE FROM connections WHERE id = $1", args![id]).await?;
        let draft = about(context, Action::HcvConnectionDeleted, id, &connection.name);
        tx.audit(draft.about(ObjectKind::Collection, connection.collection_id.0));
        tx.commit().await
    }

    /// Refuses a connection that writes where another one does.
    async fn refuse_overlap(&self, tx: &mut Tx, connection: &Connection) -> Result<(), StoreError> {
        if connection.options.mode == Mode::Pull {
            return Ok(());
        }
        let rows = tx.all("SELECT * FROM connections WHERE id <> $1", args![connection.id]).await?;
        for row in rows {
            let other = self.connection_row(&row)?;
            if other.options.mode != Mode::Pull && overlap(connection, &other) {
                let why = format!(
                    "the connection `{}` already writes at `{}`: two that write may not overlap",
                    other.name,
                    scope(&other).join("/")
                );
                return Err(StoreError::Refused(why));
            }
        }
        Ok(())
    }

    /// The connection points elsewhere now. What it knows of the old place waits for a person's
    /// word; where it knows nothing yet, there is nothing to ask.
    async fn move_scope(&self, tx: &mut Tx, after: &mut Connection) -> Result<(), StoreError> {
        let based = tx.one("SELECT path FROM base WHERE connection_id = $1 LIMIT 1", args![after.id]).await?;
        match based {
            Some(_) => after.scope_changed = true,
            None => after.identity = None,
        }
        tx.run("DELETE FROM suspicions WHERE connection_id = $1", args![after.id]).await?;
        Ok(())
    }

    async fn write_connection(&self, tx: &mut Tx, context: &Context, after: &Connection) -> Result<(), StoreError> {
        let written = tx.run(
            "UPDATE connections SET name = $2, address = $3, namespace = $4, tls = $5, auth_mount = $6, role_id = $7,
                                    mount = $8, path = $9, options = $10, schedule = $11, concurrency_max = $12,
                                    paused = $13, scope_changed = $14, identity = $15, revision = $16, updated_us = $17
             WHERE id = $1",
            args![
                after.id,
                after.name.as_str(),
                after.address.as_str(),
                after.namespace.as_deref(),
                json(&after.tls),
                after.auth_mount.as_str(),
                after.role_id.as_str(),
                after.mount.as_str(),
                after.path.as_str(),
                json(&after.options),
                json(&after.schedule),
                after.concurrency_max,
                after.paused,
                after.scope_changed,
                after.identity.as_ref().map(json),
                after.revision,
                context.now_us,
            ],
        );
        written.await.map(drop).map_err(|error| taken(error, "connection", &after.name))
    }

    /// Finds a connection to change.
    pub(crate) async fn locked_connection(&self, tx: &mut Tx, id: ConnectionId) -> Result<Connection, StoreError> {
        let row = tx.one("SELECT * FROM connections WHERE id = $1", args![id]).await?;
        self.connection_row(&row.ok_or(StoreError::NotFound("connection"))?)
    }
}

fn about(context: &Context, action: Action, id: ConnectionId, name: &str) -> Draft {
    context.draft(action, ObjectKind::Connection, id.0, Some(name))
}

/// Applies what is asked for.
fn edited(before: &Connection, update: ConnectionUpdate) -> Connection {
    let mut after = before.clone();
    macro_rules! take {
        ($($field:ident),+) => { $(if let Some(value) = update.$field { after.$field = value; })+ };
    }
    take!(name, address, namespace, tls, auth_mount, role_id, mount, path, options, schedule, concurrency_max, paused);
    after.options.instance.clone_from(&before.options.instance);
    after
}

/// Names what differs, for the audit.
fn differences(before: &Connection, after: &Connection) -> Vec<&'static str> {
    let differs = [
        ("name", before.name != after.name),
        ("address", before.address != after.address),
        ("namespace", before.namespace != after.namespace),
        ("tls", json(&before.tls) != json(&after.tls)),
        ("auth_mount", before.auth_mount != after.auth_mount),
        ("role_id", before.role_id != after.role_id),
        ("mount", before.mount != after.mount),
        ("path", before.path != after.path),
        ("options", before.options != after.options),
        ("schedule", before.schedule != after.schedule),
        ("concurrency_max", before.concurrency_max != after.concurrency_max),
        ("paused", before.paused != after.paused),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

fn scope_differs(one: &Connection, other: &Connection) -> bool {
    one.address != other.address || scope(one) != scope(other)
}

/// The segments of a connection's remote scope. Namespaces, mounts and paths are one tree: Vault
/// takes a namespace as a header or as the beginning of the path.
fn scope(connection: &Connection) -> Vec<&str> {
    let parts = [connection.namespace.as_deref().unwrap_or_default(), &connection.mount, &connection.path];
    parts.into_iter().flat_map(|part| part.split('/')).filter(|segment| !segment.is_empty()).collect()
}

fn overlap(one: &Connection, other: &Connection) -> bool {
    let (a, b) = (scope(one), scope(other));
    one.address == other.address && (a.starts_with(&b) || b.starts_with(&a))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_ledger::Action;
    use vaultterm_reconcile::Mode;
    use vaultterm_sealing::SecretText;
    use vaultterm_sync::{Connection, Credential, Journal as _, RunState, Trigger};

    use super::{ConnectionUpdate, overlap};
    use crate::{
        ErrorClass, Page, StoreError,
        sql::args,
        testing::{House, NOW_US},
    };

    fn shown(credential: &Credential) -> (&'static str, &str) {
        match credential {
            Credential::SecretId(text) => ("secret_id", text.expose()),
            Credential::WrappingToken(text) => ("wrapping_token", text.expose()),
        }
    }

    #[tokio::test]
    async fn a_connection_is_read_back_with_its_secrets() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        assert_eq!((made.revision, made.started, made.paused), (1, false, false));
        let found = house.store.connection_by_name("prod").await.unwrap().unwrap();
        assert_eq!(format!("{found:?}"), format!("{made:?}"));
        assert_eq!(found.options.instance, house.store.instance().0.to_string());
        let secrets = house.store.connection_secrets(made.id).await.unwrap().unwrap();
        assert_eq!(shown(&secrets.credential), ("secret_id", "secret id of prod"));
        assert_eq!(secrets.client_key_pem.unwrap().expose(), "client key of prod");
        let taken = house.connect("prod", Mode::Pull, "else").await.unwrap_err();
        assert_eq!(taken.class(), ErrorClass::Exists);
    }

    #[tokio::test]
    async fn two_connections_that_write_never_overlap() {
        let house = House::new().await;
        house.connect("prod", Mode::Push, "team/app").await.unwrap();
        for inside in ["team/app", "team", "team/app/sub", ""] {
            let refused = house.connect("other", Mode::Bidirectional, inside).await.unwrap_err();
            assert!(refused.to_string().contains("`prod` already writes at `secret/team/app`"), "{refused}");
        }
        house.connect("reader", Mode::Pull, "team").await.unwrap();
        let other = house.connect("other", Mode::Bidirectional, "team/app2").await.unwrap();
        let update = ConnectionUpdate { path: Some("team/app/x".to_owned()), ..ConnectionUpdate::default() };
        let refused = house.store.update_connection(&house.ann(), other.id, 1, update).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Refused);
    }

    #[tokio::test]
    async fn a_namespace_and_the_beginning_of_a_mount_are_one_place() {
        let house = House::new().await;
        let connection = house.connect("prod", Mode::Push, "app").await.unwrap();
        let place = |namespace: Option<&str>, mount: &str| Connection {
            namespace: namespace.map(str::to_owned),
            mount: mount.to_owned(),
            ..connection.clone()
        };
        assert!(overlap(&place(Some("team"), "kv"), &place(None, "team/kv")));
        assert!(!overlap(&place(Some("team"), "kv"), &place(None, "kv")));
        assert!(!overlap(
            &place(None, "kv"),
            &Connection { address: "https://b:8200".to_owned(), ..place(None, "kv") }
        ));
    }

    #[tokio::test]
    async fn an_edit_is_guarded_and_says_what_changed() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        let update = || ConnectionUpdate {
            name: Some("live".to_owned()),
            paused: Some(true),
            client_key_pem: Some(None),
            ..ConnectionUpdate::default()
        };
        let edited = house.store.update_connection(&house.ann(), made.id, 1, update()).await.unwrap();
        assert_eq!((edited.name.as_str(), edited.paused, edited.revision), ("live", true, 2));
        assert!(house.store.connection_secrets(made.id).await.unwrap().unwrap().client_key_pem.is_none());
        let stale = house.store.update_connection(&house.ann(), made.id, 1, update()).await.unwrap_err();
        assert_eq!(stale.class(), ErrorClass::Stale);
        let nothing = ConnectionUpdate { name: Some("live".to_owned()), ..ConnectionUpdate::default() };
        let same = house.store.update_connection(&house.ann(), made.id, 2, nothing).await.unwrap();
        assert_eq!(same.revision, 2);
        let events = house.store.audit_events(&crate::AuditFilter::default(), &Page::default()).await.unwrap();
        let draft = &events.items.last().unwrap().entry.draft;
        assert_eq!(draft.action, Action::HcvConnectionUpdated);
        assert_eq!(draft.detail["changed"], "name paused client_key_pem");
    }

    #[tokio::test]
    async fn another_scope_waits_for_a_persons_word_once_there_is_a_base() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Bidirectional, "team").await.unwrap();
        let to = |mount: &str| ConnectionUpdate { mount: Some(mount.to_owned()), ..ConnectionUpdate::default() };
        let fresh = house.store.update_connection(&house.ann(), made.id, 1, to("kv")).await.unwrap();
        assert!(!fresh.scope_changed, "nothing was in step yet");

        let run = house.begin(made.id, Trigger::Manual).await;
        house.import(&run, "a", json!({"x": 1})).await;
        let refused = house.store.update_connection(&house.ann(), made.id, 2, to("kv2")).await.unwrap_err();
        assert!(refused.to_string().starts_with("a run is in progress"), "{refused}");
        house.end(run, RunState::Succeeded).await;
        let edited = house.store.update_connection(&house.ann(), made.id, 2, to("kv2")).await.unwrap();
        assert!(edited.scope_changed);
        let update = ConnectionUpdate { name: Some("other".to_owned()), ..ConnectionUpdate::default() };
        let edited = house.store.update_connection(&house.ann(), made.id, 3, update).await.unwrap();
        assert!(edited.scope_changed, "another edit does not settle it");
    }

    #[tokio::test]
    async fn a_rotated_credential_replaces_the_one_before() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        house.store.record_connection_test(&house.ann(), made.id, true, Some(NOW_US + 9)).await.unwrap();
        let token = Credential::WrappingToken(SecretText::new("wrapped".to_owned()));
        house.store.rotate_secret_id(&house.ann(), made.id, &token).await.unwrap();
        let secrets = house.store.connection_secrets(made.id).await.unwrap().unwrap();
        assert_eq!(shown(&secrets.credential), ("wrapping_token", "wrapped"));
        let summary = house.store.connection_summary(made.id).await.unwrap().unwrap();
        assert_eq!((summary.last_verified_us, summary.secret_id_expires_us), (Some(NOW_US), None));
    }

    #[tokio::test]
    async fn a_credential_does_not_open_in_another_connection() {
        let house = House::new().await;
        let one = house.connect("one", Mode::Push, "one").await.unwrap();
        let two = house.connect("two", Mode::Push, "two").await.unwrap();
        let copy = "UPDATE connections SET (key_id, wrapped_key, ciphertext) =
                        (SELECT key_id, wrapped_key, ciphertext FROM connections WHERE id = $1)
                    WHERE id = $2";
        let mut tx = house.store.db.write().await.unwrap();
        tx.run(copy, args![one.id, two.id]).await.unwrap();
        tx.commit().await.unwrap();
        let error = house.store.connection_secrets(two.id).await.unwrap_err();
        assert!(matches!(error, StoreError::Sealing(_)), "{error}");
    }

    #[tokio::test]
    async fn a_summary_tells_how_a_connection_stands() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        let run = house.begin(made.id, Trigger::Manual).await;
        let first = run.1.id;
        let summary = house.store.connection_summary(made.id).await.unwrap().unwrap();
        assert!(summary.running && summary.connection.started);
        house.end(run, RunState::Partial).await;
        let resolution = house.begin(made.id, Trigger::Resolution).await;
        house.end(resolution, RunState::Succeeded).await;
        let listed = house.store.connection_summaries(None, &Page::default()).await.unwrap().items;
        let last_run = listed[0].last_run.as_ref().unwrap();
        assert_eq!((last_run.id, last_run.state, listed[0].running), (first, RunState::Partial, false));
        let elsewhere = house.store.connection_summaries(Some(&[]), &Page::default()).await.unwrap().items;
        assert!(elsewhere.is_empty());
    }

    #[tokio::test]
    async fn a_connection_is_deleted_with_its_base_but_not_its_records_and_never_during_a_run() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Pull, "team").await.unwrap();
        let run = house.begin(made.id, Trigger::Manual).await;
        let record = house.import(&run, "a", json!({"x": 1})).await;
        let refused = house.store.delete_connection(&house.ann(), made.id).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Refused);
        let run_id = run.1.id;
        house.end(run, RunState::Succeeded).await;
        house.store.delete_connection(&house.ann(), made.id).await.unwrap();
        assert!(house.store.connection(made.id).await.unwrap().is_none());
        assert!(house.store.run(run_id).await.unwrap().is_none());
        assert!(house.store.base(made.id).await.unwrap().is_empty());
        assert!(house.store.record(record).await.unwrap().unwrap().deleted_us.is_none());
    }

    #[tokio::test]
    async fn a_record_tells_how_it_stands_with_each_connection() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Bidirectional, "team").await.unwrap();
        let run = house.begin(made.id, Trigger::Manual).await;
        let record = house.import(&run, "a", json!({"x": 1})).await;
        let new = house.save("b", json!({"x": 1})).await.unwrap();
        let state = async |id| {
            let sync = house.store.record(id).await.unwrap().unwrap().sync;
            (sync[0].connection_id, sync[0].state, sync[0].remote_version)
        };
        assert_eq!(state(new.id).await, (made.id, "new", None));
        assert_eq!(state(record).await, (made.id, "in_step", Some(7)));
        let patch = crate::RecordPatch { tags: Some(vec!["t".to_owned()]), ..crate::RecordPatch::default() };
        let revision = vaultterm_reconcile::Revision::FIRST;
        house.store.update_record(&house.ann(), record, revision, patch).await.unwrap();
        assert_eq!(state(record).await, (made.id, "changed", Some(7)));
    }
}
