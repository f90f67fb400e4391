//! The faults that lie between two runs, or between a run and what was already given away.

use super::*;

#[tokio::test]
async fn t14_a_message_is_of_the_newest_run_and_ends_with_its_cause() {
    let bench = Bench::json(12);
    let busy = Answer::new(503, "text/plain", "busy").header("Retry-After", "0");
    let first = bench.refused("busy", busy).await;
    assert!(first.contains("503"), "{first}");
    // Another cause, another message: nothing of the old one stays.
    let gone = bench
        .refused("gone", Answer::new(410, "text/plain", "gone"))
        .await;
    let kept = bench.error().await.unwrap();
    for said in [&gone, &kept] {
        assert!(said.contains("410") && !said.contains("503"), "{said}");
    }
    // The same of one offer: its reason is the newest, and goes when the offer is mended.
    let mut document = offers::json(&bench.offers);
    let mut reasons = Vec::new();
    for (field, value) in [("title", json!("")), ("date", json!("2026-13-45"))] {
        document["jobs"][4][field] = value;
        bench.feeds.set(FEED, Answer::json(&document));
        let sync = bench.hub.sync();
        assert_eq!(sync.count(SOURCE, "closed"), 0);
        let rejects = bench.hub.store().rejects(&SOURCE.into(), 10).await.unwrap();
        reasons.push(
            rejects
                .iter()
                .map(|r| r.reference.clone())
                .collect::<Vec<_>>(),
        );
        document = offers::json(&bench.offers);
    }
    // A date that is none is a problem of the date, not of the offer.
    assert_eq!(reasons, [vec!["R-005".to_owned()], vec![]]);
    bench.feeds.set(FEED, Answer::json(&document));
    bench.recover("after all of it").await;
    let listed = bench.hub.lines(&["connectors", "list", "--json"]);
    assert!(
        listed[0].get("error").is_none_or(Value::is_null),
        "{listed:?}"
    );
}

#[tokio::test]
async fn t22_a_title_that_changes_after_an_export_is_shown() {
    let bench = Bench::json(12);
    let notices = || -> Vec<Value> {
        let shown = bench.hub.run(&["preflight", "linkedin", "--json"]);
        let text = String::from_utf8(shown.stdout).unwrap();
        text.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .flat_map(|item| item["notices"].as_array().cloned().unwrap_or_default())
            .filter(|notice| notice["rule"] == "title.changed")
            .collect()
    };
    let given = String::from_utf8(bench.hub.export("linkedin")).unwrap();
    assert_eq!(given.matches("<job>").count(), 12, "{given}");
    assert!(notices().is_empty());

    let mut changed = bench.offers.clone();
    let old = changed[2].title.replace(" (H/F)", "");
    changed[2].title = "Psychologue clinicien de nuit (H/F)".into();
    bench.feeds.set(FEED, Answer::json(&offers::json(&changed)));
    bench.hub.sync();
    let found = notices();
    assert_eq!(found.len(), 1, "{found:?}");
    let value = found[0]["value"].as_str().unwrap();
    assert!(
        value.starts_with(&old) && value.contains("→ Psychologue clinicien"),
        "{value}"
    );
    // A person reads it too, and the file itself says what is true now.
    let shown = bench.hub.run(&["preflight", "linkedin", "--lang", "fr"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("title.changed (sent all the same)"),
        "{shown}"
    );
    let given = String::from_utf8(bench.hub.export("linkedin")).unwrap();
    assert!(given.contains("Psychologue clinicien"), "{given}");
    assert_eq!(bench.live().await, 12);
    assert_eq!(notices().len(), 1, "LinkedIn still shows the first title");
    // Back to the first one, and there is nothing to tell.
    bench
        .feeds
        .set(FEED, Answer::json(&offers::json(&bench.offers)));
    bench.hub.sync();
    assert!(notices().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn t24_two_runs_at_a_time_and_a_death_between_leave_no_half() {
    let bench = Bench::json(40);
    let before = bench.hub.published().await;
    let seen = bench
        .hub
        .changes()
        .await
        .last()
        .map_or(0, |change| change.seq);
    let mut next = offers::some(41);
    next[3].text = next[3].text.replace("accueillante", "bienveillante");
    assert_ne!(next[3].text, bench.offers[3].text);
    bench.feeds.set(FEED, Answer::json(&offers::json(&next)));
    for fault in ["pull.planned", "pull.batch"] {
        let died = bench.hub.command(&["sync", "--json"]);
        let died = { died }.env("PASSERELLE_FAULT", fault).output().unwrap();
        assert!(!died.status.success(), "{fault}");
        // What readers see is of before or of after, never in between.
        let shown = bench.hub.published().await;
        assert!(shown == before, "{fault}: half a run is public");
    }
    std::thread::scope(|scope| {
        let syncs = [(); 2].map(|()| scope.spawn(|| bench.hub.sync()));
        for sync in syncs {
            assert_eq!(sync.join().unwrap().count(SOURCE, "closed"), 0);
        }
    });
    let after = bench.hub.published().await;
    assert_eq!(after.len(), 41);
    let same = before.iter().filter(|body| after.contains(body)).count();
    assert_eq!(same, 39, "what did not change has its old bytes");
    let changes = bench.hub.changes().await;
    let fresh = changes.iter().filter(|change| change.seq > seen).count();
    assert_eq!(fresh, 2, "one changed and one new, each told once");
    let again = bench.hub.sync();
    assert_eq!(
        again.count(SOURCE, "new") + again.count(SOURCE, "changed"),
        0
    );
    assert_eq!(bench.hub.changes().await.len(), changes.len());
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
