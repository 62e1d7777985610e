//! Any bytes as what an upstream answers, and as what a client asks.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sluice_resolver::fuzz::upstream_reply(data);
    sluice_resolver::fuzz::request(data);
});
