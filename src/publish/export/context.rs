//! What the expressions of a profile may name.

use super::{
    ExportError, html,
    profile::{FieldLine, Profile},
    values,
};
use crate::{
    model::{Description, Member, Network, Vacancy},
    publish::{PublishSettings, labels, portal},
};
use jiff::Timestamp;
use minijinja::{
    Environment, Expression, Value,
    value::{Serde, merge_maps},
};
use serde_json::{Map, json};
use std::{cell::RefCell, collections::HashMap};

/// What expressions are read with, as of an instant.
pub struct Reader {
    now: Timestamp,
    env: Environment<'static>,
}

impl Reader {
    pub fn at(now: Timestamp) -> Self {
        Self {
            now,
            env: values::environment(now),
        }
    }
}

/// A profile at work: its expressions, and the files that it draws on.
pub struct Bench<'a> {
    pub profile: &'a Profile,
    pub network: &'a Network,
    pub settings: &'a PublishSettings,
    pub now: Timestamp,
    reader: &'a Reader,
    /// Every expression is read once for all offers: reading takes longer than evaluating.
    read: RefCell<HashMap<String, Expression<'a, 'static>>>,
    constants: Value,
}

impl<'a> Bench<'a> {
    pub fn new(
        profile: &'a Profile,
        network: &'a Network,
        settings: &'a PublishSettings,
        reader: &'a Reader,
    ) -> Self {
        let constants = Value::from(Serde(json!({
            "tables": profile.tables,
            "hub": {
                "name": settings.territory,
                "url": settings.url("/"),
                "contact": settings.contact,
                "synthetic": settings.synthetic,
            },
        })));
        Self {
            profile,
            network,
            settings,
            now: reader.now,
            reader,
            read: RefCell::default(),
            constants,
        }
    }

    /// The names for one offer, one map a place that the profile wants an item for.
    pub fn contexts(&self, vacancy: &Vacancy, member: Option<&Member>) -> Vec<Value> {
        // A vacancy serialises to an object: it was read from one.
        let mut names = match serde_json::to_value(vacancy) {
            Ok(serde_json::Value::Object(names)) => names,
            _ => Map::new(),
        };
        // The form of the offer's page: LinkedIn compares the two, and the law asks for it.
        names.insert("title".into(), labels::title(vacancy).into());
        names.insert("title_plain".into(), vacancy.offer.title.clone().into());
        let description = vacancy.offer.description.as_ref();
        let page = self.settings.url(&portal::offer_path(vacancy));
        let text = description.map(|d| d.text.clone()).unwrap_or_default();
        names.insert(
            "html".into(),
            description
                .map(|d| match self.profile.html.is_empty() {
                    true => text.clone(),
                    false => html::reduce(&d.html, &self.profile.html, self.profile.plain_text),
                })
                .into(),
        );
        names.insert(
            "sections".into(),
            description.map_or_else(|| json!({}), sections),
        );
        names.insert("text".into(), text.into());
        names.insert("page".into(), page.clone().into());
        names.insert("apply_url".into(), apply_url(vacancy, &page).into());
        names.insert(
            "job_posting".into(),
            portal::job_posting(self.settings, self.network, vacancy),
        );
        if let Some(pay) = vacancy.offer.pay.as_ref().and_then(labels::pay) {
            names.insert("pay_text".into(), pay.into());
        }
        if let Some(time) = vacancy
            .offer
            .working_time
            .as_ref()
            .and_then(labels::working_time)
        {
            names.insert("time_text".into(), time.into());
        }
        names.insert(
            "owner".into(),
            member.map_or(serde_json::Value::Null, |member| {
                json!({
                    "id": member.id,
                    "name": member.name,
                    "website": member.website,
                    "logo": member.logo,
                    "agency": member.agency,
                    "siret": member.siret.first(),
                    "company_id": member.linkedin.company_id,
                    "poster_email": member.poster_email,
                })
            }),
        );
        let places = match names.get("places") {
            Some(serde_json::Value::Array(places)) if self.profile.per_place => places.clone(),
            Some(serde_json::Value::Array(places)) => places.iter().take(1).cloned().collect(),
            _ => Vec::new(),
        };
        let offer = Value::from(Serde(names));
        let bind = |(number, place): (usize, serde_json::Value)| {
            let place = Value::from(Serde(json!({ "place": place, "place_number": number + 1 })));
            merge_maps([place, offer.clone(), self.constants.clone()])
        };
        if places.is_empty() {
            vec![bind((0, json!({})))]
        } else {
            places.into_iter().enumerate().map(bind).collect()
        }
    }

    /// The names for the head of the document.
    pub fn head_context(
        &self,
        updated: Option<Timestamp>,
        count: usize,
        member: Option<&Member>,
    ) -> Value {
        let head = Value::from(Serde(json!({
            "updated": updated,
            "count": count,
            "owner": member.map(|m| json!({ "id": m.id, "name": m.name, "website": m.website })),
        })));
        merge_maps([head, self.constants.clone()])
    }

    pub fn eval(
        &self,
        expression: &str,
        context: &Value,
        field: &str,
    ) -> Result<Value, ExportError> {
        self.evaluated(expression, context)
            .map_err(|source| ExportError::Field {
                profile: self.profile.name.clone(),
                field: field.into(),
                vacancy: context
                    .get_attr("id")
                    .map(|id| id.to_string())
                    .unwrap_or_default(),
                source,
            })
    }

    fn evaluated(&self, expression: &str, context: &Value) -> Result<Value, minijinja::Error> {
        let mut read = self.read.borrow_mut();
        if let Some(known) = read.get(expression) {
            return known.eval(context);
        }
        let env = &self.reader.env;
        let new = env.compile_expression_owned(expression.to_owned())?;
        read.entry(expression.to_owned())
            .or_insert(new)
            .eval(context)
    }

    /// The value of a line, or `None` where it has nothing to say.
    pub fn value(&self, line: &FieldLine, context: &Value) -> Result<Option<Value>, ExportError> {
        if let Some(when) = &line.when
            && !self.eval(when, context, &line.path)?.is_true()
        {
            return Ok(None);
        }
        let value = self.eval(&line.value, context, &line.path)?;
        Ok((!values::is_absent(&value)).then_some(value))
    }
}

/// The parts of a description that its source marks, by kind: the text below each heading.
fn sections(description: &Description) -> serde_json::Value {
    let mut parts = Map::new();
    let text = description.text.as_str();
    let mut at = 0;
    let mut begins = Vec::new();
    for section in &description.sections {
        let Some(found) = text[at..].find(&section.heading) else {
            continue;
        };
        let heading = at + found;
        at = heading + section.heading.len();
        begins.push((heading, at, section.kind));
    }
    for (n, (_, from, kind)) in begins.iter().enumerate() {
        let to = begins
            .get(n + 1)
            .map_or(text.len(), |(heading, _, _)| *heading);
        let part = text[*from..to]
            .trim_start_matches([':', ' ', '\u{a0}'])
            .trim();
        let (Ok(serde_json::Value::String(kind)), false) =
            (serde_json::to_value(kind), part.is_empty())
        else {
            continue;
        };
        let told = match parts.get(&kind).and_then(|told| told.as_str()) {
            Some(before) => format!("{before}\n{part}"),
            None => part.to_owned(),
        };
        parts.insert(kind, told.into());
    }
    parts.into()
}

/// Where a candidate applies: the employer's form, else the ad at its own source, else our page.
fn apply_url(vacancy: &Vacancy, page: &str) -> String {
    let offer = &vacancy.offer;
    let form = offer.apply.as_ref().and_then(|apply| apply.url.clone());
    let own = || {
        vacancy
            .sources
            .iter()
            .filter(|source| source.own)
            .find_map(|source| source.url.clone())
    };
    form.or_else(own).unwrap_or_else(|| page.to_owned())
}
