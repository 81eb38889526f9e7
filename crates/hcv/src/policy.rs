//! Writes the policy that a role needs, and the script that sets it up. All functions are pure.
//!
//! An operator runs the printed script with a token that may do anything, and the names in it come from other
//! people. Therefore no name may break out of its quotes, its comment or its line.
//!
//! The policy is minimal. A test on a real server shows that every mode works with exactly this policy, and
//! that something needed fails if any one capability is missing. `needs.rs` checks the same capabilities
//! before a run.

use std::fmt::Write;

use vaultterm_reconcile::Mode;

/// The product whose command line and capabilities the policy uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// HashiCorp Vault: `vault`, without the `scan` capability.
    Vault,
    /// OpenBao: `bao`.
    OpenBao,
}

impl Flavor {
    /// Returns the command and the prefix of its environment variables.
    const fn command(self) -> (&'static str, &'static str) {
        match self {
            Self::Vault => ("vault", "VAULT"),
            Self::OpenBao => ("bao", "BAO"),
        }
    }
}

/// The parameters of a policy.
#[derive(Clone, Debug)]
pub struct PolicyRequest<'a> {
    /// The KV v2 mount.
    pub mount: &'a str,
    /// The path prefix below the mount. Empty for the whole mount.
    pub path: &'a str,
    /// The direction in which credentials travel.
    pub mode: Mode,
    /// The product for which the policy is written.
    pub flavor: Flavor,
    /// Whether secrets are marked as managed by VaultTerm.
    pub annotate: bool,
    /// The name of the AppRole role, and of the policy.
    pub role: &'a str,
    /// The path at which AppRole is mounted.
    pub auth_mount: &'a str,
}

/// A policy, and the script that sets it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyText {
    /// The policy, in HCL.
    pub hcl: String,
    /// A POSIX shell script that writes the policy, creates the role, and prints the RoleID and a `SecretID`.
    pub script: String,
    /// The same script, which prints a wrapping token in place of the `SecretID`.
    pub wrapping_script: String,
}

/// Returns the least-privilege policy for a mode.
#[must_use]
pub fn policy(request: &PolicyRequest<'_>) -> PolicyText {
    let hcl = hcl(request);
    let (script, wrapping_script) = (script(request, &hcl, false), script(request, &hcl, true));
    PolicyText { hcl, script, wrapping_script }
}

/// A `path` block of a policy, with a comment that gives its purpose.
struct Block {
    why: &'static str,
    path: String,
    capabilities: Vec<&'static str>,
}

fn blocks(request: &PolicyRequest<'_>) -> Vec<Block> {
    let writes = matches!(request.mode, Mode::Push | Mode::Bidirectional);
    let openbao = request.flavor == Flavor::OpenBao;
    let below = |api: &str| format!("{}*", scope(request, api));
    let block = |why, path, capabilities: &[(&'static str, bool)]| Block {
        why,
        path,
        capabilities: capabilities.iter().filter(|(_, needed)| *needed).map(|(name, _)| *name).collect(),
    };
    let mut blocks = vec![block(
        if writes { "The values: read and written, always with check-and-set." } else { "The values." },
        below("data"),
        &[("create", writes), ("read", true), ("update", writes)],
    )];
    if writes {
        let why = "Deletion of a version that was seen. It can be undone; nothing is ever destroyed.";
        blocks.push(block(why, below("delete"), &[("update", true)]));
    }
    blocks.push(block(
        if writes && request.annotate {
            "Versions and times without values: the proof that a secret is gone; `patch` marks what VaultTerm manages."
        } else {
            "Versions and times without values: the proof that a secret is gone."
        },
        below("metadata"),
        // OpenBao lists `detailed-metadata` instead.
        &[("list", !openbao), ("read", true), ("patch", writes && request.annotate)],
    ));
    if openbao {
        let why = "The same for many secrets in one answer: `scan` for small scopes, `list` for large ones. Each is optional beside the other.";
        blocks.push(block(why, below("detailed-metadata"), &[("list", true), ("scan", true)]));
    }
    if writes {
        let why = "Optional: how many versions a secret keeps. Without it, every version that only Vault holds counts as one that a write erases.";
        blocks.push(block(why, format!("{}/config", trimmed(request.mount)), &[("read", true)]));
    }
    let why = "Optional: what is missing is named before a run, and an expired token is told from a denial.";
    blocks.push(block(why, "sys/capabilities-self".to_owned(), &[("update", true)]));
    let why = "The token is revoked at the end of every run.";
    blocks.push(block(why, "auth/token/revoke-self".to_owned(), &[("update", true)]));
    blocks
}

fn hcl(request: &PolicyRequest<'_>) -> String {
    let (mount, path) = (trimmed(request.mount), trimmed(request.path));
    let below = below(request);
    let direction = match request.mode {
        Mode::Push => "VaultTerm writes",
        Mode::Pull => "VaultTerm reads",
        Mode::Bidirectional => "VaultTerm reads and writes",
    };
    let mut text = format!(
        "# {direction} {below} ({}).\n# What can be left out says that it is optional.\n",
        request.mode.as_str()
    );
    if path.split('/').chain(mount.split('/')).any(|segment| segment == "+") || path.contains("{{") {
        text.push_str(
            "# NOTE: `+` as a whole name and `{{` have a meaning in policies that cannot be taken from them:\n",
        );
        text.push_str("# check that this grants what it should.\n");
    }
    for Block { why, path, capabilities } in blocks(request) {
        let capabilities = capabilities.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let path = quoted(&path);
        let _ = write!(text, "\n# {why}\npath {path} {{\n  capabilities = [{capabilities}]\n}}\n");
    }
    let lookup = format!("auth/{}/role/{}/secret-id/lookup", trimmed(request.auth_mount), request.role);
    let lookup = quoted(&lookup);
    let _ = write!(
        text,
        "\n# Optional: VaultTerm can then show when its SecretID expires.\n\
         # path {lookup} {{\n#   capabilities = [\"update\"]\n# }}\n\
         \n# Optional: HashiCorp Vault names the writer of a secret by an id. VaultTerm can then show the role or person.\n\
         # path \"identity/entity/id/*\" {{\n#   capabilities = [\"read\"]\n# }}\n\
         \n# Not needed: the mount's version is read from sys/internal/ui/mounts, which every token may.\n"
    );
    text
}

/// Names the place that a policy is about. The script finds it in the policies that it may replace.
fn below(request: &PolicyRequest<'_>) -> String {
    let (mount, path) = (one_line(trimmed(request.mount)), one_line(trimmed(request.path)));
    if path.is_empty() { format!("all of `{mount}/`") } else { format!("`{path}/` in `{mount}/`") }
}

fn script(request: &PolicyRequest<'_>, hcl: &str, wraps: bool) -> String {
    let (command, prefix) = request.flavor.command();
    let auth_mount = trimmed(request.auth_mount);
    let role = shell(request.role);
    let role_path = shell(&format!("auth/{auth_mount}/role/{}", request.role));
    let role_id_path = shell(&format!("auth/{auth_mount}/role/{}/role-id", request.role));
    let secret_id_path = shell(&format!("auth/{auth_mount}/role/{}/secret-id", request.role));
    let listed = shell(&format!("\"{auth_mount}/\":"));
    let enabled = shell(&format!("-path={auth_mount}"));
    let place = single_quoted(&below(request));
    let (what, handed_over) = if wraps {
        let line = format!(
            r#"# The SecretID stays unseen: the token below can be unwrapped once, within 10 minutes, and VaultTerm does
# it at once. If somebody else was faster, that shows.
echo "wrapping_token: $({command} write -wrap-ttl=10m -force -field=wrapping_token {secret_id_path})""#
        );
        ("a wrapped SecretID", line)
    } else {
        let line = format!(
            r#"# To hand the SecretID over unseen, wrap it: add -wrap-ttl=10m, use -field=wrapping_token, and
# give VaultTerm the wrapping token.
echo "secret_id: $({command} write -force -field=secret_id {secret_id_path})""#
        );
        ("a SecretID", line)
    };
    format!(
        r#"#!/bin/sh
# Sets up a role for VaultTerm: its policy, the AppRole role, and {what}.
# Needs {prefix}_ADDR and a token that may do this. Run it again to change the policy or to get
# another SecretID; nothing else changes.
set -eu

# A policy of this name that is about another place stays as it is: its connection would lose its rights.
held=$({command} policy read {role} 2>/dev/null) || held=
case $held in
'' | *{place}*) ;;
*)
  echo "the policy "{role}" is about another place: print this script again for a role of another name (--role)" >&2
  exit 1
  ;;
esac

{command} policy write {role} - >&2 <<'VAULTTERM_POLICY'
{hcl}VAULTTERM_POLICY

if ! {command} auth list -format=json | grep -qF {listed}; then
  {command} auth enable {enabled} approle >&2
fi

# Short-lived tokens with this policy and nothing else. VaultTerm logs in again when one expires.
# To have SecretIDs expire, add for example: secret_id_ttl=720h
{command} write {role_path} \
  token_policies={role} token_no_default_policy=true token_ttl=20m token_max_ttl=1h >&2

echo "role_id: $({command} read -field=role_id {role_id_path})"
{handed_over}
"#
    )
}

/// Returns the path of a part of the API below the mount. It ends with `/`.
fn scope(request: &PolicyRequest<'_>, api: &str) -> String {
    let (mount, path) = (trimmed(request.mount), trimmed(request.path));
    if path.is_empty() { format!("{mount}/{api}/") } else { format!("{mount}/{api}/{path}/") }
}

fn trimmed(path: &str) -> &str {
    path.trim_matches('/')
}

/// Quotes a text for HCL 1, the language of policies. There, `${` begins a template that no `$` can escape.
pub(crate) fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\u0024{");
    let escape = |c: char| if breaks_line(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    format!("\"{}\"", escaped.chars().map(escape).collect::<String>())
}

/// Returns a text for a comment: characters that end a line are replaced.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if breaks_line(c) { '\u{fffd}' } else { c }).collect()
}

/// Returns whether any program takes a character as the end of a line. Such characters are not allowed in a
/// path, but this module must not rely on an earlier check.
fn breaks_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Quotes a text for a POSIX shell.
fn shell(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { single_quoted(text) }
}

/// Quotes a text for a POSIX shell in every case. In a pattern, no character of it has a meaning then.
fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(mode: Mode, flavor: Flavor) -> PolicyRequest<'static> {
        PolicyRequest {
            mount: "kv",
            path: "team/app",
            mode,
            flavor,
            annotate: true,
            role: "vaultterm",
            auth_mount: "approle",
        }
    }

    /// Returns every granted capability, as `capability path`.
    fn grants(request: &PolicyRequest<'_>) -> Vec<String> {
        let grant = |block: Block| {
            let path = block.path;
            block.capabilities.into_iter().map(move |capability| format!("{capability} {path}")).collect::<Vec<_>>()
        };
        blocks(request).into_iter().flat_map(grant).collect()
    }

    #[test]
    fn the_wrapping_script_prints_a_wrapping_token_and_no_secret_id() {
        for flavor in [Flavor::Vault, Flavor::OpenBao] {
            let PolicyText { script, wrapping_script, .. } = policy(&request(Mode::Push, flavor));
            assert!(script.contains("echo \"secret_id: $("), "{script}");
            assert!(!wrapping_script.contains("-field=secret_id"), "{wrapping_script}");
            let printed = "write -wrap-ttl=10m -force -field=wrapping_token";
            assert!(wrapping_script.contains(printed), "{wrapping_script}");
        }
    }

    #[test]
    fn pull_is_granted_nothing_that_changes_a_secret() {
        let grants = grants(&request(Mode::Pull, Flavor::Vault));
        assert_eq!(
            grants,
            [
                "read kv/data/team/app/*",
                "list kv/metadata/team/app/*",
                "read kv/metadata/team/app/*",
                "update sys/capabilities-self",
                "update auth/token/revoke-self",
            ]
        );
    }

    #[test]
    fn push_is_granted_writing_deleting_and_marking() {
        let grants = grants(&request(Mode::Push, Flavor::OpenBao));
        assert_eq!(
            grants,
            [
                "create kv/data/team/app/*",
                "read kv/data/team/app/*",
                "update kv/data/team/app/*",
                "update kv/delete/team/app/*",
                "read kv/metadata/team/app/*",
                "patch kv/metadata/team/app/*",
                "list kv/detailed-metadata/team/app/*",
                "scan kv/detailed-metadata/team/app/*",
                "read kv/config",
                "update sys/capabilities-self",
                "update auth/token/revoke-self",
            ]
        );
        let unmarked = PolicyRequest { annotate: false, ..request(Mode::Push, Flavor::OpenBao) };
        assert!(!super::tests::grants(&unmarked).iter().any(|grant| grant.starts_with("patch")));
    }

    #[test]
    fn the_vault_flavor_knows_no_scan() {
        for mode in Mode::ALL {
            let text = policy(&request(*mode, Flavor::Vault));
            assert!(!text.hcl.contains("scan") && !text.hcl.contains("detailed"), "{}", text.hcl);
            assert!(text.script.contains("vault policy write vaultterm") && !text.script.contains("bao "));
        }
    }

    #[test]
    fn a_whole_mount_is_granted_without_a_double_slash() {
        let whole = PolicyRequest { path: "", mount: "/a/kv/", ..request(Mode::Pull, Flavor::OpenBao) };
        let text = policy(&whole).hcl;
        assert!(text.contains("path \"a/kv/data/*\"") && !text.contains("//"), "{text}");
    }

    #[test]
    fn no_name_leaves_its_quotes_its_comment_or_its_line() {
        let evil = "x\"\n}\npath \"*\" {\n  capabilities = [\"sudo\"]\n}\r\nVAULTTERM_POLICY\nrm -rf / # '$(id)`id`";
        let plain = policy(&request(Mode::Push, Flavor::OpenBao));
        let heads = |text: &str| text.lines().map(|line| line.chars().take(5).collect()).collect::<Vec<String>>();
        for change in [
            |request: &mut PolicyRequest<'_>, evil| request.mount = evil,
            |request: &mut PolicyRequest<'_>, evil| request.path = evil,
            |request: &mut PolicyRequest<'_>, evil| request.role = evil,
            |request: &mut PolicyRequest<'_>, evil| request.auth_mount = evil,
        ] {
            let mut request = request(Mode::Push, Flavor::OpenBao);
            change(&mut request, evil);
            let text = policy(&request);
            assert_eq!(heads(&text.hcl), heads(&plain.hcl), "{}", text.hcl);
            let (_, after) = text.script.split_once("<<'VAULTTERM_POLICY'\n").expect("a document begins");
            let (document, _) = after.split_once("\nVAULTTERM_POLICY\n").expect("and ends");
            assert_eq!(format!("{document}\n"), text.hcl, "it ends where it should");
        }
    }

    #[test]
    fn odd_names_are_quoted_for_hcl_and_shell() {
        assert_eq!(quoted(r#"a"b\c${d}"#), r#""a\"b\\c\u0024{d}""#);
        assert_eq!(shell("auth/approle/role/x"), "auth/approle/role/x");
        assert_eq!(shell("it's $(x)"), r"'it'\''s $(x)'");
        assert_eq!(shell(""), "''");
    }
}
