//! What a card shows.

use super::{Kit, colour::Palette};
use crate::{
    model::{Network, Vacancy},
    publish::{PublishSettings, labels},
};
use serde::Serialize;

/// What all cards of a hub have in common.
#[derive(Clone, Debug)]
pub struct Hub {
    pub territory: String,
    pub host: String,
    pub notice: Option<String>,
}

impl Hub {
    pub fn new(settings: &PublishSettings) -> Self {
        Self {
            territory: settings.territory.clone(),
            host: settings.authority().to_owned(),
            notice: settings.synthetic.clone(),
        }
    }

    pub fn sample() -> Self {
        Self {
            territory: "Territoire".into(),
            host: "offres.example".into(),
            notice: Some("Essai".into()),
        }
    }
}

/// One card's own words.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Face {
    /// `offer` or `week`.
    pub kind: &'static str,
    pub kicker: String,
    pub title: String,
    /// Of an offer.
    pub employer: String,
    pub place: Option<String>,
    pub facts: Vec<String>,
    pub date: Option<String>,
    /// Of a digest: its first offers.
    pub lines: Vec<String>,
}

impl Face {
    pub fn of_offer(vacancy: &Vacancy, network: &Network) -> Self {
        let offer = &vacancy.offer;
        let member = vacancy.member.as_ref().and_then(|id| network.member(id));
        let contract = offer.contract.as_ref().and_then(|c| c.form);
        let time = offer.working_time.as_ref();
        let facts = [
            contract.map(|form| labels::contract(form).to_owned()),
            time.and_then(|t| t.time)
                .map(|t| labels::time(t).to_owned()),
            offer.pay.as_ref().and_then(labels::pay),
        ];
        let family = offer.occupation.as_ref().and_then(|o| o.family);
        Self {
            kind: "offer",
            kicker: match member {
                Some(member) if member.agency => "Intérim".into(),
                _ => family.map_or("Offre d’emploi", labels::family).into(),
            },
            title: labels::title(vacancy),
            employer: labels::employer(vacancy)
                .or(member.map(|m| m.name.as_str()))
                .unwrap_or_default()
                .to_owned(),
            place: labels::place(vacancy),
            facts: facts.into_iter().flatten().collect(),
            date: offer
                .published
                .map(|at| format!("Publiée le {}", labels::day(at))),
            lines: Vec::new(),
        }
    }

    /// A card of each kind that says everything it can.
    pub fn samples() -> [Self; 2] {
        let text = || "Infirmier / Infirmière".to_owned();
        let one = Self {
            kind: "offer",
            kicker: text(),
            title: text(),
            employer: text(),
            place: Some(text()),
            facts: vec![text()],
            date: Some(text()),
            lines: Vec::new(),
        };
        let week = Self {
            kind: "week",
            lines: vec![text()],
            ..one.clone()
        };
        [one, week]
    }
}

/// Everything that `card.svg` may name.
#[derive(Serialize)]
pub struct Names<'a> {
    #[serde(flatten)]
    face: &'a Face,
    #[serde(flatten)]
    palette: &'a Palette,
    territory: &'a str,
    host: &'a str,
    notice: Option<&'a str>,
    /// As a `data:` address, and its width over its height.
    logo: Option<&'a str>,
    logo_ratio: Option<f32>,
}

impl<'a> Names<'a> {
    pub fn new(kit: &'a Kit, hub: &'a Hub, face: &'a Face) -> Self {
        Self {
            face,
            palette: &kit.palette,
            territory: &hub.territory,
            host: &hub.host,
            notice: hub.notice.as_deref(),
            logo: kit.logo.as_ref().map(|logo| logo.href.as_str()),
            logo_ratio: kit.logo.as_ref().map(|logo| logo.ratio),
        }
    }
}
