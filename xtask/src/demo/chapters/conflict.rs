//! A conflict: both sides set the same password, and a person decides.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::demo::{check::same, world::World};

/// Returns the fields of the wiki's record with the given password.
fn wiki(password: &str) -> Value {
    json!({"username": "team", "password": password, "url": "https://wiki.example.com", "owner": "ben"})
}

/// Tells this chapter.
pub(super) fn tell(world: &World) -> Result<()> {
    let shell = &world.shell;
    shell.narrator.say("Ann sets a new password for the wiki. So does a program in Vault, before the next run.");
    shell.tell_with("vaultterm record set team/wiki password=-", "password-of-ann")?;
    shell.tell_with("vault kv patch -mount=secret team/wiki -", r#"{"password":"password-of-the-program"}"#)?;
    shell.tell_with("vaultterm record set team/vpn password=-", "v2")?;
    shell.show_ending_with(4, "vaultterm sync run team")?;
    shell.narrator.say("Exit code 4: a person has to decide. Nobody's password was overwritten, and all else went on.");
    world.vault().holds("team/wiki", 4, &wiki("password-of-the-program"))?;
    world.records().hold("team/wiki", "PASSWORD", &wiki("password-of-ann"))?;
    world.vault().holds("team/vpn", 2, &json!({"username": "team", "password": "v2"}))?;

    shell.narrator.say("What is it about? Values are masked; equal digests are equal values.");
    shell.show("vaultterm conflict ls")?;
    let open = shell.items("vaultterm conflict ls")?;
    same("the number of open conflicts", &json!(1), &json!(open.len()))?;
    same("the kind of the conflict", &json!("both_changed"), &open[0]["kind"])?;
    let id = open[0]["id"].as_str().context("a conflict has an id")?;
    let masked = shell.show(&format!("vaultterm conflict show {id}"))?;
    let leaks = ["first-password", "password-of"].iter().any(|value| masked.contains(value));
    same("whether the conflict shows values unasked", &json!(false), &json!(leaks))?;
    let revealed = shell.show(&format!("vaultterm conflict show {id} --reveal"))?;
    let shown = ["first-password", "password-of-ann", "password-of-the-program"];
    same("whether all three states are shown", &json!(true), &json!(shown.iter().all(|it| revealed.contains(it))))?;

    shell.narrator.say("Ann keeps hers, and says why.");
    shell.show(&format!("vaultterm conflict resolve {id} --keep-local --reason 'rotated on purpose'"))?;
    world.vault().holds("team/wiki", 5, &wiki("password-of-ann"))?;
    world.records().hold("team/wiki", "PASSWORD", &wiki("password-of-ann"))?;
    same("the open conflicts", &json!([]), &json!(shell.items("vaultterm conflict ls")?))?;

    shell.narrator.say("The password that lost is not lost: it is a revision of the record.");
    shell.show("vaultterm record history team/wiki")?;
    for revision in shell.items("vaultterm record history team/wiki")? {
        let line =
            format!("vaultterm record get team/wiki --reveal --field password --revision {}", revision["revision"]);
        if shell.quietly(&line)?.trim() == "password-of-the-program" {
            shell.narrator.checked(&format!("revision {} holds the program's password", revision["revision"]));
            return Ok(());
        }
    }
    bail!("no revision of team/wiki holds the password that lost");
}
