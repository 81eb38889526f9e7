//! What is remembered of licenses. The license itself is a file: here is what must survive it.

use uuid::Uuid;
use vaultterm_ledger::{Action, ObjectKind};

use crate::{
    Context, Store, StoreError,
    context::Facts as _,
    sql::{Row, args},
};

/// What is remembered of licenses; of none, before there was one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LicenseMemory {
    /// The one that was installed last.
    pub id: Option<Uuid>,
    /// The highest counter that was ever seen.
    pub counter: u64,
    /// Whether its end is in the audit log.
    pub end_told: bool,
}

/// A license that takes effect.
#[derive(Clone, Debug)]
pub struct NewLicense {
    /// Its id.
    pub id: Uuid,
    /// Its counter, or a higher one that was seen elsewhere.
    pub counter: u64,
    /// For the audit log: who it was made out to, its tier, when it runs out, where it came from.
    pub facts: Vec<(&'static str, String)>,
}

impl Store {
    /// Returns the highest counter of a license that was ever seen; 0 when there was none.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn license_counter(&self) -> Result<u64, StoreError> {
        self.license_memory().await.map(|memory| memory.counter)
    }

    /// Returns what is remembered of licenses.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn license_memory(&self) -> Result<LicenseMemory, StoreError> {
        let row = self.db.one("SELECT * FROM license", args![]).await?;
        row.map_or_else(|| Ok(LicenseMemory::default()), |row| memory(&row))
    }

    /// Remembers a license that takes effect (`LICENSE_INSTALLED`).
    ///
    /// # Errors
    /// [`StoreError::Refused`] when a newer one was seen.
    pub async fn install_license(&self, context: &Context, license: &NewLicense) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let before = tx.one("SELECT * FROM license", args![]).await?;
        let before = before.map_or_else(|| Ok(LicenseMemory::default()), |row| memory(&row))?;
        if license.counter < before.counter {
            let why = format!("a newer license was seen here, with counter {}", before.counter);
            return Err(StoreError::Refused(why));
        }
        let end_told = before.end_told && before.id == Some(license.id);
        tx.run("DELETE FROM license", args![]).await?;
        let sql = "INSERT INTO license (only, license_id, counter, end_told) VALUES (1, $1, $2, $3)";
        tx.run(sql, args![license.id, license.counter, end_told]).await?;
        let draft = context.draft(Action::LicenseInstalled, ObjectKind::License, license.id, None);
        let draft = draft.with("counter", license.counter);
        tx.audit(license.facts.iter().fold(draft, |draft, (name, value)| draft.with(name, value)));
        tx.commit().await
    }

    /// Tells the end of the license that was installed last, once (`LICENSE_EXPIRED`); answers whether
    /// it was told now.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn tell_license_end(&self, context: &Context, id: Uuid, ended: &str) -> Result<bool, StoreError> {
        let mut tx = self.db.write().await?;
        let told = tx.run("UPDATE license SET end_told = 1 WHERE license_id = $1 AND end_told = 0", args![id]).await?;
        if told == 0 {
            return Ok(false);
        }
        tx.audit(context.draft(Action::LicenseExpired, ObjectKind::License, id, None).with("ended", ended));
        tx.commit().await?;
        Ok(true)
    }

    /// Returns the latest moment of the audit log, in microseconds: time does not go back behind it,
    /// whatever a clock says.
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here.
    pub async fn latest_audit_us(&self) -> Result<Option<i64>, StoreError> {
        let row = self.db.one("SELECT MAX(time_us) AS latest FROM audit", args![]).await?;
        row.map_or(Ok(None), |row| row.maybe_int("latest"))
    }
}

fn memory(row: &Row) -> Result<LicenseMemory, StoreError> {
    Ok(LicenseMemory {
        id: Some(row.id("license_id")?),
        counter: row.count("counter")?,
        end_told: row.flag("end_told")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;
    use vaultterm_ledger::Action;

    use super::{LicenseMemory, NewLicense};
    use crate::{
        ErrorClass,
        testing::{House, NOW_US},
    };

    fn license(n: u128, counter: u64) -> NewLicense {
        NewLicense { id: Uuid::from_u128(n), counter, facts: vec![("tier", "enterprise".to_owned())] }
    }

    async fn told(house: &House, action: Action) -> usize {
        house.audited().await.into_iter().filter(|audited| *audited == action).count()
    }

    #[tokio::test]
    async fn the_highest_counter_stays_and_a_lower_one_is_refused() {
        let house = House::new().await;
        assert_eq!(house.store.license_memory().await.unwrap(), LicenseMemory::default());
        for (n, counter) in [(1, 5), (2, 5), (3, 9)] {
            house.store.install_license(&house.ann(), &license(n, counter)).await.unwrap();
            assert_eq!(house.store.license_counter().await.unwrap(), counter);
        }
        let refused = house.store.install_license(&house.ann(), &license(4, 8)).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Refused);
        let memory = LicenseMemory { id: Some(Uuid::from_u128(3)), counter: 9, end_told: false };
        assert_eq!(house.store.license_memory().await.unwrap(), memory);
        assert_eq!(told(&house, Action::LicenseInstalled).await, 3);
    }

    #[tokio::test]
    async fn the_end_of_a_license_is_told_once_and_that_of_the_next_one_too() {
        let house = House::new().await;
        for n in [1, 2] {
            house.store.install_license(&house.ann(), &license(n, 1)).await.unwrap();
            let id = Uuid::from_u128(n);
            let mut answers = Vec::new();
            for _ in 0..3 {
                answers.push(house.store.tell_license_end(&house.ann(), id, "2027-01-31").await.unwrap());
            }
            assert_eq!(answers, [true, false, false]);
            // Installed once more, it is still the one whose end is known.
            house.store.install_license(&house.ann(), &license(n, 1)).await.unwrap();
            assert!(!house.store.tell_license_end(&house.ann(), id, "2027-01-31").await.unwrap());
        }
        assert_eq!(told(&house, Action::LicenseExpired).await, 2);
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
