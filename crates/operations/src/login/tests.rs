//! Logins with a password, a second factor, a remembered browser, and the proof that is asked for again.

use vaultterm_store::UserUpdate;

use super::*;
use crate::{
    factors,
    sessions::{self, Entered},
    testing::House,
    tokens,
};

const PASSWORD: &str = "correct horse battery";

fn origin() -> Origin {
    Origin { request_id: "r".to_owned(), source_ip: None }
}

fn shown(email: &str, password: &str, code: Option<&str>) -> Shown {
    Shown {
        email: email.to_owned(),
        password: Zeroizing::new(password.to_owned()),
        code: code.map(|code| Zeroizing::new(code.to_owned())),
        remembered: None,
    }
}

/// A house whose owner has a password.
async fn house() -> House {
    let house = House::new().await;
    let hash = house.services.passwords.hash("password", Zeroizing::new(PASSWORD.to_owned())).await.unwrap();
    let update = UserUpdate { password_hash: Some(hash), ..UserUpdate::default() };
    let owner = &house.owner;
    let context = owner.context(&house.services);
    house.services.store.update_user(&context, owner.user.id, owner.user.revision, update).await.unwrap();
    house
}

/// The owner's code of a moment that is so many seconds from now.
async fn code(house: &House, is_active: bool, seconds: u64) -> String {
    let seed = house.services.store.otp_seed(house.owner.user.id, is_active).await.unwrap().unwrap();
    let now = u64::try_from(house.services.now_us() / 1_000_000).unwrap();
    codes::totp(&seed.seed, "").unwrap().generate(now + seconds).to_string()
}

/// Switches one-time codes on for the owner. Returns the recovery codes.
async fn with_factor(house: &House) -> Vec<Zeroizing<String>> {
    factors::begin_otp(&house.services, &house.owner).await.unwrap();
    let code = code(house, false, 0).await;
    factors::confirm_otp(&house.services, &house.owner, &code).await.unwrap()
}

#[test]
fn a_few_wrong_passwords_cost_nothing_and_each_further_one_twice_as_long() {
    assert_eq!(lock_us(4), 0);
    assert_eq!(lock_us(5), LOCK_FIRST_US);
    assert_eq!(lock_us(6), 2 * LOCK_FIRST_US);
    assert_eq!(lock_us(500), LOCK_MAX_US);
}

#[tokio::test]
async fn a_person_with_a_second_factor_needs_a_code_and_each_code_lets_in_once() {
    let house = house().await;
    let email = house.owner.user.email.as_str();
    let try_it = async |code: Option<&str>| {
        let done = log_in(&house.services, &origin(), shown(email, PASSWORD, code)).await;
        done.map(drop).map_err(|refusal| (refusal.kind, refusal.detail))
    };
    assert_eq!(try_it(None).await, Ok(()));
    let recovery = with_factor(&house).await;
    assert_eq!(try_it(None).await.unwrap_err().0, RefusalKind::SecondFactorNeeded);
    let (kind, told) = try_it(Some("000 00a")).await.unwrap_err();
    assert!(kind == RefusalKind::LoginRefused && told.contains("the server's time is "), "{told}");
    let first = code(&house, true, 0).await;
    let (kind, told) = try_it(Some(&first)).await.unwrap_err();
    assert!(kind == RefusalKind::LoginRefused && told.contains("used already"), "it switched codes on: {told}");
    let next = code(&house, true, 30).await;
    assert_eq!(try_it(Some(&next)).await, Ok(()));
    assert!(try_it(Some(&next)).await.unwrap_err().1.contains("used already"));
    assert_eq!(try_it(Some(&recovery[0].to_uppercase())).await, Ok(()));
    assert!(try_it(Some(&recovery[0])).await.unwrap_err().1.contains("used already"));
    assert_eq!(factors::show(&house.services, &house.owner).await.unwrap().codes_left, 9);
}

#[tokio::test]
async fn a_lock_does_not_tell_whether_somebody_has_the_address_and_wrong_codes_lock_too() {
    let house = house().await;
    with_factor(&house).await;
    let email = house.owner.user.email.as_str();
    for (email, password, code) in [(email, PASSWORD, Some("000000")), ("nobody@example.com", "wrong", None)] {
        let mut told = Vec::new();
        for _ in 0..7 {
            let refused = log_in(&house.services, &origin(), shown(email, password, code)).await.unwrap_err();
            told.push((refused.kind, refused.retry_after_seconds.is_some()));
        }
        let (refused, waits) = ((RefusalKind::LoginRefused, false), (RefusalKind::RateLimited, true));
        assert_eq!(told, [refused, refused, refused, refused, refused, waits, waits], "{email}");
    }
}

#[tokio::test]
async fn a_remembered_browser_skips_the_code_at_the_login_only_and_a_proof_makes_it_fresh() {
    let house = house().await;
    let services = &house.services;
    let recovery = with_factor(&house).await;
    let email = house.owner.user.email.as_str();
    let entered = sessions::log_in(services, &origin(), shown(email, PASSWORD, None), "Firefox").await.unwrap();
    let Entered::Half(half) = entered else { panic!("the second factor was not asked for") };
    assert!(sessions::resume(services, half.expose(), origin()).await.unwrap().is_none(), "half a login opens nothing");
    let wrong = sessions::second(services, &origin(), half.expose(), "000000", false).await;
    assert_eq!(wrong.map(drop).map_err(|refusal| refusal.kind), Err(RefusalKind::LoginRefused));
    let next = code(&house, true, 30).await;
    let (_, remembered) = sessions::second(services, &origin(), half.expose(), &next, true).await.unwrap();
    let remembered = Some(Zeroizing::new(remembered.unwrap().expose().to_owned()));
    let with_browser = Shown { remembered, ..shown(email, PASSWORD, None) };
    let entered = sessions::log_in(services, &origin(), with_browser, "Firefox").await.unwrap();
    let Entered::Whole(begun) = entered else { panic!("the browser is not remembered") };
    assert_eq!(begun.session.method, SignInMethod::KnownDevice);
    let visit = sessions::resume(services, begun.text.expose(), origin()).await.unwrap().unwrap();
    let new = || tokens::New { name: "ci".to_owned(), scopes: vec!["admin".to_owned()], expires_in_seconds: None };
    let refused = tokens::create(services, &visit.caller, new()).await;
    assert_eq!(refused.map(drop).map_err(|refusal| refusal.kind), Err(RefusalKind::StepUp));
    let password = Proof { password: Some(Zeroizing::new(PASSWORD.to_owned())), code: None };
    let refused = prove_again(services, &visit.caller, password).await;
    assert_eq!(
        refused.map(drop).map_err(|refusal| refusal.kind),
        Err(RefusalKind::Invalid),
        "the password is not enough"
    );
    let proof = Proof { password: None, code: Some(recovery[3].clone()) };
    let text = prove_again(services, &visit.caller, proof).await.unwrap();
    assert!(
        sessions::resume(services, begun.text.expose(), origin()).await.unwrap().is_none(),
        "the old cookie is over"
    );
    let visit = sessions::resume(services, text.expose(), origin()).await.unwrap().unwrap();
    tokens::create(services, &visit.caller, new()).await.unwrap();
}

#[tokio::test]
async fn a_login_of_a_person_without_a_second_factor_is_proved_again_with_the_password() {
    let house = house().await;
    let services = &house.services;
    let email = house.owner.user.email.as_str();
    let login = log_in(services, &origin(), shown(email, PASSWORD, None)).await.unwrap();
    let caller = crate::authenticate(services, login.token.expose(), origin()).await.unwrap();
    let proof = |password: &str| Proof { password: Some(Zeroizing::new(password.to_owned())), code: None };
    let wrong = prove_again(services, &caller, proof("a wrong password")).await;
    assert_eq!(wrong.map(drop).map_err(|refusal| refusal.kind), Err(RefusalKind::LoginRefused));
    let token = prove_again(services, &caller, proof(PASSWORD)).await.unwrap();
    assert!(crate::authenticate(services, login.token.expose(), origin()).await.is_err(), "the old token is over");
    assert_eq!(
        crate::authenticate(services, token.expose(), origin()).await.unwrap().credential.id,
        caller.credential.id
    );
}
