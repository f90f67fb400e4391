//! Duplicates: figures on the labelled corpora, the form of `evaluate`, and what people say of
//! pairs, through the program.

use crate::services::{BROKER, broker};
use crate::store_contract::backend::Backend;
use crate::support::feeds::{Answer, Feeds};
use crate::support::hub::{Hub, Served, client, corpus};
use crate::support::offers;
use passerelle::dedupe::evaluate::{evaluate, france_travail, labelled, pairs};
use passerelle::store::Store;
use serde_json::{Value, json};
use std::fs::File;
use std::time::{Duration, Instant};

/// Figures of the shipped rules on the synthetic corpus; they were fitted on it with other names,
/// so what this test keeps is that no change of rules makes them worse unseen.
#[test]
fn the_synthetic_corpus_is_judged_at_the_bars() {
    let Some(path) = corpus("duplicates/dev10k.jsonl.xz") else {
        return;
    };
    let corpus = labelled(File::open(path).unwrap()).unwrap();
    let report = evaluate(&corpus, None);
    let seen = serde_json::to_string(&report).unwrap();
    assert!(report.pairwise.precision >= 0.99, "{seen}");
    assert!(report.pairwise.recall >= 0.82, "{seen}");
    assert!(report.best.figures.f1 >= 0.955, "{seen}");
    assert!(report.best.bcubed_f1 >= 0.977, "{seen}");
    assert!(report.with_ask.recall >= 0.95, "{seen}");
    assert!(report.ask_share <= 0.05, "{seen}");
    assert!(report.candidates.recall >= 0.97, "{seen}");
}

/// What tells openings of one source apart comes through as far as their comparison.
#[test]
fn titles_that_count_posts_tell_them_apart_in_the_hub() {
    use passerelle::model::{ConnectorName, Draft, Field, MemberId, Network, Raw};
    use passerelle::normalise::{Context, normalise};
    let (network, connector) = (Network::default(), ConnectorName::from("ats"));
    let member = MemberId::from("tilleuls");
    let read = |reference: &str, title: &str| {
        let mut draft = Draft {
            reference: reference.to_owned(),
            ..Draft::default()
        };
        for (field, value) in [
            (Field::Title, title),
            (Field::PlaceCity, "Vesoul"),
            (Field::PlacePostalCode, "70000"),
            (Field::EmployerName, "Résidence Les Tilleuls"),
            (
                Field::Description,
                "Vous accompagnez les résidents au quotidien.",
            ),
        ] {
            draft.fields.insert(field, Raw::new(value, "field"));
        }
        let context = Context {
            connector: &connector,
            member: Some(&member),
            network: &network,
            first_seen: jiff::Timestamp::UNIX_EPOCH,
        };
        normalise(&draft, &context)
    };
    for (one, other, apart) in [
        ("AS poste 1", "AS poste 2", true),
        ("AS poste 1 (H/F)", "AS poste 2 H/F", true),
        ("Infirmier - Lot n° 01", "Infirmier - Lot n° 2", true),
        ("IDE unité n°2", "IDE unité n° 3 - CDI", true),
        ("IDE unité A", "IDE unité B", true),
        (
            "IDE secteur A - Vesoul (70)",
            "IDE secteur B - Vesoul (70)",
            true,
        ),
        ("ASH 1er étage", "ASH 2e étage", true),
        ("IDE - Vesoul (70)", "IDE - Vesoul", false),
        ("IDE unité A", "IDE, unité A (H/F)", false),
        ("AS poste 80 %", "AS poste 100 %", false),
        ("Réf. 12 AS", "Réf. 13 AS", false),
        ("IDE 12 h", "IDE 10 h", false),
    ] {
        let edge = passerelle::dedupe::compare(&read("R1", one), &read("R2", other));
        let vetoed = edge.evidence[0] == "veto: designator";
        assert_eq!(vetoed, apart, "{one} | {other}: {edge:#?}");
    }
}

#[test]
fn labelled_real_pairs_are_judged_at_the_bars() {
    let Some(folder) = corpus("") else {
        return;
    };
    let mut offers = Vec::new();
    let plain = folder.join("france-travail/offers");
    let mut files: Vec<_> = std::fs::read_dir(plain)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    for file in files {
        offers.extend(std::fs::read(file).unwrap());
        offers.push(b'\n');
    }
    let packed = std::fs::read(folder.join("duplicates/ft_data_jobs.jsonl.xz")).unwrap();
    lzma_rs::xz_decompress(&mut packed.as_slice(), &mut offers).unwrap();
    let corpus = france_travail(offers.as_slice()).unwrap();

    let dev = File::open(folder.join("duplicates/real_pairs_dev.csv")).unwrap();
    let report = evaluate(&corpus, Some(&pairs(dev, &corpus).unwrap()));
    assert!(report.pairwise.precision >= 0.98, "{:?}", report.pairwise);
    assert!(report.pairwise.f1 >= 0.97, "{:?}", report.pairwise);

    // Read by a person, blind to the program's answer.
    let own = include_str!("../dedupe/real_pairs.csv");
    let report = evaluate(&corpus, Some(&pairs(own.as_bytes(), &corpus).unwrap()));
    assert!(report.pairwise.precision >= 0.97, "{:?}", report.pairwise);
    assert!(report.pairwise.recall >= 0.75, "{:?}", report.pairwise);
    assert_eq!(report.candidates.recall, 1.0);
}

/// Three synthetic ads in the form of the labelled corpus: two are one opening.
fn rows() -> String {
    let text = "La résidence des Tilleuls recherche une aide-soignante pour son unité de soins de \
                suite. Vous participez aux soins d'hygiène, aux repas et aux transmissions.";
    let row = |rid: &str, vid: u32, src: &str, town: &str, url: Value| {
        json!({
            "rid": rid, "vid": vid, "src": src, "ext_id": rid, "title": "Aide-soignant H/F",
            "employer": "Résidence des Tilleuls", "siret": null, "commune": town, "loc": null,
            "dept": "70", "rome": "J1501", "contract": "CDI", "salary": null, "ref": null,
            "url": url, "date": "2026-04-01", "end": null, "desc": text, "kind": "health",
            "twin": false
        })
        .to_string()
    };
    let link = json!("https://tilleuls.example/offres/4711");
    [
        row("R1", 1, "ats:123456789", "70550", link.clone()),
        row("R2", 1, "board:annonces", "70550", link),
        row("R3", 2, "ft", "70285", Value::Null),
    ]
    .join("\n")
}

#[test]
fn evaluate_prints_every_figure_and_the_clusters() {
    let hub = Hub::new();
    hub.write("plain.jsonl", &rows());
    let mut packed = Vec::new();
    lzma_rs::xz_compress(&mut rows().as_bytes(), &mut packed).unwrap();
    std::fs::write(hub.path("packed.jsonl.xz"), packed).unwrap();
    for file in ["plain.jsonl", "packed.jsonl.xz"] {
        let args = [
            "duplicates",
            "evaluate",
            file,
            "--clusters",
            "out.csv",
            "--json",
        ];
        let report = hub.lines(&args).remove(0);
        for path in [
            "/postings",
            "/vacancies_true",
            "/vacancies_found",
            "/pairwise/precision",
            "/pairwise/recall",
            "/pairwise/f1",
            "/bcubed/precision",
            "/bcubed/recall",
            "/bcubed/f1",
            "/best/threshold",
            "/best/precision",
            "/best/recall",
            "/best/f1",
            "/best/bcubed_f1",
            "/with_ask/recall",
            "/ask_share",
            "/candidates/recall",
            "/candidates/pairs_per_posting",
            "/seconds",
            "/peak_mb",
        ] {
            assert!(
                report.pointer(path).is_some_and(Value::is_number),
                "{path} in {report}"
            );
        }
        assert_eq!(report["postings"], 3);
        assert_eq!(report["vacancies_true"], 2);
        assert_eq!(report["vacancies_found"], 2, "{report}");
        assert_eq!(report["pairwise"]["f1"], 1.0, "{report}");
        let clusters = std::fs::read_to_string(hub.path("out.csv")).unwrap();
        let of = |rid: &str| {
            let line = clusters.lines().find(|l| l.starts_with(&format!("{rid},")));
            line.unwrap().split_once(',').unwrap().1.to_owned()
        };
        assert_eq!(of("R1"), of("R2"));
        assert_ne!(of("R1"), of("R3"));
    }
    let missing = hub.run(&["duplicates", "evaluate", "none.jsonl", "--json"]);
    assert_eq!(missing.status.code(), Some(1));
    hub.write("broken.jsonl", "{\"rid\": 1}\n");
    let broken = hub.run(&["duplicates", "evaluate", "broken.jsonl"]);
    let said = String::from_utf8_lossy(&broken.stderr).into_owned();
    assert!(
        said.contains("broken.jsonl") && said.contains("line 1"),
        "{said}"
    );
}

/// A hub that has read so many offers, each a vacancy of its own.
fn hub_of(feeds: &Feeds, count: usize) -> Hub {
    let answer = Answer::json(&offers::json(&offers::some(count)));
    feeds.set("/jobs", answer);
    let hub = Hub::new();
    hub.member("essai", "id = \"essai\"\nname = \"Résidence d'essai\"\n");
    let connector = offers::json_connector("essai", &feeds.url("/jobs"));
    hub.connector("essai", &connector);
    hub.sync();
    hub
}

async fn ids(hub: &Hub) -> Vec<String> {
    let vacancies = hub.vacancies().await;
    let id = |vacancy: &Value| vacancy["id"].as_str().unwrap().to_owned();
    vacancies.iter().map(id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_join_part_and_take_it_back() {
    let feeds = Feeds::start();
    let mut hub = hub_of(&feeds, 2);
    let before = hub.published().await;
    assert_eq!(before.len(), 2);
    let ids = ids(&hub).await;
    let (one, other) = (ids[0].as_str(), ids[1].as_str());
    // Each word a minute after the last one: the newest holds.
    let say = |hub: &mut Hub, word: &str, minute: u32| {
        hub.clock = format!("2026-11-02T09:{minute:02}:00Z");
        let output = hub.run(&[
            "duplicates",
            word,
            one,
            other,
            "--by",
            "Jeanne",
            "--why",
            "vu",
        ]);
        assert!(output.status.success(), "{output:?}");
        hub.sync();
    };

    let explained = hub.lines(&["duplicates", "explain", one, other, "--json"]);
    assert_eq!(explained[0]["together"], false);
    assert!(!explained[0]["evidence"].as_array().unwrap().is_empty());

    say(&mut hub, "same", 1);
    assert_eq!(hub.published().await.len(), 1);
    let explained = hub.lines(&["duplicates", "explain", one, other, "--json"]);
    assert_eq!(explained[0]["together"], true);
    assert_eq!(explained[0]["decisions"][0]["who"], "Jeanne");

    say(&mut hub, "unsure", 2);
    assert_eq!(hub.published().await, before, "as if nothing had been said");

    say(&mut hub, "different", 3);
    assert_eq!(hub.published().await, before);
    let all = hub.lines(&["duplicates", "list", "--all", "--json"]);
    assert_eq!(all.len(), 1, "{all:?}");
    let listed = hub.run(&["duplicates", "list", "--all", "--json"]).stdout;
    assert!(listed.starts_with(b"{\"id\":"), "the id comes first");
    assert_eq!(all[0]["state"], "different");
    assert!(hub.lines(&["duplicates", "list", "--json"]).is_empty());
    let shown = hub.run(&["duplicates", "list"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("people decided 1 pairs"), "{shown}");

    let refused = hub.run(&["duplicates", "same", one, one]);
    assert_eq!(refused.status.code(), Some(1));
    let unknown = "00000000-0000-4000-8000-000000000000";
    let refused = hub.run(&["duplicates", "explain", one, unknown]);
    assert_eq!(refused.status.code(), Some(1));
}

const KEY: &str = "a-key-for-tests-only";

/// Asks `/api/v1/duplicates` with the administration's key: a body is posted.
async fn ask(served: &Served, path: &str, body: Option<Value>) -> (u16, Value) {
    let address = format!("{}/api/v1/duplicates{path}", served.base);
    let request = match body {
        None => client().get(address),
        Some(body) => client().post(address).body(body.to_string()),
    };
    let reply = request.bearer_auth(KEY).send().await.unwrap();
    let status = reply.status().as_u16();
    if status >= 400 {
        assert_eq!(reply.headers()["content-type"], "application/problem+json");
    }
    let text = reply.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap())
}

/// Waits until so many vacancies are public; a hub that never has them ends the test.
async fn until(served: &Served, count: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let page = served.json("/api/v1/vacancies").await;
        if page["total"] == count {
            return;
        }
        assert!(Instant::now() < deadline, "not {count}: {}", page["total"]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_review_lists_explains_and_answers() {
    let feeds = Feeds::start();
    let mut hub = hub_of(&feeds, 3);
    let before = hub.published().await;
    let ids = ids(&hub).await;
    hub.envs
        .push(("PASSERELLE__SERVER__ADMIN_KEY".into(), KEY.into()));
    // The newest word holds: the clock goes on between two.
    hub.write("clock", "2026-11-02T09:00:00Z");
    hub.clock = format!("FILE:{}", hub.path("clock").display());
    let served = hub.serve();
    let pair = format!("/{}/{}", ids[0], ids[1]);
    let say = async |pair: &str, answer: &str, minute: u32| {
        hub.write("clock", &format!("2026-11-02T09:{minute:02}:00Z"));
        let body = json!({ "answer": answer, "by": "Jeanne", "why": "vu" });
        let (status, decision) = ask(&served, pair, Some(body)).await;
        assert_eq!(status, 200, "{decision}");
        assert_eq!(
            (&decision["kind"], &decision["who"], &decision["why"]),
            (&json!(answer), &json!("Jeanne"), &json!("vu"))
        );
    };

    for path in [
        "/api/v1/duplicates".into(),
        format!("/api/v1/duplicates{pair}"),
    ] {
        let refused = served.get(&path).await;
        assert_eq!(refused.status(), 401);
        assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    }
    let (status, list) = ask(&served, "", None).await;
    assert_eq!(status, 200);
    assert_eq!(list["items"], json!([]), "two lone ads are not asked about");

    let (status, explained) = ask(&served, &pair, None).await;
    assert_eq!(status, 200);
    let printed = hub.lines(&["duplicates", "explain", &ids[0], &ids[1], "--json"]);
    assert_eq!(explained, printed[0], "as the command line says it");
    assert_eq!(explained["together"], false);
    assert!(explained["weight"].as_i64().unwrap() < 0);
    assert_eq!(
        explained["evidence"].as_array().unwrap().len(),
        explained["evidence_fr"].as_array().unwrap().len()
    );
    for (ad, id) in explained["ads"].as_array().unwrap().iter().zip(&ids) {
        assert_eq!(ad["id"], *id);
        assert_eq!(ad["connector"], "essai");
        assert!(ad["title"].is_string() && ad["live"] == true, "{ad}");
        assert!(ad["places"][0]["name"].is_string(), "{ad}");
    }

    say(&pair, "same", 1).await;
    until(&served, 2).await;
    let (_, explained) = ask(&served, &pair, None).await;
    assert_eq!(explained["together"], true);
    assert_eq!(explained["decisions"][0]["who"], "Jeanne");

    say(&pair, "unsure", 2).await;
    until(&served, 3).await;
    assert_eq!(hub.published().await, before, "as if nothing had been said");

    say(&pair, "different", 3).await;
    say(&format!("/{}/{}", ids[2], ids[1]), "different", 4).await;
    let (_, list) = ask(&served, "?all=true", None).await;
    let printed = hub.lines(&["duplicates", "list", "--all", "--json"]);
    assert_eq!(list["items"], json!(printed), "as the command line says it");
    assert_eq!((&list["total"], &list["open"]), (&json!(2), &json!(0)));
    assert_eq!(
        list["agreement"],
        json!({ "agreed": 2, "contradicted": 0, "asked": 0 })
    );
    let (_, list) = ask(&served, "?all=true&limit=1", None).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["total"], 2, "those left off are counted");

    let unknown = format!("/{}/00000000-0000-4000-8000-000000000000", ids[0]);
    let twice = format!("/{0}/{0}", ids[0]);
    let same = || Some(json!({ "answer": "same" }));
    for (path, body, wanted, says) in [
        ("?limit=0", None, 400, "from 1 to 1000"),
        ("?tout=1", None, 400, "unknown parameter"),
        (unknown.as_str(), None, 404, "there is no offer 0000"),
        (unknown.as_str(), same(), 404, "there is no offer 0000"),
        ("/a/b", same(), 404, "there is no offer a"),
        (twice.as_str(), None, 422, "give the ids of two"),
        (twice.as_str(), same(), 422, "give the ids of two"),
        (
            pair.as_str(),
            Some(json!({ "answer": "yes" })),
            422,
            "one of: same, different, unsure",
        ),
    ] {
        let (status, problem) = ask(&served, path, body).await;
        assert_eq!(status, wanted, "{path}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(says), "{path}: {problem}");
    }
    assert_eq!(hub.store().decisions().await.unwrap().len(), 4);
}

/// An employer's ad of one word with two boards' copies that its link ties, and a third board's ad
/// that nothing but title, place and contract ties to them.
fn questioned(hub: &mut Hub, feeds: &Feeds) {
    let mut offer = offers::some(1).remove(0);
    "<p>Urgent.</p>".clone_into(&mut offer.text);
    let ad = offers::json_job(&offer);
    let mut alone = ad.clone();
    alone["date"] = json!("2026-10-22T08:00:00+02:00");
    alone.as_object_mut().unwrap().remove("url");
    hub.envs
        .push(("PASSERELLE__SERVER__ADMIN_KEY".into(), KEY.into()));
    hub.member("essai", "id = \"essai\"\nname = \"Résidence d'essai\"\n");
    for (name, ad) in [
        ("essai", &ad),
        ("annonces", &ad),
        ("emplois", &ad),
        ("presse", &alone),
    ] {
        let path = format!("/{name}");
        feeds.set(&path, Answer::json(&json!({ "jobs": [ad] })));
        let file = offers::json_connector(name, &feeds.url(&path));
        let file = match name {
            "essai" => file,
            _ => file.replace("member = \"essai\"\n", ""),
        };
        hub.connector(name, &file);
    }
}

/// A question as a reviewer meets it: listed, explained, answered; what was said outlives a replay.
async fn a_question_is_asked_and_answered(mut hub: Hub) {
    let feeds = Feeds::start();
    questioned(&mut hub, &feeds);
    hub.write("clock", "2026-11-02T09:00:00Z");
    hub.clock = format!("FILE:{}", hub.path("clock").display());
    hub.sync();
    let served = hub.serve();
    until(&served, 2).await;
    let snapshot = async || served.text("/api/v1/snapshot").await;
    let asked = snapshot().await;

    let (status, list) = ask(&served, "", None).await;
    assert_eq!((status, &list["open"]), (200, &json!(1)), "{list:#}");
    let question = &list["items"][0];
    assert_eq!(
        (&question["state"], &question["postings"]),
        (&json!("open"), &json!(4))
    );
    assert_eq!(question["best"]["outcome"], "ask", "{question:#}");
    let of = |value: &Value| value.as_str().unwrap().to_owned();
    let pair = &question["best"]["postings"];
    let pair = format!("/{}/{}", of(&pair[0]), of(&pair[1]));
    let (status, explained) = ask(&served, &pair, None).await;
    assert_eq!((status, &explained["together"]), (200, &json!(false)));
    let held = |lines: &Value, word: &str| {
        let lines = lines.as_array().unwrap();
        assert!(lines[0].as_str().unwrap().starts_with(word), "{lines:#?}");
    };
    held(&explained["evidence"], "held back: texts too short");
    held(&explained["evidence_fr"], "retenu : textes trop courts");

    let replayed = || {
        let output = hub.run(&["replay"]);
        assert!(output.status.success(), "{output:?}");
        hub.sync();
    };
    for (minute, answer, vacancies) in [
        (1, "same", 1),
        (2, "unsure", 2),
        (3, "different", 2),
        (4, "same", 1),
        (5, "different", 2),
    ] {
        hub.write("clock", &format!("2026-11-02T09:{minute:02}:00Z"));
        let body = json!({ "answer": answer, "by": "Jeanne" });
        let (status, said) = ask(&served, &pair, Some(body)).await;
        assert_eq!(status, 200, "{said}");
        until(&served, vacancies).await;
        let told = snapshot().await;
        assert_eq!(told == asked, vacancies == 2, "{answer}: {told}");
        let (_, list) = ask(&served, "", None).await;
        let open = u32::from(answer == "unsure");
        assert_eq!(list["open"], json!(open), "{answer}: {list:#}");
        replayed();
        assert_eq!(snapshot().await, told, "{answer}, replayed");
        let (_, explained) = ask(&served, &pair, None).await;
        assert_eq!(explained["together"], json!(vacancies == 1), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_asked_over_http_and_its_answer_outlives_a_replay() {
    a_question_is_asked_and_answered(Hub::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_asked_and_answered_on_postgresql() {
    let _shared = BROKER.read().await;
    let Some(broker) = broker("questions") else {
        return;
    };
    let Some(backend) = Backend::postgres("questions").await else {
        return;
    };
    let Backend::Postgres(schema) = &backend else {
        return;
    };
    let mut hub = Hub::new();
    hub.envs = vec![
        ("PASSERELLE__STORE__URL".into(), schema.url()),
        ("PASSERELLE__BUS__URL".into(), broker.url.clone()),
    ];
    a_question_is_asked_and_answered(hub).await;
}
