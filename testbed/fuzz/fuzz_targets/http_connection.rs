//! Any bytes as a connection of HTTP/1: hyper understands what is let through as the filter in front of it does.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| sluice_ingress::fuzz::connection(data));
