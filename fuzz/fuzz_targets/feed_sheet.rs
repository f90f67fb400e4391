//! A workbook of any bytes, of either office.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| passerelle_fuzz::feed_sheet(data));
