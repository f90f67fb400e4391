//! Descriptions of any bytes: an answer, safe, and one that the sanitiser leaves alone.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| passerelle_fuzz::html(data));
