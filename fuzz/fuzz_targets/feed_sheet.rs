//! A workbook of any bytes, of either office.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passerelle::pull::connector::file::Kind;
use passerelle_fuzz::read;

fuzz_target!(|data: &[u8]| {
    read(Kind::Xlsx, &[], data);
    read(Kind::Ods, &[], data);
});
