//! Any bytes as what a peer on the feed socket sends: the first says which of both it is.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some((side, bytes)) = data.split_first() {
        let _ = sluice_feed::decode_stream(bytes, side & 1 == 0);
    }
});
