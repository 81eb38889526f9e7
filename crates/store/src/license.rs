//! The accepted licenses, which are kept side by side. The server judges the standing of each and decides
//! which one counts.

use uuid::Uuid;
use vaultterm_ledger::{AuditAction, ObjectKind};

use crate::{
    Context, Store, StoreError,
    context::Facts as _,
    sql::{Row, Tx, args},
};

/// A license that was accepted here once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptLicense {
    /// The id of the license.
    pub id: Uuid,
    /// The counter of the license.
    pub counter: u64,
    /// The signed text. `None` if its file was removed.
    pub body: Option<String>,
    /// Whether it came as a file, and not over the API.
    pub by_file: bool,
    /// Whether its first day has come.
    pub begun: bool,
    /// Whether the audit log reports its end.
    pub end_told: bool,
}

/// A license to keep.
#[derive(Clone, Debug)]
pub struct NewLicense {
    /// The id of the license.
    pub id: Uuid,
    /// The counter of the license.
    pub counter: u64,
    /// The signed text.
    pub body: String,
    /// Whether it came as a file, and not over the API.
    pub by_file: bool,
    /// Whether its first day has come.
    pub begun: bool,
    /// Whether another source shows that it was accepted here before.
    pub known: bool,
    /// The facts for the audit log: the licensee, the tier, the expiry, and the source of the license.
    pub facts: Vec<(&'static str, String)>,
}

impl Store {
    /// Returns the highest counter of the licenses whose first day has come. 0 if there is none.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn license_counter(&self) -> Result<u64, StoreError> {
        highest(self.db.one(HIGHEST, args![]).await?)
    }

    /// Returns what the evaluation of this installation is made of: the seed of its key, and what its id is made of. Both
    /// come out of a key of the installation that is never replaced, so they are the same after a restore.
    #[must_use]
    pub fn evaluation_seed(&self) -> ([u8; 32], [u8; 16]) {
        let key = self.keyring.digest_key();
        let mut id = [0; 16];
        id.copy_from_slice(&key.digest(b"vaultterm evaluation id 1")[..16]);
        (key.digest(b"vaultterm evaluation key 1"), id)
    }

    /// Lists all licenses that were accepted here, in the order of their first installation.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn licenses(&self) -> Result<Vec<KeptLicense>, StoreError> {
        let rows = self.db.all("SELECT * FROM licenses ORDER BY installed_us, license_id", args![]).await?;
        rows.iter().map(kept).collect()
    }

    /// Stores a license beside the others (`LICENSE_INSTALLED`). A license that was accepted before is
    /// accepted again.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if the license is new here and a newer one has begun.
    pub async fn keep_license(&self, context: &Context, license: &NewLicense) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let before = tx.one("SELECT * FROM licenses WHERE license_id = $1", args![license.id]).await?;
        let highest = license_counter(&mut tx).await?;
        if before.is_none() && !license.known && license.counter < highest {
            let why = format!("a newer license was seen here, with counter {highest}");
            return Err(StoreError::Refused(why));
        }
        let body = license.body.as_str();
        if before.is_some() {
            let sql = "UPDATE licenses SET body = $2, by_file = $3 WHERE license_id = $1";
            tx.run(sql, args![license.id, body, license.by_file]).await?;
        } else {
            let sql = "INSERT INTO licenses (license_id, counter, body, by_file, begun, end_told, installed_us)
                       VALUES ($1, $2, $3, $4, $5, 0, $6)";
            let args = args![license.id, license.counter, body, license.by_file, license.begun, context.now_us];
            tx.run(sql, args).await?;
        }
        let draft = context.draft(AuditAction::LicenseInstalled, ObjectKind::License, license.id, None);
        let draft = draft.with("counter", license.counter);
        tx.audit(license.facts.iter().fold(draft, |draft, (name, value)| draft.with(name, value)));
        tx.commit().await
    }

    /// Records that the first day of a license has come.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn begin_license(&self, id: Uuid) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        tx.run("UPDATE licenses SET begun = 1 WHERE license_id = $1", args![id]).await?;
        tx.commit().await
    }

    /// Removes the texts of the licenses that came as a file, because the file was removed. Returns their
    /// number.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn let_go_of_file_licenses(&self) -> Result<u64, StoreError> {
        let mut tx = self.db.write().await?;
        let gone = tx.run("UPDATE licenses SET body = NULL WHERE by_file = 1 AND body IS NOT NULL", args![]).await?;
        tx.commit().await?;
        Ok(gone)
    }

    /// Reports the end of a license once (`LICENSE_EXPIRED`). Returns whether it was reported now.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn tell_license_end(&self, context: &Context, id: Uuid, ended: &str) -> Result<bool, StoreError> {
        let mut tx = self.db.write().await?;
        let told = tx.run("UPDATE licenses SET end_told = 1 WHERE license_id = $1 AND end_told = 0", args![id]).await?;
        if told == 0 {
            return Ok(false);
        }
        tx.audit(context.draft(AuditAction::LicenseExpired, ObjectKind::License, id, None).with("ended", ended));
        tx.commit().await?;
        Ok(true)
    }

    /// Returns the latest time in the audit log, in microseconds. The time that VaultTerm uses
    /// never goes back behind it, even if the clock does.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn latest_audit_us(&self) -> Result<Option<i64>, StoreError> {
        let row = self.db.one("SELECT MAX(time_us) AS latest FROM audit", args![]).await?;
        row.map_or(Ok(None), |row| row.maybe_int("latest"))
    }
}

/// Selects the highest counter of the licenses whose first day has come.
const HIGHEST: &str = "SELECT COALESCE(MAX(counter), 0) AS counter FROM licenses WHERE begun = 1";

/// Returns the highest counter of the licenses whose first day has come. 0 if there is none.
pub(crate) async fn license_counter(tx: &mut Tx) -> Result<u64, StoreError> {
    highest(tx.one(HIGHEST, args![]).await?)
}

fn highest(row: Option<Row>) -> Result<u64, StoreError> {
    row.map_or(Ok(0), |row| row.count("counter"))
}

fn kept(row: &Row) -> Result<KeptLicense, StoreError> {
    Ok(KeptLicense {
        id: row.id("license_id")?,
        counter: row.count("counter")?,
        body: row.maybe_text("body")?,
        by_file: row.flag("by_file")?,
        begun: row.flag("begun")?,
        end_told: row.flag("end_told")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;
    use vaultterm_ledger::AuditAction;

    use super::NewLicense;
    use crate::{
        ErrorClass,
        testing::{House, NOW_US},
    };

    fn license(n: u128, counter: u64) -> NewLicense {
        NewLicense {
            id: Uuid::from_u128(n),
            counter,
            body: format!("license {n}"),
            by_file: false,
            begun: true,
            known: false,
            facts: vec![("tier", "enterprise".to_owned())],
        }
    }

    async fn keep(house: &House, license: NewLicense) -> Result<(), crate::StoreError> {
        house.store.keep_license(&house.ann(), &license).await
    }

    async fn told(house: &House, action: AuditAction) -> usize {
        house.audited().await.into_iter().filter(|audited| *audited == action).count()
    }

    #[tokio::test]
    async fn licenses_stand_side_by_side_and_one_that_went_back_is_refused() {
        let house = House::new().await;
        assert_eq!((house.store.licenses().await.unwrap(), house.store.license_counter().await.unwrap()), (vec![], 0));
        for (n, counter) in [(1, 5), (2, 5), (3, 9)] {
            keep(&house, license(n, counter)).await.unwrap();
            assert_eq!(house.store.license_counter().await.unwrap(), counter);
        }
        assert_eq!(keep(&house, license(4, 8)).await.unwrap_err().class(), ErrorClass::Refused);
        keep(&house, NewLicense { known: true, ..license(5, 8) }).await.unwrap();
        let ids: Vec<_> = house.store.licenses().await.unwrap().into_iter().map(|kept| kept.id.as_u128()).collect();
        assert_eq!((ids, house.store.license_counter().await.unwrap()), (vec![1, 2, 3, 5], 9));
        assert_eq!(told(&house, AuditAction::LicenseInstalled).await, 4);
    }

    #[tokio::test]
    async fn a_license_whose_day_has_not_come_forbids_no_older_one() {
        let house = House::new().await;
        keep(&house, NewLicense { begun: false, ..license(1, 9) }).await.unwrap();
        keep(&house, license(2, 5)).await.unwrap();
        assert_eq!(house.store.license_counter().await.unwrap(), 5);
        house.store.begin_license(Uuid::from_u128(1)).await.unwrap();
        assert_eq!(house.store.license_counter().await.unwrap(), 9);
        assert_eq!(keep(&house, license(3, 8)).await.unwrap_err().class(), ErrorClass::Refused);
        keep(&house, license(2, 5)).await.expect("it was accepted before");
    }

    #[tokio::test]
    async fn a_file_that_was_taken_away_takes_its_licenses_along_and_may_come_back() {
        let house = House::new().await;
        keep(&house, NewLicense { by_file: true, ..license(1, 5) }).await.unwrap();
        keep(&house, license(2, 6)).await.unwrap();
        assert_eq!(house.store.let_go_of_file_licenses().await.unwrap(), 1);
        assert_eq!(house.store.let_go_of_file_licenses().await.unwrap(), 0);
        let bodies: Vec<_> = house.store.licenses().await.unwrap().into_iter().map(|kept| kept.body).collect();
        assert_eq!(bodies, [None, Some("license 2".to_owned())]);
        keep(&house, NewLicense { by_file: true, ..license(1, 5) }).await.unwrap();
        assert_eq!(house.store.licenses().await.unwrap()[0].body.as_deref(), Some("license 1"));
    }

    #[tokio::test]
    async fn the_end_of_each_license_is_told_once() {
        let house = House::new().await;
        for n in [1, 2] {
            keep(&house, license(n, 1)).await.unwrap();
            let id = Uuid::from_u128(n);
            let mut answers = Vec::new();
            for _ in 0..3 {
                answers.push(house.store.tell_license_end(&house.ann(), id, "2027-01-31").await.unwrap());
            }
            assert_eq!(answers, [true, false, false]);
            // The license is installed again, and its end still counts as reported.
            keep(&house, license(n, 1)).await.unwrap();
            assert!(!house.store.tell_license_end(&house.ann(), id, "2027-01-31").await.unwrap());
        }
        assert_eq!(told(&house, AuditAction::LicenseExpired).await, 2);
        assert!(!house.store.tell_license_end(&house.ann(), Uuid::from_u128(7), "").await.unwrap());
    }

    #[tokio::test]
    async fn the_latest_moment_is_that_of_no_particular_entry() {
        let house = House::new().await;
        house.pass(500);
        house.save("a", json!({"x": 1})).await.unwrap();
        house.pass(-900);
        house.save("b", json!({"x": 1})).await.unwrap();
        assert_eq!(house.store.latest_audit_us().await.unwrap(), Some(NOW_US + 500_000_000));
    }
}
