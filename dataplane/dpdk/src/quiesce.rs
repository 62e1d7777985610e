//! Knowing that no thread is inside DPDK's packet calls, at no cost to the threads that are.
//!
//! A pool's memory may be unmapped only when all its buffers are home *and* no thread is still in the middle of putting
//! one there. DPDK's own count cannot tell: while a per-lcore cache is flushed, buffers are counted twice. So every call
//! that can give a buffer back runs inside [`enter`], which sets a flag in memory that only its thread writes (two plain
//! stores), and [`exclusive`] pays for everybody: it raises a flag, has the kernel run a memory barrier on every CPU that
//! runs this process (`membarrier(2)`), and waits until each thread's flag is down. New calls wait for it meanwhile.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering, compiler_fence};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::thread::{MembarrierCommand, membarrier, membarrier_query};

/// Runs a call of DPDK that may give packet buffers back to their pools.
#[inline]
pub(crate) fn enter<R>(call: impl FnOnce() -> R) -> R {
    let slot = this_thread();
    // A log callback may run inside DPDK and drop a packet: then the outer call already stands for this one.
    if slot.busy.load(Ordering::Relaxed) {
        return call();
    }
    loop {
        slot.busy.store(true, Ordering::Relaxed);
        // Only the compiler is held to the order store, load; `exclusive` makes every CPU keep it.
        compiler_fence(Ordering::SeqCst);
        if !WANTED.load(Ordering::Acquire) {
            break;
        }
        slot.busy.store(false, Ordering::Release);
        wait_for_exclusive();
    }
    let _inside = Inside(slot);
    call()
}

/// Runs `body` while no thread is inside [`enter`]. `None`, without running it, where this thread itself is inside, or
/// where the kernel has no `membarrier`.
pub(crate) fn exclusive<R>(body: impl FnOnce() -> R) -> Option<R> {
    let mine = this_thread();
    if mine.busy.load(Ordering::Relaxed) || !barrier_available() {
        return None;
    }
    let _turn = lock(&TURN);
    WANTED.store(true, Ordering::SeqCst);
    let _lower = Lower;
    membarrier(MembarrierCommand::PrivateExpedited).ok()?;
    // A thread that registers after this line finds the flag raised: registering takes the same lock.
    let slots: Vec<&'static Slot> = lock(&SLOTS).clone();
    for slot in slots.into_iter().filter(|slot| !std::ptr::eq(*slot, mine)) {
        while slot.busy.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
    }
    // A log callback inside `body` may drop a packet on this thread: it must not wait for us.
    mine.busy.store(true, Ordering::Relaxed);
    let _inside = Inside(mine);
    Some(body())
}

/// A thread's flag, on a cache line of its own.
#[repr(align(64))]
struct Slot {
    busy: AtomicBool,
}

static WANTED: AtomicBool = AtomicBool::new(false);
static TURN: Mutex<()> = Mutex::new(());
static SLOTS: Mutex<Vec<&'static Slot>> = Mutex::new(Vec::new());
static SPARE: Mutex<Vec<&'static Slot>> = Mutex::new(Vec::new());

/// A thread inside [`enter`]; its flag goes down also when the call panics.
struct Inside(&'static Slot);

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}

/// Lowers the flag also when the body panics.
struct Lower;

impl Drop for Lower {
    fn drop(&mut self) {
        WANTED.store(false, Ordering::Release);
    }
}

/// Gives the slot to another thread when this one ends.
struct Lease(&'static Slot);

impl Drop for Lease {
    fn drop(&mut self) {
        FAST.set(None);
        lock(&SPARE).push(self.0);
    }
}

thread_local! {
    // Without a destructor, so reading it is one load.
    static FAST: Cell<Option<&'static Slot>> = const { Cell::new(None) };
    static LEASE: Cell<Option<Lease>> = const { Cell::new(None) };
}

#[inline]
fn this_thread() -> &'static Slot {
    match FAST.get() {
        Some(slot) => slot,
        None => register(),
    }
}

#[cold]
fn register() -> &'static Slot {
    let spare = lock(&SPARE).pop();
    let slot = spare.unwrap_or_else(|| {
        let slot: &'static Slot = Box::leak(Box::new(Slot { busy: AtomicBool::new(false) }));
        lock(&SLOTS).push(slot);
        slot
    });
    FAST.set(Some(slot));
    // Fails while the thread's locals are being destroyed: then the slot is not given on, which costs 64 bytes.
    let _ = LEASE.try_with(|lease| lease.set(Some(Lease(slot))));
    slot
}

#[cold]
fn wait_for_exclusive() {
    drop(lock(&TURN));
}

/// True where the kernel runs barriers for us; registers the process for them on the first call.
fn barrier_available() -> bool {
    static REGISTERED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *REGISTERED.get_or_init(|| {
        membarrier_query().contains_command(MembarrierCommand::PrivateExpedited)
            && membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
    })
}

/// No code panics while holding these locks in a way that leaves them inconsistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn exclusive_never_overlaps_a_call() {
        let inside = Arc::new(AtomicU32::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let (inside, stop) = (inside.clone(), stop.clone());
                std::thread::spawn(move || {
                    let mut calls = 0u64;
                    while !stop.load(Ordering::Relaxed) {
                        enter(|| {
                            inside.fetch_add(1, Ordering::Relaxed);
                            std::hint::spin_loop();
                            inside.fetch_sub(1, Ordering::Relaxed);
                        });
                        calls += 1;
                    }
                    calls
                })
            })
            .collect();
        for _ in 0..2000 {
            let seen = exclusive(|| {
                let first = inside.load(Ordering::Relaxed);
                for _ in 0..50 {
                    std::hint::spin_loop();
                }
                (first, inside.load(Ordering::Relaxed))
            });
            assert_eq!(seen, Some((0, 0)));
        }
        stop.store(true, Ordering::Relaxed);
        for worker in workers {
            assert!(worker.join().unwrap() > 0);
        }
    }

    #[test]
    fn exclusive_refuses_from_inside_a_call() {
        assert_eq!(enter(|| exclusive(|| ())), None);
        assert_eq!(enter(|| enter(|| 7)), 7);
        assert_eq!(exclusive(|| 8), Some(8));
    }

    #[test]
    fn slots_are_reused_by_later_threads() {
        for _ in 0..64 {
            std::thread::spawn(|| enter(|| ())).join().unwrap();
        }
        assert!(lock(&SLOTS).len() < 40);
    }
}
