//! `vaultterm connection policy`: prints the policy for a connection, or for one that does not exist yet. The
//! second needs no server.

use clap::{ArgGroup, ValueEnum};
use serde_json::json;
use vaultterm_contract::PolicyView;
use vaultterm_hcv::{Flavor, PolicyRequest, PolicyText, anchor_policy, policy};
use vaultterm_reconcile::{Mode, SecretPath};

use crate::{
    app::App,
    client::{Query, Reply},
    failure::{Exit, Failure},
};

#[derive(clap::Args, Debug)]
#[command(group = ArgGroup::new("subject").required(true).args(["connection", "mount"]))]
pub(crate) struct Args {
    /// An existing connection, by name or id; else name --mount, --path and --mode
    connection: Option<String>,
    /// The KV v2 mount
    #[arg(long, requires = "mode")]
    mount: Option<String>,
    /// The path prefix below the mount [default: the whole mount]
    #[arg(long, default_value = "", conflicts_with = "connection")]
    path: String,
    /// Which way credentials travel
    #[arg(long, value_parser = mode, conflicts_with = "connection")]
    mode: Option<Mode>,
    /// Name of the AppRole role and of the policy [default: vaultterm]
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
    /// The server whose command line and capabilities are printed
    #[arg(long, value_enum, default_value = "vault", conflicts_with = "connection")]
    flavor: FlavorName,
    /// Where AppRole is mounted
    #[arg(long, default_value = "approle", value_name = "MOUNT", conflicts_with = "connection")]
    auth_mount: String,
    /// Without the rights to mark secrets as managed by VaultTerm (`annotate=false`)
    #[arg(long, conflicts_with = "connection")]
    no_annotate: bool,
    /// With the right to keep checkpoints of the audit log at this path below the mount (VAULTTERM_AUDIT_ANCHOR_PATH)
    #[arg(long, value_name = "PATH", conflicts_with = "script")]
    anchor: Option<String>,
    /// Print the shell script that sets the policy up, instead of the policy
    #[arg(long)]
    script: bool,
    /// Print the script that hands the SecretID out wrapped: it prints a wrapping token, which works once, within 10 minutes
    #[arg(long, conflicts_with = "anchor")]
    wrap: bool,
}

/// Names of the flavors.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FlavorName {
    /// HashiCorp Vault
    Vault,
    /// OpenBao
    #[value(name = "openbao")]
    OpenBao,
}

/// Prints the policy or the script.
pub(crate) async fn run(args: Args, app: &App) -> Result<Exit, Failure> {
    let (mut answer, mount) = match (&args.connection, &args.mount, args.mode) {
        (Some(name), ..) => {
            let client = app.client()?;
            let found = client.connection(name).await?.data;
            let query = Query::default().with_some("role", args.role.as_deref());
            (client.query(&format!("/connections/{}/policy", found.id), &query).await?, found.mount)
        }
        (None, Some(mount), Some(mode)) => {
            let mount = place("--mount", mount)?;
            (written(&args, mount, mode)?, mount.to_owned())
        }
        (None, ..) => return Err(Failure::local("--mount and --mode are missing")),
    };
    if let Some(path) = &args.anchor {
        let data: &mut PolicyView = &mut answer.data;
        data.hcl.push_str(&anchor_policy(&mount, place("--anchor", path)?));
        answer.json["hcl"] = data.hcl.clone().into();
    }
    let PolicyView { hcl, script, wrapping_script } = &answer.data;
    let text = match (args.wrap, args.script) {
        (true, _) => wrapping_script,
        (false, true) => script,
        (false, false) => hcl,
    };
    app.console.answer_text(&answer.json, || text.clone())?;
    if args.script || args.wrap {
        app.console.next("run the script with a token that may write policies, then `vaultterm connection create`");
    }
    Ok(Exit::Done)
}

fn written(args: &Args, mount: &str, mode: Mode) -> Result<Reply<PolicyView>, Failure> {
    let role = args.role.as_deref().unwrap_or("vaultterm");
    if role.contains('/') {
        return Err(Failure::local("--role cannot be used").because_of("it is a name, without `/`"));
    }
    let text = policy(&PolicyRequest {
        mount,
        path: if args.path.trim_matches('/').is_empty() { "" } else { place("--path", &args.path)? },
        mode,
        flavor: match args.flavor {
            FlavorName::Vault => Flavor::Vault,
            FlavorName::OpenBao => Flavor::OpenBao,
        },
        annotate: !args.no_annotate,
        role: place("--role", role)?,
        auth_mount: place("--auth-mount", &args.auth_mount)?,
    });
    let PolicyText { hcl, script, wrapping_script } = text;
    let json = json!({ "hcl": hcl, "script": script, "wrapping_script": wrapping_script });
    Ok(Reply { json, data: PolicyView { hcl, script, wrapping_script } })
}

/// Checks a mount or path as the server does when a connection is created, so that no policy is printed for a
/// place that the server would refuse.
fn place<'a>(flag: &str, text: &'a str) -> Result<&'a str, Failure> {
    SecretPath::place(text).map_err(|error| Failure::local(format!("{flag} cannot be used")).because(&error))
}

fn mode(text: &str) -> Result<Mode, String> {
    text.parse().map_err(|_| format!("use one of {}", Mode::NAMES.join(", ")))
}
