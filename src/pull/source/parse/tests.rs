//! What every parser owes: records in order, faults that stay one record's, and no cut document
//! that passes for a whole one.

mod faults;

use super::*;
use serde_json::json;

fn plan(kind: Kind, path: &str) -> Plan {
    Plan {
        kind,
        paths: vec![
            path.split('.')
                .filter(|k| !k.is_empty())
                .map(str::to_owned)
                .collect(),
        ],
        csv: CsvTable::default(),
        html: HtmlTable::default(),
        encoding: None,
        record_bytes: 4096,
        recall: None,
    }
}

struct Got {
    records: Vec<Value>,
    broken: Vec<String>,
    end: ParseEnd,
}

fn run(bytes: &[u8], plan: &Plan) -> Got {
    let mut records = Vec::new();
    let mut broken = Vec::new();
    let is_record = |value: &Value| value.get("id").is_some();
    let end = parse(bytes, plan, &is_record, &mut |item| {
        match item {
            Item::Record(record) => records.push(record.tree),
            Item::Known(known) => panic!("{known:?}"),
            Item::Broken { why, .. } => broken.push(why),
        }
        true
    });
    Got {
        records,
        broken,
        end,
    }
}

/// A reader that hands out few bytes at a time.
struct Trickle<'b>(&'b [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.1.min(buffer.len()).min(self.0.len());
        buffer[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

const JSON: &str = r#"{"count": 2, "data": {"jobs": [
  {"id": 1, "title": "Aide-soignant \"nuit\" [H/F]", "x": null},
  {"id": -2, "title": "Infirmière", "n": {"a": [1, 2]}}
]}, "next": "/page/2"}"#;

const XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- synthetic --><source><publisher>X</publisher><count>2</count>
<job id="1"><title><![CDATA[Aide-soignant <b>nuit</b> ]]></title><job_type>CDI</job_type></job>
<job id="2"><title>Infirmi&#232;re &amp; cadre</title><place code="70">Vesoul</place><place>Lure</place></job>
</source>
"#;

const CSV: &str =
    "Référence;Titre;Texte\n1;Aide-soignant;\"Jour\net \"\"nuit\"\"\"\n2;Infirmière;x\n";

#[test]
fn a_null_in_the_list_is_a_refused_record() {
    let got = run(
        br#"{"jobs": [{"id": 1}, null, {"id": 2}]}"#,
        &plan(Kind::Json, "jobs"),
    );
    assert_eq!(got.end.wholeness, Wholeness::Whole);
    assert_eq!(got.records.len(), 2);
    assert_eq!(got.broken.len(), 1, "{:?}", got.broken);
    assert_eq!(got.end.items, 3);
}

#[test]
fn json_records_and_envelope() {
    let got = run(JSON.as_bytes(), &plan(Kind::Json, "data.jobs"));
    assert_eq!(got.end.wholeness, Wholeness::Whole);
    assert_eq!(got.records.len(), 2);
    assert_eq!(got.records[0]["title"], "Aide-soignant \"nuit\" [H/F]");
    assert_eq!(
        got.records[1],
        json!({"id": -2, "title": "Infirmière", "n": {"a": [1, 2]}})
    );
    assert_eq!(got.end.envelope["count"], 2);
    assert_eq!(got.end.envelope["next"], "/page/2");
}

#[test]
fn xml_records_and_envelope() {
    let got = run(XML.as_bytes(), &plan(Kind::Xml, "source.job"));
    assert_eq!(got.end.wholeness, Wholeness::Whole);
    assert_eq!(
        got.records,
        vec![
            json!({"@id": "1", "title": "Aide-soignant <b>nuit</b>", "job_type": "CDI"}),
            json!({"@id": "2", "title": "Infirmière & cadre",
                   "place": [{"@code": "70", "#text": "Vesoul"}, "Lure"]}),
        ]
    );
    assert_eq!(got.end.envelope["source"]["count"], "2");
}

#[test]
fn csv_records() {
    let got = run(CSV.as_bytes(), &plan(Kind::Csv, ""));
    assert_eq!(got.end.wholeness, Wholeness::Whole);
    assert_eq!(
        got.records,
        vec![
            json!({"Référence": "1", "Titre": "Aide-soignant", "Texte": "Jour\net \"nuit\""}),
            json!({"Référence": "2", "Titre": "Infirmière", "Texte": "x"}),
        ]
    );
}

/// Where a cut of `text` cannot be seen by any reader: at the ends of CSV rows and JSON lines.
fn is_row_end(kind: Kind, text: &str, cut: usize) -> bool {
    matches!(kind, Kind::Csv) && text.as_bytes()[..cut].ends_with(b"\n") && {
        text.as_bytes()[..cut]
            .iter()
            .filter(|b| **b == b'"')
            .count()
            % 2
            == 0
    }
}

#[test]
fn a_document_cut_anywhere_is_not_whole() {
    for (kind, path, text) in [
        (Kind::Json, "data.jobs", JSON),
        (Kind::Xml, "source.job", XML.trim_end()),
        (Kind::Csv, "", CSV),
        (Kind::Json, "", r#"[{"id":1,"t":"é"},{"id":2}]"#),
    ] {
        let plan = plan(kind, path);
        let whole = run(text.as_bytes(), &plan);
        assert_eq!(whole.end.wholeness, Wholeness::Whole, "{kind:?}");
        for cut in 1..text.len() {
            if is_row_end(kind, text, cut) || text[..].as_bytes()[..cut].trim_ascii().is_empty() {
                continue;
            }
            let got = run(&text.as_bytes()[..cut], &plan);
            assert_ne!(got.end.wholeness, Wholeness::Whole, "{kind:?} cut at {cut}");
            assert!(got.records.len() <= whole.records.len());
            assert_eq!(
                got.records,
                whole.records[..got.records.len()],
                "{kind:?} cut at {cut}"
            );
        }
    }
}

#[test]
fn chunks_do_not_matter() {
    for (kind, path, text) in [
        (Kind::Json, "data.jobs", JSON),
        (Kind::Xml, "source.job", XML),
        (Kind::Csv, "", CSV),
    ] {
        let plan = plan(kind, path);
        let whole = run(text.as_bytes(), &plan);
        for size in [1, 2, 3, 7, 11] {
            let mut records = Vec::new();
            let end = parse(
                Trickle(text.as_bytes(), size),
                &plan,
                &|_| true,
                &mut |item| {
                    if let Item::Record(Record { tree: value, .. }) = item {
                        records.push(value);
                    }
                    true
                },
            );
            assert_eq!(end.wholeness, Wholeness::Whole, "{kind:?} by {size}");
            assert_eq!(records, whole.records, "{kind:?} by {size}");
        }
    }
}

#[test]
fn empty_documents_are_empty() {
    for (kind, path, text) in [
        (Kind::Json, "data", ""),
        (Kind::Json, "data", "  \n"),
        (Kind::Json, "data", "{}"),
        (Kind::Json, "data", "[]"),
        (Kind::Json, "", "[]"),
        (Kind::Json, "", "{}"),
        (Kind::Json, "data", r#"{"data": []}"#),
        (Kind::Json, "data", r#"{"data": null}"#),
        (Kind::Json, "data", r#"{"data": {}}"#),
        (Kind::Xml, "source.job", ""),
        (Kind::Xml, "source.job", "<source></source>"),
        (Kind::Xml, "source.job", "<?xml version='1.0'?><source/>\n"),
        (Kind::Csv, "", ""),
        (Kind::Csv, "", "a;b\n"),
    ] {
        let got = run(text.as_bytes(), &plan(kind, path));
        assert_eq!(got.end.wholeness, Wholeness::Whole, "{kind:?} {text:?}");
        assert!(
            got.records.is_empty() && got.broken.is_empty(),
            "{kind:?} {text:?}"
        );
    }
}

#[test]
fn strangers_are_told() {
    for (kind, path, text) in [
        (Kind::Json, "data", "<html><body>Connexion</body></html>"),
        (Kind::Json, "data", r#"{"error": "no such company"}"#),
        (Kind::Json, "", r#"{"error": "no such company"}"#),
        (Kind::Json, "data", r#"{"data": {"message": "x"}}"#),
        (Kind::Json, "data", r#"{"data": "soon"}"#),
        (Kind::Json, "data", "Not Found"),
        (
            Kind::Xml,
            "source.job",
            "<!DOCTYPE html><html><body><p>x<br></body></html>",
        ),
        (Kind::Xml, "source.job", "<error><code>500</code></error>"),
        (Kind::Xml, "source.job", "{\"a\": 1}"),
        (Kind::Csv, "", "<html></html>"),
        (Kind::Csv, "", "{\"error\": 1}"),
    ] {
        let got = run(text.as_bytes(), &plan(kind, path));
        let told = matches!(got.end.wholeness, Wholeness::Alien(_) | Wholeness::Cut(_))
            || (text.contains("error") && got.records.is_empty() && path.is_empty());
        assert!(told, "{kind:?} {text:?}: {:?}", got.end.wholeness);
        assert!(got.records.is_empty(), "{kind:?} {text:?}");
    }
}

#[test]
fn one_broken_record_is_one_records_problem() {
    let json = "[{\"id\":1},{\"id\":2,\"t\":tru},{\"id\":3,\"t\":\"a\tb\nc\"},[4],{\"id\":5}]";
    let got = run(json.as_bytes(), &plan(Kind::Json, ""));
    assert_eq!(got.end.wholeness, Wholeness::Whole);
    assert_eq!(got.records.len(), 3);
    assert_eq!(got.records[1]["t"], "a\tb\nc");
    assert_eq!(got.broken.len(), 2);

    let xml = "<s><j><a>1</a></j><j><a>2</b></j><j><a>B & C<br>D</a></j><j><a>x < 3</a></j></s>";
    let got = run(xml.as_bytes(), &plan(Kind::Xml, "s.j"));
    assert_eq!(got.end.wholeness, Wholeness::Whole);
    assert_eq!(got.broken.len(), 1, "{:?}", got.broken);
    assert_eq!(got.records[1]["a"], "B &amp; C<br/>D");
    assert_eq!(got.records[2]["a"], "x < 3");

    let csv = "a,b\n1,2\n3,4,5\n6,7\n8\n9,10\n";
    let got = run(csv.as_bytes(), &plan(Kind::Csv, ""));
    assert_eq!(got.end.wholeness, Wholeness::Whole);
    assert_eq!((got.records.len(), got.broken.len()), (4, 1));
}

#[test]
fn a_huge_record_is_refused_and_the_rest_goes_on() {
    let huge = "x".repeat(10_000);
    let json = format!("[{{\"id\":1,\"t\":\"{huge}\"}},{{\"id\":2}}]");
    let got = run(json.as_bytes(), &plan(Kind::Json, ""));
    assert_eq!((got.records.len(), got.broken.len()), (1, 1));
    let xml = format!("<s><j>{huge}</j><j>2</j></s>");
    let got = run(xml.as_bytes(), &plan(Kind::Xml, "s.j"));
    assert_eq!((got.records.len(), got.broken.len()), (1, 1));
    let csv = format!("a\n{huge}\n2\n");
    let got = run(csv.as_bytes(), &plan(Kind::Csv, ""));
    assert_eq!((got.records.len(), got.broken.len()), (1, 1));
}

#[test]
fn single_objects_and_lines() {
    let got = run(br#"{"data": {"id": 1}}"#, &plan(Kind::Json, "data"));
    assert_eq!(
        (got.end.wholeness, got.records.len()),
        (Wholeness::Whole, 1)
    );
    // Without its line end, an object alone may be the first of many: it is read, and proves nothing.
    for (end, whole) in [("\n", true), ("", false)] {
        for object in [
            r#"{"id": 1, "title": "x"}"#,
            "{\n\"id\": 1,\n\"title\": \"x\"\n}",
        ] {
            let got = run(format!("{object}{end}").as_bytes(), &plan(Kind::Json, ""));
            assert_eq!(got.records.len(), 1, "{object:?}");
            assert_eq!(got.end.wholeness == Wholeness::Whole, whole, "{object:?}");
        }
    }
    let got = run(
        b"{\"id\":1}\n{\"id\":2,\"t\":soon}\n\n{\"id\":3}\n",
        &plan(Kind::Json, ""),
    );
    assert_eq!(got.end.wholeness, Wholeness::Whole);
    assert_eq!((got.records.len(), got.broken.len()), (2, 1));
    let got = run(b"{\"id\":1}\n{\"id\":2}", &plan(Kind::Json, ""));
    assert!(matches!(got.end.wholeness, Wholeness::Cut(_)));
    // A bare list where an object with the list was expected.
    let got = run(br#"[{"id": 1}]"#, &plan(Kind::Json, "data"));
    assert_eq!(
        (got.end.wholeness, got.records.len()),
        (Wholeness::Whole, 1)
    );
}

#[test]
fn encodings() {
    let latin: Vec<u8> = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><s><j>été</j></s>"
        .chars()
        .map(|c| u8::try_from(u32::from(c)).expect("latin"))
        .collect();
    let got = run(&latin, &plan(Kind::Xml, "s.j"));
    assert_eq!(got.records, vec![json!("été")]);
    // Declared as one, written as the other.
    let wrong = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><s><j>été</j></s>";
    assert_eq!(
        run(wrong.as_bytes(), &plan(Kind::Xml, "s.j")).records,
        vec![json!("été")]
    );
    let mut utf16 = vec![0xff, 0xfe];
    utf16.extend("a;b\né;2\n".encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(
        run(&utf16, &plan(Kind::Csv, "")).records,
        vec![json!({"a": "é", "b": "2"})]
    );
    let escaped = br#"<?xml version=\"1.0\" encoding=\"UTF-8\"?><s><j>x</j></s>"#;
    assert_eq!(
        run(escaped, &plan(Kind::Xml, "s.j")).records,
        vec![json!("x")]
    );
}

#[test]
fn entities_are_not_expanded() {
    let bomb = "<!DOCTYPE s [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY x SYSTEM \"file:///etc/passwd\">]><s><j>&a;&x;</j></s>";
    let got = run(bomb.as_bytes(), &plan(Kind::Xml, "s.j"));
    assert_eq!(got.records, vec![json!("&a;&x;")]);
}

#[test]
fn deep_nesting_is_refused() {
    let deep = format!(
        "<s><j>{}{}</j></s>",
        "<a>".repeat(5000),
        "</a>".repeat(5000)
    );
    let mut roomy = plan(Kind::Xml, "s.j");
    roomy.record_bytes = 1 << 20;
    assert_eq!(run(deep.as_bytes(), &roomy).broken.len(), 1);
    let deep = format!("[{{\"a\":{}{}}}]", "[".repeat(5000), "]".repeat(5000));
    roomy.kind = Kind::Json;
    roomy.paths = vec![Vec::new()];
    assert_eq!(run(deep.as_bytes(), &roomy).broken.len(), 1);
}

#[test]
fn csv_forms() {
    for (text, expected) in [
        ("a,b\r\n1,2\r\n", json!({"a": "1", "b": "2"})),
        ("\u{feff}a\tb\n1\t2\n", json!({"a": "1", "b": "2"})),
        (
            "\"a\"|\"b\"\n\"1\"|\"2|3\"\n",
            json!({"a": "1", "b": "2|3"}),
        ),
        (
            "a;a;\n1;2;3\n",
            json!({"a": "1", "a_2": "2", "column_3": "3"}),
        ),
        ("a;b\n1 \"x\";2\n", json!({"a": "1 \"x\"", "b": "2"})),
    ] {
        assert_eq!(
            run(text.as_bytes(), &plan(Kind::Csv, "")).records,
            vec![expected],
            "{text:?}"
        );
    }
    let mut open = plan(Kind::Csv, "");
    open.csv.final_newline = Some(false);
    open.csv.fold_header = true;
    let got = run("Date de début;N° d'offre\n1;2".as_bytes(), &open);
    assert_eq!(got.end.wholeness, Wholeness::Whole);
    assert_eq!(
        got.records,
        vec![json!({"date_de_debut": "1", "n_d_offre": "2"})]
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_make_a_parser_panic(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        text in "[<>/a-c\"'&;,:\\[\\]{} \n!\\-?=]{0,80}",
    ) {
        for kind in [Kind::Json, Kind::Xml, Kind::Csv] {
            for path in ["", "a", "a.b"] {
                run(&bytes, &plan(kind, path));
                run(text.as_bytes(), &plan(kind, path));
            }
        }
    }

    #[test]
    fn a_cut_list_is_never_whole(
        titles in proptest::collection::vec("[a-zA-Zé\"\\\\<&\\]}> ]{0,12}", 1..6),
        share in 0.0f64..1.0,
    ) {
        let records: Vec<Value> = titles.iter().map(|t| json!({"id": 1, "t": t})).collect();
        let text = json!({"a": {"b": records}}).to_string();
        let cut = 1 + ((text.len() - 2) as f64 * share) as usize;
        let got = run(&text.as_bytes()[..cut], &plan(Kind::Json, "a.b"));
        proptest::prop_assert_ne!(got.end.wholeness, Wholeness::Whole);
        let items: String = titles
            .iter()
            .map(|t| format!("<b>{}</b>", quick_xml::escape::escape(t)))
            .collect();
        let text = format!("<a>{items}</a>");
        let cut = 1 + ((text.len() - 2) as f64 * share) as usize;
        let got = run(&text.as_bytes()[..cut], &plan(Kind::Xml, "a.b"));
        proptest::prop_assert_ne!(got.end.wholeness, Wholeness::Whole);
    }
}
