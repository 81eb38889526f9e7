//! What the scheduler must know about every connection.

use vaultterm_reconcile::{Counts, Deleted, UnixNanos};
use vaultterm_sync::{
    Connection, ConnectionId, Run, RunId,
    schedule::{Hinted, ScheduleFacts},
};

use crate::{
    Store, StoreError,
    known_facts::{Known, Mark},
    runs,
    sql::args,
};

/// A connection that may run by itself, with its state.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// The connection.
    pub connection: Connection,
    /// The newest run. Resolutions do not count, and neither do runs that a missing license halted, because
    /// they did nothing.
    pub last_run: Option<Run>,
    /// The newest run of any kind.
    pub last_begun: Option<RunId>,
    /// The number of consecutive failed runs up to the newest run.
    pub failures: u32,
    /// The number of consecutive runs that were refused at the login since the credential was last changed or
    /// used with success.
    pub logins_refused: u32,
    /// The time of the last change of the collection by another actor than a run of this connection, if that
    /// change came after everything that the newest run saw. Change numbers decide whether it did. The time
    /// comes from the node that made the change.
    pub changed: Option<UnixNanos>,
    /// The hints that wait.
    pub hinted: Option<Hinted>,
}

/// The runs of a connection that count for its schedule. A run for some paths did not see the rest, so it counts only if
/// it was started by hints and a guard halted it: then a person must look, as after any other halt. The text of a halt
/// and a path cannot match these patterns, because JSON escapes quotation marks.
const COUNTING: &str = r#"connection_id = $1 AND cause <> 'resolution' AND halts NOT LIKE '%"kind":"license"%'
                          AND (part NOT LIKE '%"only":[%' OR (cause = 'hint' AND state = 'halted'))"#;

/// The runs of a connection that looked at all of it and went to their end.
const WHOLE: &str = r#"connection_id = $1 AND cause <> 'resolution' AND part NOT LIKE '%"only":[%'
                       AND state IN ('succeeded', 'partial')"#;

impl Scheduled {
    /// Returns the input of [`vaultterm_sync::schedule`].
    #[must_use]
    pub fn facts(&self) -> ScheduleFacts<'_> {
        ScheduleFacts {
            connection: &self.connection,
            last_run: self.last_run.as_ref(),
            failures: self.failures,
            logins_refused: self.logins_refused,
            changed: self.changed,
            hinted: self.hinted,
        }
    }
}

impl Store {
    /// Lists all connections that are started and not paused, without those that a person ran only while there was no
    /// license. A person must still start their first run.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn schedulable(&self) -> Result<Vec<Scheduled>, StoreError> {
        let sql = "SELECT c.*, o.change_number AS change_number, r.id AS newest, r.state AS newest_state,
                          r.finished AS newest_finished
                   FROM connections c JOIN collections o ON o.id = c.collection_id
                   LEFT JOIN runs r ON r.id = (SELECT id FROM runs WHERE connection_id = c.id ORDER BY id DESC LIMIT 1)
                   WHERE c.started = 1 AND c.paused = 0 ORDER BY c.id";
        let hints = self.hinted_connections().await?;
        let waits = |id| hints.iter().any(|hint| hint.id == id);
        let mut scheduled = Vec::new();
        for row in self.db.all(sql, args![]).await? {
            let (connection, logins_refused) = (self.connection_row(&row)?, row.small("logins_refused")?);
            let mark = Mark {
                newest: row.maybe_id("newest")?,
                state: row.maybe_text("newest_state")?,
                finished: row.maybe_int("newest_finished")?,
                change_number: row.count("change_number")?,
            };
            let last_begun = mark.newest.map(RunId);
            let Known { last_run, streak, changed, hinted } = self.facts_at(&connection, mark).await?;
            let Some(last_run) = last_run else { continue };
            // The cause of the last failures is gone, because a new SecretID or a successful test came after
            // them.
            let mended = logins_refused == 0 && runs::refused_at_login(&last_run);
            let failures = if mended { 0 } else { streak };
            let last_run = Some(last_run);
            let hinted = waits(connection.id).then_some(hinted);
            scheduled.push(Scheduled { connection, last_run, last_begun, failures, logins_refused, changed, hinted });
        }
        Ok(scheduled)
    }

    async fn facts_at(&self, connection: &Connection, mark: Mark) -> Result<Known, StoreError> {
        if let Some(known) = self.known_facts.at(connection.id, &mark) {
            return Ok(known);
        }
        // What changes after the mark was read also changes the next mark.
        let known = self.find_facts(connection).await?;
        self.known_facts.keep(connection.id, mark, known.clone());
        Ok(known)
    }

    /// Counts what runs for some paths deleted since the last run of the whole connection, without a plan that a person
    /// saw.
    pub(crate) async fn deleted_in_part_of(&self, id: ConnectionId) -> Result<Deleted, StoreError> {
        let whole = format!("SELECT id FROM runs WHERE {WHOLE} ORDER BY id DESC LIMIT 1");
        let whole = self.db.one(&whole, args![id]).await?.map(|row| row.id("id")).transpose()?;
        let sql = r#"SELECT counts FROM runs
                     WHERE connection_id = $1 AND id > $2 AND plan_id IS NULL AND part LIKE '%"only":[%'"#;
        let rows = self.db.all(sql, args![id, whole.unwrap_or_default()]).await?;
        let mut deleted = Deleted::default();
        for row in rows {
            let counts: Counts = row.json("counts")?;
            deleted.local += counts.deleted_local;
            deleted.remote += counts.deleted_remote;
        }
        Ok(deleted)
    }

    async fn find_facts(&self, connection: &Connection) -> Result<Known, StoreError> {
        let sql = format!("SELECT * FROM runs WHERE {COUNTING} ORDER BY id DESC LIMIT 1");
        let last_run = self.db.one(&sql, args![connection.id]).await?.map(|row| runs::run(&row)).transpose()?;
        // More consecutive failures than these do not make the pause longer.
        let sql = format!("SELECT state FROM runs WHERE {COUNTING} ORDER BY id DESC LIMIT 20");
        let states = self.db.all(&sql, args![connection.id]).await?;
        let states = states.iter().map(|row| row.text("state")).collect::<Result<Vec<_>, _>>()?;
        let streak = (1..).zip(states).take_while(|(_, state)| state == "failed").last().map_or(0, |(count, _)| count);
        // A failed run may have seen nothing, so the changes before it still wait.
        let sql =
            format!("SELECT change_number FROM runs WHERE {COUNTING} AND state <> 'failed' ORDER BY id DESC LIMIT 1");
        let seen = self.db.one(&sql, args![connection.id]).await?;
        let seen = seen.map_or(Ok(0), |row| row.count("change_number"))?;
        let sql = "SELECT updated_us FROM records
                   WHERE collection_id = $1 AND change_number > $2 AND (updated_by IS NULL OR updated_by <> $3)
                   ORDER BY change_number DESC LIMIT 1";
        let changed = self.db.one(sql, args![connection.collection_id, seen, connection.id]).await?;
        let changed = changed.map(|row| row.int("updated_us")).transpose()?;
        let changed = changed.map(|us| UnixNanos(us.saturating_mul(1_000)));
        // Runs that hints started have pauses of their own, because they count for nothing else.
        let sql =
            "SELECT state, finished FROM runs WHERE connection_id = $1 AND cause = 'hint' ORDER BY id DESC LIMIT 20";
        let rows = self.db.all(sql, args![connection.id]).await?;
        let states = rows.iter().map(|row| row.text("state")).collect::<Result<Vec<_>, _>>()?;
        let failures =
            (1..).zip(states).take_while(|(_, state)| state == "failed").last().map_or(0, |(count, _)| count);
        let finished = rows.first().map(|row| row.maybe_int("finished")).transpose()?.flatten().map(UnixNanos);
        let hinted = Hinted { failures, finished };
        Ok(Known { last_run, streak, changed, hinted })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vaultterm_ledger::AuditAction;
    use vaultterm_reconcile::{Counts, Deleted, Halt, HaltKind, Mode, SecretPath, UnixNanos};
    use vaultterm_sealing::SecretText;
    use vaultterm_sync::{Credential, FaultClass, Journal as _, Run, RunPart, RunProblem, RunState, Trigger};

    use super::Scheduled;
    use crate::{
        AuditFilter, ConnectionUpdate, Page,
        testing::{House, NOW_US, new_record},
    };

    async fn only(house: &House) -> Scheduled {
        house.store.schedulable().await.unwrap().pop().unwrap()
    }

    #[tokio::test]
    async fn only_what_a_person_started_and_nobody_paused_runs_by_itself() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        assert!(house.store.schedulable().await.unwrap().is_empty());
        let run = house.begin(made.id, Trigger::Manual).await;
        house.end(run, RunState::Succeeded).await;
        assert_eq!(only(&house).await.connection.id, made.id);
        let pause = ConnectionUpdate { paused: Some(true), ..ConnectionUpdate::default() };
        house.store.update_connection(&house.ann(), made.id, 1, pause).await.unwrap();
        assert!(house.store.schedulable().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_run_for_some_paths_starts_no_schedule_and_counts_for_none() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        let part = RunPart { only: vec![SecretPath::new("a").unwrap()], left_out: Vec::new() };
        let run = house.begin_part(made.id, part.clone()).await;
        house.end(run, RunState::Succeeded).await;
        assert!(house.store.schedulable().await.unwrap().is_empty(), "nobody looked at a plan of the whole");
        let (lease, run) = house.begin(made.id, Trigger::Manual).await;
        let whole = run.id;
        house.end((lease, run), RunState::Succeeded).await;
        let run = house.begin_part(made.id, part).await;
        house.end(run, RunState::Succeeded).await;
        assert_eq!(only(&house).await.last_run.unwrap().id, whole);
        let shown = house.store.connection_summary(made.id).await.unwrap().unwrap();
        assert_eq!(shown.last_run.unwrap().id, whole);
    }

    #[tokio::test]
    async fn a_run_that_hints_started_counts_if_a_guard_halted_it() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        let run = house.begin(made.id, Trigger::Manual).await;
        house.end(run, RunState::Succeeded).await;
        let part = RunPart { only: vec![SecretPath::new("a").unwrap()], left_out: Vec::new() };
        let hinted = async |state| {
            let (lease, run) = house.begin_hinted(made.id, part.clone()).await;
            let id = run.id;
            house.end((lease, run), state).await;
            id
        };
        let unseen = hinted(RunState::Succeeded).await;
        assert_ne!(only(&house).await.last_run.unwrap().id, unseen);
        let halted = hinted(RunState::Halted).await;
        assert_eq!(only(&house).await.last_run.unwrap().id, halted, "a person must look");
        let shown = house.store.connection_summary(made.id).await.unwrap().unwrap();
        assert_eq!(shown.last_run.unwrap().id, halted);
    }

    #[tokio::test]
    async fn deletions_of_runs_for_some_paths_count_until_a_run_of_the_whole_connection_ends_well() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Bidirectional, "team").await.unwrap();
        let part = RunPart { only: vec![SecretPath::new("a").unwrap()], left_out: Vec::new() };
        let counts = Counts { deleted_local: 2, deleted_remote: 3, ..Counts::default() };
        let counted = async || house.store.deleted_in_part(made.id).await.unwrap();
        for times in 1..=2 {
            let (lease, run) = house.begin_part(made.id, part.clone()).await;
            house.end((lease, Run { counts, ..run }), RunState::Partial).await;
            assert_eq!(counted().await, Deleted { local: 2 * times, remote: 3 * times });
        }
        for (state, left) in [(RunState::Halted, 4), (RunState::Failed, 4), (RunState::Succeeded, 0)] {
            let (lease, run) = house.begin(made.id, Trigger::Interval).await;
            house.end((lease, Run { counts, ..run }), state).await;
            assert_eq!(counted().await.local, left, "{state:?}");
        }
    }

    #[tokio::test]
    async fn what_a_person_left_out_is_kept_with_the_run_and_in_the_audit_log() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        let part = RunPart { left_out: vec![SecretPath::new("a/b").unwrap()], only: Vec::new() };
        let (_, run) = house.begin_part(made.id, part.clone()).await;
        assert_eq!(house.store.run(run.id).await.unwrap().unwrap().part, part);
        let filter = AuditFilter::default();
        let events = house.store.audit_events(&filter, &Page { limit: 500, cursor: None }).await.unwrap().items;
        let started = events.iter().rfind(|event| event.entry.draft.action == AuditAction::HcvSyncStarted).unwrap();
        assert_eq!(started.entry.draft.detail["left_out"], r#"["a/b"]"#);
    }

    #[tokio::test]
    async fn failures_in_a_row_are_counted_and_resolutions_are_not() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        for (trigger, state, failures) in [
            (Trigger::Manual, RunState::Failed, 1),
            (Trigger::Interval, RunState::Succeeded, 0),
            (Trigger::Interval, RunState::Failed, 1),
            (Trigger::Interval, RunState::Failed, 2),
            (Trigger::Resolution, RunState::Succeeded, 2),
            (Trigger::Interval, RunState::Partial, 0),
        ] {
            let run = house.begin(made.id, trigger).await;
            house.end(run, state).await;
            let scheduled = only(&house).await;
            assert_eq!(scheduled.failures, failures, "{state:?}");
            assert_ne!(scheduled.last_run.unwrap().trigger, Trigger::Resolution);
        }
    }

    /// Ends a run because Vault refused the login, or for another reason.
    async fn failed(house: &House, id: vaultterm_sync::ConnectionId, class: FaultClass) {
        let (lease, run) = house.begin(id, Trigger::Manual).await;
        let problem = RunProblem { path: String::new(), class: class.into(), detail: "refused".to_owned(), hint: None };
        house.end((lease, Run { problems: vec![problem], ..run }), RunState::Failed).await;
    }

    #[tokio::test]
    async fn refused_logins_in_a_row_are_counted_until_a_run_logs_in() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        for (class, refused) in [
            (FaultClass::LoginRefused, 1),
            (FaultClass::LoginRefused, 2),
            // The outcome of the login is unknown.
            (FaultClass::Unavailable, 2),
            (FaultClass::LoginRefused, 3),
        ] {
            failed(&house, made.id, class).await;
            assert_eq!(only(&house).await.logins_refused, refused, "{class:?}");
            let summary = house.store.connection_summary(made.id).await.unwrap().unwrap();
            assert_eq!(summary.logins_refused, refused);
        }
        let run = house.begin(made.id, Trigger::Manual).await;
        house.end(run, RunState::Succeeded).await;
        assert_eq!(only(&house).await.logins_refused, 0);
    }

    #[tokio::test]
    async fn a_new_secret_id_a_successful_test_and_another_role_let_the_schedule_go_on_at_once() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        for mend in ["test", "rotation", "role"] {
            failed(&house, made.id, FaultClass::LoginRefused).await;
            failed(&house, made.id, FaultClass::LoginRefused).await;
            let waits = only(&house).await;
            assert_eq!((waits.failures > 0, waits.logins_refused), (true, 2), "{mend}");
            house.store.record_connection_test(&house.ann(), made.id, false, None).await.unwrap();
            assert_eq!(only(&house).await.logins_refused, 2, "a test that failed proves nothing");
            match mend {
                "test" => house.store.record_connection_test(&house.ann(), made.id, true, None).await.unwrap(),
                "rotation" => {
                    let credential = Credential::SecretId(SecretText::new("another".to_owned()));
                    house.store.rotate_secret_id(&house.ann(), made.id, &credential).await.unwrap();
                }
                _ => {
                    let update = ConnectionUpdate { role_id: Some("other".to_owned()), ..ConnectionUpdate::default() };
                    house.store.update_connection(&house.ann(), made.id, 1, update).await.unwrap();
                }
            }
            let free = only(&house).await;
            assert_eq!((free.failures, free.logins_refused), (0, 0), "{mend}");
        }
    }

    #[tokio::test]
    async fn a_run_that_the_license_halted_is_as_if_it_had_not_been() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        let halt = |kind| Halt { kind, detail: r#"says "kind":"license" itself"#.to_owned() };
        let (lease, run) = house.begin(made.id, Trigger::Manual).await;
        house.end((lease, Run { halts: vec![halt(HaltKind::License)], ..run }), RunState::Halted).await;
        assert!(house.store.schedulable().await.unwrap().is_empty(), "its first plan still wants a person");
        let run = house.begin(made.id, Trigger::Manual).await;
        let real = run.1.id;
        house.end(run, RunState::Succeeded).await;
        house.pass(1);
        house.save("saved", json!({"x": 1})).await.unwrap();
        house.pass(1);
        let (lease, run) = house.begin(made.id, Trigger::Manual).await;
        let run = Run { halts: vec![halt(HaltKind::Rewound), halt(HaltKind::License)], ..run };
        house.end((lease, run), RunState::Halted).await;
        let scheduled = only(&house).await;
        assert_eq!(scheduled.last_run.unwrap().id, real);
        assert_eq!(scheduled.changed, Some(UnixNanos((NOW_US + 1_000_000) * 1_000)), "the change still waits");
        let (lease, run) = house.begin(made.id, Trigger::Manual).await;
        house.end((lease, Run { halts: vec![halt(HaltKind::Rewound)], ..run }), RunState::Halted).await;
        assert_eq!(only(&house).await.last_run.unwrap().state, RunState::Halted, "another halt counts");
    }

    #[tokio::test]
    async fn an_edit_that_waited_while_a_run_began_and_one_by_a_slow_clock_are_not_missed() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        // The request came before the run, but its turn to write came after.
        let request = house.ann();
        house.pass(1);
        let run = house.begin(made.id, Trigger::Manual).await;
        house.store.create_record(&request, house.collection, new_record("late", json!({"x": 1}))).await.unwrap();
        house.end(run, RunState::Succeeded).await;
        assert_eq!(only(&house).await.changed, Some(UnixNanos(NOW_US * 1_000)), "the run did not see it");
        let run = house.begin(made.id, Trigger::Change).await;
        house.end(run, RunState::Succeeded).await;
        assert_eq!(only(&house).await.changed, None);

        house.pass(-3_600);
        house.save("slow", json!({"x": 1})).await.unwrap();
        assert!(only(&house).await.changed.is_some(), "whose clock is an hour slow edits all the same");
    }

    #[tokio::test]
    async fn what_changed_after_a_plan_was_made_is_not_in_the_run_that_applies_it() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        let change_number = house.store.change_number(house.collection).await.unwrap();
        let plan = house.plan(made.id, change_number).await;
        house.save("since", json!({"x": 1})).await.unwrap();
        let run = house.begin_with(made.id, Trigger::Manual, Some(plan)).await;
        house.end(run, RunState::Succeeded).await;
        assert!(only(&house).await.changed.is_some());
    }

    #[tokio::test]
    async fn a_change_still_waits_after_a_run_that_failed() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Push, "team").await.unwrap();
        let run = house.begin(made.id, Trigger::Manual).await;
        house.end(run, RunState::Succeeded).await;
        house.save("saved", json!({"x": 1})).await.unwrap();
        let run = house.begin(made.id, Trigger::Change).await;
        house.end(run, RunState::Failed).await;
        assert!(only(&house).await.changed.is_some());
    }

    #[tokio::test]
    async fn a_change_by_a_run_of_another_connection_counts() {
        let house = House::new().await;
        let one = house.connect("one", Mode::Push, "team").await.unwrap();
        let other = house.connect("other", Mode::Pull, "elsewhere").await.unwrap();
        for id in [one.id, other.id] {
            let run = house.begin(id, Trigger::Manual).await;
            house.end(run, RunState::Succeeded).await;
        }
        let run = house.begin(other.id, Trigger::Manual).await;
        house.import(&run, "imported", json!({"x": 1})).await;
        house.end(run, RunState::Succeeded).await;
        let scheduled = house.store.schedulable().await.unwrap();
        let changed: Vec<_> = scheduled.iter().map(|one| (one.connection.id, one.changed.is_some())).collect();
        assert!(changed.contains(&(one.id, true)) && changed.contains(&(other.id, false)), "{changed:?}");
    }

    #[tokio::test]
    async fn a_change_counts_unless_the_connection_made_it_itself() {
        let house = House::new().await;
        let made = house.connect("prod", Mode::Bidirectional, "team").await.unwrap();
        let run = house.begin(made.id, Trigger::Manual).await;
        house.pass(1);
        house.import(&run, "imported", json!({"x": 1})).await;
        assert_eq!(only(&house).await.changed, None);
        house.end(run, RunState::Succeeded).await;
        house.pass(1);
        let record = house.save("saved", json!({"x": 1})).await.unwrap();
        assert_eq!(only(&house).await.changed, Some(UnixNanos((NOW_US + 2_000_000) * 1_000)));
        house.pass(1);
        house.store.trash_record(&house.ann(), record.id, None).await.unwrap();
        let changed = only(&house).await.changed;
        assert_eq!(changed, Some(UnixNanos((NOW_US + 3_000_000) * 1_000)), "a deletion is a change");
        house.pass(1);
        let run = house.begin(made.id, Trigger::Change).await;
        assert_eq!(only(&house).await.changed, None);
        house.end(run, RunState::Succeeded).await;
    }
}
