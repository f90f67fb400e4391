//! The checks that no schema says, and the [`Connector`] that comes of them.

use super::Builder;
use crate::model::{ConnectorName, Field, MemberId};
use crate::pull::connector::Connector;
use crate::pull::connector::file::{
    Auth, Carrier, ConnectorFile, Detail, DetailKind, Evidence, HttpMethod, Kind, OneOrMany,
    Paging, Push, Semantics, Source,
};
use crate::pull::connector::problem::Level;
use crate::pull::mapping::{Mapping, Path, PathError};
use crate::pull::recall::Memory;
use crate::pull::said::Said;
use crate::pull::schedule::Schedule;
use crate::pull::source::dated;
use jiff::tz::TimeZone;

impl Builder<'_> {
    pub(super) fn compile(
        &mut self,
        file: ConnectorFile,
        preset: Option<String>,
        mapping_only: bool,
    ) -> Option<Connector> {
        let name = file.name.clone().unwrap_or_default();
        if name.is_empty() {
            self.missing(
                "name",
                ("le connecteur n'a pas de nom", "the connector has no name"),
                (
                    "ajoutez `name = \"…\"` ; il est définitif",
                    "add `name = \"…\"`; it is fixed for life",
                ),
            );
        } else if !name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            self.error(
                "name",
                (
                    format!("`{name}` n'est pas un nom admis"),
                    format!("`{name}` is no name"),
                ),
                (
                    "minuscules sans accent, chiffres et traits d'union seulement",
                    "lower-case letters, digits and hyphens only",
                ),
            );
        }
        if let Some(info) = &file.info
            && info.evidence == Evidence::SecondHand
            && !mapping_only
        {
            self.warning(
                "use",
                ("ce préréglage n'est connu que de seconde main et n'a pas été essayé sur de vraies données", "this preset is known at second hand only and was not tried on a real payload"),
                ("relisez `connectors preview` avec soin", "look at `connectors preview` with care"),
            );
        }
        let zone_name = file.zone.as_deref().unwrap_or("Europe/Paris");
        let zone = TimeZone::get(zone_name).unwrap_or_else(|_| {
            self.error(
                "zone",
                (
                    format!("`{zone_name}` n'est pas un fuseau horaire"),
                    format!("`{zone_name}` is no time zone"),
                ),
                ("un nom comme Europe/Paris", "a name such as Europe/Paris"),
            );
            TimeZone::UTC
        });
        if let Some(Err(error)) = file.schedule.as_deref().map(str::parse::<Schedule>) {
            self.error(
                "schedule",
                error.said(),
                (
                    "par exemple \"0 6 * * 1-5\", \"every 30m\" ou \"@hourly\"",
                    "for example \"0 6 * * 1-5\", \"every 30m\" or \"@hourly\"",
                ),
            );
        }
        let pushed = file.push.as_ref().map(|_| Source::pushed());
        let Some(mut source) = file.source.or(pushed) else {
            self.missing(
                "source",
                ("il manque `source`", "`source` is missing"),
                ("ajoutez `use = \"PRÉRÉGLAGE\"`, une table [source] avec kind et url, ou une table [push]", "add `use = \"PRESET\"`, a [source] with kind and url, or a [push]"),
            );
            return None;
        };
        source.detail = source.detail.filter(|detail| detail.enabled);
        if let Some(push) = &file.push {
            self.check_push(push, source.one.is_some());
        }
        if let Some(one) = &source.one {
            self.check_template("source.one.url", &one.url);
            if let Some(path) = &one.path {
                self.path("source.one.path", path);
            }
        }
        if let Some(detail) = &source.detail {
            self.check_template("source.detail.url", &detail.url);
            self.check_detail(detail);
        }
        if let Some(probe) = &file.probe {
            self.check_template("probe.url", &probe.url);
        }
        self.check_source(&source, mapping_only);
        let record_paths = self.record_paths(&source, &file.records.path);
        let total = file
            .records
            .total
            .as_deref()
            .and_then(|p| self.path("records.total", p));
        for field in [Field::Reference, Field::Title] {
            if !file.fields.fields.contains_key(&field) {
                let key = crate::pull::mapping::field_name(field);
                self.missing(
                    &format!("fields.{key}"),
                    (
                        format!("il manque `{key}` : chaque offre en a besoin"),
                        format!("`{key}` is missing: every posting needs one"),
                    ),
                    (
                        format!("ajoutez `{key} = \"…\"` sous [fields]"),
                        format!("add `{key} = \"…\"` to [fields]"),
                    ),
                );
            }
        }
        if file.guards.misses == 0 {
            self.error(
                "guards.misses",
                (
                    "on lit 0, il faut au moins 1",
                    "0 stands here, expected at least 1",
                ),
                Said::default(),
            );
        }
        let semantics = file.records.semantics.unwrap_or(match source.kind {
            Kind::Rss | Kind::Atom => Semantics::Window,
            _ => Semantics::Snapshot,
        });
        let compiled = Mapping::compile(
            &file.fields,
            &file.values,
            &zone,
            file.records.keep.as_deref(),
        );
        let mapping = match compiled {
            Ok(mapping) => mapping,
            Err(errors) => {
                for error in errors {
                    self.push(Level::Error, &error.key, error.message, Said::default());
                }
                return None;
            }
        };
        Some(Connector {
            memory: Memory::default(),
            name: ConnectorName(name),
            title: file
                .title
                .or(file.info.map(|i| i.title))
                .unwrap_or_default(),
            member: file.member.map(MemberId),
            schedule: file.schedule,
            guards: file.guards,
            preset,
            source,
            push: file.push,
            probe: file.probe.filter(|probe| probe.enabled),
            record_paths,
            total,
            semantics,
            relationships: file.records.relationships,
            limits: file.limits,
            zone,
            mapping,
        })
    }

    fn path(&mut self, key: &str, text: &str) -> Option<Path> {
        text.parse()
            .map_err(|error: PathError| {
                self.error(
                    key,
                    error.said(),
                    (
                        "voyez les formes de chemin dans la référence des connecteurs",
                        "see the path forms of the connector reference",
                    ),
                )
            })
            .ok()
    }

    /// The key paths of the record list.
    fn record_paths(&mut self, source: &Source, given: &Option<OneOrMany>) -> Vec<Vec<String>> {
        let default = match source.kind {
            Kind::Rss => "rss.channel.item",
            Kind::Atom => "feed.entry",
            _ => ".",
        };
        let texts = given
            .as_ref()
            .map_or_else(|| vec![default.to_owned()], |p| p.as_slice().to_vec());
        if source.kind == Kind::Xml && given.is_none() {
            self.missing(
                "records.path",
                (
                    "une source XML a besoin du chemin de ses offres",
                    "an XML source needs the path of its records",
                ),
                (
                    "par exemple `path = \"source.job\"`",
                    "for example `path = \"source.job\"`",
                ),
            );
        }
        let mut out = Vec::new();
        for text in texts {
            if let Some(path) = self.path("records.path", &text) {
                match path.keys() {
                    Some(keys) => out.push(keys.into_iter().map(str::to_owned).collect()),
                    None => self.error(
                        "records.path",
                        (
                            format!("`{text}` n'est pas fait que de clés"),
                            format!("`{text}` has more than keys"),
                        ),
                        (
                            "écrivez des clés séparées par des points, et filtrez avec `keep`",
                            "write keys with dots only, and filter with `keep`",
                        ),
                    ),
                }
            }
        }
        out
    }

    fn check_source(&mut self, source: &Source, mapping_only: bool) {
        let url = source.url.as_str();
        if !mapping_only {
            let plain = url.split("${").next().unwrap_or_default();
            if url.trim().is_empty() {
                self.error(
                    "source.url",
                    ("l'adresse est vide", "the address is empty"),
                    (
                        "ajoutez l'adresse de la source",
                        "add the address of the source",
                    ),
                );
            } else if plain.contains("://")
                && url::Url::parse(&url.replace(['{', '}', '$'], "x")).is_err()
            {
                self.error(
                    "source.url",
                    (
                        format!("`{url}` n'est pas une adresse"),
                        format!("`{url}` is no address"),
                    ),
                    (
                        "par exemple https://rh.example/offres.xml",
                        "for example https://rh.example/offres.xml",
                    ),
                );
            } else if url.starts_with("http://") && !is_local(url) {
                self.warning(
                    "source.url",
                    (
                        "la source est lue sans chiffrement",
                        "the source is asked without encryption",
                    ),
                    (
                        "écrivez https si le service le permet",
                        "use https if the service has it",
                    ),
                );
            }
        }
        self.check_html(source);
        self.check_dates(source);
        self.check_sftp(source);
        if source.kind == Kind::Zips && !matches!(source.paging, Paging::Offset { .. }) {
            self.error(
                "source.paging",
                ("la fin d'un tel export ne se voit qu'en demandant la suite jusqu'à une réponse vide", "the end of such an export shows only when it is asked on until an answer is empty"),
                ("[source.paging] kind = \"offset\", avec `param`, `size_param` et `size`", "[source.paging] kind = \"offset\", with `param`, `size_param` and `size`"),
            );
        }
        if let Some(encoding) = &source.encoding
            && encoding_rs::Encoding::for_label(encoding.as_bytes()).is_none()
        {
            self.error(
                "source.encoding",
                (
                    format!("`{encoding}` n'est pas un encodage"),
                    format!("`{encoding}` is no encoding"),
                ),
                ("par exemple windows-1252", "for example windows-1252"),
            );
        }
        if let Some(delimiter) = &source.csv.delimiter
            && delimiter.len() != 1
        {
            self.error(
                "source.csv.delimiter",
                (
                    format!("`{delimiter}` n'est pas un seul caractère"),
                    format!("`{delimiter}` is not one character"),
                ),
                ("par exemple \";\"", "for example \";\""),
            );
        }
        if source
            .rate
            .is_some_and(|rate| !(rate.is_finite() && rate > 0.0))
        {
            self.error(
                "source.rate",
                (
                    "la cadence doit être supérieure à 0",
                    "the rate must be above 0",
                ),
                (
                    "en requêtes par seconde, par exemple 2.0",
                    "requests a second, for example 2.0",
                ),
            );
        }
        let paths: Vec<(&str, Option<&String>)> = match &source.paging {
            Paging::Page { pages, more, .. } => vec![
                ("source.paging.pages", pages.as_ref()),
                ("source.paging.more", more.as_ref()),
            ],
            Paging::NextLink { path } | Paging::Cursor { path, .. } => {
                vec![("source.paging.path", Some(path))]
            }
            Paging::FranceTravail {
                departments,
                origins,
                since,
                ..
            } => {
                if departments.is_empty() && !mapping_only {
                    self.error(
                        "with.departments",
                        ("aucun département n'est donné", "no département is listed"),
                        (
                            "par exemple departments = [\"70\"]",
                            "for example departments = [\"70\"]",
                        ),
                    );
                }
                if origins.iter().any(|o| !matches!(o, 1 | 2)) {
                    self.error(
                        "with.origins",
                        (
                            "une origine est 1 (France Travail) ou 2 (partenaires)",
                            "an origin is 1 (France Travail) or 2 (partners)",
                        ),
                        Said::default(),
                    );
                }
                if let Some(since) = since
                    && since.parse::<jiff::civil::Date>().is_err()
                {
                    self.error(
                        "with.since",
                        (
                            format!("`{since}` n'est pas une date"),
                            format!("`{since}` is no date"),
                        ),
                        ("par exemple 2024-01-01", "for example 2024-01-01"),
                    );
                }
                Vec::new()
            }
            _ => Vec::new(),
        };
        for (key, path) in paths {
            if let Some(path) = path {
                self.path(key, path);
            }
        }
        if let Auth::Oauth2 { token_path, .. } = &source.auth {
            self.path("source.auth.token_path", token_path);
        }
        for text in [&source.url].into_iter().chain(source.headers.values()) {
            for (kind, name) in text.references() {
                if !matches!(kind, "env" | "file") {
                    self.error(
                        "source",
                        (
                            format!("`${{{kind}:{name}}}` n'est pas un renvoi"),
                            format!("`${{{kind}:{name}}}` is no reference"),
                        ),
                        (
                            "écrivez ${env:NOM} ou ${file:CHEMIN}",
                            "write ${env:NAME} or ${file:PATH}",
                        ),
                    );
                }
            }
        }
    }

    fn check_dates(&mut self, source: &Source) {
        let noon = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
        if let Err(error) = dated(source.url.as_str(), &noon) {
            self.error(
                "source.url",
                (
                    format!("la date de l'adresse ne peut pas être écrite : {error}"),
                    format!("the date in the address cannot be written: {error}"),
                ),
                (
                    "par exemple offres-{%Y-%m-%d}.csv",
                    "for example offres-{%Y-%m-%d}.csv",
                ),
            );
        }
        let Some(since) = &source.since else {
            return;
        };
        if let Err(error) = jiff::fmt::strtime::format(&since.format, &noon) {
            self.error(
                "source.since.format",
                (
                    format!("`{}` n'est pas une forme d'instant : {error}", since.format),
                    format!("`{}` is no form of an instant: {error}", since.format),
                ),
                (
                    "par exemple %Y-%m-%dT%H:%M:%SZ, ou %s pour des secondes",
                    "for example %Y-%m-%dT%H:%M:%SZ, or %s for seconds",
                ),
            );
        }
        if since.carrier == Carrier::Body && source.method == HttpMethod::Get {
            self.error(
                "source.since.carrier",
                (
                    "un GET n'a pas de corps qui pourrait le porter",
                    "a GET has no body that could carry it",
                ),
                (
                    "carrier = \"query\", ou method = \"POST\"",
                    "carrier = \"query\", or method = \"POST\"",
                ),
            );
        }
        if matches!(source.paging, Paging::FranceTravail { .. }) {
            self.error(
                "source.since",
                (
                    "cette pagination demande par ses propres fenêtres",
                    "this paging asks by its own windows",
                ),
                ("retirez-le", "leave it out"),
            );
        }
        if since.overlap.is_negative() || since.full_every.is_negative() {
            self.error(
                "source.since",
                ("une durée est négative", "a time is negative"),
                ("par exemple \"1h\"", "for example \"1h\""),
            );
        }
    }

    fn check_template(&mut self, key: &str, template: &str) {
        if let Err(error) = minijinja::Environment::new().template_from_str(template) {
            self.error(
                key,
                (
                    format!("`{template}` n'est pas un modèle : {error}"),
                    format!("`{template}` is no template: {error}"),
                ),
                (
                    "par exemple https://rh.example/offres/{{ id }}",
                    "for example https://rh.example/offres/{{ id }}",
                ),
            );
        }
    }

    fn check_push(&mut self, push: &Push, has_one: bool) {
        if let Some(offer) = &push.offer {
            self.path("push.offer", offer);
            if !has_one {
                self.error(
                    "push.offer",
                    (
                        "on ne sait pas où demander l'offre nommée : il manque [source.one]",
                        "where to ask for the offer that is named is not known: [source.one] is missing",
                    ),
                    (
                        "ajoutez [source.one] avec url = \"https://…/{{ reference }}\", ou écrivez notify = true à la place",
                        "add [source.one] with url = \"https://…/{{ reference }}\", or write notify = true instead",
                    ),
                );
            }
        }
        let texts = [("key", &push.key), ("hmac", &push.hmac)];
        if texts.iter().all(|(_, text)| text.is_none()) {
            self.error(
                "push",
                (
                    "n'importe qui pourrait envoyer des offres : ni `key` ni `hmac` n'est donné",
                    "anyone could send offers: neither `key` nor `hmac` is set",
                ),
                (
                    "ajoutez key = { env = \"NOM\" } ou hmac = { env = \"NOM\" }",
                    "add key = { env = \"NAME\" } or hmac = { env = \"NAME\" }",
                ),
            );
        }
        for (name, text) in texts {
            if text.as_ref().is_some_and(|text| !text.has_secret()) {
                self.error(
                    &format!("push.{name}"),
                    ("le secret est écrit en clair", "the secret stands in clear"),
                    (
                        format!("écrivez {name} = {{ env = \"NOM\" }} ou {{ file = \"CHEMIN\" }}"),
                        format!("write {name} = {{ env = \"NAME\" }} or {{ file = \"PATH\" }}"),
                    ),
                );
            }
        }
    }

    fn check_detail(&mut self, detail: &Detail) {
        let is_html = detail.kind == DetailKind::Html;
        if is_html == detail.values.is_empty() {
            self.error(
                "source.detail.values",
                (
                    "`values` et kind = \"html\" vont ensemble",
                    "`values` and kind = \"html\" go together",
                ),
                (
                    "par exemple values = { texte = \".description@html\" }",
                    "for example values = { texte = \".description@html\" }",
                ),
            );
        }
        for (name, css) in &detail.values {
            if !crate::pull::source::parse::is_html_find(css) {
                self.error(
                    &format!("source.detail.values.{name}"),
                    (
                        format!("`{css}` n'est pas un sélecteur CSS"),
                        format!("`{css}` is no CSS selector"),
                    ),
                    (
                        "par exemple .description, h1, a.postuler@href",
                        "for example .description, h1, a.postuler@href",
                    ),
                );
            }
        }
    }

    fn check_html(&mut self, source: &Source) {
        let table = &source.html;
        if source.kind == Kind::Html && (table.select.is_empty() || table.values.is_empty()) {
            self.error(
                "source.html",
                ("une source HTML a besoin de `select` et de `values`", "an HTML source needs `select` and `values`"),
                ("par exemple select = \"article.offre\" et values = { titre = \"h2\", lien = \"a@href\" }", "for example select = \"article.offre\" and values = { titre = \"h2\", lien = \"a@href\" }"),
            );
        }
        let wrong: Vec<(String, String)> = [("select", &table.select)]
            .into_iter()
            .chain(table.empty.as_ref().map(|css| ("empty", css)))
            .map(|(key, css)| (format!("source.html.{key}"), css))
            .chain(
                table
                    .values
                    .iter()
                    .map(|(name, css)| (format!("source.html.values.{name}"), css)),
            )
            .chain(
                table
                    .page
                    .iter()
                    .map(|(name, css)| (format!("source.html.page.{name}"), css)),
            )
            .filter(|(_, css)| !css.is_empty() && !crate::pull::source::parse::is_html_find(css))
            .map(|(key, css)| (key, css.clone()))
            .collect();
        for (key, css) in wrong {
            self.error(
                &key,
                (
                    format!("`{css}` n'est pas un sélecteur CSS"),
                    format!("`{css}` is no CSS selector"),
                ),
                (
                    "par exemple \"article.offre h2 a@href\"",
                    "for example \"article.offre h2 a@href\"",
                ),
            );
        }
    }
}

/// Whether an address is this machine.
pub fn is_local(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    })
}
