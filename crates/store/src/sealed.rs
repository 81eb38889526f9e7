//! Sealed columns: `key_id`, `wrapped_key`, `ciphertext`. Their content opens only at the place for which it
//! was sealed.

use vaultterm_sealing::{Keyring, Place, Sealed, SecretBytes};

use crate::{
    StoreError, keys,
    sql::{Arg, Row, Tx},
};

impl Row {
    /// Reads the three columns of a sealed message.
    pub(crate) fn sealed(&self) -> Result<Sealed, StoreError> {
        self.sealed_as("")
    }

    /// Reads the three columns of a sealed message whose names begin with a prefix.
    pub(crate) fn sealed_as(&self, prefix: &str) -> Result<Sealed, StoreError> {
        Ok(Sealed {
            key_id: self.id(&format!("{prefix}key_id"))?,
            wrapped_key: self.bytes(&format!("{prefix}wrapped_key"))?,
            ciphertext: self.bytes(&format!("{prefix}ciphertext"))?,
        })
    }
}

/// Opens a sealed JSON value.
pub(crate) fn open_json<T: serde::de::DeserializeOwned>(
    keyring: &Keyring,
    place: &Place,
    row: &Row,
    what: &'static str,
) -> Result<T, StoreError> {
    let opened = keyring.unseal(place, &row.sealed()?)?;
    serde_json::from_slice(opened.expose()).map_err(|_| StoreError::Malformed(what))
}

/// Seals a JSON value for a place. Returns the three columns in order.
pub(crate) async fn seal_json(
    tx: &mut Tx,
    keyring: &Keyring,
    place: &Place,
    value: &impl serde::Serialize,
) -> Result<[Arg; 3], StoreError> {
    let json = serde_json::to_vec(value).expect("what is stored as JSON has only text keys");
    seal(tx, keyring, place, SecretBytes::new(json).expose()).await
}

/// Seals bytes for a place. Returns the three columns in order.
///
/// This happens in the transaction that stores them, under the record key that is active in it. If the
/// message were sealed earlier, a rotation could replace and delete the key while the message waits for its
/// turn.
pub(crate) async fn seal(
    tx: &mut Tx,
    keyring: &Keyring,
    place: &Place,
    plaintext: &[u8],
) -> Result<[Arg; 3], StoreError> {
    let key_id = tx.record_key().await?;
    if !keyring.has_record_key(key_id) {
        // Another server rotated the record key, and this one has not heard of it yet.
        keyring.renew(&keys::keyring_rows(tx).await?)?;
    }
    let sealed = keyring.seal_under(key_id, place, plaintext)?;
    Ok([sealed.key_id.into(), sealed.wrapped_key.into(), sealed.ciphertext.into()])
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_reconcile::{Mode, Plan, Revision, UnixNanos};
    use vaultterm_sealing::WebhookSecret;
    use vaultterm_sync::{PlanId, RemoteIdentity, StoredPlan};

    use crate::{
        IdempotencyKey, RecordPatch, SavedAnswer, WebhookUpdate, engine,
        keys::SEALED_COLUMNS,
        sql::args,
        testing::{House, Spot, fields},
    };

    #[tokio::test]
    async fn what_waits_for_its_turn_while_the_key_is_rotated_is_sealed_with_the_new_key() {
        let house = House::new().await;
        let store = &house.store;
        let (connection, hook) =
            (house.connect("prod", Mode::Push, "a").await.unwrap(), house.hook("siem", None).await);
        let record = house.save("a", json!({"x": 1})).await.unwrap();
        let identity = RemoteIdentity {
            product: "OpenBao".to_owned(),
            version: "2.7.2".to_owned(),
            cluster_id: None,
            mount_accessor: "kv_1".to_owned(),
            mount_uuid: None,
            kv_version: 2,
        };
        let (id, created, expires) = (PlanId(vaultterm_sync::new_id()), UnixNanos(1), UnixNanos(i64::MAX));
        let (connection_id, plan) = (connection.id, Plan::default());
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
        let key = IdempotencyKey { user_id: house.owner.id, key: "k".to_owned(), request: [1; 32] };
        store.claim_idempotency(&key, house.ann().now_us).await.unwrap();
        let answer = SavedAnswer { status: 201, body: b"shown once".to_vec() };
        let patch = RecordPatch { fields: Some(fields(json!({"x": 2}))), ..RecordPatch::default() };
        let secret = WebhookUpdate { secret: Some(WebhookSecret::draw().unwrap()), ..WebhookUpdate::default() };

        let ann = house.ann();
        // The rotation is the first in the queue for the writer, and all others wait behind it.
        let (rotated, made, planned, completed, drawn, changed) = tokio::join!(
            store.rotate_record_key(&ann, &house.root),
            house.connect("other", Mode::Push, "b"),
            store.insert_plan(&plan),
            store.complete_idempotency(&key, &answer),
            store.update_webhook(&ann, hook.id, 1, secret),
            store.update_record(&ann, record.id, Revision::FIRST, patch),
        );
        rotated.unwrap();
        planned.unwrap();
        completed.unwrap();
        drawn.unwrap();
        changed.unwrap();
        let active = store.db.write().await.unwrap().record_key().await.unwrap();
        let (made, hook, record) = (made.unwrap().id, hook.id, record.id.0);
        for (columns, row) in [
            ("key_id", format!("connections WHERE id = '{made}'")),
            ("tls_key_id", format!("connections WHERE id = '{made}'")),
            ("key_id", format!("plans WHERE id = '{id}'")),
            ("key_id", "idempotency".to_owned()),
            ("key_id", format!("webhooks WHERE id = '{hook}'")),
            ("old_key_id", format!("webhooks WHERE id = '{hook}'")),
            ("key_id", format!("revisions WHERE record_id = '{record}' AND revision = 2")),
        ] {
            let sealed = store.db.one(&format!("SELECT {columns} AS k FROM {row}"), args![]).await.unwrap().unwrap();
            assert_eq!(sealed.id("k").unwrap(), active, "{row}: {columns}");
        }
    }

    #[tokio::test]
    async fn no_sealed_message_opens_in_any_other_place() {
        let house = House::new().await;
        let spots = house.gallery().await;
        let mut tried = 0;
        for to in &spots {
            let own = house.triple(to).await;
            for from in spots.iter().filter(|from| !std::ptr::eq(*from, to)) {
                house.put(to, house.triple(from).await).await;
                let opened = house.open(to).await;
                assert!(opened.is_err(), "{to} opens what was sealed for {from}");
                tried += 1;
            }
            house.put(to, own).await;
            house.open(to).await.unwrap();
        }
        assert_eq!(tried, spots.len() * (spots.len() - 1));
    }

    #[tokio::test]
    async fn no_part_of_a_sealed_message_opens_beside_parts_of_another() {
        let house = House::new().await;
        let spots = house.gallery().await;
        for pair in spots.windows(2) {
            let [from, to] = pair else { continue };
            let (own, other) = (house.triple(to).await, house.triple(from).await);
            for part in 1..own.len() {
                let mut mixed = own.clone();
                mixed[part] = other[part].clone();
                house.put(to, mixed).await;
                assert!(house.open(to).await.is_err(), "{to} opens with part {part} of {from}");
            }
            house.put(to, own).await;
        }
    }

    #[tokio::test]
    async fn nothing_of_another_installation_opens() {
        let (house, stranger) = (House::new().await, House::new().await);
        let (spots, strange) = (house.gallery().await, stranger.gallery().await);
        for (to, from) in spots.iter().zip(&strange) {
            house.put(to, stranger.triple(from).await).await;
            assert!(house.open(to).await.is_err(), "{to} opens what another installation sealed");
        }
    }

    #[tokio::test]
    async fn every_sealed_column_of_the_schema_is_known_and_in_the_gallery() {
        let house = House::new().await;
        let tables = engine::tables(&house.store.db.0).await.unwrap();
        let columns = tables.iter().flat_map(|table| table.columns.iter().map(move |column| (table, column)));
        let mut schema: Vec<_> = columns
            .filter(|(table, column)| column.name.ends_with("ciphertext") && table.name != "sealed_roots")
            .map(|(table, column)| (table.name.clone(), column.name.clone()))
            .collect();
        schema.sort();
        let mut known: Vec<_> = SEALED_COLUMNS
            .iter()
            .map(|columns| (columns.table.to_owned(), format!("{}ciphertext", columns.prefix)))
            .collect();
        known.sort();
        assert_eq!(schema, known);
        let shown = house.gallery().await;
        let shown = |(table, column): &(String, String)| {
            shown.iter().any(|spot: &Spot| spot.table == table && format!("{}ciphertext", spot.prefix) == *column)
        };
        assert!(known.iter().all(shown));
    }
}
