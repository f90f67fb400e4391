//! A table of any bytes; and a table without the end of its last row is not whole.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| passerelle_fuzz::feed_csv(data));
