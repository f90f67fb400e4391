//! The routes as their callers see them.

mod api;
mod drop_folder;
mod export;
mod feeds;
mod guard;
mod portal;
mod webhooks;

use super::{Publish, router};
use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
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
