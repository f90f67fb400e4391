//! `report MEMBER`: what a member should know of its offers, in French, ready to be sent to it.

use super::{Exit, Lang, Usage, out};
use crate::daemon::Hub;
use crate::model::{Contact, MemberId, PostingId, Severity, Vacancy};
use crate::normalise::{Missing, score};
use crate::publish::Blocker;
use crate::pull::unread;
use crate::store::{Repeats, SnapshotKind};
use anyhow::bail;
use serde::Serialize;
use std::collections::BTreeMap;

/// Refused records that are shown of each source.
const REJECTS: usize = 50;
/// Runs looked back for the last one that read the source.
const RUNS: usize = 50;

#[derive(Debug, clap::Args)]
pub struct Report {
    /// Id of the member
    member: String,
    /// One object, in both languages
    #[arg(long)]
    json: bool,
    /// Language of what is found and missing
    #[arg(long, value_enum, default_value_t)]
    lang: Lang,
}

#[derive(Debug, Serialize)]
struct Member {
    id: String,
    name: String,
    at: jiff::Timestamp,
    live: usize,
    /// Mean score of the offers that are online, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<u8>,
    sources: Vec<Source>,
    channels: Vec<Channel>,
    /// The offers that are online, the least complete first.
    offers: Vec<Offer>,
    /// Records that the hub could not take over.
    refused: Vec<Refused>,
}

#[derive(Debug, Serialize)]
struct Source {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_run: Option<jiff::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    held: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<Repeats>,
}

#[derive(Debug, Serialize)]
struct Channel {
    name: String,
    title: String,
    ready: usize,
    blocked: Vec<Blocked>,
}

#[derive(Debug, Serialize)]
struct Blocked {
    id: String,
    title: String,
    remedies: Vec<Blocker>,
}

#[derive(Debug, Serialize)]
struct Offer {
    id: String,
    title: String,
    /// 0 to 100, and what would bring the rest.
    score: u8,
    missing: Vec<Missing>,
    findings: Vec<Finding>,
    /// Masked in public, for the member alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    contacts: Vec<Contact>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Finding {
    rule: String,
    message: String,
    message_en: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    article: Option<String>,
}

#[derive(Debug, Serialize)]
struct Refused {
    source: String,
    reference: String,
    reasons: Vec<String>,
}

pub async fn run(hub: &Hub, args: &Report) -> anyhow::Result<Exit> {
    let id = MemberId::from(args.member.as_str());
    let files = hub.files();
    let Some(member) = files.network.member(&id) else {
        let known: Vec<&str> = files.network.members.keys().map(MemberId::as_str).collect();
        bail!(Usage(format!(
            "there is no member {:?}; there are {}",
            args.member,
            known.join(", ")
        )));
    };
    let (_, live) = hub.store.snapshot().await?;
    let own: Vec<Vacancy> = live
        .iter()
        .filter_map(|v| serde_json::from_slice::<Vacancy>(&v.body).ok())
        .filter(|v| v.member.as_ref() == Some(&id))
        .collect();
    let (sources, refused) = sources(hub, &id).await?;
    let offers = offers(hub, &own).await?;
    let scores: usize = offers.iter().map(|offer| usize::from(offer.score)).sum();
    let report = Member {
        score: scores
            .checked_div(offers.len())
            .and_then(|mean| u8::try_from(mean).ok()),
        id: member.id.clone(),
        name: member.name.clone(),
        at: hub.clock.now(),
        live: own.len(),
        sources,
        channels: channels(hub, &id).await?,
        offers,
        refused,
    };
    if args.json {
        out::json(&report)?;
    } else {
        say(&report, args.lang)?;
    }
    let asks = report
        .sources
        .iter()
        .any(|s| s.error.is_some() || s.held > 0 || s.repeats.is_some())
        || !report.refused.is_empty()
        || report.channels.iter().any(|c| !c.blocked.is_empty());
    Ok(if asks { Exit::Attention } else { Exit::Done })
}

/// The member's own sources, and what they refused.
async fn sources(hub: &Hub, id: &MemberId) -> anyhow::Result<(Vec<Source>, Vec<Refused>)> {
    let (mut sources, mut refused) = (Vec::new(), Vec::new());
    let holds = hub.store.holds(true).await?;
    for (name, owner) in &hub.files().network.connectors {
        if owner.as_ref() != Some(id) {
            continue;
        }
        let state = hub.store.connector_state(name).await?;
        let runs = hub.store.runs(Some(name), RUNS).await?;
        // An unchanged feed still has the faults of the run that read it.
        let read = runs.iter().find(|run| {
            !matches!(
                run.snapshot,
                None | Some(SnapshotKind::Unchanged | SnapshotKind::Failed)
            )
        });
        let held = holds.iter().filter(|h| h.connector == *name);
        sources.push(Source {
            name: name.to_string(),
            last_run: runs.first().map(|run| run.started),
            error: state.error,
            held: held.map(|h| h.doubt.postings).sum(),
            repeats: read.and_then(|run| run.repeats().cloned()),
        });
        for reject in hub.store.rejects(name, REJECTS).await? {
            refused.push(Refused {
                source: name.to_string(),
                reference: reject.reference,
                reasons: reject
                    .problems
                    .into_iter()
                    .map(|p| format!("{} ({}) : {}", p.field, p.rule, p.message))
                    .collect(),
            });
        }
    }
    Ok((sources, refused))
}

/// Every channel for which the member gave its mandate.
async fn channels(hub: &Hub, id: &MemberId) -> anyhow::Result<Vec<Channel>> {
    let publish = hub.publish(None)?;
    let network = hub.files().network.clone();
    let now = hub.clock.now();
    let profiles = publish.profiles();
    let mandated: Vec<(String, String)> = profiles
        .iter()
        .filter(|profile| {
            let member = network.member(id);
            profile.channel() != "portal"
                && member.is_some_and(|m| m.mandate(profile.channel()).allows(now))
        })
        .map(|profile| (profile.name.clone(), profile.title.clone()))
        .collect();
    let mut channels = Vec::new();
    for (name, title) in mandated {
        let report = publish.preflight(&name, Some(id)).await?;
        let blocked = report.items.into_iter().filter_map(|item| {
            let remedies: Vec<Blocker> = item.blockers.into_iter().chain(item.notices).collect();
            (!remedies.is_empty()).then(|| Blocked {
                id: item.id.to_string(),
                title: item.title,
                remedies,
            })
        });
        channels.push(Channel {
            blocked: blocked.collect(),
            ready: report.ready,
            name,
            title,
        });
    }
    Ok(channels)
}

/// The member's own ads that are online, the least complete first.
async fn offers(hub: &Hub, own: &[Vacancy]) -> anyhow::Result<Vec<Offer>> {
    let postings: BTreeMap<PostingId, &Vacancy> = own
        .iter()
        .flat_map(|v| {
            let own = v.sources.iter().filter(|s| s.own);
            own.map(move |s| (s.posting, v))
        })
        .collect();
    let ids: Vec<PostingId> = postings.keys().copied().collect();
    let mut offers = Vec::new();
    for page in ids.chunks(500) {
        for stored in hub.store.load_normalised(page).await? {
            let Some(vacancy) = postings.get(&stored.state.id) else {
                continue;
            };
            let posting = stored.posting;
            // The offer as it is published, with what was found in the member's own ad.
            let score = score(&vacancy.offer, &posting.findings);
            let mut findings: Vec<Finding> = Vec::new();
            for finding in posting.findings {
                let line = Finding {
                    rule: finding.rule,
                    message: finding.message,
                    message_en: finding.message_en,
                    article: finding.article,
                };
                if finding.severity != Severity::Info && !findings.contains(&line) {
                    findings.push(line);
                }
            }
            offers.push(Offer {
                id: vacancy.id.to_string(),
                title: vacancy.offer.title.clone(),
                score: score.total,
                missing: score.missing,
                findings,
                contacts: posting.contacts,
            });
        }
    }
    offers.sort_by(|a, b| (a.score, &a.title, &a.id).cmp(&(b.score, &b.title, &b.id)));
    Ok(offers)
}

fn say(report: &Member, lang: Lang) -> std::io::Result<()> {
    let day = report.at.strftime("%d/%m/%Y").to_string();
    out::line(format!("{} – point sur vos offres au {day}\n", report.name))?;
    out::line(format!("En ligne : {}", report.live))?;
    if let Some(score) = report.score {
        out::line(format!("Complétude moyenne : {score}/100"))?;
    }
    for source in &report.sources {
        let when = source.last_run.map_or("jamais lue".to_owned(), |at| {
            format!("lue le {}", at.strftime("%d/%m/%Y à %H:%M UTC"))
        });
        let mut text = format!("Source {} : {when}", source.name);
        if let Some(error) = &source.error {
            text.push_str(&format!(" ; en échec : {}", unread::said(error).fr));
        }
        if source.held > 0 {
            text.push_str(&format!(
                " ; {} offres retenues, dans l’attente d’une vérification",
                source.held
            ));
        }
        if let Some(repeats) = &source.repeats {
            text.push_str(&format!(
                " ; référence déjà employée dans le même flux : {} ({}), seule la dernière annonce \
                 de chaque référence est reprise. Donnez à chaque offre sa propre référence.",
                repeats.records,
                repeats.named()
            ));
        }
        out::line(text)?;
    }
    for channel in &report.channels {
        out::line(format!(
            "\n{} : {} prêtes, {} à corriger",
            channel.title,
            channel.ready,
            channel.blocked.len()
        ))?;
        for offer in &channel.blocked {
            out::line(format!("  {} ({})", offer.title, offer.id))?;
            for remedy in &offer.remedies {
                out::line(format!("    – {}", remedy.fr))?;
            }
        }
    }
    let weak = |offer: &&Offer| !offer.findings.is_empty() || !offer.missing.is_empty();
    if report.offers.iter().any(|offer| weak(&offer)) {
        out::line("\nÀ améliorer dans les offres en ligne :")?;
        for offer in report.offers.iter().filter(weak) {
            let Offer {
                title, id, score, ..
            } = offer;
            out::line(format!("  {title} ({id}) – {score}/100"))?;
            for finding in &offer.findings {
                let article = finding.article.as_ref();
                let article = article.map_or(String::new(), |a| format!(" [{a}]"));
                let said = lang.of(&finding.message, &finding.message_en);
                out::line(format!("    – {said}{article}"))?;
            }
            for missing in &offer.missing {
                let said = lang.of(missing.message, missing.message_en);
                out::line(format!("    + {said} (+{})", missing.points))?;
            }
        }
    }
    if report.offers.iter().any(|offer| !offer.contacts.is_empty()) {
        out::line("\nCoordonnées masquées dans le public, connues de vous seuls :")?;
        for offer in &report.offers {
            for contact in &offer.contacts {
                let Contact { value, field, .. } = contact;
                out::line(format!("  {} : {value} ({field})", offer.title))?;
            }
        }
    }
    if !report.refused.is_empty() {
        out::line("\nEnregistrements refusés :")?;
        for refused in &report.refused {
            out::line(format!("  {} / {}", refused.source, refused.reference))?;
            for reason in &refused.reasons {
                out::line(format!("    – {reason}"))?;
            }
        }
    }
    Ok(())
}
