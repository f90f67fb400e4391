//! A feed of XML of any bytes; and a list that is whole is no longer so without its end.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| passerelle_fuzz::feed_xml(data));
