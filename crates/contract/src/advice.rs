//! The words for advice that the API and the command line share. They name commands.

use vaultterm_sync::{Advice, ToDo};

/// Words advice for a person who uses the API or the command line.
#[must_use]
pub fn worded(advice: &Advice) -> String {
    advice.worded(&with_command)
}

fn with_command(to_do: &ToDo) -> String {
    let fixed = match to_do {
        ToDo::GivePolicy => "give the role the policy that `vaultterm connection policy` prints",
        ToDo::CheckMountAndPolicy => {
            "check mount and namespace of the connection, and the role's policy (`vaultterm connection policy`)"
        }
        ToDo::AddAllToPolicy => "add it to the role's policy: `vaultterm connection policy` prints all that is needed",
        ToDo::AddToPolicy => "add it to the role's policy (`vaultterm connection policy` prints what is needed)",
        ToDo::AddRevocationToPolicy => {
            "add `update` on auth/token/revoke-self to the role's policy (`vaultterm connection policy` prints what is needed)"
        }
        ToDo::StoreSecretId => {
            "check the RoleID; issue a new SecretID and store it (`vaultterm connection rotate-secret-id`)"
        }
        ToDo::NameAuthNamespace { .. } => {
            return format!("{to_do} (`auth.namespace`; `vaultterm connection update --auth-namespace root`)");
        }
        ToDo::GiveCa => "give the connection the CA of the server (--ca-cert)",
        ToDo::GiveNewCa => {
            "give the connection the CA that the server uses now (--ca-cert); if it did not change, somebody pretends to be the server"
        }
        ToDo::ResealRootKey => {
            "lower min_decryption_version of the Transit key for a moment, then re-seal (`vaultterm key rotate transit`)"
        }
        ToDo::AcceptLeftOut => {
            "rename the secret in Vault, or accept that it is left out: `vaultterm connection ignore`"
        }
        ToDo::InstallLicense => {
            "install one with `vaultterm license install FILE`; `vaultterm license show` shows its state"
        }
    };
    fixed.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_the_command_where_there_is_one() {
        let namespace = ToDo::NameAuthNamespace { namespace: "team".to_owned() };
        assert_eq!(
            worded(&Advice::Several(vec!["look".into(), namespace.into()])),
            "look; the login was made in the namespace `team`: if AppRole is mounted at the root or in another \
             namespace, name it (`auth.namespace`; `vaultterm connection update --auth-namespace root`)"
        );
        assert!(worded(&ToDo::GivePolicy.into()).contains("`vaultterm connection policy`"));
    }
}
