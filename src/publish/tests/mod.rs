//! The routes as their callers see them.

mod api;
mod export;
mod feeds;
mod portal;

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

#[tokio::test]
#[ignore]
async fn zz_serve() {
    use crate::publish::testing::*;
    let shop = std::sync::Arc::new(Shop::default());
    let titles = [("Infirmier de nuit (F/H)","nursing","cdi"),("Aide-soignante / Aide-soignant en EHPAD","care","cdd"),("Masseur-kinésithérapeute","rehabilitation","liberal"),("Éducateur spécialisé en foyer d’accueil médicalisé","social","cdi"),("Agent des services hospitaliers qualifié","support","interim"),("Médecin coordonnateur","medical","cdi"),("Cadre de santé","management","cdi")];
    let towns = [("Vesoul","70550","70000","70",47.62,6.15),("Besançon","25056","25000","25",47.23,6.02),("Lure","70310","70200","70",47.68,6.49),("Luxeuil-les-Bains","70311","70300","70",47.81,6.38)];
    for n in 1..=64u128 {
        let t = titles[(n % 7) as usize]; let p = towns[(n % 4) as usize];
        shop.publish(&vacancy(n, if n % 3 == 0 {"aide-domicile"} else {"ch-exemple"}, |v| {
            v["title"] = t.0.into(); v["occupation"]["family"] = t.1.into(); v["contract"]["form"] = t.2.into();
            v["places"][0] = serde_json::json!({"insee":p.1,"postal_code":p.2,"name":p.0,"department":p.3,"lat":p.4,"lon":p.5,"precision":"commune"});
            if n % 5 == 0 { v.as_object_mut().unwrap().remove("pay"); v["working_time"] = serde_json::json!({"time":"part","hours_week":28.0}); }
            if n % 3 == 0 { v["employer"]["name"] = "Aide à domicile fictive".into(); }
            v["service"] = "Médecine polyvalente".into();
            v["diplomas"] = serde_json::json!(["Diplôme d’État d’infirmier", "Inscription à l’Ordre"]);
            v["pay"]["benefits"] = serde_json::json!(["Reprise d’ancienneté", "Self et parking gratuits"]);
            v["pay"]["currency"] = "EUR".into();
        }));
    }
    let publish = publishing_with(&shop, |s| { s.public_url = "http://127.0.0.1:8099".into(); s.synthetic = Some("Démonstration : toutes les offres de ce site sont fictives.".into()); s.territory = "Santé en Haute-Saône".into(); s.contact = Some("contact@territoire.example".into()); });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8099").await.unwrap();
    axum::serve(listener, router(publish)).await.unwrap();
}
