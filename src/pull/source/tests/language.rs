//! The language on loopback, item by item: each way to be known, each thing that the web writes.

use super::services::serve;
use super::{Basket, connector, pull};
use crate::model::Field;
use crate::pull::source::ReadEnd;
use crate::store::SnapshotKind;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::time::Duration;

const FIELDS: &str = "[fields]\nreference = \"id\"\ntitle = \"titre\"\n";

/// Whether a request shows the secret in the way that its address names.
async fn guarded(Path(way): Path<String>, query: RawQuery, headers: HeaderMap) -> Response {
    let text = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let authorization = text(header::AUTHORIZATION.as_str());
    let known = match way.as_str() {
        "header" => text("x-api-key") == "the-secret",
        "query" => query.0.as_deref() == Some("lang=fr&key=the-secret"),
        // the-id:the-secret
        "basic" => authorization == "Basic dGhlLWlkOnRoZS1zZWNyZXQ=",
        "bearer" => authorization == "Bearer the-secret",
        "the-secret" => true,
        "oauth" => authorization == "Bearer from-a-token-server",
        _ => false,
    };
    match known {
        true => axum::Json(json!([{ "id": 1, "titre": "Infirmier" }])).into_response(),
        false => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// A token server that wants its realm, the client in a header, and hides its token.
async fn token(query: RawQuery, headers: HeaderMap, body: String) -> Response {
    let client = headers.get(header::AUTHORIZATION);
    let known = query.0.as_deref() == Some("realm=%2Fpartenaire")
        && client.is_some_and(|value| value == "Basic dGhlLWlkOnRoZS1zZWNyZXQ=")
        && body.contains("grant_type=client_credentials")
        && body.contains("scope=api_offres+o2dsoffre")
        && body.contains("audience=rh")
        && !body.contains("client_secret");
    match known {
        true => axum::Json(json!({ "data": { "jeton": "from-a-token-server" } })).into_response(),
        false => StatusCode::BAD_REQUEST.into_response(),
    }
}

#[tokio::test]
async fn every_way_to_be_known() {
    let router = Router::new()
        .route("/jobs/{way}", get(guarded))
        .route("/connexion/jeton", post(token));
    let base = serve(router).await;
    let oauth = format!(
        "kind = \"oauth2\"\ntoken_url = \"{base}/connexion/jeton?realm=%2Fpartenaire\"\n\
         client_id = {{ env = \"ID\" }}\nclient_secret = {{ env = \"SECRET\" }}\n\
         scope = \"api_offres o2dsoffre\"\nparams = {{ audience = \"rh\" }}\n\
         credentials = \"header\"\ntoken_path = \"data.jeton\"\n"
    );
    for (way, auth) in [
        (
            "header",
            "kind = \"header\"\nname = \"X-Api-Key\"\nvalue = { env = \"SECRET\" }\n",
        ),
        (
            "query?lang=fr",
            "kind = \"query\"\nname = \"key\"\nvalue = { env = \"SECRET\" }\n",
        ),
        (
            "basic",
            "kind = \"basic\"\nuser = { env = \"ID\" }\npassword = { env = \"SECRET\" }\n",
        ),
        (
            "bearer",
            "kind = \"bearer\"\ntoken = { env = \"SECRET\" }\n",
        ),
        ("${env:SECRET}", "kind = \"none\"\n"),
        ("oauth", oauth.as_str()),
    ] {
        let text = format!(
            "name = \"x\"\n[source]\nkind = \"json\"\nurl = \"{base}/jobs/{way}\"\n[source.auth]\n{auth}{FIELDS}"
        );
        let (basket, end) = pull(&connector(&text)).await;
        assert_eq!(
            (end.snapshot, end.error),
            (SnapshotKind::Complete, None),
            "{way}"
        );
        assert_eq!(basket.records.len(), 1, "{way}");
        // Unknown, a source is no empty one.
        let stranger = text
            .replace(auth, "kind = \"none\"\n")
            .replace("${env:SECRET}", "autre");
        let (_, end) = pull(&connector(&stranger)).await;
        assert_eq!(end.snapshot, SnapshotKind::Failed, "{way}");
        assert!(end.error.unwrap_or_default().contains("401"), "{way}");
    }
}

/// One answer of a declared type, read by a connector of `kind`.
async fn read(kind: &str, more: &str, declared: &'static str, body: Vec<u8>) -> (Basket, ReadEnd) {
    let body = Bytes::from(body);
    let router = Router::new().route(
        "/jobs",
        get(move || async move { ([(header::CONTENT_TYPE, declared)], body) }),
    );
    let base = serve(router).await;
    pull(&connector(&format!(
        "name = \"x\"\n[source]\nkind = \"{kind}\"\nurl = \"{base}/jobs\"\n{more}{FIELDS}"
    )))
    .await
}

fn utf16(text: &str, big: bool, mark: bool) -> Vec<u8> {
    let mark = if mark { "\u{feff}" } else { "" };
    let units: Vec<u16> = mark.encode_utf16().chain(text.encode_utf16()).collect();
    match big {
        true => units.into_iter().flat_map(u16::to_be_bytes).collect(),
        false => units.into_iter().flat_map(u16::to_le_bytes).collect(),
    }
}

fn windows_1252(text: &str) -> Vec<u8> {
    encoding_rs::WINDOWS_1252.encode(text).0.into_owned()
}

/// Two offers in each format; the title of the first has what encodings are told by.
const DOCUMENTS: [(&str, &str, &str, &str); 3] = [
    (
        "json",
        "",
        "application/json",
        r#"[{"id":1,"titre":"Éducateur spécialisé – œuvre de l’été"},{"id":2,"titre":"AS"}]"#,
    ),
    (
        "xml",
        "[records]\npath = \"offres.offre\"\n",
        "application/xml",
        "<offres><offre><id>1</id><titre>Éducateur spécialisé – œuvre de l’été</titre></offre>\
         <offre><id>2</id><titre>AS</titre></offre></offres>",
    ),
    (
        "csv",
        "",
        "text/csv",
        "id;titre\n1;Éducateur spécialisé – œuvre de l’été\n2;AS\n",
    ),
];

#[tokio::test]
async fn encodings_marked_declared_and_lied_about() {
    for (kind, more, plain, text) in DOCUMENTS {
        let latin: &'static str = format!("{plain}; charset=windows-1252").leak();
        let utf8: &'static str = format!("{plain}; charset=utf-8").leak();
        let other: &'static str = format!("{plain}; charset=iso-8859-1").leak();
        for (what, declared, bytes) in [
            ("UTF-8", utf8, text.as_bytes().to_vec()),
            ("a mark", plain, [b"\xef\xbb\xbf", text.as_bytes()].concat()),
            ("UTF-16 LE with a mark", plain, utf16(text, false, true)),
            ("UTF-16 BE with a mark", plain, utf16(text, true, true)),
            ("UTF-16 LE without one", plain, utf16(text, false, false)),
            ("UTF-16 BE declared as UTF-8", utf8, utf16(text, true, true)),
            ("Windows-1252 declared", latin, windows_1252(text)),
            ("Windows-1252 declared as UTF-8", utf8, windows_1252(text)),
            (
                "Windows-1252 declared as Latin 1",
                other,
                windows_1252(text),
            ),
            ("Windows-1252 undeclared", plain, windows_1252(text)),
            (
                "UTF-8 declared as Windows-1252",
                latin,
                text.as_bytes().to_vec(),
            ),
        ] {
            let (basket, end) = read(kind, more, declared, bytes).await;
            assert_eq!(
                (end.snapshot, end.error),
                (SnapshotKind::Complete, None),
                "{kind}, {what}"
            );
            assert_eq!(basket.records.len(), 2, "{kind}, {what}");
            assert_eq!(
                basket.records[0]["titre"], "Éducateur spécialisé – œuvre de l’été",
                "{kind}, {what}"
            );
        }
    }
}

#[tokio::test]
async fn shapes_that_were_not_expected() {
    let xml = "[records]\npath = \"offres.offre\"\n";
    let json = "[records]\npath = \"offres\"\n";
    for (what, kind, more, body, count) in [
        (
            "lines for a list",
            "json",
            json,
            "{\"id\":1,\"titre\":\"a\"}\n{\"id\":-2,\"titre\":\"b\"}\n",
            2,
        ),
        (
            "one object for a list",
            "json",
            json,
            "{\"offres\":{\"id\":1,\"titre\":\"a\"}}",
            1,
        ),
        (
            "one object alone",
            "json",
            "",
            "{\"id\":\"-7\",\"titre\":\"a\"}\n",
            1,
        ),
        (
            "control characters in a text",
            "json",
            json,
            "{\"offres\":[{\"id\":1,\"titre\":\"a\tb\u{1}c\n\"}]}",
            1,
        ),
        (
            "a bare ampersand and an open tag",
            "xml",
            xml,
            "<offres><offre><id>-3</id><titre>R&D</titre><t>un<br>deux & trois</t></offre></offres>",
            1,
        ),
        (
            "one element for a list",
            "xml",
            xml,
            "<offres><offre><id>1</id><titre>a</titre></offre></offres>",
            1,
        ),
    ] {
        let (basket, end) = read(kind, more, "text/plain", body.as_bytes().to_vec()).await;
        assert_eq!(
            (end.snapshot, end.error),
            (SnapshotKind::Complete, None),
            "{what}"
        );
        assert_eq!(
            (basket.records.len(), basket.broken.len()),
            (count, 0),
            "{what}"
        );
    }
}

#[tokio::test]
async fn numbers_and_their_texts_are_one_reference() {
    let fields = "[fields]\nreference = \"id\"\ntitle = \"titre\"\npay_min = \"paie\"\nopenings = \"postes\"\n";
    let references = |record: Value| {
        let text = format!(
            "name = \"x\"\n[source]\nkind = \"json\"\nurl = \"https://rh.example\"\n{fields}"
        );
        let draft = connector(&text).map(&record).expect("an offer");
        let value = |field| draft.value(field).map(str::to_owned);
        (
            draft.reference.clone(),
            value(Field::PayMin),
            value(Field::Openings),
        )
    };
    let number = json!({ "id": -4812, "titre": "a", "paie": 2100, "postes": 2 });
    let text = json!({ "id": "-4812", "titre": "a", "paie": "2100", "postes": "2" });
    assert_eq!(references(number.clone()), references(text));
    assert_eq!(references(number).0, "-4812");
}

/// Offers that a source takes back by a record of their own, though their absence means nothing.
#[tokio::test]
async fn a_window_may_delete_explicitly() {
    let body = json!([
        { "id": 1, "titre": "Infirmier", "mouvement": "C" },
        { "id": 2, "mouvement": "S" },
    ]);
    let router = Router::new().route("/jobs", get(move || async move { axum::Json(body) }));
    let base = serve(router).await;
    let connector = connector(&format!(
        "name = \"x\"\n[source]\nkind = \"json\"\nurl = \"{base}/jobs\"\n[records]\nsemantics = \"window\"\n{FIELDS}\
         status = {{ path = \"mouvement\", values = {{ C = \"open\", M = \"open\", S = \"closed\" }} }}\n"
    ));
    let (basket, end) = pull(&connector).await;
    assert_eq!((end.snapshot, end.error), (SnapshotKind::Partial, None));
    let statuses: Vec<Option<String>> = basket
        .records
        .iter()
        .map(|record| match connector.map(record) {
            Ok(draft) => draft.value(Field::Status).map(str::to_owned),
            // A bare record is no offer, and a closing all the same.
            Err(_) => connector.reference(record),
        })
        .collect();
    assert_eq!(statuses[0].as_deref(), Some("open"));
    assert!(
        matches!(statuses[1].as_deref(), Some("closed" | "2")),
        "{statuses:?}"
    );
}

/// A server that sends a byte now and then never falls silent; the whole has a limit, too.
#[tokio::test]
async fn a_server_that_trickles_is_given_up() {
    let router = Router::new().route(
        "/jobs",
        get(|| async {
            let text = "[{\"id\":1,\"titre\":\"Infirmier\"},{\"id\":2,\"titre\":\"".bytes();
            let endless = text.chain(std::iter::repeat(b'x'));
            let bytes = futures::stream::unfold(endless, |mut bytes| async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                let byte = bytes.next()?;
                Some((Ok::<_, std::io::Error>(Bytes::from(vec![byte])), bytes))
            });
            Body::from_stream(bytes)
        }),
    );
    let base = serve(router).await;
    let (basket, end) = pull(&connector(&format!(
        "name = \"x\"\n[source]\nkind = \"json\"\nurl = \"{base}/jobs\"\n[limits]\nseconds = 2\nidle_seconds = 1\n{FIELDS}"
    )))
    .await;
    assert_eq!(end.snapshot, SnapshotKind::Partial);
    let error = end.error.unwrap_or_default();
    assert!(error.contains("longer than the limit"), "{error}");
    assert_eq!(basket.records.len(), 1);
}

/// A hundred megabytes in one record: it is refused, and those around it are read.
#[tokio::test]
async fn a_record_of_a_hundred_megabytes_costs_itself_only() {
    let router = Router::new().route(
        "/jobs",
        get(|| async {
            let piece = Bytes::from(vec![b'x'; 1 << 20]);
            let start = Bytes::from_static(b"[{\"id\":1,\"titre\":\"a\"},{\"id\":2,\"titre\":\"");
            let end = Bytes::from_static(b"\"},{\"id\":3,\"titre\":\"c\"}]");
            let pieces = std::iter::once(start)
                .chain(std::iter::repeat_n(piece, 100))
                .chain([end]);
            Body::from_stream(futures::stream::iter(pieces.map(Ok::<_, std::io::Error>)))
        }),
    );
    let base = serve(router).await;
    let (basket, end) = pull(&connector(&format!(
        "name = \"x\"\n[source]\nkind = \"json\"\nurl = \"{base}/jobs\"\n{FIELDS}"
    )))
    .await;
    assert_eq!((end.snapshot, end.error), (SnapshotKind::Complete, None));
    let ids: Vec<&Value> = basket.records.iter().map(|record| &record["id"]).collect();
    assert_eq!(ids, [&json!(1), &json!(3)]);
    assert_eq!(basket.broken.len(), 1);
    assert!(
        basket.broken[0].1.contains("record_kb"),
        "{:?}",
        basket.broken
    );
}

/// What lies on a back office's export: archives, page by page until one is empty.
#[tokio::test]
async fn archives_are_asked_for_until_none_comes() {
    use std::io::Write as _;
    fn archive(n: u64) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        writer
            .start_file("offerdetail", options)
            .expect("in memory");
        write!(
            writer,
            "{{\"offerDetail\":{{\"reference\":\"2026-{n}\",\"title\":\"IDE {n}\"}}}}"
        )
        .expect("in memory");
        let bytes = writer.finish().expect("in memory").into_inner();
        let length = u32::try_from(bytes.len()).expect("short");
        [&length.to_le_bytes()[..], &bytes].concat()
    }
    async fn page(RawQuery(query): RawQuery) -> Vec<u8> {
        let query = query.unwrap_or_default();
        let offset = query
            .split("offset=")
            .nth(1)
            .and_then(|rest| rest.split('&').next()?.parse().ok());
        let offset: u64 = offset.unwrap_or(0);
        (offset..(offset + 4).min(10)).flat_map(archive).collect()
    }
    let base = serve(Router::new().route("/vacancies", get(page))).await;
    let text = format!(
        "name = \"x\"\n[source]\nkind = \"zips\"\nurl = \"{base}/vacancies\"\n\
         [source.paging]\nkind = \"offset\"\nsize_param = \"limit\"\nsize = 4\n\
         [records]\npath = \"offerDetail\"\n[fields]\nreference = \"reference\"\ntitle = \"title\"\n"
    );
    let (basket, end) = pull(&connector(&text)).await;
    assert_eq!((end.snapshot, end.error), (SnapshotKind::Complete, None));
    assert_eq!(basket.records.len(), 10);
}

/// The forms of paging beside the plain ones: where the end is told, and where the number travels.
#[tokio::test]
async fn every_form_of_paging() {
    const ALL: u64 = 23;
    const SIZE: u64 = 5;
    fn jobs(from: u64) -> Vec<Value> {
        (from..(from + SIZE).min(ALL))
            .map(|n| json!({ "id": n, "titre": format!("Poste {n}") }))
            .collect()
    }
    async fn page(Path(way): Path<String>, query: RawQuery, body: String) -> Response {
        let query: std::collections::HashMap<String, String> =
            url::form_urlencoded::parse(query.0.unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        let number = |name: &str| -> Option<u64> {
            let carried = body[name].as_u64();
            carried.or_else(|| query.get(name)?.parse().ok())
        };
        let at = number("page").unwrap_or(0) * SIZE;
        match way.as_str() {
            "pages" => {
                axum::Json(json!({ "jobs": jobs(at), "meta": { "last": 5 } })).into_response()
            }
            "more" => {
                axum::Json(json!({ "jobs": jobs(at), "hasMore": at + SIZE < ALL })).into_response()
            }
            "header" => (
                [("x-total", ALL.to_string())],
                axum::Json(json!({ "jobs": jobs(at) })),
            )
                .into_response(),
            "body-page" if body["page"].is_u64() && body["facet"] == "70" => {
                axum::Json(json!({ "jobs": jobs(at), "total": ALL })).into_response()
            }
            "body-offset" if body["skip"].is_u64() && body["take"] == SIZE => {
                let from = number("skip").unwrap_or(0);
                axum::Json(json!({ "jobs": jobs(from), "total": ALL })).into_response()
            }
            "cursor" => {
                let from = query
                    .get("after")
                    .and_then(|after| after.parse().ok())
                    .unwrap_or(0);
                let next = (from + SIZE < ALL).then(|| (from + SIZE).to_string());
                axum::Json(json!({ "jobs": jobs(from), "next": next })).into_response()
            }
            "short" => axum::Json(json!({ "jobs": jobs(at) })).into_response(),
            _ => StatusCode::BAD_REQUEST.into_response(),
        }
    }
    let base = serve(Router::new().route("/{way}", get(page).post(page))).await;
    let paged = "kind = \"page\"\nstart = 0\n";
    for (way, source, paging) in [
        ("pages", "", format!("{paged}pages = \"meta.last\"\n")),
        ("more", "", format!("{paged}more = \"hasMore\"\n")),
        ("header", "", format!("{paged}total_header = \"X-Total\"\n")),
        ("short", "", format!("{paged}size = 5\n")),
        (
            "body-page",
            "method = \"POST\"\nbody = { facet = \"70\" }\n",
            format!("{paged}carrier = \"body\"\n"),
        ),
        (
            "body-offset",
            "method = \"POST\"\n",
            "kind = \"offset\"\nparam = \"skip\"\nsize_param = \"take\"\nsize = 5\ncarrier = \"body\"\n".to_owned(),
        ),
        (
            "cursor",
            "",
            "kind = \"cursor\"\nparam = \"after\"\npath = \"next\"\n".to_owned(),
        ),
    ] {
        let text = format!(
            "name = \"x\"\n[source]\nkind = \"json\"\nurl = \"{base}/{way}\"\n{source}[source.paging]\n{paging}\
             [records]\npath = \"jobs\"\ntotal = \"total\"\n{FIELDS}"
        );
        let (basket, end) = pull(&connector(&text)).await;
        assert_eq!((end.snapshot, end.error), (SnapshotKind::Complete, None), "{way}");
        assert_eq!(basket.records.len() as u64, ALL, "{way}");
    }
}

/// Value tables, templates, several paths, several places, dates with a zone: through one answer.
#[tokio::test]
async fn a_record_is_mapped_by_all_that_the_language_has() {
    let record = json!({
        "ref": { "numero": "A-1" }, "intitule": "", "poste": "Infirmier", "service": "Urgences",
        "contrat": " cdi ", "debut": "05/11/2026 08:30", "salaire": null,
        "texte": "&lt;p&gt;Poste &amp;amp; équipe&lt;/p&gt;", "lien": "voir https://rh.example/a-1 ici",
        "sites": [
            { "ville": "Vesoul", "cp": "70000" },
            { "ville": "Lure", "cp": "70200" },
        ],
    });
    let body = json!({ "jobs": [record, { "ref": { "numero": "B" }, "poste": "Siège", "service": "RH" }] });
    let base =
        serve(Router::new().route("/jobs", get(move || async move { axum::Json(body) }))).await;
    let connector = connector(&format!(
        "name = \"x\"\nzone = \"America/Cayenne\"\n[source]\nkind = \"json\"\nurl = \"{base}/jobs\"\n\
         [records]\npath = \"jobs\"\nkeep = \"service != 'RH'\"\n\
         [fields]\nreference = \"ref.numero\"\ntitle = [\"intitule\", \"poste\"]\n\
         service = {{ template = \"{{{{ service }}}} – {{{{ poste }}}}\" }}\n\
         contract = {{ path = \"contrat\", values = \"contrats\" }}\n\
         published = {{ path = \"debut\", format = [\"iso\", \"%d/%m/%Y %H:%M\"] }}\n\
         pay_min = {{ path = \"salaire\", default = \"selon grille\" }}\n\
         description = {{ path = \"texte\", unescape = 2 }}\n\
         apply_url = {{ path = \"lien\", extract = 'https://\\S+' }}\n\
         employer_name = {{ value = \"Centre hospitalier\" }}\n\
         [fields.places]\neach = \"sites\"\nplace_city = \"ville\"\nplace_postal_code = \"cp\"\n\
         [values.contrats]\nCDI = \"cdi\"\n\"*\" = \"other\"\n"
    ));
    let (basket, end) = pull(&connector).await;
    assert_eq!((end.snapshot, end.error), (SnapshotKind::Complete, None));
    assert_eq!(basket.records.len(), 1, "the other is not kept");
    let draft = connector.map(&basket.records[0]).expect("an offer");
    assert_eq!(draft.reference, "A-1");
    for (field, expected) in [
        (Field::Title, "Infirmier"),
        (Field::Service, "Urgences – Infirmier"),
        (Field::Contract, "cdi"),
        (Field::PayMin, "selon grille"),
        (Field::Description, "<p>Poste & équipe</p>"),
        (Field::ApplyUrl, "https://rh.example/a-1"),
        (Field::EmployerName, "Centre hospitalier"),
    ] {
        assert_eq!(draft.value(field), Some(expected), "{field:?}");
    }
    let published = draft.value(Field::Published).unwrap_or_default();
    let published: jiff::Timestamp = published.parse().expect("an instant");
    // Half past eight in Cayenne, three hours behind UTC.
    assert_eq!(published.to_string(), "2026-11-05T11:30:00Z");
    let towns: Vec<&str> = draft
        .places
        .iter()
        .filter_map(|place| place.get(&Field::PlaceCity).map(|raw| raw.value()))
        .collect();
    assert_eq!(towns, ["Vesoul", "Lure"]);
}
