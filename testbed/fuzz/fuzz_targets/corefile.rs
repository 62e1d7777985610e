//! Any bytes as a Corefile; what is right is written so that it is read as the same.
#![no_main]

#[path = "../../../control-plane/corefile/tests/common/hostile.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|data: &[u8]| hostile::run(data));
