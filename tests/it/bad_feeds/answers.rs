//! What a source answers that is no feed, or only a part of one.

use super::*;
use crate::support::feeds::Sent;
use crate::support::hub::client;
use std::io::Write;
use std::time::{Duration, Instant};

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
