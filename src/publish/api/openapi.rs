//! The API's own description: OpenAPI 3.1 made from the types, and a page for people.

mod writing;

use super::{network::Member, params};
use crate::{
    model::{TombstoneReason, Vacancy},
    publish::{
        Publish, PublishError, portal,
        respond::{Document, json},
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
    let words =
        |words: &[&str]| value!({ "type": "array", "items": { "type": "string", "enum": words } });
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
            list(value!({ "type": "string", "pattern": "^[A-Za-z][0-9]{4}$" })),
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
        ("sort", value!({ "type": "string", "enum": ["published", "updated", "title", "relevance", "distance"] }), "published", "`published` and `updated`: newest first; `distance` needs `radius_km`. By default `relevance` with `q`, else `published`."),
        ("limit", value!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 20 }), "20", "Vacancies of one page."),
        ("cursor", value!({ "type": "string" }), "", "`next_cursor` of the page before, with the same filter and order."),
        ("fields", value!({ "type": "array", "items": { "type": "string" } }), "title,places", "Only these fields of each vacancy; `id` is always there."),
        ("facets", value!({ "type": "string", "enum": ["true", "false"] }), "true", "Counts by value, each as if its own dimension were not filtered."),
    ]);
    all
}

fn change_parameters() -> Vec<Parameter> {
    vec![
        (
            "cursor",
            value!({ "type": "string" }),
            "",
            "`next_cursor` of the page before, or the header `Passerelle-Cursor` of a snapshot. Without one, from the beginning.",
        ),
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
        "The hub has no administration key, so that nobody administers webhooks: `server.admin_key` in its settings.",
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
        "The change cursor is older than what is kept. Read `snapshot`, then go on from its header `Passerelle-Cursor`.",
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
                    "facets": { "type": "object" },
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
            schema: value!({ "type": "object" }),
            refusals: &[400],
        },
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
    if endpoint.path.contains("{id}") {
        parameters.push(value!({
            "name": "id", "in": "path", "required": true,
            "schema": { "type": "string", "format": "uuid" },
        }));
    }
    let mut headers =
        value!({ "ETag": { "schema": { "type": "string" }, "description": "Strong." } });
    if endpoint.id == "getSnapshot" {
        headers["Passerelle-Cursor"] = value!({ "schema": { "type": "string" } });
    }
    // Only where a key was given that has a quota.
    for (name, example) in [
        ("RateLimit-Policy", "\"consumer\";q=600;w=60"),
        ("RateLimit", "\"consumer\";r=599;t=42"),
    ] {
        headers[name] = value!({
            "schema": { "type": "string" }, "example": example,
            "description": "For a consumer with a quota: draft-ietf-httpapi-ratelimit-headers.",
        });
    }
    let mut spent = headers.clone();
    if let Some(headers) = spent.as_object_mut() {
        headers.retain(|name, _| name.starts_with("RateLimit"));
        headers.insert(
            "Retry-After".into(),
            value!({ "schema": { "type": "integer" } }),
        );
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
        "304": { "description": "Unchanged: the `If-None-Match` given still holds." },
        "401": { "description": "No consumer has this key.", "content": problem },
        "429": { "description": "The consumer's quota is spent; `Retry-After` says for how long.", "headers": spent, "content": problem },
    });
    for status in endpoint.refusals {
        responses[status.to_string()] = match status {
            301 => value!({ "description": "Moved: `Location` has the address." }),
            _ => value!({
                "description": "Refused; the problem says why.",
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
            }),
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
        for endpoint in endpoints().iter().filter(|e| !e.path.contains('{')) {
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
