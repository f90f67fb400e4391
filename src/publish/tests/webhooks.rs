use super::send;
use crate::publish::{
    Seal,
    testing::{Shop, publishing_with},
};
use axum::{body::Body, http::Request};
use std::sync::Arc;

const KEY: &str = "the-administration-key";

#[tokio::test]
async fn the_store_never_has_a_secret_in_clear() {
    let shop = Arc::new(Shop::default());
    let publish = publishing_with(&shop, |settings| {
        settings.admin_key = Some(blake3::hash(KEY.as_bytes()));
        settings.seal = Some(Seal::new("the-key-that-seals"));
    });
    let post = async |path: &str, body: &str| {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {KEY}"))
            .body(Body::from(body.to_owned()))
            .unwrap();
        send(&publish, request).await
    };
    let made = post("/api/v1/webhooks", r#"{"url":"https://exemple.example/"}"#).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let first = made["secret"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/webhooks/{}/rotate", made["id"].as_str().unwrap());
    let rotated = post(&path, "{}").await;
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    let second = rotated.json()["secret"].as_str().unwrap().to_owned();
    let notes = shop.meta.lock().unwrap().clone();
    let stored: Vec<_> = notes
        .values()
        .filter(|note| note.contains("sealed1:"))
        .collect();
    assert_eq!(stored.len(), 1, "{notes:?}");
    assert_eq!(stored[0].matches("sealed1:").count(), 2);
    for note in notes.values() {
        assert!(!note.contains("whsec_"), "{note}");
        for secret in [&first, &second] {
            assert!(
                !note.contains(secret.trim_start_matches("whsec_")),
                "{note}"
            );
        }
    }
}
