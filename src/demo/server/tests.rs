use super::*;
use serde_json::Value;

async fn start() -> (Server, reqwest::Client) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clock = Clock::fixed("2026-11-02T09:30:00Z".parse().unwrap());
    let server = Server::start(clock, None).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    (server, client)
}

#[tokio::test]
async fn pages_add_up_to_their_totals() {
    let (server, client) = start().await;
    let base = server.base();
    let mut seen = 0;
    loop {
        let url = format!(
            "{base}/smartrecruiters/v1/companies/MutuelleTroisRivieres/postings?limit=10&offset={seen}"
        );
        let page: Value = client.get(url).send().await.unwrap().json().await.unwrap();
        let got = page["content"].as_array().unwrap().len();
        seen += got;
        if got == 0 {
            assert_eq!(page["totalFound"], seen);
            break;
        }
    }
    assert!(seen > 20);
    let bearer = format!("Bearer {}", token("talentsoft"));
    let mut next = Some(format!("{base}/talentsoft/api/v2/offersummaries?count=20"));
    let mut found = 0;
    while let Some(url) = next {
        let page = client.get(url).header("authorization", &bearer).send();
        let page: Value = page.await.unwrap().json().await.unwrap();
        found += page["data"].as_array().unwrap().len();
        next = page["_pagination"]["links"]
            .as_array()
            .unwrap()
            .iter()
            .find(|link| link["rel"] == "next")
            .map(|link| link["href"].as_str().unwrap().to_owned());
        if next.is_none() {
            assert_eq!(page["_pagination"]["total"], found);
        }
    }
    assert!(found > 30);
}

#[tokio::test]
async fn france_travail_answers_as_it_does() {
    let (server, client) = start().await;
    let base = format!("{}/francetravail", server.base());
    let refused = client
        .get(format!("{base}/partenaire/offresdemploi/v2/offres/search"))
        .send();
    assert_eq!(refused.await.unwrap().status(), 401);
    let access: Value = client
        .post(format!("{base}/connexion/oauth2/access_token?realm=%2Fpartenaire"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!(
            "grant_type=client_credentials&client_id={CLIENT}&client_secret={SECRET}&scope=api_offresdemploiv2%20o2dsoffre"
        ))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let bearer = format!("Bearer {}", access["access_token"].as_str().unwrap());
    let get = |query: &str| {
        client
            .get(format!("{base}/partenaire/offresdemploi/v2/offres/{query}"))
            .header("authorization", &bearer)
            .send()
    };
    let part = get("search?departement=70&origineOffre=2&range=0-9")
        .await
        .unwrap();
    assert_eq!(part.status(), 206);
    let shown = part.headers()["content-range"].to_str().unwrap().to_owned();
    assert!(shown.starts_with("offres 0-9/"), "{shown}");
    let body: Value = part.json().await.unwrap();
    let id = body["resultats"][0]["id"].as_str().unwrap();
    assert_eq!(id.len(), 7);
    assert_eq!(get(id).await.unwrap().status(), 200);
    assert_eq!(get("9999999").await.unwrap().status(), 204);
    let whole = get("search?departement=70&origineOffre=1&range=0-149")
        .await
        .unwrap();
    assert_eq!(whole.status(), 200);
    let none = get("search?departement=33").await.unwrap();
    assert_eq!(none.status(), 204);
    assert_eq!(none.headers()["content-range"], "*/0");
    assert_eq!(get("search?range=0-150").await.unwrap().status(), 400);
    assert_eq!(get("search?range=3001-3050").await.unwrap().status(), 400);
    let dated = get("search?minCreationDate=2026-10-01T00:00:00.000Z");
    assert_eq!(dated.await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_filled_post_leaves_its_member_and_stays_at_france_travail() {
    let (server, client) = start().await;
    let base = server.base();
    let (reference, url) = {
        let world = server.world();
        let opening = world
            .openings
            .iter()
            .find(|opening| opening.member == "fondation-claire-fontaine")
            .unwrap();
        (opening.reference(), opening.url())
    };
    let feed = format!("{base}/recruitee/api/offers/");
    let first = client.get(&feed).send().await.unwrap();
    let tag = first.headers()["etag"].clone();
    assert!(first.text().await.unwrap().contains(&url));
    let again = client.get(&feed).header("if-none-match", &tag).send();
    assert_eq!(again.await.unwrap().status(), 304);
    let closed = client
        .post(format!("{base}/demo/close/{reference}"))
        .send()
        .await
        .unwrap();
    assert_eq!(closed.status(), 200);
    let later = client.get(&feed).header("if-none-match", &tag).send();
    let later = later.await.unwrap();
    assert_eq!(later.status(), 200);
    assert!(!later.text().await.unwrap().contains(&url));
    let copies = crate::demo::wire::france_travail::offers(&server.world());
    assert!(
        copies
            .iter()
            .any(|one| one.offer.to_string().contains(&url))
    );
    let unknown = client.post(format!("{base}/demo/close/nothing")).send();
    assert_eq!(unknown.await.unwrap().status(), 404);
}

#[tokio::test]
async fn no_feed_names_the_loopback_address_in_an_offer() {
    let (server, client) = start().await;
    for path in [
        "/digitalrecruiters/export/job-ads/synthetic",
        "/recruitee/api/offers/",
        "/cleverconnect/flux.xml",
        "/apec/export.xml",
        "/indeed/flux.xml",
        "/departement/offres.csv",
        "/hellowork/flux.xml",
        "/smartrecruiters/v1/companies/MutuelleTroisRivieres/postings",
    ] {
        let url = format!("{}{path}", server.base());
        let response = client.get(url).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let text = response.text().await.unwrap();
        assert!(!text.contains("127.0.0.1"), "{path}");
    }
}

#[tokio::test]
async fn a_kept_story_makes_the_same_network_on_the_same_port() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("story.json");
    let clock = Clock::fixed("2026-11-02T09:30:00Z".parse().unwrap());
    let server = Server::start(clock, Some(&path)).await.unwrap();
    let reference = server.world().openings[0].reference();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/demo/close/{reference}", server.base());
    client.post(url).send().await.unwrap();
    let day = server.world().day;
    drop(server);
    let later = Clock::fixed("2026-12-24T09:30:00Z".parse().unwrap());
    let again = Server::start(later, Some(&path)).await.unwrap();
    assert_eq!(again.world().day, day);
    assert!(again.world().openings[0].closed);
}
