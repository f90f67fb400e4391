//! Archives of any bytes, behind lengths of any number; what is cut within one is not whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passerelle::pull::connector::file::Kind;
use passerelle_fuzz::read;

fuzz_target!(|data: &[u8]| {
    read(Kind::Zips, &["offerDetail"], data);
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX).saturating_add(3);
    let cut = [&length.to_le_bytes()[..], b"PK", data].concat();
    assert!(!read(Kind::Zips, &["offerDetail"], &cut).0);
});
