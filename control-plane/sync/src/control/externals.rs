//! Names outside the cluster, looked up with the system's resolver and again every half minute.
//!
//! That resolver tells no time to live, so it is asked as often as most such names change. It may take its time, so each question
//! has a thread, and there are few of them.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::general;
use crate::{Level, Problem};

/// How often a name is looked up.
const EVERY: Duration = Duration::from_secs(30);
/// How soon one that has failed is looked up again at first; twice as late each further time, up to `EVERY`.
const SOON: Duration = Duration::from_secs(2);
/// How long the last addresses are used while there are no others.
const KEPT: Duration = Duration::from_secs(600);
/// Questions at a time.
const RUNNING: usize = 4;
/// Addresses of a name that are used.
const ADDRESSES: usize = 16;

type Answer = Result<Vec<IpAddr>, String>;
/// A name's answer.
type Answered = (Box<str>, Answer);

/// Looks names up.
#[derive(Debug)]
pub(super) struct Externals {
    ask: fn(&str) -> io::Result<Vec<IpAddr>>,
    names: BTreeMap<Box<str>, Name>,
    running: usize,
    /// What is wrong has changed.
    news: bool,
    tell: Sender<Answered>,
    told: Receiver<Answered>,
}

#[derive(Debug, Default)]
struct Name {
    /// When it is looked up again; none: at once.
    next: Option<Instant>,
    running: bool,
    failures: u32,
    /// When there last was an answer.
    good: Option<Instant>,
    problem: Option<String>,
}

impl Externals {
    pub(super) fn new() -> Self {
        Self::asking(system)
    }

    fn asking(ask: fn(&str) -> io::Result<Vec<IpAddr>>) -> Self {
        let (tell, told) = channel();
        Self { ask, names: BTreeMap::new(), running: 0, news: false, tell, told }
    }

    /// Whether there is anything to look up.
    pub(super) fn is_busy(&self) -> bool {
        !self.names.is_empty()
    }

    /// Looks up what is due of these names; answers that have come, and failures that have lasted too long.
    pub(super) fn look<'a>(
        &mut self,
        wanted: impl Iterator<Item = &'a str>,
        now: Instant,
    ) -> Vec<(Box<str>, Answer)> {
        let mut news = Vec::new();
        while let Ok((name, answer)) = self.told.try_recv() {
            self.running -= 1;
            if let Some(known) = self.names.get_mut(&name) {
                self.news |= known.problem.as_ref() != answer.as_ref().err();
                news.extend(known.answered(answer, now).map(|answer| (name, answer)));
            }
        }
        let mut before = std::mem::take(&mut self.names);
        for name in wanted {
            let mut known = before.remove(name).unwrap_or_default();
            if self.running < RUNNING && !known.running && known.next.is_none_or(|next| now >= next) {
                known.running = self.begin(name, now, &mut known.next);
            }
            self.names.insert(name.into(), known);
        }
        news
    }

    /// Whether what is wrong has changed since the last call.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Problems of names whose last addresses are still used; of the others the Ingresses are told.
    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> {
        self.names.iter().filter_map(|(name, known)| {
            known.good?;
            let why = known.problem.as_ref()?;
            let message = format!("{why}; its last addresses are used");
            Some(Problem { level: Level::Warning, ..general(&format!("external name {name}"), message) })
        })
    }

    fn begin(&mut self, name: &str, now: Instant, next: &mut Option<Instant>) -> bool {
        let (ask, tell, name) = (self.ask, self.tell.clone(), Box::<str>::from(name));
        let begun = thread::Builder::new().name("external-name".to_owned()).spawn(move || {
            let answer = ask(&name).map_err(|error| error.to_string());
            // Nobody listens at the end.
            let _ = tell.send((name, answer));
        });
        if begun.is_err() {
            *next = Some(now + SOON);
            return false;
        }
        self.running += 1;
        true
    }
}

impl Name {
    /// What is to be told of an answer.
    fn answered(&mut self, answer: Answer, now: Instant) -> Option<Answer> {
        self.running = false;
        let answer = answer.map(|mut addresses| {
            // Resolvers give them in an order that changes.
            addresses.sort();
            addresses.dedup();
            addresses.truncate(ADDRESSES);
            addresses
        });
        let answer = answer.and_then(|it| if it.is_empty() { Err("no address".to_owned()) } else { Ok(it) });
        match answer {
            Ok(addresses) => {
                (self.next, self.good) = (Some(now + EVERY), Some(now));
                (self.failures, self.problem) = (0, None);
                Some(Ok(addresses))
            }
            Err(error) => {
                let wait = SOON * (1 << self.failures.min(4));
                self.next = Some(now + wait.min(EVERY));
                self.failures = self.failures.saturating_add(1);
                self.problem = Some(error.clone());
                if self.good.is_some_and(|good| now < good + KEPT) {
                    return None;
                }
                self.good = None;
                Some(Err(error))
            }
        }
    }
}

/// The system's resolver. With the final dot no search list has a say.
fn system(name: &str) -> io::Result<Vec<IpAddr>> {
    let found = (format!("{name}."), 0).to_socket_addrs()?;
    Ok(found.map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(name: &str) -> io::Result<Vec<IpAddr>> {
        match name {
            "good" => Ok(vec!["192.0.2.2".parse().unwrap(), "192.0.2.1".parse().unwrap()]),
            "many" => Ok((0..100).map(|host| IpAddr::from([192, 0, 2, host])).collect()),
            "empty" => Ok(Vec::new()),
            _ => Err(io::Error::other("no such name")),
        }
    }

    /// The next answers.
    fn wait(externals: &mut Externals, names: &[&str], now: Instant) -> Vec<(Box<str>, Answer)> {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            let news = externals.look(names.iter().copied(), now);
            if !news.is_empty() {
                return news;
            }
            thread::sleep(Duration::from_millis(2));
        }
        panic!("no answer");
    }

    #[test]
    fn names_are_looked_up_at_once_and_again_after_a_while() {
        let mut externals = Externals::asking(ask);
        let now = Instant::now();
        assert!(externals.look(["good"].into_iter(), now).is_empty() && externals.is_busy());
        let good: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
        assert_eq!(wait(&mut externals, &["good"], now), [(Box::<str>::from("good"), Ok(good.clone()))]);
        externals.look(["good"].into_iter(), now + EVERY - Duration::from_millis(1));
        assert_eq!(externals.running, 0, "not yet");
        assert_eq!(wait(&mut externals, &["good"], now + EVERY), [(Box::<str>::from("good"), Ok(good))]);
        externals.look(std::iter::empty(), now + EVERY);
        assert!(!externals.is_busy());
        let many = wait(&mut externals, &["many"], now);
        assert_eq!(many[0].1.as_ref().unwrap().len(), ADDRESSES);
        assert_eq!(
            wait(&mut externals, &["empty"], now),
            [(Box::<str>::from("empty"), Err("no address".to_owned()))]
        );
    }

    #[test]
    fn the_last_addresses_are_kept_for_a_while() {
        let mut name = Name::default();
        let now = Instant::now();
        let addresses: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap()];
        assert_eq!(name.answered(Ok(addresses.clone()), now), Some(Ok(addresses)));
        let bad = || Err("away".to_owned());
        assert_eq!(name.answered(bad(), now + EVERY), None);
        assert_eq!(name.next, Some(now + EVERY + SOON));
        for _ in 0..40 {
            assert_eq!(name.answered(bad(), now + KEPT - SOON), None);
        }
        assert_eq!(name.next, Some(now + KEPT - SOON + EVERY));
        assert_eq!(name.answered(bad(), now + KEPT), Some(bad()));
        assert_eq!(name.answered(bad(), now + KEPT), Some(bad()));
    }

    #[test]
    fn few_questions_are_asked_at_a_time() {
        fn slow(_: &str) -> io::Result<Vec<IpAddr>> {
            thread::sleep(Duration::from_secs(3600));
            ask("good")
        }
        let mut externals = Externals::asking(slow);
        let names: Vec<String> = (0..20).map(|index| format!("name{index}")).collect();
        for _ in 0..5 {
            assert!(externals.look(names.iter().map(String::as_str), Instant::now()).is_empty());
        }
        assert_eq!(externals.running, RUNNING);
        assert_eq!(externals.names.values().filter(|name| name.running).count(), RUNNING);
    }

    #[test]
    fn the_systems_resolver_is_asked() {
        assert!(system("a..b").is_err());
    }
}
