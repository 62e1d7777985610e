//! Any text as a zone file; of what is taken every record is found.
#![no_main]
libfuzzer_sys::fuzz_target!(|text: &str| sluice_resolver::fuzz::zone_file(text));
