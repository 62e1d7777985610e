//! One subscriber's connection, as the server sees it: a thread that writes, and one that reads acknowledgements.

use std::io::{self, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use sluice_model::{Change, Generation};

use crate::frame::{write_frame, write_frame_at_once};
use crate::message::{
    DecodeError, FromServer, FromSubscriber, Hello, MAX_NAME, MAX_SUBSCRIBER_FRAME, Refusal, Welcome, decode,
    decode_first, encode, encode_first,
};
use crate::peer::Peer;
use crate::server::{ServerOptions, Shared, SubscriberStatus};
use crate::state::Batch;
use crate::{FrameError, FrameReader, Have};

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("it does not take data: {0}")]
    Io(#[from] io::Error),
    #[error("encoding: {0}")]
    Encode(#[from] postcard::Error),
    #[error("it acknowledged a generation it was not sent")]
    Ack,
    #[error("it left")]
    Left,
    #[error("it has been silent for too long")]
    Silent,
}

/// Says that there are too many subscribers.
pub(crate) fn refuse(socket: &UnixStream, options: &ServerOptions) {
    // Closing with its hello unread would make the kernel reset the connection and the reason be lost. It comes at once
    // or never.
    let _ = socket.set_read_timeout(Some(options.handshake.min(Duration::from_millis(100))));
    let _ = (&mut &*socket).read(&mut [0; MAX_SUBSCRIBER_FRAME]);
    let _ = socket.set_write_timeout(Some(options.handshake));
    if let Ok(body) = encode_first(&Welcome::Refused(Refusal::Full)) {
        let _ = write_frame_at_once(&mut &*socket, &body);
    }
}

/// Serves a subscriber until it leaves, misbehaves or the server stops.
pub(crate) fn serve(
    shared: &Arc<Shared>,
    id: u64,
    peer: Peer,
    socket: &UnixStream,
) -> Result<(), SessionError> {
    let options = &shared.options;
    socket.set_read_timeout(Some(options.handshake))?;
    socket.set_write_timeout(Some(options.dead_after))?;
    let mut reader = FrameReader::new(socket.try_clone()?, MAX_SUBSCRIBER_FRAME);
    let hello = greet(shared, socket, &mut reader)?;
    let mut inner = shared.lock();
    let current = inner.state.generation();
    let run = inner.state.run();
    // A state of a run that is no more is of no use, nor is one from the future.
    let mut have = hello.have.filter(|have| have.run == run && have.generation <= current);
    let held = have.map_or(Generation(0), |have| have.generation);
    inner.subscribers.insert(
        id,
        SubscriberStatus {
            name: hello.name,
            peer,
            kinds: hello.kinds,
            since: Instant::now(),
            sent: held,
            acked: held,
            full_states: 0,
        },
    );
    drop(inner);
    socket.set_read_timeout(Some(options.dead_after))?;
    let acknowledgements = {
        let shared = Arc::clone(shared);
        std::thread::Builder::new().name(format!("feed-{id}-ack")).spawn(move || {
            let outcome = acknowledge(&shared, id, &mut reader);
            shared.disconnect(id);
            outcome
        })?
    };
    let written = write(shared, id, &mut have, hello.kinds, socket);
    // Ends the reader too, whose reason is the better one where it ended first.
    shared.disconnect(id);
    match acknowledgements.join() {
        Ok(Err(error)) if written.is_ok() => Err(error),
        _ => written,
    }
}

fn greet(
    shared: &Shared,
    mut socket: &UnixStream,
    reader: &mut FrameReader<UnixStream>,
) -> Result<Hello, SessionError> {
    let body = reader.read().map_err(DecodeError::from)?;
    let hello = decode_first::<Hello>(body.ok_or(SessionError::Left)?);
    let welcome = match &hello {
        // A peer that speaks another version is told so, in the part of the frame that does not change.
        Err(DecodeError::Version(_)) => Welcome::Refused(Refusal::Version),
        Err(_) => return Err(hello.err().map_or(SessionError::Left, Into::into)),
        Ok(hello) if hello.name.len() > MAX_NAME => return Err(DecodeError::Name.into()),
        Ok(_) => Welcome::Accepted {
            run: shared.lock().state.run(),
            heartbeat_ms: u32::try_from(shared.options.heartbeat.as_millis()).unwrap_or(u32::MAX),
        },
    };
    write_frame_at_once(&mut socket, &encode_first(&welcome)?)?;
    Ok(hello?)
}

/// Sends what is newer than `have` whenever there is something, and pings in between.
fn write(
    shared: &Shared,
    id: u64,
    have: &mut Option<Have>,
    kinds: crate::Kinds,
    socket: &UnixStream,
) -> Result<(), SessionError> {
    let mut writer = BufWriter::with_capacity(64 << 10, socket);
    let ping = encode(&FromServer::<&Change>::Ping)?;
    loop {
        match wait(shared, id, *have, kinds)? {
            Wake::Gone => return Ok(()),
            Wake::Heartbeat => write_frame(&mut writer, &ping)?,
            Wake::Batch(batch, run) => {
                send(&mut writer, &batch)?;
                *have = Some(Have { run, generation: batch.generation });
            }
        }
        writer.flush()?;
    }
}

enum Wake {
    Batch(Batch, u64),
    Heartbeat,
    Gone,
}

fn wait(shared: &Shared, id: u64, have: Option<Have>, kinds: crate::Kinds) -> Result<Wake, SessionError> {
    let due = Instant::now() + shared.options.heartbeat;
    let mut inner = shared.lock();
    loop {
        if inner.stopped || !inner.subscribers.contains_key(&id) {
            return Ok(Wake::Gone);
        }
        let run = inner.state.run();
        let current = Have { run, generation: inner.state.generation() };
        // Before the first publication there is nothing to say, least of all that there is nothing.
        if current.generation.0 > 0 && have != Some(current) {
            let batch = inner.state.batch(have, kinds)?;
            if let Some(status) = inner.subscribers.get_mut(&id) {
                status.sent = batch.generation;
                status.full_states += u32::from(batch.full);
            }
            return Ok(Wake::Batch(batch, run));
        }
        let now = Instant::now();
        if now >= due {
            return Ok(Wake::Heartbeat);
        }
        inner = match shared.changed.wait_timeout(inner, due - now) {
            Ok((guard, _)) => guard,
            Err(poisoned) => PoisonError::into_inner(poisoned).0,
        };
    }
}

fn send(writer: &mut impl Write, batch: &Batch) -> Result<(), SessionError> {
    let Batch { generation, full, changes } = batch;
    let begin = FromServer::<&Change>::Begin {
        generation: *generation,
        full: *full,
        changes: u32::try_from(changes.len()).unwrap_or(u32::MAX),
    };
    write_frame(writer, &encode(&begin)?)?;
    for change in changes {
        write_frame(writer, change)?;
    }
    let commit = FromServer::<&Change>::Commit { generation: *generation };
    write_frame(writer, &encode(&commit)?)?;
    Ok(())
}

/// Reads what the subscriber says until it leaves.
fn acknowledge(shared: &Shared, id: u64, reader: &mut FrameReader<UnixStream>) -> Result<(), SessionError> {
    loop {
        let body = match reader.read() {
            Ok(Some(body)) => body,
            Ok(None) => return Err(SessionError::Left),
            Err(FrameError::Idle) => return Err(SessionError::Silent),
            Err(error) => return Err(DecodeError::from(error).into()),
        };
        let FromSubscriber::Ack(have) = decode(body)? else {
            continue;
        };
        let mut inner = shared.lock();
        let run = inner.state.run();
        let Some(status) = inner.subscribers.get_mut(&id) else {
            return Ok(());
        };
        if have.run != run || have.generation > status.sent {
            return Err(SessionError::Ack);
        }
        status.acked = status.acked.max(have.generation);
        drop(inner);
        shared.changed.notify_all();
    }
}
