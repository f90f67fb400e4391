//! One document, or page after page, to an end that proves itself.

use super::Outcome;
use super::outlet::Outlet;
use super::parse::Wholeness;
use super::session::{Ask, Page, Session};
use crate::pull::connector::file::{Carrier, Paging};
use crate::pull::mapping::Path;
use crate::store::ConnectorState;
use serde_json::Value;
use std::collections::HashSet;

/// Times that a page is asked for again when it broke off.
const PAGE_TRIES: u32 = 3;

/// Reads a source that is one document, with validators.
pub async fn one_document(
    session: &mut Session<'_>,
    outlet: &mut Outlet<'_>,
    state: &mut ConnectorState,
) -> Outcome {
    let connector = session.connector;
    // Validators belong to one request and one way of reading it.
    let fingerprint = fingerprint(session);
    let known = state
        .body_hash
        .as_ref()
        .and_then(|hash| hash.strip_prefix(&format!("{fingerprint}:")))
        .filter(|_| !session.is_incremental())
        .map(str::to_owned);
    let conditional = known.is_some() && connector.source.detail.is_none();
    let ask = Ask {
        etag: state.etag.clone().filter(|_| conditional),
        last_modified: state.last_modified.clone().filter(|_| conditional),
        ..Ask::default()
    };
    let page = match session.page(&ask, outlet).await {
        Ok(page) => page,
        Err(why) => return Outcome::Failed(why),
    };
    if page.status == 304 {
        return if conditional {
            Outcome::Unchanged
        } else {
            Outcome::Failed(format!(
                "{}: answered 304 to an unconditional request",
                page.url
            ))
        };
    }
    match &page.wholeness {
        Wholeness::Alien(why) => return Outcome::Failed(format!("{}: {why}", page.url)),
        Wholeness::Cut(why) => return Outcome::Partial(format!("{}: {why}", page.url)),
        Wholeness::Whole => {}
    }
    if let Some(total) = declared(session, &page)
        && page.items < total
    {
        return Outcome::Partial(format!(
            "{}: declares {total} records and holds {}",
            page.url, page.items
        ));
    }
    let unchanged =
        known.is_some_and(|hash| hash == page.hash) && connector.source.detail.is_none();
    state.etag = page.header("etag").map(str::to_owned);
    state.last_modified = page.header("last-modified").map(str::to_owned);
    state.body_hash = Some(format!("{fingerprint}:{}", page.hash));
    if unchanged && page.items > 0 {
        Outcome::Unchanged
    } else {
        Outcome::Whole
    }
}

/// The number of records that a page declares.
fn declared(session: &Session<'_>, page: &Page) -> Option<u64> {
    session.connector.total.as_ref()?.number(&page.envelope)
}

/// What the request and the reading of its answer depend on.
fn fingerprint(session: &Session<'_>) -> String {
    let connector = session.connector;
    let source = &connector.source;
    let parts = format!(
        "{:?}{:?}{:?}{:?}{:?}{:?}",
        source.url, source.query, source.headers, source.body, connector.record_paths, source.kind
    );
    blake3::hash(parts.as_bytes()).to_hex()[..16].to_owned()
}

/// Where the next page is asked for.
enum Next {
    Ask(Ask),
    /// The end was seen.
    End,
    /// The end cannot be proved, for this reason.
    Doubt(String),
}

/// What has been read so far.
#[derive(Default)]
struct Progress {
    pages: u64,
    items: u64,
    /// The largest number of records that any page declared.
    total: Option<u64>,
    cursors: HashSet<String>,
    /// Records of a page that was shorter than asked for, where no total says that it is the last:
    /// the page after it is asked for all the same, since services clamp sizes and cut answers.
    short: Option<u64>,
}

/// Reads a source page by page.
pub async fn pages(session: &mut Session<'_>, outlet: &mut Outlet<'_>, paging: &Paging) -> Outcome {
    let mut progress = Progress::default();
    let mut ask = first(paging);
    loop {
        let page = match one_page(session, outlet, &ask).await {
            Ok(page) => page,
            Err(why) if progress.pages == 0 => return Outcome::Failed(why.text),
            // There is nothing behind a short page, in the words of some services.
            Err(why) if progress.short.is_some() && why.is_beyond_the_end() => {
                return Outcome::Whole;
            }
            Err(Refused { text: why, .. }) => {
                return Outcome::Partial(format!("page {}: {why}", progress.pages + 1));
            }
        };
        progress.pages += 1;
        progress.items += page.items;
        let at = format!("{}: page {}", page.url, progress.pages);
        match &page.wholeness {
            Wholeness::Whole => {}
            Wholeness::Alien(why) if progress.pages == 1 => {
                return Outcome::Failed(format!("{at}: {why}"));
            }
            Wholeness::Alien(why) | Wholeness::Cut(why) => {
                return Outcome::Partial(format!("{at}: {why}"));
            }
        }
        let total = total(session, paging, &page);
        progress.total = progress.total.max(total);
        if let (Paging::Page { .. }, Some(short)) = (paging, progress.short)
            && page.new > short
        {
            return Outcome::Partial(format!(
                "{at} has more records than the page before it, which must have been cut"
            ));
        }
        if page.items > 0 && page.new == 0 {
            return match progress.total {
                Some(total) if outlet.seen() >= total => Outcome::Whole,
                None if progress.short.is_some() => Outcome::Whole,
                _ => Outcome::Partial(format!("{at} repeats what earlier pages had")),
            };
        }
        if progress.pages >= session.connector.limits.pages {
            return Outcome::Partial(format!("{at}: more pages than limits.pages allows"));
        }
        match next(session, paging, &page, &mut progress, outlet.seen()) {
            Next::Ask(next) => ask = next,
            Next::Doubt(why) => return Outcome::Partial(format!("{at}: {why}")),
            Next::End => {
                return match progress.total {
                    Some(total) if outlet.seen() < total => Outcome::Partial(format!(
                        "{at}: {total} records are declared, {} distinct ones were read",
                        outlet.seen()
                    )),
                    _ => Outcome::Whole,
                };
            }
        }
    }
}

/// Why a page could not be read.
struct Refused {
    status: Option<u16>,
    text: String,
}

impl Refused {
    fn is_beyond_the_end(&self) -> bool {
        matches!(self.status, Some(400 | 404 | 416 | 422))
    }
}

impl From<String> for Refused {
    fn from(text: String) -> Self {
        Self { status: None, text }
    }
}

/// One page; a page that broke off is asked for again.
async fn one_page(
    session: &mut Session<'_>,
    outlet: &mut Outlet<'_>,
    ask: &Ask,
) -> Result<Page, Refused> {
    let seen = outlet.seen();
    let mut tries = 0;
    loop {
        let body = session.try_open(ask).await?.map_err(|error| Refused {
            status: error.status(),
            text: error.chain(),
        })?;
        let mut page = session.read_page(body, outlet).await?;
        tries += 1;
        if tries >= PAGE_TRIES || !matches!(page.wholeness, Wholeness::Cut(_)) {
            page.new = outlet.seen() - seen;
            return Ok(page);
        }
    }
}

fn total(session: &Session<'_>, paging: &Paging, page: &Page) -> Option<u64> {
    let header = match paging {
        Paging::Page { total_header, .. } | Paging::Offset { total_header, .. } => {
            total_header.as_deref()
        }
        _ => None,
    };
    match paging {
        Paging::ContentRange { .. } => page.header("content-range").and_then(range_total),
        _ => header
            .and_then(|name| page.header(name)?.trim().parse().ok())
            .or_else(|| declared(session, page)),
    }
}

/// `items 0-149/9981` → 9981.
pub fn range_total(header: &str) -> Option<u64> {
    header.rsplit_once('/')?.1.trim().parse().ok()
}

/// An ask with paging parameters where they travel.
fn asked(carrier: Carrier, parameters: Vec<(String, u64)>) -> Ask {
    match carrier {
        Carrier::Query => Ask {
            query: parameters
                .into_iter()
                .map(|(name, n)| (name, n.to_string()))
                .collect(),
            ..Ask::default()
        },
        Carrier::Body => Ask {
            body: parameters
                .into_iter()
                .map(|(name, n)| (name, Value::from(n)))
                .collect(),
            ..Ask::default()
        },
    }
}

fn with_size(
    param: &str,
    n: u64,
    size_param: Option<&String>,
    size: Option<u64>,
) -> Vec<(String, u64)> {
    let mut parameters = vec![(param.to_owned(), n)];
    parameters.extend(sized(size_param, size));
    parameters
}

fn sized(size_param: Option<&String>, size: Option<u64>) -> Vec<(String, u64)> {
    size_param
        .zip(size)
        .map(|(name, size)| (name.clone(), size))
        .into_iter()
        .collect()
}

/// The page after the first `n` records.
fn skip(paging: &Paging, n: u64) -> Ask {
    let Paging::Offset {
        param,
        form,
        size_param,
        size,
        carrier,
        ..
    } = paging
    else {
        return Ask::default();
    };
    match form {
        // A value with more than the number in it is a text, in the body too.
        Some(form) => {
            let value = form.replace("{}", &n.to_string());
            let mut ask = asked(*carrier, sized(size_param.as_ref(), Some(*size)));
            match carrier {
                Carrier::Query => ask.query.push((param.clone(), value)),
                Carrier::Body => ask.body.push((param.clone(), Value::from(value))),
            }
            ask
        }
        None => asked(
            *carrier,
            with_size(param, n, size_param.as_ref(), Some(*size)),
        ),
    }
}

fn first(paging: &Paging) -> Ask {
    match paging {
        Paging::Page {
            param,
            start,
            size_param,
            size,
            carrier,
            ..
        } => asked(
            *carrier,
            with_size(param, *start, size_param.as_ref(), *size),
        ),
        Paging::Offset { .. } => skip(paging, 0),
        Paging::ContentRange { param, size, .. } => Ask {
            query: vec![(param.clone(), format!("0-{}", size.saturating_sub(1)))],
            ..Ask::default()
        },
        _ => Ask::default(),
    }
}

fn next(
    session: &Session<'_>,
    paging: &Paging,
    page: &Page,
    progress: &mut Progress,
    seen: u64,
) -> Next {
    if let Paging::Page { .. } | Paging::Offset { .. } = paging
        && progress.total.is_none()
    {
        let size = match paging {
            Paging::Page { size, .. } => *size,
            Paging::Offset { size, .. } => Some(*size),
            _ => None,
        };
        progress.short = size
            .is_some_and(|size| page.items < size)
            .then_some(page.items);
    }
    let reached = progress.total.is_some_and(|total| seen >= total);
    match paging {
        Paging::Page {
            param,
            start,
            size_param,
            size,
            pages,
            more,
            carrier,
            ..
        } => {
            let count = pages
                .as_ref()
                .and_then(|p| p.parse::<Path>().ok()?.number(&page.envelope));
            let flag = more
                .as_ref()
                .and_then(|p| p.parse::<Path>().ok()?.text(&page.envelope));
            let ended = match (count, flag.as_deref()) {
                (Some(count), _) => progress.pages >= count,
                (None, Some(flag)) => matches!(flag, "false" | "0"),
                (None, None) => reached,
            };
            if ended || page.items == 0 {
                return Next::End;
            }
            let number = start + progress.pages;
            Next::Ask(asked(
                *carrier,
                with_size(param, number, size_param.as_ref(), *size),
            ))
        }
        Paging::Offset { .. } => {
            if reached || page.items == 0 {
                return Next::End;
            }
            Next::Ask(skip(paging, progress.items))
        }
        Paging::NextLink { path } => {
            let link = path
                .parse::<Path>()
                .ok()
                .and_then(|p| p.text(&page.envelope));
            follow(session, progress, link)
        }
        Paging::LinkHeader => {
            let link = page.header("link").and_then(next_of_header);
            follow(session, progress, link)
        }
        Paging::Cursor {
            param,
            path,
            carrier,
        } => {
            let cursor = path
                .parse::<Path>()
                .ok()
                .and_then(|p| p.text(&page.envelope));
            let Some(cursor) = cursor else {
                return Next::End;
            };
            if !progress.cursors.insert(cursor.clone()) {
                return Next::Doubt("the service gives the same cursor again".to_owned());
            }
            Next::Ask(match carrier {
                Carrier::Query => Ask {
                    query: vec![(param.clone(), cursor)],
                    ..Ask::default()
                },
                Carrier::Body => Ask {
                    body: vec![(param.clone(), Value::String(cursor))],
                    ..Ask::default()
                },
            })
        }
        Paging::ContentRange { param, size, last } => {
            let from = progress.pages * size;
            let Some(total) = progress.total else {
                return Next::Doubt("the answer has no Content-Range with a total".to_owned());
            };
            if from >= total || page.items == 0 {
                return Next::End;
            }
            if last.is_some_and(|last| from > last) {
                return Next::Doubt(format!("the service serves no more than {from} of {total}"));
            }
            let to = (from + size - 1).min(last.unwrap_or(u64::MAX));
            Next::Ask(Ask {
                query: vec![(param.clone(), format!("{from}-{to}"))],
                ..Ask::default()
            })
        }
        Paging::None | Paging::FranceTravail { .. } => Next::End,
    }
}

fn follow(session: &Session<'_>, progress: &mut Progress, link: Option<String>) -> Next {
    let Some(link) = link else { return Next::End };
    match session.absolute(&link) {
        Err(why) => Next::Doubt(why),
        Ok(url) if !progress.cursors.insert(url.clone()) => {
            Next::Doubt("the service links to a page that was read already".to_owned())
        }
        Ok(url) => Next::Ask(Ask {
            url: Some(url),
            ..Ask::default()
        }),
    }
}

/// `<https://…?page=2>; rel="next", <…>; rel="last"`.
fn next_of_header(header: &str) -> Option<String> {
    header.split(',').find_map(|part| {
        let (link, parameters) = part.split_once(';')?;
        let is_next = parameters.split(';').any(|p| {
            let p = p.trim().to_ascii_lowercase();
            p == "rel=next" || p == "rel=\"next\""
        });
        let link = link.trim().strip_prefix('<')?.strip_suffix('>')?;
        is_next.then(|| link.to_owned())
    })
}
