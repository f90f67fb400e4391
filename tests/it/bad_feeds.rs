//! The faults that feeds really have, end to end: nothing closes, nothing panics, the reason is
//! stored and shown. The numbers are those of the list that the cases come from.

use crate::support::feeds::{Answer, Feeds, Sent};
use crate::support::hub::{Hub, Sync, client};
use crate::support::offers::{self, Offer};
use passerelle::model::ConnectorName;
use passerelle::store::Store;
use serde_json::{Value, json};
use std::io::Write;
use std::time::{Duration, Instant};

mod holds;
mod runs;

const FEED: &str = "/feed";
const SOURCE: &str = "essai";

/// A hub with one source that has been read once, in good order.
struct Bench {
    hub: Hub,
    feeds: Feeds,
    offers: Vec<Offer>,
}

impl Bench {
    fn json(count: usize) -> Self {
        Self::with(count, |feeds, offers| {
            feeds.set(FEED, Answer::json(&offers::json(offers)));
            offers::json_connector(SOURCE, &feeds.url(FEED))
        })
    }

    fn xml(count: usize) -> Self {
        Self::with(count, |feeds, offers| {
            feeds.set(FEED, Answer::xml(offers::xml(offers)));
            offers::xml_connector(SOURCE, &feeds.url(FEED))
        })
    }

    fn with(count: usize, connector: impl FnOnce(&Feeds, &[Offer]) -> String) -> Self {
        let (hub, feeds, offers) = (Hub::new(), Feeds::start(), offers::some(count));
        hub.member(SOURCE, offers::MEMBER);
        hub.connector(SOURCE, &connector(&feeds, &offers));
        let sync = hub.sync();
        assert_eq!(sync.snapshot(SOURCE), "complete", "{}", sync.errors);
        assert_eq!(sync.count(SOURCE, "new"), count as u64);
        Self { hub, feeds, offers }
    }

    /// Live public vacancies, as the store has them.
    async fn live(&self) -> usize {
        self.hub.published().await.len()
    }

    /// The error that the last run left with its connector.
    async fn error(&self) -> Option<String> {
        let name = ConnectorName::from(SOURCE);
        self.hub.store().connector_state(&name).await.unwrap().error
    }

    /// Serves `answer` for three runs: none of them closes anything, and the last is given back.
    async fn bad(&self, what: &str, answer: Answer) -> Sync {
        let before = self.hub.published().await;
        self.feeds.set(FEED, answer);
        let mut last = None;
        for _ in 0..3 {
            let sync = self.hub.sync();
            assert_eq!(sync.count(SOURCE, "closed"), 0, "{what}");
            last = Some(sync);
        }
        let after = self.hub.published().await;
        assert_eq!(before.len(), after.len(), "{what}");
        last.unwrap()
    }

    /// The same for an answer that must be refused, with its reason kept and shown.
    async fn refused(&self, what: &str, answer: Answer) -> String {
        let before = self.hub.published().await;
        let sync = self.bad(what, answer).await;
        assert!(before == self.hub.published().await, "{what}");
        let snapshot = sync.snapshot(SOURCE);
        assert!(
            matches!(snapshot, "failed" | "empty" | "partial"),
            "{what}: {snapshot}"
        );
        assert!(sync.needs_a_human, "{what}");
        let shown = sync.of(SOURCE)["error"].as_str().map(str::to_owned);
        let held = sync.count(SOURCE, "held");
        assert!(shown.is_some() || held > 0, "{what}: no reason is shown");
        let kept = self.error().await;
        assert!(kept.is_some() || held > 0, "{what}: no reason is kept");
        shown.unwrap_or_default()
    }

    /// A good answer, after which the source counts as sound.
    async fn recover(&self, what: &str) {
        let xml = self.feeds.asked(FEED).is_empty();
        assert!(!xml);
        let sync = self.hub.sync();
        assert_eq!(sync.count(SOURCE, "closed"), 0, "{what}");
        assert_eq!(sync.count(SOURCE, "missing"), 0, "{what}");
        assert_eq!(
            self.error().await,
            None,
            "{what}: the error outlived its cause"
        );
        assert_eq!(self.live().await, self.offers.len(), "{what}");
    }
}

#[tokio::test]
async fn t01_an_error_page_is_no_feed() {
    let bench = Bench::xml(12);
    let page = "<!doctype html><html><body><h1>Erreur interne</h1></body></html>";
    let error = bench
        .refused("500", Answer::new(500, "text/html", page))
        .await;
    assert!(error.contains("500"), "{error}");
    // The same page behind a success.
    bench
        .refused("200 with HTML", Answer::new(200, "text/html", page))
        .await;
    bench
        .refused("404", Answer::new(404, "text/html", "not found"))
        .await;
    // 14: once the source is well again, the old message is gone.
    bench
        .feeds
        .set(FEED, Answer::xml(offers::xml(&bench.offers)));
    bench.recover("after the error").await;
}

#[tokio::test]
async fn t02_an_empty_feed_closes_nothing() {
    for (what, body) in [
        ("no bytes", ""),
        ("an empty list", "[]"),
        ("an empty object", "{}"),
        ("an empty list of jobs", r#"{"jobs":[]}"#),
        ("null", "null"),
        ("blanks", "  \n"),
    ] {
        let bench = Bench::json(12);
        bench
            .refused(what, Answer::new(200, "application/json", body))
            .await;
    }
    for (what, body) in [
        ("no bytes", ""),
        (
            "an empty source",
            "<?xml version=\"1.0\"?><source></source>",
        ),
        (
            "a source that says who it is",
            "<source><publisher>Essai</publisher></source>",
        ),
    ] {
        let bench = Bench::xml(12);
        bench.refused(what, Answer::xml(body)).await;
    }
}

#[tokio::test]
async fn t03_a_cut_feed_is_a_part() {
    let xml = offers::xml(&offers::some(24));
    let json = offers::json(&offers::some(24)).to_string();
    let (by_xml, by_json) = (Bench::xml(24), Bench::json(24));
    for share in [0.02, 0.2, 0.5, 0.77, 0.95, 0.999] {
        for (bench, body, kind) in [
            (&by_xml, &xml, "application/xml"),
            (&by_json, &json, "application/json"),
        ] {
            let at = ((body.len() as f64) * share) as usize;
            let whole = Answer::new(200, kind, body.as_str());
            let what = format!("{kind} cut at {at} of {}", body.len());
            let lost = whole.clone().sent(Sent::Cut(at));
            bench
                .refused(&format!("{what}, connection lost"), lost)
                .await;
            let chunked = whole.clone().sent(Sent::CutChunked(at));
            bench
                .refused(&format!("{what}, no last chunk"), chunked)
                .await;
            let mut short = whole.clone();
            short.body.truncate(at);
            bench.refused(&format!("{what}, stored so"), short).await;
        }
    }
}

#[tokio::test]
async fn t03_what_a_cut_feed_shows_is_still_refreshed() {
    let bench = Bench::xml(24);
    let mut changed = bench.offers.clone();
    changed[0].text = changed[0].text.replace("accueillante", "bienveillante");
    let body = offers::xml(&changed);
    let at = body.len() * 2 / 3;
    let sync = bench
        .bad("cut", Answer::xml(body).sent(Sent::Cut(at)))
        .await;
    assert_eq!(sync.snapshot(SOURCE), "partial");
    let bodies = bench.hub.vacancies().await;
    assert!(
        bodies
            .iter()
            .any(|one| one.to_string().contains("bienveillante"))
    );
}

#[tokio::test]
async fn t04_letters_torn_apart_are_whole_again() {
    let bench = Bench::json(12);
    for size in [1, 7, 4093] {
        let mut offers = bench.offers.clone();
        for offer in &mut offers {
            offer.text = format!(
                "<p>Été à Échenoz, {size} œuvres — 1 234 €. {}</p>",
                offer.text
            );
        }
        let answer = Answer::json(&offers::json(&offers)).sent(Sent::Pieces(size));
        bench.feeds.set(FEED, answer);
        let sync = bench.hub.sync();
        assert_eq!(sync.snapshot(SOURCE), "complete", "pieces of {size}");
        for body in bench.hub.published().await {
            let text = String::from_utf8(body).unwrap();
            assert!(!text.contains('\u{fffd}'), "pieces of {size}: {text}");
            assert!(text.contains("Échenoz") && text.contains("œuvres"));
        }
    }
}

#[tokio::test]
async fn t05_a_null_among_records_holds_no_absence() {
    let bench = Bench::json(20);
    let mut document = offers::json(&bench.offers);
    let jobs = document["jobs"].as_array_mut().unwrap();
    jobs.pop();
    jobs.push(serde_json::Value::Null);
    bench.feeds.set(FEED, Answer::json(&document));
    let sync = bench.hub.sync();
    for (counter, wanted) in [("rejected", 1), ("missing", 1), ("held", 0)] {
        assert_eq!(sync.count(SOURCE, counter), wanted, "{counter}");
    }
    assert_eq!(bench.hub.sync().count(SOURCE, "closed"), 1);
}

#[tokio::test]
async fn t05_one_bad_record_among_many_is_its_own_problem() {
    let bench = Bench::json(300);
    let mut document = offers::json(&bench.offers);
    document["jobs"][123]["title"] = json!("");
    let sync = bench
        .bad("one without a title", Answer::json(&document))
        .await;
    assert_eq!(sync.count(SOURCE, "pulled"), 300);
    assert_eq!(sync.count(SOURCE, "rejected"), 1);
    assert_eq!(
        sync.count(SOURCE, "missing"),
        0,
        "a rejected record is not missing"
    );
    let rejects = bench.hub.store().rejects(&SOURCE.into(), 10).await.unwrap();
    assert_eq!(rejects[0].reference, "R-124");
    assert!(!rejects[0].problems.is_empty());
    // Another broken one: `sync` says of which offers, and why.
    document["jobs"][7]["title"] = json!("");
    bench.feeds.set(FEED, Answer::json(&document));
    let sync = bench.hub.sync();
    let said = sync.of(SOURCE)["rejects"].as_array().unwrap().clone();
    assert_eq!(said.len(), 2, "{said:?}");
    for (reject, reference) in said.iter().zip(["R-008", "R-124"]) {
        let reject = reject.as_str().unwrap();
        assert!(
            reject.starts_with(&format!("{reference}: map.title_missing: ")),
            "{reject}"
        );
    }
    document["jobs"][8]["title"] = json!("");
    bench.feeds.set(FEED, Answer::json(&document));
    let text = String::from_utf8(bench.hub.run(&["sync"]).stdout).unwrap();
    for reference in ["R-008", "R-009", "R-124"] {
        let line = format!("{SOURCE}: rejected {reference}: map.title_missing: ");
        assert!(text.contains(&line), "{text}");
    }
    for (index, before) in [(7, 7), (8, 8)] {
        document["jobs"][index]["title"] = json!(bench.offers[before].title);
    }
    // Of another type altogether.
    let jobs = document["jobs"].as_array_mut().unwrap();
    jobs.push(json!("not an object"));
    let sync = bench
        .bad("one that is no object", Answer::json(&document))
        .await;
    assert_eq!(sync.count(SOURCE, "rejected"), 2);
    assert_eq!(sync.count(SOURCE, "pulled"), 301);
}

#[tokio::test]
async fn t06_a_single_record_may_stand_without_its_list() {
    let (hub, feeds) = (Hub::new(), Feeds::start());
    let one = &offers::some(1)[0];
    feeds.set(
        "/json",
        Answer::json(&json!({ "jobs": offers::json_job(one) })),
    );
    feeds.set("/xml", Answer::xml(offers::xml(std::slice::from_ref(one))));
    hub.member(SOURCE, offers::MEMBER);
    hub.connector("json", &offers::json_connector("json", &feeds.url("/json")));
    hub.connector("xml", &offers::xml_connector("xml", &feeds.url("/xml")));
    let sync = hub.sync();
    for name in ["json", "xml"] {
        assert_eq!(sync.snapshot(name), "complete", "{name}");
        assert_eq!(sync.count(name, "pulled"), 1, "{name}");
    }
}

#[tokio::test]
async fn t07_compression_is_recognised_undeclared() {
    let bench = Bench::json(12);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let body = offers::json(&bench.offers).to_string();
    packed.write_all(body.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    bench
        .feeds
        .set(FEED, Answer::new(200, "application/json", packed.clone()));
    bench.recover("gzip, undeclared").await;
    let declared = Answer::new(200, "application/json", packed.clone());
    bench
        .feeds
        .set(FEED, declared.header("Content-Encoding", "gzip"));
    bench.recover("gzip, declared").await;
    // Half of it is a part at most.
    let half = packed[..packed.len() / 2].to_vec();
    bench
        .refused("half a gzip", Answer::new(200, "application/json", half))
        .await;
}

#[tokio::test]
async fn t07_a_bomb_is_capped() {
    let bench = Bench::json(12);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(b"{\"jobs\":[").unwrap();
    for _ in 0..64 {
        packed.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let bomb = Answer::new(200, "application/json", packed.finish().unwrap());
    let connector = offers::json_connector(SOURCE, &bench.feeds.url(FEED));
    bench
        .hub
        .connector(SOURCE, &format!("{connector}\n[limits]\nbody_mb = 8\n"));
    let error = bench.refused("64 MB of blanks", bomb).await;
    assert!(!error.is_empty());
}

#[tokio::test]
async fn t08_a_field_that_vanishes_everywhere_is_doubted() {
    let bench = Bench::json(24);
    let mut document = offers::json(&bench.offers);
    for job in document["jobs"].as_array_mut().unwrap() {
        job.as_object_mut().unwrap().remove("text");
    }
    let sync = bench.bad("no text", Answer::json(&document)).await;
    assert!(sync.count(SOURCE, "held") > 0);
    assert!(sync.needs_a_human);
    for vacancy in bench.hub.vacancies().await {
        assert!(
            vacancy["description"]["text"]
                .as_str()
                .is_some_and(|t| !t.is_empty())
        );
    }
    let holds = bench.hub.lines(&["holds", "list", "--json"]);
    assert_eq!(holds.len(), 1);
}

#[tokio::test]
async fn t09_a_lost_apply_does_not_keep_the_entity_tag() {
    let bench = Bench::json(12);
    let mut changed = bench.offers.clone();
    for offer in &mut changed {
        offer.text = offer.text.replace("accueillante", "bienveillante");
    }
    for (fault, tag) in [("pull.planned", "\"two\""), ("pull.batch", "\"three\"")] {
        let answer = Answer::json(&offers::json(&changed)).tagged(tag);
        bench.feeds.set(FEED, answer);
        let died = bench
            .hub
            .command(&["sync", "--json"])
            .env("PASSERELLE_FAULT", fault)
            .output();
        assert!(!died.unwrap().status.success(), "{fault}");
        bench.hub.sync();
        let vacancies = bench.hub.vacancies().await;
        assert_eq!(vacancies.len(), 12);
        assert!(
            vacancies
                .iter()
                .all(|one| one.to_string().contains("bienveillante")),
            "{fault}"
        );
        // From now on the tag holds.
        assert_eq!(bench.hub.sync().snapshot(SOURCE), "unchanged");
        for offer in &mut changed {
            offer.title = offer.title.replace("(H/F)", "de nuit (H/F)");
        }
    }
}

#[tokio::test]
async fn t10_what_is_absent_on_both_sides_is_not_equal() {
    let (hub, feeds) = (Hub::new(), Feeds::start());
    for (name, text) in [
        ("one", "Service de pneumologie, poste de jour."),
        ("two", "Unité de cardiologie, poste de nuit."),
    ] {
        let offer = json!({ "jobs": [{ "ref": "1", "title": "Infirmier (H/F)", "text": text, "date": "2026-10-20T08:00:00Z" }] });
        feeds.set(&format!("/{name}"), Answer::json(&offer));
        let connector = offers::json_connector(name, &feeds.url(&format!("/{name}")));
        hub.connector(name, &connector.replace("member = \"essai\"\n", ""));
    }
    hub.sync();
    assert_eq!(hub.published().await.len(), 2);
}

#[tokio::test]
async fn t11_a_page_that_always_fails_ends_the_run() {
    let (hub, feeds) = (Hub::new(), Feeds::start());
    let offers = offers::some(20);
    let document = offers::json(&offers[..10]);
    feeds.route(FEED, move |request| {
        if request
            .query
            .get("offset")
            .is_some_and(|offset| offset != "0")
        {
            return Answer::new(503, "text/plain", "busy").header("Retry-After", "0");
        }
        let mut page = document.clone();
        page["total"] = json!(20);
        Answer::json(&page)
    });
    let connector = offers::json_connector(SOURCE, &feeds.url(FEED))
        .replace("[records]\npath = \"jobs\"", "[source.paging]\nkind = \"offset\"\nsize = 10\n\n[records]\npath = \"jobs\"\ntotal = \"total\"");
    hub.member(SOURCE, offers::MEMBER);
    hub.connector(SOURCE, &connector);
    let started = Instant::now();
    let sync = hub.sync();
    assert!(
        matches!(sync.snapshot(SOURCE), "partial" | "failed"),
        "{}",
        sync.json
    );
    assert!(sync.needs_a_human);
    assert!(
        feeds.asked(FEED).len() <= 12,
        "{} requests",
        feeds.asked(FEED).len()
    );
    assert!(started.elapsed() < Duration::from_secs(120));
}

#[tokio::test]
async fn t13_a_status_that_changes_alone_is_seen() {
    let bench = Bench::with(12, |feeds, offers| {
        feeds.set(FEED, Answer::json(&with_status(offers, None)));
        offers::json_connector(SOURCE, &feeds.url(FEED)).replace(
            "[fields]\n",
            "[fields]\nstatus = { path = \"status\", values = \"status\" }\n",
        ) + "\n[values.status]\n\"active\" = \"open\"\n\"archived\" = \"closed\"\n"
    });
    bench
        .feeds
        .set(FEED, Answer::json(&with_status(&bench.offers, Some(5))));
    let sync = bench.hub.sync();
    assert_eq!(
        sync.count(SOURCE, "closed"),
        1,
        "an explicit closing needs no second look"
    );
    assert_eq!(bench.live().await, 11);
}

fn with_status(offers: &[Offer], archived: Option<usize>) -> Value {
    let mut document = offers::json(offers);
    for (n, job) in document["jobs"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .enumerate()
    {
        job["status"] = json!(if archived == Some(n) {
            "archived"
        } else {
            "active"
        });
    }
    document
}

#[tokio::test]
async fn t15_one_source_that_disappears_is_named() {
    let bench = Bench::json(40);
    let few = offers::some(52)[40..].to_vec();
    bench.feeds.set("/small", Answer::json(&offers::json(&few)));
    bench.hub.connector(
        "small",
        &offers::json_connector("small", &bench.feeds.url("/small")),
    );
    assert_eq!(bench.hub.sync().count("small", "new"), 12);
    let before = bench.live().await;
    bench
        .feeds
        .set("/small", Answer::new(404, "text/plain", "gone"));
    let sync = bench.hub.sync();
    assert_eq!(sync.snapshot("small"), "failed");
    assert_eq!(sync.count(SOURCE, "unchanged"), 40);
    assert!(sync.needs_a_human);
    assert_eq!(bench.live().await, before);
}

#[tokio::test]
async fn t16_no_end_date_means_no_end() {
    let mut bench = Bench::json(12);
    bench.hub.clock = "2027-11-02T08:00:00Z".into();
    bench.hub.sync();
    assert_eq!(bench.live().await, 12);
    for vacancy in bench.hub.vacancies().await {
        assert!(vacancy.get("expires").is_none(), "{vacancy}");
    }
}

#[tokio::test]
async fn t17_a_feed_leads_to_no_private_address() {
    let bench = Bench::json(12);
    for target in [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/feed",
        "http://192.168.1.1/feed",
        "http://[::1]/feed",
        "http://localhost.localdomain:1/feed",
        "file:///etc/passwd",
    ] {
        let started = Instant::now();
        let moved = Answer::new(302, "text/plain", "").header("Location", target);
        let error = bench.refused(target, moved).await;
        assert!(!error.contains("root:"), "{error}");
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{target} was tried"
        );
    }
    let round = Answer::new(302, "text/plain", "").header("Location", FEED);
    bench.refused("a circle", round).await;
}

#[tokio::test]
async fn t18_markup_and_encodings_that_lie() {
    let bench = Bench::xml(12);
    let good = offers::xml(&bench.offers);
    let escaped = good.replace('<', "&lt;").replace('>', "&gt;");
    bench
        .refused("an escaped prolog", Answer::xml(escaped))
        .await;
    let wrong = good.replacen("</title>", "</titel>", 1);
    let sync = bench.bad("a mismatched tag", Answer::xml(wrong)).await;
    assert_ne!(sync.snapshot(SOURCE), "complete");
    let (latin, _, _) = encoding_rs::WINDOWS_1252.encode(&good);
    let declared = [
        b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>".as_slice(),
        &latin[latin.iter().position(|&b| b == b'\n').unwrap()..],
    ]
    .concat();
    for (what, body) in [("declared", declared), ("undeclared", latin.to_vec())] {
        bench
            .feeds
            .set(FEED, Answer::new(200, "application/xml", body));
        let sync = bench.hub.sync();
        assert_eq!(sync.count(SOURCE, "closed"), 0, "{what}");
        for vacancy in bench.hub.vacancies().await {
            let text = vacancy.to_string();
            assert!(
                !text.contains('\u{fffd}') && !text.contains("Ã©"),
                "{what}: {text}"
            );
        }
        if sync.snapshot(SOURCE) == "complete" {
            let texts = bench.hub.vacancies().await;
            assert!(
                texts
                    .iter()
                    .any(|one| one.to_string().contains("Éducateur")),
                "{what}"
            );
        }
    }
}

#[tokio::test]
async fn t19_a_reference_that_comes_twice_is_one_offer() {
    let bench = Bench::json(12);
    let mut document = offers::json(&bench.offers);
    let twin = document["jobs"][4].clone();
    document["jobs"].as_array_mut().unwrap().push(twin.clone());
    bench.feeds.set(FEED, Answer::json(&document));
    let sync = bench.hub.sync();
    assert_eq!(sync.count(SOURCE, "pulled"), 12);
    assert_eq!(bench.live().await, 12);
    let repeats = json!({ "records": 1, "references": ["R-005"] });
    assert_eq!(sync.of(SOURCE)["repeats"], repeats);

    let mut other = twin;
    other["title"] = json!("Un autre poste sous la même référence");
    document["jobs"].as_array_mut().unwrap().push(other);
    bench.feeds.set(FEED, Answer::json(&document));
    let said = bench.hub.run(&["sync"]);
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("2 records repeat the reference"), "{said}");
    assert!(said.contains("R-005"), "{said}");
    let live = bench.hub.vacancies().await;
    assert_eq!(live.len(), 12);
    let last = live
        .iter()
        .find(|v| v["title"] == "Un autre poste sous la même référence");
    let posting = last.unwrap()["sources"][0]["posting"]
        .as_str()
        .unwrap()
        .to_owned();
    let trace = bench.hub.run(&["trace", &posting]);
    let trace = String::from_utf8(trace.stdout).unwrap();
    assert!(trace.contains("2 records repeat the reference"), "{trace}");
    let again = bench.bad("twice the same", Answer::json(&document)).await;
    assert_eq!(again.snapshot(SOURCE), "unchanged");
}

#[tokio::test]
async fn t20_what_is_internal_never_leaves() {
    let bench = Bench::with(12, |feeds, offers| {
        let mut document = offers::json(offers);
        for job in document["jobs"].as_array_mut().unwrap() {
            job["audience"] = json!("all");
        }
        feeds.set(FEED, Answer::json(&document));
        offers::json_connector(SOURCE, &feeds.url(FEED)).replace(
            "[fields]\n",
            "[fields]\nvisibility = { path = \"audience\", values = \"audience\" }\n",
        ) + "\n[values.audience]\n\"all\" = \"public\"\n\"staff\" = \"internal\"\n"
    });
    let mut document = offers::json(&bench.offers);
    for (n, job) in document["jobs"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .enumerate()
    {
        job["audience"] = json!(if n == 3 { "staff" } else { "all" });
    }
    bench.feeds.set(FEED, Answer::json(&document));
    let sync = bench.hub.sync();
    assert_eq!(sync.count(SOURCE, "pulled"), 12);
    let published = bench.hub.vacancies().await;
    assert_eq!(published.len(), 11, "one that became internal is withdrawn");
    assert!(
        !published
            .iter()
            .any(|one| one.to_string().contains("R-004"))
    );
    let linkedin = String::from_utf8(bench.hub.export("linkedin")).unwrap();
    assert!(!linkedin.contains("R-004"));
}

#[tokio::test]
async fn t21_a_hostile_description_is_harmless() {
    let bench = Bench::json(12);
    let mut offers = bench.offers.clone();
    let long = "Une phrase de plus sur le projet de soins de la résidence. ".repeat(500);
    offers[0].text = format!(
        "<p onclick=\"steal()\">Soins &amp;amp; accueil</p><script>alert('x')</script><style>p{{}}</style>\
         <iframe src=\"https://bad.example\"></iframe><a href=\"javascript:alert(1)\">ici</a><p>{long}</p>"
    );
    bench.feeds.set(FEED, Answer::json(&offers::json(&offers)));
    bench.hub.sync();
    let vacancies = bench.hub.vacancies().await;
    let vacancy = vacancies
        .iter()
        .find(|one| one.to_string().contains("Soins"))
        .unwrap();
    let html = vacancy["description"]["html"].as_str().unwrap();
    for bad in [
        "<script",
        "alert(",
        "onclick",
        "<style",
        "<iframe",
        "javascript:",
        "&amp;amp;",
    ] {
        assert!(!html.contains(bad), "{bad} in {html}");
    }
    assert!(html.len() < 120_000);
}

#[tokio::test]
async fn t23_new_numbers_for_everything_are_one_question() {
    let bench = Bench::json(24);
    let mut renamed = bench.offers.clone();
    for offer in &mut renamed {
        offer.reference = offer.reference.replace("R-", "NEW-");
    }
    let before = bench.hub.published().await;
    let sync = bench
        .bad("re-key", Answer::json(&offers::json(&renamed)))
        .await;
    assert!(before == bench.hub.published().await);
    assert!(sync.count(SOURCE, "held") > 0);
    let holds = bench.hub.lines(&["holds", "list", "--json"]);
    assert_eq!(holds.len(), 1);
    let shown = bench.hub.run(&[
        "holds",
        "show",
        holds[0]["id"].to_string().trim_matches('"'),
    ]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    for line in [
        "R-001 became NEW-001?",
        "missing R-001  Infirmier",
        "new     NEW-001",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    // Released, each offer keeps its id under its new reference, and none is there twice.
    let id = holds[0]["id"].to_string();
    let hold = id.trim_matches('"');
    let released = bench.hub.run(&["holds", "release", hold, "--why", "essai"]);
    let errors = String::from_utf8_lossy(&released.stderr).into_owned();
    assert!(released.status.success(), "{errors}");
    bench.hub.sync();
    assert_eq!(bench.live().await, 24);
    let ids = |bodies: &[Vec<u8>]| -> Vec<String> {
        let id = |body: &Vec<u8>| {
            let vacancy: Value = serde_json::from_slice(body).unwrap();
            vacancy["id"].as_str().unwrap().to_owned()
        };
        bodies.iter().map(id).collect()
    };
    assert_eq!(ids(&before), ids(&bench.hub.published().await));
    // Who released it, and why, stays with it.
    let shown = bench.hub.lines(&["holds", "show", hold, "--json"]);
    assert_eq!(shown[0]["status"], "applied");
    assert_eq!(shown[0]["decided"][2], "essai");
}

#[tokio::test]
async fn t25_a_date_that_is_none_is_not_guessed() {
    let bench = Bench::json(12);
    for date in [
        "2026-02-30",
        "01/02/2026",
        "1767261600000",
        "hier",
        "2026-13-01T00:00:00Z",
    ] {
        let mut offers = bench.offers.clone();
        offers[0].date = date.into();
        bench.feeds.set(FEED, Answer::json(&offers::json(&offers)));
        let sync = bench.hub.sync();
        assert_eq!(sync.count(SOURCE, "closed"), 0);
        let id = passerelle::model::PostingId::new(&SOURCE.into(), "R-001");
        let stored = bench.hub.store().load_normalised(&[id]).await.unwrap();
        let published = stored[0].posting.offer.published;
        // Its first sight is what is left, or it was rejected and stays as it was.
        let shown = published.map(|p| p.to_string()).unwrap_or_default();
        assert!(
            shown.starts_with("2026-10-20") || shown.starts_with("2026-11-02") || shown.is_empty(),
            "{date} became {shown}"
        );
    }
}

#[tokio::test]
async fn a_source_that_stalls_is_given_up() {
    let bench = Bench::json(12);
    let connector = offers::json_connector(SOURCE, &bench.feeds.url(FEED));
    let limits = "\n[limits]\nidle_seconds = 1\nseconds = 3\n";
    bench.hub.connector(SOURCE, &format!("{connector}{limits}"));
    let started = Instant::now();
    let answer = Answer::json(&offers::json(&bench.offers)).sent(Sent::Stall(200));
    bench.feeds.set(FEED, answer);
    let sync = bench.hub.sync();
    assert!(matches!(sync.snapshot(SOURCE), "failed" | "partial"));
    assert_eq!(sync.count(SOURCE, "closed"), 0);
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn a_source_learns_who_asks_and_nothing_that_it_gave() {
    let bench = Bench::json(12);
    let answer = Answer::json(&offers::json(&bench.offers)).header("Set-Cookie", "visit=1; Path=/");
    bench.feeds.set(FEED, answer);
    for _ in 0..2 {
        bench.hub.sync();
    }
    let settings = std::fs::read_to_string(bench.hub.path("passerelle.toml")).unwrap();
    let settings = settings.replace("[fetch]\n", "[fetch]\ncontact = \"rh@ght.example\"\n");
    bench.hub.write("passerelle.toml", &settings);
    bench.hub.sync();
    let asked = bench.feeds.asked(FEED);
    let agents: Vec<&str> = asked
        .iter()
        .map(|a| a.headers["user-agent"].as_str())
        .collect();
    assert!(
        agents[..3]
            .iter()
            .all(|agent| agent.ends_with(" (+https://hub.example)")),
        "{agents:?}"
    );
    assert!(agents[3].ends_with(" (+rh@ght.example)"), "{agents:?}");
    for asked in &asked {
        assert!(
            asked.headers["user-agent"].starts_with("Passerelle/"),
            "{agents:?}"
        );
        assert!(!asked.headers.contains_key("cookie") && !asked.headers.contains_key("referer"));
    }
}

#[tokio::test]
async fn the_portal_says_nothing_of_it() {
    let bench = Bench::xml(12);
    let served = bench.hub.serve();
    let page = served.text("/").await;
    assert!(page.contains("Infirmier"));
    let ready = client()
        .get(format!("{}/readyz", served.base))
        .send()
        .await
        .unwrap();
    assert!(ready.status().is_success());
}
