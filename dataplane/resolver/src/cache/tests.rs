use std::collections::HashMap;

use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::A;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

fn key(number: u32) -> Key {
    let name = Name::from_ascii(format!("n{number}.example.")).unwrap();
    Key { name, rtype: RecordType::A, dnssec: number.is_multiple_of(2), checking_disabled: false }
}

fn answer(ttl: u32) -> Arc<Answer> {
    let record = Record::from_rdata(Name::root(), ttl, RData::A(A::new(192, 0, 2, 1)));
    Arc::new(Answer { answers: vec![record], ..Answer::default() })
}

#[test]
fn a_store_finds_what_was_put_in_last_and_keeps_its_bounds() {
    for (entries, bytes) in [(1, 10_000), (7, 10_000), (200, 20_000), (200, 2_000)] {
        let store = Store::new(entries, bytes);
        let mut last: HashMap<u32, u32> = HashMap::new();
        let mut random = StdRng::seed_from_u64(7);
        let now = Instant::now();
        for step in 1..20_000 {
            let number = random.random_range(0..300);
            match random.random_range(0..10) {
                0 => {
                    store.remove(&key(number));
                    last.remove(&number);
                }
                1..=4 => {
                    let size = random.random_range(1..400);
                    store.insert(&key(number), Entry::new(answer(1), now, step), size, now, Duration::ZERO);
                    last.insert(number, step);
                }
                _ => {
                    if let Some(found) = store.find(&key(number), now, None) {
                        assert_eq!(Some(&found.entry.ttl), last.get(&number));
                    }
                }
            }
            assert!(store.len() <= entries && store.bytes() <= bytes);
        }
        assert!(store.len() > 0 && store.evictions() > 0);
    }
}

#[test]
fn what_is_larger_than_all_room_is_not_kept_and_pushes_nothing_out() {
    let (store, now) = (Store::new(100, 1000), Instant::now());
    store.insert(&key(1), Entry::new(answer(1), now, 60), 500, now, Duration::ZERO);
    store.insert(&key(2), Entry::new(answer(1), now, 60), 1001, now, Duration::ZERO);
    assert!(store.find(&key(1), now, None).is_some() && store.find(&key(2), now, None).is_none());
}

#[test]
fn time_runs_out_to_the_second() {
    let (begin, second) = (Instant::now(), Duration::from_secs(1));
    let entry = Entry::new(answer(3), begin, 3);
    let left = |milliseconds| entry.left(begin + Duration::from_millis(milliseconds));
    assert_eq!([left(0), left(999), left(1000), left(2000)], [Some(3), Some(2), Some(2), Some(1)]);
    assert_eq!([left(2999), left(3000), left(9000)], [Some(1), None, None]);
    assert_eq!((entry.overdue(begin + second), entry.overdue(begin + second * 5)), (None, Some(second * 2)));
}
