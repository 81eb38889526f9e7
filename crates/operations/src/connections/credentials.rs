//! Checks the credential of a connection before Vault is asked: what is empty, and what stands in the wrong place. No
//! message repeats a part of it.

use vaultterm_sealing::SecretText;
use vaultterm_sync::Credential;

use super::wanted::WantedCredential;
use crate::refusal::{Refusal, RefusalKind};

/// Where a person finds a wrapping token or a `SecretID`.
const MAKE_ONE: &str = "create one in Vault: `vault write -f auth/approle/role/<role>/secret-id`; with `-wrap-ttl=10m` it is a \
                        wrapping token";

/// Checks the credential, of which exactly one form is told.
pub(super) fn credential(within: &str, wanted: &WantedCredential) -> Result<Credential, Refusal> {
    match (&wanted.secret_id, &wanted.wrapping_token) {
        (Some(text), None) => secret_id(&format!("{within}secret_id"), text).map(Credential::SecretId),
        (None, Some(text)) => wrapping_token(&format!("{within}wrapping_token"), text).map(Credential::WrappingToken),
        (None, None) => Err(Refusal::field(format!("{within}secret_id"), "is missing").hint(MAKE_ONE)),
        (Some(_), Some(_)) => {
            Err(Refusal::new(RefusalKind::Invalid, "send either `secret_id` or `wrapping_token`, not both"))
        }
    }
}

/// Checks a `RoleID`.
pub(super) fn role_id(text: &str) -> Result<String, Refusal> {
    const FIELD: &str = "auth.role_id";
    let hint = "read it in Vault: `vault read auth/approle/role/<role>/role-id`";
    let text = word(FIELD, text).map_err(|refusal| refusal.hint(hint))?;
    if is_token(text.expose()) {
        return Err(Refusal::field(FIELD, "is a token of Vault, and not a RoleID").hint(hint));
    }
    Ok(text.expose().to_owned())
}

/// Refuses one text as `RoleID` and as `SecretID`.
pub(super) fn differ(role_id: &str, credential: &Credential) -> Result<(), Refusal> {
    match credential {
        Credential::SecretId(secret_id) if secret_id.expose() == role_id => {
            Err(Refusal::field("auth.secret_id", "is the RoleID once more").hint(MAKE_ONE))
        }
        _ => Ok(()),
    }
}

fn secret_id(field: &str, text: &str) -> Result<SecretText, Refusal> {
    let text = word(field, text).map_err(|refusal| refusal.hint(MAKE_ONE))?;
    if is_token(text.expose()) {
        return Err(Refusal::field(field, "is a token of Vault, and not a SecretID")
            .hint("if it is a wrapping token of a SecretID, give it as the wrapping token"));
    }
    Ok(text)
}

fn wrapping_token(field: &str, text: &str) -> Result<SecretText, Refusal> {
    let text = word(field, text).map_err(|refusal| refusal.hint(MAKE_ONE))?;
    if uuid::Uuid::parse_str(text.expose()).is_ok() {
        return Err(Refusal::field(field, "is a SecretID or a RoleID, and not a wrapping token")
            .hint("if it is the SecretID, give it as the SecretID; a wrapping token begins with `hvs.` or `s.`"));
    }
    Ok(text)
}

/// Says whether a text has the form of a token of Vault or OpenBao. A `SecretID` that Vault makes is a UUID.
fn is_token(text: &str) -> bool {
    let long = ["hvs.", "hvb.", "hvr."].iter().any(|kind| text.starts_with(kind));
    let short = text.strip_prefix("s.").is_some_and(|rest| {
        let first = rest.split('.').next().unwrap_or_default();
        first.len() == 24 && first.chars().all(|character| character.is_ascii_alphanumeric())
    });
    long || short
}

/// Checks a text that has no spaces and no control characters. Those around it are cut off.
fn word(field: &str, text: &str) -> Result<SecretText, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Refusal::field(field, "is empty"));
    }
    if text.chars().any(|character| character.is_control() || character.is_whitespace()) {
        return Err(Refusal::field(field, "holds spaces or line ends, which no credential has: copy the value alone"));
    }
    Ok(SecretText::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(secret_id: Option<&str>, wrapping_token: Option<&str>) -> WantedCredential {
        let some = |text: Option<&str>| text.map(|text| text.to_owned().into());
        WantedCredential { secret_id: some(secret_id), wrapping_token: some(wrapping_token) }
    }

    #[test]
    fn an_empty_or_swapped_credential_is_named_as_what_it_is_and_not_repeated() {
        let uuid = "5f1b4c2e-7a53-4f0e-9d7b-0d3c3f0f8a11";
        for (secret_id, wrapping_token, says) in [
            (Some(" \n"), None, "`auth.secret_id`: is empty"),
            (None, Some(""), "`auth.wrapping_token`: is empty"),
            (Some("hvs.CAESIJ"), None, "not a SecretID"),
            (Some("s.Q2xhc3NpY1Rva2Vu12345678"), None, "not a SecretID"),
            (None, Some(uuid), "not a wrapping token"),
            (Some("secret_id  x"), None, "copy the value alone"),
            (None, None, "is missing"),
        ] {
            let refusal = credential("auth.", &wanted(secret_id, wrapping_token)).expect_err("it is refused");
            assert!(refusal.detail.contains(says), "{}", refusal.detail);
            assert!(refusal.next.is_some(), "{says}");
            for given in [secret_id, wrapping_token].into_iter().flatten().filter(|given| given.len() > 5) {
                assert!(!format!("{refusal:?}").contains(given), "{says}");
            }
        }
        for (secret_id, wrapping_token) in [(Some(uuid), None), (Some("s.custom"), None), (None, Some("hvs.CAESIJ"))] {
            assert!(credential("auth.", &wanted(secret_id, wrapping_token)).is_ok());
        }
    }

    #[test]
    fn a_role_id_is_neither_empty_nor_a_token_nor_the_secret_id() {
        assert!(
            role_id("").is_err_and(|refusal| refusal.detail == "`auth.role_id`: is empty" && refusal.next.is_some())
        );
        assert!(role_id("hvs.CAESIJ").is_err_and(|refusal| refusal.detail.contains("not a RoleID")));
        assert_eq!(role_id(" role ").ok().as_deref(), Some("role"));
        let twice = Credential::SecretId(SecretText::new("role".to_owned()));
        assert!(differ("role", &twice).is_err());
        assert!(differ("other", &twice).is_ok());
    }
}
