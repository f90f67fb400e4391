//! What is done with each vacancy that the words found: filters, counts, order. Read from columns,
//! so that no vacancy is looked at whole that is not on the page.

use super::{
    Area, Dimension, Facets, Filter, Key, Mark, Search, Sort,
    schema::{self, column},
};
use crate::publish::territory;
use std::{collections::BinaryHeap, io};
use tantivy::{
    DocAddress, DocId, Score, SegmentOrdinal, SegmentReader,
    collector::{Collector, SegmentCollector},
    columnar::{Column, StrColumn},
    fastfield::FastFieldReaders,
};

/// What a search found: all that matched, the counts, and the page with one more.
pub struct Found {
    pub total: usize,
    pub facets: Facets,
    pub hits: Vec<(Mark, DocAddress)>,
}

pub struct Gather<'a> {
    pub search: &'a Search,
}

impl Gather<'_> {
    /// How many of the best are kept: what is skipped, the page, and whether there is a next.
    fn room(&self) -> usize {
        match self.search.limit {
            0 => 0,
            limit => self.search.skip + limit + 1,
        }
    }
}

impl Collector for Gather<'_> {
    type Fruit = Found;
    type Child = Segment;

    fn for_segment(&self, ord: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<Segment> {
        let search = self.search;
        let filter = &search.filter;
        let columns = reader.fast_fields();
        let mut dimensions = Vec::new();
        for dimension in Dimension::ALL {
            let wanted = dimension.wanted(filter);
            let counted = search.facets.contains(&dimension);
            if wanted.is_empty() && !counted {
                continue;
            }
            let values = columns.str(dimension.name())?;
            dimensions.push(Axis {
                dimension,
                wanted: match wanted.is_empty() {
                    true => None,
                    false => Some(ords(values.as_ref(), &wanted)?),
                },
                tally: vec![
                    0;
                    match &values {
                        Some(values) if counted => values.num_terms(),
                        _ => 0,
                    }
                ],
                values,
            });
        }
        // Those that filter come first: a vacancy that two of them refuse is counted nowhere.
        dimensions.sort_by_key(|axis| axis.wanted.is_none());
        let gate = Gate::new(filter, false, columns)?;
        let within = match &filter.within {
            None => None,
            Some(within) => Some(Gate::new(within, true, columns)?),
        };
        let order = match search.sort {
            Sort::Published => Order::Newest(columns.i64(column::PUBLISHED)?),
            Sort::Updated => Order::Newest(columns.i64(column::UPDATED)?),
            Sort::Title => Order::Title(columns.str(column::TITLE)?),
            Sort::Relevance => Order::Relevance,
            Sort::Distance => Order::Distance,
        };
        let after = match &search.after {
            None => None,
            Some(Mark { key, id }) => Some(order.position(key, id.0.as_u128())?),
        };
        Ok(Segment {
            ord,
            room: self.room(),
            ids: (columns.u64(column::ID_HIGH)?, columns.u64(column::ID_LOW)?),
            dimensions,
            gate,
            within,
            order,
            after,
            total: 0,
            best: BinaryHeap::new(),
        })
    }

    fn requires_scoring(&self) -> bool {
        self.search.sort == Sort::Relevance
    }

    fn merge_fruits(&self, segments: Vec<io::Result<Found>>) -> tantivy::Result<Found> {
        let mut whole = Found {
            total: 0,
            facets: Facets::default(),
            hits: Vec::new(),
        };
        for dimension in self.search.facets {
            whole.facets.tally(*dimension);
        }
        for segment in segments {
            let segment = segment?;
            whole.total += segment.total;
            whole.hits.extend(segment.hits);
            for dimension in self.search.facets {
                for (word, count) in segment.facets.of(*dimension) {
                    *whole
                        .facets
                        .tally(*dimension)
                        .entry(word.clone())
                        .or_default() += count;
                }
            }
        }
        whole.hits.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        whole.hits.truncate(self.room());
        Ok(whole)
    }
}

/// The numbers that `words` have in a column; words that it does not hold have none.
fn ords(values: Option<&StrColumn>, words: &[String]) -> io::Result<Vec<u64>> {
    let mut ords = Vec::new();
    if let Some(values) = values {
        for word in words {
            ords.extend(values.dictionary().term_ord(word)?);
        }
    }
    Ok(ords)
}

/// One dimension in one segment.
struct Axis {
    dimension: Dimension,
    values: Option<StrColumn>,
    wanted: Option<Vec<u64>>,
    tally: Vec<u32>,
}

impl Axis {
    fn words(&self, doc: DocId) -> impl Iterator<Item = u64> + '_ {
        self.values.iter().flat_map(move |v| v.term_ords(doc))
    }

    fn passes(&self, doc: DocId) -> bool {
        match &self.wanted {
            None => true,
            Some(wanted) => self.words(doc).any(|ord| wanted.contains(&ord)),
        }
    }

    fn count(&mut self, doc: DocId) {
        if self.tally.is_empty() {
            return;
        }
        for ord in self.values.iter().flat_map(|v| v.term_ords(doc)) {
            if let Some(count) = self.tally.get_mut(ord as usize) {
                *count += 1;
            }
        }
    }
}

struct Circle {
    area: Area,
    lat: Column<f64>,
    lon: Column<f64>,
}

impl Circle {
    /// Kilometres from the centre to the vacancy's nearest place, where it is within.
    fn distance(&self, doc: DocId) -> Option<f64> {
        let places = self
            .lat
            .values_for_doc(doc)
            .zip(self.lon.values_for_doc(doc));
        places
            .map(|place| territory::distance(self.area.centre, place))
            .min_by(f64::total_cmp)
            .filter(|km| *km <= self.area.km)
    }
}

/// What a vacancy must satisfy to be counted at all.
struct Gate {
    /// Columns, and the numbers of the words of which it must have one.
    words: Vec<(Option<StrColumn>, Vec<u64>)>,
    circle: Option<Circle>,
    since: Option<(Column<i64>, i64)>,
}

impl Gate {
    /// Of `filter` what is no dimension; with `whole`, the dimensions too.
    fn new(filter: &Filter, whole: bool, columns: &FastFieldReaders) -> tantivy::Result<Self> {
        let mut asked = vec![(Dimension::Department, filter.areas.clone())];
        if whole {
            asked.extend(Dimension::ALL.map(|dimension| (dimension, dimension.wanted(filter))));
        }
        let mut words = Vec::new();
        for (dimension, wanted) in asked.into_iter().filter(|(_, wanted)| !wanted.is_empty()) {
            let values = columns.str(dimension.name())?;
            let wanted = ords(values.as_ref(), &wanted)?;
            words.push((values, wanted));
        }
        Ok(Self {
            words,
            circle: match filter.area {
                None => None,
                Some(area) => Some(Circle {
                    area,
                    lat: columns.f64(column::LATITUDE)?,
                    lon: columns.f64(column::LONGITUDE)?,
                }),
            },
            since: match filter.since {
                None => None,
                Some(since) => Some((columns.i64(column::UPDATED)?, since.as_microsecond())),
            },
        })
    }

    /// Whether `doc` passes, with its distance where an area is asked for.
    fn admits(&self, doc: DocId) -> Option<Option<f64>> {
        if let Some((updated, since)) = &self.since
            && updated.first(doc).is_none_or(|at| at < *since)
        {
            return None;
        }
        for (values, wanted) in &self.words {
            let mut own = values.iter().flat_map(|v| v.term_ords(doc));
            if !own.any(|ord| wanted.contains(&ord)) {
                return None;
            }
        }
        match &self.circle {
            None => Some(None),
            Some(circle) => circle.distance(doc).map(Some),
        }
    }
}

/// Keys of a segment: ascending numbers, of titles their place in the segment's alphabet.
enum Order {
    Newest(Column<i64>),
    Title(Option<StrColumn>),
    Relevance,
    Distance,
}

impl Order {
    fn key(&self, doc: DocId, score: Score, distance: Option<f64>) -> i64 {
        match self {
            Self::Newest(column) => column.first(doc).map_or(i64::MAX, |at| -at),
            Self::Title(column) => column
                .as_ref()
                .and_then(|column| column.ords().first(doc))
                .map_or(i64::MAX, |ord| ord as i64),
            Self::Relevance => -(score as i64),
            // Metres: what is nearer than one another is a matter of houses.
            Self::Distance => distance.map_or(i64::MAX, |km| (km * 1000.0) as i64),
        }
    }

    /// Where a mark of another page stands in this segment.
    fn position(&self, key: &Key, id: u128) -> io::Result<(i64, u128)> {
        Ok(match (self, key) {
            (_, Key::Number(number)) => (*number, id),
            (Self::Title(Some(column)), Key::Text(text)) => {
                let dictionary = column.dictionary();
                match dictionary.term_ord(text)? {
                    Some(ord) => (ord as i64, id),
                    // All that is smaller lies before it.
                    None => {
                        let smaller = smaller(column, text)?;
                        (smaller as i64 - 1, u128::MAX)
                    }
                }
            }
            (_, Key::Text(_)) => (i64::MIN, 0),
        })
    }

    fn public(&self, key: i64) -> io::Result<Key> {
        match self {
            Self::Title(Some(column)) if key != i64::MAX => {
                let mut text = String::new();
                column.ord_to_str(key as u64, &mut text)?;
                Ok(Key::Text(text))
            }
            _ => Ok(Key::Number(key)),
        }
    }
}

/// How many words of a column come before `text`.
fn smaller(column: &StrColumn, text: &str) -> io::Result<u64> {
    let mut ord = String::new();
    let (mut low, mut high) = (0, column.num_terms() as u64);
    while low < high {
        let middle = low + (high - low) / 2;
        ord.clear();
        column.ord_to_str(middle, &mut ord)?;
        if ord.as_str() < text {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

pub struct Segment {
    ord: SegmentOrdinal,
    room: usize,
    ids: (Column<u64>, Column<u64>),
    dimensions: Vec<Axis>,
    gate: Gate,
    within: Option<Gate>,
    order: Order,
    after: Option<(i64, u128)>,
    total: usize,
    /// The best so far, the worst of them on top.
    best: BinaryHeap<(i64, u128, DocId)>,
}

impl Segment {
    fn id(&self, doc: DocId) -> u128 {
        let (high, low) = (self.ids.0.first(doc), self.ids.1.first(doc));
        (u128::from(high.unwrap_or(0)) << 64) | u128::from(low.unwrap_or(0))
    }

    fn rank(&mut self, doc: DocId, score: Score, distance: Option<f64>) {
        if self.room == 0 {
            return;
        }
        let key = self.order.key(doc, score, distance);
        let full = self.best.len() == self.room;
        if full && self.best.peek().is_some_and(|worst| key > worst.0) {
            return;
        }
        let place = (key, self.id(doc), doc);
        if self.after.is_some_and(|after| (key, place.1) <= after) {
            return;
        }
        if full {
            if let Some(mut worst) = self.best.peek_mut()
                && place < *worst
            {
                *worst = place;
            }
        } else {
            self.best.push(place);
        }
    }
}

impl SegmentCollector for Segment {
    type Fruit = io::Result<Found>;

    fn collect(&mut self, doc: DocId, score: Score) {
        let Some(distance) = self.gate.admits(doc) else {
            return;
        };
        if self
            .within
            .as_ref()
            .is_some_and(|gate| gate.admits(doc).is_none())
        {
            return;
        }
        let mut failed = None;
        for (at, axis) in self.dimensions.iter().enumerate() {
            if !axis.passes(doc) && failed.replace(at).is_some() {
                return;
            }
        }
        match failed {
            // As if its own dimension were not filtered.
            Some(at) => self.dimensions[at].count(doc),
            None => {
                self.dimensions.iter_mut().for_each(|axis| axis.count(doc));
                self.total += 1;
                self.rank(doc, score, distance);
            }
        }
    }

    fn harvest(self) -> io::Result<Found> {
        let mut facets = Facets::default();
        for axis in &self.dimensions {
            let Some(values) = &axis.values else {
                continue;
            };
            let tally = facets.tally(axis.dimension);
            for (ord, count) in axis.tally.iter().enumerate().filter(|(_, n)| **n > 0) {
                let mut word = String::new();
                values.ord_to_str(ord as u64, &mut word)?;
                tally.insert(word, *count as usize);
            }
        }
        let mut hits = Vec::with_capacity(self.best.len());
        for (key, id, doc) in self.best {
            let mark = Mark {
                key: self.order.public(key)?,
                id: schema::id((id >> 64) as u64, id as u64),
            };
            hits.push((mark, DocAddress::new(self.ord, doc)));
        }
        Ok(Found {
            total: self.total,
            facets,
            hits,
        })
    }
}
