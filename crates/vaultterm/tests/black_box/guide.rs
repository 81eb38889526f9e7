//! Runs `docs/getting-started.md`: every block marked `sh`, in order, in one shell before the server starts
//! and in another one after it. The guide calls the command line of the server `vault`. The test provides
//! that name for OpenBao too, whose command line takes the same arguments and variables.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::json;
use vaultterm_testkit::openbao::{self, OpenBao};

use crate::house::House;

const GUIDE: &str = include_str!("../../../../docs/getting-started.md");

/// Joins the blocks of a part of the guide to a script.
fn script(part: &str) -> String {
    let blocks = part.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    format!("set -eu\n{}", blocks.collect::<String>())
}

fn run(script: &str, folder: &Path, bao: &OpenBao, server: &str) -> Output {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let ours: &Path = env!("CARGO_BIN_EXE_vaultterm").as_ref();
    let theirs = tempfile::tempdir().expect("a temporary directory");
    std::os::unix::fs::symlink(openbao::binary(), theirs.path().join("vault")).expect("linked");
    let tools = [ours.parent().expect("a binary is in a folder").to_owned(), theirs.path().to_owned()];
    let path = std::env::join_paths(tools.into_iter().chain(std::env::split_paths(&own))).expect("a PATH");
    let output = Command::new("sh")
        .args(["-c", script])
        .current_dir(folder)
        .env_clear()
        .env("PATH", path)
        .env("HOME", folder)
        .env("VAULTTERM_DATA_DIR", folder.join("data"))
        .env("VAULTTERM_ADDR", server)
        .env("VAULT_ADDR", bao.address())
        .env("VAULT_TOKEN", bao.root_token())
        .output()
        .expect("a shell can be started");
    assert!(output.status.success(), "{output:?}");
    output
}

#[tokio::test]
async fn every_command_of_the_guide_does_what_it_says() {
    let (before, after) = GUIDE.split_once("```console\nvaultterm serve\n").expect("the guide starts the server");
    let bao = OpenBao::start().await;
    bao.root().mount_kv("secret", 2).await;
    let folder = tempfile::tempdir().expect("a temporary directory");
    let here = folder.path().to_owned();
    run(&script(before), &here, &bao, "");
    // In the guide, `vaultterm.toml` names the vendor whose licenses are accepted.
    let house = House::in_folder(folder, &[("LICENSE_PUBLIC_KEY", "")]);
    let output = run(&script(after), &here, &bao, &house.address);

    let said = String::from_utf8(output.stdout).expect("text");
    assert!(said.contains("exit code 4: conflicts wait for a person"), "{said}");
    assert!(said.contains("HCV_CONFLICT_RESOLVED"), "{said}");
    let wiki = json!({"username": "ann", "password": "mine", "url": "http://wiki"});
    assert_eq!(bao.root().value("secret", "team/wiki").await, Some(wiki));
}
