//! Who may read a file with a secret in it: the one rule, for key files and everything else that is secret.
//!
//! A file is private when its mode gives nothing to group and others. One form more is accepted, that in which Kubernetes
//! and similar mount secrets: a file that nobody may write, that root owns, and that a group may read (mode 0440),
//! when this process is in that group, or when the file system is mounted read-only. Nobody can make such a file private from
//! within a container. A file that others may read is never accepted.

use std::{fs::File, io, os::unix::fs::MetadataExt as _};

/// What there is to know of a file.
#[derive(Clone, Copy, Debug)]
struct Facts {
    /// The nine bits of its permissions.
    mode: u32,
    owner: u32,
    /// Whether this process is in the file's group.
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

/// Tells the mode of an open file that others than its owner may read, against the rule; `None` for one that is private, and for
/// anything but a file.
///
/// # Errors
/// When the system does not tell.
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
            // As we write files.
            (0o600, 1000, true, false, true),
            (0o400, 0, false, false, true),
            // As Kubernetes mounts secrets.
            (0o440, 0, true, false, true),
            (0o440, 0, false, true, true),
            (0o040, 0, true, true, true),
            // Somebody else's group.
            (0o440, 0, false, false, false),
            // Our own file: we can make it private.
            (0o440, 1000, true, true, false),
            // Somebody may change it.
            (0o640, 0, true, true, false),
            (0o460, 0, true, true, false),
            // Everybody may read it.
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
