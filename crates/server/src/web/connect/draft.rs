//! What was typed so far about a connection that does not exist yet. It travels in the address, so it holds no secret.

use uuid::Uuid;
use vaultterm_contract::shell::word;
use vaultterm_operations::connections::{Wanted, WantedAuth, WantedTls};
use vaultterm_reconcile::Mode;

use crate::web::{form::Pairs, link::Query};

/// What was typed so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) collection: String,
    pub(crate) address: String,
    pub(crate) namespace: String,
    pub(crate) ca: String,
    pub(crate) flavor: String,
    pub(crate) mount: String,
    pub(crate) path: String,
    pub(crate) mode: String,
    /// The role in Vault, and its policy.
    pub(crate) role: String,
}

impl Draft {
    /// Reads a form or an address.
    pub(crate) fn of(pairs: &Pairs) -> Self {
        let text = |name: &str| pairs.text(name).trim().to_owned();
        Self {
            name: text("name"),
            collection: text("collection"),
            address: text("address"),
            namespace: text("namespace"),
            ca: text("ca"),
            flavor: text("flavor"),
            mount: text("mount"),
            path: text("path").trim_matches('/').to_owned(),
            mode: text("mode"),
            role: text("role"),
        }
    }

    /// Returns the name of the role in Vault: the one that was typed, or one after the connection. Each connection needs a role of
    /// its own, because a role has the policy of one place.
    pub(crate) fn role(&self) -> String {
        if !self.role.is_empty() {
            return self.role.clone();
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let name: String = self.name.chars().map(plain).collect();
        let name = name.trim_matches('-');
        if name.is_empty() { "vaultterm".to_owned() } else { format!("vaultterm-{name}") }
    }

    /// Lists names and texts, without those that are empty.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, &str)> {
        let all: [(&'static str, &str); 10] = [
            ("name", &self.name),
            ("collection", &self.collection),
            ("address", &self.address),
            ("namespace", &self.namespace),
            ("ca", &self.ca),
            ("flavor", &self.flavor),
            ("mount", &self.mount),
            ("path", &self.path),
            ("mode", &self.mode),
            ("role", &self.role),
        ];
        all.into_iter().filter(|(_, text)| !text.is_empty()).collect()
    }

    /// Lists what the first step asked for.
    pub(crate) fn of_address(&self) -> Vec<(&'static str, &str)> {
        self.pairs().into_iter().filter(|(name, _)| !matches!(*name, "mount" | "path" | "mode" | "role")).collect()
    }

    /// Returns the address of a step with what was typed.
    pub(crate) fn on(&self, page: &str) -> String {
        self.pairs().into_iter().fold(Query::default(), |query, (name, text)| query.with(name, text)).on(page)
    }

    /// Returns the collection, or nil for none, which nobody may see.
    pub(crate) fn collection_id(&self) -> Uuid {
        self.collection.parse().unwrap_or_default()
    }

    /// Returns the connection as `operations` takes it. Without an address it names what is missing.
    pub(crate) fn wanted(&self, role_id: &str) -> Wanted {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Wanted {
            name: Some(self.name.clone()),
            address: Some(self.address.clone()),
            namespace: Some(some(&self.namespace)),
            tls: some(&self.ca).map(|ca| WantedTls { ca_pem: Some(Some(ca)), ..WantedTls::default() }),
            auth: WantedAuth { role_id: Some(role_id.to_owned()), ..WantedAuth::default() },
            mount: Some(self.mount.clone()),
            path: Some(self.path.clone()),
            mode: some(&self.mode),
            options: None,
        }
    }

    /// Returns the command that makes the same connection.
    pub(crate) fn command(&self, collection: &str) -> String {
        let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        format!(
            "vaultterm connection create {} --collection {} --address {}{}{} --mount {}{} --mode {} --role-id ROLE_ID --wrapping-token-file -",
            word(&or(&self.name, "NAME")),
            word(&or(collection, "COLLECTION")),
            word(&or(&self.address, "URL")),
            flag("--namespace", &self.namespace),
            if self.ca.is_empty() { "" } else { " --ca-cert FILE" },
            word(&or(&self.mount, "MOUNT")),
            flag("--path", &self.path),
            or(&self.mode, Mode::Bidirectional.as_str()),
        )
    }
}

/// Returns a flag with its value for a command that can be pasted; nothing for an empty value.
pub(crate) fn flag(name: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!(" {name} {}", word(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_survives_the_way_through_an_address() {
        let typed =
            [("name", "prod"), ("address", "https://vault:8200"), ("ca", "-----BEGIN\nA&B=\n"), ("path", "/team/")];
        let draft = Draft::of(&Pairs::of(&typed));
        assert_eq!(
            draft.on("/connections/new"),
            "/connections/new?name=prod&address=https%3A//vault%3A8200&ca=-----BEGIN%0AA%26B%3D&path=team"
        );
        assert_eq!(draft.wanted("r").namespace, Some(None));
    }

    #[test]
    fn the_command_that_makes_the_connection_quotes_what_a_shell_would_split_and_leaves_out_what_is_empty() {
        let typed = [("name", "prod eu"), ("address", "https://vault:8200"), ("mount", "kv"), ("namespace", "team")];
        assert_eq!(
            Draft::of(&Pairs::of(&typed)).command("shop"),
            "vaultterm connection create 'prod eu' --collection shop --address https://vault:8200 --namespace team \
             --mount kv --mode bidirectional --role-id ROLE_ID --wrapping-token-file -"
        );
    }

    #[test]
    fn each_connection_is_offered_a_role_of_its_own_unless_another_is_typed() {
        for (name, typed, role) in [
            ("prod", "", "vaultterm-prod"),
            ("Prod EU/1", "", "vaultterm-prod-eu-1"),
            ("", "", "vaultterm"),
            ("日本", "", "vaultterm"),
            ("prod", "mine", "mine"),
        ] {
            assert_eq!(Draft::of(&Pairs::of(&[("name", name), ("role", typed)])).role(), role);
        }
    }
}
