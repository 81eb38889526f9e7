//! What the kernel (Linux) knows of a process: the processor time that it used, and the memory that it held at most.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};

/// Linux counts the time of processes in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process.
pub(crate) struct Process(PathBuf);

impl Process {
    pub(crate) fn me() -> Self {
        Self("/proc/self".into())
    }

    pub(crate) fn with_id(id: &str) -> Self {
        Self(format!("/proc/{id}").into())
    }

    /// Returns the processor time of all its threads so far, to the hundredth of a second.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = self.read("stat")?;
        // `ID (PROGRAM) STATE PARENT …`, with the times in the fields 14 and 15.
        let (_, fields) = stat.rsplit_once(") ").context("the kernel writes the program in brackets")?;
        let ticks: Option<Vec<u64>> = fields.split(' ').skip(11).take(2).map(|field| field.parse().ok()).collect();
        let ticks: u64 = ticks.context("the kernel writes numbers")?.iter().sum();
        Ok(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
    }

    /// Returns the most memory that it held since it started, or since [`Self::forget_peak`], in MB.
    pub(crate) fn peak_mb(&self) -> Result<u64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("the kernel knows the peak")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok((kib * 1_024).div_ceil(1_000_000))
    }

    /// Lets the peak begin anew at what it holds now.
    pub(crate) fn forget_peak(&self) -> Result<()> {
        let file = self.0.join("clear_refs");
        fs::write(&file, "5").with_context(|| format!("cannot write {}", file.display()))
    }

    fn read(&self, name: &str) -> Result<String> {
        let file = self.0.join(name);
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_what_this_process_used() {
        let me = Process::me();
        let before = me.cpu().expect("Linux");
        let mut filled = vec![0_u8; 64 << 20];
        while me.cpu().expect("Linux") - before < Duration::from_millis(50) {
            filled.fill(std::hint::black_box(7));
        }
        assert!(me.peak_mb().expect("Linux") >= 64);
        drop(filled);
        me.forget_peak().expect("Linux");
        assert!(me.peak_mb().expect("Linux") < 64);
    }
}
