//! Any bytes as what a balancer's connection begins with.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| sluice_ingress::fuzz::proxy(data));
