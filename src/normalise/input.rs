//! What every subject reads: the draft and its texts, folded and searched once.

use super::fold::fold;
use super::phrases::{self, Hit, Topic};
use crate::model::{Draft, Field, Raw};

pub struct Input<'a> {
    pub draft: &'a Draft,
    /// The title on one line, before noise is removed.
    pub title: String,
    pub title_folded: String,
    /// The description as plain text.
    pub text: &'a str,
    pub text_folded: String,
    pub title_hits: Vec<Hit>,
    pub hits: Vec<Hit>,
}

impl<'a> Input<'a> {
    pub fn new(draft: &'a Draft, title: String, text: &'a str) -> Self {
        let title_folded = fold(&title);
        let text_folded = fold(text);
        Self {
            draft,
            title_hits: phrases::find(&title_folded),
            hits: phrases::find(&text_folded),
            title,
            title_folded,
            text,
            text_folded,
        }
    }

    /// A mapped field that says something.
    pub fn raw(&self, field: Field) -> Option<&'a Raw> {
        self.draft
            .get(field)
            .filter(|raw| !raw.value().trim().is_empty())
    }

    /// Undenied phrases of a topic in the description.
    pub fn text_hits(&self, topic: Topic) -> impl Iterator<Item = &Hit> {
        self.hits
            .iter()
            .filter(move |hit| hit.phrase.topic == topic && !hit.negated)
    }

    /// Undenied phrases of a topic in the title.
    pub fn title_hits(&self, topic: Topic) -> impl Iterator<Item = &Hit> {
        self.title_hits
            .iter()
            .filter(move |hit| hit.phrase.topic == topic && !hit.negated)
    }

    /// The words of the description at a range of its folded form.
    pub fn excerpt(&self, range: std::ops::Range<usize>) -> &str {
        super::fold::excerpt(self.text, range)
    }
}

/// A whole number or decimal, with a comma or a point.
pub fn decimal(text: &str) -> Option<f64> {
    let value: f64 = text.trim().replace(',', ".").parse().ok()?;
    (value.is_finite() && value >= 0.0).then_some(value)
}

/// Two decimals are enough for hours, shares and money.
pub fn cents(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
