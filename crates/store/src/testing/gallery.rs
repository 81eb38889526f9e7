//! A message at every place where the store seals something, and how each of them is opened.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;
use vaultterm_exchange::Format;
use vaultterm_reconcile::{
    Conflict, ConflictKind, Expect, LocalExpect, Mode, Plan, RecordId, RemoteExpect, RemoteStamp, Revision, UnixNanos,
    Version,
};
use vaultterm_sealing::{SecretBytes, WebhookSecret};
use vaultterm_sync::{
    ConflictId, ConnectionId, Credential, Journal as _, OtherConflicts, PlanId, RemoteIdentity, StoredPlan, Trigger,
};

use super::{House, at, fields};
use crate::{
    IdempotencyKey, NewImport, RecordPatch, SavedAnswer, StoreError, WebhookUpdate,
    sql::{Arg, args},
};

/// The product call that opens a message, with the key to find it.
enum Opens {
    Fields(RecordId, Revision),
    Credential(ConnectionId),
    ClientKey(ConnectionId),
    Plan(PlanId),
    Conflict(ConflictId),
    Answer(IdempotencyKey),
    WebhookSecret(Uuid),
    WebhookOldSecret(Uuid),
    OtpSeed(Uuid),
    Generated(Uuid),
    Draft(Uuid),
    ImportPart(Uuid, u64),
}

/// A sealed message at its place in the database.
pub(crate) struct Spot {
    pub(crate) table: &'static str,
    pub(crate) prefix: &'static str,
    /// The condition that finds the row.
    row: String,
    opens: Opens,
}

/// The three columns of a sealed message.
pub(crate) type Triple = [Arg; 3];

impl House {
    /// Seals several messages of each kind.
    pub(crate) async fn gallery(&self) -> Vec<Spot> {
        let mut spots = Vec::new();
        let other = self.store.create_collection(&self.ann(), "other", self.owner.id).await.unwrap().id;
        let mut records = vec![self.save("a", json!({"x": "a1"})).await.unwrap().id];
        let new = super::new_record("b", json!({"x": "b1"}));
        records.push(self.store.create_record(&self.ann(), other, new).await.unwrap().id);
        for id in records {
            let patch = RecordPatch { fields: Some(fields(json!({"x": "second"}))), ..RecordPatch::default() };
            self.store.update_record(&self.ann(), id, Revision(1), patch).await.unwrap();
            for revision in [1, 2] {
                let row = format!("record_id = '{}' AND revision = {revision}", id.0);
                spots.push(Spot { table: "revisions", prefix: "", row, opens: Opens::Fields(id, Revision(revision)) });
            }
        }
        for (byte, email) in [(1, "otp1@example.com"), (2, "otp2@example.com")] {
            let new = super::new_user(email, crate::InstanceRole::Member);
            let person = self.store.create_user(&self.ann(), new).await.unwrap().id;
            self.store.begin_otp(&self.ann(), person, &SecretBytes::new(vec![byte; 20])).await.unwrap();
            let row = format!("user_id = '{person}'");
            spots.push(Spot { table: "otp_seeds", prefix: "", row, opens: Opens::OtpSeed(person) });
        }
        for (n, name) in ["prod", "test"].into_iter().enumerate() {
            let made = self.connect(name, Mode::Bidirectional, &format!("team/{name}")).await.unwrap();
            let row = format!("id = '{}'", made.id);
            let (credential, key) = (Opens::Credential(made.id), Opens::ClientKey(made.id));
            spots.push(Spot { table: "connections", prefix: "", row: row.clone(), opens: credential });
            spots.push(Spot { table: "connections", prefix: "tls_", row, opens: key });
            spots.push(self.plan_of(made.id).await);
            spots.push(self.conflict_of(made.id).await);
            spots.push(self.answer(n).await);
            spots.extend(self.webhook_of(name).await);
            spots.push(self.generated_of(name).await);
            spots.push(self.draft_of(name).await);
            spots.extend(self.import_of(name).await);
        }
        spots
    }

    async fn plan_of(&self, connection_id: ConnectionId) -> Spot {
        let id = PlanId(vaultterm_sync::new_id());
        let created = UnixNanos(self.ann().now_us * 1_000);
        let identity = RemoteIdentity {
            product: "OpenBao".to_owned(),
            version: "2.7.2".to_owned(),
            cluster_id: None,
            mount_accessor: "kv_1".to_owned(),
            mount_uuid: None,
            kv_version: 2,
        };
        let expires = UnixNanos(created.0 + 900_000_000_000);
        let plan = Plan::default();
        let plan = StoredPlan {
            id,
            connection_id,
            connection_revision: 1,
            identity,
            plan,
            decisions: Vec::new(),
            change_number: 0,
            created,
            expires,
        };
        self.store.insert_plan(&plan).await.unwrap();
        Spot { table: "plans", prefix: "", row: format!("id = '{id}'"), opens: Opens::Plan(id) }
    }

    async fn conflict_of(&self, connection_id: ConnectionId) -> Spot {
        let run = self.begin(connection_id, Trigger::Manual).await;
        let record_id = self.import(&run, "frozen", json!({"x": 1})).await;
        let stamp = RemoteStamp { key_created: UnixNanos(1), version: Version(8), version_created: UnixNanos(3) };
        let conflict = Conflict {
            path: at("frozen"),
            kind: ConflictKind::BothChanged,
            expect: Expect {
                local: LocalExpect::Live { record_id, revision: Revision::FIRST },
                remote: RemoteExpect::Live { stamp, expires: None },
            },
            record_id: Some(record_id),
            base: None,
            local: None,
            remote: None,
            diverged: vec!["x".to_owned()],
            remote_writer: None,
        };
        let others = OtherConflicts::Converged { but: [].into() };
        self.store.record_conflicts(run.0, run.1.id, &[conflict], &others).await.unwrap();
        self.store.trash_record(&self.ann(), record_id, None).await.unwrap();
        let sql = "SELECT id FROM conflicts WHERE connection_id = $1";
        let row = self.store.db.one(sql, args![connection_id]).await.unwrap().unwrap();
        let id = ConflictId(row.id("id").unwrap());
        Spot { table: "conflicts", prefix: "", row: format!("id = '{id}'"), opens: Opens::Conflict(id) }
    }

    async fn answer(&self, n: usize) -> Spot {
        let key = IdempotencyKey { user_id: self.owner.id, key: format!("k{n}"), request: [1; 32] };
        self.store.claim_idempotency(&key, self.ann().now_us).await.unwrap();
        let answer = SavedAnswer { status: 201, body: b"shown once".to_vec() };
        self.store.complete_idempotency(&key, &answer).await.unwrap();
        let row = format!("idempotency_key = '{}'", key.key);
        Spot { table: "idempotency", prefix: "", row, opens: Opens::Answer(key) }
    }

    async fn webhook_of(&self, name: &str) -> [Spot; 2] {
        let id = self.hook(name, None).await.id;
        let update = WebhookUpdate { secret: Some(WebhookSecret::draw().unwrap()), ..WebhookUpdate::default() };
        self.store.update_webhook(&self.ann(), id, 1, update).await.unwrap();
        let row = format!("id = '{id}'");
        let current = Spot { table: "webhooks", prefix: "", row: row.clone(), opens: Opens::WebhookSecret(id) };
        [current, Spot { table: "webhooks", prefix: "old_", row, opens: Opens::WebhookOldSecret(id) }]
    }

    async fn generated_of(&self, name: &str) -> Spot {
        let value = vaultterm_sealing::SecretText::new(name.to_owned());
        let id = self.store.keep_generated(&self.ann(), self.owner.id, &value).await.unwrap().id;
        let row = format!("id = '{id}'");
        Spot { table: "generated_values", prefix: "", row, opens: Opens::Generated(id) }
    }

    async fn draft_of(&self, name: &str) -> Spot {
        let body = vaultterm_sealing::SecretBytes::new(name.as_bytes().to_vec());
        let draft = crate::Draft { address: "/records/new".to_owned(), body };
        let id = self.store.keep_draft(self.owner.id, &draft, self.ann().now_us).await.unwrap();
        Spot { table: "drafts", prefix: "", row: format!("id = '{id}'"), opens: Opens::Draft(id) }
    }

    async fn import_of(&self, name: &str) -> [Spot; 2] {
        let parts = [0, 1].map(|part| (part, SecretBytes::new(format!("{part} of {name}").into_bytes())));
        let (user_id, collection_id) = (self.owner.id, self.collection);
        let new = NewImport { user_id, collection_id, format: Format::Env, found: 1, parts: parts.into() };
        let id = self.store.keep_import(&self.ann(), new).await.unwrap().id;
        [0, 1].map(|part| Spot {
            table: "import_parts",
            prefix: "",
            row: format!("import_id = '{id}' AND part = {part}"),
            opens: Opens::ImportPart(id, part),
        })
    }

    /// Opens the message at a spot with the product's own call.
    pub(crate) async fn open(&self, spot: &Spot) -> Result<Vec<u8>, StoreError> {
        let gone = || StoreError::NotFound("spot");
        let text = |text: &str| text.as_bytes().to_vec();
        match &spot.opens {
            Opens::Fields(id, revision) => {
                let found = self
                    .store
                    .fields(*id, *revision)
                    .await
                    .map_err(|_| StoreError::Malformed("fields"))?
                    .ok_or_else(gone)?;
                Ok(found.fields.to_json().expose().to_vec())
            }
            Opens::Credential(id) => match self.store.connection_secrets(*id).await?.ok_or_else(gone)?.credential {
                Credential::SecretId(secret) | Credential::WrappingToken(secret) => Ok(text(secret.expose())),
            },
            Opens::ClientKey(id) => {
                let key = self.store.connection_secrets(*id).await?.ok_or_else(gone)?.client_key_pem;
                Ok(text(key.ok_or_else(gone)?.expose()))
            }
            Opens::Plan(id) => Ok(text(&self.store.stored_plan(*id).await?.ok_or_else(gone)?.id.to_string())),
            Opens::Conflict(id) => {
                Ok(text(self.store.stored_conflict(*id).await?.ok_or_else(gone)?.conflict.path.as_str()))
            }
            Opens::Answer(key) => {
                Ok(self.store.claim_idempotency(key, self.ann().now_us).await?.ok_or_else(gone)?.body)
            }
            Opens::OtpSeed(id) => Ok(self.store.otp_seed(*id, false).await?.ok_or_else(gone)?.seed.expose().to_vec()),
            Opens::WebhookSecret(id) => {
                let secrets = self.store.webhook_secrets(*id, i64::MAX).await?;
                Ok(text(secrets.current.to_text().expose()))
            }
            Opens::Generated(id) => {
                let opened = self.store.open_generated(self.owner.id, *id, self.ann().now_us).await?;
                Ok(opened.ok_or_else(gone)?.expose().to_vec())
            }
            Opens::ImportPart(id, part) => Ok(self.store.import_part(*id, *part).await?.expose().to_vec()),
            Opens::Draft(id) => Ok(self.store.open_draft(*id).await?.body.expose().to_vec()),
            Opens::WebhookOldSecret(id) => {
                let old = self.store.webhook_secrets(*id, self.ann().now_us).await?.old.ok_or_else(gone)?;
                Ok(text(old.to_text().expose()))
            }
        }
    }

    /// Opens all spots. Returns the contents by the condition that finds the row.
    pub(crate) async fn open_all(&self, spots: &[Spot]) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        let mut opened = BTreeMap::new();
        for spot in spots {
            opened.insert(spot.to_string(), self.open(spot).await?);
        }
        Ok(opened)
    }

    /// Reads the three columns as they are stored.
    pub(crate) async fn triple(&self, Spot { table, prefix, row, .. }: &Spot) -> Triple {
        let sql = format!("SELECT * FROM {table} WHERE {row}");
        let sealed = self.store.db.one(&sql, args![]).await.unwrap().unwrap().sealed_as(prefix).unwrap();
        [sealed.key_id.into(), sealed.wrapped_key.into(), sealed.ciphertext.into()]
    }

    /// Writes the three columns, as an attacker with the file could.
    pub(crate) async fn put(&self, Spot { table, prefix, row, .. }: &Spot, triple: Triple) {
        let mut tx = self.store.db.write().await.unwrap();
        let sql = format!(
            "UPDATE {table} SET {prefix}key_id = $1, {prefix}wrapped_key = $2, {prefix}ciphertext = $3 WHERE {row}"
        );
        assert_eq!(tx.run(&sql, triple.to_vec()).await.unwrap(), 1);
        tx.commit().await.unwrap();
    }
}

impl std::fmt::Display for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}* WHERE {}", self.table, self.prefix, self.row)
    }
}
