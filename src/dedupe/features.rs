//! What dedupe knows of a posting: a few hundred numbers, computed once.

mod designator;
mod lists;
mod packed;
mod said;

use super::links;
use super::statistics::STATISTICS;
use super::tables::{
    FACETS, SHIFT_ALTERNATING, SHIFT_DAY, SHIFT_NIGHT, SHIFT_OFFICE, SOURCES, Trust,
};
use super::text::{self, Sketch, Words, distinct};
use crate::model::{
    Contract, ContractForm, Offer, PlacePrecision, Posting, PostingId, Shift, Time,
};
use lists::{Draft, Lists};
pub(super) use said::reference;
use said::{duration_in, hours_in, pay_in, references, start_in, time_in};
use serde::{Deserialize, Serialize};

/// Shingles kept of a text: the smallest hashes, so that two sketches are comparable.
const SHINGLES: usize = 256;
/// Words kept of a text, likewise.
const WORDS: usize = 256;

/// A posting as [`super::compare`] and [`super::block_keys`] see it. Integers only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Features {
    pub id: PostingId,
    pub own: bool,
    pub connector: u64,
    /// The connector and the partners through which it shows the offer.
    pub channel: u64,
    /// Whether an aggregator names a partner through which it has the offer.
    pub partnered: bool,
    pub member: u64,
    pub trust: Trust,
    /// All core words of the title, as one hash.
    pub title: u64,
    /// Number of the trade in the table of names; 0 unknown.
    pub trade: u32,
    /// Shifts that the title names, office hours among them.
    pub title_shift: u8,
    /// Whether the title ends in a number in brackets and says no other: a unit's, or how many are
    /// sought.
    pub bracketed: bool,
    /// Whether the title is an occupation's label, not the employer's words.
    pub labelled: bool,
    /// Bits of the table of levels.
    pub levels: u32,
    /// ROME version 3 code as a hash; 0 unknown.
    pub occupation: u64,
    /// Its first three characters.
    pub occupation_family: u64,
    /// 0 unknown or an intermediary.
    pub employer: u64,
    pub intermediary: bool,
    pub siren: u64,
    pub contract: Option<ContractForm>,
    /// Tenths of a month.
    pub duration: Option<u32>,
    /// Whether the source states it, not just the text.
    pub duration_named: bool,
    pub part_time: Option<bool>,
    /// Whether source or title state it: what text and hours suggest is no statement.
    pub time_named: bool,
    /// Per cent of a full-time equivalent.
    pub share: Option<u32>,
    pub shifts: u8,
    /// Whether title or source name the shift, not just the text.
    pub shift_named: bool,
    /// Services in the title, or named as such.
    pub services: u128,
    /// Whether title or source name one, not just the text.
    pub service_named: bool,
    /// Services anywhere.
    pub mentioned: u128,
    /// Euros a month, full range.
    pub pay: Option<(i64, i64)>,
    /// Days since 1970.
    pub starts: Option<i32>,
    /// The start as the text puts it; 0 unknown.
    pub start_words: u64,
    pub published: Option<i32>,
    pub expires: Option<i32>,
    pub openings: Option<u32>,
    pub requisition: u64,
    /// Three-stem shingles.
    pub shingles: Sketch,
    pub words: Sketch,
    /// Number of words of the text.
    pub length: u32,
    /// Where it is, as far as most pairs are parted by it.
    spot: Spot,
    lists: Lists,
}

/// The one commune of a posting whose source is believed as to places: apart from all else, since
/// most pairs are parted by it, and what is not looked at need not come into the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Spot {
    /// 0 where there are several or none, or the source is not believed.
    commune: u64,
    /// 1e-4 degrees.
    point: Option<(i32, i32)>,
}

impl Features {
    pub fn of(posting: &Posting) -> Self {
        let offer = &posting.offer;
        let partners = offer.origin.iter().flat_map(|o| &o.partners);
        let trust = SOURCES.trust(
            posting.is_own(),
            posting.connector.as_str(),
            partners.filter_map(|p| p.name.as_deref()),
        );
        let body = offer.description.as_ref().map_or("", |d| d.text.as_str());
        let words = Words::of(body);
        let mut lists = Draft {
            hours: hours_in(&words),
            references: references(body),
            ..Draft::default()
        };
        let mut features = Self {
            id: posting.id,
            own: posting.is_own(),
            connector: text::hash(posting.connector.as_str().as_bytes()),
            channel: channel(posting),
            partnered: offer
                .origin
                .as_ref()
                .is_some_and(|o| o.partners.iter().any(|p| p.name.is_some())),
            member: posting
                .member
                .as_ref()
                .map_or(0, |m| text::hash(m.as_str().as_bytes())),
            trust,
            title: 0,
            trade: 0,
            title_shift: 0,
            bracketed: false,
            labelled: false,
            levels: 0,
            occupation: 0,
            occupation_family: 0,
            employer: 0,
            intermediary: false,
            siren: 0,
            contract: None,
            duration: None,
            duration_named: false,
            part_time: None,
            time_named: false,
            share: None,
            shifts: 0,
            shift_named: false,
            services: 0,
            service_named: false,
            mentioned: 0,
            pay: None,
            starts: offer.starts.map(|d| {
                day(d
                    .at(0, 0, 0, 0)
                    .to_zoned(jiff::tz::TimeZone::UTC)
                    .map(|z| z.timestamp())
                    .unwrap_or_default())
            }),
            start_words: start_in(&words),
            published: offer.published.map(day),
            expires: offer.expires.map(day),
            openings: offer.openings,
            requisition: offer.requisition.as_deref().map_or(0, reference),
            shingles: Sketch::default(),
            words: Sketch::default(),
            length: words.len() as u32,
            spot: Spot::default(),
            lists: Lists::default(),
        };
        features.read_text(&words, &mut lists);
        features.read_places(offer, &mut lists);
        features.read_employer(offer, &mut lists);
        features.read_title(offer, &mut lists);
        features.read_terms(posting, &words, &mut lists);
        read_links(offer, &mut lists);
        features.lists = lists.packed();
        if let ([commune], 2..) = (features.communes(), trust.place) {
            features.spot.commune = *commune;
        }
        features
    }

    fn read_text(&mut self, words: &Words, lists: &mut Draft) {
        let hashes: Vec<u64> = words.iter().map(|w| text::hash(w.as_bytes())).collect();
        let stems: Vec<u64> = words.iter().map(text::stem).collect();
        let mut sentence = (u32::MAX, Vec::new());
        let mut sentences = Vec::new();
        for (at, (word, stem)) in words.iter().zip(&stems).enumerate() {
            if words.sentence(at) != sentence.0 {
                close_sentence(&mut sentences, &mut sentence.1);
                sentence.0 = words.sentence(at);
            }
            if word.len() > 3 {
                sentence.1.push(*stem);
            }
        }
        close_sentence(&mut sentences, &mut sentence.1);
        let shingles = text::shingles(words, &stems);
        self.shingles = Sketch::of(shingles, SHINGLES, &STATISTICS.shingles);
        let keys = words.iter().map(text::word_key).collect();
        self.words = Sketch::of(keys, WORDS, &STATISTICS.words);
        lists.sentences = distinct(sentences);
        lists.sentences.truncate(4);
        let mut anchored = 0_u128;
        let mut mentioned = 0_u128;
        FACETS.services.find_hashed(&hashes, &mut |number, at, _| {
            let bit = 1_u128 << number;
            mentioned |= bit;
            let before = |back: usize| {
                at.checked_sub(back)
                    .and_then(|i| words.get(i))
                    .unwrap_or_default()
            };
            let named = before(1) == "pour"
                || (1..=3).any(|back| {
                    matches!(
                        before(back),
                        "service" | "unite" | "pole" | "secteur" | "departement"
                    )
                });
            if named {
                anchored |= bit;
            }
        });
        self.services = anchored;
        self.mentioned = mentioned;
        let (mut night, mut day, mut alternating) = (false, false, false);
        FACETS
            .shifts
            .find_hashed(&hashes, &mut |number, at, length| {
                let before = at
                    .checked_sub(1)
                    .and_then(|i| words.get(i))
                    .unwrap_or_default();
                let after = words.get(at + length).unwrap_or_default();
                match number {
                    0 => alternating = true,
                    // "accueil de jour", "hôpital de jour", "à ce jour" are no shifts.
                    1 if !matches!(before, "accueil" | "hopital" | "foyer") => day = true,
                    // "soignants de nuit" among the colleagues is; "veilleur de nuit" is a trade.
                    2 if after != "et" => night = true,
                    _ => {}
                }
            });
        self.shifts = match (night, day, alternating) {
            (_, _, true) | (true, true, _) => SHIFT_ALTERNATING,
            (true, false, _) => SHIFT_NIGHT,
            (false, true, _) => SHIFT_DAY,
            _ => 0,
        };
    }

    fn read_places(&mut self, offer: &Offer, lists: &mut Draft) {
        for place in &offer.places {
            let precise = matches!(
                place.precision,
                PlacePrecision::Address | PlacePrecision::Commune
            );
            if let Some(insee) = &place.insee {
                let city = whole_city(insee);
                lists.communes.push(text::hash(city.as_bytes()));
                if city != insee {
                    lists.districts.push(text::hash(insee.as_bytes()));
                }
            }
            if let Some(department) = &place.department {
                lists.departments.push(text::hash(department.as_bytes()));
            }
            if precise && let Some(name) = &place.name {
                lists.place_words.extend(town_words(name));
            }
            if precise
                && self.spot.point.is_none()
                && let (Some(lat), Some(lon)) = (place.lat, place.lon)
            {
                self.spot.point = Some(((lat * 1e4) as i32, (lon * 1e4) as i32));
            }
        }
    }

    fn read_employer(&mut self, offer: &Offer, lists: &mut Draft) {
        let Some(employer) = &offer.employer else {
            return;
        };
        let name = employer
            .name
            .as_deref()
            .or(employer.establishment.as_deref())
            .unwrap_or_default();
        let words = Words::of(name);
        self.intermediary =
            employer.intermediary.is_some() || (!self.own && SOURCES.is_agency(&words));
        if let Some(siret) = &employer.siret
            && let Some(siren) = siret.get(..9)
        {
            self.siren = text::hash(siren.as_bytes());
        }
        if self.intermediary && employer.intermediary.as_deref().is_none_or(|i| i == name) {
            return;
        }
        lists.employer_words = distinct(
            words
                .iter()
                .filter(|w| w.len() > 2 && !EMPLOYER_NOISE.contains(w))
                .map(text::stem)
                .collect(),
        );
        if lists.employer_words.is_empty() {
            lists.employer_words = distinct(words.iter().map(text::stem).collect());
        }
        lists.employer_names = words
            .iter()
            .filter(|w| {
                w.len() > 3 && !EMPLOYER_NOISE.contains(w) && *w != "saint" && *w != "sainte"
            })
            .map(|w| u64::from(text::word_key(w)))
            .collect();
        if !lists.employer_words.is_empty() {
            self.employer = text::combine(&lists.employer_words);
        }
    }

    fn read_title(&mut self, offer: &Offer, lists: &mut Draft) {
        let title = without_town(&offer.title, lists);
        (lists.designators, self.bracketed) = designator::designators(title, &lists.departments);
        let words = Words::of(title);
        let hashes: Vec<u64> = words.iter().map(|w| text::hash(w.as_bytes())).collect();
        let mut levels = 0_u32;
        FACETS
            .levels
            .find_hashed(&hashes, &mut |number, _, _| levels |= 1 << number);
        self.levels = levels;
        let mut services = 0_u128;
        let mut named = vec![false; words.len()];
        FACETS
            .services
            .find_hashed(&hashes, &mut |number, at, length| {
                services |= 1 << number;
                named
                    .iter_mut()
                    .skip(at)
                    .take(length)
                    .for_each(|n| *n = true);
            });
        self.services |= services;
        self.service_named = services != 0;
        self.mentioned |= services;
        let mut shift = 0;
        let mut office = 0;
        for (at, word) in words.iter().enumerate() {
            let service = named.get(at).copied().unwrap_or(false);
            match word {
                "nuit" | "nuits" => shift |= SHIFT_NIGHT,
                "jour" | "jours" if !service => shift |= SHIFT_DAY,
                "alterne" | "2x8" | "3x8" => shift |= SHIFT_ALTERNATING,
                "bureau" => office = SHIFT_OFFICE,
                _ => {}
            }
        }
        self.title_shift = shift | office;
        match shift {
            0 => {}
            SHIFT_NIGHT | SHIFT_DAY => self.shifts = shift,
            _ => self.shifts = SHIFT_ALTERNATING,
        }
        self.shift_named = shift != 0;
        let core: Vec<(&str, bool)> = words
            .iter()
            .enumerate()
            .filter(|(at, w)| {
                let hash = hashes.get(*at).copied().unwrap_or_default();
                let short = u64::from(text::word_key(w));
                let number = w.len() <= 3 && w.bytes().all(|b| b.is_ascii_digit());
                !number && !FACETS.noise.contains(&hash) && !lists.place_words.contains(&short)
            })
            .map(|(at, w)| (w, named.get(at).copied().unwrap_or(false)))
            .collect();
        // The trade is looked up without what names the service.
        let mut name = String::new();
        for (word, _) in core.iter().filter(|(_, service)| !service) {
            if !name.is_empty() {
                name.push(' ');
            }
            name.push_str(word);
        }
        self.trade = FACETS.trades.get(&name).copied().unwrap_or(0);
        self.labelled = two_forms(title) || FACETS.labels.contains(&text::hash(name.as_bytes()));
        lists.title_words = distinct(core.iter().map(|(w, _)| text::stem(w)).collect());
        self.title = text::combine(&lists.title_words);
        let occupation = offer.occupation.as_ref();
        if let Some(code) = occupation.and_then(|o| o.rome_v3.as_deref().or(o.rome.as_deref())) {
            self.occupation = text::hash(code.as_bytes());
            self.occupation_family = text::hash(code.get(..3).unwrap_or(code).as_bytes());
        }
    }

    fn read_terms(&mut self, posting: &Posting, words: &Words, lists: &mut Draft) {
        let offer = &posting.offer;
        let contract = offer.contract.as_ref();
        self.contract = contract.and_then(|c| c.form);
        let permanent = matches!(self.contract, Some(ContractForm::Cdi));
        self.duration = contract.and_then(months);
        self.duration_named = self.duration.is_some();
        if self.duration.is_none() && !permanent {
            self.duration = duration_in(words);
        }
        let time = offer.working_time.as_ref();
        let (part, share) = time_in(words);
        self.part_time = time.and_then(|t| t.time).map(|t| t == Time::Part).or(part);
        let inferred = posting
            .provenance
            .get("/working_time/time")
            .is_some_and(|p| {
                matches!(
                    p.rule.as_str(),
                    "working_time.text" | "working_time.from_hours"
                )
            });
        self.time_named = !inferred && time.is_some_and(|t| t.time.is_some());
        self.share = time
            .and_then(|t| t.fte)
            .map(|f| (f * 100.0) as u32)
            .or(share);
        let shifts = time.map(|t| t.shifts.as_slice()).unwrap_or_default();
        if !self.shift_named && !shifts.is_empty() {
            let has = |shift| shifts.contains(&shift);
            let bits = match (has(Shift::Night), has(Shift::Day), has(Shift::Alternating)) {
                (true, true, _) | (_, _, true) => SHIFT_ALTERNATING,
                (true, false, _) => SHIFT_NIGHT,
                (false, true, _) => SHIFT_DAY,
                _ => 0,
            };
            if bits != 0 {
                self.shifts = bits;
                self.shift_named = true;
            }
        }
        if let Some(service) = &offer.service {
            let words = Words::of(service);
            let mut bits = 0_u128;
            FACETS
                .services
                .find(&words, |number, _, _| bits |= 1 << number);
            self.services |= bits;
            self.service_named |= bits != 0;
            self.mentioned |= bits;
            let long = words.iter().filter(|w| w.len() > 3);
            lists.service_words = long.map(text::stem).collect();
        }
        self.pay = offer.pay.as_ref().and_then(|p| {
            let low = p.monthly_min.or(p.monthly_max)?;
            let high = p.monthly_max.unwrap_or(low);
            Some((low as i64, high as i64))
        });
        if self.pay.is_none() {
            self.pay = pay_in(words);
        }
    }

    /// 1e-4 degrees.
    pub fn point(&self) -> Option<(i32, i32)> {
        self.spot.point
    }

    /// Whether both are of one commune each, by sources that are believed, and of which.
    pub fn communes_of(&self, other: &Self) -> Option<(u64, u64)> {
        let both = (self.spot.commune, other.spot.commune);
        (both.0 != 0 && both.1 != 0).then_some(both)
    }

    /// Blocking keys: sorted, distinct.
    pub fn keys(&self) -> Vec<u64> {
        super::keys::of(self)
    }

    /// Whether this text has the word; an answer for sketched texts too, where it may be "no".
    pub fn says(&self, word: u32) -> bool {
        self.words.holds(word, &STATISTICS.words)
    }
}

/// A title without its trailing "- Town (70)"; the town counts where no place is known.
fn without_town<'t>(title: &'t str, lists: &mut Draft) -> &'t str {
    let cut = title.rfind(" - ").and_then(|at| {
        let (name, number) = title[at + 3..]
            .trim_end()
            .strip_suffix(')')?
            .rsplit_once('(')?;
        let number = number.trim();
        let department = matches!(number.len(), 2 | 3)
            && number.bytes().all(|b| b.is_ascii_alphanumeric())
            && number.bytes().any(|b| b.is_ascii_digit());
        department.then_some((at, name, number))
    });
    let Some((at, name, number)) = cut else {
        return title;
    };
    if lists.place_words.is_empty() {
        lists.place_words = town_words(name);
    }
    if lists.departments.is_empty() {
        lists.departments = vec![text::hash(number.as_bytes())];
    }
    &title[..at]
}

fn read_links(offer: &Offer, lists: &mut Draft) {
    let origin = offer.origin.as_ref();
    let all = offer
        .apply
        .iter()
        .filter_map(|a| a.url.as_deref())
        .chain(origin.into_iter().filter_map(|o| o.url.as_deref()))
        .chain(
            origin
                .into_iter()
                .flat_map(|o| &o.partners)
                .filter_map(|p| p.url.as_deref()),
        );
    lists.links = all.filter_map(links::keys).map(|(link, _)| link).collect();
    // Only where to apply: re-issues at a job board all have links of the board.
    let apply = offer.apply.iter().filter_map(|a| a.url.as_deref());
    lists.hosts = apply
        .filter_map(links::keys)
        .map(|(_, host)| host)
        .collect();
}

/// Words of an employer's name that half of the employers have.
const EMPLOYER_NOISE: [&str; 14] = [
    "centre",
    "hospitalier",
    "les",
    "des",
    "sas",
    "sarl",
    "groupe",
    "association",
    "residence",
    "france",
    "the",
    "and",
    "sante",
    "dusein",
];

/// One aggregator carries the feeds of many partners: each is a source of its own.
fn channel(posting: &Posting) -> u64 {
    let partners = posting.offer.origin.iter().flat_map(|o| &o.partners);
    let mut parts = distinct(
        partners
            .filter_map(|p| p.name.as_deref())
            .map(|n| text::hash(n.as_bytes()))
            .collect(),
    );
    parts.push(text::hash(posting.connector.as_str().as_bytes()));
    text::combine(&parts)
}

/// The words of a commune's name that tell it from others.
fn town_words(name: &str) -> Vec<u64> {
    let words = Words::of(name);
    let telling = words
        .iter()
        .filter(|w| w.len() > 3 && !matches!(*w, "saint" | "sainte" | "arrondissement"));
    telling.map(|w| u64::from(text::word_key(w))).collect()
}

/// A day number; whole days are what publication dates are good for.
fn day(at: jiff::Timestamp) -> i32 {
    at.as_second().div_euclid(86_400) as i32
}

fn months(contract: &Contract) -> Option<u32> {
    contract
        .duration_months
        .map(|m| (m * 10.0).clamp(0.0, 1e6) as u32)
}

/// "Cuisinier / Cuisinière de collectivité": how nomenclatures write an occupation, the masculine
/// first.
fn two_forms(title: &str) -> bool {
    title.match_indices(" / ").any(|(at, slash)| {
        let before = Words::of(&title[..at]);
        let after = Words::of(&title[at + slash.len()..]);
        let one = (0..before.len()).find_map(|i| {
            let (one, other) = (before.get(i)?, after.get(0)?);
            (text::stem(one) == text::stem(other)).then_some((one.len(), other.len()))
        });
        one.is_some_and(|(one, other)| one <= other)
            && (before.iter().zip(after.iter()))
                .any(|(one, other)| one != other && one.len() < other.len() || one.ends_with("eur"))
    })
}

/// Arrondissements are their city: sources use either code.
fn whole_city(insee: &str) -> &str {
    match insee {
        code if code.starts_with("751") => "75056",
        code if code.starts_with("6938") => "69123",
        code if code.starts_with("132") => "13055",
        code => code,
    }
}

fn close_sentence(sentences: &mut Vec<u64>, stems: &mut Vec<u64>) {
    if stems.len() >= 4 {
        stems.sort_unstable();
        stems.dedup();
        sentences.push(text::combine(stems));
    }
    stems.clear();
}
