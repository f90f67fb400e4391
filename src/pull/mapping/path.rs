//! The path language of connector files: where a value stands in a record's tree.
//!
//! | form | finds |
//! |---|---|
//! | `lieuTravail.codePostal` | a key in a key |
//! | `locations[].city`, `locations.city` | that key in every element of a list |
//! | `locations[0]`, `locations[-1]` | one element, from the start or from the end |
//! | `fields[name=salary].value` | the elements whose `name` is `salary` (`!=` for the others) |
//! | `@id`, `#text`, `dc:identifier` | an XML attribute, an element's text, a name with its prefix |
//! | `"Date de début"."a.b"` | names with dots, brackets or blanks at their ends |
//! | `.` | the record itself |
//!
//! A list on the way is walked through, so that XML with one `<location>` and with three reads
//! alike. Where an XML element has attributes besides its text, the path means its text.

use crate::pull::said::Said;
use serde_json::Value;
use std::fmt;
use std::str::FromStr;

/// A parsed path; displays as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Each,
    Index(i64),
    Where {
        key: Vec<String>,
        equal: bool,
        value: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is no path: {why}")]
pub struct PathError {
    pub path: String,
    pub why: &'static str,
}

impl PathError {
    /// For an admin.
    pub fn said(&self) -> Said {
        let french = WHY_NOT.iter().find(|(english, _)| *english == self.why);
        let french = french.map_or(self.why, |(_, french)| *french);
        let french = format!("`{}` n'est pas un chemin : {french}", self.path);
        (french, self.to_string()).into()
    }
}

/// What is wrong with a path, in English and French.
const WHY_NOT: [(&str, &str); 7] = [
    (
        "it is empty; `.` is the record itself",
        "il est vide ; `.` est l'offre elle-même",
    ),
    (
        "a name is missing between two dots",
        "il manque un nom entre deux points",
    ),
    ("a bracket is not closed", "un crochet n'est pas fermé"),
    (
        "a dot is missing after a bracket or a quotation mark",
        "il manque un point après un crochet ou un guillemet",
    ),
    (
        "a quotation mark is not closed",
        "un guillemet n'est pas fermé",
    ),
    (
        "a name is missing or has a stray bracket",
        "il manque un nom, ou il contient un crochet de trop",
    ),
    (
        "brackets hold nothing, a number, or key=value",
        "entre crochets : rien, un nombre, ou clé=valeur",
    ),
];

impl Path {
    /// The keys of a path that has nothing but keys.
    pub fn keys(&self) -> Option<Vec<&str>> {
        self.steps
            .iter()
            .map(|step| match step {
                Step::Key(key) => Some(key.as_str()),
                _ => None,
            })
            .collect()
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Every value that the path finds, in document order.
    pub fn select<'v>(&self, root: &'v Value) -> Vec<&'v Value> {
        let mut found = vec![root];
        for step in &self.steps {
            let mut next = Vec::with_capacity(found.len());
            for value in found {
                step.apply(value, &mut next);
            }
            found = next;
            if found.is_empty() {
                break;
            }
        }
        found
    }

    /// The texts of what the path finds; lists are taken apart, empty texts and nulls dropped.
    pub fn texts(&self, root: &Value) -> Vec<String> {
        let mut out = Vec::new();
        for value in self.select(root) {
            push_texts(value, &mut out);
        }
        out
    }

    /// The first text that the path finds.
    pub fn text(&self, root: &Value) -> Option<String> {
        self.texts(root).into_iter().next()
    }

    /// A number that the path finds, written as one or as text.
    pub fn number(&self, root: &Value) -> Option<u64> {
        self.text(root)?.trim().parse().ok()
    }
}

/// The text of a scalar, of an XML element with attributes, or of the members of a list.
fn push_texts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Bool(flag) => out.push(flag.to_string()),
        Value::Number(number) => out.push(number.to_string()),
        Value::String(text) => {
            let text = text.trim();
            if !text.is_empty() {
                out.push(text.to_owned());
            }
        }
        Value::Array(items) => {
            for item in items {
                push_texts(item, out);
            }
        }
        Value::Object(map) => {
            if let Some(text) = map.get("#text") {
                push_texts(text, out);
            }
        }
    }
}

impl Step {
    fn apply<'v>(&self, value: &'v Value, out: &mut Vec<&'v Value>) {
        match (self, value) {
            (Self::Key(key), Value::Object(map)) => out.extend(map.get(key)),
            (Self::Key(_), Value::Array(items)) => {
                for item in items {
                    self.apply(item, out);
                }
            }
            (Self::Each, Value::Array(items)) => out.extend(items),
            // One where a list was expected.
            (Self::Each, Value::Null) => {}
            (Self::Each, single) => out.push(single),
            (Self::Index(index), Value::Array(items)) => out.extend(pick(items, *index)),
            (Self::Index(0 | -1), single) if !single.is_null() => out.push(single),
            (Self::Where { .. }, Value::Array(items)) => {
                out.extend(items.iter().filter(|item| self.holds(item)));
            }
            (Self::Where { .. }, single) if self.holds(single) => out.push(single),
            _ => {}
        }
    }

    fn holds(&self, item: &Value) -> bool {
        let Self::Where { key, equal, value } = self else {
            return false;
        };
        let mut at = item;
        for name in key {
            match at.get(name) {
                Some(next) => at = next,
                None => return !equal,
            }
        }
        let mut texts = Vec::new();
        push_texts(at, &mut texts);
        texts.iter().any(|text| text == value) == *equal
    }
}

fn pick(items: &[Value], index: i64) -> Option<&Value> {
    let index = if index < 0 {
        index.checked_add(i64::try_from(items.len()).ok()?)?
    } else {
        index
    };
    items.get(usize::try_from(index).ok()?)
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let fail = |why| PathError {
            path: text.to_owned(),
            why,
        };
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(fail("it is empty; `.` is the record itself"));
        }
        if trimmed == "." {
            return Ok(Self {
                text: trimmed.to_owned(),
                steps: Vec::new(),
            });
        }
        let mut steps = Vec::new();
        let mut rest = trimmed;
        loop {
            rest = match rest.as_bytes().first() {
                None | Some(b'.') => return Err(fail("a name is missing between two dots")),
                Some(b'[') if steps.is_empty() => rest,
                _ => {
                    let (key, after) = take_key(rest).map_err(fail)?;
                    steps.push(Step::Key(key));
                    after
                }
            };
            while let Some(inside) = rest.strip_prefix('[') {
                let (content, after) = inside
                    .split_once(']')
                    .ok_or_else(|| fail("a bracket is not closed"))?;
                steps.push(bracket(content).map_err(fail)?);
                rest = after;
            }
            if rest.is_empty() {
                break;
            }
            rest = rest
                .strip_prefix('.')
                .ok_or_else(|| fail("a dot is missing after a bracket or a quotation mark"))?;
        }
        Ok(Self {
            text: trimmed.to_owned(),
            steps,
        })
    }
}

fn take_key(text: &str) -> Result<(String, &str), &'static str> {
    if let Some(inside) = text.strip_prefix('"') {
        let (key, after) = inside
            .split_once('"')
            .ok_or("a quotation mark is not closed")?;
        return Ok((key.to_owned(), after));
    }
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let key = text[..end].trim();
    if key.is_empty() || key.contains(']') {
        return Err("a name is missing or has a stray bracket");
    }
    Ok((key.to_owned(), &text[end..]))
}

fn bracket(content: &str) -> Result<Step, &'static str> {
    let content = content.trim();
    if content.is_empty() || content == "*" {
        return Ok(Step::Each);
    }
    if let Ok(index) = content.parse() {
        return Ok(Step::Index(index));
    }
    let (key, equal, value) = if let Some((key, value)) = content.split_once("!=") {
        (key, false, value)
    } else if let Some((key, value)) = content.split_once('=') {
        (key, true, value.strip_prefix('=').unwrap_or(value))
    } else {
        return Err("brackets hold nothing, a number, or key=value");
    };
    let value = value.trim();
    let bare = value
        .strip_prefix(['"', '\''])
        .and_then(|v| v.strip_suffix(['"', '\'']))
        .unwrap_or(value);
    Ok(Step::Where {
        key: key.trim().split('.').map(str::to_owned).collect(),
        equal,
        value: bare.to_owned(),
    })
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(path: &str, value: &Value) -> Vec<String> {
        path.parse::<Path>().expect("a path").texts(value)
    }

    #[test]
    fn finds_what_it_names() {
        let tree = json!({
            "id": 7, "empty": " ", "none": null, "flag": true,
            "place": {"city": "Vesoul", "@code": "70550"},
            "places": [{"city": "Vesoul", "kind": "main"}, {"city": "Lure"}],
            "contract": {"#text": " CDI ", "@id": "1"},
            "tags": ["a", "", "b"],
            "Date de début": "x", "a.b": {"c": "y"},
        });
        for (path, expected) in [
            ("id", vec!["7"]),
            ("flag", vec!["true"]),
            ("empty", vec![]),
            ("none", vec![]),
            ("place.city", vec!["Vesoul"]),
            ("place.@code", vec!["70550"]),
            ("places.city", vec!["Vesoul", "Lure"]),
            ("places[].city", vec!["Vesoul", "Lure"]),
            ("places[-1].city", vec!["Lure"]),
            ("places[5].city", vec![]),
            ("places[kind=main].city", vec!["Vesoul"]),
            ("places[kind!=main].city", vec!["Lure"]),
            ("place[].city", vec!["Vesoul"]),
            ("place[0].city", vec!["Vesoul"]),
            ("contract", vec!["CDI"]),
            ("contract.@id", vec!["1"]),
            ("tags", vec!["a", "b"]),
            ("Date de début", vec!["x"]),
            ("\"a.b\".c", vec!["y"]),
            ("nothing.at.all", vec![]),
        ] {
            assert_eq!(texts(path, &tree), expected, "{path}");
        }
        assert_eq!(texts(".", &json!("z")), vec!["z"]);
        assert_eq!(texts("[1]", &json!(["u", "v"])), vec!["v"]);
    }

    #[test]
    fn malformed_paths_are_refused() {
        for path in ["", "a..b", "a[", "a[x]", "\"a", "a]b", "a.", "a[0]b"] {
            assert!(path.parse::<Path>().is_err(), "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,40}") {
            if let Ok(path) = text.parse::<Path>() {
                path.texts(&json!({"a": [1, {"b": 2}]}));
            }
        }
    }
}
