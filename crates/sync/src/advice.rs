//! What a person can do about a fault, a problem or a halt.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a person can do. It names no command and no page, because each surface words it. `Display` gives the words that
/// hold on every surface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Advice {
    /// A sentence that holds on every surface.
    Text(String),
    /// Something for which a surface may have a command or a page.
    ToDo(ToDo),
    /// Several pieces of advice, in this order.
    Several(Vec<Advice>),
}

/// What a surface may have a command or a page for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum ToDo {
    /// Give the role of the connection the policy that VaultTerm needs.
    GivePolicy,
    /// Check mount and namespace of the connection, and the policy of its role.
    CheckMountAndPolicy,
    /// Add a missing right to the policy, when a test of the connection found it.
    AddAllToPolicy,
    /// Add a missing right to the policy, when a request was denied.
    AddToPolicy,
    /// Add the right to revoke the own token to the policy.
    AddRevocationToPolicy,
    /// Check the `RoleID`, and store a new `SecretID`.
    StoreSecretId,
    /// Name the namespace of the login, which was made in this one.
    NameAuthNamespace {
        /// The namespace of the login so far.
        namespace: String,
    },
    /// Give the connection the CA of the server.
    GiveCa,
    /// Give the connection the CA that the server has now, if it changed.
    GiveNewCa,
    /// Allow the old version of the Transit key for a moment, then seal the root key again.
    ResealRootKey,
    /// Rename the secret, or accept that it is left out.
    AcceptLeftOut,
    /// Install a license.
    InstallLicense,
}

impl From<&str> for Advice {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Advice {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<ToDo> for Advice {
    fn from(to_do: ToDo) -> Self {
        Self::ToDo(to_do)
    }
}

impl Advice {
    /// Words the advice. The function words what a surface may have a command or a page for.
    #[must_use]
    pub fn worded(&self, words: &dyn Fn(&ToDo) -> String) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::ToDo(to_do) => words(to_do),
            Self::Several(all) => all.iter().map(|one| one.worded(words)).collect::<Vec<_>>().join("; "),
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.worded(&ToDo::to_string))
    }
}

impl fmt::Display for ToDo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GivePolicy => "give the role the policy of the connection",
            Self::CheckMountAndPolicy => "check mount and namespace of the connection, and the role's policy",
            Self::AddAllToPolicy | Self::AddToPolicy => "add it to the role's policy",
            Self::AddRevocationToPolicy => "add `update` on auth/token/revoke-self to the role's policy",
            Self::StoreSecretId => "check the RoleID; issue a new SecretID and store it",
            Self::NameAuthNamespace { namespace } => {
                return write!(
                    f,
                    "the login was made in the namespace `{namespace}`: if AppRole is mounted at the root or in another namespace, name it"
                );
            }
            Self::GiveCa => "give the connection the CA of the server",
            Self::GiveNewCa => {
                "give the connection the CA that the server uses now; if it did not change, somebody pretends to be the server"
            }
            Self::ResealRootKey => {
                "lower min_decryption_version of the Transit key for a moment, then seal the root key again"
            }
            Self::AcceptLeftOut => "rename the secret in Vault, or accept that it is left out",
            Self::InstallLicense => "install a license that includes it",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_read_as_it_was_stored_and_a_text_from_before_is_a_text() {
        let several =
            Advice::Several(vec!["look".into(), ToDo::NameAuthNamespace { namespace: "team".to_owned() }.into()]);
        for advice in [Advice::from("look"), ToDo::AcceptLeftOut.into(), several] {
            let json = serde_json::to_string(&advice).expect("it is written");
            assert_eq!(serde_json::from_str::<Advice>(&json).expect("it is read"), advice, "{json}");
        }
        assert_eq!(serde_json::from_str::<Advice>("\"look\"").expect("it is read"), Advice::from("look"));
    }
}
