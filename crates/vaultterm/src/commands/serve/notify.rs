//! Tells the service manager how the server is, by the protocol of systemd (`sd_notify`): a datagram to the socket that
//! `NOTIFY_SOCKET` names. A server that was started in another way has no such variable, and tells nothing.

use std::{ffi::OsStr, io, os::unix::net::UnixDatagram};

/// The server serves its address. While its root key is sealed, it refuses requests there.
pub(super) const READY: &str = "READY=1";
/// The server lets requests and runs end.
pub(super) const STOPPING: &str = "STOPPING=1";

/// Tells a state. A manager that cannot be reached does not stop the server.
pub(super) fn tell(state: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else { return };
    if let Err(error) = send(&socket, state) {
        tracing::warn!(%error, state, "the service manager could not be told");
    }
}

#[cfg(target_os = "linux")]
fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    use std::os::{linux::net::SocketAddrExt as _, unix::ffi::OsStrExt as _, unix::net::SocketAddr};
    let address = match socket.as_bytes() {
        // A name that begins with @ is not in the file system.
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(not(target_os = "linux"))]
fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    UnixDatagram::unbound()?.send_to(state.as_bytes(), socket).map(drop)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr};

    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 64];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn a_state_arrives_at_a_socket_in_the_file_system_and_at_one_outside_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), READY).unwrap();
        assert_eq!(received(&manager), "READY=1");

        let name = format!("vaultterm-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(OsStr::new(&format!("@{name}")), STOPPING).unwrap();
        assert_eq!(received(&manager), "STOPPING=1");
    }

    #[test]
    fn a_manager_that_is_gone_is_an_error_that_the_caller_only_logs() {
        let folder = tempfile::tempdir().unwrap();
        assert!(send(folder.path().join("nobody").as_os_str(), READY).is_err());
    }
}
