//! Whole bursts into the engine: raw frames, and well-formed packets with a few bytes changed, among changes of services
//! and time.
#![no_main]

#[path = "../../../dataplane/engine/tests/common/hostile.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostile::run(data));
