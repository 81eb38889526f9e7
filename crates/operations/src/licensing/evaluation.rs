//! The evaluation license, which this installation issues to itself, once.

use uuid::Uuid;
use vaultterm_license::{EvaluationKey, License, LicenseError, Tier, verify};
use vaultterm_store::{Context, KeptLicense, NewLicense, Store};

use super::{Licensing, Refused, aside, files};

impl Licensing {
    /// Begins the evaluation of this installation, and returns its id. It is recorded in the database and in the state
    /// file, so that a second one is refused even after an older database was restored here.
    ///
    /// # Errors
    /// [`Refused`]: nothing was changed.
    pub async fn evaluate(&self, store: &Store, context: &Context) -> Result<Uuid, Refused> {
        let mut turn = self.turn.lock().await;
        let rows = store.licenses().await?;
        let key = evaluation_key(store);
        let path = self.settings.state_path.clone();
        let state = aside(move || files::state(&path)).await?;
        if rows.iter().any(|row| row.id == key.id()) || state.accepted.contains(&key.id()) {
            return Err(Refused::EvaluatedBefore);
        }
        if self.was_licensed(&rows) {
            return Err(Refused::NothingToEvaluate);
        }
        let (license, text) = key.begin(self.now())?;
        // The database comes before the file. If the process dies in between, the evaluation goes on, and the next
        // refresh writes it to the file.
        store.keep_license(context, &evaluation(&license, text)).await?;
        let rows = store.licenses().await?;
        if let Err(error) = self.remember(&rows, Some(&license)).await {
            tracing::error!(%error, "the evaluation could not be kept beside the database; it is tried again");
            self.read_again();
        }
        self.hold(store, &rows, &turn.found);
        turn.rows = rows;
        self.tell(&self.report());
        Ok(license.id)
    }

    /// Says whether an evaluation can begin, as far as the database knows.
    pub(super) fn may_evaluate(&self, store: &Store, rows: &[KeptLicense]) -> bool {
        let id = evaluation_key(store).id();
        !rows.iter().any(|row| row.id == id) && !self.was_licensed(rows)
    }

    /// Says whether a license of the vendor that includes synchronization was ever accepted here.
    fn was_licensed(&self, rows: &[KeptLicense]) -> bool {
        rows.iter().filter_map(|row| row.body.as_ref()).any(|text| {
            let license = verify(text.as_bytes(), &self.settings.trusted);
            license.is_ok_and(|license| license.included().next().is_some())
        })
    }

    /// Verifies a license that is kept: one of a vendor, or the evaluation of this installation.
    pub(super) fn read(&self, store: &Store, text: &str) -> Result<License, LicenseError> {
        let foreign = match verify(text.as_bytes(), &self.settings.trusted) {
            Err(refused @ (LicenseError::NoKey | LicenseError::UnknownKey(_))) => refused,
            read => return read,
        };
        evaluation_key(store).verify(text.as_bytes()).map_err(|error| match error {
            LicenseError::UnknownKey(_) => foreign,
            error => error,
        })
    }
}

fn evaluation_key(store: &Store) -> EvaluationKey {
    let (seed, id) = store.evaluation_seed();
    EvaluationKey::of(seed, id)
}

fn evaluation(license: &License, body: String) -> NewLicense {
    NewLicense {
        id: license.id,
        counter: license.counter,
        body,
        by_file: false,
        begun: true,
        known: true,
        facts: vec![
            ("tier", Tier::Evaluation.as_str().to_owned()),
            ("expires", license.expires.to_string()),
            ("from", "evaluation".to_owned()),
        ],
    }
}
