//! Tests of how a server takes licenses in.

mod evaluation;

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use uuid::Uuid;
use vaultterm_ledger::{Actor, ActorKind, AuditAction, AuditOutcome};
use vaultterm_license::{IssuerKey, License, Tier, TrustedKeys, issue};
use vaultterm_sealing::RootKey;
use vaultterm_store::{AuditFilter, Context, Database, Page, Store};
use vaultterm_sync::Entitlement as _;

use super::{LicenseSettings, Licensing, Refused, examine};

/// Makes another license of one.
type Change = fn(License) -> License;

/// A database and the files of a license, with the vendor's key.
struct Place {
    folder: TempDir,
    root: RootKey,
    store: Store,
    vendor: IssuerKey,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = RootKey::generate();
        let database = Database::open_sqlite(&folder.path().join("vaultterm.db")).await.unwrap();
        database.initialise(&context(now()), &root, None).await.unwrap();
        let store = database.unlock(&root).await.unwrap();
        Self { folder, root, store, vendor: IssuerKey::generate() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("license.vtlic")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("license.state")
    }

    /// What a process has when it starts.
    async fn started(&self) -> Licensing {
        self.trusting(self.vendor.public().clone().into()).await
    }

    async fn trusting(&self, trusted: TrustedKeys) -> Licensing {
        let licensing = Licensing::new(LicenseSettings { path: self.path(), state_path: self.state(), trusted });
        licensing.refresh(&self.store).await.unwrap();
        licensing
    }

    fn text(&self, license: &License) -> String {
        issue(license, &self.vendor).unwrap()
    }

    /// Lays a license in its place, as an administrator would.
    fn lay(&self, license: &License) {
        fs::write(self.path(), self.text(license)).unwrap();
    }

    async fn install(&self, licensing: &Licensing, license: &License) -> Result<Uuid, Refused> {
        licensing.install(self.text(license).as_bytes(), &self.store, &context(now())).await
    }

    async fn told(&self, action: AuditAction) -> usize {
        let filter = AuditFilter { action: Some(action), ..AuditFilter::default() };
        self.store.audit_events(&filter, &Page::default()).await.unwrap().items.len()
    }

    /// Puts the database back to how it was at the beginning, as a restore does.
    async fn restored(&mut self) {
        self.store.close().await;
        for file in ["vaultterm.db", "vaultterm.db-wal", "vaultterm.db-shm"] {
            let _ = fs::remove_file(self.folder.path().join(file));
        }
        let database = Database::open_sqlite(&self.folder.path().join("vaultterm.db")).await.unwrap();
        database.initialise(&context(now()), &self.root, None).await.unwrap();
        self.store = database.unlock(&self.root).await.unwrap();
    }
}

fn now() -> Timestamp {
    Timestamp::from_nanosecond(vaultterm_sync::system_time().0.into()).unwrap()
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn context(at: Timestamp) -> Context {
    let actor = Actor { kind: ActorKind::System, id: Uuid::nil(), name: "test".to_owned() };
    Context { actor, source_ip: None, request_id: None, now_us: at.as_microsecond() }
}

/// Valid since ten days ago, for thirty more, without grace.
fn license(counter: u64) -> License {
    License {
        id: vaultterm_sync::new_id(),
        licensee: "Example Ltd".to_owned(),
        tier: Tier::Enterprise,
        seats: None,
        features: None,
        not_before: now() - days(10),
        expires: now() + days(30),
        grace_days: 0,
        counter,
    }
}

#[tokio::test]
async fn every_standing_lets_synchronization_do_what_it_should() {
    let cases: [(&str, bool, Change); 9] = [
        ("valid", true, |license| license),
        ("valid", false, |license| License { tier: Tier::Team, ..license }),
        ("valid", false, |license| License { tier: Tier::Pro, ..license }),
        ("valid", false, |license| License { tier: Tier::Free, ..license }),
        ("valid", false, |license| License { features: Some(Vec::new()), ..license }),
        ("not_yet_valid", false, |license| License { not_before: now() + days(1), ..license }),
        ("grace", true, |license| License { expires: now() - days(1), grace_days: 2, ..license }),
        ("expired", false, |license| License { expires: now() - days(2), grace_days: 1, ..license }),
        ("expired", false, |license| License { expires: now() - days(2), ..license }),
    ];
    for (word, entitled, change) in cases {
        let place = Place::new().await;
        let licensing = place.started().await;
        assert_eq!(licensing.report().word().as_str(), "none");
        assert!(licensing.missing().is_some());
        let license = change(license(1));
        place.install(&licensing, &license).await.unwrap();
        for licensing in [&licensing, &place.started().await] {
            assert_eq!(
                (licensing.report().word().as_str(), licensing.missing().is_none()),
                (word, entitled),
                "{license:?}"
            );
        }
        assert_eq!(place.told(AuditAction::LicenseInstalled).await, 1);
    }
}

#[tokio::test]
async fn next_years_license_waits_beside_this_years_whatever_the_order_and_the_way_in() {
    let next_year = License { not_before: now() + days(30), expires: now() + days(395), ..license(8) };
    for (this_year_first, by_file) in [(true, false), (false, false), (true, true), (false, true)] {
        let place = Place::new().await;
        let licensing = place.started().await;
        let this_year = license(7);
        let both = [&this_year, &next_year];
        for license in if this_year_first { both } else { [both[1], both[0]] } {
            if by_file {
                place.lay(license);
                licensing.refresh(&place.store).await.unwrap();
            } else {
                place.install(&licensing, license).await.unwrap();
            }
        }
        for licensing in [&licensing, &place.started().await] {
            let report = licensing.report();
            assert_eq!((report.word().as_str(), report.best().unwrap().license.id), ("valid", this_year.id));
            let standings: BTreeMap<_, _> = report
                .entries
                .iter()
                .map(|entry| (entry.license.counter, (entry.word().as_str(), entry.counts)))
                .collect();
            assert_eq!(standings, BTreeMap::from([(7, ("valid", true)), (8, ("not_yet_valid", false))]));
            assert!(licensing.missing().is_none());
        }
        assert_eq!(place.store.license_counter().await.unwrap(), 7, "the one that waits forbids nothing yet");
        // Next year.
        let later = context(now() + days(31));
        place.store.audit(&later, AuditAction::LoggedOut, Vec::new(), AuditOutcome::Success, [].into()).await.unwrap();
        licensing.refresh(&place.store).await.unwrap();
        assert_eq!(licensing.report().best().unwrap().license.id, next_year.id);
        assert_eq!(place.store.license_counter().await.unwrap(), 8);
        assert!(fs::read_to_string(place.state()).unwrap().contains(":8,"), "kept beside the database as well");
        let older = place.install(&licensing, &license(7)).await.unwrap_err();
        assert!(matches!(older, Refused::RolledBack { counter: 7, highest: 8 }), "{older}");
    }
}

#[tokio::test]
async fn a_license_for_less_or_of_the_past_takes_nothing_from_a_valid_one_and_says_so() {
    let place = Place::new().await;
    let licensing = place.started().await;
    let good = license(1);
    let id = place.install(&licensing, &good).await.unwrap();
    assert_eq!(licensing.report().notice(id).unwrap(), "it counts from now on");
    let from = Timestamp::from_second((now() + days(1)).as_second()).unwrap();
    let others: [(License, &str); 4] = [
        (License { tier: Tier::Team, ..license(2) }, "includes more or holds longer"),
        (License { features: Some(Vec::new()), ..license(3) }, "includes more or holds longer"),
        (License { expires: now() - days(1), ..license(4) }, "it changes nothing: it expired on"),
        (License { not_before: from, ..license(5) }, "it waits until"),
    ];
    for (other, says) in others {
        let id = place.install(&licensing, &other).await.unwrap();
        let report = licensing.report();
        let notice = report.notice(id).unwrap();
        let counts = format!("the license {}, of the tier `enterprise`, counts", good.id);
        assert!(notice.contains(says) && notice.contains(&counts), "{notice}");
        assert_eq!((report.word().as_str(), report.best().unwrap().license.id), ("valid", good.id));
        assert!(licensing.missing().is_none());
    }
    // It can be put back at any time, even if other licenses were installed since.
    place.install(&licensing, &good).await.unwrap();
    assert_eq!(place.started().await.report().best().unwrap().license.id, good.id);
}

#[tokio::test]
async fn a_license_that_mail_or_an_editor_changed_around_its_text_is_taken() {
    let place = Place::new().await;
    let licensing = place.started().await;
    let text = place.text(&license(1)).replace('\n', "\r\n");
    licensing.install(format!("\u{feff}  {text}\r\n\r\n").as_bytes(), &place.store, &context(now())).await.unwrap();
    assert_eq!(licensing.report().word().as_str(), "valid");
    fs::write(place.path(), format!("\u{feff}{}", place.text(&license(2)).trim_end())).unwrap();
    licensing.refresh(&place.store).await.unwrap();
    assert_eq!(licensing.report().entries.len(), 2);
    assert!(licensing.report().refused.is_empty());
}

#[tokio::test]
async fn a_license_that_is_laid_in_its_place_or_taken_away_is_noticed() {
    let place = Place::new().await;
    let licensing = place.started().await;
    let licenses = [license(1), license(2)];
    for (change, word) in [(Some(0), "valid"), (None, "none"), (Some(1), "valid"), (None, "none"), (Some(0), "valid")] {
        match change {
            Some(place_in_list) => place.lay(&licenses[place_in_list]),
            None => fs::remove_file(place.path()).unwrap(),
        }
        licensing.refresh(&place.store).await.unwrap();
        licensing.refresh(&place.store).await.unwrap();
        assert_eq!(licensing.report().word().as_str(), word);
    }
    assert_eq!(place.told(AuditAction::LicenseInstalled).await, 3, "once each time");
    assert_eq!(place.store.license_counter().await.unwrap(), 2);
    fs::remove_file(place.path()).unwrap();
    licensing.refresh(&place.store).await.unwrap();
    place.lay(&license(1));
    licensing.refresh(&place.store).await.unwrap();
    assert_eq!(licensing.report().word().as_str(), "rolled_back", "another one with that counter was never accepted");
    assert_eq!(place.told(AuditAction::LicenseInstalled).await, 3, "not the one that went back");
}

#[tokio::test]
async fn a_license_file_that_nobody_may_write_is_enough() {
    let place = Place::new().await;
    place.lay(&license(1));
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o440)).unwrap();
    let before = fs::read(place.path()).unwrap();
    let licensing = place.started().await;
    place.install(&licensing, &license(2)).await.unwrap();
    assert_eq!((licensing.report().entries.len(), fs::read(place.path()).unwrap()), (2, before));
}

#[tokio::test]
async fn a_counter_that_went_back_is_refused_and_the_license_before_stays() {
    let place = Place::new().await;
    let licensing = place.started().await;
    place.install(&licensing, &license(5)).await.unwrap();
    let refused = place.install(&licensing, &license(4)).await.unwrap_err();
    assert!(matches!(refused, Refused::RolledBack { counter: 4, highest: 5 }), "{refused}");
    assert_eq!(licensing.report().word().as_str(), "valid");
    place.install(&licensing, &license(5)).await.unwrap();
    place.install(&licensing, &license(6)).await.unwrap();
    assert_eq!(place.started().await.report().word().as_str(), "valid");
}

#[tokio::test]
async fn neither_a_restored_database_nor_a_removed_state_file_brings_an_older_license_back() {
    let mut place = Place::new().await;
    let nine = license(9);
    place.install(&place.started().await, &nine).await.unwrap();
    place.lay(&license(8));
    let rolled_back = |licensing: &Licensing| {
        let report = licensing.report();
        let eight = report.entries.iter().find(|entry| entry.license.counter == 8).unwrap();
        (eight.word().as_str(), report.entries.len())
    };
    assert_eq!(rolled_back(&place.started().await), ("rolled_back", 2));
    // The state file alone remembers.
    place.restored().await;
    assert_eq!(place.store.license_counter().await.unwrap(), 0);
    assert_eq!(place.started().await.report().word().as_str(), "rolled_back");
    let refused = place.install(&place.started().await, &license(8)).await.unwrap_err();
    assert!(matches!(refused, Refused::RolledBack { counter: 8, highest: 9 }), "{refused}");
    place.install(&place.started().await, &nine).await.unwrap();
    assert_eq!(place.store.license_counter().await.unwrap(), 9);
    // The database alone remembers.
    fs::remove_file(place.state()).unwrap();
    place.lay(&license(8));
    assert_eq!(rolled_back(&place.started().await), ("rolled_back", 2));
}

#[tokio::test]
async fn a_restored_database_refuses_no_license_that_was_accepted_here() {
    let mut place = Place::new().await;
    let (older, newer) = (license(8), license(9));
    for license in [&older, &newer] {
        place.install(&place.started().await, license).await.unwrap();
    }
    place.restored().await;
    place.install(&place.started().await, &older).await.expect("the state file knows it");
    assert_eq!(place.started().await.report().word().as_str(), "valid");
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_make_a_license_young_again() {
    let place = Place::new().await;
    let licensing = place.started().await;
    place.install(&licensing, &license(1)).await.unwrap();
    assert!(licensing.missing().is_none());
    // Something was audited after the license ran out; then the clock was set back to now.
    let later = context(now() + days(31));
    place.store.audit(&later, AuditAction::LoggedOut, Vec::new(), AuditOutcome::Success, [].into()).await.unwrap();
    for licensing in [&licensing, &place.started().await] {
        licensing.refresh(&place.store).await.unwrap();
        assert_eq!(licensing.report().word().as_str(), "expired");
        assert!(licensing.missing().is_some());
    }
}

#[tokio::test]
async fn the_end_is_told_once_and_not_at_every_look_or_start() {
    let place = Place::new().await;
    let licensing = place.started().await;
    let expired = License { expires: now() - days(1), ..license(1) };
    place.install(&licensing, &expired).await.unwrap();
    for licensing in [&licensing, &place.started().await] {
        for _ in 0..3 {
            licensing.refresh(&place.store).await.unwrap();
        }
    }
    assert_eq!(place.told(AuditAction::LicenseExpired).await, 1);
    let in_grace = License { expires: now() - days(1), grace_days: 5, ..license(2) };
    place.install(&licensing, &in_grace).await.unwrap();
    licensing.refresh(&place.store).await.unwrap();
    assert_eq!(place.told(AuditAction::LicenseExpired).await, 1, "not while there is grace");
}

#[tokio::test]
async fn what_no_trusted_key_signed_is_refused_with_the_reason_and_nothing_changes() {
    let place = Place::new().await;
    let licensing = place.started().await;
    place.install(&licensing, &license(1)).await.unwrap();
    let good = place.text(&license(2));
    let forged = good.replace("Example Ltd", "Another Ltd");
    let foreign = issue(&license(2), &IssuerKey::generate()).unwrap();
    for (text, reason) in [
        (forged.as_str(), "forged"),
        (foreign.as_str(), "not trusted here"),
        (&good[..good.len() - 2], "only a part"),
        ("", "not a license file"),
    ] {
        let refused = licensing.install(text.as_bytes(), &place.store, &context(now())).await.unwrap_err();
        assert!(refused.to_string().contains(reason) && !refused.hint().is_empty(), "{refused}");
        assert_eq!(licensing.report().word().as_str(), "valid");
        // The same file laid in its place is refused as well, and says why.
        fs::write(place.path(), text).unwrap();
        let report = place.started().await.report();
        assert_eq!(
            (report.word().as_str(), report.refused.len()),
            ("valid", 1),
            "the one that was installed still counts"
        );
        assert!(report.refused[0].contains(reason) && report.sentence().unwrap().contains(reason), "{report:?}");
        fs::remove_file(place.path()).unwrap();
    }
    assert_eq!(place.store.license_counter().await.unwrap(), 1);
    assert_eq!(place.told(AuditAction::LicenseInstalled).await, 1);
}

#[tokio::test]
async fn without_a_key_a_license_is_refused_with_what_to_set() {
    let place = Place::new().await;
    place.lay(&license(1));
    let licensing = place.trusting(TrustedKeys::default()).await;
    let missing = licensing.missing().unwrap().to_string();
    assert!(missing.contains("no public key is configured") && missing.contains("LICENSE_PUBLIC_KEY"), "{missing}");
}

#[tokio::test]
async fn a_damaged_state_file_is_said_and_heals_when_it_is_mended() {
    let place = Place::new().await;
    let licensing = place.started().await;
    place.install(&licensing, &license(1)).await.unwrap();
    place.lay(&license(2));
    fs::write(place.state(), "{").unwrap();
    let licensing = place.started().await;
    let report = licensing.report();
    assert_eq!((report.word().as_str(), report.entries.len()), ("valid", 1), "what the database knows still counts");
    assert!(report.refused[0].contains("license.state") && report.refused[0].contains("remove it"), "{report:?}");
    assert!(place.install(&licensing, &license(3)).await.unwrap_err().to_string().contains("license.state"));
    fs::remove_file(place.state()).unwrap();
    licensing.refresh(&place.store).await.unwrap();
    assert_eq!((licensing.report().entries.len(), licensing.report().refused.len()), (2, 0));
    assert!(fs::read_to_string(place.state()).unwrap().contains(":2,"));
}

#[tokio::test]
async fn a_state_file_that_cannot_be_written_leaves_everything_as_it_was() {
    let place = Place::new().await;
    let trusted = place.vendor.public().clone().into();
    let nowhere = place.folder.path().join("none/license.state");
    let licensing = Licensing::new(LicenseSettings { path: place.path(), state_path: nowhere, trusted });
    licensing.refresh(&place.store).await.unwrap();
    let refused = place.install(&licensing, &license(1)).await.unwrap_err();
    assert!(matches!(refused, Refused::File(_)), "{refused}");
    place.lay(&license(1));
    licensing.refresh(&place.store).await.unwrap();
    assert_eq!(licensing.report().word().as_str(), "refused");
    assert_eq!((place.store.license_counter().await.unwrap(), place.told(AuditAction::LicenseInstalled).await), (0, 0));
}

#[tokio::test]
async fn looking_at_a_license_installs_nothing() {
    let place = Place::new().await;
    let settings = LicenseSettings {
        path: place.path(),
        state_path: place.state(),
        trusted: place.vendor.public().clone().into(),
    };
    let look = async || examine(&settings, &place.store).await.unwrap();
    assert!(look().await.0, "none is no fault");
    place.lay(&license(1));
    assert_eq!(look().await, (true, "it includes synchronization".to_owned()));
    place.lay(&License { expires: now() - days(1), ..license(1) });
    let (ok, sentence) = look().await;
    assert!(!ok && sentence.contains("plan-only") && sentence.contains("expired"), "{sentence}");
    fs::write(place.path(), "nonsense").unwrap();
    assert!(!look().await.0);
    assert_eq!((place.store.license_counter().await.unwrap(), place.state().exists()), (0, false));
    assert_eq!(place.told(AuditAction::LicenseInstalled).await, 0);
}
