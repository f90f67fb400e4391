//! The members of the network, and the offers of each.

use super::{Head, failed, list, pages, render};
use crate::{
    model::MemberId,
    publish::{
        Publish, PublishError,
        index::{Filter, Search, Sort},
        respond::Document,
    },
};
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use minijinja::context;

/// Offers on a member's page; the list has the rest.
const MOST: usize = 100;

pub async fn index(State(publish): State<Publish>) -> Response {
    match all(&publish).await {
        Ok(document) => document.into_response(),
        Err(error) => failed(&publish, error),
    }
}

async fn all(publish: &Publish) -> Result<Document, PublishError> {
    let counts = publish.vacancies_by_member().await?;
    let network = publish.network();
    let mut members: Vec<_> = network.members.values().collect();
    members.sort_by_key(|member| crate::publish::text::fold(&member.name));
    let members: Vec<_> = members
        .into_iter()
        .map(|member| {
            context! {
                name => &member.name,
                kind => &member.kind,
                path => format!("/structures/{}", member.id),
                count => counts.get(&member.id).copied().unwrap_or(0),
            }
        })
        .collect();
    let head = Head {
        title: "Les structures du réseau",
        description: "Les établissements qui recrutent, et leurs offres.",
        canonical: Some("/structures"),
        noindex: false,
    };
    render(publish, "structures.html", &head, context! { members })
}

pub async fn page(State(publish): State<Publish>, Path(slug): Path<String>) -> Response {
    match one(&publish, &slug).await {
        Ok(Some(document)) => document.into_response(),
        Ok(None) => pages::not_found(State(publish)).await,
        Err(error) => failed(&publish, error),
    }
}

async fn one(publish: &Publish, slug: &str) -> Result<Option<Document>, PublishError> {
    let network = publish.network();
    let id = MemberId::from(slug);
    let Some(member) = network.member(&id) else {
        return Ok(None);
    };
    let search = Search {
        filter: Filter {
            members: vec![id],
            ..Filter::default()
        },
        sort: Sort::Published,
        after: None,
        skip: 0,
        limit: MOST,
        facets: &[],
    };
    let page = publish.search(search).await?;
    let path = format!("/structures/{}", member.id);
    let description = format!("Les offres d’emploi de {}.", member.name);
    let head = Head {
        title: &member.name,
        description: &description,
        canonical: Some(&path),
        noindex: false,
    };
    let website = member
        .website
        .as_ref()
        .filter(|url| url.starts_with("https://") || url.starts_with("http://"));
    let establishments: Vec<_> = member
        .establishments
        .iter()
        .map(|e| context! { name => &e.name, commune => e.commune.as_ref().filter(|c| c.contains(' ')) })
        .collect();
    render(
        publish,
        "structure.html",
        &head,
        context! {
            name => &member.name,
            kind => &member.kind,
            agency => member.agency,
            website,
            establishments,
            total => page.total,
            more => (page.total > MOST).then(|| format!("/?structure={}", member.id)),
            offers => list::cards(&page, &network),
        },
    )
    .map(Some)
}
