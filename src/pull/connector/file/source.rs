//! `[source]`: how the records are asked for.

use super::OneOrMany;
use crate::pull::connector::secret::Text;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the address of a file on an SFTP server starts.
pub const SFTP: &str = "sftp://";

/// `[source]`: the request.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Format of the answer.
    pub kind: Kind,
    /// `https://…`, `sftp://…`, `file:…` or a path. `${env:NAME}` and `${file:PATH}` stand for secrets.
    /// `{%Y-%m-%d}`, in the letters of strftime, stands for the day of the run in the connector's
    /// zone: the file of the day. In a path, and with SFTP, `*` in the file name stands for anything:
    /// one of the files is read, see `pick`.
    pub url: Text,
    /// Which of the files that `*` matches is read.
    #[serde(default)]
    pub pick: Pick,
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
    /// Between full passes, only what changed is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
    /// A second request for each record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Detail>,
    /// Where one offer stands by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one: Option<One>,
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
            pick: Pick::Name,
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
            since: None,
            detail: None,
            one: None,
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
    /// ZIP archives one after the other, each behind its length in four bytes (little-endian), with
    /// an offer in JSON in each: the back-office export of Talentsoft. Asked for by `offset`, until
    /// an answer is empty.
    Zips,
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
    /// A login at an SFTP server, by password or private key, for a `url` such as
    /// `sftp://depot.example/export/offres-*.csv`; a path that starts with `/~/` starts at the
    /// folder of the login.
    Ssh {
        user: Text,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<Text>,
        /// A private key of OpenSSH, PKCS#8 or PuTTY: `{ file = "PATH" }`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Text>,
        /// What `key` is locked with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passphrase: Option<Text>,
        /// Key of the server: its fingerprint `SHA256:…`, or the public key itself; several during
        /// a change. Without one nothing is fetched, and the refusal says what the server shows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host_key: Option<OneOrMany>,
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
        /// The parameter's value where the number is only a part of it, `{}`:
        /// `"findReqs;limit=200,offset={}"`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        form: Option<String>,
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

/// Which of several files is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pick {
    /// The last by name: dates that are written year first.
    #[default]
    Name,
    /// The one that was written last.
    Modified,
}

/// `[source.since]`: between full passes a run asks only for what changed since the last one. What
/// such a run lacks means nothing; offers are missed by full passes alone.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Since {
    /// Parameter that says since when; a full pass goes without it.
    pub param: String,
    /// Form of the instant in the letters of strftime, in UTC; other text stands for itself.
    #[serde(default = "rfc3339")]
    pub format: String,
    #[serde(default)]
    pub carrier: Carrier,
    /// How far before the start of the last run to look: clocks differ, and services lag.
    #[serde(default = "an_hour")]
    #[schemars(with = "String")]
    pub overlap: SignedDuration,
    /// The longest time between two full passes.
    #[serde(default = "a_day")]
    #[schemars(with = "String")]
    pub full_every: SignedDuration,
}

fn rfc3339() -> String {
    "%Y-%m-%dT%H:%M:%SZ".to_owned()
}

fn an_hour() -> SignedDuration {
    SignedDuration::from_hours(1)
}

fn a_day() -> SignedDuration {
    SignedDuration::from_hours(24)
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
    /// For `html`: values of the page, by CSS selectors as in `[source.html]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
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

/// `[source.one]`: one offer by itself, in the form that it has in the list. A webhook that names
/// the offer that changed (`push.offer`) has it asked for here, and none of the others.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct One {
    /// Address, a template over `reference`: `…/postings/{{ reference }}`. Answers JSON or XML.
    pub url: String,
    /// Path of the record in the answer; the whole answer when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// `[probe]`: an offer that a snapshot lacks, or that a window no longer shows, is looked up on its
/// own page. A page that says that it is gone closes it at once; no other answer does.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Whether pages are asked for.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Address of the page, a template over the record: `{{ link }}`.
    pub url: String,
    /// Statuses that say that the offer is gone. They count only while the page of an offer that
    /// the source still shows answers: a site that lost all its pages closes nothing.
    #[serde(default = "gone")]
    pub gone: Vec<u16>,
    /// Pages that one run asks for at most; the next one goes on from there.
    #[serde(default = "fifty")]
    pub most: usize,
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
    /// An HTML page without markup for machines: `values` says what stands where.
    Html,
}

fn yes() -> bool {
    true
}

fn four() -> usize {
    4
}

fn fifty() -> usize {
    50
}

fn gone() -> Vec<u16> {
    vec![404, 410]
}
