//! What the API takes: offers that sources send, and the administration of webhooks and duplicates.

use serde_json::{Map, Value, json as value};

/// Who may write.
pub fn security() -> Value {
    value!({
        "consumer": {
            "type": "http", "scheme": "bearer",
            "description": "A consumer's key, which the hub's operator gives: its own part of the offers, and its quota. Changes that its filter keeps out come as deletions.",
        },
        "admin": {
            "type": "http", "scheme": "bearer", "description": "The hub's administration key.",
        },
        "push": {
            "type": "http", "scheme": "bearer",
            "description": "The key of the connector, `[push] key` of its file; the header `X-Passerelle-Key` holds it as well.",
        },
        "signature": {
            "type": "apiKey", "in": "header", "name": "X-Passerelle-Signature",
            "description": "HMAC-SHA256 of the body with `[push] hmac` of the connector's file, in hexadecimal, `sha256=` before it or not; `[push] signature_header` names another header.",
        },
    })
}

/// Offers that a source sends.
pub fn push_path() -> Map<String, Value> {
    let problem = |text: &str| {
        value!({
            "description": text,
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
        })
    };
    let count = value!({ "type": "integer", "minimum": 0 });
    let flag = |name: &str, text: &str| {
        value!({
            "name": name, "in": "query", "description": text, "allowEmptyValue": true,
            "schema": { "type": "string", "enum": ["", "true", "false"] },
        })
    };
    let run = value!({
        "type": "object",
        "required": ["run", "snapshot", "pulled"],
        "properties": {
            "run": { "type": "integer" },
            "snapshot": { "type": "string", "enum": ["complete", "partial", "empty"] },
            "pulled": count, "rejected": count, "new": count, "changed": count,
            "unchanged": count, "missing": count, "closed": count, "held": count,
            "offers": { "type": "array", "items": { "type": "string" } },
            "results": { "type": "array", "items": {
                "type": "object",
                "required": ["index", "accepted"],
                "properties": {
                    "index": count,
                    "reference": { "type": "string" },
                    "accepted": { "type": "boolean" },
                    "problems": { "type": "array", "items": { "type": "object" } },
                },
            } },
        },
    });
    let json = |schema: Value| value!({ "application/json": { "schema": schema } });
    let mut paths = Map::new();
    paths.insert("/api/v1/ingest/{connector}".into(), value!({ "post": {
        "operationId": "pushOffers",
        "summary": "One offer, a list of offers, or all that a source has, in the format that the connector's file describes; each gets its own result.",
        "security": [{ "push": [] }, { "signature": [] }],
        "parameters": [
            { "name": "connector", "in": "path", "required": true, "schema": { "type": "string" } },
            flag("snapshot", "The body is everything that the source has: absence counts as in a pull."),
            flag("changed", "Something changed: the offers that the body names are asked for at once, where the connector says how, or else the connector is run."),
            {
                "name": "Idempotency-Key", "in": "header", "schema": { "type": "string" },
                "description": "A request that is sent again under its key gets the answer of the first time and does nothing.",
            },
        ],
        "requestBody": { "required": true, "content": {
            "application/json": { "schema": {} },
            "application/xml": { "schema": { "type": "string" } },
            "text/csv": { "schema": { "type": "string" } },
        } },
        "responses": {
            "200": { "description": "Applied, what the guards hold excepted.", "content": json(run) },
            "202": { "description": "A run of the whole source was asked for.", "content": json(value!({
                "type": "object", "properties": { "requested": { "type": "string" } },
            })) },
            "401": problem("The key or the signature is missing or wrong."),
            "404": problem("There is no such connector, or it takes no offers."),
            "409": problem("A run of the connector is under way, or there is no source to ask."),
            "413": { "description": "The body has more than 64 MB." },
            "422": problem("The body cannot be read to its end, or the `Idempotency-Key` was used for another one: nothing was taken."),
            "503": problem("The store or the key cannot be read: nothing was taken, send it again."),
        },
    } }));
    paths
}

/// The administration of webhooks.
pub fn webhook_paths() -> Map<String, Value> {
    let id =
        value!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } });
    let problem = value!({
        "description": "Refused; the problem says why.",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    let schema = |name: &str| value!({ "$ref": format!("#/components/schemas/{name}") });
    let list = |name: &str| {
        value!({
            "type": "object",
            "required": ["items"],
            "properties": { "items": { "type": "array", "items": schema(name) } },
        })
    };
    let operation = |name: &str, summary: &str, status: &str, body: Option<Value>, of_one: bool| {
        let mut responses = value!({
            status: { "description": "Done." },
            "400": problem, "401": problem, "403": problem, "404": problem, "409": problem,
            "413": { "description": "The body has more than 64 kB." },
            "503": problem,
        });
        if status != "204" {
            let answer = match name {
                "listWebhooks" => list("Webhook"),
                "listDeliveries" => list("Delivery"),
                _ => schema("Webhook"),
            };
            responses[status]["content"] = value!({ "application/json": { "schema": answer } });
        }
        if status == "201" {
            responses[status]["headers"] = value!({
                "Location": { "schema": { "type": "string", "format": "uri-reference" } },
            });
        }
        let mut operation = value!({
            "operationId": name, "summary": summary, "responses": responses,
            "security": [{ "admin": [] }],
        });
        if of_one {
            operation["parameters"] = value!([id]);
        }
        if let Some(properties) = body {
            operation["requestBody"] = value!({ "content": { "application/json": { "schema": {
                "type": "object", "properties": properties, "additionalProperties": false,
            } } } });
        }
        operation
    };
    let text = value!({ "type": "string" });
    let secret = value!({ "type": "string", "pattern": "^whsec_" });
    let mut paths = Map::new();
    paths.insert("/api/v1/webhooks".into(), value!({
        "get": operation("listWebhooks", "All webhooks, without their secrets.", "200", None, false),
        "post": operation(
            "createWebhook",
            "A webhook: its `url`, from `cursor` on (from now without one). The answer alone shows the secret.",
            "201",
            Some(value!({ "url": { "type": "string", "format": "uri" }, "description": text, "secret": secret, "cursor": text })),
            false,
        ),
    }));
    paths.insert("/api/v1/webhooks/{id}".into(), value!({
        "get": operation("getWebhook", "One webhook, and how far it is.", "200", None, true),
        "patch": operation(
            "changeWebhook",
            "Another address, or `enabled`: the next message is tried at once.",
            "200",
            Some(value!({ "url": { "type": "string", "format": "uri" }, "description": text, "enabled": { "type": "boolean" } })),
            true,
        ),
        "delete": operation("deleteWebhook", "No more messages.", "204", None, true),
    }));
    paths.insert("/api/v1/webhooks/{id}/rotate".into(), value!({
        "post": operation("rotateWebhook", "A new secret; the old one signs beside it for 24 hours.", "200", Some(value!({ "secret": secret })), true),
    }));
    paths.insert("/api/v1/webhooks/{id}/deliveries".into(), value!({
        "get": operation("listDeliveries", "The newest attempts, newest first.", "200", None, true),
    }));
    paths.insert("/api/v1/webhooks/{id}/replay".into(), value!({
        "post": operation(
            "replayWebhook",
            "Sends again everything behind a `cursor` of the delta feed, or from a `message` on.",
            "200",
            Some(value!({ "cursor": text, "message": { "type": "string", "pattern": "^chg_[0-9]+$" } })),
            true,
        ),
    }));
    paths
}

/// What people are asked about duplicates, and what they answer.
pub fn duplicate_paths() -> Map<String, Value> {
    let problem = |text: &str| {
        value!({
            "description": text,
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
        })
    };
    let operation = |name: &str, summary: &str, answer: &str| {
        let schema = value!({ "$ref": format!("#/components/schemas/{answer}") });
        value!({
            "operationId": name, "summary": summary, "security": [{ "admin": [] }],
            "responses": {
                "200": { "description": "Done.", "content": { "application/json": { "schema": schema } } },
                "400": problem("Refused; `errors` names each parameter that is wrong."),
                "401": problem("The administration key is missing or wrong."),
                "403": problem("The hub has no administration key."),
                "503": problem("The hub cannot answer just now."),
            },
        })
    };
    let of_pair = |mut operation: Value| {
        let id = |name: &str| {
            value!({
                "name": name, "in": "path", "required": true,
                "description": "The id of a vacancy or of one of its postings.",
                "schema": { "type": "string", "format": "uuid" },
            })
        };
        operation["parameters"] = value!([id("one"), id("other")]);
        operation["responses"]["404"] = problem("There is no such offer.");
        operation["responses"]["422"] = problem(
            "One offer twice, or a body that cannot be used: `errors` says what was expected.",
        );
        operation
    };
    let mut list = operation(
        "listDuplicates",
        "What waits for an answer: pairs of vacancies that may be one, the weightiest first; and how often people and the machine agreed.",
        "Review",
    );
    list["parameters"] = value!([
        {
            "name": "all", "in": "query",
            "description": "Answered questions too, and those on which little hangs.",
            "schema": { "type": "string", "enum": ["true", "false"] },
        },
        {
            "name": "limit", "in": "query",
            "description": "Questions of one answer; `total` says how many there are.",
            "schema": { "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 },
        },
    ]);
    let mut decide = of_pair(operation(
        "decideDuplicate",
        "What a person says of the two; the newest word holds, and the pipeline acts on it at once. `unsure` takes an answer back.",
        "Decision",
    ));
    decide["responses"]["413"] = value!({ "description": "The body has more than 64 kB." });
    decide["requestBody"] = value!({ "required": true, "content": { "application/json": { "schema": {
        "type": "object",
        "required": ["answer"],
        "properties": {
            "answer": { "type": "string", "enum": ["same", "different", "unsure"] },
            "by": { "type": "string", "maxLength": 200, "description": "Who says so." },
            "why": { "type": "string", "maxLength": 2000, "description": "The reason, for whoever looks at it later." },
        },
        "additionalProperties": false,
    } } } });
    let mut paths = Map::new();
    paths.insert("/api/v1/duplicates".into(), value!({ "get": list }));
    paths.insert(
        "/api/v1/duplicates/{one}/{other}".into(),
        value!({
            "get": of_pair(operation(
                "explainDuplicate",
                "What the machine says of two postings, why, and what people said.",
                "Explanation",
            )),
            "post": decide,
        }),
    );
    paths
}
