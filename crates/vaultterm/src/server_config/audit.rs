//! The settings `VAULTTERM_AUDIT_…`: how long the audit log is kept, and where its checkpoints are anchored.

use std::ffi::OsString;

use vaultterm_server::AuditOptions;

use super::sources::{
    AUDIT_ANCHOR_CONNECTION, AUDIT_ANCHOR_FILE, AUDIT_ANCHOR_PATH, AUDIT_KEEP_DAYS, AUDIT_SYSLOG, AUDIT_SYSLOG_ENTRIES,
    Sources, unusable,
};
use crate::failure::Failure;

const DAYS_MAX: u32 = 36_500;
const FORM: &str = "a whole number of days, 0 to 36500";

pub(super) fn load(sources: &Sources<impl Fn(&str) -> Option<OsString>>) -> Result<AuditOptions, Failure> {
    let syslog = match sources.text(AUDIT_SYSLOG)? {
        Some(text) => Some(
            text.parse()
                .map_err(|_| unusable(AUDIT_SYSLOG, &text, "unix:/dev/log, udp://host:port or tcp://host:port"))?,
        ),
        None => None,
    };
    let syslog_entries = sources.truth(AUDIT_SYSLOG_ENTRIES)?;
    if syslog_entries && syslog.is_none() {
        return Err(Failure::local("VAULTTERM_AUDIT_SYSLOG_ENTRIES says nothing without a place to send to")
            .hint("set VAULTTERM_AUDIT_SYSLOG"));
    }
    let anchor_secret = match (sources.text(AUDIT_ANCHOR_CONNECTION)?, sources.text(AUDIT_ANCHOR_PATH)?) {
        (Some(connection), Some(path)) => Some((connection, path)),
        (None, None) => None,
        _ => {
            let why = "VAULTTERM_AUDIT_ANCHOR_CONNECTION and VAULTTERM_AUDIT_ANCHOR_PATH need one another";
            return Err(Failure::local(why).hint("set both"));
        }
    };
    let keep_days: u32 = sources.parsed(AUDIT_KEEP_DAYS, "365", FORM)?;
    if keep_days > DAYS_MAX {
        return Err(unusable(AUDIT_KEEP_DAYS, &keep_days.to_string(), FORM));
    }
    Ok(AuditOptions { anchor_file: sources.path(AUDIT_ANCHOR_FILE), syslog, syslog_entries, anchor_secret, keep_days })
}

#[cfg(test)]
mod tests {
    use super::super::{ConfigArgs, ServerConfig};
    use crate::failure::Failure;

    fn load(variables: &[(&str, &str)]) -> Result<ServerConfig, Failure> {
        let directory = tempfile::tempdir().expect("temporary directory");
        let args = ConfigArgs { config: None, data_dir: Some(directory.path().to_owned()) };
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        ServerConfig::load_from(&args, None, find)
    }

    #[test]
    fn anchors_are_configured_whole_or_what_is_missing_is_named() {
        let config = load(&[]).expect("valid").audit;
        assert_eq!(
            (config.anchor_file, config.syslog, config.anchor_secret, config.keep_days),
            (None, None, None, 365)
        );
        let config = load(&[
            ("VAULTTERM_AUDIT_ANCHOR_FILE", "/var/anchors"),
            ("VAULTTERM_AUDIT_SYSLOG", "udp://127.0.0.1:514"),
            ("VAULTTERM_AUDIT_SYSLOG_ENTRIES", "1"),
            ("VAULTTERM_AUDIT_ANCHOR_CONNECTION", "prod"),
            ("VAULTTERM_AUDIT_ANCHOR_PATH", "audit/vaultterm"),
            ("VAULTTERM_AUDIT_KEEP_DAYS", "0"),
        ]);
        let config = config.expect("valid").audit;
        assert_eq!(config.syslog.expect("a target").to_string(), "udp://127.0.0.1:514");
        assert_eq!(config.anchor_secret, Some(("prod".to_owned(), "audit/vaultterm".to_owned())));
        assert!(config.syslog_entries && config.keep_days == 0);
        for (name, value, named) in [
            ("VAULTTERM_AUDIT_SYSLOG", "127.0.0.1", "VAULTTERM_AUDIT_SYSLOG"),
            ("VAULTTERM_AUDIT_SYSLOG_ENTRIES", "1", "VAULTTERM_AUDIT_SYSLOG_ENTRIES"),
            ("VAULTTERM_AUDIT_ANCHOR_PATH", "x", "VAULTTERM_AUDIT_ANCHOR_CONNECTION"),
            ("VAULTTERM_AUDIT_KEEP_DAYS", "36501", "VAULTTERM_AUDIT_KEEP_DAYS"),
            ("VAULTTERM_AUDIT_KEEP_DAYS", "-1", "VAULTTERM_AUDIT_KEEP_DAYS"),
        ] {
            let failure = load(&[(name, value)]).err().expect("refused");
            assert!(failure.message.contains(named), "{failure:?}");
        }
    }
}
