use super::get;
use crate::{
    model::{TombstoneReason, Vacancy},
    publish::{
        Publish,
        portal::offer_path,
        testing::{Shop, publishing, publishing_with, vacancy},
    },
};
use serde_json::json;
use std::sync::Arc;

/// An offer that says everything, one that says nothing but its title, and a hostile one.
fn offers() -> [Vacancy; 3] {
    [
        vacancy(1, "ch-exemple", |_| {}),
        vacancy(2, "aide-domicile", |v| {
            *v = json!({ "id": v["id"], "title": "Agent", "visibility": "public" });
        }),
        vacancy(3, "ch-exemple", |v| {
            v["title"] = "</script><script>alert(1)</script>".into();
            v["employer"]["name"] = "\"><img src=x onerror=alert(2)>".into();
            v["description"]["html"] = "<p onclick=\"alert(3)\">A<a href=\"javascript:alert(4)\">b</a></p><script>alert(5)</script>".into();
            v["apply"]["url"] = "javascript:alert(6)".into();
            v["sources"][0]["url"] = "data:text/html,alert(7)".into();
        }),
    ]
}

fn portal() -> Publish {
    let shop = Arc::new(Shop::default());
    for offer in offers() {
        shop.publish(&offer);
    }
    publishing(&shop)
}

fn json_ld(page: &str) -> serde_json::Value {
    let (_, rest) = page
        .split_once("<script type=\"application/ld+json\">")
        .unwrap();
    let (text, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn every_offer_page_carries_a_sound_job_posting() {
    let publish = portal();
    let schema = include_str!("../../../schemas/google-jobposting.schema.json");
    let schema = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for offer in offers() {
        let page = get(&publish, &offer_path(&offer)).await;
        assert_eq!(page.status, 200);
        let posting = json_ld(&page.text());
        if offer.offer.published.is_some() {
            let errors: Vec<_> = validator
                .iter_errors(&posting)
                .map(|e| e.to_string())
                .collect();
            assert_eq!(errors, [""; 0], "{posting:#}");
        }
    }
    let full = get(&publish, &offer_path(&offers()[0])).await;
    insta::assert_snapshot!(full.text());
}

#[tokio::test]
async fn hostile_offers_stay_text() {
    let publish = portal();
    for path in [
        offer_path(&offers()[2]),
        "/".into(),
        "/structures/ch-exemple".into(),
    ] {
        let page = get(&publish, &path).await;
        let text = page.text();
        for bad in [
            "<script>alert",
            "<img",
            "onclick",
            "href=\"javascript",
            "href=\"data:",
            "</script><",
        ] {
            assert!(!text.contains(bad), "{path} holds {bad}");
        }
        assert!(
            page.header("content-security-policy")
                .contains("default-src 'none'")
        );
    }
}

#[tokio::test]
async fn addresses_are_one_an_offer() {
    let shop = Arc::new(Shop::default());
    let [offer, other, _] = offers();
    shop.publish(&offer);
    shop.publish(&other);
    let publish = publishing(&shop);
    let path = offer_path(&offer);
    for wrong in [
        format!("/offres/{}", offer.id),
        format!("/offres/{}/autre-titre", offer.id),
    ] {
        let reply = get(&publish, &wrong).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("location")),
            (301, path.as_str())
        );
    }
    shop.close(other.id, TombstoneReason::Merged, Some(offer.id));
    let reply = get(&publish, &offer_path(&other)).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("location")),
        (301, path.as_str())
    );
    shop.close(offer.id, TombstoneReason::Filled, None);
    let reply = get(&publish, &path).await;
    assert_eq!(reply.status, 410);
    assert!(!reply.text().contains("ld+json"));
    assert_eq!(get(&publish, "/offres/nimporte/quoi").await.status, 404);
    assert_eq!(get(&publish, "/nulle-part").await.status, 404);
}

#[tokio::test]
async fn the_list_searches_filters_and_forgives() {
    let publish = portal();
    let page = get(&publish, "/?q=infirmiere&lieu=Vesoul&contrat=cdi")
        .await
        .text();
    assert!(
        page.contains("2 offres d’emploi pour « infirmiere » à 20\u{a0}km autour de Vesoul (70)"),
        "{page}"
    );
    for odd in [
        "/?q=%ff%00&famille=zzz&page=99999&utm_source=x",
        "/?page=0&page=2",
        "/?q=aucune+offre+de+ce+nom",
        "/?tri=%3Cscript%3E",
    ] {
        assert_eq!(get(&publish, odd).await.status, 200, "{odd}");
    }
}

#[tokio::test]
async fn small_pages_say_what_they_must() {
    let shop = Arc::new(Shop::default());
    let publish = publishing_with(&shop, |s| s.synthetic = Some("Offres fictives".into()));
    for path in [
        "/",
        "/structures",
        "/structures/ch-exemple",
        "/accessibilite",
        "/a-propos",
    ] {
        let page = get(&publish, path).await;
        assert_eq!(page.status, 200, "{path}");
        let text = page.text();
        assert!(text.contains("Offres fictives") && text.contains("Accessibilité : non conforme"));
    }
    assert_eq!(get(&publish, "/structures/nobody").await.status, 404);
    let page = get(&publish, "/").await.text();
    let (_, rest) = page.split_once("/assets/style-").unwrap();
    let style = format!("/assets/style-{}", rest.split('"').next().unwrap());
    let css = get(&publish, &style).await;
    assert!(css.header("cache-control").contains("immutable"));
    assert_eq!(get(&publish, "/assets/other.css").await.status, 404);
}
