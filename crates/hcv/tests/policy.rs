//! The printed policy is enough for every mode, and each of its capabilities is needed. Without a capability,
//! the connection test names it, and so does each operation of a run that needs it.

#[path = "openbao/world.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod world;

use std::process::{Command, Output};

use serde_json::json;
use vaultterm_hcv::{Flavor, Listing, PolicyRequest, VaultRemote};
use vaultterm_reconcile::{Mode, RemoteSight, Version};
use vaultterm_sync::{FaultClass, Remote, RemoteFault};
use vaultterm_testkit::{Backdoor, openbao::only_on_openbao};
use world::{MOUNT, World, a_mark, fields, hcl, path, vault_hcl};

/// A capability on a path of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    path: String,
    capability: String,
}

impl Grant {
    fn is(&self, capability: &str, api: &str) -> bool {
        self.capability == capability && self.path == format!("{MOUNT}/{api}/team/app/*")
    }

    fn lists(&self) -> bool {
        matches!(self.capability.as_str(), "list" | "scan")
    }

    fn reads_the_mounts_configuration(&self) -> bool {
        self.path == format!("{MOUNT}/config")
    }

    /// Returns whether the grant is about secrets and a run fails without it.
    fn is_needed(&self) -> bool {
        self.path.starts_with(MOUNT) && !self.reads_the_mounts_configuration()
    }
}

/// Reads the grants from a printed policy.
fn grants(hcl: &str) -> Vec<Grant> {
    let mut grants = Vec::new();
    let mut path = "";
    for line in hcl.lines().filter(|line| !line.starts_with('#')) {
        let quoted = line.split('"').skip(1).step_by(2);
        if line.starts_with("path ") {
            path = quoted.last().expect("a path in quotes");
        } else if line.contains("capabilities = ") {
            grants.extend(quoted.map(|name| Grant { path: path.to_owned(), capability: name.to_owned() }));
        }
    }
    grants
}

/// Returns a policy with these grants.
fn policy(grants: &[Grant]) -> String {
    let mut paths: Vec<&str> = grants.iter().map(|grant| grant.path.as_str()).collect();
    paths.dedup();
    let block = |path: &&str| {
        let here = grants.iter().filter(|grant| grant.path == **path);
        let names: Vec<String> = here.map(|grant| format!("{:?}", grant.capability)).collect();
        format!("path \"{path}\" {{ capabilities = [{}] }}\n", names.join(", "))
    };
    paths.iter().map(block).collect()
}

fn without(grants: &[Grant], taken: impl Fn(&Grant) -> bool) -> String {
    policy(&grants.iter().filter(|grant| !taken(grant)).cloned().collect::<Vec<_>>())
}

/// Calls every operation that a run in a mode may use.
async fn everything(world: &World, mode: Mode) -> Result<(), RemoteFault> {
    let remote = world.connect().await;
    remote.observe().await.expect("observed");
    assert_eq!(remote.look(&path("none")).await.expect("looked at"), RemoteSight::ProvenAbsent);
    assert!(remote.read(&path("there"), Version(1)).await.expect("read").is_some());
    if mode != Mode::Pull {
        remote.write(&path("new"), &fields("1"), Version::NONE).await.expect("created");
        remote.write(&path("new"), &fields("2"), Version(1)).await.expect("updated");
        remote.mark(&path("new"), &a_mark()).await.expect("marked");
        remote.delete(&path("new"), Version(2)).await.expect("deleted");
    }
    remote.close().await
}

async fn with_a_secret(mode: Mode) -> World {
    let world = World::new(mode).await;
    world.server.root().put(MOUNT, "team/app/there", json!({"value": "1"})).await;
    world
}

#[tokio::test]
async fn the_printed_policy_is_enough_for_everything_a_mode_does() {
    for mode in Mode::ALL {
        for policy in [hcl(*mode), vault_hcl(*mode)] {
            let world = with_a_secret(*mode).await;
            world.set_policy(&policy).await;
            let report = world.connector().test(&world.connection, &world.secrets()).await;
            assert!(report.ok, "{mode:?}: {report:#?}");
            everything(&world, *mode).await.expect("revoked");
            let refused: Vec<_> = world.server.audited().into_iter().filter(|request| request.failed).collect();
            let refused: Vec<_> = refused.iter().filter(|request| request.role == world::ROLE).collect();
            assert!(refused.is_empty(), "{mode:?}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn the_printed_policy_fits_paths_with_odd_names() {
    let mut world = World::new(Mode::Bidirectional).await;
    for prefix in [
        "",
        "inner space/100%/a#b?c",
        "back\\slash/quote\"d/it's",
        "star*inside/plus+inside",
        "${dollar}/{brace}",
        "emoji-🔑/ключ",
        "a+b/+/c",
    ] {
        world.connection.path = prefix.to_owned();
        let request = PolicyRequest {
            mount: MOUNT,
            path: prefix,
            mode: Mode::Bidirectional,
            flavor: world::flavor(),
            annotate: true,
            role: world::ROLE,
            auth_mount: "approle",
        };
        world.set_policy(&vaultterm_hcv::policy(&request).hcl).await;
        let backdoor = world.server.backdoor(MOUNT, prefix.trim_matches('/'));
        backdoor.put("there", fields("1").expose().clone()).await;
        let report = world.connector().test(&world.connection, &world.secrets()).await;
        assert!(report.ok, "{prefix}: {report:#?}");
        everything(&world, Mode::Bidirectional).await.expect("revoked");
    }
}

#[tokio::test]
async fn the_test_and_a_run_name_each_capability_that_is_missing_before_anything_is_written() {
    for mode in Mode::ALL {
        let world = with_a_secret(*mode).await;
        let all = grants(&hcl(*mode));
        let of_secrets = all.iter().filter(|grant| grant.is_needed() && !grant.lists());
        let mut seen = 0;
        for grant in of_secrets {
            world.set_policy(&without(&all, |other| other == grant)).await;
            let name = format!("{} on {}", grant.capability, grant.path);
            let report = world.connector().test(&world.connection, &world.secrets()).await;
            let failed: Vec<_> = report.checks.iter().filter(|check| !check.ok).collect();
            assert_eq!(failed.iter().map(|check| check.name.as_str()).collect::<Vec<_>>(), [name.as_str()], "{mode:?}");
            assert!(
                failed[0].hint.as_ref().map(ToString::to_string).unwrap_or_default().contains("role's policy"),
                "{failed:?}"
            );
            let fault = world.refusal().await;
            assert_eq!(fault.class, FaultClass::Denied);
            let said = format!("the role lacks `{}` on {}", grant.capability, grant.path);
            assert!(fault.message.contains(&said), "{mode:?}: {fault:?}");
            seen += 1;
        }
        assert_eq!(seen, if *mode == Mode::Pull { 2 } else { 6 }, "{mode:?}");
    }
}

#[tokio::test]
async fn all_that_is_missing_is_named_at_once() {
    let world = with_a_secret(Mode::Bidirectional).await;
    let all = grants(&hcl(Mode::Bidirectional));
    world.set_policy(&without(&all, |grant| grant.is("patch", "metadata") || grant.is("update", "data"))).await;
    let fault = world.refusal().await;
    for said in ["`update` on kv/data/team/app/*", "`patch` on kv/metadata/team/app/*"] {
        assert!(fault.message.contains(said), "{fault:?}");
    }
}

#[tokio::test]
async fn one_way_of_listing_is_enough_and_without_any_it_is_named() {
    if only_on_openbao("Vault knows one way of listing") {
        return;
    }
    let world = with_a_secret(Mode::Pull).await;
    let all = grants(&hcl(Mode::Pull));
    for way in ["list", "scan"] {
        world.set_policy(&without(&all, |grant| grant.lists() && grant.capability != way)).await;
        for expected in [0, 1, 1_000_000] {
            let remote = world.connect().await;
            remote.expect(expected);
            assert_eq!(remote.observe().await.expect("observed").sights.len(), 1, "{way}, {expected} are expected");
            remote.close().await.expect("revoked");
        }
    }
    world.set_policy(&without(&all, Grant::lists)).await;
    let fault = world.refusal().await;
    assert!(fault.message.contains("`list` on kv/detailed-metadata/team/app/*"), "{fault:?}");
    let report = world.connector().test(&world.connection, &world.secrets()).await;
    let failed: Vec<_> = report.checks.iter().filter(|check| !check.ok).map(|check| check.name.as_str()).collect();
    assert_eq!(failed, ["list on kv/detailed-metadata/team/app/*"]);
}

/// Runs a printed script as an operator would, with the command line under the name that the script expects.
fn output_of(world: &World, script: &str, command: &str, variables: &str) -> Output {
    let tools = tempfile::tempdir().expect("a folder can be made");
    std::os::unix::fs::symlink(vaultterm_testkit::openbao::binary(), tools.path().join(command)).expect("linked");
    let path = std::env::var("PATH").expect("there is a PATH");
    Command::new("sh")
        .args(["-c", script])
        .env_clear()
        .env("PATH", format!("{}:{path}", tools.path().display()))
        .env("HOME", tools.path())
        .env(format!("{variables}_ADDR"), world.server.address())
        .env(format!("{variables}_TOKEN"), world.server.root_token())
        .output()
        .expect("a shell can be started")
}

/// Runs a printed script, and returns the RoleID and the SecretID that it prints.
fn run_script(world: &World, script: &str, command: &str, variables: &str) -> (String, String) {
    let output = output_of(world, script, command, variables);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let printed = String::from_utf8(output.stdout).expect("text");
    let value = |name: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {printed}")).to_owned()
    };
    (value("role_id"), value("secret_id"))
}

#[tokio::test]
async fn the_printed_script_sets_up_a_role_that_works_and_may_be_run_again() {
    for (flavor, command, variables) in [(Flavor::OpenBao, "bao", "BAO"), (Flavor::Vault, "vault", "VAULT")] {
        if flavor == Flavor::OpenBao && world::flavor() == Flavor::Vault {
            // Vault refuses a policy that names `scan`, and its command line is not called `bao`.
            continue;
        }
        let mut world = with_a_secret(Mode::Bidirectional).await;
        let request = PolicyRequest {
            mount: MOUNT,
            path: world::PREFIX,
            mode: Mode::Bidirectional,
            flavor,
            annotate: true,
            role: "our-role.2",
            auth_mount: "machines/approle",
        };
        let script = vaultterm_hcv::policy(&request).script;
        world.connection.auth_mount = "machines/approle".to_owned();
        let mut secret_ids = Vec::new();
        for _ in 0..2 {
            (world.connection.role_id, world.secret_id) = run_script(&world, &script, command, variables);
            secret_ids.push(world.secret_id.clone());
            let report = world.connector().test(&world.connection, &world.secrets()).await;
            assert!(report.ok, "{command}: {report:#?}");
        }
        everything(&world, Mode::Bidirectional).await.expect("revoked");
        assert_ne!(secret_ids[0], secret_ids[1], "each run issues another SecretID");
    }
}

#[tokio::test]
async fn the_printed_script_never_replaces_the_policy_of_another_place() {
    let mut world = with_a_secret(Mode::Bidirectional).await;
    let script = |path, mode| {
        let (mount, flavor, auth_mount) = (MOUNT, Flavor::Vault, "approle");
        let request = PolicyRequest { mount, path, mode, flavor, annotate: true, role: "ours", auth_mount };
        vaultterm_hcv::policy(&request).script
    };
    (world.connection.role_id, world.secret_id) =
        run_script(&world, &script(world::PREFIX, Mode::Bidirectional), "vault", "VAULT");
    for other in ["elsewhere", "", "app", "team/app/more"] {
        let output = output_of(&world, &script(other, Mode::Bidirectional), "vault", "VAULT");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{other}: {said}");
        assert!(said.contains("ours is about another place") && said.contains("--role"), "{said}");
    }
    let report = world.connector().test(&world.connection, &world.secrets()).await;
    assert!(report.ok, "the first connection keeps its rights: {report:#?}");
    // The same place in another mode is a change of the policy, which is what running it again is for.
    run_script(&world, &script(world::PREFIX, Mode::Pull), "vault", "VAULT");
}

/// Calls the operation that needs a capability.
async fn use_of(grant: &Grant, remote: &VaultRemote) -> Result<(), RemoteFault> {
    let (there, new) = (path("there"), path("new"));
    if grant.is("read", "data") {
        remote.read(&there, Version(1)).await.map(drop)
    } else if grant.is("create", "data") {
        remote.write(&new, &fields("1"), Version::NONE).await.map(drop)
    } else if grant.is("update", "data") {
        remote.write(&there, &fields("2"), Version(1)).await.map(drop)
    } else if grant.is("update", "delete") {
        remote.delete(&there, Version(1)).await.map(drop)
    } else if grant.is("patch", "metadata") {
        remote.mark(&there, &a_mark()).await
    } else if grant.is("read", "metadata") {
        // An unreadable sight is an answer with a reason. It never counts as deleted.
        match remote.look(&there).await? {
            RemoteSight::Unreadable(message) => {
                Err(RemoteFault { class: FaultClass::Denied, message, hint: None, retry_after: None })
            }
            other => panic!("{other:?}"),
        }
    } else {
        remote.observe().await.map(drop)
    }
}

#[tokio::test]
async fn a_capability_that_is_taken_away_mid_run_is_named_by_what_needed_it() {
    let mode = Mode::Bidirectional;
    let world = with_a_secret(mode).await;
    let all = grants(&hcl(mode));
    for grant in all.iter().filter(|grant| grant.is_needed()) {
        world.set_policy(&hcl(mode)).await;
        let listing = match grant.capability.as_str() {
            "scan" => Listing::Scan,
            "list" if world::flavor() == Flavor::OpenBao => Listing::DetailedList,
            _ => Listing::Auto,
        };
        let remote = world.connect_listing(listing, 7).await;
        world.set_policy(&without(&all, |other| other == grant)).await;
        let fault = use_of(grant, &remote).await.expect_err("it was taken away");
        assert_eq!(fault.class, FaultClass::Denied, "{grant:?}: {fault:?}");
        let said = format!("the role lacks `{}` on {}", grant.capability, grant.path.trim_end_matches('*'));
        assert!(fault.message.contains(&said), "{grant:?}: {fault:?}");
        remote.close().await.expect("revoked");
    }
    let there = world.server.root().metadata(MOUNT, "team/app/there").await.expect("metadata");
    assert_eq!(there["current_version"], json!(1), "nothing was written meanwhile");
}

#[tokio::test]
async fn a_role_that_may_not_ask_still_works_and_a_denial_says_where() {
    let world = with_a_secret(Mode::Bidirectional).await;
    let all = grants(&hcl(Mode::Bidirectional));
    let asks = |grant: &Grant| grant.path == "sys/capabilities-self";
    world.set_policy(&without(&all, asks)).await;
    let report = world.connector().test(&world.connection, &world.secrets()).await;
    assert!(report.ok, "{report:#?}");
    assert!(report.checks.iter().any(|check| check.detail.contains("the role may not ask")), "{report:#?}");
    everything(&world, Mode::Bidirectional).await.expect("revoked");

    world.set_policy(&without(&all, |grant| asks(grant) || grant.is("update", "data"))).await;
    let remote = world.connect().await;
    let fault = remote.write(&path("there"), &fields("2"), Version(1)).await.expect_err("denied");
    assert_eq!(fault.class, FaultClass::Denied);
    assert!(fault.message.contains("writing kv/data/team/app/there"), "{fault:?}");
    remote.close().await.expect("revoked");
}

#[tokio::test]
async fn the_mounts_configuration_is_read_where_the_printed_policy_is_used_and_missed_without_harm() {
    for mode in [Mode::Push, Mode::Bidirectional] {
        let world = with_a_secret(mode).await;
        world.server.root().call("POST", &format!("{MOUNT}/config"), Some(json!({"max_versions": 7}))).await;
        let all = grants(&hcl(mode));
        let name = format!("read on {MOUNT}/config");
        for (granted, versions_max, says) in [(true, Some(7), "granted"), (false, None, "not granted, and optional: ")]
        {
            world.set_policy(&without(&all, |grant| !granted && grant.reads_the_mounts_configuration())).await;
            let report = world.connector().test(&world.connection, &world.secrets()).await;
            assert!(report.ok, "{report:#?}");
            let check = report.checks.iter().find(|check| check.name == name).expect("it is looked at");
            assert!(check.detail.starts_with(says), "{check:?}");
            let remote = world.connect().await;
            assert_eq!(remote.versions_max().await.expect("no fault"), versions_max);
            remote.close().await.expect("revoked");
        }
    }
    assert!(!grants(&hcl(Mode::Pull)).iter().any(Grant::reads_the_mounts_configuration), "a pull evicts nothing");
}

#[tokio::test]
async fn without_the_right_to_revoke_everything_else_still_works() {
    let world = with_a_secret(Mode::Bidirectional).await;
    let all = grants(&hcl(Mode::Bidirectional));
    world.set_policy(&without(&all, |grant| grant.path == "auth/token/revoke-self")).await;
    let fault = everything(&world, Mode::Bidirectional).await.expect_err("the token lives on, which is told");
    assert!(fault.message.contains("`update` on auth/token/revoke-self"), "{fault:?}");
    let report = world.connector().test(&world.connection, &world.secrets()).await;
    let failed: Vec<_> = report.checks.iter().filter(|check| !check.ok).map(|check| check.name.as_str()).collect();
    assert_eq!(failed, ["update on auth/token/revoke-self", "token"]);
}
