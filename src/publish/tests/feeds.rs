use super::get;
use crate::{
    model::TombstoneReason,
    publish::testing::{Shop, publishing, publishing_with, vacancy},
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
}

#[tokio::test]
async fn synthetic_offers_stay_out_of_search_engines() {
    let publish = publishing_with(&two(), |s| s.synthetic = Some("Données fictives".into()));
    let robots = get(&publish, "/robots.txt").await.text();
    assert!(robots.contains("Disallow: /\n"));
}
