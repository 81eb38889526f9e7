//! The processor time of the programs that a test started.

use std::{collections::BTreeMap, fs, process};

/// Linux counts the time of processes in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;
/// The programs that count, as the kernel names them.
const PROGRAMS: [&str; 3] = ["vaultterm", "bao", "postgres"];

/// The seconds that each program has used so far, all its processes together.
pub(super) struct Used(BTreeMap<&'static str, f64>);

struct Process {
    parent: u32,
    program: String,
    ticks: u64,
}

impl Used {
    pub(super) fn now() -> Self {
        let processes: BTreeMap<_, _> = fs::read_dir("/proc")
            .expect("Linux")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(|id: u32| Some((id, read(id)?)))
            .collect();
        let is_ours = |id: &u32| {
            let mut id = *id;
            while let Some(process) = processes.get(&id) {
                if process.parent == process::id() {
                    return true;
                }
                id = process.parent;
            }
            false
        };
        let mut used = BTreeMap::new();
        for (_, process) in processes.iter().filter(|(id, _)| is_ours(id)) {
            if let Some(program) = PROGRAMS.iter().find(|program| **program == process.program) {
                *used.entry(*program).or_default() += process.ticks as f64 / TICKS_PER_SECOND;
            }
        }
        Self(used)
    }

    /// Returns what was used since an earlier moment. Programs that were killed meanwhile are not counted.
    pub(super) fn since(&self, earlier: &Self) -> BTreeMap<&'static str, f64> {
        let used = |(program, seconds): (&&'static str, &f64)| {
            (*program, (seconds - earlier.0.get(program).copied().unwrap_or_default()).max(0.0))
        };
        self.0.iter().map(used).collect()
    }
}

/// Reads what the kernel knows of a process: `ID (PROGRAM) STATE PARENT …`, with the times in the fields 14 to 17.
fn read(id: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (program, rest) = (stat.split_once('(')?.1).rsplit_once(") ")?;
    let fields: Vec<_> = rest.split(' ').collect();
    let ticks = |from: usize, to: usize| fields.get(from..to)?.iter().map(|field| field.parse::<u64>().ok()).sum();
    // A process of PostgreSQL that ended counts to the one that started it.
    let ticks: Option<u64> = if program == "postgres" { ticks(11, 15) } else { ticks(11, 13) };
    Some(Process { parent: fields.get(1)?.parse().ok()?, program: program.to_owned(), ticks: ticks? })
}
