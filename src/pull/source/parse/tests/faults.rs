//! One item's fault stays one item's: what comes after a torn record is still read.

use super::*;

fn ids(got: &Got) -> Vec<i64> {
    let id = |record: &Value| match &record["id"] {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    };
    got.records.iter().filter_map(id).collect()
}

#[test]
fn a_torn_json_record_costs_itself_only() {
    for (fault, torn) in [
        ("a quote too many", r#"{"id":2,"t":"5" de haut"}"#),
        (
            "quotes around a word",
            r#"{"id":2,"t":"poste "IDE" de nuit"}"#,
        ),
        (
            "a list that is not closed",
            r#"{"id":2,"tags":["a","b","t":"x"}"#,
        ),
        (
            "an object that is not closed",
            r#"{"id":2,"place":{"city":"Lure","t":"x"}"#,
        ),
        ("a closing bracket too many", r#"{"id":2,"t":tru}}"#),
        ("a bare word", r#"{"id":2,"t":soon}"#),
        ("no object", r#""id 2""#),
    ] {
        for gap in [",", ",\n  "] {
            let text = [
                r#"{"id":1,"t":"a"}"#,
                torn,
                r#"{"id":3,"t":"b"}"#,
                r#"{"id":4}"#,
            ]
            .join(gap);
            let text = format!("{{\"jobs\":[{text}],\"count\":4}}");
            let got = run(text.as_bytes(), &plan(Kind::Json, "jobs"));
            assert_eq!(ids(&got), [1, 3, 4], "{fault}: {text}");
            assert_eq!(got.broken.len(), 1, "{fault}: {:?}", got.broken);
            assert_eq!(got.end.wholeness, Wholeness::Whole, "{fault}");
            assert_eq!(got.end.envelope["count"], 4, "{fault}");
        }
    }
}

#[test]
fn what_json_forbids_and_sources_write_is_mended() {
    let got = run(
        b"\xef\xbb\xbf[{\"id\":1,\"t\":\"a\tb\nc\x00\",},{\"id\":2,\"pay\":NaN},\
          {\"id\":3,\"t\":\"l\\'h\\u00f4pital \\ud83d\"},\0{\"id\":4,\"t\":\"\\ud83d\\ude00\"}{\"id\":5},]",
        &plan(Kind::Json, ""),
    );
    assert_eq!(got.end.wholeness, Wholeness::Whole);
    assert!(got.broken.is_empty(), "{:?}", got.broken);
    assert_eq!(ids(&got), [1, 2, 3, 4, 5]);
    assert_eq!(got.records[2]["t"], "l'hôpital ");
    assert_eq!(got.records[3]["t"], "😀");
}

#[test]
fn lists_in_other_shapes() {
    for (fault, path, text) in [
        ("lines", "jobs", "{\"id\":1}\n{\"id\":2}\n"),
        ("lines with commas", "", "{\"id\":1},\n{\"id\":2},\n"),
        ("spread objects", "", "{\n \"id\":1\n}\n{\n \"id\":2\n}\n"),
        (
            "a keyed list",
            "jobs",
            r#"{"jobs":{"0":{"id":1},"2":{"id":2}}}"#,
        ),
    ] {
        let got = run(text.as_bytes(), &plan(Kind::Json, path));
        assert_eq!(ids(&got), [1, 2], "{fault}: {:?}", got.end);
        assert_eq!(got.end.wholeness, Wholeness::Whole, "{fault}");
        assert!(got.broken.is_empty(), "{fault}: {:?}", got.broken);
    }
}

#[test]
fn a_torn_xml_record_costs_itself_only() {
    for (fault, torn) in [
        ("no end tag", "<job><id>2</id><t>x</t>"),
        ("two end tags", "<job><id>2</id><t>x</u></job></job>"),
        ("another end tag", "<job><id>2</t></job>"),
        ("an open section", "<job><id>2</id><t><![CDATA[x</t></job>"),
        ("an open comment", "<job><id>2</id><!-- x</job>"),
        ("an end tag in other letters", "<job><id>2</id></JOB>"),
        ("a quote in a tag", "<job><id a=\"2>2</id></job>"),
    ] {
        let text = format!(
            "<s><n>4</n><job><id>1</id></job>\n{torn}\n<job><id>3</id><t><![CDATA[y]]></t><!-- z --></job><job><id>4</id></job></s>"
        );
        let got = run(text.as_bytes(), &plan(Kind::Xml, "s.job"));
        assert_eq!(ids(&got), [1, 3, 4], "{fault}: {:?}", got.end);
        assert_eq!(got.broken.len(), 1, "{fault}: {:?}", got.broken);
        assert_eq!(got.end.wholeness, Wholeness::Whole, "{fault}");
    }
}

#[test]
fn an_open_tag_before_the_records_is_no_empty_feed() {
    let got = run(
        b"<s><n>4<job><id>1</id></job></s>",
        &plan(Kind::Xml, "s.job"),
    );
    assert!(
        matches!(got.end.wholeness, Wholeness::Alien(_)),
        "{:?}",
        got.end
    );
}

#[test]
fn prose_in_a_field_may_be_careless() {
    for (prose, shown) in [
        ("<p>Un<p>deux", "<p>Un<p>deux"),
        ("Un<br>deux & trois<hr>", "Un<br/>deux &amp; trois<hr/>"),
        ("<ul><li>Un<li>deux</ul>", "<ul><li>Un<li>deux</ul>"),
        ("Un</p>deux", "Un</p>deux"),
        ("<b>Un <i>deux</b></i>", "<b>Un <i>deux</b></i>"),
    ] {
        let text = format!("<s><job><id>1</id><d>{prose}</d><e>z</e></job></s>");
        let got = run(text.as_bytes(), &plan(Kind::Xml, "s.job"));
        assert_eq!(got.records[0]["d"], shown, "{:?}", got.broken);
        assert_eq!(got.records[0]["e"], "z");
    }
}

#[test]
fn prefixes_and_padding_do_not_hide_records() {
    let text = "\n\u{feff}\0<?xml version=\"1.0\"?><h:Jobs xmlns:h=\"x\"><h:Job h:code=\"7\"><h:id>1</h:id></h:Job></h:Jobs>\0\n";
    let got = run(text.as_bytes(), &plan(Kind::Xml, "Jobs.Job"));
    assert_eq!(got.end.wholeness, Wholeness::Whole);
    assert_eq!(got.records[0]["id"], "1");
}

#[test]
fn a_stray_quote_in_csv_costs_its_own_line() {
    for (fault, row) in [
        ("never closed", "2;\"IDE;Lure"),
        ("closed by the next one", "2;\"IDE\";\"Lure"),
    ] {
        let text = format!("id;titre;ville\n1;AS;Vesoul\n{row}\n3;\"Cadre\";Gray\n4;ASH;Lure\n");
        let got = run(text.as_bytes(), &plan(Kind::Csv, ""));
        assert_eq!(ids(&got), [1, 3, 4], "{fault}: {:?}", got.end);
        assert_eq!(got.broken.len(), 1, "{fault}");
        assert_eq!(got.end.wholeness, Wholeness::Whole, "{fault}");
    }
    // A cell of several lines that a cut leaves open is still a cut.
    let got = run(
        b"id;titre;ville\n1;AS;Vesoul\n2;\"IDE\nde nuit\nou de jour\n",
        &plan(Kind::Csv, ""),
    );
    assert!(matches!(got.end.wholeness, Wholeness::Cut(_)));
    assert_eq!(ids(&got), [1]);
}

#[test]
fn torn_feeds_in_small_pieces_read_alike() {
    let json =
        r#"{"jobs":[{"id":1},{"id":2,"t":"5" de haut"},{"id":3,"place":{"c":"x"},{"id":4}]}"#;
    let xml = "<s><job><id>1</id><job><id>2</id><t><![CDATA[x</t></job><job><id>3</id><t><![CDATA[y]]></t></job></s>";
    let csv = "id;a;b\n1;x;y\n2;\"x;y\n3;x;y\n4;\"x\";y\n";
    for (kind, path, text) in [
        (Kind::Json, "jobs", json),
        (Kind::Xml, "s.job", xml),
        (Kind::Csv, "", csv),
    ] {
        let plan = plan(kind, path);
        let whole = run(text.as_bytes(), &plan);
        for size in [1, 2, 3, 5, 17] {
            let mut records = Vec::new();
            parse(
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
            assert_eq!(records, whole.records, "{kind:?} by {size}");
        }
    }
}
