//! A feed of JSON of any bytes; and a list that is whole is no longer so without its end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passerelle::pull::connector::file::Kind;
use passerelle_fuzz::read;

fuzz_target!(|data: &[u8]| {
    let path = &["jobs"];
    read(Kind::Json, path, data);
    let list = [b"{\"jobs\":[{\"id\":1},".as_slice(), data, b"]}"].concat();
    if read(Kind::Json, path, &list).0 {
        for cut in [1, 2, 1 + data.len() / 2] {
            let part = &list[..list.len() - cut];
            assert!(
                !read(Kind::Json, path, part).0,
                "{}",
                String::from_utf8_lossy(part)
            );
        }
    }
});
