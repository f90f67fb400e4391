//! The demo's network from its feeds to its outputs: counts, truth, LinkedIn, JSON-LD, API.

use crate::support::hub::{Hub, NOW};
use crate::twice::demo_hub;
use passerelle::demo::Demo;
use passerelle::model::{PostingId, VacancyId};
use passerelle::store::Store;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// A tool that a judge needs is not there. Under `.ci/test`, which installs it, that is a failure.
fn missing_tool(name: &str, error: &std::io::Error) {
    let wanted = std::env::var_os("PASSERELLE_TEST_TOOLS").is_some();
    assert!(!wanted, "{name} cannot be run: {error}");
    eprintln!("skipped: {name} cannot be run: {error}");
}

fn schema(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("schemas")
        .join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn about_three_hundred_postings_make_about_two_hundred_vacancies() {
    let (hub, demo) = demo_hub().await;
    let sync = hub.sync();
    let mut pulled = 0;
    let mut rejected = 0;
    for line in sync.json["connectors"].as_array().unwrap() {
        assert_eq!(line["snapshot"], "complete", "{line}");
        pulled += line["pulled"].as_u64().unwrap();
        rejected += line["rejected"].as_u64().unwrap();
    }
    assert_eq!(sync.json["connectors"].as_array().unwrap().len(), 11);
    assert!((285..=315).contains(&pulled), "{pulled} pulled");
    assert_eq!(rejected, 4, "one a source that has a bad record");
    let live = sync.json["vacancies"]["live"].as_u64().unwrap();
    assert!((190..=210).contains(&live), "{live} vacancies");
    // The lock on the world ends with the statement.
    let internal: Vec<String> = demo
        .server
        .world()
        .openings
        .iter()
        .filter(|o| o.internal)
        .map(|o| o.url())
        .collect();
    assert!(internal.len() >= 3);
    let published: Vec<String> = hub.vacancies().await.iter().map(Value::to_string).collect();
    for url in internal {
        assert!(
            !published.iter().any(|body| body.contains(&url)),
            "{url} is internal"
        );
    }
    for body in &published {
        assert!(!body.contains("127.0.0.1"), "{body}");
    }
}

/// Which opening each stored posting truly is, and which vacancy the hub made of it.
async fn found(hub: &Hub, demo: &Demo) -> Vec<(String, VacancyId, String)> {
    let store = hub.store();
    let ids = store.posting_ids(None).await.unwrap();
    let stored = store.load_normalised(&ids).await.unwrap();
    let mut tx = store.lock_public().await.unwrap();
    let clusters: BTreeMap<PostingId, VacancyId> =
        tx.clusters(&ids).await.unwrap().into_iter().collect();
    let copies: BTreeMap<String, Option<String>> =
        demo.server.world().copies().into_iter().collect();
    stored
        .iter()
        .filter(|one| clusters.contains_key(&one.posting.id))
        .map(|one| {
            let reference = &one.posting.reference;
            let truth = if one.posting.connector.as_str() == "france-travail" {
                let id = reference.split('@').next().unwrap();
                copies[id].clone().unwrap_or_else(|| id.to_owned())
            } else {
                let world = demo.server.world();
                let own = world.openings.iter().find(|o| o.reference() == *reference);
                own.map_or_else(|| reference.clone(), |o| o.reference())
            };
            let shown = format!(
                "{} {reference} {}",
                one.posting.connector, one.posting.offer.title
            );
            (truth, clusters[&one.posting.id], shown)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_join_their_originals_and_nothing_else() {
    let (hub, demo) = demo_hub().await;
    hub.sync();
    let found = found(&hub, &demo).await;
    let pairs = |same: &dyn Fn(usize, usize) -> bool| {
        let all = 0..found.len();
        all.flat_map(|a| (a + 1..found.len()).map(move |b| (a, b)))
            .filter(|&(a, b)| same(a, b))
            .count()
    };
    let truly = |a: usize, b: usize| found[a].0 == found[b].0;
    let joined = |a: usize, b: usize| found[a].1 == found[b].1;
    let right = pairs(&|a, b| truly(a, b) && joined(a, b));
    let precision = right as f64 / pairs(&joined).max(1) as f64;
    let recall = right as f64 / pairs(&truly).max(1) as f64;
    for a in 0..found.len() {
        for b in a + 1..found.len() {
            if truly(a, b) != joined(a, b) {
                let what = if joined(a, b) { "joined" } else { "apart" };
                eprintln!("{what}: {} | {}", found[a].2, found[b].2);
            }
        }
    }
    eprintln!("precision {precision:.3}, recall {recall:.3}");
    assert!(precision >= 0.85, "precision {precision:.3}");
    // A copy that carries neither link, reference nor employer may stay apart: it is asked about.
    assert!(recall >= 0.85, "recall {recall:.3}");
}

fn add(job: &mut BTreeMap<String, String>, path: &[String], text: &str) {
    job.entry(path[2].clone()).or_default().push_str(text);
}

/// The jobs of a LinkedIn document as maps of their text.
fn jobs(xml: &str) -> Vec<BTreeMap<String, String>> {
    use quick_xml::Reader;
    use quick_xml::events::Event;
    let mut reader = Reader::from_str(xml);
    let (mut jobs, mut job, mut path) = (Vec::new(), BTreeMap::new(), Vec::<String>::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => {
                path.push(tag.name().as_ref().to_owned());
            }
            Event::End(_) if path.pop().as_deref() == Some("job") => {
                jobs.push(std::mem::take(&mut job));
            }
            Event::Text(text) if path.len() == 3 => add(&mut job, &path, &text),
            Event::CData(text) if path.len() == 3 => add(&mut job, &path, &text),
            Event::GeneralRef(name) if path.len() == 3 => {
                let text = match &*name {
                    "lt" => "<",
                    "gt" => ">",
                    "quot" => "\"",
                    "apos" => "'",
                    _ => "&",
                };
                add(&mut job, &path, text);
            }
            Event::Eof => return jobs,
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn linkedin_takes_the_export_and_each_job_is_its_vacancy() {
    let (hub, demo) = demo_hub().await;
    hub.sync();
    let xml = hub.export("linkedin");
    let file = hub.path("linkedin.xml");
    std::fs::write(&file, &xml).unwrap();
    let lint = Command::new("xmllint")
        .args(["--noout", "--schema"])
        .arg(schema("linkedin-basic-jobs.xsd"))
        .arg(&file)
        .output();
    match lint {
        Ok(lint) => assert!(
            lint.status.success(),
            "{}",
            String::from_utf8_lossy(&lint.stderr)
        ),
        Err(error) => missing_tool("xmllint", &error),
    }
    let jobs = jobs(std::str::from_utf8(&xml).unwrap());
    assert!(jobs.len() >= 80, "{} jobs", jobs.len());

    let served = hub.serve();
    for job in &jobs {
        let id = &job["partnerJobId"];
        let vacancy = served.json(&format!("/api/v1/vacancies/{id}")).await;
        assert_eq!(vacancy["id"], id.as_str());
        // The public form of the title: neutral by itself, or marked as the offer's page marks it.
        let title = vacancy["title"].as_str().unwrap();
        let marked = format!("{title} (F/H)");
        assert!(
            [title, marked.as_str()].contains(&job["title"].as_str()),
            "{id}"
        );
        assert_eq!(vacancy["employer"]["name"], job["company"].as_str(), "{id}");
        assert_eq!(vacancy["apply"]["url"], job["applyUrl"].as_str(), "{id}");
        let place = &vacancy["places"][0];
        assert!(
            job["location"].contains(place["name"].as_str().unwrap()),
            "{id}"
        );
        let text = vacancy["description"]["text"].as_str().unwrap();
        let words = |text: &str| -> Vec<String> {
            let text = text
                .replace("&amp;", "&")
                .replace("&lt;", "<")
                .replace("&gt;", ">");
            let letters = |c: char| !c.is_alphanumeric();
            text.split(letters)
                .filter(|w| !w.is_empty())
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(
            words(text),
            words(&without_tags(&job["description"])),
            "{id}"
        );
    }
    // Whatever is public and not in the export is listed with its rule.
    let exported: BTreeSet<&str> = jobs
        .iter()
        .map(|job| job["partnerJobId"].as_str())
        .collect();
    let output = hub.run(&["preflight", "linkedin", "--json"]);
    assert_eq!(
        output.status.code(),
        Some(3),
        "some are blocked, which asks for a person"
    );
    let lines = String::from_utf8(output.stdout).unwrap();
    let blocked: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| !exported.contains(line["id"].as_str().unwrap_or("")))
        .collect();
    let live = hub.vacancies().await.len();
    assert_eq!(blocked.len() + exported.len(), live);
    for line in &blocked {
        assert!(line.to_string().contains("rule"), "{line}");
    }
    drop(demo);
}

fn without_tags(html: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => {
                inside = true;
                out.push(' ');
            }
            '>' if inside => inside = false,
            _ if inside => {}
            _ => out.push(c),
        }
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_carries_a_job_posting_that_google_takes() {
    let (hub, demo) = demo_hub().await;
    hub.sync();
    let served = hub.serve();
    let text = std::fs::read_to_string(schema("google-jobposting.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
    let vacancies = hub.vacancies().await;
    for vacancy in &vacancies {
        let id = vacancy["id"].as_str().unwrap();
        let page = served
            .follow(&format!("/offres/{id}"))
            .await
            .text()
            .await
            .unwrap();
        let document = scraper::Html::parse_document(&page);
        let selector = scraper::Selector::parse("script[type='application/ld+json']").unwrap();
        let postings: Vec<Value> = document
            .select(&selector)
            .map(|script| serde_json::from_str(&script.text().collect::<String>()).unwrap())
            .filter(|value: &Value| value["@type"] == "JobPosting")
            .collect();
        assert_eq!(postings.len(), 1, "{id}");
        let errors: Vec<_> = validator
            .iter_errors(&postings[0])
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{id}: {errors:?}");
    }
    let list = served.text("/").await;
    assert!(
        !list.contains("JobPosting"),
        "a list page carries no posting"
    );
    drop(demo);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_delta_feed_and_the_snapshot_agree() {
    let (hub, demo) = demo_hub().await;
    hub.sync();
    let served = hub.serve();
    let snapshot = served.text("/api/v1/snapshot").await;
    let lines: Vec<&str> = snapshot.lines().collect();
    let mut changed = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let query = if cursor.is_empty() {
            String::new()
        } else {
            format!("?cursor={cursor}")
        };
        let page = served.json(&format!("/api/v1/changes{query}")).await;
        for item in page["items"].as_array().unwrap() {
            assert_eq!(item["op"], "upsert", "{item}");
            changed.insert(
                item["id"].as_str().unwrap().to_owned(),
                item["vacancy"].clone(),
            );
        }
        cursor = page["next_cursor"].as_str().unwrap_or_default().to_owned();
        if page["has_more"] != true {
            break;
        }
    }
    assert_eq!(lines.len(), changed.len());
    for line in lines {
        let vacancy: Value = serde_json::from_str(line).unwrap();
        assert_eq!(changed[vacancy["id"].as_str().unwrap()], vacancy);
    }
    let listed = served.json("/api/v1/vacancies?limit=1").await;
    assert_eq!(listed["total"], changed.len());
    drop(demo);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_shows_the_whole_product() {
    let hub = Hub::new();
    let mut command = hub.command(&["demo"]);
    command
        .env("PASSERELLE_CLOCK", NOW)
        .env("PASSERELLE__SERVER__LISTEN", "127.0.0.1:0");
    let served = hub.serve_command(command);
    let listed = served.json("/api/v1/vacancies?limit=5").await;
    assert!(
        listed["total"].as_u64().unwrap() >= 200,
        "{}",
        listed["total"]
    );
    let portal = served.text("/").await;
    assert!(portal.contains("/offres/"));
    assert!(
        served
            .text("/exports/linkedin.xml")
            .await
            .contains("<partnerJobId>")
    );
}
