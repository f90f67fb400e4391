//! The fuzz targets' bodies under the stable toolchain: on seeds, and on what is made of them by
//! cutting, doubling, crossing and overwriting. `PROPTEST_CASES` says how many a target.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use proptest::prelude::*;
use proptest::sample::{Index, select};

const HTML: &str = "<p onclick=\"x()\">Soins &amp;amp; accueil<br>2 100 € <ul><li>DEAS<li>nuit</ul>\
    <script>alert('x')</script><a href=\"javascript:1\">ici</a><table><tr><td>a</table>";
const PAY: &str = "De 2 100,50 à 2 400 € brut mensuel sur 13 mois, prime Ségur 183 €, 12,5 €/h";
const JSON: &str = "{\"jobs\":[{\"id\":1,\"titre\":\"Infirmier \\u00e9t\\u00e9\",\"lieux\":[{\"cp\":\"70000\"}]},\
    {\"id\":-2,\"n\":1e5},null],\"total\":2}\n{\"id\":3}";
const XML: &str = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><!-- --><jobs xmlns:g=\"u\"><job id='1'><g:t>A &amp; B</g:t>\
    <![CDATA[<p>x</p>]]><br></job><job/><job><id>2</id></job></jobs>";
const CSV: &str =
    "id;titre;\"corps\"\r\n1;\"Aide-soignant; nuit\";\"dit \"\"oui\"\"\r\nsuite\"\r\n2,b\tc\r\n";
const PAGE: &str = "<!doctype html><article><h2>A</h2><a href=/1>x</a></article><tr><td>B<tr><td>C</table>\
    <a rel=next href='?p=2'>suite</a>";

/// Two zipped entries as a workbook or an archive of offers has them, stored and deflated.
fn zip() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let plain = zip::write::SimpleFileOptions::default();
    for (name, text) in [
        ("offer.xml", "<offerDetail><id>1</id></offerDetail>"),
        (
            "content.xml",
            "<office:document-content><table:table/></office:document-content>",
        ),
        ("xl/workbook.xml", "<workbook><sheets/></workbook>"),
    ] {
        zip.start_file(name, plain).unwrap();
        std::io::Write::write_all(&mut zip, text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn seeds() -> Vec<Vec<u8>> {
    let archive = zip();
    let length = u32::try_from(archive.len()).unwrap();
    let framed = [&length.to_le_bytes()[..], &archive].concat();
    let utf16: Vec<u8> = XML.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let texts = [HTML, PAY, JSON, XML, CSV, PAGE, "", "\u{feff}[]"];
    let texts = texts.into_iter().map(|text| text.as_bytes().to_vec());
    texts.chain([archive, framed, utf16]).collect()
}

/// One change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Cut(Index),
    Behead(Index),
    Overwrite(Index, u8),
    Insert(Index, Vec<u8>),
    Double(Index, Index),
    Cross(Index, Index, Vec<u8>),
}

impl Change {
    fn on(&self, bytes: &mut Vec<u8>) {
        let at = |index: &Index, length: usize| index.index(length + 1);
        let length = bytes.len();
        match self {
            Self::Cut(index) => bytes.truncate(at(index, length)),
            Self::Behead(index) => drop(bytes.drain(..at(index, length))),
            Self::Overwrite(index, byte) => {
                if let Some(known) = bytes.get_mut(at(index, length)) {
                    *known = *byte;
                }
            }
            Self::Insert(index, more) => {
                let at = at(index, length);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Double(first, second) => {
                let (first, second) = (at(first, length), at(second, length));
                let part = bytes[first.min(second)..first.max(second)].to_vec();
                bytes.splice(first..first, part);
            }
            Self::Cross(here, there, other) => {
                bytes.truncate(at(here, length));
                bytes.extend_from_slice(&other[at(there, other.len())..]);
            }
        }
    }
}

/// Words that mean something to one of the parsers.
const WORDS: [&str; 18] = [
    "<",
    ">",
    "</job>",
    "<![CDATA[",
    "]]>",
    "&",
    "&#x0;",
    "\"",
    "[",
    "]}",
    "{",
    "\\u",
    ";",
    "\r\n",
    "\u{feff}",
    "<!--",
    "€",
    "PK\u{1}\u{2}",
];

fn change() -> impl Strategy<Value = Change> {
    let word = select(WORDS.as_slice()).prop_map(|word| word.as_bytes().to_vec());
    let more = prop_oneof![3 => word, 1 => prop::collection::vec(any::<u8>(), 1..6)];
    let spot = any::<Index>;
    prop_oneof![
        spot().prop_map(Change::Cut),
        spot().prop_map(Change::Behead),
        (spot(), any::<u8>()).prop_map(|(at, byte)| Change::Overwrite(at, byte)),
        (spot(), more).prop_map(|(at, more)| Change::Insert(at, more)),
        (spot(), spot()).prop_map(|(a, b)| Change::Double(a, b)),
        (spot(), spot(), select(seeds())).prop_map(|(a, b, other)| Change::Cross(a, b, other)),
    ]
}

#[test]
fn each_target_answers_each_seed() {
    for (name, target) in targets::TARGETS {
        for seed in seeds() {
            eprintln!("{name}: {}", String::from_utf8_lossy(&seed));
            target(&seed);
        }
    }
}

proptest! {
    #[test]
    fn each_target_answers_what_is_made_of_the_seeds(
        seed in select(seeds()),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let mut bytes = seed;
        changes.iter().for_each(|change| change.on(&mut bytes));
        for (_, target) in targets::TARGETS {
            target(&bytes);
        }
    }
}
