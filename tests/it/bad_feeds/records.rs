//! Whole feeds with records or fields that are not as they should be.

use super::*;

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
