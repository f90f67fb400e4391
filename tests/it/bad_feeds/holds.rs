//! A hold from its start to a person's word: what it shows, that the rest goes on meanwhile, and
//! that who decided and why stays with it.

use super::*;

/// Offers of another source, of trades that the first one does not look for.
fn others() -> Vec<Offer> {
    const TRADES: [&str; 10] = [
        "Plombier",
        "Électricien",
        "Lingère",
        "Coiffeur",
        "Archiviste",
        "Magasinier",
        "Peintre",
        "Menuisier",
        "Jardinier",
        "Chauffeur-livreur",
    ];
    let mut others = offers::some(TRADES.len());
    for (offer, trade) in others.iter_mut().zip(TRADES) {
        offer.reference = offer.reference.replace("R-", "A-");
        offer.title = trade.to_owned();
        offer.text = format!("<p>Pour ses ateliers, la résidence cherche : {trade}.</p>");
    }
    others
}

/// Twenty-four offers that were read, and a second source that no run has read yet.
fn beside_another() -> Bench {
    let bench = Bench::json(24);
    let other = offers::json_connector("autre", &bench.feeds.url("/autre"));
    bench.hub.connector("autre", &other);
    let answer = Answer::json(&offers::json(&others()));
    bench.feeds.set("/autre", answer);
    bench
}

/// The one open hold: its number, and what `holds show` prints of it.
fn held(bench: &Bench) -> (String, String) {
    let open = bench.hub.lines(&["holds", "list", "--json"]);
    assert_eq!(open.len(), 1, "{open:?}");
    let id = open[0]["id"].to_string();
    let shown = bench.hub.run(&["holds", "show", &id]);
    (id, String::from_utf8(shown.stdout).unwrap())
}

fn decide(bench: &Bench, word: &str, id: &str, why: &str) {
    let said = bench
        .hub
        .run(&["holds", word, id, "--by", "agnes", "--why", why]);
    let errors = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success(), "{errors}");
}

/// Status, and whose word it was.
fn settled(bench: &Bench, id: &str) -> (Value, Value, Value) {
    let hold = bench.hub.lines(&["holds", "show", id, "--json"]).remove(0);
    let decided = &hold["decided"];
    (
        hold["status"].clone(),
        decided[1].clone(),
        decided[2].clone(),
    )
}

/// The offers without the field, as the source would send them.
fn without(offers: &[Offer], field: &str) -> Value {
    let mut document = offers::json(offers);
    for job in document["jobs"].as_array_mut().unwrap() {
        job.as_object_mut().unwrap().remove(field);
    }
    document
}

async fn with_link(bench: &Bench) -> usize {
    let vacancies = bench.hub.vacancies().await;
    let has = |vacancy: &&Value| vacancy["apply"]["url"].is_string();
    vacancies.iter().filter(has).count()
}

#[tokio::test]
async fn t08_what_a_fallen_field_holds_is_shown_and_decided() {
    let bench = beside_another();
    // Eight in ten lose a field, one is gone, one is new: only the changed are doubted.
    let mut all = offers::some(25);
    all.remove(4);
    let mut document = offers::json(&all);
    let fallen = without(&all, "url");
    for n in 0..20 {
        document["jobs"][n] = fallen["jobs"][n].clone();
    }
    bench.feeds.set(FEED, Answer::json(&document));
    let sync = bench.hub.sync();
    assert!(sync.needs_a_human);
    for (counter, count) in [("new", 1), ("held", 20), ("missing", 1), ("closed", 0)] {
        assert_eq!(
            sync.count(SOURCE, counter),
            count,
            "{counter}: {}",
            sync.json
        );
    }
    assert_eq!(
        (sync.count("autre", "new"), sync.count("autre", "held")),
        (10, 0)
    );
    let published = bench.hub.vacancies().await;
    assert_eq!(published.len(), 24 + 1 + 10);
    let (_, shown) = held(&bench);
    for said in [
        "fill guard · 20 postings",
        "apply_url from 100.0 % to",
        "changed R-001  Infirmier",
    ] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    assert!(
        !shown.contains("R-005") && !shown.contains("R-025"),
        "{shown}"
    );
    // Absences are not what it doubts: the second one closes.
    assert_eq!(bench.hub.sync().count(SOURCE, "closed"), 1);
    assert_eq!(
        with_link(&bench).await,
        34,
        "every live offer has its link still"
    );

    // Rejected: the offers stay, and the same is not asked again.
    // Each complete snapshot that is as doubtful asks anew, in the place of the hold before.
    let (id, _) = held(&bench);
    decide(&bench, "reject", &id, "flux abîmé");
    for _ in 0..2 {
        assert_eq!(bench.hub.sync().count(SOURCE, "changed"), 20);
        assert!(bench.hub.lines(&["holds", "list", "--json"]).is_empty());
    }
    assert_eq!(with_link(&bench).await, 34);
    assert_eq!(
        settled(&bench, &id),
        (json!("rejected"), json!("agnes"), json!("flux abîmé"))
    );

    // Another fall is another question; released, it is applied and from then on usual.
    bench.feeds.set(FEED, Answer::json(&without(&all, "url")));
    bench.hub.sync();
    let (id, shown) = held(&bench);
    assert!(shown.contains("apply_url from 100.0 % to 0.0 %"), "{shown}");
    decide(&bench, "release", &id, "plus de liens chez eux");
    let sync = bench.hub.sync();
    assert_eq!(
        (sync.count(SOURCE, "changed"), sync.count(SOURCE, "held")),
        (24, 0)
    );
    assert_eq!(with_link(&bench).await, 10, "those of the other source");
    assert_eq!(
        settled(&bench, &id),
        (
            json!("applied"),
            json!("agnes"),
            json!("plus de liens chez eux")
        )
    );
    all[2].title = "Psychologue de nuit (H/F)".into();
    bench.feeds.set(FEED, Answer::json(&without(&all, "url")));
    let sync = bench.hub.sync();
    assert_eq!(
        (sync.count(SOURCE, "changed"), sync.count(SOURCE, "held")),
        (1, 0)
    );
    assert!(bench.hub.lines(&["holds", "list", "--json"]).is_empty());
}

#[tokio::test]
async fn t23_a_rejected_rekey_leaves_the_offers_as_they_are() {
    let bench = beside_another();
    let before = bench.hub.published().await;
    let mut renamed = bench.offers.clone();
    for offer in &mut renamed[4..] {
        offer.reference = offer.reference.replace("R-", "NEW-");
    }
    // Of those that kept their reference one is changed: that goes on.
    renamed[1].text = renamed[1].text.replace("accueillante", "bienveillante");
    bench.feeds.set(FEED, Answer::json(&offers::json(&renamed)));
    let sync = bench.hub.sync();
    assert_eq!(
        (sync.count(SOURCE, "changed"), sync.count(SOURCE, "held")),
        (1, 40)
    );
    assert_eq!(sync.count("autre", "new"), 10);
    let (id, shown) = held(&bench);
    assert!(shown.contains("rekey guard"), "{shown}");
    assert_eq!(shown.matches(" became NEW-").count(), 20, "{shown}");
    decide(&bench, "reject", &id, "erreur du prestataire");
    for _ in 0..3 {
        assert_eq!(bench.hub.sync().count(SOURCE, "closed"), 0);
        assert!(bench.hub.lines(&["holds", "list", "--json"]).is_empty());
    }
    let after = bench.hub.vacancies().await;
    assert_eq!(after.len(), 34);
    assert!(
        after
            .iter()
            .any(|one| one.to_string().contains("bienveillante"))
    );
    assert!(!after.iter().any(|one| one.to_string().contains("NEW-")));
    assert_eq!(
        settled(&bench, &id),
        (
            json!("rejected"),
            json!("agnes"),
            json!("erreur du prestataire")
        )
    );
    // The provider mends it, and nothing has happened.
    bench
        .feeds
        .set(FEED, Answer::json(&offers::json(&bench.offers)));
    let sync = bench.hub.sync();
    assert_eq!(
        (sync.count(SOURCE, "missing"), sync.count(SOURCE, "held")),
        (0, 0)
    );
    let mended = bench.hub.published().await;
    assert!(before.iter().all(|body| mended.contains(body)));
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
