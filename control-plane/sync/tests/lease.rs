//! Who writes statuses: elections over a Lease whose server is slow, refuses, loses answers and answers late.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use proptest::prelude::*;
use sluice_sync::lease::{CallError, Durations, Elector, Leadership, Leases, NotLeading};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

const fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// A server with one Lease.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    lease: Option<Lease>,
    version: u64,
    /// Does not look at versions, for the proof that the tests would notice.
    careless: bool,
}

impl Server {
    fn store(&self, lease: &Lease, create: bool) -> Result<Lease, CallError> {
        let mut stored = self.0.lock().unwrap();
        let there = stored.lease.as_ref().map(|lease| lease.metadata.resource_version.clone());
        let fits = match (&there, create) {
            (None, true) => true,
            (Some(version), false) => *version == lease.metadata.resource_version,
            _ => false,
        };
        if !fits && !stored.careless {
            return Err(CallError::Conflict);
        }
        stored.version += 1;
        let mut lease = lease.clone();
        lease.metadata.resource_version = Some(stored.version.to_string());
        stored.lease = Some(lease.clone());
        Ok(lease)
    }

    fn lease(&self) -> Option<Lease> {
        self.0.lock().unwrap().lease.clone()
    }

    fn set(&self, lease: Option<Lease>) {
        let mut stored = self.0.lock().unwrap();
        stored.version += 1;
        let version = stored.version.to_string();
        stored.lease = lease.map(|mut lease| {
            lease.metadata.resource_version = Some(version);
            lease
        });
    }

    fn holder(&self) -> String {
        self.lease().and_then(|lease| lease.spec?.holder_identity).unwrap_or_default()
    }
}

/// What happens to one call.
#[derive(Clone, Copy, Debug, Default)]
struct Fault {
    /// Until the server carries it out.
    there: Duration,
    /// Until its answer is back.
    back: Duration,
    /// The server does not carry it out.
    refused: bool,
    /// Carried out, but the answer says that it failed.
    garbled: bool,
}

/// One gateway's way to the server.
#[derive(Clone, Default)]
struct Way {
    server: Server,
    faults: Arc<Mutex<Vec<Fault>>>,
    cut: Arc<Mutex<bool>>,
    calls: Arc<Mutex<usize>>,
}

impl Way {
    fn to(server: &Server) -> Self {
        Self { server: server.clone(), ..Self::default() }
    }

    /// Nothing comes through from now on, or does again.
    fn cut(&self, cut: bool) {
        *self.cut.lock().unwrap() = cut;
    }

    /// Carries out a call as the server would, even when nobody waits for it any more.
    async fn carry<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Server) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        *self.calls.lock().unwrap() += 1;
        if *self.cut.lock().unwrap() {
            return pending().await;
        }
        let fault = self.faults.lock().unwrap().pop().unwrap_or_default();
        let server = self.server.clone();
        let (answer, answered) = oneshot::channel();
        tokio::spawn(async move {
            sleep(fault.there).await;
            let done = if fault.refused {
                Err(CallError::Failed("503: try again later".to_owned()))
            } else {
                call(&server)
            };
            sleep(fault.back).await;
            let garbled = Err(CallError::Failed("connection reset".to_owned()));
            answer.send(if fault.garbled { garbled } else { done }).ok();
        });
        answered.await.unwrap()
    }
}

impl Leases for Way {
    async fn read(&self) -> Result<Option<Lease>, CallError> {
        self.carry(|server| Ok(server.lease())).await
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, CallError> {
        let lease = lease.clone();
        self.carry(move |server| server.store(&lease, true)).await
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, CallError> {
        let lease = lease.clone();
        self.carry(move |server| server.store(&lease, false)).await
    }
}

/// A running elector.
struct Gateway {
    way: Way,
    leadership: Leadership,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Gateway {
    fn start(server: &Server, identity: &str) -> Self {
        Self::over(Way::to(server), identity)
    }

    fn over(way: Way, identity: &str) -> Self {
        let (elector, leadership) = Elector::new(way.clone(), identity.to_owned(), Durations::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(elector.run(async move {
            stopped.await.ok();
        }));
        Self { way, leadership, stop: Some(stop), task }
    }

    fn leads(&self) -> bool {
        self.leadership.is_leader()
    }

    async fn stop(mut self) {
        drop(self.stop.take());
        self.task.await.unwrap();
    }

    /// Ends it as SIGKILL does: what it had sent is carried out.
    fn kill(&self) {
        self.task.abort();
    }
}

/// Lets time pass, and sees to it that there are never two.
async fn pass(gateways: &[&Gateway], time: Duration) -> Result<(), String> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        sleep(ms(10)).await;
        let leaders = gateways.iter().filter(|gateway| gateway.leads()).count();
        if leaders > 1 {
            return Err(format!("{leaders} lead, {:?} before the end", end - Instant::now()));
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn one_of_two_leads_and_the_other_follows_when_it_stops_or_dies() {
    let server = Server::default();
    let (a, b) = (Gateway::start(&server, "a"), Gateway::start(&server, "b"));
    pass(&[&a, &b], ms(3_000)).await.unwrap();
    assert!(a.leads() != b.leads());
    let (first, second) = if a.leads() { (a, b) } else { (b, a) };
    assert_eq!(second.leadership.view().holder, first.leadership.view().holder);
    pass(&[&first, &second], ms(60_000)).await.unwrap();
    assert!(first.leads(), "renewed for a minute");

    // In order: at once, that is, the next time the other looks.
    let start = Instant::now();
    let mut waits = second.leadership.clone();
    first.stop().await;
    waits.acquired().await;
    assert!(start.elapsed() < ms(2_500), "{:?}", start.elapsed());

    // Killed: when the term has run out.
    let third = Gateway::start(&server, "c");
    pass(&[&second, &third], ms(20_000)).await.unwrap();
    let start = Instant::now();
    second.kill();
    let mut waits = third.leadership.clone();
    waits.acquired().await;
    let took = start.elapsed();
    assert!((ms(12_900)..ms(17_500)).contains(&took), "{took:?}");
    let spec = server.lease().unwrap().spec.unwrap();
    assert_eq!(spec.lease_transitions, Some(2));
    assert_eq!(spec.lease_duration_seconds, Some(15));
}

#[tokio::test(start_paused = true)]
async fn who_cannot_renew_ceases_to_lead_before_another_begins() {
    let server = Server::default();
    let a = Gateway::start(&server, "a");
    pass(&[&a], ms(1_000)).await.unwrap();
    let b = Gateway::start(&server, "b");
    pass(&[&a, &b], ms(30_000)).await.unwrap();
    assert!(a.leads());
    a.way.cut(true);
    let cut = Instant::now();
    let mut lost = a.leadership.clone();
    lost.lost().await;
    let lost = cut.elapsed();
    assert!((ms(7_900)..=ms(10_000)).contains(&lost), "{lost:?}");
    assert!(!b.leads());
    assert!(a.leadership.view().error.is_some_and(|error| error.contains("no answer within 3s")));
    let mut waits = b.leadership.clone();
    waits.acquired().await;
    assert!(!a.leads());
    assert!(cut.elapsed() - lost >= ms(4_900), "{:?}", cut.elapsed());
    a.way.cut(false);
    pass(&[&a, &b], ms(60_000)).await.unwrap();
    assert!(b.leads());
    assert_eq!(a.leadership.view().error, None);
}

#[tokio::test(start_paused = true)]
async fn who_could_not_renew_goes_on_when_nobody_has_taken_over() {
    let server = Server::default();
    let a = Gateway::start(&server, "a");
    pass(&[&a], ms(5_000)).await.unwrap();
    a.way.cut(true);
    pass(&[&a], ms(60_000)).await.unwrap();
    assert!(!a.leads());
    a.way.cut(false);
    pass(&[&a], ms(6_000)).await.unwrap();
    assert!(a.leads());
    assert_eq!(server.lease().unwrap().spec.unwrap().lease_transitions, Some(0), "the same term");
}

#[tokio::test(start_paused = true)]
async fn what_is_being_written_is_broken_off_when_leadership_ends() {
    let server = Server::default();
    let a = Gateway::start(&server, "a");
    assert_eq!(a.leadership.while_leading(async { 1 }).await, Err(NotLeading), "not yet");
    let mut waits = a.leadership.clone();
    waits.acquired().await;
    // Across renewals.
    assert_eq!(a.leadership.while_leading(async { sleep(ms(60_000)).await }).await, Ok(()));
    let start = Instant::now();
    a.way.cut(true);
    assert_eq!(a.leadership.while_leading(pending::<()>()).await, Err(NotLeading));
    assert!(start.elapsed() <= ms(10_000));
    a.way.cut(false);
    waits.acquired().await;
    a.kill();
    assert_eq!(a.leadership.while_leading(pending::<()>()).await, Err(NotLeading));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_deleted_or_restored_does_not_make_a_second_leader() {
    let server = Server::default();
    let a = Gateway::start(&server, "a");
    pass(&[&a], ms(1_000)).await.unwrap();
    let backup = server.lease();
    let b = Gateway::start(&server, "b");
    pass(&[&a, &b], ms(9_000)).await.unwrap();
    // Deleted while the leader is cut off: the other waits as if it were there.
    a.way.cut(true);
    server.set(None);
    pass(&[&a, &b], ms(40_000)).await.unwrap();
    assert!(b.leads());
    // Restored: to `a` it says that it leads. It does not believe it, for that term has ended.
    a.way.cut(false);
    pass(&[&a, &b], ms(20_000)).await.unwrap();
    b.way.cut(true);
    server.set(backup);
    pass(&[&a, &b], ms(60_000)).await.unwrap();
    assert!(a.leads());
    b.way.cut(false);
    // Deleted under a leader that is there: made again.
    server.set(None);
    pass(&[&a, &b], ms(10_000)).await.unwrap();
    assert_eq!(server.holder(), "a");
}

#[tokio::test(start_paused = true)]
async fn a_record_of_the_same_identity_from_another_life_is_waited_out() {
    let server = Server::default();
    let a = Gateway::start(&server, "a");
    pass(&[&a], ms(1_000)).await.unwrap();
    let twin = Gateway::start(&server, "a");
    pass(&[&a, &twin], ms(60_000)).await.unwrap();
    assert!(a.leads());
}

#[tokio::test(start_paused = true)]
async fn a_late_request_does_no_harm() {
    let server = Server::default();
    let way = Way::to(&server);
    // Its first creation arrives after ten seconds, when another has long been made.
    *way.faults.lock().unwrap() = vec![Fault { there: ms(10_000), ..Fault::default() }, Fault::default()];
    let a = Gateway::over(way, "a");
    pass(&[&a], ms(1_000)).await.unwrap();
    let b = Gateway::start(&server, "b");
    pass(&[&a, &b], ms(30_000)).await.unwrap();
    assert!(b.leads());
    // Last popped first: a renewal that is carried out seven seconds after its sender has given up on it.
    *b.way.faults.lock().unwrap() = vec![Fault { there: ms(10_000), ..Fault::default() }];
    pass(&[&a, &b], ms(60_000)).await.unwrap();
    assert!(a.leads() != b.leads());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_is_not_flooded() {
    let way = Way::default();
    *way.faults.lock().unwrap() = vec![Fault { refused: true, ..Fault::default() }; 1000];
    let a = Gateway::over(way, "a");
    pass(&[&a], ms(100_000)).await.unwrap();
    let calls = *a.way.calls.lock().unwrap();
    assert!((40..=51).contains(&calls), "{calls} calls in 100 s");
}

#[tokio::test(start_paused = true)]
async fn two_would_be_noticed() {
    let server = Server::default();
    server.0.lock().unwrap().careless = true;
    let ways = [(); 2].map(|()| Way::to(&server));
    for way in &ways {
        // Both find nothing and create it.
        *way.faults.lock().unwrap() = vec![Fault { there: ms(100), ..Fault::default() }, Fault::default()];
    }
    let [a, b] = ways;
    let (a, b) = (Gateway::over(a, "a"), Gateway::over(b, "b"));
    assert!(pass(&[&a, &b], ms(3_000)).await.is_err());
}

fn some_fault() -> impl Strategy<Value = Fault> {
    let delay = || prop_oneof![3 => 0u64..50, 2 => 50u64..4_000, 1 => 4_000u64..25_000].prop_map(ms);
    let rarely = || prop::bool::weighted(0.15);
    (delay(), delay(), rarely(), rarely()).prop_map(|(there, back, refused, garbled)| Fault {
        there,
        back,
        refused,
        garbled,
    })
}

#[derive(Clone, Debug)]
enum Event {
    Pass(u64),
    Faults(usize, Vec<Fault>),
    Cut(usize),
    Join(usize),
    /// Killed, and started again under another identity.
    Kill(usize),
    Stop(usize),
}

fn some_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1u64..20_000).prop_map(Event::Pass),
        6 => (0usize..3, prop::collection::vec(some_fault(), 1..12)).prop_map(|(n, f)| Event::Faults(n, f)),
        2 => (0usize..3).prop_map(Event::Cut),
        2 => (0usize..3).prop_map(Event::Join),
        1 => (0usize..3).prop_map(Event::Kill),
        1 => (0usize..3).prop_map(Event::Stop),
    ]
}

/// Plays events, then repairs everything: never two leaders, and one in the end.
async fn play(events: Vec<Event>) -> Result<(), String> {
    let server = Server::default();
    let mut gateways: Vec<Gateway> = (0..3).map(|n| Gateway::start(&server, &format!("{n}"))).collect();
    let mut born = gateways.len();
    let pass_all = async |gateways: &[Gateway], time| pass(&gateways.iter().collect::<Vec<_>>(), time).await;
    for event in events {
        match event {
            Event::Pass(time) => pass_all(&gateways, ms(time)).await?,
            Event::Faults(n, faults) => *gateways[n].way.faults.lock().unwrap() = faults,
            Event::Cut(n) => gateways[n].way.cut(true),
            Event::Join(n) => gateways[n].way.cut(false),
            Event::Kill(n) | Event::Stop(n) => {
                let fresh = Gateway::start(&server, &format!("{born}"));
                born += 1;
                let old = std::mem::replace(&mut gateways[n], fresh);
                if matches!(event, Event::Stop(_)) {
                    old.stop().await;
                } else {
                    old.kill();
                }
            }
        }
    }
    for gateway in &gateways {
        gateway.way.cut(false);
        gateway.way.faults.lock().unwrap().clear();
    }
    // The latest of late requests is 25 s late; then a term at the most.
    pass_all(&gateways, ms(60_000)).await?;
    match gateways.iter().filter(|gateway| gateway.leads()).count() {
        1 => Ok(()),
        leaders => Err(format!("{leaders} lead in the end, the lease is held by `{}`", server.holder())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn never_two_whatever_happens(events in prop::collection::vec(some_event(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(events)).map_err(TestCaseError::fail)?;
    }
}
