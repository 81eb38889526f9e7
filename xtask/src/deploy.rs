//! Checks the files in `deploy` with the tools that read them, where these are installed: systemd, Helm and Prometheus.

use std::{
    fs, io,
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context as _, Result, ensure};

/// The exposure of the service that `systemd-analyze security` may compute, in tenths. It is 1.4 of 10.
const EXPOSURE_MAX: u32 = 20;

/// Runs each check whose tool is installed, and says which were left out.
pub(crate) fn check(root: &Path) -> Result<()> {
    let deploy = root.join("deploy");
    for script in ["postinst", "prerm", "postrm"] {
        good(root, "sh", &["-n", &format!("deploy/debian/{script}")])?;
    }
    for unit in ["vaultterm.service", "vaultterm-feed.service"] {
        service(root, &deploy, unit)?;
    }
    let alerts = [
        &["check", "rules", "deploy/monitoring/alerts.yaml"][..],
        &["test", "rules", "deploy/monitoring/alerts_test.yaml"],
    ];
    for arguments in alerts {
        good(root, "promtool", arguments)?;
    }
    chart(root, &deploy)
}

/// Checks a unit of systemd, with a program that exists in the place of VaultTerm.
fn service(root: &Path, deploy: &Path, name: &str) -> Result<()> {
    let unit = fs::read_to_string(deploy.join("systemd").join(name))?;
    let folder = root.join("target/deploy");
    fs::create_dir_all(&folder)?;
    let path = folder.join(name);
    fs::write(&path, unit.replace("/usr/bin/vaultterm", "/bin/true"))?;
    let path = path.to_str().context("the path is not UTF-8")?;
    if let Some(output) = good(root, "systemd-analyze", &["verify", "--man=no", path])? {
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(!told.contains(name), "systemd finds a fault in the unit: {told}");
    }
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    good(root, "systemd-analyze", &["security", "--offline=true", "--no-pager", &threshold, path])?;
    Ok(())
}

/// Renders the chart with every set of values in its folder `ci`.
fn chart(root: &Path, deploy: &Path) -> Result<()> {
    const CHART: &str = "deploy/helm/vaultterm";
    const KUBERNETES: &str = "1.30.0";
    for entry in fs::read_dir(deploy.join("helm/vaultterm/ci"))? {
        let values = entry?.path();
        let values = values.to_str().context("the path is not UTF-8")?;
        good(root, "helm", &["lint", "--strict", CHART, "-f", values])?;
        // A helm that was built by hand takes itself for one of an old Kubernetes.
        good(root, "helm", &["template", "check", CHART, "-f", values, "--kube-version", KUBERNETES])?;
    }
    Ok(())
}

/// Runs a tool. Returns nothing, and says so, if it is not installed.
fn good(root: &Path, tool: &str, arguments: &[&str]) -> Result<Option<Output>> {
    let output = match Command::new(tool).current_dir(root).args(arguments).output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            println!("── left out, because {tool} is not installed: {tool} {}", arguments.join(" "));
            return Ok(None);
        }
        Err(error) => return Err(error).with_context(|| format!("cannot start {tool}")),
    };
    let told = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let told = String::from_utf8_lossy(&told);
    ensure!(output.status.success(), "`{tool} {}` ended with {}:\n{told}", arguments.join(" "), output.status);
    Ok(Some(output))
}
