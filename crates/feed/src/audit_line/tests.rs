//! Lines that an OpenBao 2.7.2 wrote, and lines in the form of HashiCorp Vault.

use super::{Change, Told, Unreadable, read};

/// The log of an OpenBao 2.7.2, in which one secret lived through everything that can happen to it.
const OPENBAO: &str = include_str!("../../samples/openbao-2.7.2.jsonl");
/// Lines of the same server, from a device that was set to log values and tokens as they are.
const RAW: &str = include_str!("../../samples/openbao-2.7.2-log-raw.jsonl");

fn changes(log: &str) -> Vec<Change> {
    let told = log.lines().filter_map(|line| read(line.as_bytes()).expect("a whole line"));
    told.filter_map(|told| if let Told::Change(change) = told { Some(change) } else { None }).collect()
}

/// Shortens a change: the path, the writer, the version, and whether it is a deletion.
fn short(change: &Change) -> (&str, &str, Option<u64>, bool) {
    (&change.path, change.writer.as_deref().unwrap_or("nobody"), change.version, change.is_delete)
}

#[test]
fn every_change_that_succeeded_is_told_with_its_writer_and_nothing_else_is() {
    let found = changes(OPENBAO);
    let found: Vec<_> = found.iter().map(short).filter(|change| !change.0.starts_with("auth/")).collect();
    assert_eq!(
        found,
        [
            ("kv/data/team/app/db", "approle deployer", Some(1), false),
            ("kv/data/team/app/db", "approle deployer", Some(2), false),
            ("kv/data/team/app/db", "approle deployer", Some(3), false),
            // The write with a wrong `cas` and the denied one are not here.
            ("kv/data/team/app/db", "userpass-ann", None, true),
            ("kv/undelete/team/app/db", "userpass-ann", None, false),
            ("kv/delete/team/app/db", "userpass-ann", None, false),
            ("kv/destroy/team/app/db", "userpass-ann", None, false),
            ("kv/metadata/team/app/db", "userpass-ann", None, false),
            ("kv/metadata/team/app/db", "userpass-ann", None, false),
            ("kv/data/with space/ü%2Fé", "token", Some(1), false),
            ("a/deep/data/x", "token", Some(1), false),
            ("old/x", "token", None, false),
            ("kv/metadata/team/app/db", "token", None, true),
            ("eng/kv/data/in/ns", "token", Some(1), false),
            ("eng/sub/kv/data/in/sub", "token", Some(1), false),
            ("eng/kv/data/by/prefix", "token", Some(1), false),
        ]
    );
}

#[test]
fn the_time_is_that_of_the_version_where_the_log_tells_it() {
    let found = changes(OPENBAO);
    let times: Vec<_> = found.iter().filter(|change| !change.path.starts_with("auth/")).take(4).collect();
    let at = |change: &Change| change.at.map(|at| at.to_string());
    // The answer was logged at .797120253, and the version was made at .796549175.
    assert_eq!(at(times[0]).as_deref(), Some("2026-11-29T16:16:41.796549175Z"));
    assert_eq!(at(times[3]).as_deref(), Some("2026-11-29T16:16:42.521262805Z"), "a deletion makes no version");
}

#[test]
fn a_change_of_a_mount_is_an_upheaval() {
    let first = OPENBAO.lines().next().unwrap();
    assert!(first.contains("sys/mounts/a/deep"), "{first}");
    assert_eq!(read(first.as_bytes()), Ok(Some(Told::Upheaval)));
    assert_eq!(
        read(first.replace("sys/mounts/a/deep", "sys/mounts/a/deep/tune").as_bytes()).unwrap().map(is_change),
        Some(true)
    );
}

fn is_change(told: Told) -> bool {
    matches!(told, Told::Change(_))
}

#[test]
fn a_device_that_logs_values_as_they_are_gives_the_same_and_no_value() {
    assert!(RAW.contains("geheim"), "the sample holds values");
    let found = changes(RAW);
    assert_eq!(found.iter().map(short).next(), Some(("kv/data/team/app/db", "approle deployer", Some(1), false)));
    assert!(!format!("{found:?}").contains("geheim"));
}

/// An entry in the form of HashiCorp Vault 1.21: members in another order, and times hashed.
const VAULT: &str = r#"{"auth":{"accessor":"hmac-sha256:aa","client_token":"hmac-sha256:bb","display_name":"approle",
"entity_id":"f1","metadata":{"role_name":"jenkins"},"policies":["default","ci"],"policy_results":{"allowed":true},
"token_type":"service","token_ttl":1200},"request":{"client_id":"f1","client_token":"hmac-sha256:bb","data":{"data":{"password":
"hmac-sha256:cc"},"options":{"cas":4}},"id":"0f","mount_accessor":"kv_1","mount_class":"secret","mount_point":"secret/",
"mount_running_version":"v0.25.0+builtin","mount_type":"kv","namespace":{"id":"root"},"operation":"update",
"path":"secret/data/team/db","remote_address":"10.0.0.1","remote_port":1},"response":{"data":{"created_time":"hmac-sha256:dd",
"custom_metadata":null,"deletion_time":"hmac-sha256:ee","destroyed":false,"version":5},"mount_accessor":"kv_1",
"mount_class":"secret","mount_point":"secret/","mount_type":"kv"},"time":"2026-01-31T12:00:00.5Z","type":"response"}"#;

#[test]
fn an_entry_in_the_form_of_hashicorp_vault_is_read_too() {
    let found = changes(&VAULT.replace('\n', ""));
    assert_eq!(short(&found[0]), ("secret/data/team/db", "approle jenkins", Some(5), false));
    assert_eq!(found[0].at.unwrap().to_string(), "2026-01-31T12:00:00.5Z");
}

#[test]
fn a_hashed_name_names_nobody_and_an_odd_one_is_made_fit_for_a_line() {
    let line = VAULT.replace('\n', "");
    let writer = |from: &str, to: &str| changes(&line.replace(from, to))[0].writer.clone();
    assert_eq!(writer(r#""display_name":"approle""#, r#""display_name":"hmac-sha256:ff""#).as_deref(), Some("jenkins"));
    assert_eq!(writer(r#""role_name":"jenkins""#, r#""role_name":"hmac-sha256:ff""#).as_deref(), Some("approle"));
    assert_eq!(
        writer(r#""display_name":"approle""#, r#""display_name":"ci\n jenkins""#).as_deref(),
        Some("ci jenkins")
    );
    assert_eq!(writer(r#""display_name":"approle""#, r#""display_name":7"#).as_deref(), Some("jenkins"));
    let long = format!(r#""display_name":"{}""#, "x".repeat(500));
    assert_eq!(writer(r#""display_name":"approle""#, &long).unwrap().len(), 200);
}

#[test]
fn an_error_is_no_change_and_an_empty_one_is_none() {
    let line = VAULT.replace('\n', "");
    let with =
        |error: &str| changes(&line.replace(r#""type":"response""#, &format!(r#""error":{error},"type":"response""#)));
    assert_eq!(with(r#""1 error occurred""#).len(), 0);
    assert_eq!(with("{}").len(), 0);
    assert_eq!(with(r#""""#).len(), 1);
    assert_eq!(with("null").len(), 1);
}

#[test]
fn a_cut_line_is_told_from_a_line_that_is_no_entry() {
    let line = VAULT.replace('\n', "");
    assert_eq!(read(&line.as_bytes()[..200]), Err(Unreadable));
    assert_eq!(read(b"2026-01-31 [INFO] core: post-unseal setup complete"), Ok(None));
    assert_eq!(read(br#"{"@level":"info","@message":"core: seal"}"#), Ok(None));
    assert_eq!(read(b""), Ok(None));
    let collected = format!("2026-05-05T20:38:16.1Z stdout F {line}");
    assert!(read(collected.as_bytes()).unwrap().is_some(), "a collector began the line");
    let deep = format!("{}{}", r#"{"type":"response","x":"#, "[".repeat(100_000));
    assert_eq!(read(deep.as_bytes()), Err(Unreadable), "and no stack overflows");
}

#[test]
fn a_line_that_is_cut_anywhere_is_never_a_change() {
    for line in OPENBAO.lines().skip(3).take(3) {
        for end in 0..line.len() {
            let told = read(&line.as_bytes()[..end]);
            assert!(matches!(told, Ok(None) | Err(Unreadable)), "cut at {end}: {told:?}");
            // The rest may be taken for no entry, because the beginning is what tells of the cut.
            let rest = read(&line.as_bytes()[end + 1..]);
            assert!(!matches!(rest, Ok(Some(_))), "begun at {end}: {rest:?}");
        }
    }
}
