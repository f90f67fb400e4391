use super::{get, get_with};
use crate::{
    model::TombstoneReason,
    publish::{
        Consumer, Consumers,
        testing::{Shop, publishing, publishing_with, vacancy},
    },
};
use std::sync::Arc;

fn two() -> Arc<Shop> {
    let shop = Arc::new(Shop::default());
    shop.publish(&vacancy(1, "ch-exemple", |_| {}));
    shop.publish(&vacancy(2, "aide-domicile", |v| {
        v["title"] = "Auxiliaire de vie <b>]]>&".into();
    }));
    shop.publish(&vacancy(3, "aide-domicile", |_| {}));
    shop.close(vacancy(3, "", |_| {}).id, TombstoneReason::Filled, None);
    shop
}

#[tokio::test]
async fn feeds_say_the_same_in_three_forms() {
    let publish = publishing(&two());
    for path in [
        "/feeds/atom.xml",
        "/feeds/rss.xml?member=ch-exemple",
        "/feeds/jobs.json?limit=1",
        "/sitemap.xml",
        "/robots.txt",
    ] {
        let reply = get(&publish, path).await;
        assert_eq!(reply.status, 200, "{path}");
        insta::assert_snapshot!(path, reply.text());
    }
    assert_eq!(
        get(&publish, "/feeds/atom.xml?member=ch-exemple&x=1")
            .await
            .status,
        400
    );
    assert_eq!(get(&publish, "/sitemap-2.xml").await.status, 404);
    for (path, status) in [
        ("/exports/linkedin.xml?x=1", 400),
        ("/exports/linkedin/ch-exemple.xml?x=1", 400),
        ("/exports/nothing.xml?x=1", 404),
        ("/exports/linkedin.xml?", 200),
    ] {
        assert_eq!(get(&publish, path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn synthetic_offers_stay_out_of_search_engines() {
    let publish = publishing_with(&two(), |s| s.synthetic = Some("Données fictives".into()));
    let robots = get(&publish, "/robots.txt").await.text();
    assert!(robots.contains("Disallow: /\n"));
}

#[tokio::test]
async fn each_takes_its_part_of_every_feed() {
    let shop = two();
    shop.publish(&vacancy(4, "aide-domicile", |v| {
        v["title"] = "Aide-soignant à Besançon".into();
        v["occupation"] = serde_json::json!({ "rome": "J1501", "family": "care" });
        v["places"][0]["name"] = "Besançon".into();
        v["places"][0]["insee"] = "25056".into();
        v["places"][0]["department"] = "25".into();
        v["places"][0]["lat"] = 47.2378.into();
        v["places"][0]["lon"] = 6.0241.into();
    }));
    let publish = publishing_with(&shop, |settings| {
        let own = "department=70&member=aide-domicile";
        let consumer = |id, key, filter| Consumer::new(id, key, None, filter).unwrap();
        settings.consumers = Consumers::new(vec![
            consumer("cpts", "the-key-of-the-cpts", own),
            consumer("ch", "the-key-of-the-ch", "department=70&member=ch-exemple"),
        ]);
    });
    let ids = |text: &str| -> Vec<u32> {
        let all = (1..=4).filter(|n| {
            let id = vacancy(u128::from(*n), "", |_| {}).id.to_string();
            let gone = format!("ref=\"urn:uuid:{id}");
            text.contains(&id) && !text.contains(&gone)
        });
        all.collect()
    };
    let key = ("authorization", "Bearer the-key-of-the-cpts");
    let files = [
        "/feeds/atom.xml",
        "/feeds/rss.xml",
        "/feeds/jobs.json",
        "/sitemap.xml",
    ];
    for file in files {
        for (query, expected) in [
            ("", &[1, 2, 4][..]),
            ("?member=ch-exemple", &[1]),
            ("?family=care", &[4]),
            ("?family=care,nursing&member=aide-domicile", &[2, 4]),
            ("?commune=Besan%C3%A7on", &[4]),
            ("?commune=25056&radius_km=10", &[4]),
            ("?commune=25056&radius_km=100", &[1, 2, 4]),
            ("?commune=70550&radius_km=5", &[1, 2]),
            ("?commune=70550&radius_km=5&member=ch-exemple", &[1]),
        ] {
            let path = format!("{file}{query}");
            let reply = get(&publish, &path).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            assert_eq!(ids(&reply.text()), expected, "{path}");
        }
        // A consumer with a key has its own part, whatever else it asks for.
        for (query, expected) in [
            ("", &[2][..]),
            ("?family=care", &[]),
            ("?member=ch-exemple", &[]),
        ] {
            let path = format!("{file}{query}");
            let reply = get_with(&publish, &path, &[key]).await;
            assert_eq!(ids(&reply.text()), expected, "{path} with a key");
        }
        let reply = get(&publish, &format!("{file}?commune=Nulle-Part")).await;
        assert_eq!(reply.status, 400, "{file}");
    }
    // Exports too, within what the mandates allow: the first member alone gives one to LinkedIn.
    let path = "/exports/linkedin.xml";
    let jobs = |text: String| text.matches("<job>").count();
    assert_eq!(jobs(get(&publish, path).await.text()), 1);
    for (key, expected) in [("the-key-of-the-cpts", 0), ("the-key-of-the-ch", 1)] {
        let bearer = format!("Bearer {key}");
        let own = get_with(&publish, path, &[("authorization", &bearer)]).await;
        assert_eq!(own.status, 200, "{key}");
        assert_eq!(jobs(own.text()), expected, "{key}");
    }
    let part = get(&publish, "/sitemap.xml?member=ch-exemple").await.text();
    assert!(part.contains("/structures/ch-exemple<") && !part.contains("/structures/aide"));
}

#[tokio::test]
async fn large_feeds_come_in_pages() {
    let shop = Arc::new(Shop::default());
    for n in 1..=7 {
        shop.publish(&vacancy(n, "ch-exemple", |_| {}));
    }
    let gone = vacancy(9, "ch-exemple", |_| {});
    shop.publish(&gone);
    shop.close(gone.id, TombstoneReason::Filled, None);
    let publish = publishing(&shop);
    let between = |text: &str, before: &str, after: &str| -> Option<String> {
        let (_, rest) = text.split_once(before)?;
        let (found, _) = rest.split_once(after)?;
        Some(found.replace("&amp;", "&"))
    };
    for (file, before, after) in [
        (
            "/feeds/atom.xml",
            "<link rel=\"next\" type=\"application/atom+xml\" href=\"",
            "\"",
        ),
        (
            "/feeds/rss.xml",
            "<atom:link rel=\"next\" type=\"application/rss+xml\" href=\"",
            "\"",
        ),
        ("/feeds/jobs.json", "\"next_url\":\"", "\""),
    ] {
        let begin = format!("{file}?member=ch-exemple&limit=3");
        let mut path = Some(begin.clone());
        let (mut seen, mut pages) = (Vec::new(), Vec::new());
        while let Some(at) = path {
            let reply = get(&publish, &at).await;
            assert_eq!(reply.status, 200, "{at}");
            let text = reply.text();
            for n in 1..=7 {
                let id = format!("urn:uuid:{}", vacancy(n, "", |_| {}).id);
                if text.contains(&id) {
                    seen.push(n);
                }
            }
            path = between(&text, before, after)
                .map(|url| url.replace("https://emploi.territoire.example", ""));
            pages.push(text);
        }
        assert_eq!(pages.len(), 3, "{file}");
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7], "{file}");
        if file.ends_with("atom.xml") {
            // One feed: one name, its tombstones once.
            let name = format!(
                "<id>https://emploi.territoire.example{}</id>",
                begin.replace('&', "&amp;")
            );
            assert!(
                pages.iter().all(|page| page.contains(&name)),
                "{}",
                pages[1]
            );
            let tombs: Vec<_> = pages
                .iter()
                .map(|p| p.matches("at:deleted-entry").count())
                .collect();
            assert_eq!(tombs, [1, 0, 0]);
            assert!(pages[1].contains("rel=\"first\""));
        }
    }
    // A page of another question, and one that nobody gave.
    let text = get(&publish, "/feeds/jobs.json?limit=3").await.text();
    let next = between(&text, "\"next_url\":\"", "\"").unwrap();
    let cursor = next.split_once("cursor=").unwrap().1.to_owned();
    for query in [
        format!("family=care&cursor={cursor}"),
        "cursor=AAAA".to_owned(),
        format!("cursor={cursor}&cursor={cursor}"),
    ] {
        let reply = get(&publish, &format!("/feeds/atom.xml?{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_large_sitemap_is_an_index_of_parts_that_keep_the_filter() {
    let shop = Arc::new(Shop::default());
    for n in 1..=120 {
        shop.publish(&vacancy(n, "ch-exemple", |_| {}));
    }
    for n in 121..=130 {
        shop.publish(&vacancy(n, "aide-domicile", |_| {}));
    }
    let publish = publishing(&shop);
    let locations = |text: &str| -> Vec<String> {
        let found = text.split("<loc>").skip(1);
        let ends = found.map(|rest| rest.split("</loc>").next().unwrap().replace("&amp;", "&"));
        ends.collect()
    };
    for (query, offers) in [("", 130), ("?member=ch-exemple&department=70", 120)] {
        let index = get(&publish, &format!("/sitemap.xml{query}")).await;
        assert_eq!(index.status, 200, "{query}");
        assert!(index.text().contains("<sitemapindex "), "{query}");
        let parts = locations(&index.text());
        assert_eq!(parts.len(), 2, "{parts:?}");
        let mut shown = Vec::new();
        for part in &parts {
            assert!(part.ends_with(&format!(".xml{query}")), "{part}");
            let path = &part[part.find("/sitemap-").unwrap()..];
            let file = get(&publish, path).await;
            assert_eq!(file.status, 200, "{path}");
            let addresses = locations(&file.text());
            assert!(!addresses.is_empty() && addresses.len() <= 100, "{path}");
            shown.extend(addresses);
        }
        shown.retain(|address| address.contains("/offres/"));
        assert_eq!(shown.len(), offers, "{query}");
        for n in 1..=offers {
            let id = vacancy(n as u128, "", |_| {}).id.to_string();
            let count = shown.iter().filter(|one| one.contains(&id)).count();
            assert_eq!(count, 1, "{query}: offer {n}");
        }
        let beyond = get(&publish, &format!("/sitemap-3.xml{query}")).await;
        assert_eq!(beyond.status, 404, "{query}");
    }
}
