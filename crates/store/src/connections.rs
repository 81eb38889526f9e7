//! Connections: creates, changes and finds them. `connection_rows.rs` reads their rows and secrets.

use vaultterm_ledger::{AuditAction, AuditOutcome, Draft, ObjectKind};
use vaultterm_reconcile::{Mode, Options};
use vaultterm_sealing::SecretText;
use vaultterm_sync::{CollectionId, Connection, ConnectionId, ConnectionSecrets, Credential, Schedule, Tls};

use crate::{
    ConnectionSummary, Context, Page, Paged, Store, StoreError, base,
    connection_rows::Way,
    context::{Facts as _, still_at},
    hints::forget_hints,
    leases,
    sql::{Select, Tx, args, json, taken},
};

/// A connection to create.
#[derive(Debug)]
pub struct NewConnection {
    /// Everything except the secrets. The store sets `id`, `revision`, `paused`, `started`, `scope_changed`,
    /// `guarded` and `identity`.
    pub connection: Connection,
    /// The secrets of the connection.
    pub secrets: ConnectionSecrets,
}

/// The changes of a connection. `None` keeps the current value. Another address, namespace, mount or path
/// sets `scope_changed`.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "the names are the connection's")]
pub struct ConnectionUpdate {
    pub name: Option<String>,
    pub address: Option<String>,
    pub namespace: Option<Option<String>>,
    pub tls: Option<Tls>,
    pub client_key_pem: Option<Option<SecretText>>,
    pub auth_mount: Option<String>,
    /// The namespace of the login. `Some(None)` means that of the secrets.
    pub auth_namespace: Option<Option<String>>,
    pub role_id: Option<String>,
    pub mount: Option<String>,
    pub path: Option<String>,
    pub options: Option<Options>,
    pub schedule: Option<Schedule>,
    pub concurrency_max: Option<u32>,
    pub paused: Option<bool>,
}

/// Selects a connection with the additional columns of its summary.
const SUMMARY: &str = "SELECT c.*,
        (SELECT COUNT(*) FROM conflicts f WHERE f.connection_id = c.id AND f.status = 'open') AS open_conflicts,
        (SELECT COUNT(*) FROM base b WHERE b.connection_id = c.id AND b.accepted_reopened = 0) AS accepted_paths,
        (SELECT COUNT(*) FROM hints h WHERE h.connection_id = c.id) AS hints_waiting,
        (SELECT m.everything FROM hint_marks m WHERE m.connection_id = c.id) AS hinted_everything,
        (SELECT l.expires FROM leases l WHERE l.connection_id = c.id AND l.holder IS NOT NULL) AS leased_until,
        (SELECT r.id FROM runs r WHERE r.connection_id = c.id AND r.cause <> 'resolution' 
           AND (r.part NOT LIKE '%\"only\":[%' OR (r.cause = 'hint' AND r.state = 'halted'))
         ORDER BY r.id DESC LIMIT 1) AS last_run_id
    FROM connections c";

impl Store {
    /// Creates a connection (`HCV_CONNECTION_CREATED`).
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the name is taken; [`StoreError::Refused`] if another connection that writes
    /// has an overlapping remote scope.
    pub async fn create_connection(&self, context: &Context, new: NewConnection) -> Result<Connection, StoreError> {
        let NewConnection { connection, secrets } = new;
        let connection = Connection {
            id: ConnectionId(vaultterm_sync::new_id()),
            paused: false,
            started: false,
            scope_changed: false,
            guarded: None,
            identity: None,
            revision: 1,
            ..connection
        };
        let mut tx = self.db.write().await?;
        self.refuse_overlap(&mut tx, &connection).await?;
        let (kind, [key_id, wrapped_key, ciphertext]) =
            self.sealed_credential(&mut tx, &connection, &secrets.credential).await?;
        let [tls_key_id, tls_wrapped_key, tls_ciphertext] =
            self.sealed_tls_key(&mut tx, &connection, secrets.client_key_pem.as_ref()).await?;
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
                json(&Way::of(&connection)),
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
        let draft = about(context, AuditAction::HcvConnectionCreated, connection.id, &connection.name);
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

    /// Finds a connection with its state.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn connection_summary(&self, id: ConnectionId) -> Result<Option<ConnectionSummary>, StoreError> {
        let rows = self.db.all(&format!("{SUMMARY} WHERE c.id = $1"), args![id]).await?;
        Ok(self.summaries(&rows).await?.pop())
    }

    /// Finds a connection by name.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn connection_by_name(&self, name: &str) -> Result<Option<Connection>, StoreError> {
        let row = self.db.one("SELECT * FROM connections WHERE name = $1", args![name]).await?;
        row.map(|row| self.connection_row(&row)).transpose()
    }

    /// Lists connections by name. They are those of the given collections, or all with `None`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn connection_summaries(
        &self,
        collections: Option<&[CollectionId]>,
        page: &Page,
    ) -> Result<Paged<ConnectionSummary>, StoreError> {
        let mut select = Select::new(&format!("{SUMMARY} WHERE 1 = 1"), args![]);
        if let Some(collections) = collections {
            select.and_any("c.collection_id", collections.iter().copied());
        }
        let pager = self.pager("connections", page);
        select.and_maybe("c.name > ?", pager.text()?);
        let rows = self.db.select(select.order("c.name", pager.fetch())).await?;
        let mut found = self.summaries(&rows).await?.into_iter();
        let next = || found.next().ok_or(StoreError::Malformed("connection"));
        let mut next = next;
        pager.cut(rows, |_| next(), |summary| summary.connection.name.clone())
    }

    /// Loads the secrets of a connection.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn connection_secrets(&self, id: ConnectionId) -> Result<Option<ConnectionSecrets>, StoreError> {
        let row = self.db.one("SELECT * FROM connections WHERE id = $1", args![id]).await?;
        row.map(|row| self.secrets_row(&row)).transpose()
    }

    /// Changes a connection (`HCV_CONNECTION_UPDATED`).
    ///
    /// # Errors
    /// [`StoreError::Stale`], [`StoreError::Exists`]; [`StoreError::Refused`] if the new scope overlaps that
    /// of another connection that writes, or if the scope is edited during a run.
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
        let client_key = match update.client_key_pem.as_ref() {
            Some(key) => Some(self.sealed_tls_key(&mut tx, &before, key.as_ref()).await?),
            None => None,
        };
        let mut after = edited(&before, update);
        let mut changed = differences(&before, &after);
        if client_key.is_some() {
            changed.push("client_key_pem");
        }
        if changed.is_empty() {
            return Ok(before);
        }
        if scope_differs(&before, &after) {
            if leases::is_held(&mut tx, id, self.given_now()).await? {
                let why = "a run is in progress: edit address, namespace, mount and path when it has ended";
                return Err(StoreError::Refused(why.to_owned()));
            }
            self.move_scope(&mut tx, &mut after).await?;
        }
        self.refuse_overlap(&mut tx, &after).await?;
        after.revision = expect + 1;
        self.write_connection(&mut tx, context, &after).await?;
        let client_key_changes = client_key.is_some();
        if let Some([key_id, wrapped_key, ciphertext]) = client_key {
            let sql = "UPDATE connections SET tls_key_id = $2, tls_wrapped_key = $3, tls_ciphertext = $4 WHERE id = $1";
            tx.run(sql, args![id, key_id, wrapped_key, ciphertext]).await?;
        }
        if login_differs(&before, &after) || client_key_changes {
            tx.run("UPDATE connections SET logins_refused = 0 WHERE id = $1", args![id]).await?;
        }
        let draft =
            about(context, AuditAction::HcvConnectionUpdated, id, &after.name).with("changed", changed.join(" "));
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
        tx.audit(about(context, AuditAction::HcvSecretIdRotated, id, &connection.name).with("kind", kind));
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
                                          secret_id_expires_us = COALESCE($3, secret_id_expires_us),
                                          logins_refused = CASE WHEN $4 = 1 THEN 0 ELSE logins_refused END
                   WHERE id = $1";
        tx.run(sql, args![id, ok.then_some(context.now_us), secret_id_expires_us, ok]).await?;
        let draft = about(context, AuditAction::HcvConnectionTested, id, &connection.name);
        tx.audit(Draft { outcome: if ok { AuditOutcome::Success } else { AuditOutcome::Failure }, ..draft });
        tx.commit().await
    }

    /// Pauses a connection, or lets its runs start again (`HCV_CONNECTION_UPDATED`). Does nothing if the
    /// connection is in that state already. All other settings stay as they are.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn pause_connection(&self, context: &Context, id: ConnectionId, paused: bool) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let before = self.locked_connection(&mut tx, id).await?;
        if before.paused == paused {
            return Ok(());
        }
        let after = Connection { paused, revision: before.revision + 1, ..before };
        self.write_connection(&mut tx, context, &after).await?;
        let draft = about(context, AuditAction::HcvConnectionUpdated, id, &after.name).with("changed", "paused");
        tx.audit(draft.with("mode", after.options.mode.as_str()));
        tx.commit().await
    }

    /// Deletes a connection with its base, plans, runs and conflicts (`HCV_CONNECTION_DELETED`). If a
    /// revision is given, the connection must be at that revision. Records and secrets stay.
    ///
    /// # Errors
    /// [`StoreError::Stale`]; [`StoreError::Refused`] while a run holds the lease.
    pub async fn delete_connection(
        &self,
        context: &Context,
        id: ConnectionId,
        expect: Option<u64>,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let connection = self.locked_connection(&mut tx, id).await?;
        still_at("connection", connection.revision, expect)?;
        if leases::is_held(&mut tx, id, self.given_now()).await? {
            let why = "a run is in progress: cancel it, or delete the connection when it has ended";
            return Err(StoreError::Refused(why.to_owned()));
        }
        tx.run("DELETE FROM connections WHERE id = $1", args![id]).await?;
        base::mark_all_agreed(&mut tx, connection.collection_id).await?;
        let draft = about(context, AuditAction::HcvConnectionDeleted, id, &connection.name);
        tx.audit(draft.about(ObjectKind::Collection, connection.collection_id.0));
        tx.commit().await
    }

    /// Refuses a connection that writes into the scope of another connection that writes.
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

    /// Handles a change of the scope. If the connection has a base for the old scope, a person must decide
    /// about it. Without a base there is nothing to decide.
    async fn move_scope(&self, tx: &mut Tx, after: &mut Connection) -> Result<(), StoreError> {
        let based = tx.one("SELECT path FROM base WHERE connection_id = $1 LIMIT 1", args![after.id]).await?;
        match based {
            Some(_) => after.scope_changed = true,
            None => after.identity = None,
        }
        tx.run("DELETE FROM suspicions WHERE connection_id = $1", args![after.id]).await?;
        tx.run("DELETE FROM seen_in_vault WHERE connection_id = $1", args![after.id]).await?;
        forget_hints(tx, after.id).await
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
                json(&Way::of(after)),
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

    /// Finds a connection in order to change it.
    pub(crate) async fn locked_connection(&self, tx: &mut Tx, id: ConnectionId) -> Result<Connection, StoreError> {
        let row = tx.one("SELECT * FROM connections WHERE id = $1", args![id]).await?;
        self.connection_row(&row.ok_or(StoreError::NotFound("connection"))?)
    }
}

fn about(context: &Context, action: AuditAction, id: ConnectionId, name: &str) -> Draft {
    context.draft(action, ObjectKind::Connection, id.0, Some(name))
}

/// Returns the connection after an update.
fn edited(before: &Connection, update: ConnectionUpdate) -> Connection {
    let mut after = before.clone();
    macro_rules! take {
        ($($field:ident),+) => { $(if let Some(value) = update.$field { after.$field = value; })+ };
    }
    take!(name, address, namespace, tls, auth_mount, auth_namespace, role_id, mount, path);
    take!(options, schedule, concurrency_max, paused);
    after.options.instance.clone_from(&before.options.instance);
    after
}

/// Returns the names of the changed settings, for the audit log.
fn differences(before: &Connection, after: &Connection) -> Vec<&'static str> {
    let differs = [
        ("name", before.name != after.name),
        ("address", before.address != after.address),
        ("namespace", before.namespace != after.namespace),
        ("tls", json(&before.tls) != json(&after.tls)),
        ("auth_mount", before.auth_mount != after.auth_mount),
        ("auth_namespace", before.auth_namespace != after.auth_namespace),
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

/// Returns whether two versions of a connection log in at another place or with other credentials. If so,
/// refused logins of the earlier one say nothing about the later one.
fn login_differs(one: &Connection, other: &Connection) -> bool {
    let login = |connection: &Connection| {
        let Connection { address, namespace, auth_namespace, auth_mount, role_id, tls, .. } = connection;
        (address.clone(), namespace.clone(), auth_namespace.clone(), auth_mount.clone(), role_id.clone(), json(tls))
    };
    login(one) != login(other)
}

fn scope_differs(one: &Connection, other: &Connection) -> bool {
    one.address != other.address || scope(one) != scope(other)
}

/// Returns the segments of a connection's remote scope. Namespaces, mounts and paths form one tree, because
/// Vault accepts a namespace as a header or as the beginning of the path.
fn scope(connection: &Connection) -> Vec<&str> {
    let parts = [connection.namespace.as_deref().unwrap_or_default(), &connection.mount, &connection.path];
    parts.into_iter().flat_map(|part| part.split('/')).filter(|segment| !segment.is_empty()).collect()
}

fn overlap(one: &Connection, other: &Connection) -> bool {
    let (a, b) = (scope(one), scope(other));
    one.address == other.address && (a.starts_with(&b) || b.starts_with(&a))
}

#[cfg(test)]
mod tests;
