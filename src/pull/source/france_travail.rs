//! France Travail "Offres d'emploi v2": ranges within slices that the service can serve whole.
//!
//! A query reaches 3,150 offers. Each département and origin is a slice; one that declares more is
//! split by creation date until its parts fit. A slice counts as whole when as many distinct
//! offers were read as it declares; a split one, when its parts together hold as many.

use super::Outcome;
use super::outlet::Outlet;
use super::paging::range_total;
use super::parse::Wholeness;
use super::session::{Ask, Session};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;

/// Offers a request.
const WIDTH: u64 = 150;
/// Offers a query: the first index is at most 3000, the last at most 3149.
const CEILING: u64 = 3150;
/// A window of this width is not split further.
const NARROWEST: SignedDuration = SignedDuration::from_secs(2);
/// Windows wider than twice this are split near their end, where most offers are.
const RECENT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Before this the service has no offers.
const EPOCH: Timestamp = Timestamp::constant(1_262_304_000, 0);

/// What the connector asks for.
pub struct Wanted<'a> {
    pub departments: &'a [String],
    pub origins: &'a [u8],
    pub rome: &'a [String],
    /// `2024-01-01`
    pub since: Option<&'a str>,
}

/// One query of the sweep.
#[derive(Clone, Debug)]
struct Slice {
    department: String,
    origin: u8,
    rome: String,
    window: Option<(Timestamp, Timestamp)>,
}

impl Slice {
    fn name(&self) -> String {
        let window = self
            .window
            .map(|(from, to)| format!(", created {from} to {to}"))
            .unwrap_or_default();
        format!(
            "département {}, origin {}{window}",
            self.department, self.origin
        )
    }

    fn ask(&self, first: u64) -> Ask {
        let last = (first + WIDTH - 1).min(CEILING - 1);
        let mut query = vec![
            ("departement".to_owned(), self.department.clone()),
            ("origineOffre".to_owned(), self.origin.to_string()),
            ("sort".to_owned(), "1".to_owned()),
            ("range".to_owned(), format!("{first}-{last}")),
        ];
        if !self.rome.is_empty() {
            query.push(("codeROME".to_owned(), self.rome.clone()));
        }
        if let Some((from, to)) = self.window {
            query.push(("minCreationDate".to_owned(), seconds(from)));
            query.push(("maxCreationDate".to_owned(), seconds(to)));
        }
        Ask {
            query,
            ..Ask::default()
        }
    }

    /// Two halves that share their border: an offer created within its second is in one of them
    /// at least, and counted once.
    fn halves(&self, oldest: Timestamp, now: Timestamp) -> Option<(Self, Self)> {
        let (from, to) = self.window.unwrap_or((oldest, now));
        let width = to.duration_since(from);
        if width <= NARROWEST {
            return None;
        }
        let back = if width > RECENT * 2 {
            RECENT
        } else {
            width / 2
        };
        // Whole seconds only: the service refuses anything finer.
        let middle = Timestamp::from_second(to.checked_sub(back).ok()?.as_second()).ok()?;
        let half = |window| Self {
            window: Some(window),
            ..self.clone()
        };
        Some((half((middle, to)), half((from, middle))))
    }
}

/// `2026-11-02T08:30:00Z`: no fraction, which the service refuses.
fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second())
        .unwrap_or(at)
        .to_string()
}

/// How one slice ended.
struct Swept {
    /// Offers that the slice declared.
    total: u64,
    /// Those that were read.
    keys: HashSet<u64>,
}

/// Sweeps everything that is wanted.
pub async fn read(
    session: &mut Session<'_>,
    outlet: &mut Outlet<'_>,
    wanted: &Wanted<'_>,
) -> Outcome {
    let now = session.clock.now();
    let tomorrow = now
        .checked_add(SignedDuration::from_hours(24))
        .unwrap_or(now);
    let oldest = wanted
        .since
        .and_then(|day| format!("{day}T00:00:00Z").parse().ok())
        .unwrap_or(EPOCH);
    // The service takes 200 codes a query.
    let romes: Vec<String> = if wanted.rome.is_empty() {
        vec![String::new()]
    } else {
        wanted
            .rome
            .chunks(200)
            .map(|codes| codes.join(","))
            .collect()
    };
    let mut started = false;
    for department in wanted.departments {
        for origin in wanted.origins {
            for rome in &romes {
                let slice = Slice {
                    department: department.clone(),
                    origin: *origin,
                    rome: rome.clone(),
                    window: None,
                };
                let name = slice.name();
                if let Err(why) = sweep(session, outlet, slice, (oldest, tomorrow)).await {
                    let why = format!("{name}: {why}");
                    // The other slices may still be read, and refresh what they hold.
                    if !started {
                        return Outcome::Failed(why);
                    }
                    return Outcome::Partial(why);
                }
                started = true;
            }
        }
    }
    Outcome::Whole
}

/// Reads a slice, split as often as it takes. What does not reconcile is noted in the outlet.
async fn sweep(
    session: &mut Session<'_>,
    outlet: &mut Outlet<'_>,
    root: Slice,
    bounds: (Timestamp, Timestamp),
) -> Result<(), String> {
    // Split slices wait for their parts: (slice, declared, keys of the parts, parts to come).
    let mut split: Vec<(Slice, u64, HashSet<u64>, u8)> = Vec::new();
    let mut todo = vec![root];
    while let Some(slice) = todo.pop() {
        if session.requests() > session.connector.limits.pages {
            return Err("more requests than limits.pages allows".to_owned());
        }
        let first = read_slice(session, outlet, &slice).await?;
        let mut done = if first.total > CEILING {
            match slice.halves(bounds.0, bounds.1) {
                Some((recent, older)) => {
                    split.push((slice, first.total, first.keys, 2));
                    todo.push(older);
                    todo.push(recent);
                    continue;
                }
                None => {
                    outlet.note(format!(
                        "{}: {} offers within {} s, more than the service serves",
                        slice.name(),
                        first.total,
                        NARROWEST.as_secs()
                    ));
                    first.keys
                }
            }
        } else if (first.keys.len() as u64) < first.total {
            // Offers come and go while pages are read: once more, then it is taken as it is.
            let second = read_slice(session, outlet, &slice).await?;
            let keys: HashSet<u64> = first.keys.union(&second.keys).copied().collect();
            reconcile(outlet, &slice, second.total, keys.len() as u64);
            keys
        } else {
            first.keys
        };
        // Hand the keys up to the split slices that this was the last part of.
        while let Some((_, _, keys, left)) = split.last_mut() {
            keys.extend(done);
            *left -= 1;
            if *left > 0 {
                break;
            }
            let Some((whole, total, keys, _)) = split.pop() else {
                break;
            };
            if (keys.len() as u64) < total {
                let now = total_of(session, outlet, &whole).await?;
                reconcile(outlet, &whole, now.min(total), keys.len() as u64);
            }
            done = keys;
        }
    }
    Ok(())
}

fn reconcile(outlet: &mut Outlet<'_>, slice: &Slice, total: u64, read: u64) {
    if read < total {
        outlet.note(format!(
            "{}: {total} offers are declared, {read} distinct ones were read",
            slice.name()
        ));
    }
}

/// The ranges of one slice; only the first when it declares more than the service serves.
async fn read_slice(
    session: &mut Session<'_>,
    outlet: &mut Outlet<'_>,
    slice: &Slice,
) -> Result<Swept, String> {
    outlet.start_slice();
    let mut total = 0;
    let mut first = 0;
    loop {
        let page = session.page(&slice.ask(first), outlet).await?;
        if let Wholeness::Alien(why) | Wholeness::Cut(why) = &page.wholeness {
            return Err(format!("{}: {why}", page.url));
        }
        let declared = page.header("content-range").and_then(range_total);
        total = match declared {
            Some(n) => n.max(total),
            // Without the header, 200 and 204 say that this is all there is.
            None if matches!(page.status, 200 | 204) => total.max(first + page.items),
            None => {
                return Err(format!(
                    "{}: HTTP {} without Content-Range",
                    page.url, page.status
                ));
            }
        };
        if total > CEILING
            && slice
                .window
                .is_none_or(|(from, to)| to.duration_since(from) > NARROWEST)
        {
            break;
        }
        first += WIDTH;
        if page.items == 0 || first >= total || first >= CEILING {
            break;
        }
    }
    Ok(Swept {
        total,
        keys: outlet.slice(),
    })
}

/// What a slice declares now.
async fn total_of(
    session: &mut Session<'_>,
    outlet: &mut Outlet<'_>,
    slice: &Slice,
) -> Result<u64, String> {
    outlet.start_slice();
    let page = session.page(&slice.ask(0), outlet).await?;
    Ok(page
        .header("content-range")
        .and_then(range_total)
        .unwrap_or(page.items))
}
