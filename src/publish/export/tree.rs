//! The tree that the lines of a profile make, and its forms: XML, JSON, CSV.

use minijinja::Value;

/// One element.
#[derive(Debug, Default)]
pub struct Node {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Node>,
    value: Option<Value>,
}

impl Node {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Puts `value` at `path` (`a/b`, `a/@b`, `@b`, `.` for itself); a list repeats the last element. Elements on
    /// the way are shared with the line before.
    pub fn put(&mut self, path: &str, value: Value) {
        if path == "." {
            self.value = Some(value);
            return;
        }
        let (first, rest) = match path.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (path, None),
        };
        if let Some(attribute) = first.strip_prefix('@') {
            self.attributes.push((attribute.into(), text(&value)));
            return;
        }
        let Some(rest) = rest else {
            let values: Vec<Value> = match value.kind() {
                minijinja::value::ValueKind::Seq | minijinja::value::ValueKind::Iterable => {
                    value.try_iter().map(Iterator::collect).unwrap_or_default()
                }
                _ => vec![value],
            };
            for value in values {
                // An element that only had attributes or children so far takes its text.
                match self.children.last_mut() {
                    Some(last)
                        if last.name == first
                            && last.value.is_none()
                            && last.children.is_empty() =>
                    {
                        last.value = Some(value);
                    }
                    _ => self.children.push(Self {
                        value: Some(value),
                        ..Self::new(first)
                    }),
                }
            }
            return;
        };
        if self.children.last().is_none_or(|last| last.name != first) {
            self.children.push(Self::new(first));
        }
        if let Some(last) = self.children.last_mut() {
            last.put(rest, value);
        }
    }

    /// Writes the element, indented by `depth` steps.
    pub fn xml(&self, out: &mut String, depth: usize, cdata: bool) {
        let indent = "  ".repeat(depth);
        out.push_str(&indent);
        out.push('<');
        out.push_str(&self.name);
        for (name, value) in &self.attributes {
            out.push_str(&format!(" {name}=\""));
            escape(out, value);
            out.push('"');
        }
        if let Some(value) = &self.value {
            out.push('>');
            let text = text(value);
            if cdata && value.as_str().is_some() {
                out.push_str("<![CDATA[");
                out.push_str(&legal(&text).replace("]]>", "]]]]><![CDATA[>"));
                out.push_str("]]>");
            } else {
                escape(out, &text);
            }
        } else if self.children.is_empty() {
            out.push_str("/>\n");
            return;
        } else {
            out.push_str(">\n");
            for child in &self.children {
                child.xml(out, depth + 1, cdata);
            }
            out.push_str(&indent);
        }
        out.push_str(&format!("</{}>\n", self.name));
    }

    /// The element's content as JSON: repeated children become an array.
    pub fn json(&self) -> serde_json::Value {
        if let Some(value) = &self.value {
            return serde_json::to_value(value).unwrap_or_default();
        }
        let mut map = serde_json::Map::new();
        for (name, value) in &self.attributes {
            map.insert(format!("@{name}"), value.clone().into());
        }
        for child in &self.children {
            let value = child.json();
            match map.get_mut(&child.name) {
                None => {
                    map.insert(child.name.clone(), value);
                }
                Some(serde_json::Value::Array(list)) => list.push(value),
                Some(other) => *other = serde_json::Value::Array(vec![other.take(), value]),
            }
        }
        serde_json::Value::Object(map)
    }
}

/// A value as text: numbers without a needless fraction, lists joined by commas.
pub fn text(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return text.to_owned();
    }
    match value.kind() {
        minijinja::value::ValueKind::Seq | minijinja::value::ValueKind::Iterable => value
            .try_iter()
            .map(|items| items.map(|item| text(&item)).collect::<Vec<_>>().join(", "))
            .unwrap_or_default(),
        minijinja::value::ValueKind::Number => match f64::try_from(value.clone()) {
            Ok(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
            Ok(number) => number.to_string(),
            Err(_) => value.to_string(),
        },
        _ => value.to_string(),
    }
}

/// `text` without the characters that XML 1.0 cannot hold.
pub fn legal(text: &str) -> String {
    text.chars()
        .filter(|c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..))
        .collect()
}

/// Writes `text` escaped for XML, in elements and attributes alike.
pub fn escape(out: &mut String, text: &str) {
    for c in legal(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_make_a_tree() {
        let mut job = Node::new("job");
        job.put("@id", Value::from(7));
        job.put("salary/min", Value::from(2300.0));
        job.put("salary/max", Value::from(2600.5));
        job.put("code", Value::from(vec!["a", "b"]));
        job.put("text", Value::from("x]]>y\u{0}<"));
        let mut xml = String::new();
        job.xml(&mut xml, 0, true);
        insta::assert_snapshot!(xml, @r#"
        <job id="7">
          <salary>
            <min>2300</min>
            <max>2600.5</max>
          </salary>
          <code><![CDATA[a]]></code>
          <code><![CDATA[b]]></code>
          <text><![CDATA[x]]]]><![CDATA[>y<]]></text>
        </job>
        "#);
        assert_eq!(job.json()["code"], serde_json::json!(["a", "b"]));
    }
}
