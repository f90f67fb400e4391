//! The small pages.

use super::{Head, failed, render, with_status};
use crate::publish::Publish;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use minijinja::context;

pub async fn not_found(State(publish): State<Publish>) -> Response {
    let head = Head {
        title: "Page introuvable",
        noindex: true,
        ..Head::default()
    };
    let text = "Cette adresse ne mène à aucune page. L’offre que vous cherchez a peut-être changé d’adresse : retrouvez-la dans la liste.";
    match render(
        &publish,
        "message.html",
        &head,
        context! { heading => head.title, text },
    ) {
        Ok(document) => with_status(document, StatusCode::NOT_FOUND),
        Err(error) => failed(&publish, error),
    }
}

pub async fn accessibility(State(publish): State<Publish>) -> Response {
    simple(
        &publish,
        "accessibility.html",
        "Accessibilité : déclaration",
        "/accessibilite",
    )
}

pub async fn about(State(publish): State<Publish>) -> Response {
    simple(
        &publish,
        "about.html",
        "À propos et données ouvertes",
        "/a-propos",
    )
}

fn simple(publish: &Publish, template: &'static str, title: &str, path: &str) -> Response {
    let head = Head {
        title,
        description: title,
        canonical: Some(path),
        noindex: false,
    };
    match render(publish, template, &head, context! { heading => title }) {
        Ok(document) => document.into_response(),
        Err(error) => failed(publish, error),
    }
}
