//! The portal: pages in French, rendered here, complete without scripts.
//!
//! **Invariants:** every value is escaped by the template engine, descriptions are cleaned a second
//! time; no page loads anything from elsewhere; a closed offer answers 410, a moved one 301.

mod jsonld;
mod list;
mod offer;
mod pages;
mod structures;

pub use jsonld::job_posting;
pub use offer::{Preview, offer_path, offer_slug, path_of, safe_html};

use super::{
    Publish, PublishError, labels,
    respond::{Document, HTML},
};
use axum::{
    Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::Engine as _;
use minijinja::{Environment, Value, context, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;
use sha2::{Digest as _, Sha384};

const STYLE: &str = include_str!("assets/style.css");
const WIDGET: &str = include_str!("assets/widget.js");
const SCRIPT: &str = "text/javascript; charset=utf-8";
const ICON: &str = include_str!("assets/icon.svg");

pub fn routes() -> Router<Publish> {
    Router::new()
        .route("/", get(list::page))
        .route("/offres", get(list::redirect))
        .route("/offres/{id}", get(offer::short))
        .route("/offres/{id}/carte.png", get(super::kit::card_of_offer))
        .route("/offres/{id}/{slug}", get(offer::page))
        .route("/structures", get(structures::index))
        .route("/structures/{slug}", get(structures::page))
        .route("/accessibilite", get(pages::accessibility))
        .route("/a-propos", get(pages::about))
        .route("/assets/{file}", get(asset))
        .route("/widget.js", get(widget))
        .fallback(pages::not_found)
}

/// The page templates, compiled once.
pub struct Templates {
    env: Environment<'static>,
    style: String,
    /// The widget under a name of its own bytes, and their digest for `integrity`.
    widget: String,
    integrity: String,
}

/// The API's own texts: what stands in backticks is code.
fn code(text: &str) -> Value {
    let mut out = String::new();
    for (n, part) in text.split('`').enumerate() {
        let (begin, end) = match n % 2 {
            0 => ("", ""),
            _ => ("<code>", "</code>"),
        };
        out.push_str(begin);
        super::export::escape(&mut out, part);
        out.push_str(end);
    }
    Value::from_safe_string(out)
}

impl Templates {
    pub fn new() -> Self {
        let mut env = Environment::new();
        if let Ok(syntax) = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
        {
            env.set_syntax(syntax);
        }
        env.set_formatter(escaping);
        env.add_filter("number", |n: usize| labels::number(n as f64));
        env.add_filter("code", code);
        for (name, text) in [
            ("base.html", include_str!("templates/base.html")),
            ("macros.html", include_str!("templates/macros.html")),
            ("list.html", include_str!("templates/list.html")),
            ("offer.html", include_str!("templates/offer.html")),
            ("gone.html", include_str!("templates/gone.html")),
            ("structures.html", include_str!("templates/structures.html")),
            ("structure.html", include_str!("templates/structure.html")),
            ("message.html", include_str!("templates/message.html")),
            (
                "accessibility.html",
                include_str!("templates/accessibility.html"),
            ),
            ("about.html", include_str!("templates/about.html")),
            ("api.html", include_str!("templates/api.html")),
            ("kit.html", include_str!("templates/kit.html")),
        ] {
            if let Err(error) = env.add_template(name, text) {
                // A test renders every page; the API must live even if one of them is broken.
                tracing::error!(template = name, %error, "page template is broken");
            }
        }
        Self {
            env,
            style: format!(
                "/assets/style-{}.css",
                &blake3::hash(STYLE.as_bytes()).to_hex()[..12]
            ),
            widget: format!(
                "/assets/widget-{}.js",
                &blake3::hash(WIDGET.as_bytes()).to_hex()[..12]
            ),
            integrity: format!(
                "sha384-{}",
                base64::engine::general_purpose::STANDARD.encode(Sha384::digest(WIDGET))
            ),
        }
    }
}

/// Escapes what HTML needs, and no more: addresses and "F/H" stay readable in the source.
fn escaping(
    out: &mut minijinja::Output<'_>,
    state: &mut minijinja::State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() => {
            let mut escaped = String::with_capacity(text.len());
            super::export::escape(&mut escaped, text);
            out.write_str(&escaped).map_err(minijinja::Error::from)
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// What every page needs beside its own values.
#[derive(Default)]
pub struct Head<'a> {
    pub title: &'a str,
    pub description: &'a str,
    /// Path of the page's one address.
    pub canonical: Option<&'a str>,
    /// Kept out of search engines.
    pub noindex: bool,
}

/// Renders a page.
pub fn render(
    publish: &Publish,
    template: &'static str,
    head: &Head<'_>,
    page: impl Serialize,
) -> Result<Document, PublishError> {
    let failed = |source| PublishError::Page {
        page: template,
        source,
    };
    let settings = publish.settings();
    let templates = publish.templates();
    let site = context! {
        name => &settings.territory,
        url => settings.url(""),
        synthetic => &settings.synthetic,
        contact => &settings.contact,
        style => &templates.style,
        widget => &templates.widget,
        integrity => &templates.integrity,
    };
    let canonical = head.canonical.map(|path| settings.url(path));
    let body = templates
        .env
        .get_template(template)
        .and_then(|t| {
            t.render(context! {
                site,
                title => head.title,
                description => head.description,
                canonical,
                noindex => head.noindex,
                ..Value::from(Serde(&page))
            })
        })
        .map_err(failed)?;
    Ok(Document::new(HTML, body))
}

/// A page with another status than 200.
pub fn with_status(document: Document, status: StatusCode) -> Response {
    let mut response = document.into_response();
    *response.status_mut() = status;
    response.headers_mut().remove(header::ETAG);
    response
}

/// The answer to a page request that failed inside.
pub fn failed(publish: &Publish, error: PublishError) -> Response {
    let status = error.into_response().status();
    let head = Head {
        title: "Service momentanément indisponible",
        noindex: true,
        ..Head::default()
    };
    let text =
        "Nous ne pouvons pas afficher cette page pour l’instant. Réessayez dans quelques minutes.";
    match render(
        publish,
        "message.html",
        &head,
        context! { heading => head.title, text },
    ) {
        Ok(document) => with_status(document, status),
        Err(_) => (status, text).into_response(),
    }
}

/// The custom element for members' own sites; they load it from here.
async fn widget() -> Response {
    Document::new(SCRIPT, WIDGET)
        .with(header::CACHE_CONTROL, "public, max-age=3600")
        .with(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
        .into_response()
}

async fn asset(
    axum::extract::State(publish): axum::extract::State<Publish>,
    axum::extract::Path(file): axum::extract::Path<String>,
) -> Response {
    let named = |path: &str| path.rsplit('/').next() == Some(file.as_str());
    let style = named(&publish.templates().style);
    let known = style || named(&publish.templates().widget);
    let document = if style {
        Document::new("text/css; charset=utf-8", STYLE)
    } else if known {
        // `integrity` asks for it on a page of another site.
        Document::new(SCRIPT, WIDGET).with(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
    } else if file == "icon.svg" {
        Document::new("image/svg+xml", ICON)
    } else {
        return pages::not_found(axum::extract::State(publish)).await;
    };
    document
        .with(
            header::CACHE_CONTROL,
            if known {
                "public, max-age=31536000, immutable"
            } else {
                "public, max-age=86400"
            },
        )
        .into_response()
}
