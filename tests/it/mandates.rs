//! Mandates: decided in the member files, felt without a restart, and remembered; and what else leaves
//! by the command line.

use crate::support::feeds::{Answer, Feeds};
use crate::support::hub::{Hub, Served};
use crate::support::offers;
use std::time::{Duration, Instant};

fn bench() -> (Hub, Feeds) {
    let (hub, feeds) = (Hub::new(), Feeds::start());
    hub.member("essai", offers::MEMBER);
    hub.connector(
        "essai",
        &offers::json_connector("essai", &feeds.url("/feed")),
    );
    feeds.set("/feed", Answer::json(&offers::json(&offers::some(4))));
    (hub, feeds)
}

fn with_mandates(mandates: &str) -> String {
    let (head, _) = offers::MEMBER.split_once("[mandates]").unwrap();
    format!("{head}[mandates]\n{mandates}\n")
}

/// `member channel from → to` of each change of the trail.
fn trail(hub: &Hub) -> Vec<String> {
    let word = |value: &serde_json::Value| value.to_string().replace('"', "");
    let lines = hub.lines(&["mandates", "log", "--json"]);
    let change = |line: &serde_json::Value| {
        let (from, to) = (word(&line["from"]), word(&line["to"]));
        format!("{} {from} → {to}", line["channel"].as_str().unwrap())
    };
    lines.iter().map(change).collect()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{what}: not within a minute"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn jobs(served: &Served) -> usize {
    served
        .text("/exports/linkedin.xml")
        .await
        .matches("<job>")
        .count()
}

fn dropped(hub: &Hub) -> usize {
    let file = std::fs::read_to_string(hub.path("exports/linkedin.xml"));
    file.map_or(usize::MAX, |text| text.matches("<job>").count())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_mandate_is_felt_without_a_restart_and_remembered() {
    let (mut hub, _feeds) = bench();
    hub.envs
        .push(("PASSERELLE__PATHS__EXPORTS".into(), "exports".into()));
    hub.member("essai", &with_mandates("linkedin = true"));
    hub.sync();
    let given = ["linkedin null → true", "portal null → true"];
    assert_eq!(trail(&hub), given);
    let served = hub.serve();
    assert_eq!(jobs(&served).await, 4);
    until("the drop folder", async || dropped(&hub) == 4).await;

    hub.member("essai", &with_mandates("linkedin = false"));
    until("no LinkedIn", async || {
        jobs(&served).await == 0 && dropped(&hub) == 0
    })
    .await;
    assert_eq!(served.json("/api/v1/vacancies").await["total"], 4);
    hub.member("essai", &with_mandates("linkedin = true\nportal = false"));
    until("nothing public", async || {
        served.json("/api/v1/vacancies").await["total"] == 0 && jobs(&served).await == 0
    })
    .await;
    let mut expected: Vec<String> = given.map(str::to_owned).to_vec();
    expected.extend(
        [
            "linkedin true → false",
            "linkedin false → true",
            "portal true → false",
        ]
        .map(str::to_owned),
    );
    assert_eq!(trail(&hub), expected);
    // Unchanged files add nothing.
    drop(served);
    hub.sync();
    assert_eq!(trail(&hub), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mandate_ends_on_its_day_everywhere() {
    let (mut hub, _feeds) = bench();
    hub.write("now", "2026-11-02T08:00:00Z");
    hub.clock = format!("FILE:{}", hub.path("now").display());
    hub.envs
        .push(("PASSERELLE__PATHS__EXPORTS".into(), "exports".into()));
    let until_today =
        "linkedin = \"until 2026-11-02\"\nindeed = true\nportal = \"until 2026-11-03\"";
    hub.member("essai", &with_mandates(until_today));
    hub.sync();
    let served = hub.serve();
    assert_eq!(jobs(&served).await, 4);
    until("the drop folder", async || dropped(&hub) == 4).await;
    let states = |hub: &Hub| {
        let lines = hub.lines(&["mandates", "list", "--json"]);
        let state = |line: &serde_json::Value| {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            format!("{} {}", text("channel"), text("state"))
        };
        lines.iter().map(state).collect::<Vec<_>>()
    };
    assert_eq!(
        states(&hub),
        ["indeed in force", "linkedin in force", "portal in force"]
    );
    assert_eq!(hub.lines(&["kit", "--all", "--json"]).len(), 4);

    // The last minute of the day in France, then the next.
    hub.write("now", "2026-11-02T22:59:59Z");
    assert_eq!(jobs(&served).await, 4);
    hub.write("now", "2026-11-02T23:00:00Z");
    until("LinkedIn ends", async || {
        jobs(&served).await == 0 && dropped(&hub) == 0
    })
    .await;
    assert_eq!(
        states(&hub),
        ["indeed in force", "linkedin ended", "portal in force"]
    );
    assert_eq!(hub.lines(&["kit", "--all", "--json"]).len(), 0);
    assert_eq!(served.json("/api/v1/vacancies").await["total"], 4);
    hub.write("now", "2026-11-03T23:00:00Z");
    until("the portal ends", async || {
        served.json("/api/v1/vacancies").await["total"] == 0
            && !served.text("/exports/indeed.xml").await.contains("<job>")
            && !served.text("/feeds/atom.xml").await.contains("<entry>")
    })
    .await;
}

/// Whoever reads the drop folder learns that a member is gone, though no process ran when it went. A file
/// that cannot be read says nothing of the kind.
#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_member_that_is_gone_holds_no_offer() {
    let (mut hub, _feeds) = bench();
    hub.envs
        .push(("PASSERELLE__PATHS__EXPORTS".into(), "exports".into()));
    hub.member("essai", &with_mandates("indeed = true"));
    hub.sync();
    let own = || std::fs::read_to_string(hub.path("exports/indeed/essai.xml")).unwrap_or_default();
    let offers = || own().matches("<job>").count();
    let served = hub.serve();
    // What is written last tells that a process has looked at the folder.
    let last = hub.path("exports/talent.xml");
    until("its file is there", async || offers() == 4 && last.exists()).await;
    drop(served);
    hub.member("essai", "id = ");
    std::fs::remove_file(&last).unwrap();
    let served = hub.serve();
    until("the folder is looked at", async || last.exists()).await;
    assert_eq!(offers(), 4);
    drop(served);

    std::fs::remove_file(hub.path("members/essai.toml")).unwrap();
    let _served = hub.serve();
    until("it is empty", async || offers() == 0).await;
    assert!(own().contains("<source>"), "{}", own());
}

#[test]
fn names_that_there_are_not_are_a_matter_of_usage() {
    let (hub, _feeds) = bench();
    hub.sync();
    for (args, says) in [
        (vec!["export", "nothing"], "known: adzuna"),
        (vec!["preflight", "nothing"], "known: adzuna"),
        (vec!["export", "linkedin", "--member", "nobody"], "nobody"),
        (
            vec!["preflight", "linkedin", "--member", "nobody"],
            "nobody",
        ),
        (vec!["kit", "--member", "nobody"], "nobody"),
        (vec!["kit", "--since", "hier"], "2026-11-22"),
        (vec!["mandates", "list", "--member", "nobody"], "nobody"),
        (
            vec!["export", "linkedin", "--deposit"],
            "tells no movements",
        ),
    ] {
        let output = hub.run(&args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.contains(says), "{args:?}: {text}");
    }
    hub.member("essai", &with_mandates("linkdin = true"));
    let output = hub.run(&["mandates", "list"]);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(
        text.contains("unknown channel") && text.contains("known are adzuna"),
        "{text}"
    );
}

#[test]
fn the_kit_is_one_file_and_preflight_speaks_both_languages() {
    let (hub, feeds) = bench();
    hub.sync();
    let output = hub.run(&["kit", "--all", "--out", "kit.zip"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("kit.zip: 4 offers"), "{said}");
    let bytes = std::fs::read(hub.path("kit.zip")).unwrap();
    let zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let cards = zip
        .file_names()
        .filter(|n| n.as_ref().unwrap().ends_with("carte.png"));
    assert_eq!(cards.count(), 5);
    let posts = hub.lines(&["kit", "--all", "--json"]);
    assert_eq!(posts.len(), 4);
    assert!(
        posts[0]["text"].as_str().unwrap().contains("(F/H)"),
        "{}",
        posts[0]
    );
    assert!(
        posts[0]["commentary"]
            .as_str()
            .unwrap()
            .contains("\\(F/H\\)"),
        "{}",
        posts[0]
    );

    let (head, _) = offers::MEMBER.split_once("[linkedin]").unwrap();
    hub.member("essai", &format!("{head}[mandates]\nlinkedin = true\n"));
    let mut document = offers::json(&offers::some(4));
    document["jobs"][0]["url"] = "http://residence.example/R-001".into();
    feeds.set("/feed", Answer::json(&document));
    hub.sync();
    let insecure = "applyUrl = \"http://residence.example/R-001\": ";
    for (lang, number, address) in [
        (
            "fr",
            "companyId: Ajoutez le numéro",
            "L’adresse de candidature doit commencer par https:// ; corrigez-la dans l’outil de recrutement.",
        ),
        (
            "en",
            "companyId: Add the number",
            "The application address must begin with https://; correct it in the recruiting tool.",
        ),
    ] {
        let output = hub.run(&["preflight", "linkedin", "--lang", lang]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert_eq!(text.matches(number).count(), 4, "{text}");
        assert_eq!(
            text.matches(" blocked  ").count(),
            4,
            "once an offer: {text}"
        );
        let line = text.lines().find(|line| line.contains(insecure));
        let line = line.unwrap_or_else(|| panic!("{text}"));
        assert!(line.ends_with(&format!("{insecure}{address}")), "{line}");
    }
}

/// A board is added by one file in the operator's catalogue, and a wrong one is named with its line.
#[test]
fn a_board_is_one_file() {
    let (mut hub, _feeds) = bench();
    hub.sync();
    hub.envs
        .push(("PASSERELLE__PATHS__CATALOGUE".into(), "catalogue".into()));
    std::fs::create_dir_all(hub.path("catalogue/exports")).unwrap();
    let own = "name = \"petites-annonces\"\ntitle = \"Petites annonces\"\nchannel = \"portal\"\n\
               document = { format = \"json\" }\n\n[[fields]]\npath = \"titre\"\nvalue = \"title\"\n";
    hub.write("catalogue/exports/petites-annonces.toml", own);
    let export = hub.export("petites-annonces");
    let items: serde_json::Value = serde_json::from_slice(&export).unwrap();
    assert_eq!(items.as_array().unwrap().len(), 4);
    for (broken, line) in [
        (own.replace("\"title\"\n", "\"titel\"\n"), "line 8"),
        (own.replace("channel", "canal"), "line 3"),
    ] {
        hub.write("catalogue/exports/petites-annonces.toml", &broken);
        let output = hub.run(&["export", "linkedin"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            text.contains("petites-annonces.toml") && text.contains(line),
            "{text}"
        );
    }
    // A catalogue that is not there is no catalogue without profiles.
    std::fs::rename(hub.path("catalogue"), hub.path("away")).unwrap();
    let output = hub.run(&["export", "linkedin"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("paths.catalogue: ") && text.contains("mount"),
        "{text}"
    );
}
