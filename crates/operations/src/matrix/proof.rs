//! Tests of every operation: whether the caller must prove again who they are, and whether only a person may do it.

use vaultterm_store::Scope;

use super::{populated::populated, rows};
use crate::{Caller, RefusalKind};

/// The operations that need a fresh proof. All others need no proof.
const FRESH: &[&str] = &[
    "audit::export::export",
    "audit::prune",
    // Of a record that asks again; so are the rows of records below.
    "conflicts::reveal",
    "connections::create",
    "connections::delete",
    "connections::rotate_secret_id",
    "connections::update",
    "exports::export",
    "factors::begin_otp",
    "factors::confirm_otp",
    "factors::new_recovery_codes",
    "factors::remove_otp",
    "factors::waiting_otp",
    "keys::rotate",
    "links::invite",
    "links::invite_again",
    "links::reset",
    "members::grant",
    // Leaving a collection needs none.
    "members::revoke",
    "passkeys::begin",
    "passkeys::finish",
    "passkeys::remove",
    "people::create",
    "people::delete",
    // People need no proof to change their own name or password. A new password needs the old one anyway.
    "people::update",
    "records::many::reveal",
    "records::otp",
    "records::reveal",
    // Only to let a record stop asking again.
    "records::update",
    // Only when a halt is acknowledged.
    "runs::start::start",
    "tokens::create",
    "webhooks::create",
    "webhooks::update",
];

/// The operations that no API token may do, not even one with all scopes.
const PERSON: &[&str] = &[
    "factors::begin_otp",
    "factors::confirm_otp",
    "factors::new_recovery_codes",
    "factors::remove_otp",
    "factors::show",
    "factors::type_back",
    "factors::waiting_otp",
    "login::prove_again",
    "my_sessions::end",
    "my_sessions::end_others",
    "my_sessions::list",
    "passkeys::begin",
    "passkeys::finish",
    "passkeys::list",
    "passkeys::remove",
];

#[tokio::test]
async fn every_operation_says_whether_it_needs_a_fresh_proof_and_a_stale_login_gets_no_further() {
    let (house, ids) = populated().await;
    let services = &house.services;
    let mut seen = Vec::new();
    for age_us in [0, 10 * 60 * 1_000_000] {
        for row in &rows() {
            let mut caller: Caller = house.owner.clone();
            caller.credential.proved_us = services.now_us() - age_us;
            let asked = (row.3)(services, &caller, ids);
            let answer = tokio::time::timeout(std::time::Duration::from_millis(1_500), asked).await;
            if matches!(&answer, Ok(Err(refusal)) if refusal.kind == RefusalKind::StepUp) {
                assert!(age_us > 0, "{}: a proof of this moment is fresh", row.0);
                seen.push(row.0);
            }
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, FRESH);
}

#[tokio::test]
async fn an_api_token_needs_no_proof_and_may_do_nothing_that_belongs_to_the_person() {
    let (house, ids) = populated().await;
    let token = house.with_scopes(&house.owner, Scope::ALL).await;
    let mut refused = Vec::new();
    for row in &rows() {
        let asked = (row.3)(&house.services, &token, ids);
        match tokio::time::timeout(std::time::Duration::from_millis(1_500), asked).await {
            Ok(Err(refusal)) if refusal.kind == RefusalKind::StepUp => panic!("{}: nobody could give a proof", row.0),
            Ok(Err(refusal)) if refusal.kind == RefusalKind::Forbidden => refused.push(row.0),
            Ok(_) | Err(_) => {}
        }
    }
    refused.sort_unstable();
    assert_eq!(refused, PERSON);
}
