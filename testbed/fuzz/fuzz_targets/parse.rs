//! Any bytes into the packet parser.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| sluice_wire::parse::fuzz_parse(data));
