//! The rule that decides who may read a file with a secret. It applies to key files and to all other secret
//! files.
//!
//! A file is private if its mode gives no rights to group and others. There is one more accepted form, in
//! which Kubernetes and similar systems mount secrets. The file belongs to root, has no write permission, and
//! its group may read it (mode 0440). In addition, this process is in that group, or the file system is
//! mounted read-only. Such a file cannot be made private from within a container. A file that others may read
//! is never accepted.

use std::{fs::File, io, os::unix::fs::MetadataExt as _};

/// The facts about a file on which the rule depends.
#[derive(Clone, Copy, Debug)]
struct Facts {
    /// The nine bits of the permissions.
    mode: u32,
    owner: u32,
    /// Whether this process is in the group of the file.
    in_group: bool,
    /// Whether the file system is mounted read-only.
    read_only: bool,
}

impl Facts {
    const fn private(self) -> bool {
        let Self { mode, owner, in_group, read_only } = self;
        let readable_only = mode & !0o440 == 0;
        mode & 0o077 == 0 || (readable_only && owner == 0 && (in_group || read_only))
    }
}

/// Returns the mode of an open file if users other than its owner may read it against the rule. Returns
/// `None` for a private file, and for anything that is not a regular file.
///
/// # Errors
/// When the system does not report the facts.
pub fn exposed(file: &File) -> io::Result<Option<u32>> {
    let metadata = file.metadata()?;
    let mode = metadata.mode() & 0o777;
    if !metadata.is_file() || mode & 0o077 == 0 {
        return Ok(None);
    }
    let group = metadata.gid();
    let groups = rustix::process::getgroups()?;
    let ours = groups.into_iter().chain([rustix::process::getegid()]);
    let flags = rustix::fs::fstatvfs(file)?.f_flag;
    let facts = Facts {
        mode,
        owner: metadata.uid(),
        in_group: ours.into_iter().any(|ours| ours.as_raw() == group),
        read_only: flags.contains(rustix::fs::StatVfsMountFlags::RDONLY),
    };
    Ok((!facts.private()).then_some(mode))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn a_secret_mounted_read_only_for_our_group_is_private_and_nothing_else_that_a_group_may_read() {
        for (mode, owner, in_group, read_only, private) in [
            // VaultTerm writes files with these modes.
            (0o600, 1000, true, false, true),
            (0o400, 0, false, false, true),
            // Kubernetes mounts secrets in these forms.
            (0o440, 0, true, false, true),
            (0o440, 0, false, true, true),
            (0o040, 0, true, true, true),
            // The group is another one.
            (0o440, 0, false, false, false),
            // The process owns the file, so it can be made private.
            (0o440, 1000, true, true, false),
            // Another user may change the file.
            (0o640, 0, true, true, false),
            (0o460, 0, true, true, false),
            // All users may read the file.
            (0o444, 0, true, true, false),
            (0o644, 0, true, true, false),
        ] {
            let facts = Facts { mode, owner, in_group, read_only };
            assert_eq!(facts.private(), private, "{facts:?} {mode:o}");
        }
    }

    #[test]
    fn the_mode_of_an_exposed_file_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, told) in [(0o600, None), (0o640, Some(0o640)), (0o604, Some(0o604))] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(exposed(file.as_file()).unwrap(), told);
        }
    }
}
