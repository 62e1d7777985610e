//! Any bytes as what a peer on the feed socket sends.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = sluice_feed::decode_stream(data);
});
