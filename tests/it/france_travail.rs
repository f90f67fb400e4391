//! France Travail's API replayed on the loopback: its ranges, its ceiling, its tokens, its temper.

use crate::support::feeds::{Answer, Feeds, Request};
use crate::support::hub::{Hub, corpus};
use passerelle::store::Store;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

const TOKEN: &str = "/connexion/oauth2/access_token";
const SEARCH: &str = "/partenaire/offresdemploi/v2/offres/search";

fn connector(feeds: &Feeds, departments: &str) -> String {
    format!(
        "name = \"ft\"\nuse = \"france-travail\"\n\n[with]\nbase_url = \"{}\"\ntoken_url = \"{}\"\n\
         client_id = \"PAR_essai\"\nclient_secret = {{ env = \"FT_SECRET\" }}\ndepartments = {departments}\n\
         since = \"2020-01-01\"\nrate = 200\n\n[guards]\nmiss_gap = \"0s\"\n",
        feeds.url("/partenaire/offresdemploi"),
        feeds.url(&format!("{TOKEN}?realm=%2Fpartenaire")),
    )
}

fn hub(feeds: &Feeds, departments: &str) -> Hub {
    let mut hub = Hub::new();
    hub.envs.push(("FT_SECRET".into(), "synthetic".into()));
    hub.connector("ft", &connector(feeds, departments));
    hub
}

/// A token for good credentials, a new one at each request.
fn issue(feeds: &Feeds) {
    let count = AtomicUsize::new(0);
    feeds.route(TOKEN, move |request| {
        let good = request.method == "POST"
            && request.query.get("realm").map(String::as_str) == Some("/partenaire")
            && request.body.contains("grant_type=client_credentials")
            && request.body.contains("client_id=PAR_essai")
            && request.body.contains("client_secret=synthetic")
            && request.body.contains("api_offresdemploiv2");
        if !good {
            return Answer::new(400, "application/json", r#"{"error":"invalid_client"}"#);
        }
        let n = count.fetch_add(1, Ordering::SeqCst);
        Answer::json(&json!({
            "access_token": format!("token-{n}"), "token_type": "Bearer", "expires_in": 1499,
            "scope": "api_offresdemploiv2 o2dsoffre",
        }))
    });
}

/// What the API answers to `request`, which finds `offers`.
fn answer(request: &Request, offers: &[&Value]) -> Answer {
    let range = request.query.get("range").map_or("0-149", String::as_str);
    let (first, last) = range.split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let refused = |text: &str| {
        Answer::new(
            400,
            "application/json",
            json!({ "message": text }).to_string(),
        )
    };
    if first > 3000 {
        return refused("La position de début doit être inférieure ou égale à 3000.");
    }
    if last < first || last - first > 149 {
        return refused("La plage de résultats demandée est trop importante.");
    }
    let total = offers.len();
    let page: Vec<_> = offers.iter().skip(first).take(last - first + 1).collect();
    if page.is_empty() {
        return Answer::new(204, "application/json", "")
            .header("Content-Range", &format!("*/{total}"));
    }
    let status = if page.len() == total { 200 } else { 206 };
    let shown = format!("offres {first}-{}/{total}", first + page.len() - 1);
    let mut answer = Answer::json(&json!({ "resultats": page, "filtresPossibles": [] }));
    answer.status = status;
    answer.header("Content-Range", &shown)
}

fn asked(request: &Request, name: &str, value: &str) -> bool {
    request
        .query
        .get(name)
        .is_none_or(|list| list.split(',').any(|item| item == value))
}

fn in_window(request: &Request, created: &str) -> bool {
    // The filters carry no fraction of a second; whole seconds compare as text.
    let created = format!("{}Z", &created[..19]);
    let from = request.query.get("minCreationDate");
    let until = request.query.get("maxCreationDate");
    for date in [from, until].into_iter().flatten() {
        assert_eq!(date.len(), 20, "{date} has another form than the API takes");
    }
    from.is_none_or(|from| created >= *from) && until.is_none_or(|until| created <= *until)
}

#[tokio::test]
async fn the_recorded_answer_is_pulled_whole() {
    let Some(path) = corpus("france-travail/search_response_150.json") else {
        return;
    };
    let recorded: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let offers: Vec<Value> = recorded["resultats"].as_array().unwrap().clone();
    assert_eq!(offers.len(), 150);
    let feeds = Feeds::start();
    issue(&feeds);
    let ids: Vec<String> = offers
        .iter()
        .map(|offer| {
            let text = |name: &str| offer[name].as_str().unwrap().to_owned();
            format!("{}@{}", text("id"), &text("dateCreation")[..10])
        })
        .collect();
    feeds.route(SEARCH, move |request| {
        let found: Vec<&Value> = offers
            .iter()
            .filter(|o| {
                asked(
                    request,
                    "origineOffre",
                    o["origineOffre"]["origine"].as_str().unwrap(),
                )
            })
            .filter(|o| in_window(request, o["dateCreation"].as_str().unwrap()))
            .collect();
        answer(request, &found)
    });
    let hub = hub(&feeds, "[\"29\"]");
    let sync = hub.sync();
    assert_eq!(sync.snapshot("ft"), "complete", "{}", sync.errors);
    assert_eq!(sync.count("ft", "pulled"), 150);
    assert_eq!(sync.count("ft", "rejected"), 0);
    assert_eq!(sync.count("ft", "new"), 150);

    let store = hub.store();
    let postings = store.posting_ids(None).await.unwrap();
    let postings = store.load_normalised(&postings).await.unwrap();
    assert_eq!(postings.len(), 150);
    for stored in &postings {
        let posting = &stored.posting;
        assert!(ids.contains(&posting.reference), "{}", posting.reference);
        let commune = posting
            .offer
            .places
            .iter()
            .any(|place| place.insee.is_some());
        let reason = posting.findings.iter().any(|finding| {
            finding.field.starts_with("/places") || finding.rule.starts_with("place")
        });
        assert!(
            commune || reason,
            "{}: {:?}",
            posting.reference,
            posting.offer.places
        );
    }
    // The second time nothing is new, and what was read is unchanged.
    let again = hub.sync();
    assert_eq!(again.count("ft", "unchanged"), 150);
    assert_eq!(again.count("ft", "changed"), 0);
}

/// `count` offers of one département and origin, one every ten minutes.
fn synthetic(count: usize, department: &str, origin: u8) -> Vec<Value> {
    let start: jiff::Timestamp = "2026-09-01T00:00:00Z".parse().unwrap();
    (0..count)
        .map(|n| {
            let created = start + jiff::SignedDuration::from_mins(10 * n as i64);
            json!({
                "id": format!("{:07}", 1_000_000 * usize::from(origin) + n),
                "intitule": format!("Aide-soignant / Aide-soignante unité {n} (H/F)"),
                "description": format!("Annonce synthétique numéro {n}."),
                "dateCreation": created.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string(),
                "lieuTravail": { "libelle": "70 - VESOUL", "codePostal": "70000", "commune": "70550" },
                "romeCode": "J1501", "typeContrat": "CDI", "natureContrat": "Contrat travail",
                "entreprise": { "nom": format!("Établissement {n}") },
                "origineOffre": { "origine": origin.to_string() },
                "departement": department,
            })
        })
        .collect()
}

fn serve(feeds: &Feeds, offers: Vec<Value>) {
    feeds.route(SEARCH, move |request| {
        let found: Vec<&Value> = offers
            .iter()
            .filter(|o| asked(request, "departement", o["departement"].as_str().unwrap()))
            .filter(|o| {
                asked(
                    request,
                    "origineOffre",
                    o["origineOffre"]["origine"].as_str().unwrap(),
                )
            })
            .filter(|o| in_window(request, o["dateCreation"].as_str().unwrap()))
            .collect();
        answer(request, &found)
    });
}

#[test]
fn a_query_above_the_ceiling_is_cut_into_windows() {
    let feeds = Feeds::start();
    issue(&feeds);
    let mut offers = synthetic(3500, "70", 2);
    offers.extend(synthetic(40, "70", 1));
    serve(&feeds, offers);
    let hub = hub(&feeds, "[\"70\"]");
    let sync = hub.sync();
    assert_eq!(sync.snapshot("ft"), "complete", "{}", sync.errors);
    assert_eq!(sync.count("ft", "pulled"), 3540);
    for request in feeds.asked(SEARCH) {
        assert!(
            request.query.contains_key("origineOffre"),
            "origins are asked for apart"
        );
        assert!(request.query.contains_key("departement"));
    }
}

/// Fault 12, where no window is narrow enough: what can be had is had, and nothing closes.
#[tokio::test]
async fn t12_more_than_the_ceiling_in_one_second_is_a_part() {
    let feeds = Feeds::start();
    issue(&feeds);
    serve(&feeds, synthetic(30, "70", 1));
    let hub = hub(&feeds, "[\"70\"]");
    assert_eq!(hub.sync().count("ft", "new"), 30);
    let before = hub.published().await;
    // 3,400 that came in one second, and none of the known ones among them.
    let mut offers = synthetic(3400, "70", 2);
    for offer in &mut offers {
        offer["dateCreation"] = json!("2026-10-01T08:00:00.000Z");
    }
    serve(&feeds, offers);
    for new in [3150, 0] {
        let sync = hub.sync();
        assert_eq!(sync.snapshot("ft"), "partial", "{}", sync.json);
        assert!(sync.needs_a_human);
        assert_eq!(sync.count("ft", "new"), new);
        assert_eq!(sync.count("ft", "closed"), 0);
        let error = sync.of("ft")["error"].as_str().unwrap_or_default();
        assert!(error.contains("3400 offers within"), "{error}");
    }
    let after = hub.published().await;
    assert!(before.iter().all(|known| after.contains(known)));
    assert_eq!(after.len(), 3180);
}

#[test]
fn a_refused_token_and_a_pause_are_nothing_special() {
    let feeds = Feeds::start();
    issue(&feeds);
    let offers = synthetic(320, "70", 1);
    let turn = AtomicUsize::new(0);
    feeds.route(SEARCH, move |request| {
        let found: Vec<&Value> = offers
            .iter()
            .filter(|o| {
                asked(
                    request,
                    "origineOffre",
                    o["origineOffre"]["origine"].as_str().unwrap(),
                )
            })
            .filter(|o| in_window(request, o["dateCreation"].as_str().unwrap()))
            .collect();
        match turn.fetch_add(1, Ordering::SeqCst) {
            // The token died before its time, then the service asks for a pause.
            1 => Answer::new(401, "application/json", "{}"),
            2 => Answer::new(429, "application/json", "{}").header("Retry-After", "1"),
            _ => answer(request, &found),
        }
    });
    let hub = hub(&feeds, "[\"70\"]");
    let sync = hub.sync();
    assert_eq!(sync.snapshot("ft"), "complete", "{}", sync.errors);
    assert_eq!(sync.count("ft", "pulled"), 320);
    assert!(feeds.asked(TOKEN).len() >= 2, "a new token was asked for");
}

#[test]
fn a_page_that_fails_leaves_the_rest_as_a_part() {
    let feeds = Feeds::start();
    issue(&feeds);
    serve(&feeds, synthetic(320, "70", 1));
    let hub = hub(&feeds, "[\"70\"]");
    assert_eq!(hub.sync().count("ft", "new"), 320);
    let offers = synthetic(320, "70", 1);
    feeds.route(SEARCH, move |request| {
        if request
            .query
            .get("range")
            .is_some_and(|range| range.starts_with("150"))
        {
            return Answer::new(500, "text/html", "<h1>Erreur</h1>");
        }
        let found: Vec<&Value> = offers
            .iter()
            .filter(|o| {
                asked(
                    request,
                    "origineOffre",
                    o["origineOffre"]["origine"].as_str().unwrap(),
                )
            })
            .collect();
        answer(request, &found)
    });
    for _ in 0..3 {
        let sync = hub.sync();
        assert!(matches!(sync.snapshot("ft"), "partial" | "failed"));
        assert!(sync.needs_a_human);
        assert_eq!(sync.count("ft", "closed"), 0);
        assert_eq!(sync.json["vacancies"]["live"], 320);
    }
}

#[test]
fn a_recycled_number_is_another_offer() {
    let feeds = Feeds::start();
    issue(&feeds);
    let mut offers = synthetic(10, "70", 2);
    serve(&feeds, offers.clone());
    let hub = hub(&feeds, "[\"70\"]");
    assert_eq!(hub.sync().count("ft", "new"), 10);
    offers[0]["intitule"] = json!("Cuisinier (H/F)");
    offers[0]["romeCode"] = json!("G1602");
    offers[0]["dateCreation"] = json!("2026-10-30T08:00:00.000Z");
    serve(&feeds, offers);
    let sync = hub.sync();
    assert_eq!(sync.count("ft", "new"), 1);
    assert_eq!(sync.count("ft", "missing"), 1);
    assert_eq!(sync.count("ft", "changed"), 0);
}
