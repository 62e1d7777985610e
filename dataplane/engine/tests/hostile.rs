//! What the fuzzer found and where it has been, replayed; and inputs from a generator that needs no fuzzer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "common/hostile.rs"]
mod hostile;

use proptest::prelude::*;

#[test]
fn the_fuzzers_corpus_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testbed/fuzz/corpus/burst");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the corpus is part of the project") {
        hostile::run(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "the corpus is empty");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn random_input_loses_no_packet(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        hostile::run(&data);
    }
}
