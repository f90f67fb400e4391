//! The texts: what a person pastes, and the form that LinkedIn's interface takes.

use super::{
    CHANNEL, KitError, Source,
    card::{Face, Hub},
    tags,
};
use crate::{
    model::{MemberId, Vacancy, VacancyId},
    publish::{
        Blocker, ExportError, Publish, PublishError, labels,
        mandate::{self, Refusal},
        portal::{self, Preview},
    },
};
use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

/// Characters of a post, as LinkedIn counts them: UTF-16 units, so that an emoji is two.
pub const MOST: usize = 3_000;
/// Offers that the card of a digest names.
const NAMED: usize = 4;

/// One offer, ready to be posted.
#[derive(Clone, Debug, Serialize)]
pub struct Post {
    pub id: VacancyId,
    pub title: String,
    pub member: MemberId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Timestamp>,
    /// Its page.
    pub url: String,
    /// Opens LinkedIn with the page to share.
    pub share: String,
    /// To paste.
    pub text: String,
    /// The same for `commentary` of LinkedIn's interface ("little text"), escaped.
    pub commentary: String,
    pub hashtags: Vec<String>,
    /// The Open Graph tags of the page.
    pub opengraph: BTreeMap<String, String>,
    /// Why LinkedIn's job feed does not have the offer, which can be posted all the same: a post is
    /// read by people, who do not ask for a company's number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_in_feed: Vec<Blocker>,
    #[serde(skip)]
    pub(super) face: Face,
}

/// The offers of some days in one post.
#[derive(Clone, Debug, Serialize)]
pub struct Digest {
    pub offers: usize,
    pub url: String,
    pub share: String,
    pub text: String,
    pub commentary: String,
    pub hashtags: Vec<String>,
    #[serde(skip)]
    pub(super) face: Face,
}

/// A whole kit.
#[derive(Clone, Debug, Serialize)]
pub struct Collection {
    /// The first day of publication that counts; all without.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "written")]
    pub since: Option<Date>,
    /// The newest first.
    pub posts: Vec<Post>,
    pub digest: Option<Digest>,
    /// Offers of these days that stay out: rule of the preflight → number.
    pub left_out: BTreeMap<&'static str, usize>,
    #[serde(skip)]
    pub(super) hub: Hub,
}

impl Collection {
    /// Posts whose offer LinkedIn's job feed does not have.
    pub fn absent(&self) -> usize {
        let posts = self.posts.iter();
        posts.filter(|post| !post.not_in_feed.is_empty()).count()
    }
}

fn written<S: serde::Serializer>(day: &Option<Date>, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&day.map(|day| day.to_string()).unwrap_or_default())
}

impl Default for Hub {
    fn default() -> Self {
        Self::sample()
    }
}

/// Everything that `offer.txt` may name.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OfferNames {
    title: String,
    town: Option<String>,
    employer: String,
    /// Whether the employer is a temporary-work agency, which must be named as such.
    agency: bool,
    facts: Vec<String>,
    pay: Option<String>,
    /// A sentence or two, and the whole text: shortened where the post would be too long.
    summary: String,
    description: String,
    date: Option<String>,
    url: String,
    territory: String,
    notice: Option<String>,
    hashtags: Vec<String>,
}

/// Everything that `week.txt` may name.
#[derive(Clone, Debug, Default, Serialize)]
pub struct WeekNames {
    headline: String,
    count: usize,
    since: Option<String>,
    groups: Vec<Group>,
    /// That others had no room, in words.
    more: Option<String>,
    url: String,
    territory: String,
    notice: Option<String>,
    hashtags: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Group {
    name: String,
    offers: Vec<Line>,
}

#[derive(Clone, Debug, Serialize)]
struct Line {
    title: String,
    town: Option<String>,
    employer: Option<String>,
}

impl OfferNames {
    pub fn sample() -> Self {
        let text = || "Infirmier".to_owned();
        Self {
            title: text(),
            town: Some(text()),
            pay: Some(text()),
            date: Some(text()),
            notice: Some(text()),
            facts: vec![text()],
            summary: text(),
            hashtags: vec![text()],
            agency: true,
            ..Self::default()
        }
    }
}

impl WeekNames {
    pub fn sample() -> Self {
        let text = || "Infirmier".to_owned();
        let line = Line {
            title: text(),
            town: Some(text()),
            employer: Some(text()),
        };
        Self {
            headline: text(),
            since: Some(text()),
            more: Some(text()),
            notice: Some(text()),
            groups: vec![Group {
                name: text(),
                offers: vec![line],
            }],
            hashtags: vec![text()],
            ..Self::default()
        }
    }
}

impl Publish {
    /// The kit of the offers published since a day, of all members or of one.
    ///
    /// # Errors
    /// Unknown member, an unreadable store, or an operator's template that fails.
    pub async fn kit(
        &self,
        since: Option<Date>,
        member: Option<&MemberId>,
    ) -> Result<Collection, PublishError> {
        if let Some(member) = member
            && self.network().member(member).is_none()
        {
            return Err(ExportError::UnknownMember(member.0.clone()).into());
        }
        let live = self.live().await?;
        let (this, member) = (self.clone(), member.cloned());
        super::super::state::blocking(move || {
            let own = |vacancy: &&Arc<Vacancy>| member.is_none() || vacancy.member == member;
            Ok(this.collect(since, live.vacancies.iter().filter(own))?)
        })
        .await
    }

    fn collect<'l>(
        &self,
        since: Option<Date>,
        vacancies: impl Iterator<Item = &'l Arc<Vacancy>>,
    ) -> Result<Collection, PublishError> {
        let (network, now) = (self.network(), self.clock().now());
        // A day that no instant can name is behind all offers, or before them.
        let begin = since.map(|day| match day.to_zoned(labels::paris()) {
            Ok(day) => day.timestamp(),
            Err(_) if day.year() < 0 => Timestamp::MIN,
            Err(_) => Timestamp::MAX,
        });
        let mut kept = Vec::new();
        let mut left_out: BTreeMap<&'static str, usize> = BTreeMap::new();
        for vacancy in vacancies {
            let at = vacancy.offer.published.or(vacancy.offer.updated);
            if begin.is_some_and(|begin| at.is_none_or(|at| at < begin)) {
                continue;
            }
            match mandate::allows(&network, vacancy, CHANNEL, true, now) {
                Ok(member) => kept.push((at, member.member_id(), vacancy)),
                Err(refusal) => *left_out.entry(rule(&refusal)).or_default() += 1,
            }
        }
        kept.sort_by(|(a, _, v), (b, _, w)| b.cmp(a).then_with(|| v.id.cmp(&w.id)));
        let vacancies: Vec<&Vacancy> = kept.iter().map(|(_, _, vacancy)| &***vacancy).collect();
        let own = kept.iter().map(|(_, _, vacancy)| Arc::clone(vacancy));
        let mut blocked = self.blocked(CHANNEL, own.collect())?;
        let posts = kept.iter().map(|(_, member, vacancy)| {
            let post = self.post(member, vacancy)?;
            Ok(Post {
                not_in_feed: blocked.remove(&vacancy.id).unwrap_or_default(),
                ..post
            })
        });
        let posts = posts.collect::<Result<Vec<_>, KitError>>()?;
        let digest = match vacancies.is_empty() {
            true => None,
            false => Some(self.digest(since, &vacancies)?),
        };
        Ok(Collection {
            since,
            posts,
            digest,
            left_out,
            hub: Hub::new(self.settings()),
        })
    }

    fn post(&self, member: &MemberId, vacancy: &Vacancy) -> Result<Post, KitError> {
        let (settings, network) = (self.settings(), self.network());
        let kit = &settings.kit;
        let face = Face::of_offer(vacancy, &network);
        let offer = &vacancy.offer;
        let description = offer.description.as_ref();
        let url = settings.url(&portal::offer_path(vacancy));
        let hashtags = tags::of_offer(vacancy, &kit.hashtags);
        let contract = offer
            .contract
            .as_ref()
            .and_then(|c| c.form)
            .map(labels::contract);
        let time = offer.working_time.as_ref().and_then(labels::working_time);
        let facts = contract
            .map(str::to_owned)
            .into_iter()
            .chain(time.map(lower_first));
        let names = OfferNames {
            title: face.title.clone(),
            town: town(vacancy),
            employer: face.employer.clone(),
            agency: network.member(member).is_some_and(|member| member.agency),
            facts: facts.collect(),
            pay: offer.pay.as_ref().and_then(labels::pay),
            summary: description
                .and_then(|d| d.summary.clone())
                .unwrap_or_default(),
            description: description.map(|d| d.text.clone()).unwrap_or_default(),
            date: offer.published.map(labels::day),
            url: url.clone(),
            territory: settings.territory.clone(),
            notice: settings.synthetic.clone(),
            hashtags: hashtags.clone(),
        };
        let source = &kit.offer;
        let written = |length: fn(&str, &[String]) -> usize| {
            shortened(
                source,
                |room| {
                    let names = OfferNames {
                        summary: cut(&names.summary, room),
                        description: cut(&names.description, room),
                        ..names.clone()
                    };
                    let text = tidy(&kit.render(source, &names)?);
                    let over = length(&text, &names.hashtags).saturating_sub(MOST);
                    Ok((text, over))
                },
                names
                    .summary
                    .chars()
                    .count()
                    .max(names.description.chars().count()),
            )
        };
        let text = written(|text, _| units(text))?;
        let plain = written(|text, tags| units(&little_text(text, tags)))?;
        Ok(Post {
            id: vacancy.id,
            title: face.title.clone(),
            member: member.clone(),
            published: offer.published,
            share: share(&url),
            commentary: little_text(&plain, &hashtags),
            text,
            hashtags,
            opengraph: Preview::of(settings, &network, vacancy).properties(),
            not_in_feed: Vec::new(),
            url,
            face,
        })
    }

    fn digest(&self, since: Option<Date>, vacancies: &[&Vacancy]) -> Result<Digest, KitError> {
        let settings = self.settings();
        let kit = &settings.kit;
        let count = vacancies.len();
        let s = if count > 1 { "s" } else { "" };
        let title = match since {
            Some(_) => format!("{count} nouvelle{s} offre{s} d’emploi"),
            None => format!("{count} offre{s} d’emploi"),
        };
        let headline = match since {
            Some(day) => format!("{title} depuis le {}", labels::civil_day(day)),
            None => format!("{title} à pourvoir"),
        };
        let url = settings.url("/");
        let hashtags = tags::of_offers(vacancies.iter().copied(), &kit.hashtags);
        let names = WeekNames {
            headline,
            count,
            since: since.map(labels::civil_day),
            url: url.clone(),
            territory: settings.territory.clone(),
            notice: settings.synthetic.clone(),
            hashtags: hashtags.clone(),
            ..WeekNames::default()
        };
        let source = &kit.week;
        let written = |length: fn(&str, &[String]) -> usize| {
            // One line less until it fits: posts have some dozens of lines.
            let mut shown = count.min(MOST / 10);
            loop {
                let left = count - shown;
                let names = WeekNames {
                    groups: groups(&vacancies[..shown]),
                    more: match left {
                        0 => None,
                        1 => Some("Et une autre offre.".into()),
                        _ => Some(format!("Et {left} autres offres.")),
                    },
                    ..names.clone()
                };
                let text = tidy(&kit.render(source, &names)?);
                if length(&text, &hashtags) <= MOST {
                    return Ok(text);
                }
                shown = shown.checked_sub(1).ok_or_else(|| too_long(source))?;
            }
        };
        let text = written(|text, _| units(text))?;
        let plain: String = written(|text, tags| units(&little_text(text, tags)))?;
        let mut lines: Vec<String> = vacancies
            .iter()
            .take(NAMED)
            .map(|vacancy| match town(vacancy) {
                Some(town) => format!("{} – {town}", labels::title(vacancy)),
                None => labels::title(vacancy),
            })
            .collect();
        match count - lines.len() {
            0 => {}
            1 => lines.push("et une autre".into()),
            more => lines.push(format!("et {more} autres")),
        }
        Ok(Digest {
            offers: count,
            share: share(&url),
            commentary: little_text(&plain, &hashtags),
            face: Face {
                kind: "week",
                kicker: "Offres d’emploi".into(),
                title,
                date: since.map(|day| format!("Depuis le {}", labels::civil_day(day))),
                lines,
                ..Face::default()
            },
            url,
            text,
            hashtags,
        })
    }
}

/// The rule of the preflight that says the same.
fn rule(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NoMember { .. } => "mandate.no_member",
        Refusal::NoMandate { .. } => "mandate.missing",
        Refusal::Ended { .. } => "mandate.ended",
        Refusal::AggregatorOnly => "source.aggregator_only",
    }
}

/// By family, in the families' own order.
fn groups(vacancies: &[&Vacancy]) -> Vec<Group> {
    let mut groups: BTreeMap<(usize, &str), Vec<Line>> = BTreeMap::new();
    for vacancy in vacancies {
        let family = vacancy.offer.occupation.as_ref().and_then(|o| o.family);
        let order = family.and_then(|f| labels::FAMILIES.iter().position(|other| *other == f));
        let name = family.map_or("Autres métiers", labels::family);
        let line = Line {
            title: labels::title(vacancy),
            town: town(vacancy),
            employer: labels::employer(vacancy).map(str::to_owned),
        };
        let key = (order.unwrap_or(labels::FAMILIES.len() - 1), name);
        groups.entry(key).or_default().push(line);
    }
    let group = |((_, name), offers): ((usize, &str), Vec<Line>)| Group {
        name: name.into(),
        offers,
    };
    groups.into_iter().map(group).collect()
}

fn town(vacancy: &Vacancy) -> Option<String> {
    vacancy.offer.places.first()?.name.clone()
}

fn lower_first(text: String) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_lowercase);
    first.chain(letters).collect()
}

/// The text of `write(room)` with the most room at which nothing is over.
fn shortened(
    source: &Source,
    write: impl Fn(usize) -> Result<(String, usize), KitError>,
    mut room: usize,
) -> Result<String, KitError> {
    loop {
        let (text, over) = write(room)?;
        match over {
            0 => return Ok(text),
            _ if room == 0 => return Err(too_long(source)),
            over => room = room.saturating_sub(over.div_ceil(2).max(1)),
        }
    }
}

fn too_long(source: &Source) -> KitError {
    KitError::Template {
        file: source.file.clone(),
        line: None,
        why: format!(
            "the post has more than {MOST} characters without the offer's own text: shorten the template"
        ),
    }
}

/// At most `room` characters of `text`, to the end of a word.
fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let head: String = text.chars().take(room.saturating_sub(1)).collect();
    let end = head.rfind(char::is_whitespace).unwrap_or(0);
    let head = head[..end].trim_end_matches(|c: char| c.is_whitespace() || c == ',');
    if head.is_empty() {
        String::new()
    } else {
        format!("{head}…")
    }
}

/// No control characters, no blanks at the ends of lines, no more than one empty line.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.lines() {
        let line: String = line
            .chars()
            .filter(|c| !c.is_control() && *c != '\u{ad}')
            .collect();
        let line = line.trim_end();
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            out.push_str(line);
            out.push('\n');
        }
    }
    out.trim().to_owned()
}

/// As LinkedIn counts.
pub fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// `text` in LinkedIn's "little text": an unescaped "(" would drop the rest of the post. What is in
/// `hashtags`, and stands alone, stays a hashtag.
pub fn little_text(text: &str, hashtags: &[String]) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        if hashtags.iter().any(|tag| tag == word) {
            out.push_str(piece);
            continue;
        }
        for c in piece.chars() {
            if matches!(
                c,
                '\\' | '|'
                    | '{'
                    | '}'
                    | '@'
                    | '['
                    | ']'
                    | '('
                    | ')'
                    | '<'
                    | '>'
                    | '#'
                    | '*'
                    | '_'
                    | '~'
            ) {
                out.push('\\');
            }
            out.push(c);
        }
    }
    out
}

/// The address that opens LinkedIn with a page to share: no key, no partnership.
pub fn share(url: &str) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("url", url)
        .finish();
    format!("https://www.linkedin.com/sharing/share-offsite/?{query}")
}
