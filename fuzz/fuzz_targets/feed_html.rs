//! A page of any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use passerelle::pull::connector::file::Kind;
use passerelle_fuzz::read;

fuzz_target!(|data: &[u8]| {
    read(Kind::Html, &[], data);
    let page = [b"<!doctype html><ul><li><h2>A</h2>".as_slice(), data].concat();
    read(Kind::Html, &[], &page);
});
