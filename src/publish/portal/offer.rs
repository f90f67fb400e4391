//! The page of one offer.

use super::{Head, failed, jsonld, render, with_status};
use crate::{
    model::{Network, Vacancy, VacancyId},
    publish::{
        Publish, PublishSettings,
        api::{Found, find, moved},
        labels, territory, text,
    },
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use minijinja::context;
use std::{collections::BTreeMap, sync::LazyLock};

/// The path of an offer's page.
pub fn offer_path(vacancy: &Vacancy) -> String {
    path_of(vacancy.id, &offer_slug(vacancy))
}

/// The path of the page of `id`, under the words of its offer.
pub fn path_of(id: crate::model::VacancyId, slug: &str) -> String {
    format!("/offres/{id}/{slug}")
}

/// The words of an offer in its address.
pub fn offer_slug(vacancy: &Vacancy) -> String {
    let place = vacancy.offer.places.first().and_then(|p| p.name.as_deref());
    let words = match place {
        Some(place) => format!("{} {place}", vacancy.offer.title),
        None => vacancy.offer.title.clone(),
    };
    text::slug(&words)
}

/// Descriptions were cleaned when they were normalised; what leaves is cleaned by what the page
/// allows now.
pub fn safe_html(html: &str) -> String {
    static CLEANER: LazyLock<ammonia::Builder<'static>> = LazyLock::new(|| {
        let mut builder = ammonia::Builder::empty();
        builder
            .tags(
                [
                    "p",
                    "br",
                    "ul",
                    "ol",
                    "li",
                    "strong",
                    "b",
                    "em",
                    "i",
                    "u",
                    "h2",
                    "h3",
                    "h4",
                    "h5",
                    "h6",
                    "a",
                    "blockquote",
                    "table",
                    "thead",
                    "tbody",
                    "tr",
                    "td",
                    "th",
                ]
                .into(),
            )
            .tag_attributes([("a", ["href"].into())].into())
            .url_schemes(["https", "http", "mailto", "tel"].into())
            .link_rel(Some("nofollow noopener external"));
        builder
    });
    CLEANER.clean(html).to_string()
}

/// What stands for a description that is missing: the facts of the page, as a sentence.
pub fn substitute(vacancy: &Vacancy) -> String {
    let mut sentence = format!(
        "{} recrute pour le poste : {}.",
        labels::employer(vacancy).unwrap_or("Un employeur"),
        vacancy.offer.title
    );
    let facts = [
        labels::place(vacancy).map(|place| format!("Lieu : {place}.")),
        vacancy
            .offer
            .contract
            .as_ref()
            .and_then(|c| c.form)
            .map(|form| format!("Contrat : {}.", labels::contract(form))),
    ];
    for fact in facts.into_iter().flatten() {
        sentence.push(' ');
        sentence.push_str(&fact);
    }
    sentence
}

/// What a page that shares the offer shows of it (Open Graph).
pub struct Preview {
    title: String,
    description: String,
    url: String,
    site: String,
    pub image: String,
    pub image_alt: String,
}

impl Preview {
    pub fn of(settings: &PublishSettings, network: &Network, vacancy: &Vacancy) -> Self {
        let member = vacancy.member.as_ref().and_then(|id| network.member(id));
        let employer = labels::employer(vacancy).or(member.map(|m| m.name.as_str()));
        let title = match labels::place(vacancy) {
            Some(place) => format!("{} – {place}", labels::title(vacancy)),
            None => labels::title(vacancy),
        };
        let description = vacancy.offer.description.as_ref();
        Self {
            description: description
                .and_then(|d| d.summary.clone())
                .unwrap_or_else(|| substitute(vacancy)),
            url: settings.url(&offer_path(vacancy)),
            site: settings.territory.clone(),
            image: settings.url(&card_path(vacancy.id)),
            image_alt: match employer {
                Some(employer) => format!("Offre d’emploi : {title}, {employer}"),
                None => format!("Offre d’emploi : {title}"),
            },
            title,
        }
    }

    /// Property → content, as the page carries them.
    pub fn properties(&self) -> BTreeMap<String, String> {
        let size = |side: u32| side.to_string();
        let pairs = [
            ("og:title", self.title.clone()),
            ("og:description", self.description.clone()),
            ("og:url", self.url.clone()),
            ("og:site_name", self.site.clone()),
            ("og:locale", "fr_FR".into()),
            ("og:type", "website".into()),
            ("og:image", self.image.clone()),
            ("og:image:type", "image/png".into()),
            ("og:image:width", size(crate::publish::kit::WIDTH)),
            ("og:image:height", size(crate::publish::kit::HEIGHT)),
            ("og:image:alt", self.image_alt.clone()),
        ];
        let owned = pairs
            .into_iter()
            .map(|(name, text)| (name.to_owned(), text));
        owned.collect()
    }
}

/// The path of an offer's card.
pub fn card_path(id: VacancyId) -> String {
    format!("/offres/{id}/carte.png")
}

pub async fn short(State(publish): State<Publish>, Path(id): Path<String>) -> Response {
    answer(&publish, &id, None).await
}

pub async fn page(
    State(publish): State<Publish>,
    Path((id, slug)): Path<(String, String)>,
) -> Response {
    answer(&publish, &id, Some(&slug)).await
}

async fn answer(publish: &Publish, id: &str, slug: Option<&str>) -> Response {
    let Ok(id) = id.parse::<VacancyId>() else {
        return super::pages::not_found(State(publish.clone())).await;
    };
    let body = match find(publish, id).await {
        Ok(Found::Live { body, .. }) => body,
        Ok(Found::Gone { reason }) => return gone(publish, labels::tombstone(reason)),
        Ok(Found::Unknown) => return super::pages::not_found(State(publish.clone())).await,
        Err(error) => return failed(publish, error),
    };
    let vacancy: Vacancy = match serde_json::from_slice(&body) {
        Ok(vacancy) => vacancy,
        Err(error) => {
            return failed(publish, crate::publish::PublishError::Index(error.into()));
        }
    };
    let path = offer_path(&vacancy);
    let own = slug.is_some_and(|slug| path == format!("/offres/{id}/{slug}"));
    if !own {
        return moved(&path);
    }
    match show(publish, &vacancy, &path) {
        Ok(document) => document.into_response(),
        Err(error) => failed(publish, error),
    }
}

fn show(
    publish: &Publish,
    vacancy: &Vacancy,
    path: &str,
) -> Result<crate::publish::respond::Document, crate::publish::PublishError> {
    let o = &vacancy.offer;
    let network = publish.network();
    let member = vacancy.member.as_ref().and_then(|id| network.member(id));
    let employer = labels::employer(vacancy)
        .or(member.map(|m| m.name.as_str()))
        .unwrap_or("Employeur non communiqué");
    let place = labels::place(vacancy);
    let preview = Preview::of(publish.settings(), &network, vacancy);
    let html = o
        .description
        .as_ref()
        .filter(|d| !d.html.trim().is_empty())
        .map(|d| safe_html(&d.html));
    let posting = jsonld::job_posting(publish.settings(), &network, vacancy);
    let head = Head {
        title: &preview.title,
        description: &preview.description,
        canonical: Some(path),
        noindex: false,
    };
    let apply = o.apply.as_ref();
    let web = |url: &String| url.starts_with("https://") || url.starts_with("http://");
    let apply_url = apply.and_then(|a| a.url.clone()).filter(web).or_else(|| {
        vacancy
            .sources
            .iter()
            .find_map(|s| s.url.clone().filter(web))
    });
    let seen_on: Vec<_> = o
        .origin
        .iter()
        .flat_map(|origin| &origin.partners)
        .filter_map(|p| p.name.clone())
        .collect();
    let mut facts = facts(vacancy);
    facts.retain(|(_, value)| !value.is_empty());
    render(
        publish,
        "offer.html",
        &head,
        context! {
            offer_title => labels::title(vacancy),
            canonical_title => o.title_canonical.as_ref().filter(|t| **t != o.title),
            employer,
            establishment => o.employer.as_ref().and_then(|e| e.establishment.clone()).filter(|e| e != employer),
            intermediary => o.employer.as_ref().and_then(|e| e.intermediary.clone()),
            agency => member.is_some_and(|m| m.agency),
            structure => member.map(|m| context! { name => &m.name, path => format!("/structures/{}", m.id) }),
            place,
            places => o.places.iter().skip(1).filter_map(|p| p.name.clone()).collect::<Vec<_>>(),
            html,
            text => o.description.as_ref().map(|d| d.text.clone()).unwrap_or_else(|| substitute(vacancy)),
            facts,
            unsaid => unsaid(vacancy),
            benefits => o.pay.as_ref().map(|p| p.benefits.clone()).unwrap_or_default(),
            diplomas => &o.diplomas,
            published => o.published.map(labels::day),
            published_iso => o.published.map(|at| at.to_string()),
            updated => o.updated.filter(|at| Some(*at) != o.published).map(labels::day),
            expires => o.expires.map(labels::day),
            apply_url,
            apply_email => apply.and_then(|a| a.email.clone()),
            id => vacancy.id.to_string(),
            requisition => &o.requisition,
            seen_on,
            posting => jsonld::embedded(&posting),
            preview => preview.properties(),
        },
    )
}

/// What a candidate would look for and the ad does not say, in words.
fn unsaid(vacancy: &Vacancy) -> Vec<&'static str> {
    let score = crate::normalise::score(&vacancy.offer, &[]);
    let word = |field: &str| match field {
        "pay" => Some("la rémunération"),
        "places" => Some("la commune"),
        "contract" => Some("le type de contrat"),
        "working_time" => Some("le temps de travail"),
        "shifts" => Some("les horaires"),
        "requirements" => Some("le diplôme ou l’expérience attendus"),
        _ => None,
    };
    score.missing.iter().filter_map(|m| word(m.field)).collect()
}

/// The facts beside the text: label and value.
fn facts(vacancy: &Vacancy) -> Vec<(&'static str, String)> {
    let o = &vacancy.offer;
    let mut facts: Vec<(&'static str, Option<String>)> = Vec::new();
    let contract = o.contract.as_ref();
    let form = contract.and_then(|c| c.form).map(|form| {
        let mut text = labels::contract(form).to_owned();
        if let Some(months) = contract.and_then(|c| c.duration_months) {
            text.push_str(&format!(" de {} mois", labels::number(months)));
        }
        if contract.and_then(|c| c.renewable) == Some(true) {
            text.push_str(", renouvelable");
        }
        text
    });
    facts.push(("Contrat", form));
    facts.push((
        "Temps de travail",
        o.working_time.as_ref().and_then(labels::working_time),
    ));
    let pay = o.pay.as_ref();
    facts.push(("Rémunération", pay.and_then(labels::pay)));
    // An agreement that the pay rests on is named once.
    let agreement = o.employer.as_ref().and_then(|e| e.agreement.clone());
    let basis = pay.and_then(|p| p.basis.clone());
    facts.push((
        "Base",
        basis.filter(|basis| agreement.as_ref() != Some(basis)),
    ));
    let scale = pay.and_then(|p| p.scale.as_ref());
    facts.push(("Grille", scale.and_then(labels::scale)));
    facts.push((
        "Télétravail",
        o.remote.map(|r| labels::remote(r).to_owned()),
    ));
    let rounds = o.itinerant == Some(true);
    facts.push((
        "Déplacements",
        rounds.then(|| "Poste itinérant ou à domicile".to_owned()),
    ));
    facts.push(("Service", o.service.clone()));
    let status: Vec<&str> = contract
        .map(|c| {
            c.public_status
                .iter()
                .map(|s| labels::public_status(*s))
                .collect()
        })
        .unwrap_or_default();
    facts.push((
        "Ouvert aux",
        (!status.is_empty()).then(|| status.join(", ")),
    ));
    let experience = o.experience.as_ref().and_then(|e| {
        e.label.clone().or(match (e.required, e.months) {
            (Some(false), _) => Some("Débutants acceptés".into()),
            (_, Some(months)) if months >= 12 => Some(format!("{} an(s)", months / 12)),
            (_, Some(months)) => Some(format!("{months} mois")),
            (Some(true), None) => Some("Exigée".into()),
            _ => None,
        })
    });
    facts.push(("Expérience", experience));
    facts.push(("Convention ou statut", agreement));
    facts.push((
        "Postes à pourvoir",
        o.openings.filter(|n| *n > 1).map(|n| n.to_string()),
    ));
    facts.push(("Prise de poste", o.starts.map(labels::civil_day)));
    let department = o
        .places
        .first()
        .and_then(|p| p.department.as_deref())
        .and_then(territory::department);
    facts.push(("Département", department.map(str::to_owned)));
    facts
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

fn gone(publish: &Publish, text: &str) -> Response {
    let head = Head {
        title: "Offre close",
        noindex: true,
        ..Head::default()
    };
    match render(publish, "gone.html", &head, context! { text }) {
        Ok(document) => with_status(document, StatusCode::GONE),
        Err(error) => failed(publish, error),
    }
}
