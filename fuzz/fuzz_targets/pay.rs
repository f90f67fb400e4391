//! Pay labels and sentences of any bytes: an answer with bounds in order, or none.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| passerelle_fuzz::pay(data));
