//! The thread that writes the query log of the lcores: it takes what they noted from their rings, and appends lines.
//!
//! It alone waits for the disk, or for whoever reads standard output. Rings are made when a log is first wanted, and stay.

use std::fmt::Write;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sluice_dns::name;
use sluice_engine::query_log::{QueryRecord, RING, ring};
use sluice_model::serving::QueryLog as Settings;
use sluice_observe::log::{Queried, Rate, Target};

use crate::lcore::{Mailbox, Request, Tables, now};
use crate::stop::Stop;

/// How often rings are looked into: what a second then has room for is more than most lcores answer in one.
const LOOK: Duration = Duration::from_millis(5);
/// How often it is looked whether there is a log, while there is none.
const IDLE: Duration = Duration::from_millis(50);
/// How long a process that ends waits for lines to be written.
const PATIENCE: Duration = Duration::from_millis(500);
/// Octets that are kept for the next lines.
const KEPT: usize = 1 << 16;

/// The thread, seen from outside.
#[derive(Debug)]
pub(crate) struct QueryLog {
    lost: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl QueryLog {
    /// Starts it; `file` is where lines go if they go to a file. It ends some time after `stop` is set, when lcores have.
    pub(crate) fn start(
        file: Option<PathBuf>,
        tables: &Arc<Tables>,
        mailboxes: &[Arc<Mailbox>],
        stop: &Stop,
    ) -> io::Result<Self> {
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            file,
            tables: Arc::clone(tables),
            version: 0,
            log: None,
            lcores: mailboxes.iter().map(|mailbox| (Arc::clone(mailbox), None)).collect(),
            text: String::new(),
            lost: Arc::clone(&lost),
        };
        let stop = stop.clone();
        let thread = std::thread::Builder::new().name("query-log".into());
        Ok(Self { lost, thread: thread.spawn(move || writer.run(&stop))? })
    }

    /// Lines that were lost here: beyond the rate, or because they could not be written.
    pub(crate) fn lost(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.lost)
    }

    /// Waits until what lcores have noted is written, but not for ever: nobody may read it.
    pub(crate) fn settle(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
    }
}

/// A log that is written.
struct Log {
    settings: Settings,
    rate: Rate,
    target: Target,
}

impl Log {
    fn new(settings: &Settings, own: Option<&PathBuf>) -> Self {
        let file = settings.file.as_ref().and(own);
        if file != settings.file.as_ref() {
            tracing::warn!(wanted = ?settings.file, ?own, "the configuration of this role has another file for the query log");
        }
        Self {
            rate: Rate::new(settings.rate),
            // The resolver's lines go there too.
            target: Target::new("query log", file.cloned()).shared(),
            settings: settings.clone(),
        }
    }
}

/// What the thread has.
struct Writer {
    file: Option<PathBuf>,
    tables: Arc<Tables>,
    /// The version of the tables that was last looked at.
    version: u64,
    log: Option<Log>,
    lcores: Vec<(Arc<Mailbox>, Option<Receiver<QueryRecord>>)>,
    text: String,
    lost: Arc<AtomicU64>,
}

impl Writer {
    fn run(mut self, stop: &Stop) {
        while !stop.is_set() {
            self.follow();
            let most = self.write();
            if self.log.is_none() {
                std::thread::sleep(IDLE);
            } else if most < RING / 4 {
                std::thread::sleep(LOOK);
            }
        }
        // Lcores let go of their rings when they end.
        let deadline = Instant::now() + PATIENCE;
        while self.lcores.iter().any(|(_, ring)| ring.is_some()) && Instant::now() < deadline {
            self.write();
            std::thread::sleep(LOOK);
        }
    }

    /// Does as the tables say now.
    fn follow(&mut self) {
        let version = self.tables.version();
        if version != self.version {
            self.version = version;
            let snapshot = self.tables.load();
            let wanted = snapshot.dns().log().map(|log| log.settings());
            if self.log.as_ref().map(|log| &log.settings) != wanted {
                self.log = wanted.map(|settings| Log::new(settings, self.file.as_ref()));
            }
        }
        if self.log.is_none() {
            return;
        }
        for (mailbox, place) in self.lcores.iter_mut().filter(|(_, place)| place.is_none()) {
            let (near, far) = ring();
            // Where too many requests wait, it is tried again.
            *place = mailbox.post(Request::QueryLog { ring: near }).then_some(far);
        }
    }

    /// Writes what lcores have noted; of what a ring gave, the most.
    fn write(&mut self) -> usize {
        let mut most = 0;
        for (_, place) in &mut self.lcores {
            let mut count = 0;
            while count < RING
                && let Some(ring) = place
            {
                match ring.try_recv() {
                    Ok(record) => {
                        count += 1;
                        if let Some(log) = &self.log {
                            let admitted = log.rate.admit(now().0 / 1000);
                            if admitted {
                                // Writing to a String does not fail.
                                let _ = writeln!(self.text, "{}", queried(&record));
                            }
                            self.lost.fetch_add(u64::from(!admitted), Ordering::Relaxed);
                        }
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => *place = None,
                }
            }
            most = most.max(count);
            if let Some(log) = &mut self.log
                && !self.text.is_empty()
            {
                log.target.look();
                if !log.target.write(self.text.as_bytes()) {
                    self.lost.fetch_add(self.text.lines().count() as u64, Ordering::Relaxed);
                }
            }
            self.text.clear();
        }
        self.text.shrink_to(KEPT);
        // The next time another lcore is the first that finds room in a second.
        let next = usize::from(self.lcores.len() > 1);
        self.lcores.rotate_left(next);
        most
    }
}

/// A record as it is written. How long lcores take is not measured: it is less than the clock they go by shows.
fn queried(record: &QueryRecord) -> Queried<impl Iterator<Item = &[u8]> + Clone> {
    Queried {
        client: record.client,
        id: record.id,
        question: record.question,
        labels: name::labels(record.name()),
        stream: false,
        size: record.size.into(),
        dnssec: record.dnssec,
        buffer: record.buffer,
        code: record.code.into(),
        flags: record.flags,
        reply: record.reply.into(),
        time: Duration::ZERO,
    }
}
