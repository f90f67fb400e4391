//! A feed of XML of any bytes; and a list that is whole is no longer so without its end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passerelle::pull::connector::file::Kind;
use passerelle_fuzz::read;

fuzz_target!(|data: &[u8]| {
    let path = &["jobs", "job"];
    read(Kind::Xml, path, data);
    let list = [b"<jobs><job><id>1</id></job>".as_slice(), data, b"</jobs>"].concat();
    if read(Kind::Xml, path, &list).0 {
        // What follows the end of the list may be cut off; the list itself may not.
        let part = &list[..b"<jobs><job><id>1</id></jo".len()];
        assert!(!read(Kind::Xml, path, part).0);
    }
});
