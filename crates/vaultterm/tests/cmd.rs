//! Situations on the command line, each in its own file in `tests/cmd`: what a person types, and what a
//! person or script then sees.
//!
//! A file has a title, the requests with their answers (see `answers/mod.rs`; without them there is no
//! server), and steps. A step gives the command (words as a shell would split them), its environment and
//! stdin, and the expected exit code, output and messages. `{dir}` is the directory of the situation, which
//! is also its home. `{server}` is the address of the server with the answers.

mod answers;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use answers::{Answer, Answers};
use serde::Deserialize;

/// A file of `tests/cmd`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Situation {
    /// What the situation shows.
    #[allow(dead_code, reason = "for the reader of the file")]
    title: String,
    /// Files to write into the home first.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// Requests and their answers. Each must come exactly once.
    #[serde(default)]
    answer: Vec<Answer>,
    step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    run: String,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    stdin: String,
    /// Ctrl-C is pressed after stderr contains this.
    #[serde(default)]
    interrupt_after: Option<String>,
    exit: i32,
    /// Pieces that stdout contains in this order. Without any, stdout must be empty.
    #[serde(default)]
    stdout: Vec<String>,
    /// Pieces that stderr contains in this order. Without any, stderr must be empty.
    #[serde(default)]
    stderr: Vec<String>,
    /// Texts that appear neither on stdout nor on stderr.
    #[serde(default)]
    never: Vec<String>,
}

fn play(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd").join(format!("{name}.toml"));
    let text = fs::read_to_string(&path).expect("the situation's file");
    let situation: Situation = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let home = tempfile::tempdir().expect("temporary directory");
    let directory = home.path().to_str().expect("UTF-8");
    for (file, content) in &situation.files {
        let path = home.path().join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directory");
        fs::write(path, content).expect("written");
    }
    let answers = Answers::start(situation.answer);
    for step in &situation.step {
        play_step(name, step, directory, answers.address());
    }
    answers.check(name);
}

fn play_step(name: &str, step: &Step, directory: &str, server: &str) {
    let fill = |text: &str| text.replace("{dir}", directory).replace("{server}", server);
    let mut child = Command::new(env!("CARGO_BIN_EXE_vaultterm"))
        .args(words(&fill(&step.run)))
        .env_clear()
        .env("HOME", directory)
        .env("VAULTTERM_ADDR", server)
        .envs(step.env.iter().map(|(name, value)| (name, fill(value))))
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    // A command that refuses early may not read its stdin.
    let _ = child.stdin.take().expect("stdin").write_all(step.stdin.as_bytes());
    // Both are read at the same time, because either may be larger than a pipe can hold.
    let mut data = child.stdout.take().expect("stdout");
    let data = std::thread::spawn(move || std::io::read_to_string(&mut data).expect("UTF-8"));
    let stderr = read_messages(&mut child, step.interrupt_after.as_deref());
    let stdout = data.join().expect("read");
    let output = child.wait_with_output().expect("ended");
    let told = format!("{name}: vaultterm {}\n--- stdout\n{stdout}\n--- stderr\n{stderr}", step.run);
    assert_eq!(output.status.code(), Some(step.exit), "{told}");
    for (found, wanted) in [(&stdout, &step.stdout), (&stderr, &step.stderr)] {
        assert!(!wanted.is_empty() || found.is_empty(), "silence was expected\n{told}");
        let mut rest = found.as_str();
        for piece in wanted {
            let piece = fill(piece);
            let at = rest.find(&piece).unwrap_or_else(|| panic!("`{piece}` is missing (or out of order)\n{told}"));
            rest = &rest[at + piece.len()..];
        }
    }
    for piece in &step.never {
        assert!(!stdout.contains(piece) && !stderr.contains(piece), "`{piece}` appears\n{told}");
    }
}

/// Reads stderr to its end, and presses Ctrl-C after it contains a text.
fn read_messages(child: &mut Child, interrupt_after: Option<&str>) -> String {
    let mut messages = String::new();
    let mut pressed = false;
    let mut reader = BufReader::new(child.stderr.take().expect("stderr"));
    while reader.read_line(&mut messages).expect("UTF-8") > 0 {
        if !pressed && interrupt_after.is_some_and(|text| messages.contains(text)) {
            pressed = true;
            let id = child.id().to_string();
            assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill runs").success());
        }
    }
    messages
}

/// Splits words as a shell would, including single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().expect("a word").push(c),
        }
    }
    words
}

macro_rules! situations {
    ($($name:ident)+) => {
        $(#[test] fn $name() { play(stringify!($name)); })+

        #[test]
        fn every_situation_is_played() {
            let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd")).expect("listed");
            let mut found: Vec<_> = files
                .map(|file| file.expect("listed").path().file_stem().expect("a name").to_string_lossy().into_owned())
                .collect();
            found.sort();
            assert_eq!(found, [$(stringify!($name)),+]);
        }
    };
}

situations! {
    a_broken_client_configuration_is_named
    a_conflict_is_found_by_its_path_where_one_has_it
    a_conflict_is_shown_masked_and_resolved_as_shown
    a_connection_is_created_from_vaults_own_variables
    a_dash_is_stdout_and_never_a_file
    a_decision_that_leaves_fields_open_names_the_flags_to_give
    a_failed_test_of_a_connection_says_what_is_missing
    a_feed_begins_with_a_look_at_everything
    a_field_without_a_terminal_says_what_to_pass
    a_flag_wins_over_the_environment_and_the_environment_over_the_file
    a_halted_run_exits_with_5_and_says_how_to_go_on
    a_license_is_issued_without_a_server
    a_list_is_read_to_its_end_and_printed_as_one
    a_login_is_kept_for_its_address_only
    a_plan_for_one_path_says_what_it_leaves_alone
    a_plan_is_drawn_and_its_exit_code_tells_of_changes
    a_policy_needs_no_server
    a_program_that_does_not_start_says_so_in_its_exit_code
    a_record_is_created_then_changed_at_the_revision_that_was_read
    a_record_is_kept_for_programs_only
    a_revealed_value_is_printed_alone
    a_run_is_followed_over_a_broken_stream
    a_run_without_a_license_changes_nothing_and_says_so
    a_second_factor_is_set_up_and_asked_for
    a_secret_in_the_place_of_a_file_is_not_repeated
    a_secret_is_accepted_to_be_left_out
    a_server_that_is_none_is_named_as_suspect
    a_state_that_is_not_known_is_never_success
    a_token_file_that_is_not_there
    a_token_is_shown_once
    a_usage_error_exits_with_1
    a_value_on_the_command_line_warns
    a_webhooks_secret_is_shown_once
    completions_and_version_need_no_server
    ctrl_c_cancels_the_run_and_exits_with_130
    help_goes_to_stdout
    keys_are_shown_and_rotated
    many_records_are_tagged_and_trashed_together
    no_server_is_running
    plain_http_to_another_machine_is_refused
    records_move_to_another_collection_after_a_look_at_what_it_means
    stdin_is_read_once
    the_newest_events_come_first
    times_are_days_moments_or_durations
    values_in_a_file_of_variables_arrive_as_they_stand
}
