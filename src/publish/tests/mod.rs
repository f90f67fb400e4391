//! The routes as their callers see them.

mod changes;
mod drop_folder;
mod export;
mod feeds;
mod guard;
mod http;
mod kept;
mod movements;
mod portal;
mod readers;
mod search;
mod webhooks;

use super::{
    Publish, router,
    testing::{Shop, vacancy},
};
use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use serde_json::json;
use std::sync::Arc;
use tower::ServiceExt;

/// A whole answer.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

pub async fn get(publish: &Publish, path: &str) -> Reply {
    get_with(publish, path, &[]).await
}

pub async fn get_with(publish: &Publish, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(publish, request.body(Body::empty()).unwrap()).await
}

pub async fn send(publish: &Publish, request: Request<Body>) -> Reply {
    let response = router(publish.clone()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Reply {
        status: parts.status,
        headers: parts.headers,
        body: to_bytes(body, usize::MAX).await.unwrap().into(),
    }
}

/// Three offers of two members, in two towns.
pub fn three() -> Arc<Shop> {
    let shop = Arc::new(Shop::default());
    shop.publish(&vacancy(1, "ch-exemple", |_| {}));
    shop.publish(&vacancy(2, "ch-exemple", |v| {
        v["title"] = "Aide-soignante de jour".into();
        v["title_canonical"] = "Aide-soignant / Aide-soignante".into();
        v["occupation"] = json!({ "rome": "J1501", "rome_v3": "J1501", "family": "care" });
        v["contract"]["form"] = "cdd".into();
        v["working_time"] = json!({ "time": "part" });
        v["published"] = "2026-11-10T08:00:00Z".into();
        v["updated"] = "2026-11-10T08:00:00Z".into();
    }));
    shop.publish(&vacancy(3, "aide-domicile", |v| {
        v["title"] = "Auxiliaire de vie".into();
        v["title_canonical"] = "Auxiliaire de vie".into();
        v["employer"]["name"] = "Aide à domicile fictive".into();
        v["places"][0]["name"] = "Besançon".into();
        v["places"][0]["insee"] = "25056".into();
        v["places"][0]["department"] = "25".into();
        v["places"][0]["lat"] = 47.2378.into();
        v["places"][0]["lon"] = 6.0241.into();
        v["occupation"] = json!({ "rome": "K1304", "family": "care" });
        v["published"] = "2026-11-20T08:00:00Z".into();
        v["updated"] = "2026-11-20T08:00:00Z".into();
    }));
    shop
}

pub fn titles(reply: &serde_json::Value) -> Vec<&str> {
    reply["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["title"].as_str().unwrap())
        .collect()
}
