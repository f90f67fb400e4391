//! `/admin/linkedin`: the kit as a page and as a ZIP; and every offer's card, which its page names.

use super::{
    Collection,
    card::{Face, Hub},
};
use crate::{
    model::{Vacancy, VacancyId},
    publish::{
        Publish, PublishError,
        api::{Found, Params, find},
        gate, labels,
        portal::{self, Head},
        respond::{Document, Problem},
    },
};
use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::{ToSpan as _, civil::Date};
use minijinja::{Value, context, value::Serde};

/// Days that a digest covers, unless asked otherwise.
const DAYS: i64 = 7;
const PNG: &str = "image/png";

pub fn routes(publish: &Publish) -> Router<Publish> {
    Router::new()
        .route("/admin/linkedin", get(page))
        .route("/admin/linkedin/kit.zip", get(archive))
        .route("/admin/linkedin/semaine.png", get(digest_card))
        .layer(middleware::from_fn_with_state(publish.clone(), gate::guard))
}

impl Publish {
    /// The first day of the digest that is made today.
    pub fn kit_begins(&self) -> Date {
        let today = self.clock().now().to_zoned(labels::paris()).date();
        today.checked_sub(DAYS.days()).unwrap_or(today)
    }
}

/// The day of `?depuis=`, the usual one, or none for `tout`.
fn since(publish: &Publish, query: Option<&str>) -> Option<Date> {
    let mut params = Params::new(query);
    let asked = params.one("depuis");
    params.forgive();
    match asked.as_deref().map(str::trim) {
        Some("tout") => None,
        Some(text) => Some(text.parse().unwrap_or_else(|_| publish.kit_begins())),
        None => Some(publish.kit_begins()),
    }
}

async fn page(State(publish): State<Publish>, RawQuery(query): RawQuery) -> Response {
    let since = since(&publish, query.as_deref());
    match publish.kit(since, None).await {
        Ok(collection) => match shown(&publish, &collection) {
            Ok(document) => document.into_response(),
            Err(error) => portal::failed(&publish, error),
        },
        Err(error) => portal::failed(&publish, error),
    }
}

fn shown(publish: &Publish, collection: &Collection) -> Result<Document, PublishError> {
    let head = Head {
        title: "Kit LinkedIn",
        description: "Textes et images prêts à publier",
        noindex: true,
        ..Head::default()
    };
    let depuis = collection
        .since
        .map_or("tout".to_owned(), |day| day.to_string());
    let kit = Value::from(Serde(serde_json::to_value(collection).unwrap_or_default()));
    let left_out = collection.left_out.iter().map(|(rule, count)| {
        let why = match *rule {
            "mandate.no_member" => "d’employeurs hors du réseau",
            "mandate.ended" => "dont le mandat a pris fin",
            "source.aggregator_only" => "connues par un agrégateur seulement",
            _ => "de structures sans mandat pour LinkedIn",
        };
        format!("{count} {why}")
    });
    let context = context! {
        depuis,
        day => collection.since.map(labels::civil_day),
        absent => collection.absent(),
        left_out => left_out.collect::<Vec<_>>(),
        kit,
    };
    portal::render(publish, "kit.html", &head, context)
}

/// Made for each asking, beside the other documents: many cards take a while.
async fn archive(State(publish): State<Publish>, RawQuery(query): RawQuery) -> Response {
    let since = since(&publish, query.as_deref());
    let _permit = publish.drawing().await;
    let made = async {
        let collection = publish.kit(since, None).await?;
        publish.kit_archive(collection).await
    };
    match made.await {
        Ok(bytes) => {
            let named = since.map_or("tout".to_owned(), |day| day.to_string());
            let name = format!("attachment; filename=\"linkedin-{named}.zip\"");
            Document::new("application/zip", bytes)
                .with(header::CONTENT_DISPOSITION, &name)
                .into_response()
        }
        Err(error) => error.into_response(),
    }
}

impl Publish {
    /// The ZIP of a kit.
    ///
    /// # Errors
    /// The operator's template fails over an offer.
    pub async fn kit_archive(&self, collection: Collection) -> Result<Vec<u8>, PublishError> {
        let this = self.clone();
        crate::publish::state::blocking(move || Ok(this.settings().kit.archive(&collection)?)).await
    }

    async fn drawn(&self, face: Face) -> Result<Document, PublishError> {
        let this = self.clone();
        // Drawing takes a core: no more at a time than searches.
        let _permit = self.drawing().await;
        let draw = move || {
            let hub = Hub::new(this.settings());
            Ok(this.settings().kit.draw(&hub, &face)?)
        };
        let png = crate::publish::state::blocking(draw).await?;
        Ok(Document::new(PNG, png))
    }
}

async fn digest_card(State(publish): State<Publish>, RawQuery(query): RawQuery) -> Response {
    let since = since(&publish, query.as_deref());
    let face = match publish.kit(since, None).await {
        Ok(collection) => collection.digest.map(|digest| digest.face),
        Err(error) => return error.into_response(),
    };
    let Some(face) = face else {
        return Problem::not_found("there is no offer since that day").into_response();
    };
    match publish.drawn(face).await {
        Ok(document) => document.into_response(),
        Err(error) => error.into_response(),
    }
}

/// `/offres/ID/carte.png`: what a page that shares the offer shows.
pub async fn card_of_offer(State(publish): State<Publish>, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<VacancyId>() else {
        return Problem::not_found("there is no such offer").into_response();
    };
    let body = match find(&publish, id).await {
        Ok(Found::Live { body, .. }) => body,
        Ok(Found::Gone { .. }) => {
            return Problem::new(StatusCode::GONE, None, "Gone").into_response();
        }
        Ok(Found::Unknown) => return Problem::not_found("there is no such offer").into_response(),
        Err(error) => return error.into_response(),
    };
    let face = match serde_json::from_slice::<Vacancy>(&body) {
        Ok(vacancy) => Face::of_offer(&vacancy, &publish.network()),
        Err(error) => return PublishError::Index(error.into()).into_response(),
    };
    match publish.drawn(face).await {
        Ok(document) => document.into_response(),
        Err(error) => error.into_response(),
    }
}
