use super::get;
use crate::publish::testing::{
    Shop, publishing, publishing_all_channels, publishing_of_members, publishing_with, vacancy,
};
use serde_json::json;
use std::{process::Command, sync::Arc};

/// One offer that is ready, and one for each thing that blocks.
pub(super) fn mixed() -> Arc<Shop> {
    let shop = Arc::new(Shop::default());
    shop.publish(&vacancy(1, "ch-exemple", |_| {}));
    shop.publish(&vacancy(2, "ch-exemple", |v| {
        v["title"] = "Cadre ]]> <de> santé & co\u{1}".into();
        v["places"].as_array_mut().unwrap().push(json!({
            "insee": "25056", "name": "Besançon", "department": "25", "precision": "commune",
        }));
        v["apply"] = json!({});
        v["pay"] = json!({ "min": 14.5, "period": "hour" });
        v["contract"]["form"] = "internship".into();
        v["expires"] = "2026-12-31T22:30:00Z".into();
    }));
    shop.publish(&vacancy(3, "aide-domicile", |_| {}));
    shop.publish(&vacancy(4, "ch-exemple", |v| {
        v["sources"][0]["own"] = false.into()
    }));
    shop.publish(&vacancy(5, "ch-exemple", |v| {
        v["description"]["html"] = "<p>Court.</p>".into();
        v["apply"]["url"] = "http://sans-s.exemple.example/5".into();
        v["employer"]["name"] = "Confidentiel".into();
        v["places"] = json!([]);
    }));
    shop.publish(&vacancy(6, "ch-exemple", |v| {
        v.as_object_mut().unwrap().remove("member");
    }));
    shop.publish(&vacancy(7, "ch-exemple", |v| {
        v["employer"]["intermediary"] = "Agence fictive".into();
        v["title"] = "x".repeat(201).into();
    }));
    shop
}

#[tokio::test]
async fn linkedin_takes_what_is_ready_and_says_why_not_the_rest() {
    let publish = publishing(&mixed());
    let export = publish.export("linkedin", None).await.unwrap();
    assert_eq!((export.ready, export.blocked), (2, 5));
    insta::assert_snapshot!(std::str::from_utf8(&export.bytes).unwrap());
    insta::assert_json_snapshot!(publish.preflight("linkedin", None).await.unwrap());
    let again = publish.export("linkedin", None).await.unwrap();
    assert_eq!(export.bytes, again.bytes);
}

/// For LinkedIn a changed title is a new job id (fault 22): the preflight tells, the feed stays true.
#[tokio::test]
async fn a_title_that_changed_after_the_export_is_shown() {
    let shop = Arc::new(Shop::default());
    let titled = |title: &str| vacancy(1, "ch-exemple", |v| v["title"] = title.into());
    let publish = publishing(&shop);
    let noticed = async || {
        let report = publish.preflight("linkedin", None).await.unwrap();
        assert_eq!((report.ready, report.blocked), (1, 0));
        let notices = report.items[0].notices.clone();
        assert_eq!(report.noticed.values().sum::<usize>(), notices.len());
        notices
            .into_iter()
            .map(|n| (n.rule, n.value))
            .collect::<Vec<_>>()
    };
    shop.publish(&titled("Infirmier"));
    assert_eq!(noticed().await, [], "nothing was sent yet");
    shop.publish(&titled("Infirmier de nuit"));
    assert_eq!(noticed().await, []);
    publish.export("linkedin", None).await.unwrap();
    publish.export("indeed", None).await.unwrap();
    shop.publish(&titled("Infirmier de jour"));
    let changed = (
        "title.changed".to_owned(),
        "Infirmier de nuit (F/H) → Infirmier de jour (F/H)".to_owned(),
    );
    assert_eq!(noticed().await, std::slice::from_ref(&changed));
    // The feed says what is true now; LinkedIn goes on showing the first title.
    let export = publish.export("linkedin", None).await.unwrap();
    let text = String::from_utf8(export.bytes.to_vec()).unwrap();
    assert!(text.contains("<title><![CDATA[Infirmier de jour (F/H)]]></title>"));
    assert_eq!(noticed().await, [changed], "another export changes nothing");
    shop.publish(&titled("Infirmier de nuit"));
    assert_eq!(noticed().await, [], "the old title is the cure");
    // An offer that left the feed is closed at LinkedIn: what comes back is new.
    shop.close(
        titled("").id,
        crate::model::TombstoneReason::Withdrawn,
        None,
    );
    publish.export("linkedin", None).await.unwrap();
    shop.publish(&titled("Infirmier de jour"));
    assert_eq!(noticed().await, []);
}

/// Every export shows the title of the offer's page.
#[tokio::test]
async fn one_public_title_everywhere() {
    let shop = Arc::new(Shop::default());
    let offer = vacancy(1, "ch-exemple", |v| v["title"] = "Psychologue".into());
    shop.publish(&offer);
    let publish = publishing_all_channels(&shop);
    let page = get(&publish, &crate::publish::portal::offer_path(&offer)).await;
    assert!(page.text().contains("<h1>Psychologue (F/H)</h1>"));
    for profile in publish.profiles().iter() {
        let export = publish.export(&profile.name, None).await.unwrap();
        let text = String::from_utf8_lossy(&export.bytes);
        assert!(text.contains("Psychologue (F/H)"), "{}", profile.name);
    }
}

#[tokio::test]
async fn linkedin_satisfies_its_schema() {
    let publish = publishing_with(&mixed(), |s| {
        s.synthetic = Some("Données -- fictives".into());
    });
    let folder = tempfile::tempdir().unwrap();
    for member in [
        None,
        Some("ch-exemple".into()),
        Some("aide-domicile".into()),
    ] {
        let export = publish.export("linkedin", member.as_ref()).await.unwrap();
        let file = folder.path().join("feed.xml");
        std::fs::write(&file, &export.bytes).unwrap();
        let schema = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/schemas/linkedin-basic-jobs.xsd"
        );
        let judged = Command::new("xmllint")
            .args(["--nonet", "--noout", "--schema", schema])
            .arg(&file)
            .output();
        match judged {
            Ok(output) => assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            ),
            // `.ci/test` installs it.
            Err(error) => {
                let wanted = std::env::var_os("PASSERELLE_TEST_TOOLS").is_some();
                assert!(!wanted, "xmllint cannot be run: {error}");
                eprintln!("skipped: xmllint is not installed");
            }
        }
    }
}

#[tokio::test]
async fn exports_have_addresses() {
    let publish = publishing(&mixed());
    let all = get(&publish, "/exports/linkedin.xml").await;
    assert_eq!(all.status, 200);
    assert_eq!(all.header("content-type"), "application/xml; charset=utf-8");
    // The member registers no file of its own: its offers are in the network's alone.
    let one = get(&publish, "/exports/linkedin/ch-exemple.xml").await;
    assert!(
        one.text()
            .contains("<expectedJobCount>0</expectedJobCount>")
    );
    let none = get(&publish, "/exports/linkedin/aide-domicile.xml").await;
    assert!(
        none.text()
            .contains("<expectedJobCount>0</expectedJobCount>")
    );
    for missing in [
        "/exports/linkedin.csv",
        "/exports/linkedin",
        "/exports/nothing.xml",
        "/exports/linkedin/nobody.xml",
        "/exports/..%2flinkedin.xml",
    ] {
        assert_eq!(get(&publish, missing).await.status, 404, "{missing}");
    }
}

/// Every profile says something of every offer, however little that offer says.
#[tokio::test]
async fn every_profile_renders_and_explains() {
    let shop = mixed();
    shop.publish(&vacancy(8, "ch-exemple", |v| {
        *v = json!({
            "id": v["id"], "member": "ch-exemple", "title": "Agent", "visibility": "public",
            "sources": v["sources"],
        });
    }));
    let publish = publishing_all_channels(&shop);
    for profile in publish.profiles().iter() {
        let export = publish.export(&profile.name, None).await.unwrap();
        assert!(export.ready > 0, "{}", profile.name);
        insta::assert_snapshot!(
            format!("profile_{}", profile.name),
            String::from_utf8_lossy(&export.bytes)
        );
        let report = publish.preflight(&profile.name, None).await.unwrap();
        assert_eq!(report.items.len(), 8);
        // Every refusal has a rule, a field and a remedy in each language.
        for blocker in report.items.iter().flat_map(|item| &item.blockers) {
            let named = !blocker.rule.is_empty() && !blocker.field.is_empty();
            let both = blocker.fr.len() > 15 && blocker.en.len() > 15 && blocker.fr != blocker.en;
            assert!(named && both, "{}: {blocker:?}", profile.name);
        }
        assert_eq!(
            (report.ready, report.blocked),
            (export.ready, export.blocked)
        );
        if profile.extension() == "xml" {
            let mut reader = quick_xml::Reader::from_reader(export.bytes.as_ref());
            while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
        }
    }
}

/// A board is added by one file.
#[test]
fn an_operator_brings_a_profile_of_their_own() {
    let own = r#"
        name = "petites-annonces"
        title = "Petites annonces"
        document = { format = "json", list = "annonces" }
        fields = [
            { path = "titre", value = "title", required = true },
            { path = "lieu/ville", value = "place.name" },
        ]
    "#;
    let profiles = crate::publish::Profiles::embedded()
        .with([("petites-annonces.toml".to_owned(), own.to_owned())])
        .unwrap();
    assert_eq!(
        profiles.get("petites-annonces").unwrap().extension(),
        "json"
    );
    let broken = own.replace("title\",", "title|nofilter\",");
    let error = crate::publish::Profiles::embedded()
        .with([("x.toml".to_owned(), broken)])
        .unwrap_err();
    assert!(error.to_string().contains("nofilter"), "{error}");
}

#[tokio::test]
async fn an_edited_profile_is_felt_at_once() {
    let shop = Arc::new(Shop::default());
    shop.publish(&vacancy(1, "ch-exemple", |_| {}));
    let publish = publishing_all_channels(&shop);
    assert_eq!(get(&publish, "/exports/annonces.json").await.status, 404);
    for (name, status) in [("titre", 200), ("intitule", 200)] {
        let own = format!(
            "name = \"annonces\"\ntitle = \"Annonces\"\nchannel = \"portal\"\n\
             document = {{ format = \"json\", list = \"a\" }}\n\
             fields = [{{ path = {name:?}, value = \"title\", required = true }}]\n"
        );
        let profiles = crate::publish::Profiles::embedded()
            .with([("annonces.toml".to_owned(), own)])
            .unwrap();
        publish.use_profiles(profiles);
        let reply = get(&publish, "/exports/annonces.json").await;
        assert_eq!(reply.status, status);
        assert!(reply.text().contains(name), "{}", reply.text());
    }
    publish.use_profiles(crate::publish::Profiles::embedded());
    assert_eq!(get(&publish, "/exports/annonces.json").await.status, 404);
}

/// The parts that a source marks by headings.
#[tokio::test]
async fn a_board_may_ask_for_the_candidate_apart() {
    let shop = Arc::new(Shop::default());
    shop.publish(&vacancy(1, "ch-exemple", |v| {
        let text = "Missions\n\nSoins en médecine.\n\nProfil :\n\nDiplôme d’État ]]> exigé.\n\n\
                    Conditions\n\nDeux week-ends sur cinq.\n\nProfil :\n\nPermis B.";
        v["description"]["text"] = text.into();
        v["description"]["sections"] = json!([
            { "kind": "tasks", "heading": "Missions" },
            { "kind": "profile", "heading": "Profil :" },
            { "kind": "offer", "heading": "Conditions" },
            { "kind": "profile", "heading": "Profil :" },
        ]);
    }));
    let publish = publishing_all_channels(&shop);
    let export = publish.export("hellowork", None).await.unwrap();
    let text = String::from_utf8_lossy(&export.bytes);
    let wanted = "<profile><![CDATA[Diplôme d’État ]]]]><![CDATA[> exigé.\nPermis B.]]></profile>";
    assert!(text.contains(wanted), "{text}");
    // One without headings says nothing apart.
    shop.publish(&vacancy(1, "ch-exemple", |_| {}));
    let export = publish.export("hellowork", None).await.unwrap();
    assert!(!String::from_utf8_lossy(&export.bytes).contains("<profile>"));
}

/// Never the same job in two registered feeds: a member's own file, or the network's.
#[tokio::test]
async fn an_offer_is_in_one_linkedin_feed_only() {
    let shop = Arc::new(Shop::default());
    for n in 1..4 {
        shop.publish(&vacancy(n, "ch-exemple", |_| {}));
        shop.publish(&vacancy(n + 10, "aide-domicile", |v| {
            v["title"] = "Aide à domicile".into();
        }));
    }
    let files = async |own: bool| {
        let publish = publishing_of_members(&shop, |member| {
            member.mandates.insert(
                crate::model::Channel("linkedin".into()),
                crate::model::Mandate::Always,
            );
            member.linkedin.company_id = Some("123456".into());
            member.poster_email = Some("recrutement@exemple.example".into());
            if own && member.id == "ch-exemple" {
                member.own_feeds = vec![crate::model::Channel("linkedin".into())];
            }
        });
        let mut seen = Vec::new();
        for member in [
            None,
            Some("ch-exemple".into()),
            Some("aide-domicile".into()),
        ] {
            let export = publish.export("linkedin", member.as_ref()).await.unwrap();
            let text = String::from_utf8(export.bytes.to_vec()).unwrap();
            let jobs = text.matches("<job>").count();
            assert!(text.contains(&format!("<expectedJobCount>{jobs}</expectedJobCount>")));
            assert_eq!(export.ready, jobs);
            seen.push(jobs);
        }
        let report = publish.preflight("linkedin", None).await.unwrap();
        assert_eq!((report.ready, report.blocked), (6, 0));
        let feeds = report.items.iter().map(|item| item.feed.clone().unwrap());
        let own_file = feeds
            .filter(|feed| feed == "linkedin/ch-exemple.xml")
            .count();
        (seen, own_file)
    };
    assert_eq!(files(false).await, (vec![6, 0, 0], 0));
    assert_eq!(files(true).await, (vec![3, 3, 0], 3));
    // Of a board that minds no second feed, both files have them.
    let publish = publishing_all_channels(&shop);
    let member = Some("ch-exemple".into());
    let indeed = publish.export("indeed", member.as_ref()).await.unwrap();
    assert_eq!(indeed.ready, 3);
    let report = publish.preflight("indeed", None).await.unwrap();
    assert!(report.items.iter().all(|item| item.feed.is_none()));
}

/// Characters that no format can hold, and those that end a section, hurt no document.
#[tokio::test]
async fn hostile_texts_leave_every_document_whole() {
    let hostile = "a\u{0}b]]>c\u{1}\u{8}\u{fffe}\u{ffff}\u{b}d<e>&amp;\"'|;\r\n=1+1\t\u{feff}\u{2028}\u{202e}f";
    let shop = Arc::new(Shop::default());
    shop.publish(&vacancy(1, "ch-exemple", |v| {
        let long = format!("{hostile} {}", "Soins de nuit en médecine. ".repeat(10));
        v["title"] = hostile.into();
        v["title_canonical"] = hostile.into();
        v["description"]["text"] = long.clone().into();
        v["description"]["html"] = format!("<p>{long}</p>").into();
        v["employer"]["name"] = hostile.into();
        v["places"][0]["name"] = hostile.into();
        v["requisition"] = hostile.into();
        v["diplomas"] = json!([hostile, "]]>"]);
        v["experience"] = json!({ "label": hostile });
    }));
    let publish = publishing_all_channels(&shop);
    for profile in publish.profiles().iter() {
        let export = publish.export(&profile.name, None).await.unwrap();
        let report = publish.preflight(&profile.name, None).await.unwrap();
        assert_eq!(
            export.ready, 1,
            "{}: {:?}",
            profile.name, report.items[0].blockers
        );
        let text = std::str::from_utf8(&export.bytes).unwrap();
        let illegal = |c: &char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
        let found: Vec<char> = text.chars().filter(illegal).collect();
        match profile.extension() {
            "xml" => {
                assert!(found.is_empty(), "{}: {found:?}", profile.name);
                let mut reader = quick_xml::Reader::from_reader(export.bytes.as_ref());
                while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
                let folder = tempfile::tempdir().unwrap();
                let file = folder.path().join("feed.xml");
                std::fs::write(&file, &export.bytes).unwrap();
                if let Ok(judged) = Command::new("xmllint")
                    .args(["--nonet", "--noout"])
                    .arg(&file)
                    .output()
                {
                    assert!(
                        judged.status.success(),
                        "{}",
                        String::from_utf8_lossy(&judged.stderr)
                    );
                }
            }
            "csv" => {
                assert!(found.is_empty(), "{}: {found:?}", profile.name);
                let delimiter = if profile.name == "csv" { b';' } else { b'|' };
                let mut reader = csv::ReaderBuilder::new()
                    .delimiter(delimiter)
                    .from_reader(export.bytes.as_ref());
                assert_eq!(reader.records().map(Result::unwrap).count(), 1);
            }
            _ => {
                for line in text.lines() {
                    serde_json::from_str::<serde_json::Value>(line).unwrap();
                }
            }
        }
    }
}

/// Boards that want no character references, and one item a place with a reference that lasts.
#[tokio::test]
async fn indeed_has_an_item_for_each_place() {
    let shop = Arc::new(Shop::default());
    shop.publish(&vacancy(1, "ch-exemple", |v| {
        let besancon = json!({
            "insee": "25056", "name": "Besançon", "postal_code": "25000", "department": "25",
            "precision": "commune",
        });
        v["places"].as_array_mut().unwrap().push(besancon);
        v["remote"] = "partial".into();
    }));
    let publish = publishing_all_channels(&shop);
    let export = publish.export("indeed", None).await.unwrap();
    let text = String::from_utf8(export.bytes.to_vec()).unwrap();
    assert_eq!(text.matches("<job>").count(), 2);
    assert!(text.contains("000000000001]]></referencenumber>"));
    assert!(text.contains("000000000001-25056]]></referencenumber>"));
    assert!(
        text.contains("aide-soignant & un cadre") && !text.contains("&amp;"),
        "{text}"
    );
    assert!(text.contains("<remotetype><![CDATA[Hybrid remote]]></remotetype>"));
    let linkedin = publish.export("linkedin", None).await.unwrap();
    let text = String::from_utf8(linkedin.bytes.to_vec()).unwrap();
    assert!(text.contains("<workplaceTypes><![CDATA[Hybrid]]></workplaceTypes>"));
}
