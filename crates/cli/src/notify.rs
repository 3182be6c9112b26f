//! [`Notify`]: tells the service manager how a daemon fares, where it asked to be told (`sd_notify(3)`).

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where the service manager listens.
#[derive(Debug)]
pub(crate) struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
}

impl Notify {
    /// As the environment says; nobody listens where it says nothing.
    pub(crate) fn from_environment() -> Self {
        Self { socket: env::var_os("NOTIFY_SOCKET").and_then(|name| open(&name).ok()) }
    }

    /// It works.
    pub(crate) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// How it fares, in a line.
    pub(crate) fn status(&self, status: &str) {
        self.tell(&format!("STATUS={status}"));
    }

    /// It begins to end.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// A manager that does not listen is in nobody's way.
    fn tell(&self, text: &str) {
        if let Some((socket, manager)) = &self.socket {
            let _ = socket.send_to_addr(text.as_bytes(), manager);
        }
    }
}

fn open(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let manager = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    Ok((UnixDatagram::unbound()?, manager))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_told_at_a_path_and_under_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let abstract_name = format!("feedspine-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let listeners = [UnixDatagram::bind(&path).unwrap(), UnixDatagram::bind_addr(&address).unwrap()];
        for (listener, name) in listeners.iter().zip([path.into_os_string(), format!("@{abstract_name}").into()]) {
            let notify = Notify { socket: open(&name).ok() };
            notify.ready("watching 2 feeds");
            let mut told = [0; 64];
            let length = listener.recv(&mut told).unwrap();
            assert_eq!(&told[..length], b"READY=1\nSTATUS=watching 2 feeds");
        }
        Notify { socket: None }.stopping();
    }
}
