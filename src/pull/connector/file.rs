//! The connector language: what may stand in a connector file or a preset.
//!
//! The types are the reference; their JSON Schema (`schema connector`) serves editors and the
//! checks of [`super::load`]. A preset is a connector file with `[preset]` and `[parameters]`.

use super::Guards;
use super::secret::Text;
use crate::model::Field;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A connector file: how to pull the offers of one source.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectorFile {
    /// Identity of the connector, fixed for life: lower-case letters, digits and hyphens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For people: what this source is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `id` of the member whose own source this is; none for an aggregator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// When it runs: five cron fields, optionally followed by a time zone (default Europe/Paris).
    /// Without a schedule it runs on request only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Time zone of dates that the source writes without one. Default `Europe/Paris`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Name of a preset of the catalogue that this file starts from.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Parameters of the preset.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, serde_json::Value>,
    /// Where the records come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Who may send offers instead of being asked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Push>,
    /// Which part of the answer is a record, and what its absence means.
    #[serde(default)]
    pub records: Records,
    /// Field of a posting = where it stands in a record.
    #[serde(default)]
    pub fields: Fields,
    /// Value tables: `[values.contract]` with `"CDI" = "cdi"`. A field's `values` names its table;
    /// case and blanks at the ends do not count, an empty result means "no value", and the key
    /// `*` stands for every other value.
    #[serde(default)]
    pub values: BTreeMap<String, BTreeMap<String, String>>,
    /// When a run is doubted and when absence closes.
    #[serde(default)]
    pub guards: Guards,
    /// Caps on size and time.
    #[serde(default)]
    pub limits: LimitsTable,
    /// Presets only: what the preset is and how well its facts are known.
    #[serde(default, rename = "preset", skip_serializing_if = "Option::is_none")]
    pub info: Option<PresetInfo>,
    /// Presets only: what `with` may set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Parameter>,
}

/// `[preset]`: what a preset is for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PresetInfo {
    /// Name of the service or format.
    pub title: String,
    /// One or two sentences in French: where the admin finds the parameters.
    pub doc: String,
    /// How its facts are known.
    pub evidence: Evidence,
    /// How `connectors detect` tells this source from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect: Option<Detect>,
}

/// `[preset] detect`: by what a source is known.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Detect {
    /// Regular expressions over an address; their named groups are parameters of the preset.
    pub urls: Vec<String>,
    /// Paths that most records of this source have, each with alternatives after `|`.
    pub needs: Vec<String>,
    /// Paths below the root of a site at which this source is usually found.
    pub probes: Vec<String>,
    /// Whether its records alone tell it from others.
    pub shape: bool,
}

impl Default for Detect {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            needs: Vec::new(),
            probes: Vec::new(),
            shape: true,
        }
    }
}

/// How the facts of a preset are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Tried on real payloads of the service.
    Payload,
    /// Written from the vendor's documentation.
    Documented,
    /// Known at second hand: `check` warns.
    SecondHand,
}

/// `[parameters.NAME]`: one parameter of a preset, used in it as `${NAME}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// What it is and where to find it, in French.
    pub doc: String,
    /// Value when the connector sets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<serde_json::Value>,
    /// The connector must set it.
    #[serde(default)]
    pub required: bool,
    /// A secret: `{ env = "NAME" }` or `{ file = "PATH" }`.
    #[serde(default)]
    pub secret: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// `[source]`: the request.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Format of the answer.
    pub kind: Kind,
    /// `https://…`, `file:…` or a path. `${env:NAME}` and `${file:PATH}` stand for secrets. In a
    /// path, `*` in the file name stands for anything: the last file by name is read.
    pub url: Text,
    #[serde(default)]
    pub method: HttpMethod,
    /// Headers of every request to the host of `url`.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// Query parameters, added to those of `url`; a list repeats the parameter.
    #[serde(default)]
    pub query: BTreeMap<String, QueryValue>,
    /// JSON body of a POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<serde_json::Value>,
    /// Encoding of the text, where the source declares a wrong one: `windows-1252`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Requests a second to this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Statuses that mean "no records" rather than an error: `[204]`.
    #[serde(default)]
    pub empty_status: Vec<u16>,
    #[serde(default)]
    pub csv: CsvTable,
    #[serde(default)]
    pub html: HtmlTable,
    #[serde(default)]
    pub auth: Auth,
    #[serde(default)]
    pub paging: Paging,
    /// A second request for each record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Detail>,
}

/// `[push]`: offers that the source sends to `POST /api/v1/ingest/NAME`, in the form that
/// `[source] kind`, `[records]` and `[fields]` describe; without a `[source]`, JSON.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// A key that the sender shows: `Authorization: Bearer …`, or `X-Passerelle-Key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Text>,
    /// A secret with which the sender signs: HMAC-SHA256 of the body, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hmac: Option<Text>,
    /// Header of the signature, `sha256=` before it or not.
    #[serde(default = "signature")]
    pub signature_header: String,
    /// What is sent only says that something changed: it asks for a run at once.
    #[serde(default)]
    pub notify: bool,
}

fn signature() -> String {
    "X-Passerelle-Signature".to_owned()
}

/// One value of a query parameter, or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum QueryValue {
    One(Text),
    Many(Vec<Text>),
}

impl Source {
    /// A source that is never asked.
    pub fn pushed() -> Self {
        Self {
            kind: Kind::Json,
            url: Text::new(crate::pull::push::PUSH_ONLY),
            method: HttpMethod::Get,
            headers: BTreeMap::new(),
            query: BTreeMap::new(),
            body: None,
            encoding: None,
            rate: None,
            empty_status: Vec::new(),
            csv: CsvTable::default(),
            html: HtmlTable::default(),
            auth: Auth::None,
            paging: Paging::None,
            detail: None,
        }
    }
}

/// Format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// JSON, or JSON objects one a line.
    Json,
    /// Any XML; attributes become `@name`, text beside attributes `#text`.
    Xml,
    /// RSS 2.0: XML whose records are `rss.channel.item`, a window unless said otherwise.
    Rss,
    /// Atom: XML whose records are `feed.entry`, a window unless said otherwise.
    Atom,
    /// Rows with a header line; delimiter and encoding are found out.
    Csv,
    /// A workbook of Excel (XLSX, XLS): the rows of one sheet below its header line.
    Xlsx,
    /// A workbook of LibreOffice, read in the same way.
    Ods,
    /// Pages of HTML, by the selectors of `[source.html]`: the last resort.
    Html,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    #[default]
    Get,
    Post,
}

/// `[source.csv]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CsvTable {
    /// One character; found out from the first lines when absent.
    pub delimiter: Option<String>,
    /// Names of the columns of a file without a header line.
    pub columns: Vec<String>,
    /// Column names lose case, accents and punctuation: `Date de début` becomes `date_de_debut`.
    pub fold_header: bool,
    /// Whether the file must end with a line end to count as whole. Files that never do (`false`)
    /// cannot be told from files that were cut at the end of a row.
    pub final_newline: Option<bool>,
    /// Workbooks: name of the sheet; the first one when absent.
    pub sheet: Option<String>,
}

/// `[source.html]`: CSS selectors. One may end in `@name` for an attribute instead of the text, or
/// in `@html` for the inner HTML: `a.titre@href`; `@data-id` alone is the element's own.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HtmlTable {
    /// What finds the element of each offer: `article.offre`.
    pub select: String,
    /// Values of a record, found within its element.
    pub values: BTreeMap<String, String>,
    /// Values of the page: `next = "a[rel=next]@href"` for `paging`, `total` for `records`.
    pub page: BTreeMap<String, String>,
    /// What is there only when the list is empty; a page without offers and without it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub empty: Option<String>,
}

/// `[source.auth]`: how the source knows us.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    #[default]
    None,
    /// A header with a key.
    Header {
        name: String,
        value: Text,
    },
    /// A query parameter with a key.
    Query {
        name: String,
        value: Text,
    },
    Basic {
        user: Text,
        password: Text,
    },
    Bearer {
        token: Text,
    },
    /// OAuth 2 client credentials; the token is renewed before it expires.
    Oauth2 {
        token_url: Text,
        client_id: Text,
        client_secret: Text,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
        /// Further fields of the token request.
        #[serde(default)]
        params: BTreeMap<String, Text>,
        /// Where id and secret travel.
        #[serde(default)]
        credentials: Credentials,
        /// Where the token stands in the answer.
        #[serde(default = "access_token")]
        token_path: String,
    },
}

fn access_token() -> String {
    "access_token".to_owned()
}

/// Where the id and the secret of an OAuth client travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Credentials {
    /// In the form.
    #[default]
    Body,
    /// In an `Authorization: Basic` header.
    Header,
}

/// Where paging parameters travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    #[default]
    Query,
    /// A key of the JSON body.
    Body,
}

/// `[source.paging]`: how the rest of the records is reached. Totals, where the source declares
/// one, must reconcile for a snapshot to be complete.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Paging {
    /// One answer holds everything.
    #[default]
    None,
    /// A page number, until a short or empty page, or the declared number of pages.
    Page {
        #[serde(default = "page")]
        param: String,
        /// Number of the first page.
        #[serde(default = "one")]
        start: u64,
        /// Parameter of the page size.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size_param: Option<String>,
        /// Records a page; a shorter page is the last one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
        /// Path of the number of pages in the answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pages: Option<String>,
        /// Path of a flag that says whether more pages follow.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        more: Option<String>,
        /// Header that holds the number of records.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total_header: Option<String>,
        #[serde(default)]
        carrier: Carrier,
    },
    /// The number of records to skip, until a short or empty page, or the declared total.
    Offset {
        #[serde(default = "offset")]
        param: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size_param: Option<String>,
        size: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total_header: Option<String>,
        #[serde(default)]
        carrier: Carrier,
    },
    /// The address of the next page stands in the answer.
    NextLink { path: String },
    /// The address of the next page stands in the `Link` header, `rel="next"`.
    LinkHeader,
    /// A token of the answer asks for the next page.
    Cursor {
        param: String,
        path: String,
        #[serde(default)]
        carrier: Carrier,
    },
    /// `param=first-last`, answered with `Content-Range: items 0-149/9981`.
    ContentRange {
        #[serde(default = "range")]
        param: String,
        size: u64,
        /// Last index that the service serves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<u64>,
    },
    /// France Travail "Offres d'emploi v2": ranges of 150 within slices by département, origin
    /// and creation window, none of which may exceed what the service serves.
    FranceTravail {
        /// Département codes: `["70", "25"]`.
        departments: Vec<String>,
        /// `1` France Travail's own offers, `2` partners' offers; asked for separately.
        #[serde(default = "both_origins")]
        origins: Vec<u8>,
        /// ROME codes to keep to, all when empty.
        #[serde(default)]
        rome: Vec<String>,
        /// Oldest creation date that is looked at when a slice is split: `2024-01-01`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<String>,
    },
}

fn page() -> String {
    "page".to_owned()
}

fn offset() -> String {
    "offset".to_owned()
}

fn range() -> String {
    "range".to_owned()
}

fn one() -> u64 {
    1
}

fn both_origins() -> Vec<u8> {
    vec![1, 2]
}

/// `[source.detail]`: a second request for each record.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Detail {
    /// Whether the detail is asked for.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Address, a template over the record: `…/postings/{{ id }}`.
    pub url: String,
    /// Format of the answer.
    #[serde(default)]
    pub kind: DetailKind,
    /// Path of the record in the answer; the whole answer when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Key of the record under which the detail is put; its keys are merged when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<String>,
    /// Requests at a time.
    #[serde(default = "four")]
    pub concurrency: usize,
    /// Statuses that say that the offer is gone since the list was read.
    #[serde(default = "gone")]
    pub gone: Vec<u16>,
}

/// Format of a detail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DetailKind {
    /// JSON or XML, told by the first character.
    #[default]
    Auto,
    /// An HTML page: its schema.org `JobPosting` in JSON-LD is the record.
    JsonLd,
}

fn yes() -> bool {
    true
}

fn four() -> usize {
    4
}

fn gone() -> Vec<u16> {
    vec![404, 410]
}

/// `[records]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Records {
    /// Keys that lead to the list of records: `resultats`, `data.jobs`, `source.job`; `.` when the
    /// answer itself is the list. Several are tried in order. (CSV has none.)
    pub path: Option<OneOrMany>,
    /// Path of the number of records that the answer declares.
    pub total: Option<String>,
    /// What the absence of a record means.
    pub semantics: Option<Semantics>,
    /// Only records for which this expression holds: `department == "70"`.
    pub keep: Option<String>,
    /// JSON:API: `relationships` of a record are replaced by the objects of `included`.
    pub relationships: bool,
}

/// What the absence of a record from a run means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Semantics {
    /// The source shows everything that is open: absence counts as a miss.
    Snapshot,
    /// The source shows the newest only: absence means nothing.
    Window,
}

/// A string or a list of strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// `[fields]`: field of a posting = path, list of paths (the first that is not empty), or table.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "RawFields", into = "RawFields")]
pub struct Fields {
    pub fields: BTreeMap<Field, FieldSpec>,
    pub places: Option<Places>,
}

/// `[fields.places]`, for sources with several places a record: `each` is the path of the list of
/// places, the other keys are place fields, as paths within one place.
#[derive(Clone, Debug)]
pub struct Places {
    pub each: OneOrMany,
    pub fields: BTreeMap<Field, FieldSpec>,
}

type RawFields = BTreeMap<String, Value>;

const PLACES: &str = "places";
const EACH: &str = "each";

/// The names that `[fields]` knows, as a file writes them, with their meaning.
pub fn field_names() -> Vec<(String, String)> {
    let schema = Value::from(schemars::schema_for!(Field));
    let mut out = Vec::new();
    let Some(variants) = schema.get("oneOf").and_then(Value::as_array) else {
        return out;
    };
    for variant in variants {
        let doc = variant.get("description").and_then(Value::as_str);
        let names = variant.get("const").into_iter().chain(
            variant
                .get("enum")
                .and_then(Value::as_array)
                .into_iter()
                .flatten(),
        );
        for name in names.filter_map(Value::as_str) {
            out.push((name.to_owned(), doc.unwrap_or_default().to_owned()));
        }
    }
    out
}

impl TryFrom<RawFields> for Fields {
    type Error = serde_json::Error;

    fn try_from(raw: RawFields) -> Result<Self, Self::Error> {
        let mut out = Self::default();
        for (key, value) in raw {
            if key == PLACES {
                let mut inner: RawFields = serde_json::from_value(value)?;
                let each = inner.remove(EACH).unwrap_or_default();
                out.places = Some(Places {
                    each: serde_json::from_value(each)?,
                    fields: inner
                        .into_iter()
                        .map(field_entry)
                        .collect::<Result<_, _>>()?,
                });
            } else {
                let (field, spec) = field_entry((key, value))?;
                out.fields.insert(field, spec);
            }
        }
        Ok(out)
    }
}

fn field_entry((key, value): (String, Value)) -> Result<(Field, FieldSpec), serde_json::Error> {
    Ok((
        serde_json::from_value(Value::String(key))?,
        serde_json::from_value(value)?,
    ))
}

impl From<Fields> for RawFields {
    fn from(fields: Fields) -> Self {
        let entries = |map: BTreeMap<Field, FieldSpec>| -> RawFields {
            map.into_iter()
                .filter_map(|(field, spec)| {
                    let key = serde_json::to_value(field).ok()?;
                    Some((key.as_str()?.to_owned(), serde_json::to_value(spec).ok()?))
                })
                .collect()
        };
        let mut raw = entries(fields.fields);
        if let Some(places) = fields.places {
            let mut inner = entries(places.fields);
            inner.insert(
                EACH.to_owned(),
                serde_json::to_value(&places.each).unwrap_or_default(),
            );
            raw.insert(PLACES.to_owned(), serde_json::json!(inner));
        }
        raw
    }
}

impl JsonSchema for Fields {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fields".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let spec = Value::from(generator.subschema_for::<FieldSpec>());
        let each = Value::from(generator.subschema_for::<OneOrMany>());
        let mut fields = serde_json::Map::new();
        let mut places = serde_json::Map::new();
        for (name, doc) in field_names() {
            let mut entry = spec.clone();
            if !doc.is_empty() {
                entry["description"] = Value::String(doc);
            }
            if name.starts_with("place") {
                places.insert(name.clone(), entry.clone());
            }
            fields.insert(name, entry);
        }
        places.insert(EACH.to_owned(), each);
        fields.insert(
            PLACES.to_owned(),
            serde_json::json!({
                "description": "For sources with several places a record: `each` is the path of the list of places, the other keys are place fields, as paths within one place.",
                "type": "object",
                "properties": places,
                "required": [EACH],
                "additionalProperties": false
            }),
        );
        json_schema!({
            "description": "Field of a posting = path, list of paths (the first that is not empty), or table.",
            "type": "object",
            "properties": fields,
            "additionalProperties": false
        })
    }
}

/// Where a field's value stands.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FieldSpec {
    /// A path.
    Path(String),
    /// Paths; the first that is not empty counts.
    Paths(Vec<String>),
    Rule(Box<FieldRule>),
}

/// A field with more to say than a path.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FieldRule {
    /// A path, or paths of which the first that is not empty counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<OneOrMany>,
    /// A minijinja template over the record: `{{ description }}{{ profile }}`. Names that are no
    /// identifiers are reached through `record["start-date"]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// A constant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// All values of all paths, joined by this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// Text that separates the values of a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// A regular expression: its first group, or the whole match, is the value; no match, no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extract: Option<String>,
    /// How many times HTML escapes are undone.
    #[serde(skip_serializing_if = "is_zero")]
    pub unescape: u8,
    /// Forms of a date, tried in order: `iso`, `rfc2822`, `epoch`, `epoch_ms`, `french`, or a
    /// pattern such as `%d/%m/%Y %H:%M`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<OneOrMany>,
    /// Time zone of a date without one; the connector's `zone` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Name of a value table, or the table itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<ValuesRef>,
    /// Drops values that the table does not know, instead of passing them on as they are.
    #[serde(skip_serializing_if = "is_false")]
    pub known_only: bool,
    /// Value when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

fn is_zero(n: &u8) -> bool {
    *n == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// A value table by name, or in place.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ValuesRef {
    Name(String),
    Table(BTreeMap<String, String>),
}

/// `[limits]`: caps on size and time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsTable {
    /// Megabytes on the wire, one request.
    pub download_mb: u64,
    /// Megabytes after decompression, one request.
    pub body_mb: u64,
    /// Kilobytes of one record; a larger one is refused, the rest goes on.
    pub record_kb: u64,
    /// Seconds of one request, body included.
    pub seconds: u64,
    /// Seconds without a byte.
    pub idle_seconds: u64,
    pub redirects: u32,
    /// Pages, or slices, of one run.
    pub pages: u64,
}

impl Default for LimitsTable {
    fn default() -> Self {
        Self {
            download_mb: 1024,
            body_mb: 4096,
            record_kb: 4096,
            seconds: 900,
            idle_seconds: 30,
            redirects: 5,
            pages: 5000,
        }
    }
}
