//! Starting DPDK, attaching devices, attaching threads.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // Helpers of tests, outside `#[test]` themselves.

mod common;

use std::path::Path;
use std::sync::{Arc, Mutex};

use common::{assert_full, isolated, pool, small_pages};
use rustix::thread::{CpuSet, sched_getaffinity};
use sluice_dpdk::{
    AttachError, Eal, EalError, EalOptions, HugePages, Lcore, LcoreError, LogLevel, Port, PortOptions,
};

#[test]
fn starting_leaves_the_caller_unpinned_and_happens_once() {
    isolated("starting_leaves_the_caller_unpinned_and_happens_once", || {
        let before = cpus();
        let eal = small_pages();
        // So a killed process leaves no folder either.
        let folder = format!("/var/run/dpdk/sluice-{}", std::process::id());
        assert!(!Path::new(&folder).exists(), "private memory needs no runtime folder");
        assert_eq!(cpus(), before);
        // A thread started now inherits what the caller has.
        assert_eq!(std::thread::spawn(cpus).join().unwrap(), before);
        assert!(!eal.huge_pages() && eal.virtual_addresses());
        assert!(sluice_dpdk::tsc_hz(&eal) > 1_000_000);
        let (start, time) = (sluice_dpdk::tsc(), std::time::Instant::now());
        std::thread::sleep(std::time::Duration::from_millis(50));
        let ticks = (sluice_dpdk::tsc() - start) as f64 / sluice_dpdk::tsc_hz(&eal) as f64;
        assert!((ticks / time.elapsed().as_secs_f64() - 1.0).abs() < 0.1, "{ticks}");
        let again = Eal::init(EalOptions::new().huge_pages(HugePages::Never)).err();
        assert!(matches!(again, Some(EalError::AlreadyStarted)));
        drop(eal);
        let again = Eal::init(EalOptions::new().huge_pages(HugePages::Never)).err();
        assert!(matches!(again, Some(EalError::AlreadyStarted)));
    });
}

#[test]
fn a_refused_start_says_why() {
    isolated("a_refused_start_says_why", || {
        // Refused before DPDK is touched, so that a second attempt can work.
        assert!(matches!(Eal::init(EalOptions::new().memory_mib(1)), Err(EalError::TooLittleMemory { .. })));
        let options = EalOptions::new().huge_pages(HugePages::Never).memory_mib(32).main_cpu(900);
        let error = Eal::init(options.on_log(|_, _| ())).err().unwrap();
        let text = error.to_string();
        assert!(matches!(error, EalError::Init { .. }) && text.contains("DPDK said"), "{text}");
        println!("{text}");
    });
}

#[test]
fn log_lines_go_to_the_sink_with_their_level() {
    isolated("log_lines_go_to_the_sink_with_their_level", || {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        let options = EalOptions::new().huge_pages(HugePages::Never).memory_mib(32).log_level(LogLevel::Info);
        let options = options.on_log(move |level, line| sink.lock().unwrap().push((level, line.to_owned())));
        let eal = Eal::init(options).unwrap();
        assert!(eal.attach(&"net_nosuchdriver0".parse().unwrap()).is_err());
        let lines = lines.lock().unwrap();
        assert!(
            lines.iter().any(|(level, line)| *level == LogLevel::Info && line.starts_with("EAL: ")),
            "{lines:?}"
        );
        assert!(lines.iter().any(|(level, _)| *level == LogLevel::Error), "{lines:?}");
        assert!(lines.iter().all(|(_, line)| !line.ends_with('\n')));
    });
}

#[test]
fn devices_come_and_go_by_name() {
    isolated("devices_come_and_go_by_name", || {
        let eal = small_pages();
        let null = "net_null0".parse().unwrap();
        eal.attach(&null).unwrap();
        assert!(matches!(eal.attach(&null), Err(AttachError::Exists(name)) if name == "net_null0"));
        let pool = pool(&eal, 1023);
        let opened = Port::open(&eal, "net_null0", &PortOptions::new(1, 1), &pool).unwrap();
        assert!(matches!(eal.detach("net_null0"), Err(AttachError::InUse(_))));
        drop(opened);
        assert!(matches!(eal.detach("net_null0"), Err(AttachError::NotFound(_))));
        eal.attach(&null).unwrap();
        eal.detach("net_null0").unwrap();
        let text = eal.attach(&"net_nosuchdriver0,a=b".parse().unwrap()).unwrap_err().to_string();
        assert!(text.contains("net_nosuchdriver0,a=b") && text.contains("likely cause"), "{text}");
        // Fifty rounds: neither ports nor names are used up.
        for _ in 0..50 {
            eal.attach(&null).unwrap();
            drop(Port::open(&eal, "net_null0", &PortOptions::new(1, 1), &pool).unwrap());
        }
        assert_full(&pool);
    });
}

#[test]
fn a_device_may_be_named_at_the_start() {
    isolated("a_device_may_be_named_at_the_start", || {
        let options = EalOptions::new().huge_pages(HugePages::Never).memory_mib(64);
        let eal = Eal::init(options.device("net_null7,size=80".parse().unwrap())).unwrap();
        let pool = pool(&eal, 1023);
        let opened = Port::open(&eal, "net_null7", &PortOptions::new(1, 1), &pool).unwrap();
        // The environment's own handle may go first.
        drop(eal);
        drop(opened);
        assert_full(&pool);
    });
}

#[test]
fn shareable_memory_leaves_no_files() {
    isolated("shareable_memory_leaves_no_files", || {
        let prefix = format!("sluice-test-{}", std::process::id());
        let options = EalOptions::new().huge_pages(HugePages::Never).memory_mib(32).shareable_memory(true);
        let eal = Eal::init(options.file_prefix(&prefix)).unwrap();
        let folder = Path::new("/var/run/dpdk").join(&prefix);
        assert!(folder.is_dir());
        drop(eal);
        assert!(!folder.exists());
    });
}

#[test]
fn threads_become_lcores_and_stop_being_them() {
    isolated("threads_become_lcores_and_stop_being_them", || {
        let eal = small_pages();
        let before = cpus();
        let last = *before.last().unwrap();
        // More than DPDK has lcores, so ids come back.
        for _ in 0..300 {
            let eal = eal.clone();
            let before = before.clone();
            std::thread::spawn(move || {
                let lcore = Lcore::attach(&eal, last).unwrap();
                assert!(lcore.id() > 0);
                assert_eq!(cpus(), [last]);
                assert!(
                    matches!(Lcore::attach(&eal, last), Err(LcoreError::Already(id)) if id == lcore.id())
                );
                drop(lcore);
                assert_eq!(cpus(), before);
            })
            .join()
            .unwrap();
        }
        // The thread that started EAL is lcore 0.
        let main = Lcore::attach(&eal, last).unwrap();
        assert_eq!((main.id(), main.cpu()), (0, last));
        drop(main);
        assert_eq!(cpus(), before);
        let refused =
            std::thread::spawn(move || Lcore::attach(&eal, 900).err().map(|error| error.to_string()));
        let text = refused.join().unwrap().unwrap();
        assert!(text.contains("CPU 900") && text.contains("likely cause"), "{text}");
    });
}

fn cpus() -> Vec<usize> {
    let set = sched_getaffinity(None).unwrap();
    (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
}
