//! The guards, which stop a whole run until a person has looked at it.

use crate::{
    Action, Deleted, Halt, HaltKind, Options, Plan, Reason, Step,
    classify::{Facts, LocalSince, RemoteSince},
    input::Input,
};

/// The minimum number of paths of the base for which an empty side is worth a halt.
const EMPTIED_BASE_MIN: usize = 2;

/// Returns the halts of a plan that no person has acknowledged yet, sorted by kind.
pub(crate) fn guard(input: &Input<'_>, facts: &[Facts<'_>], plan: &Plan) -> Vec<Halt> {
    let mut halts: Vec<Halt> = [
        mass_deletion(based(facts) + input.beyond.based, input.beyond.deleted, input.options, &plan.steps),
        side_emptied(input, facts),
        rewound(input, facts),
        input.remote_replaced.as_ref().map(|found| Halt {
            kind: HaltKind::RemoteReplaced,
            detail: format!(
                "another server or mount answers than the one this connection recorded: {found}. Acknowledging forgets what was in step and starts with a first sync"
            ),
        }),
        input.scope_changed.then(|| Halt {
            kind: HaltKind::ScopeChanged,
            detail: "the address, namespace, mount or path of the connection was edited. Acknowledging forgets what was in step at the old place and starts with a first sync at the new one".to_owned(),
        }),
    ]
    .into_iter()
    .flatten()
    .filter(|halt| !input.acknowledged.contains(&halt.kind))
    .collect();
    halts.sort_by_key(|halt| halt.kind);
    halts
}

/// Returns the number of paths that were in step, among those that the plan looks at.
fn based(facts: &[Facts<'_>]) -> u64 {
    facts.iter().filter(|facts| facts.base.is_some()).count() as u64
}

/// Returns the halt for too many deletions among these steps, of a base with this number of paths. Deletions that nobody
/// saw in a plan since the last run of the whole connection count as if they were among them: several small runs may
/// delete as much as one large run, and not more.
pub(crate) fn mass_deletion(base: u64, before: Deleted, options: &Options, steps: &[Step]) -> Option<Halt> {
    // A move also deletes at the old path, but the secret lives on. It does not count, even if only that
    // deletion is left of it.
    let deletes = |step: &&Step| matches!(step.action, Action::DeleteRemote { .. }) && step.reason != Reason::Renamed;
    let remote = steps.iter().filter(deletes).count() as u64;
    let local = steps.iter().filter(|step| matches!(step.action, Action::DeleteLocal)).count() as u64;
    let percent = u64::from(options.max_delete_percent);
    let count = u64::from(options.max_delete_count);
    let too_many = |now: u64, before: u64| {
        let deletions = now + before;
        now > 0 && deletions > count && deletions * 100 > percent * (base + before)
    };
    let (side, now, before) = match (too_many(local, before.local), too_many(remote, before.remote)) {
        (false, false) => return None,
        (true, _) => ("VaultTerm", local, before.local),
        (false, true) => ("Vault", remote, before.remote),
    };
    let (deletions, base) = (now + before, base + before);
    let gone = match before {
        0 => String::new(),
        before => format!(" ({before} of them went since the last run of the whole connection)"),
    };
    Some(Halt {
        kind: HaltKind::MassDeletion,
        detail: format!(
            "{side} would lose {deletions} of {base} secrets{gone}, more than {percent} percent and more than {count}. Acknowledging deletes them (recoverably)"
        ),
    })
}

fn side_emptied(input: &Input<'_>, facts: &[Facts<'_>]) -> Option<Halt> {
    let base = facts.iter().filter(|facts| facts.base.is_some()).count();
    // A plan for some paths does not know whether a side is empty.
    if base < EMPTIED_BASE_MIN || input.beyond.based > 0 {
        return None;
    }
    let local = input.local.live.is_empty() && facts.iter().any(|facts| facts.local_since == LocalSince::Deleted);
    let remote = facts.iter().all(|facts| facts.remote_live().is_none())
        && facts.iter().any(|facts| {
            matches!(facts.remote_since, RemoteSince::Deleted | RemoteSince::Unlisted) && facts.base.is_some()
        });
    let side = match (local, remote) {
        (false, false) => return None,
        (true, false) => "VaultTerm's collection",
        (false, true) => "Vault's path",
        (true, true) => "each side",
    };
    Some(Halt {
        kind: HaltKind::SideEmptied,
        detail: format!(
            "{side} shows nothing, where {base} secrets were in step. Acknowledging accepts that they were deleted on purpose"
        ),
    })
}

/// Returns the halt for a side that went back in time: Vault to a snapshot, or the database to a backup.
fn rewound(input: &Input<'_>, facts: &[Facts<'_>]) -> Option<Halt> {
    let database: Vec<String> = [database_guarded(input), database_rewound(input)].into_iter().flatten().collect();
    let goes_on = (!database.is_empty()).then(|| {
        "If you acknowledge this, the run goes on from what the database holds: a secret that differs in Vault counts as changed there"
            .to_owned()
    });
    let found: Vec<String> = versions_rewound(facts).into_iter().chain(database).chain(goes_on).collect();
    (!found.is_empty()).then(|| Halt { kind: HaltKind::Rewound, detail: found.join(". ") })
}

fn versions_rewound(facts: &[Facts<'_>]) -> Option<String> {
    let paths: Vec<&str> = facts
        .iter()
        .filter(|facts| facts.remote_since == RemoteSince::Rewound)
        .map(|facts| facts.path.as_str())
        .collect();
    let first = paths.first()?;
    let places = match paths.len() {
        1 => format!("at `{first}`"),
        count => format!("at {count} paths, for example at `{first}`"),
    };
    Some(format!(
        "Vault holds an older version than before {places}: it seems that a snapshot of Vault was restored. If you acknowledge this, nothing is overwritten there: each path that differs becomes a conflict, which a person decides"
    ))
}

fn database_rewound(input: &Input<'_>) -> Option<String> {
    let known = input.newest_run.number;
    let (seen, path) = input.newest_run_seen()?;
    (seen > known).then(|| {
        format!(
            "VaultTerm's database is older than what VaultTerm wrote to Vault: run {seen} of this connection left its number at `{path}`, and the database knows no run after {known}. Either the database was restored from a backup, or a copy of it is in use elsewhere, or another program wrote that number"
        )
    })
}

/// Returns the guard that a restore, or the comparison with an anchor, set on the database. In scopes where
/// runs left no marks in Vault, nothing else shows that the database is old.
fn database_guarded(input: &Input<'_>) -> Option<String> {
    let why = input.guarded?;
    Some(format!("{why}. Nothing is written until a person has looked at the plan"))
}
