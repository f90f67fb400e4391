//! How a vacancy lies in the index.

use super::Dimension;
use crate::{
    model::{Place, Vacancy, VacancyId},
    publish::{labels, territory, text},
};
use std::collections::BTreeSet;
use tantivy::{
    TantivyDocument,
    schema::{
        BytesOptions, FAST, Field, INDEXED, IndexRecordOption, NumericOptions, STORED, Schema,
        SchemaBuilder, TextFieldIndexing, TextOptions,
    },
    tokenizer::{RawTokenizer, TokenizerManager, WhitespaceTokenizer},
};

/// Grows with every change of what a document holds that the schema itself does not show.
const FORM: u32 = 2;
/// Characters of a title that its place in the alphabet depends on: cursors carry them.
const TITLE_KEY: usize = 60;
/// Characters of a word; a longer one is no word.
const LONGEST_WORD: usize = 60;
/// The words come stemmed, apart by blanks.
const READY: &str = "ready";
const WHOLE: &str = "whole";

/// Columns are opened by name.
pub mod column {
    pub const ID_HIGH: &str = "id_high";
    pub const ID_LOW: &str = "id_low";
    pub const LATITUDE: &str = "lat";
    pub const LONGITUDE: &str = "lon";
    pub const PUBLISHED: &str = "published";
    pub const UPDATED: &str = "updated";
    pub const TITLE: &str = "title_key";
    pub const SLUG: &str = "slug";
}

#[derive(Clone, Copy, Debug)]
pub struct Fields {
    pub id: Field,
    /// Title, occupation, service, shifts.
    pub head: Field,
    pub place: Field,
    pub employer: Field,
    pub text: Field,
    pub rome: Field,
    pub commune: Field,
    /// Squares of a quarter of a degree: what lies near a point is found without looking at all.
    pub cell: Field,
    pub json: Field,
    id_high: Field,
    id_low: Field,
    lat: Field,
    lon: Field,
    published: Field,
    updated: Field,
    title: Field,
    slug: Field,
    dimensions: [Field; Dimension::ALL.len()],
}

pub fn schema() -> (Schema, Fields) {
    let mut build = SchemaBuilder::new();
    let indexed = |tokenizer| {
        TextOptions::default().set_indexing_options(
            TextFieldIndexing::default()
                .set_tokenizer(tokenizer)
                .set_index_option(IndexRecordOption::Basic)
                .set_fieldnorms(false),
        )
    };
    let number = || NumericOptions::from(FAST);
    let column = || TextOptions::default().set_fast(WHOLE);
    let fields = Fields {
        id: build.add_bytes_field("id", BytesOptions::from(INDEXED)),
        head: build.add_text_field("head", indexed(READY)),
        place: build.add_text_field("place", indexed(READY)),
        employer: build.add_text_field("employer", indexed(READY)),
        text: build.add_text_field("text", indexed(READY)),
        rome: build.add_text_field("rome", indexed(WHOLE)),
        commune: build.add_text_field("commune", indexed(WHOLE)),
        cell: build.add_u64_field("cell", INDEXED),
        json: build.add_bytes_field("json", BytesOptions::from(STORED)),
        id_high: build.add_u64_field(column::ID_HIGH, number()),
        id_low: build.add_u64_field(column::ID_LOW, number()),
        lat: build.add_f64_field(column::LATITUDE, number()),
        lon: build.add_f64_field(column::LONGITUDE, number()),
        published: build.add_i64_field(column::PUBLISHED, number()),
        updated: build.add_i64_field(column::UPDATED, number()),
        title: build.add_text_field(column::TITLE, column()),
        slug: build.add_text_field(column::SLUG, column()),
        dimensions: Dimension::ALL
            .map(|dimension| build.add_text_field(dimension.name(), column())),
    };
    (build.build(), fields)
}

pub fn tokenizers() -> TokenizerManager {
    let manager = TokenizerManager::default();
    manager.register(READY, WhitespaceTokenizer::default());
    manager.register(WHOLE, RawTokenizer::default());
    manager
}

/// Changes with whatever makes an index of an older program useless.
pub fn fingerprint() -> String {
    let (schema, _) = schema();
    let schema = serde_json::to_string(&schema).unwrap_or_default();
    let hash = blake3::hash(format!("{FORM} {} {schema}", tantivy::version_string()).as_bytes());
    hash.to_hex()[..16].to_owned()
}

/// The square of a quarter of a degree in which a point lies.
pub fn cell((lat, lon): (f64, f64)) -> u64 {
    row(lat) * 1440 + line(lon)
}

/// Squares that touch the box; `None` where they are too many to be of use.
pub fn cells(south: f64, north: f64, west: f64, east: f64) -> Option<Vec<u64>> {
    let (rows, lines) = (row(south)..=row(north), line(west)..=line(east));
    let many = rows.clone().count() * lines.clone().count();
    (many <= 500).then(|| {
        rows.flat_map(|row| lines.clone().map(move |line| row * 1440 + line))
            .collect()
    })
}

fn row(lat: f64) -> u64 {
    ((lat.clamp(-90.0, 90.0) + 90.0) * 4.0) as u64
}

fn line(lon: f64) -> u64 {
    ((lon.clamp(-180.0, 180.0) + 180.0) * 4.0) as u64
}

pub fn title_key(title: &str) -> String {
    text::fold(title).chars().take(TITLE_KEY).collect()
}

/// Whether a stem may stand in the index.
pub fn is_word(stem: &str) -> bool {
    stem.chars().count() <= LONGEST_WORD
}

impl Fields {
    pub fn document(&self, body: &[u8], vacancy: &Vacancy) -> TantivyDocument {
        let mut doc = TantivyDocument::new();
        let offer = &vacancy.offer;
        doc.add_bytes(self.id, vacancy.id.0.as_bytes());
        let (high, low) = vacancy.id.0.as_u64_pair();
        doc.add_u64(self.id_high, high);
        doc.add_u64(self.id_low, low);
        doc.add_bytes(self.json, body);
        self.words(&mut doc, vacancy);
        if let Some(occupation) = &offer.occupation {
            let codes: BTreeSet<_> = [&occupation.rome, &occupation.rome_v3]
                .into_iter()
                .flatten()
                .collect();
            for code in codes {
                doc.add_text(self.rome, code);
            }
        }
        let mut cells = BTreeSet::new();
        let mut communes = BTreeSet::new();
        for place in &offer.places {
            let own = place.insee.as_deref();
            communes.extend(own);
            communes.extend(own.and_then(whole_city));
            if let Some(point) = point(place) {
                doc.add_f64(self.lat, point.0);
                doc.add_f64(self.lon, point.1);
                cells.insert(cell(point));
            }
        }
        for commune in communes {
            doc.add_text(self.commune, commune);
        }
        for cell in cells {
            doc.add_u64(self.cell, cell);
        }
        if let Some(at) = offer.published {
            doc.add_i64(self.published, at.as_microsecond());
        }
        if let Some(at) = super::updated(vacancy) {
            doc.add_i64(self.updated, at.as_microsecond());
        }
        doc.add_text(self.title, title_key(&offer.title));
        doc.add_text(self.slug, crate::publish::portal::offer_slug(vacancy));
        for (dimension, field) in Dimension::ALL.iter().zip(self.dimensions) {
            for word in dimension.words(vacancy) {
                doc.add_text(field, word);
            }
        }
        doc
    }

    /// The stems under which the vacancy is found, by the part of the offer that they stand in.
    fn words(&self, doc: &mut TantivyDocument, vacancy: &Vacancy) {
        let offer = &vacancy.offer;
        let occupation = offer.occupation.as_ref();
        let mut head = Words::default();
        for text in [
            Some(offer.title.as_str()),
            offer.title_canonical.as_deref(),
            occupation.and_then(|o| o.label.as_deref()),
            offer.service.as_deref(),
        ] {
            head.add(text, true);
        }
        for shift in offer.working_time.iter().flat_map(|w| &w.shifts) {
            head.add(Some(labels::shift(*shift)), false);
        }
        let mut place = Words::default();
        for own in &offer.places {
            let department = own.department.as_deref();
            for name in [
                own.name.as_deref(),
                own.postal_code.as_deref(),
                department,
                department.and_then(territory::department),
            ] {
                place.add(name, false);
            }
        }
        let mut employer = Words::default();
        if let Some(own) = &offer.employer {
            employer.add(own.name.as_deref(), true);
            employer.add(own.establishment.as_deref(), true);
        }
        let mut body = Words::default();
        body.add(offer.description.as_ref().map(|d| d.text.as_str()), true);
        for diploma in &offer.diplomas {
            body.add(Some(diploma), true);
        }
        for (field, words) in [
            (self.head, head),
            (self.place, place),
            (self.employer, employer),
            (self.text, body),
        ] {
            if !words.0.is_empty() {
                doc.add_text(field, words.0.into_iter().collect::<Vec<_>>().join(" "));
            }
        }
    }
}

#[derive(Default)]
struct Words(BTreeSet<String>);

impl Words {
    fn add(&mut self, text: Option<&str>, expand: bool) {
        let terms = text::index_terms(text.unwrap_or_default(), expand);
        self.0
            .extend(terms.into_iter().filter(|term| is_word(term)));
    }
}

/// The commune of which `own` is a district (Paris, Lyon, Marseille).
pub fn whole_city(own: &str) -> Option<&'static str> {
    [("751", "75056"), ("6938", "69123"), ("132", "13055")]
        .into_iter()
        .find(|(start, _)| own.len() == 5 && own.starts_with(start))
        .map(|(_, city)| city)
}

/// Where a place is: its own point, else the middle of its commune.
pub fn point(place: &Place) -> Option<(f64, f64)> {
    let own = place.lat.zip(place.lon);
    own.or_else(|| territory::centre(place.insee.as_deref()?))
}

/// An id from its two columns.
pub fn id(high: u64, low: u64) -> VacancyId {
    VacancyId(uuid::Uuid::from_u64_pair(high, low))
}
