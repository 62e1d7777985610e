//! A blocking netlink socket: requests with their acknowledgement, dumps, and notifications.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP,
    NLMSG_OVERRUN, NetlinkMessage,
};
use netlink_packet_route::RouteNetlinkMessage;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType, bind, recv,
    sendmsg, socket_with,
};

use super::raw::{self, Frame};

/// The largest datagram the kernel builds for a dump.
const DATAGRAM: usize = 64 * 1024;
/// Room for notifications that arrive while a dump of a large table is worked on.
const RECEIVE_BUFFER: usize = 8 * 1024 * 1024;
/// How long the kernel may take to answer. It answers within the system call that asks, so this is for broken systems.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// How often an inconsistent dump is tried again.
const DUMP_TRIES: u32 = 8;

/// Why a netlink exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// A system call on the socket failed.
    #[error("netlink: cannot {action}: {source}")]
    System {
        /// What was being done, as a verb.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The kernel refused a request.
    #[error("netlink: {what}: {source}")]
    Refused {
        /// What was asked for.
        what: String,
        /// The kernel's reason.
        source: io::Error,
    },
    /// Notifications were lost because they were not read fast enough (`ENOBUFS`): dump everything again.
    #[error("netlink: notifications were lost")]
    Overrun,
    /// The kernel did not answer.
    #[error("netlink: no answer to {what} within {} s", ANSWER_TIME.as_secs())]
    NoAnswer {
        /// What was asked for.
        what: String,
    },
    /// A table changed during each of several dumps.
    #[error("netlink: {what} kept changing while it was read")]
    Unstable {
        /// What was asked for.
        what: String,
    },
}

/// An open netlink socket; not shared between threads.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// A socket to the routing family that receives the notifications of `groups`, a bit mask of `RTMGRP_*`.
    ///
    /// # Errors
    /// [`NetlinkError::System`].
    pub fn route(groups: u32) -> Result<Self, NetlinkError> {
        Self::open(None, groups)
    }

    /// A socket to netfilter.
    ///
    /// # Errors
    /// [`NetlinkError::System`], where the kernel was built without netfilter's netlink.
    pub fn netfilter() -> Result<Self, NetlinkError> {
        Self::open(Some(NETFILTER), 0)
    }

    fn open(protocol: Option<Protocol>, groups: u32) -> Result<Self, NetlinkError> {
        let system = |action| move |errno: Errno| NetlinkError::System { action, source: errno.into() };
        // Protocol 0 is NETLINK_ROUTE.
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
            .map_err(system("open a socket"))?;
        if groups != 0 {
            // Beyond the system's limit only with CAP_NET_ADMIN; without it the limit is what we get.
            set_socket_recv_buffer_size_force(&fd, RECEIVE_BUFFER)
                .or_else(|_| set_socket_recv_buffer_size(&fd, RECEIVE_BUFFER))
                .map_err(system("size the socket's buffer"))?;
        }
        bind(&fd, &SocketAddrNetlink::new(0, groups)).map_err(system("bind a socket"))?;
        Ok(Self { fd, sequence: 0, buffer: vec![0; DATAGRAM] })
    }

    /// Sends one message and waits until the kernel has done it.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`] with the kernel's reason; `what` names the request in it.
    pub fn request(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
        what: &str,
    ) -> Result<(), NetlinkError> {
        let frame = self.encode(message, NLM_F_REQUEST | NLM_F_ACK | flags);
        self.send(&frame)?;
        self.acknowledged(self.sequence, what)
    }

    /// Sends messages already in wire form, the last of which asked to be acknowledged under `sequence`.
    ///
    /// # Errors
    /// As for [`Socket::request`].
    pub fn request_raw(&mut self, bytes: &[u8], sequence: u32, what: &str) -> Result<(), NetlinkError> {
        self.send(bytes)?;
        self.acknowledged(sequence, what)
    }

    /// Asks for all objects of a kind.
    ///
    /// Objects that this program cannot parse are left out and logged: a newer kernel must not make the mirror fail.
    ///
    /// # Errors
    /// [`NetlinkError::Unstable`] where the table changed during each attempt.
    pub fn dump(
        &mut self,
        message: RouteNetlinkMessage,
        what: &str,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        for _ in 0..DUMP_TRIES {
            let frame = self.encode(message.clone(), NLM_F_REQUEST | NLM_F_DUMP);
            self.send(&frame)?;
            if let Some(all) = self.collect(self.sequence, what)? {
                return Ok(all);
            }
        }
        Err(NetlinkError::Unstable { what: what.to_owned() })
    }

    /// Waits up to `timeout` for notifications and gives them to `each`; false where none came.
    ///
    /// # Errors
    /// [`NetlinkError::Overrun`] where some were lost.
    pub fn notifications(
        &mut self,
        timeout: Duration,
        mut each: impl FnMut(RouteNetlinkMessage),
    ) -> Result<bool, NetlinkError> {
        if !self.readable(timeout)? {
            return Ok(false);
        }
        let length = self.receive()?;
        let Some(datagram) = self.buffer.get(..length) else {
            return Ok(false);
        };
        for frame in raw::frames(datagram) {
            match frame.kind {
                NLMSG_OVERRUN => return Err(NetlinkError::Overrun),
                NLMSG_NOOP | NLMSG_DONE | NLMSG_ERROR => {}
                _ => parse(&frame, &mut each),
            }
        }
        Ok(true)
    }

    /// Throws away what waits to be read; false where more kept coming than could be read within `time`.
    ///
    /// Linux drops notifications in silence from an overrun on until the queue has once been empty (netlink(7)), so
    /// only a dump that starts after this has returned true is complete.
    ///
    /// # Errors
    /// [`NetlinkError::System`].
    pub fn drain(&mut self, time: Duration) -> Result<bool, NetlinkError> {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            match rustix::io::retry_on_intr(|| {
                recv(&self.fd, self.buffer.as_mut_slice(), RecvFlags::DONTWAIT)
            }) {
                Ok(_) | Err(Errno::NOBUFS) => {}
                Err(Errno::AGAIN) => return Ok(true),
                Err(errno) => {
                    return Err(NetlinkError::System { action: "receive", source: errno.into() });
                }
            }
        }
        Ok(false)
    }

    fn encode(&mut self, message: RouteNetlinkMessage, flags: u16) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::from(message);
        message.header.flags = flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    fn send(&self, bytes: &[u8]) -> Result<(), NetlinkError> {
        rustix::io::retry_on_intr(|| {
            sendmsg(&self.fd, &[IoSlice::new(bytes)], &mut SendAncillaryBuffer::default(), SendFlags::empty())
        })
        .map(drop)
        .map_err(|errno| NetlinkError::System { action: "send", source: errno.into() })
    }

    fn readable(&self, timeout: Duration) -> Result<bool, NetlinkError> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            match poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&left)) {
                Ok(n) => return Ok(n > 0),
                // TAP drivers announce packets by signals, so interruptions are ordinary here.
                Err(Errno::INTR) => {}
                Err(errno) => {
                    return Err(NetlinkError::System { action: "wait", source: errno.into() });
                }
            }
        }
    }

    fn receive(&mut self) -> Result<usize, NetlinkError> {
        let flags = RecvFlags::empty();
        match rustix::io::retry_on_intr(|| recv(&self.fd, self.buffer.as_mut_slice(), flags)) {
            Ok((length, _)) => Ok(length),
            Err(Errno::NOBUFS) => Err(NetlinkError::Overrun),
            Err(errno) => Err(NetlinkError::System { action: "receive", source: errno.into() }),
        }
    }

    fn answer(&mut self, what: &str) -> Result<usize, NetlinkError> {
        if !self.readable(ANSWER_TIME)? {
            return Err(NetlinkError::NoAnswer { what: what.to_owned() });
        }
        self.receive()
    }

    fn acknowledged(&mut self, sequence: u32, what: &str) -> Result<(), NetlinkError> {
        loop {
            let length = self.answer(what)?;
            for frame in raw::frames(self.buffer.get(..length).unwrap_or_default()) {
                // An error about an earlier message of a batch comes before the last one's acknowledgement.
                if frame.kind == NLMSG_ERROR {
                    match frame.error_code() {
                        0 if frame.sequence == sequence => return Ok(()),
                        0 => {}
                        code => return Err(refused(what, code)),
                    }
                }
            }
        }
    }

    /// All objects of a dump, `None` where the kernel says that the table changed meanwhile.
    fn collect(
        &mut self,
        sequence: u32,
        what: &str,
    ) -> Result<Option<Vec<RouteNetlinkMessage>>, NetlinkError> {
        let mut all = Vec::new();
        let mut interrupted = false;
        loop {
            let length = self.answer(what)?;
            for frame in raw::frames(self.buffer.get(..length).unwrap_or_default()) {
                if frame.sequence != sequence {
                    continue;
                }
                interrupted |= frame.flags & NLM_F_DUMP_INTR != 0;
                match frame.kind {
                    NLMSG_DONE => return Ok((!interrupted).then_some(all)),
                    NLMSG_ERROR => return Err(refused(what, frame.error_code())),
                    NLMSG_NOOP => {}
                    _ => parse(&frame, &mut |message| all.push(message)),
                }
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn parse(frame: &Frame<'_>, each: &mut impl FnMut(RouteNetlinkMessage)) {
    match NetlinkMessage::<RouteNetlinkMessage>::deserialize(frame.bytes) {
        Ok(message) => {
            if let netlink_packet_core::NetlinkPayload::InnerMessage(inner) = message.payload {
                each(inner);
            }
        }
        Err(error) => tracing::debug!(kind = frame.kind, %error, "netlink message not understood"),
    }
}

fn refused(what: &str, code: i32) -> NetlinkError {
    NetlinkError::Refused {
        what: what.to_owned(),
        source: io::Error::from_raw_os_error(code.saturating_abs()),
    }
}
