//! Logins and tokens that are refused, and quotas.

use serde_json::{Value, json};
use vaultterm_testkit::openbao::AppRole;

use crate::asking::Vault;

#[tokio::test]
async fn an_approle_is_locked_after_five_wrong_secret_ids_even_for_the_right_one() {
    let vault = Vault::new().await;
    let credentials = vault
        .server
        .root()
        .make_role(AppRole { name: "r", policy: "path \"kv/none\" { capabilities = [\"read\"] }", more: Value::Null })
        .await;
    for number in 1..=5 {
        let answer = vault.login(&credentials.role_id, "no-such-secret-id").await;
        assert_eq!(answer.status, 400, "try {number}: {}", answer.body);
        answer.refuses(400, &["invalid role or secret ID"]);
    }
    for secret_id in ["no-such-secret-id", &credentials.secret_id] {
        vault.login(&credentials.role_id, secret_id).await.refuses(403, &["permission denied"]);
    }
}

#[tokio::test]
async fn a_bogus_token_is_told_from_one_that_may_not() {
    let vault = Vault::new().await;
    let bogus = vault.ask_with("GET", "kv/data/a", &[("X-Vault-Token", "hvs.bogus")], Value::Null).await;
    bogus.refuses(403, &["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]);
    let body = json!({"policies": ["default"]});
    let made = vault.ask("POST", "auth/token/create", body).await;
    let token = made.body["auth"]["client_token"].as_str().expect("a token").to_owned();
    let denied = vault.ask_with("GET", "kv/data/a", &[("X-Vault-Token", &token)], Value::Null).await;
    assert_eq!(denied.status, 403);
    assert!(!denied.body.to_string().contains("invalid token"), "{}", denied.body);
}

#[tokio::test]
async fn a_rate_quota_is_429_without_retry_after() {
    let vault = Vault::new().await;
    vault.put("a", json!({"v": "1"})).await;
    let quota = json!({"rate": 1, "interval": "10s", "path": "kv"});
    vault.ask("POST", "sys/quotas/rate-limit/tight", quota).await;
    let mut limited = None;
    for _ in 0..20 {
        let answer = vault.get("kv/data/a").await;
        if answer.status == 429 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.expect("the quota is enforced");
    let says = limited.body["errors"][0].as_str().expect("words");
    assert!(says.starts_with("request path ") && says.ends_with("rate limit quota exceeded"), "{says}");
    assert!(!limited.headers.contains_key("retry-after"), "{:?}", limited.headers);
}
