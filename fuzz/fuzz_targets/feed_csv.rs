//! A table of any bytes; and a table without the end of its last row is not whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passerelle::pull::connector::file::Kind;
use passerelle_fuzz::read;

fuzz_target!(|data: &[u8]| {
    read(Kind::Csv, &[], data);
    let table = [b"id;titre\n".as_slice(), data, b"\nZ;dernier"].concat();
    assert!(
        !read(Kind::Csv, &[], &table).0,
        "{}",
        String::from_utf8_lossy(&table)
    );
});
