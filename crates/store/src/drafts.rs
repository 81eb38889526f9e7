//! Forms of pages that came when their session had ended. They are kept for ten minutes, sealed, for the person whose session
//! it was and for nobody else. Every server on the database can hand them out.

use uuid::Uuid;
use vaultterm_sealing::{Place, Purpose, SecretBytes};

use crate::{
    Store, StoreError,
    sealed::seal,
    sql::{Row, Tx, args},
};

/// How long a form is kept, in microseconds.
const KEPT_US: i64 = 10 * 60 * 1_000_000;
/// Forms that are kept of one person, and of all.
const OF_ONE_MAX: u32 = 3;
const OF_ALL_MAX: u32 = 100;

/// A form that was not carried out.
#[derive(Debug)]
pub struct Draft {
    /// The path to which it was sent.
    pub address: String,
    /// What was typed.
    pub body: SecretBytes,
}

impl Store {
    /// Keeps a form of a person, and returns its id. The oldest one makes room.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn keep_draft(&self, user_id: Uuid, draft: &Draft, now_us: i64) -> Result<Uuid, StoreError> {
        let id = vaultterm_sealing::new_id();
        // An address holds no NUL, so the first one ends it.
        let mut form = draft.address.as_bytes().to_vec();
        form.push(0);
        form.extend_from_slice(draft.body.expose());
        let form = SecretBytes::new(form);
        let mut tx = self.db.write().await?;
        tx.run("DELETE FROM drafts WHERE created_us <= $1", args![now_us - KEPT_US]).await?;
        let [key_id, wrapped_key, ciphertext] = seal(&mut tx, &self.keyring, &place(id), form.expose()).await?;
        let sql = "INSERT INTO drafts (id, user_id, created_us, key_id, wrapped_key, ciphertext)
                   VALUES ($1, $2, $3, $4, $5, $6)";
        tx.run(sql, args![id, user_id, now_us, key_id, wrapped_key, ciphertext]).await?;
        let sql = "DELETE FROM drafts WHERE user_id = $1 AND id NOT IN (
                       SELECT id FROM drafts WHERE user_id = $1 ORDER BY created_us DESC, id DESC LIMIT $2)";
        tx.run(sql, args![user_id, OF_ONE_MAX]).await?;
        make_room(&mut tx).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Returns whose form it is: the id and the e-mail address. `None` when it is not kept any more.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn draft_owner(&self, id: Uuid, now_us: i64) -> Result<Option<(Uuid, String)>, StoreError> {
        let sql = "SELECT u.id, u.email FROM drafts d JOIN users u ON u.id = d.user_id
                   WHERE d.id = $1 AND d.created_us > $2";
        let row = self.db.one(sql, args![id, now_us - KEPT_US]).await?;
        row.map(|row| Ok((row.id("id")?, row.text("email")?))).transpose()
    }

    /// Hands out a form, once, to the person whose it is.
    ///
    /// # Errors
    /// [`StoreError::Sealing`] when it does not open.
    pub async fn take_draft(&self, id: Uuid, user_id: Uuid, now_us: i64) -> Result<Option<Draft>, StoreError> {
        let mut tx = self.db.write().await?;
        let sql = "DELETE FROM drafts WHERE id = $1 AND user_id = $2 AND created_us > $3
                   RETURNING key_id, wrapped_key, ciphertext";
        let Some(row) = tx.one(sql, args![id, user_id, now_us - KEPT_US]).await? else { return Ok(None) };
        let draft = self.opened_draft(id, &row)?;
        tx.commit().await?;
        Ok(Some(draft))
    }

    fn opened_draft(&self, id: Uuid, row: &Row) -> Result<Draft, StoreError> {
        let form = self.keyring.unseal(&place(id), &row.sealed()?)?;
        let malformed = || StoreError::Malformed("draft");
        let end = form.expose().iter().position(|byte| *byte == 0).ok_or_else(malformed)?;
        let (address, body) = form.expose().split_at(end);
        let address = String::from_utf8(address.to_vec()).map_err(|_| malformed())?;
        Ok(Draft { address, body: SecretBytes::new(body[1..].to_vec()) })
    }

    /// Opens a form without taking it, for the tests of sealed places.
    #[cfg(test)]
    pub(crate) async fn open_draft(&self, id: Uuid) -> Result<Draft, StoreError> {
        let row = self.db.one("SELECT * FROM drafts WHERE id = $1", args![id]).await?;
        self.opened_draft(id, &row.ok_or(StoreError::NotFound("draft"))?)
    }
}

async fn make_room(tx: &mut Tx) -> Result<(), StoreError> {
    let sql = "DELETE FROM drafts WHERE id NOT IN (SELECT id FROM drafts ORDER BY created_us DESC, id DESC LIMIT $1)";
    tx.run(sql, args![OF_ALL_MAX]).await.map(drop)
}

const fn place(id: Uuid) -> Place {
    Place { purpose: Purpose::Draft, collection: Uuid::nil(), object: id, revision: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        InstanceRole,
        testing::{House, NOW_US, new_user, reopened},
    };

    fn draft(body: &str) -> Draft {
        Draft { address: "/records/new?in=1".to_owned(), body: SecretBytes::new(body.into()) }
    }

    #[tokio::test]
    async fn a_form_is_kept_for_its_person_for_ten_minutes_and_handed_out_once_by_any_server() {
        let house = House::new().await;
        let (store, ann) = (&house.store, house.owner.id);
        let id = store.keep_draft(ann, &draft("a=b\0c"), NOW_US).await.unwrap();
        let late = NOW_US + KEPT_US;
        assert_eq!(store.draft_owner(id, late).await.unwrap(), None);
        assert!(store.take_draft(id, ann, late).await.unwrap().is_none());
        assert!(store.take_draft(id, Uuid::from_u128(2), NOW_US).await.unwrap().is_none(), "somebody else");
        let other = reopened(&house, &house.root).await.unwrap();
        assert_eq!(other.draft_owner(id, late - 1).await.unwrap(), Some((ann, "ann@example.com".to_owned())));
        let taken = other.take_draft(id, ann, late - 1).await.unwrap().unwrap();
        assert_eq!((taken.address.as_str(), taken.body.expose()), ("/records/new?in=1", &b"a=b\0c"[..]));
        assert!(store.take_draft(id, ann, NOW_US).await.unwrap().is_none(), "once");
    }

    #[tokio::test]
    async fn what_is_kept_has_a_bound_for_one_person_and_for_all() {
        let house = House::new().await;
        let store = &house.store;
        let mut ids = Vec::new();
        for n in 0..4 {
            ids.push(store.keep_draft(house.owner.id, &draft("x"), NOW_US + n).await.unwrap());
        }
        let kept = async |id| store.draft_owner(id, NOW_US + 5).await.unwrap().is_some();
        assert!(!kept(ids[0]).await && kept(ids[1]).await && kept(ids[3]).await);
        for n in 0..OF_ALL_MAX / OF_ONE_MAX + 2 {
            let person = new_user(&format!("p{n}@example.com"), InstanceRole::Member);
            let person = store.create_user(&house.ann(), person).await.unwrap();
            for _ in 0..OF_ONE_MAX {
                store.keep_draft(person.id, &draft("x"), NOW_US + 5).await.unwrap();
            }
        }
        let row = store.db.one("SELECT COUNT(*) AS n FROM drafts", args![]).await.unwrap().unwrap();
        assert_eq!(row.count("n").unwrap(), u64::from(OF_ALL_MAX));
    }
}
