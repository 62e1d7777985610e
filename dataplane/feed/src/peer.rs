//! Who is at the other end of a Unix socket.

use std::fmt;
use std::os::fd::AsFd;

/// Credentials of a connected peer, as the kernel recorded them when it connected (`SO_PEERCRED`, unix(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Process id.
    pub pid: i32,
    /// Effective user id.
    pub uid: u32,
    /// Effective group id; supplementary groups are not recorded.
    pub gid: u32,
}

impl Peer {
    /// The peer of a connected Unix socket.
    pub fn of(socket: impl AsFd) -> std::io::Result<Self> {
        let credentials = rustix::net::sockopt::socket_peercred(socket)?;
        Ok(Self {
            pid: credentials.pid.as_raw_pid(),
            uid: credentials.uid.as_raw(),
            gid: credentials.gid.as_raw(),
        })
    }

    /// Whether it is root, runs as the same user as this process, or as group `gid`.
    pub fn is_allowed(&self, gid: Option<u32>) -> bool {
        self.uid == 0
            || self.uid == rustix::process::geteuid().as_raw()
            || gid.is_some_and(|gid| gid == self.gid)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, uid, gid } = self;
        write!(f, "process {pid} (uid {uid}, gid {gid})")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn root_the_same_user_and_the_group_may_come_in() {
        let (socket, _other) = UnixStream::pair().unwrap();
        let me = Peer::of(&socket).unwrap();
        assert_eq!(me.pid, std::process::id() as i32);
        assert!(me.is_allowed(None));
        let stranger = Peer { pid: 1, uid: me.uid + 1000, gid: 4242 };
        assert!(!stranger.is_allowed(None));
        assert!(!stranger.is_allowed(Some(7)));
        assert!(stranger.is_allowed(Some(4242)));
        let root = Peer { uid: 0, ..stranger };
        assert!(root.is_allowed(None));
    }
}
