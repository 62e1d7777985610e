//! The thread that writes the query log of the lcores: it takes what they noted from their rings, and appends lines.
//!
//! It alone waits for the disk, or for whoever reads standard output. Rings are made when a log is first wanted, and stay.

use std::fmt::Write;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rtrb::Consumer;
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
        let writer = Writer::new(file, tables, mailboxes);
        let (lost, stop) = (Arc::clone(&writer.lost), stop.clone());
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
    lcores: Vec<(Arc<Mailbox>, Option<Consumer<QueryRecord>>)>,
    text: String,
    lost: Arc<AtomicU64>,
}

impl Writer {
    fn new(file: Option<PathBuf>, tables: &Arc<Tables>, mailboxes: &[Arc<Mailbox>]) -> Self {
        Self {
            file,
            tables: Arc::clone(tables),
            version: 0,
            log: None,
            lcores: mailboxes.iter().map(|mailbox| (Arc::clone(mailbox), None)).collect(),
            text: String::new(),
            lost: Arc::default(),
        }
    }

    fn run(mut self, stop: &Stop) {
        while !stop.is_set() {
            self.follow();
            let most = self.write();
            if self.log.is_none() {
                stop.wait(IDLE);
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
                // Asked first: what came before it was left is still there.
                let left = ring.is_abandoned();
                let Ok(record) = ring.pop() else {
                    if left {
                        *place = None;
                    }
                    break;
                };
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

#[cfg(test)]
mod tests {
    use rtrb::Producer;
    use sluice_engine::snapshot::Publisher;
    use sluice_model::{Change, Generation, ResolverSettings, Serving};

    use super::*;

    /// The thread's part, without the thread, and lcores.
    struct Lab {
        publisher: Publisher,
        tables: Arc<Tables>,
        writer: Writer,
        rings: Vec<Producer<QueryRecord>>,
    }

    impl Lab {
        fn new(lcores: usize, own: Option<PathBuf>, settings: Settings) -> Self {
            let mut publisher = Publisher::new();
            let tables = Arc::new(Tables::new(publisher.publish(Generation(0))));
            let mailboxes: Vec<Arc<Mailbox>> = (0..lcores).map(|_| Arc::default()).collect();
            let writer = Writer::new(own, &tables, &mailboxes);
            let mut lab = Self { publisher, tables, writer, rings: Vec::new() };
            lab.writer.follow();
            assert!(mailboxes.iter().all(|mailbox| mailbox.take().is_empty()), "no log, no memory for one");
            lab.set(Some(settings));
            for mailbox in &mailboxes {
                let Some(Request::QueryLog { ring }) = mailbox.take().pop() else { panic!("a ring") };
                lab.rings.push(ring);
            }
            lab
        }

        fn set(&mut self, log: Option<Settings>) {
            let serving = Serving { log, ..Serving::default() };
            let settings = ResolverSettings { serving, ..ResolverSettings::default() };
            self.publisher.apply(&Change::Resolver(Box::new(settings)));
            self.tables.store(self.publisher.publish(Generation(1)));
            self.writer.follow();
        }

        fn ask(&mut self, lcore: usize, count: u16) {
            let mut octets = [0; name::MAX_NAME];
            octets[..3].copy_from_slice(b"\x01a\x00");
            let client = "192.0.2.7:4000".parse().unwrap();
            let (question, flags) = (Some((1, 1)), [0x84, 0]);
            let record = QueryRecord {
                client,
                id: 17,
                question,
                size: 19,
                dnssec: false,
                buffer: 512,
                code: 0,
                flags,
                reply: 35,
                name_len: 3,
                octets,
            };
            (0..count).for_each(|_| self.rings[lcore].push(record).unwrap());
        }

        fn lost(&self) -> u64 {
            self.writer.lost.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn the_rate_is_of_all_lcores_together() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("queries.log");
        let settings = Settings { file: Some(file.clone()), rate: 5, ..Settings::default() };
        let mut lab = Lab::new(2, Some(file.clone()), settings);
        (0..2).for_each(|lcore| lab.ask(lcore, 4));
        assert_eq!(lab.writer.write(), 4);
        let text = std::fs::read_to_string(&file).unwrap();
        let line = "[INFO] 192.0.2.7:4000 - 17 \"A IN a. udp 19 false 512\" NOERROR qr,aa 35 0s";
        assert!(text.lines().all(|seen| seen == line), "{text}");
        // A second may have begun in between.
        let lines = text.lines().count() as u64;
        assert!((5..=8).contains(&lines) && lab.lost() == 8 - lines, "{text}");
        // What is noted while there is no log is not written when there is one again.
        lab.set(None);
        lab.ask(0, 3);
        assert_eq!(lab.writer.write(), 3);
        std::thread::sleep(Duration::from_millis(1010));
        lab.set(Some(Settings { file: Some(file.clone()), ..Settings::default() }));
        lab.ask(1, 1);
        lab.writer.write();
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count() as u64, lines + 1);
    }

    #[test]
    fn where_lines_go_is_the_roles_own_to_say_and_what_cannot_be_written_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let [own, other] = ["own.log", "other.log"].map(|name| folder.path().join(name));
        let settings = Settings { file: Some(other.clone()), ..Settings::default() };
        let mut lab = Lab::new(1, Some(own.clone()), settings.clone());
        lab.ask(0, 2);
        lab.writer.write();
        assert_eq!(std::fs::read_to_string(&own).unwrap().lines().count(), 2);
        let mut lab = Lab::new(1, Some(folder.path().join("absent/own.log")), settings);
        lab.ask(0, 2);
        lab.writer.write();
        assert_eq!((lab.lost(), other.exists()), (2, false));
    }
}
