//! The connector file of what was found.

use super::Seeker;
use super::address::{With, addressed};
use super::propose::{Guess, Proposal};
use crate::pull::connector::file::{Auth, DetailKind, HttpMethod, Paging};
use crate::pull::connector::{describe, preset};
use serde_json::Value;
use std::fmt::Write;

/// What stands above fields that were guessed.
const CONFIRM: &str = "# À confirmer avec `passerelle connectors preview`.";

impl Seeker<'_> {
    fn head(&self) -> String {
        let mut out = format!("name = {:?}\n", self.wanted.name);
        if let Some(member) = &self.wanted.member {
            let _ = writeln!(out, "member = {member:?}");
        }
        if let Some(schedule) = &self.wanted.schedule {
            let _ = writeln!(out, "schedule = {schedule:?}");
        }
        out
    }

    /// A file with a preset and the parameters that its address gave.
    pub(super) fn with_preset(&self, name: &str, with: &With) -> String {
        let mut out = self.head();
        let _ = writeln!(out, "use = {name:?}\n\n[with]");
        self.parameters(name, with, &mut out);
        out
    }

    fn parameters(&self, name: &str, with: &With, out: &mut String) {
        let Some(file) = describe(name, self.catalogue) else {
            return;
        };
        for (key, parameter) in &file.parameters {
            let default = parameter.default.as_ref().and_then(Value::as_str);
            match with.get(key) {
                Some(value) if default == Some(value) => {}
                // A secret does not stand in a file, not even one that an address gave away.
                Some(_) if parameter.secret => secret(key, out),
                Some(value) => {
                    let _ = writeln!(out, "{key} = {value:?}");
                }
                None if parameter.secret && parameter.required => secret(key, out),
                None if parameter.required => {
                    let example = parameter
                        .example
                        .clone()
                        .unwrap_or_else(|| "\"\"".to_owned());
                    let _ = writeln!(out, "# À compléter : {}", parameter.doc);
                    let is_value = example.starts_with(['"', '[', '{']);
                    let value = if is_value {
                        example
                    } else {
                        format!("{example:?}")
                    };
                    let _ = writeln!(out, "{key} = {value}");
                }
                None => {}
            }
        }
    }

    /// A file with a preset that reads just this address.
    pub(super) fn at_address(&self, name: &str, url: &str) -> String {
        if let Some((_, with)) = addressed(url, self.catalogue)
            .into_iter()
            .find(|(found, _)| found == name)
        {
            return self.with_preset(name, &with);
        }
        let Some(connector) = preset(name, self.catalogue).and_then(|loaded| loaded.connector)
        else {
            return String::new();
        };
        let text = self.catalogue.get(name).map_or("", |(_, text)| text);
        if text.contains("\nurl = \"${base_url}\"\n") {
            let with = With::from([("base_url".to_owned(), url.to_owned())]);
            return self.with_preset(name, &with);
        }
        let mut out = self.with_preset(name, &With::new());
        let _ = writeln!(out, "\n[source]\nurl = {url:?}");
        if connector.source.method != HttpMethod::Get {
            out.push_str("method = \"GET\"\n");
        }
        if !matches!(connector.source.auth, Auth::None) {
            out.push_str("\n[source.auth]\nkind = \"none\"\n");
        }
        if !matches!(connector.source.paging, Paging::None) {
            out.push_str("\n[source.paging]\nkind = \"none\"\n");
        }
        if let Some(detail) = &connector.source.detail
            && detail.kind == DetailKind::Auto
        {
            out.push_str("\n[source.detail]\nenabled = false\n");
        }
        out
    }

    pub(super) fn with_mapping(&self, url: &str, proposal: &Proposal) -> String {
        let mut out = self.head();
        let _ = writeln!(out, "\n[source]\nkind = {:?}\nurl = {url:?}", proposal.kind);
        if proposal.kind == "csv" || proposal.kind == "xlsx" {
            out.push_str("\n[source.csv]\nfold_header = true\n");
        }
        if let Some(html) = &proposal.html {
            let _ = writeln!(out, "\n[source.html]\nselect = {:?}", html.select);
            let values: Vec<String> = html
                .values
                .iter()
                .map(|(name, find)| format!("{name} = {find:?}"))
                .collect();
            let _ = writeln!(out, "values = {{ {} }}", values.join(", "));
            if let Some(next) = &html.next {
                let _ = writeln!(out, "page = {{ next = {next:?} }}");
                out.push_str("\n[source.paging]\nkind = \"next_link\"\npath = \"next\"\n");
            }
        }
        if let Some(path) = &proposal.records {
            let _ = writeln!(out, "\n[records]\npath = {path:?}");
        }
        let _ = writeln!(out, "\n{CONFIRM}\n[fields]");
        for guess in &proposal.guesses {
            let _ = writeln!(out, "{}", guess.line());
        }
        out
    }
}

/// A field beyond those of the file's preset.
pub(super) fn add_field(file: &mut String, guess: &Guess) {
    if !file.contains(CONFIRM) {
        let _ = writeln!(file, "\n{CONFIRM}\n[fields]");
    }
    let _ = writeln!(file, "{}", guess.line());
}

fn secret(key: &str, out: &mut String) {
    let name = key.to_ascii_uppercase();
    let _ = writeln!(out, "{key} = {{ env = \"PASSERELLE_{name}\" }}");
}
