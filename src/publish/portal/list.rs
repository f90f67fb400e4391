//! The list of offers: search, filters with counts, pages.

use super::{Head, failed, offer::offer_path, render};
use crate::{
    model::{MemberId, Network, Vacancy},
    publish::{
        Publish, PublishError,
        api::{Params, moved},
        index::{Area, Dimension, Doc, Filter, Page, Search, Sort, Tally, vocabulary},
        labels,
        respond::Document,
        territory::{self, Wanted},
    },
};
use axum::{
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use minijinja::{Value, context, value::Serde};
use serde::Serialize;

/// Offers on a page.
const PER_PAGE: usize = 20;
/// Nobody leafs further; a crawler has the sitemap.
const LAST_PAGE: usize = 500;
const RADII: [u32; 5] = [10, 20, 30, 50, 100];

/// What the visitor asked for, in the words of the address bar.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Asked {
    pub q: String,
    pub lieu: String,
    pub rayon: u32,
    pub famille: Vec<String>,
    pub contrat: Vec<String>,
    pub temps: Vec<String>,
    pub departement: Vec<String>,
    pub structure: Vec<String>,
    pub tri: String,
    #[serde(skip)]
    pub page: usize,
}

impl Asked {
    /// Whatever cannot be read is left out: people come by links with anything behind them.
    pub fn read(query: Option<&str>) -> Self {
        let mut params = Params::new(query);
        let cut = |text: Option<String>| -> String {
            text.unwrap_or_default()
                .chars()
                .take(crate::publish::api::MOST_Q)
                .collect()
        };
        let asked = Self {
            q: cut(params.one("q")),
            lieu: cut(params.one("lieu")),
            rayon: params.whole("rayon", 0, 200, 20) as u32,
            famille: params.list("famille"),
            contrat: params.list("contrat"),
            temps: params.list("temps"),
            departement: params.list("departement"),
            structure: params.list("structure"),
            tri: params.one("tri").unwrap_or_default(),
            page: params.whole("page", 1, LAST_PAGE, 1),
        };
        params.forgive();
        asked
    }

    /// The filter, and the place as it was understood.
    fn filter(&self, home: &[String]) -> (Filter, Option<String>) {
        let words = |names: &[String]| serde_json::Value::from(names.to_vec());
        let mut filter = Filter {
            q: self.q.clone(),
            families: known(words(&self.famille)),
            contracts: known(words(&self.contrat)),
            times: known(words(&self.temps)),
            departments: self.departement.iter().map(|d| d.to_uppercase()).collect(),
            members: self.structure.iter().cloned().map(MemberId).collect(),
            ..Filter::default()
        };
        if self.lieu.trim().is_empty() {
            return (filter, None);
        }
        let place = match territory::wanted(&self.lieu, home) {
            Some(Wanted::Commune(insee)) => {
                let commune = territory::commune(insee);
                match commune.and_then(|c| c.at) {
                    Some(centre) if self.rayon > 0 => {
                        let km = f64::from(self.rayon);
                        filter.area = Some(Area { centre, km });
                    }
                    _ => filter.communes = vec![insee.to_owned()],
                }
                commune.map(|c| format!("{} ({})", c.name, c.department))
            }
            Some(Wanted::Departments(codes)) => {
                let name = match codes.as_slice() {
                    [one] => territory::department(one).map(str::to_owned),
                    [first, ..] => territory::region(first).map(str::to_owned),
                    [] => None,
                };
                filter.areas = codes;
                name
            }
            // Not a place that we know: its words must at least stand in the offer.
            None => {
                filter.q = format!("{} {}", self.lieu, self.q);
                Some(self.lieu.trim().to_owned())
            }
        };
        (filter, place)
    }

    /// The query string of the same question on page `page`.
    fn link(&self, page: usize) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("q", &self.q), ("lieu", &self.lieu), ("tri", &self.tri)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        if !self.lieu.is_empty() {
            query.append_pair("rayon", &self.rayon.to_string());
        }
        for (name, values) in [
            ("famille", &self.famille),
            ("contrat", &self.contrat),
            ("temps", &self.temps),
            ("departement", &self.departement),
            ("structure", &self.structure),
        ] {
            for value in values {
                query.append_pair(name, value);
            }
        }
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        let query = query.finish();
        if query.is_empty() {
            "/".into()
        } else {
            format!("/?{query}")
        }
    }

    /// The same question without one value of one filter.
    fn without(&self, name: &str, code: &str) -> Self {
        let mut less = self.clone();
        let values = match name {
            "famille" => &mut less.famille,
            "contrat" => &mut less.contrat,
            "temps" => &mut less.temps,
            "departement" => &mut less.departement,
            _ => &mut less.structure,
        };
        values.retain(|value| value != code);
        less
    }

    fn is_plain(&self) -> bool {
        self.link(1) == "/"
    }
}

/// The words of a vocabulary among those asked for.
fn known<T: serde::de::DeserializeOwned>(asked: serde_json::Value) -> Vec<T> {
    match asked {
        serde_json::Value::Array(words) => words
            .into_iter()
            .filter_map(|word| serde_json::from_value(word).ok())
            .collect(),
        _ => Vec::new(),
    }
}

pub async fn redirect() -> Response {
    moved("/")
}

pub async fn page(State(publish): State<Publish>, RawQuery(query): RawQuery) -> Response {
    let asked = Asked::read(query.as_deref());
    match show(&publish, asked).await {
        Ok(document) => document.into_response(),
        Err(error) => failed(&publish, error),
    }
}

async fn show(publish: &Publish, asked: Asked) -> Result<Document, PublishError> {
    let (filter, place) = asked.filter(&publish.settings().departments);
    let sort = match asked.tri.as_str() {
        "date" => Sort::Published,
        "distance" if filter.area.is_some() => Sort::Distance,
        "titre" => Sort::Title,
        _ if !filter.q.trim().is_empty() => Sort::Relevance,
        _ => Sort::Published,
    };
    let around = filter.area.is_some();
    let search = Search {
        filter,
        sort,
        after: None,
        skip: (asked.page - 1) * PER_PAGE,
        limit: PER_PAGE,
        facets: &SHOWN,
    };
    let page = publish.search(search).await?;
    let network = publish.network();
    let pages = page.total.div_ceil(PER_PAGE).clamp(1, LAST_PAGE);
    let title = heading(
        &asked,
        place.as_deref().map(|place| (place, around)),
        page.total,
    );
    let address = asked.link(asked.page);
    let groups = groups(&asked, &page, &network);
    let head = Head {
        title: &title,
        description: "Offres d’emploi des établissements de santé et du médico-social du territoire.",
        canonical: Some(&address),
        // One list in search engines is enough; the offers themselves are in the sitemap.
        noindex: !asked.is_plain(),
    };
    render(
        publish,
        "list.html",
        &head,
        context! {
            heading => &title,
            asked => Serde(&asked),
            total => page.total,
            offers => cards(&page, &network),
            groups => &groups,
            chips => chips(&asked, &groups),
            chosen => asked.famille.len() + asked.contrat.len() + asked.temps.len() + asked.departement.len() + asked.structure.len(),
            around,
            radii => RADII,
            page => asked.page,
            pages,
            previous => (asked.page > 1).then(|| asked.link(asked.page - 1)),
            next => (asked.page < pages).then(|| asked.link(asked.page + 1)),
            reset => (!asked.is_plain()).then_some("/"),
        },
    )
}

/// The filters in force, each with the address of the list without it.
fn chips(asked: &Asked, groups: &[Value]) -> Vec<Value> {
    let text = |value: &Value, name: &str| {
        let value = value.get_attr(name).unwrap_or_default();
        value.as_str().unwrap_or_default().to_owned()
    };
    let mut chips = Vec::new();
    for group in groups {
        let name = text(group, "name");
        let boxes = group.get_attr("boxes").unwrap_or_default();
        for filter in boxes.try_iter().into_iter().flatten() {
            if filter.get_attr("checked").is_ok_and(|on| on.is_true()) {
                let path = asked.without(&name, &text(&filter, "code")).link(1);
                chips.push(context! { label => text(&filter, "label"), path });
            }
        }
    }
    chips
}

fn heading(asked: &Asked, place: Option<(&str, bool)>, total: usize) -> String {
    let offers = if total > 1 {
        "offres d’emploi"
    } else {
        "offre d’emploi"
    };
    let mut text = format!("{} {offers}", labels::number(total as f64));
    if !asked.q.trim().is_empty() {
        text.push_str(&format!(" pour « {} »", asked.q.trim()));
    }
    match place {
        Some((place, true)) => {
            text.push_str(&format!(" à {}\u{a0}km autour de {place}", asked.rayon))
        }
        Some((place, false)) => text.push_str(&format!(" – {place}")),
        None => {}
    }
    text
}

/// What a list shows of each offer.
pub fn cards(page: &Page, network: &Network) -> Vec<Value> {
    page.hits.iter().map(|doc| card(doc, network)).collect()
}

fn card(doc: &Doc, network: &Network) -> Value {
    let vacancy: &Vacancy = &doc.vacancy;
    let o = &vacancy.offer;
    let member = vacancy.member.as_ref().and_then(|id| network.member(id));
    context! {
        title => labels::title(vacancy),
        path => offer_path(vacancy),
        employer => labels::employer(vacancy).or(member.map(|m| m.name.as_str())),
        place => labels::place(vacancy),
        contract => o.contract.as_ref().and_then(|c| c.form).map(labels::contract),
        time => o.working_time.as_ref().and_then(|w| w.time).map(labels::time),
        night => o.working_time.as_ref().is_some_and(|w| w.shifts.contains(&crate::model::Shift::Night)),
        pay => o.pay.as_ref().and_then(labels::pay),
        summary => o.description.as_ref().and_then(|d| d.summary.clone()),
        published => o.published.map(labels::day),
        published_iso => o.published.map(|at| at.to_zoned(labels::paris()).date().to_string()),
    }
}

/// What the list offers as filters.
const SHOWN: [Dimension; 5] = [
    Dimension::Family,
    Dimension::Contract,
    Dimension::Time,
    Dimension::Department,
    Dimension::Member,
];

/// A group of filter boxes: name of the parameter, its legend, its boxes.
fn groups(asked: &Asked, page: &Page, network: &Network) -> Vec<Value> {
    let mut vocabulary = vocabulary();
    let mut words = |dimension| -> Vec<(String, String)> {
        vocabulary
            .iter_mut()
            .filter(|(own, _)| *own == dimension)
            .flat_map(|(_, words)| words.drain(..))
            .map(|(code, label)| (code, label.to_owned()))
            .collect()
    };
    let by_count = |tally: &Tally, label: &dyn Fn(&str) -> String| -> Vec<(String, String)> {
        let mut rows: Vec<_> = tally.iter().collect();
        rows.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        rows.into_iter()
            .map(|(code, _)| (code.clone(), label(code)))
            .collect()
    };
    let facets = &page.facets;
    let departments = by_count(facets.of(Dimension::Department), &|code| {
        territory::department(code).map_or(code.to_owned(), |name| format!("{name} ({code})"))
    });
    let members = by_count(facets.of(Dimension::Member), &|id| {
        network
            .member(&MemberId::from(id))
            .map_or(id.to_owned(), |m| m.name.clone())
    });
    [
        (
            "famille",
            "Métiers",
            words(Dimension::Family),
            facets.of(Dimension::Family),
            &asked.famille,
        ),
        (
            "contrat",
            "Contrat",
            words(Dimension::Contract),
            facets.of(Dimension::Contract),
            &asked.contrat,
        ),
        (
            "temps",
            "Temps de travail",
            words(Dimension::Time),
            facets.of(Dimension::Time),
            &asked.temps,
        ),
        (
            "departement",
            "Département",
            departments,
            facets.of(Dimension::Department),
            &asked.departement,
        ),
        (
            "structure",
            "Structure",
            members,
            facets.of(Dimension::Member),
            &asked.structure,
        ),
    ]
    .into_iter()
    .filter_map(|(name, legend, words, tally, chosen)| {
        let boxes: Vec<Value> = words
            .into_iter()
            .filter_map(|(code, label)| {
                let count = tally.get(&code).copied().unwrap_or(0);
                let checked = chosen.contains(&code);
                (count > 0 || checked).then(|| context! { code, label, count, checked })
            })
            .collect();
        (!boxes.is_empty()).then(|| {
            let open = !chosen.is_empty() || matches!(name, "famille" | "contrat" | "temps");
            context! { name, legend, boxes, open }
        })
    })
    .collect()
}
