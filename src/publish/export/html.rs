//! Descriptions with no more markup than a board accepts.

use ego_tree::iter::Edge;
use scraper::{Html, Node};

/// Elements whose text is no text of the offer.
const SILENT: &[&str] = &[
    "script", "style", "template", "head", "title", "noscript", "iframe", "object", "svg", "math",
];
/// Elements that stand on lines of their own.
const BLOCKS: &[&str] = &[
    "p",
    "div",
    "section",
    "article",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "table",
    "tr",
    "blockquote",
    "header",
    "footer",
    "dl",
    "dd",
    "dt",
    "figure",
    "pre",
];

/// `html` with only the elements in `allowed`, without attributes. What is not allowed becomes what
/// comes nearest: headings a bold paragraph, ordered lists unordered ones, links their text and
/// address; the rest its text. With `plain_text`, texts stand without character references wherever
/// they are read the same so.
pub fn reduce(html: &str, allowed: &[String], plain_text: bool) -> String {
    let has = |name: &str| allowed.iter().any(|own| own == name);
    let parsed = Html::parse_fragment(html);
    let mut out = String::with_capacity(html.len());
    let mut silent = 0usize;
    // Closing tags of the open elements; empty where the element itself was left out.
    let mut open: Vec<String> = Vec::new();
    for edge in parsed.tree.root().traverse() {
        match edge {
            Edge::Open(node) => match node.value() {
                Node::Text(text) if silent == 0 => match plain_text && reads_the_same(text) {
                    true => out.push_str(text),
                    false => escape(&mut out, text),
                },
                Node::Element(element) => {
                    let name = element.name();
                    if SILENT.contains(&name) {
                        silent += 1;
                    }
                    let (before, after) = if silent > 0 {
                        (String::new(), String::new())
                    } else {
                        frame(name, element.attr("href"), &has)
                    };
                    out.push_str(&before);
                    open.push(after);
                }
                _ => {}
            },
            Edge::Close(node) => {
                if let Node::Element(element) = node.value() {
                    if SILENT.contains(&element.name()) {
                        silent -= 1;
                    }
                    out.push_str(&open.pop().unwrap_or_default());
                }
            }
        }
    }
    let empty = if has("p") { "<p></p>" } else { "\u{0}" };
    out.replace(empty, "").trim().to_owned()
}

/// What an element becomes: the text before and after its content.
fn frame(name: &str, href: Option<&str>, has: &impl Fn(&str) -> bool) -> (String, String) {
    let tag = |name: &str| (format!("<{name}>"), format!("</{name}>"));
    let heading =
        name.len() == 2 && name.starts_with('h') && matches!(name.as_bytes()[1], b'1'..=b'6');
    if has(name) {
        return if matches!(name, "br" | "hr") {
            (format!("<{name}>"), String::new())
        } else {
            tag(name)
        };
    }
    match name {
        _ if heading && has("p") && has("strong") => ("<p><strong>".into(), "</strong></p>".into()),
        "ol" if has("ul") => tag("ul"),
        "b" if has("strong") => tag("strong"),
        "strong" if has("b") => tag("b"),
        "i" if has("em") => tag("em"),
        "em" if has("i") => tag("i"),
        "div" | "section" | "article" | "blockquote" | "tr" | "dd" | "dt" | "pre" if has("p") => {
            tag("p")
        }
        "a" => match href.filter(|h| h.starts_with("https://") || h.starts_with("http://")) {
            Some(href) => {
                let mut after = String::from(" (");
                escape(&mut after, href);
                after.push(')');
                (String::new(), after)
            }
            None => (String::new(), String::new()),
        },
        "br" => ("\n".into(), String::new()),
        "li" if !has("ul") => ("- ".into(), "\n".into()),
        "td" | "th" => (String::new(), " ".into()),
        _ if BLOCKS.contains(&name) && has("br") => (String::new(), "<br>".into()),
        _ if BLOCKS.contains(&name) => (String::new(), "\n".into()),
        _ => (String::new(), String::new()),
    }
}

/// Whether a browser reads `text` as itself, written as it is: "R & D" and "< 3", not "<b" or "&lt".
fn reads_the_same(text: &str) -> bool {
    // What follows may belong to it.
    let open = text.trim_end().ends_with(['&', '<']);
    let risky = text.contains(['&', '<']);
    !open && (!risky || plain_of(text) == text)
}

fn plain_of(html: &str) -> String {
    Html::parse_fragment(html).root_element().text().collect()
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
}

/// The text of a piece of HTML, its tags dropped and its entities read.
pub fn plain(html: &str) -> String {
    Html::parse_fragment(html)
        .root_element()
        .text()
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINKEDIN: [&str; 9] = ["b", "strong", "u", "i", "br", "p", "ul", "li", "em"];

    fn linkedin(html: &str) -> String {
        reduce(html, &LINKEDIN.map(str::to_owned), false)
    }

    #[test]
    fn boards_that_want_no_references_get_none_that_they_can_do_without() {
        let allowed = ["p".to_owned()];
        for (html, expected) in [
            (
                "<p>R &amp; D, l&#39;&eacute;t&eacute; &quot;ici&quot;</p>",
                "<p>R & D, l'été \"ici\"</p>",
            ),
            ("<p>a &lt; 3 &gt; b</p>", "<p>a < 3 > b</p>"),
            // These would be read as something else.
            (
                "<p>&lt;b&gt;gras&lt;/b&gt;</p>",
                "<p>&lt;b&gt;gras&lt;/b&gt;</p>",
            ),
            ("<p>&amp;lt; &amp;copy</p>", "<p>&amp;lt; &amp;copy</p>"),
            ("<p>fin &amp;</p>", "<p>fin &amp;</p>"),
        ] {
            assert_eq!(reduce(html, &allowed, true), expected);
        }
    }

    #[test]
    fn what_linkedin_does_not_know_becomes_what_it_knows() {
        assert_eq!(
            linkedin(
                "<h2>Missions</h2><ol><li>Soins <a href=\"https://a.example/x?a=1&amp;b=2\">ici</a></li></ol><div onclick=x>R&eacute;gion &lt;3</div><script>alert(1)</script><p></p>"
            ),
            "<p><strong>Missions</strong></p><ul><li>Soins ici (https://a.example/x?a=1&amp;b=2)</li></ul><p>Région &lt;3</p>"
        );
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = "<div>".repeat(4_000) + "fond";
        assert!(linkedin(&deep).contains("fond"));
    }

    #[test]
    fn without_markup_lines_remain() {
        assert_eq!(
            reduce("<p>Un</p><ul><li>a</li><li>b</li></ul>", &[], false),
            "Un\n- a\n- b"
        );
    }
}
