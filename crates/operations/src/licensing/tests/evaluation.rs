//! Tests of the evaluation.

use super::*;

async fn begin(place: &Place, licensing: &Licensing) -> Result<Uuid, Refused> {
    licensing.evaluate(&place.store, &context(now())).await
}

impl Place {
    /// Opens the database that lies there now.
    async fn reopened(&mut self) {
        let database = Database::open_sqlite(&self.folder.path().join("vaultterm.db")).await.unwrap();
        self.store = database.unlock(&self.root).await.unwrap();
    }
}

#[tokio::test]
async fn an_evaluation_lets_synchronization_go_on_without_any_vendor_and_is_audited() {
    let place = Place::new().await;
    let licensing = place.trusting(TrustedKeys::default()).await;
    assert!(licensing.missing().is_some() && licensing.report().may_evaluate);
    let id = begin(&place, &licensing).await.unwrap();
    assert!(licensing.missing().is_none() && !licensing.report().may_evaluate);
    let report = licensing.report();
    let counts = report.best().unwrap();
    assert_eq!((counts.license.id, counts.license.tier), (id, Tier::Evaluation));
    assert_eq!(place.told(AuditAction::LicenseInstalled).await, 1);
    // It holds after a restart, too.
    assert!(place.trusting(TrustedKeys::default()).await.missing().is_none());
}

#[tokio::test]
async fn there_is_one_evaluation_for_each_installation_even_after_an_older_database_was_restored() {
    let mut place = Place::new().await;
    let file = place.folder.path().join("vaultterm.db");
    place.store.close().await;
    let before = fs::read(&file).unwrap();
    place.reopened().await;
    let licensing = place.started().await;
    begin(&place, &licensing).await.unwrap();
    assert!(matches!(begin(&place, &licensing).await, Err(Refused::EvaluatedBefore)));
    place.store.close().await;
    fs::write(&file, before).unwrap();
    place.reopened().await;
    let licensing = place.started().await;
    assert!(licensing.missing().is_some(), "the older database knows of none");
    assert!(matches!(begin(&place, &licensing).await, Err(Refused::EvaluatedBefore)), "the state file remembers");
    assert_eq!(place.told(AuditAction::LicenseInstalled).await, 0);
}

#[tokio::test]
async fn an_evaluation_forbids_no_license_of_the_vendor_and_counts_behind_it() {
    let place = Place::new().await;
    let licensing = place.started().await;
    begin(&place, &licensing).await.unwrap();
    let bought = license(1);
    place.install(&licensing, &bought).await.unwrap();
    assert_eq!(licensing.report().best().unwrap().license.id, bought.id);
}

#[tokio::test]
async fn where_a_license_was_installed_there_is_nothing_to_evaluate() {
    let place = Place::new().await;
    let licensing = place.started().await;
    place.install(&licensing, &license(1)).await.unwrap();
    assert!(!licensing.report().may_evaluate);
    assert!(matches!(begin(&place, &licensing).await, Err(Refused::NothingToEvaluate)));
}

#[tokio::test]
async fn the_evaluation_of_another_installation_is_refused_as_a_license() {
    let (place, other) = (Place::new().await, Place::new().await);
    let licensing = other.started().await;
    begin(&other, &licensing).await.unwrap();
    let text = other.store.licenses().await.unwrap()[0].body.clone().unwrap();
    let here = place.started().await;
    let refused = here.install(text.as_bytes(), &place.store, &context(now())).await;
    assert!(matches!(refused, Err(Refused::License(_))), "{refused:?}");
}
