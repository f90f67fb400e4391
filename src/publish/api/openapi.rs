//! The API's own description: OpenAPI 3.1 made from the types, and a page for people.

mod writing;

use super::{network::Member, params};
use crate::{
    dedupe::{Explanation, Review},
    model::{Decision, TombstoneReason, Vacancy},
    publish::{
        Publish, PublishError,
        index::Dimension,
        portal,
        respond::{Document, json},
        webhooks::{Attempt, View},
    },
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json as value};

/// A query parameter: name, schema, an example, what it means.
type Parameter = (&'static str, Value, &'static str, &'static str);

/// The filter parameters, in the order in which people read them.
pub fn filters() -> Vec<Parameter> {
    let list = |items: Value| value!({ "type": "array", "items": items });
    // A form sends what was not filled in as an empty value: no filter.
    let words = |words: &[&str]| {
        let all = [words, &[""]].concat();
        value!({ "type": "array", "items": { "type": "string", "enum": all } })
    };
    let text = || value!({ "type": "string" });
    vec![
        (
            "q",
            value!({ "type": "string", "maxLength": params::MOST_Q }),
            "ide nuit vesoul",
            "Words that the offer must hold: accents, gender, number and small typing errors do not matter, abbreviations of the trade are understood.",
        ),
        (
            "member",
            list(text()),
            "ch-exemple",
            "Ids of members (see `/api/v1/members`).",
        ),
        (
            "family",
            words(&params::FAMILIES),
            "nursing",
            "Families of occupations.",
        ),
        (
            "rome",
            list(value!({ "type": "string", "pattern": "^([A-Za-z][0-9]{4})?$" })),
            "J1506",
            "ROME codes, of version 4 or 3.",
        ),
        (
            "contract",
            words(&params::CONTRACTS),
            "cdi",
            "Forms of contract.",
        ),
        (
            "status",
            words(&params::STATUSES),
            "titulaire",
            "Statuses of the public service that the post is open to.",
        ),
        ("time", words(&params::TIMES), "full", "Working time."),
        (
            "shift",
            words(&params::SHIFTS),
            "night",
            "When the work is done.",
        ),
        (
            "remote",
            words(&params::REMOTES),
            "partial",
            "Work away from the employer's sites.",
        ),
        (
            "pay_period",
            words(&params::PERIODS),
            "month",
            "What the pay is given for.",
        ),
        (
            "agreement",
            list(text()),
            "CCN51",
            "Collective agreements, as `employer.agreement` has them.",
        ),
        ("department", list(text()), "70", "Codes of départements."),
        (
            "commune",
            list(text()),
            "70550",
            "INSEE codes of communes, or names that only one commune has.",
        ),
        (
            "radius_km",
            value!({ "type": "number", "minimum": 0, "maximum": 500 }),
            "20",
            "Kilometres around the one `commune` given.",
        ),
        (
            "since",
            text(),
            "2026-11-01",
            "Only what changed at or after this day or instant.",
        ),
    ]
}

fn vacancy_parameters() -> Vec<Parameter> {
    let mut all = filters();
    all.extend([
        ("sort", value!({ "type": "string", "enum": ["published", "updated", "title", "relevance", "distance", ""] }), "published", "`published` and `updated`: newest first; `distance` needs `radius_km`. By default `relevance` with `q`, else `published`."),
        ("limit", value!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 20 }), "20", "Vacancies of one page."),
        ("cursor", value!({ "type": "string" }), "", "`next_cursor` of the page before, with the same filter and order."),
        ("fields", value!({ "type": "array", "items": { "type": "string" } }), "title,places", "Only these fields of each vacancy; `id` is always there."),
        ("facets", value!({ "type": "string", "enum": ["true", "false"] }), "true", "Counts by value, each as if its own dimension were not filtered."),
    ]);
    all
}

/// Where a reader of the delta feed goes on.
fn cursor_parameter() -> Parameter {
    (
        "cursor",
        value!({ "type": "string" }),
        "",
        "`next_cursor` of the page before, or the header `Passerelle-Cursor` of a snapshot. Without one, from the beginning.",
    )
}

fn feed_parameters() -> Vec<Parameter> {
    let mut all = filters();
    all.extend([
        (
            "limit",
            value!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 200 }),
            "200",
            "Offers of one page of the feed, the last changed first.",
        ),
        (
            "cursor",
            value!({ "type": "string" }),
            "",
            "As the link to the next page has it.",
        ),
    ]);
    all
}

fn change_parameters() -> Vec<Parameter> {
    vec![
        cursor_parameter(),
        (
            "limit",
            value!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 }),
            "100",
            "Changes of one page.",
        ),
        (
            "wait",
            value!({ "type": "number", "minimum": 0, "maximum": 55 }),
            "0",
            "Seconds to wait for a change where there is none yet.",
        ),
    ]
}

/// Problem types: anchor, status, meaning.
pub const PROBLEMS: [(&str, u16, &str); 6] = [
    (
        "no-admin-key",
        403,
        "The hub has no administration key, so that nobody administers webhooks and duplicates: `server.admin_key` in its settings.",
    ),
    (
        "unknown-key",
        401,
        "No consumer has the key in `Authorization`. Without a key, everything public is read.",
    ),
    (
        "bad-parameter",
        400,
        "A parameter is unknown, malformed, given twice, or a cursor was forged or belongs to another question. `errors` names each.",
    ),
    (
        "cursor-expired",
        410,
        "The change cursor is older than what is kept, or was given for another part of the offers. Read `snapshot`, then go on from its header `Passerelle-Cursor`.",
    ),
    (
        "export-held",
        503,
        "The export has lost so many offers that a person looks at it first, and there is no last good one to serve.",
    ),
    ("gone", 410, "The vacancy is closed; `reason` says why."),
];

struct Endpoint {
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    parameters: Vec<Parameter>,
    media: &'static str,
    schema: Value,
    refusals: &'static [u16],
}

impl Endpoint {
    /// A stream has no end, so nothing names its bytes.
    fn is_stream(&self) -> bool {
        self.media == "text/event-stream"
    }

    /// Headers of a request that matter to the answer: name, an example, what it means.
    fn headers(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        if self.is_stream() {
            vec![(
                "Last-Event-ID",
                "",
                "The `id` of the last event that was read: the stream goes on behind it. An `EventSource` sends it by itself.",
            )]
        } else {
            vec![(
                "If-None-Match",
                "\"0f3c…\"",
                "The `ETag` of the copy that you have: 304 if it still holds.",
            )]
        }
    }
}

fn endpoints() -> Vec<Endpoint> {
    let vacancy = value!({ "$ref": "#/components/schemas/Vacancy" });
    let page = |items: Value, more: Value| {
        let mut schema = value!({
            "type": "object",
            "required": ["items"],
            "properties": { "items": { "type": "array", "items": items } },
        });
        if let (Some(properties), Value::Object(more)) =
            (schema["properties"].as_object_mut(), more)
        {
            properties.extend(more);
        }
        schema
    };
    let json = "application/json";
    vec![
        Endpoint {
            path: "/api/v1/vacancies",
            id: "searchVacancies",
            summary: "Search live vacancies.",
            parameters: vacancy_parameters(),
            media: json,
            schema: page(
                value!({ "type": "object", "description": "A vacancy, or the fields of it that were asked for.", "required": ["id"] }),
                value!({
                    "total": { "type": "integer", "minimum": 0 },
                    "next_cursor": { "type": ["string", "null"] },
                    "facets": facets(),
                }),
            ),
            refusals: &[400],
        },
        Endpoint {
            path: "/api/v1/vacancies/{id}",
            id: "getVacancy",
            summary: "One vacancy, by its id; by that of a posting or former vacancy it answers 301.",
            parameters: vec![("fields", value!({ "type": "array", "items": { "type": "string" } }), "title,places", "Only these fields; `id` is always there."),
                ("provenance", value!({ "type": "string", "enum": ["true", "false"] }), "true", "The source, rule and confidence of each field too, by JSON Pointer.")],
            media: json,
            schema: value!({ "type": "object", "required": ["id"] }),
            refusals: &[301, 400, 404, 410],
        },
        Endpoint {
            path: "/api/v1/changes",
            id: "listChanges",
            summary: "Every change since a cursor, in commit order; at least once, newest state of each vacancy. Idempotent by `id` and `version`.",
            parameters: change_parameters(),
            media: json,
            schema: page(
                value!({ "$ref": "#/components/schemas/Change" }),
                value!({ "next_cursor": { "type": "string" }, "has_more": { "type": "boolean" } }),
            ),
            refusals: &[400, 410],
        },
        Endpoint {
            path: "/api/v1/snapshot",
            id: "getSnapshot",
            summary: "Every live vacancy, one a line, by id, read at one moment; the header `Passerelle-Cursor` goes on from there.",
            parameters: Vec::new(),
            media: "application/x-ndjson",
            schema: value!({ "type": "string" }),
            refusals: &[400],
        },
        Endpoint {
            path: "/api/v1/changes/stream",
            id: "streamChanges",
            summary: "The delta feed as server-sent events: `event` is `upsert` or `delete`, `data` an item of `/api/v1/changes`, `id` the cursor behind it.",
            parameters: vec![cursor_parameter()],
            media: "text/event-stream",
            schema: value!({ "type": "string" }),
            refusals: &[400, 410],
        },
        Endpoint {
            path: "/api/v1/members",
            id: "listMembers",
            summary: "The members of the network.",
            parameters: Vec::new(),
            media: json,
            schema: page(value!({ "$ref": "#/components/schemas/Member" }), value!({})),
            refusals: &[400],
        },
        Endpoint {
            path: "/api/v1/vocabularies",
            id: "listVocabularies",
            summary: "The words of each vocabulary with their French labels.",
            parameters: Vec::new(),
            media: json,
            schema: value!({ "type": "object", "additionalProperties": {
                "type": "object", "additionalProperties": { "type": "string" },
            } }),
            refusals: &[400],
        },
        feed("/feeds/atom.xml", "readAtom", "Atom, with a tombstone (RFC 6721) for each offer that is gone.", "application/atom+xml"),
        feed("/feeds/rss.xml", "readRss", "RSS 2.0, for readers that know nothing better: it cannot say that an offer is gone.", "application/rss+xml"),
        feed("/feeds/jobs.json", "readJsonFeed", "JSON Feed 1.1; the vacancy itself stands in `_passerelle`.", "application/feed+json"),
    ]
    .into_iter()
    .map(|mut endpoint| {
        if endpoint.id == "getVacancy" {
            endpoint.schema = value!({ "anyOf": [vacancy, endpoint.schema] });
        }
        endpoint
    })
    .collect()
}

fn feed(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    media: &'static str,
) -> Endpoint {
    Endpoint {
        path,
        id,
        summary,
        parameters: feed_parameters(),
        media,
        schema: match media.ends_with("json") {
            true => value!({ "type": "object", "required": ["version", "title", "items"] }),
            false => value!({ "type": "string" }),
        },
        refusals: &[400],
    }
}

/// By dimension, how many vacancies each of its words has.
fn facets() -> Value {
    let tally =
        value!({ "type": "object", "additionalProperties": { "type": "integer", "minimum": 0 } });
    let names = Dimension::ALL.into_iter();
    let properties: Map<String, Value> = names
        .map(|d| (d.name().to_owned(), tally.clone()))
        .collect();
    value!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// The whole description.
pub fn description(publish: &Publish) -> Value {
    let mut paths = Map::new();
    for endpoint in endpoints() {
        paths.insert(
            endpoint.path.into(),
            value!({ "get": operation(&endpoint) }),
        );
    }
    paths.extend(writing::webhook_paths());
    paths.extend(writing::duplicate_paths());
    paths.extend(writing::push_path());
    let settings = publish.settings();
    value!({
        "openapi": "3.1.0",
        "info": {
            "title": format!("{} – API", settings.territory),
            "version": "1.0.0",
            "description": settings.synthetic.clone().unwrap_or_else(|| "Live vacancies of the network, and every change of them.".into()),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": settings.url("") }],
        "paths": paths,
        "webhooks": { "change": { "post": {
            "summary": "Each change of a vacancy, to every webhook: Standard Webhooks, signed.",
            "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/WebhookMessage" } } } },
            "responses": { "2XX": { "description": "Taken. 410 ends the webhook; anything else is tried again." } },
        } } },
        "components": {
            "schemas": schemas(),
            "securitySchemes": writing::security(),
        },
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let mut parameters: Vec<Value> = endpoint
        .parameters
        .iter()
        .map(|(name, schema, example, text)| {
            let mut parameter = value!({
                "name": name, "in": "query", "description": text, "schema": schema,
            });
            if schema["type"] == "array" {
                parameter["style"] = "form".into();
                parameter["explode"] = false.into();
            }
            if !example.is_empty() && schema["type"] == "string" {
                parameter["example"] = (*example).into();
            }
            parameter
        })
        .collect();
    for (name, _, text) in endpoint.headers() {
        parameters.push(value!({
            "name": name, "in": "header", "description": text, "schema": { "type": "string" },
        }));
    }
    if endpoint.path.contains("{id}") {
        parameters.push(value!({
            "name": "id", "in": "path", "required": true,
            "schema": { "type": "string", "format": "uuid" },
        }));
    }
    let mut headers = value!({});
    if !endpoint.is_stream() {
        headers["ETag"] = value!({
            "schema": { "type": "string" },
            "description": "Strong: it names exactly these bytes in this encoding.",
        });
    }
    if endpoint.id == "getSnapshot" {
        headers["Passerelle-Cursor"] = value!({
            "schema": { "type": "string" },
            "description": "The `cursor` with which `/api/v1/changes` goes on from this snapshot.",
        });
        headers["Passerelle-Count"] = value!({
            "schema": { "type": "integer", "minimum": 0 },
            "description": "How many lines there are: fewer have come where the answer was cut.",
        });
    }
    for (name, example, text) in [
        (
            "RateLimit-Policy",
            "\"address\";q=6000;w=60",
            "Requests (`q`) in each window (`w` seconds): `\"consumer\"` with a key, `\"address\"` without.",
        ),
        (
            "RateLimit",
            "\"address\";r=5999;t=42",
            "What is left (`r`) until the window ends (in `t` seconds).",
        ),
    ] {
        headers[name] = value!({
            "schema": { "type": "string" }, "example": example,
            "description": format!("{text} draft-ietf-httpapi-ratelimit-headers; absent where nothing is limited."),
        });
    }
    let retry = value!({
        "Retry-After": { "schema": { "type": "integer" }, "description": "Seconds to wait." },
    });
    let mut spent = headers.clone();
    if let Some(headers) = spent.as_object_mut() {
        headers.retain(|name, _| name.starts_with("RateLimit"));
        headers.insert("Retry-After".into(), retry["Retry-After"].clone());
    }
    let problem = value!({
        "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } },
    });
    let media = endpoint.media;
    let mut responses = value!({
        "200": {
            "description": "Done.",
            "headers": headers,
            "content": { media: { "schema": endpoint.schema } },
        },
        "401": { "description": "No consumer has this key.", "content": problem },
        "429": { "description": "The quota of the consumer or of the address is spent.", "headers": spent, "content": problem },
        "503": { "description": "The hub cannot answer just now.", "headers": retry, "content": problem },
    });
    if !endpoint.is_stream() {
        responses["304"] =
            value!({ "description": "Unchanged: the `If-None-Match` given still holds." });
    }
    for status in endpoint.refusals {
        responses[status.to_string()] = match status {
            301 => value!({
                "description": "Moved: it is now part of another vacancy.",
                "headers": { "Location": { "schema": { "type": "string", "format": "uri-reference" } } },
            }),
            410 => value!({
                "description": "Gone; `reason` says why. Of a cursor: `snapshot`, and the header `Link` with `rel=\"restart\"`, say where to begin again.",
                "headers": { "Link": { "schema": { "type": "string" } } },
                "content": problem,
            }),
            _ => {
                value!({ "description": "Refused; `errors` names each parameter that is wrong.", "content": problem })
            }
        };
    }
    value!({
        "operationId": endpoint.id,
        "summary": endpoint.summary,
        "parameters": parameters,
        "responses": responses,
        // A key is optional.
        "security": [{}, { "consumer": [] }],
    })
}

fn schemas() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut all = Map::new();
    let mut add = |name: &str, schema: schemars::Schema| {
        all.insert(name.into(), schema.to_value());
    };
    add("Vacancy", Vacancy::json_schema(&mut generator));
    add("Member", Member::json_schema(&mut generator));
    add("Webhook", View::json_schema(&mut generator));
    add("Delivery", Attempt::json_schema(&mut generator));
    add("Review", Review::json_schema(&mut generator));
    add("Explanation", Explanation::json_schema(&mut generator));
    add("Decision", Decision::json_schema(&mut generator));
    add(
        "TombstoneReason",
        TombstoneReason::json_schema(&mut generator),
    );
    for (name, schema) in generator.take_definitions(true) {
        all.entry(name).or_insert(schema);
    }
    all.insert("Change".into(), value!({
        "type": "object",
        "required": ["seq", "op", "id", "version", "changed_at"],
        "properties": {
            "seq": { "type": "integer", "minimum": 1 },
            "op": { "enum": ["upsert", "delete"] },
            "id": { "type": "string", "format": "uuid" },
            "version": { "type": "integer", "minimum": 1 },
            "changed_at": { "type": "string", "format": "date-time" },
            "vacancy": { "$ref": "#/components/schemas/Vacancy" },
            "reason": { "$ref": "#/components/schemas/TombstoneReason" },
            "into": { "type": "string", "format": "uuid", "description": "The vacancy that it was merged into." },
        },
    }));
    all.insert(
        "WebhookMessage".into(),
        value!({
            "type": "object",
            "required": ["type", "timestamp", "data"],
            "properties": {
                "type": { "enum": ["vacancy.upserted", "vacancy.deleted"] },
                "timestamp": { "type": "string", "format": "date-time" },
                "data": { "$ref": "#/components/schemas/Change" },
            },
        }),
    );
    all.insert(
        "Problem".into(),
        value!({
            "type": "object",
            "description": "RFC 9457.",
            "required": ["type", "title", "status"],
            "properties": {
                "type": { "type": "string", "format": "uri-reference" },
                "title": { "type": "string" },
                "status": { "type": "integer" },
                "detail": { "type": "string" },
                "errors": { "type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "parameter": { "type": "string" },
                        "value": { "type": "string" },
                        "message": { "type": "string" },
                    },
                } },
            },
        }),
    );
    Value::Object(all)
}

pub async fn document(State(publish): State<Publish>) -> Document {
    json(&description(&publish))
}

pub async fn page(State(publish): State<Publish>) -> Response {
    match render(&publish) {
        Ok(document) => document.into_response(),
        Err(error) => portal::failed(&publish, error),
    }
}

fn render(publish: &Publish) -> Result<Document, PublishError> {
    let head = portal::Head {
        title: "API",
        description: "The public API: search, delta feed, snapshot.",
        canonical: Some("/api/"),
        noindex: false,
    };
    let endpoints: Vec<Value> = endpoints()
        .iter()
        .map(|endpoint| {
            let parameters: Vec<Value> = endpoint
                .parameters
                .iter()
                .map(|(name, _, example, text)| value!({ "name": name, "example": example, "text": text }))
                .chain(endpoint.headers().into_iter().map(|(name, example, text)| {
                    value!({ "name": name, "example": example, "text": text, "header": true })
                }))
                .collect();
            value!({ "path": endpoint.path, "id": endpoint.id, "summary": endpoint.summary, "parameters": parameters })
        })
        .collect();
    let problems: Vec<Value> = PROBLEMS
        .iter()
        .map(|(anchor, status, text)| value!({ "anchor": anchor, "status": status, "text": text }))
        .collect();
    portal::render(
        publish,
        "api.html",
        &head,
        value!({ "endpoints": endpoints, "problems": problems }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::{
        testing::{Shop, publishing},
        tests::get,
    };
    use std::sync::Arc;

    #[tokio::test]
    async fn every_documented_parameter_is_understood() {
        let publish = publishing(&Arc::new(Shop::default()));
        let whole = |e: &&Endpoint| !e.path.contains('{') && !e.is_stream();
        for endpoint in endpoints().iter().filter(whole) {
            for (name, _, example, _) in &endpoint.parameters {
                let mut query = url::form_urlencoded::Serializer::new(String::new());
                query.append_pair(name, example);
                if *name == "radius_km" {
                    query.append_pair("commune", "70550");
                }
                let path = format!("{}?{}", endpoint.path, query.finish());
                let reply = get(&publish, &path).await;
                assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            }
        }
    }

    #[tokio::test]
    async fn references_in_the_description_resolve() {
        let publish = publishing(&Arc::new(Shop::default()));
        let reply = get(&publish, "/api/openapi.json").await;
        let text = reply.text();
        let document = reply.json();
        for part in text.split("\"$ref\":\"#").skip(1) {
            let pointer = part.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        assert!(document["components"]["schemas"]["Place"].is_object());
        let page = get(&publish, "/api/").await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains("id=\"cursor-expired\""));
    }
}
