//! The AsyncAPI document of `passerelle.public`: what other programs may read from the broker.

use crate::bus::cloudevent::{CONTENT_TYPE, SOURCE};
use crate::model::{TombstoneReason, Vacancy};
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// AsyncAPI 3.1, from the types.
pub fn document() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut schemas = Map::new();
    let mut add = |name: &str, schema: Schema| {
        schemas.insert(name.into(), schema.to_value());
    };
    add("Vacancy", Vacancy::json_schema(&mut generator));
    add(
        "TombstoneReason",
        TombstoneReason::json_schema(&mut generator),
    );
    for (name, schema) in generator.take_definitions(true) {
        schemas.entry(name).or_insert(schema);
    }
    schemas.insert(
        "Tombstone".into(),
        json!({
            "type": "object",
            "required": ["id", "reason"],
            "properties": {
                "id": { "type": "string", "format": "uuid" },
                "reason": { "$ref": "#/components/schemas/TombstoneReason" },
                "into": {
                    "type": "string", "format": "uuid",
                    "description": "The vacancy that it was merged into.",
                },
            },
        }),
    );
    let (upserted, deleted) = (event("upserted", "Vacancy"), event("deleted", "Tombstone"));
    schemas.insert("VacancyUpserted".into(), upserted);
    schemas.insert("VacancyDeleted".into(), deleted);
    json!({
        "asyncapi": "3.1.0",
        "info": {
            "title": "Passerelle: passerelle.public",
            "version": "1.0.0",
            "description": "Every change of a public vacancy, in commit order, at least once, as CloudEvents 1.0 in structured JSON mode. Bind a queue of your own to the exchange. `sequence` grows with each change; `id` is the same in every resend. Who has missed something reads /api/v1/changes.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": { "broker": {
            "host": "broker.example:5671",
            "protocol": "amqps",
            "protocolVersion": "0.9.1",
            "description": "The hub's RabbitMQ (`bus.url` in its settings).",
        } },
        "channels": {
            "vacancyUpserted": channel("vacancy.upserted", "VacancyUpserted"),
            "vacancyDeleted": channel("vacancy.deleted", "VacancyDeleted"),
        },
        "operations": {
            "sendVacancyUpserted": operation("vacancyUpserted", "A vacancy is public, or has changed."),
            "sendVacancyDeleted": operation("vacancyDeleted", "A vacancy is no longer public."),
        },
        "components": {
            "messages": {
                "VacancyUpserted": message("VacancyUpserted", "upserted", &json!({
                    "id": EXAMPLE, "title": "Infirmier de nuit (F/H)",
                    "employer": { "name": "Centre hospitalier d’Exemple" },
                    "updated": "2026-11-02T08:00:00Z", "visibility": "public", "sources": [],
                })),
                "VacancyDeleted": message("VacancyDeleted", "deleted", &json!({
                    "id": EXAMPLE, "reason": "filled",
                })),
            },
            "schemas": schemas,
        },
    })
}

fn channel(key: &str, message: &str) -> Value {
    json!({
        "address": key,
        "messages": { message: { "$ref": format!("#/components/messages/{message}") } },
        "bindings": { "amqp": {
            "is": "routingKey",
            "exchange": {
                "name": "passerelle.public", "type": "topic",
                "durable": true, "autoDelete": false, "vhost": "/",
            },
            "bindingVersion": "0.3.0",
        } },
    })
}

fn operation(channel: &str, summary: &str) -> Value {
    json!({
        "action": "send",
        "channel": { "$ref": format!("#/channels/{channel}") },
        "summary": summary,
        "bindings": { "amqp": { "deliveryMode": 2, "mandatory": false, "bindingVersion": "0.3.0" } },
    })
}

/// The vacancy of the examples.
const EXAMPLE: &str = "5b0c2c54-6a3c-5c5e-9a57-0d6c8a3b4f10";

/// One kind of message, with `data` as an example of what it carries.
fn message(name: &str, verb: &str, data: &Value) -> Value {
    let kind = format!("fr.passerelle.vacancy.{verb}.v1");
    json!({
        "name": name,
        "title": format!("vacancy.{verb}"),
        "description": "The property `message_id` is the event's `id`, `type` its `type`; `app_id` is passerelle.",
        "contentType": CONTENT_TYPE,
        "payload": { "$ref": format!("#/components/schemas/{name}") },
        "bindings": { "amqp": { "messageType": kind, "bindingVersion": "0.3.0" } },
        "examples": [{ "name": verb, "payload": {
            "specversion": "1.0", "id": format!("{EXAMPLE}-812"), "source": SOURCE, "type": kind,
            "subject": EXAMPLE, "time": "2026-11-02T08:00:00Z",
            "datacontenttype": "application/json", "sequence": "00000000000000000812", "data": data,
        } }],
    })
}

/// The envelope of one kind of change.
fn event(verb: &str, data: &str) -> Value {
    json!({
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "time", "sequence", "data"],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": { "type": "string", "description": "Unique with `source`; the same in every resend." },
            "source": { "const": SOURCE },
            "type": { "const": format!("fr.passerelle.vacancy.{verb}.v1") },
            "subject": { "type": "string", "format": "uuid", "description": "Id of the vacancy." },
            "time": { "type": "string", "format": "date-time" },
            "datacontenttype": { "const": "application/json" },
            "sequence": { "type": "string", "pattern": "^[0-9]{20}$" },
            "data": { "$ref": format!("#/components/schemas/{data}") },
        },
    })
}
