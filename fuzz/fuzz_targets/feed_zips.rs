//! Archives of any bytes, behind lengths of any number; what is cut within one is not whole.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| passerelle_fuzz::feed_zips(data));
