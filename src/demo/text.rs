//! The words of an ad: HTML for the members' systems, plain text for France Travail.

use super::opening::{Form, Opening, lower_first};
use super::tables::Tables;

/// The parts of an ad. Systems cut them up differently, so each asks for what it needs.
pub struct Ad {
    /// Who the member is.
    pub company: String,
    /// Heading and paragraph about the team and the place.
    pub team: String,
    pub tasks: Vec<String>,
    pub profile: Vec<String>,
    /// Contract, hours, pay, benefits.
    pub conditions: Vec<String>,
    pub closing: String,
    pub headings: [String; 4],
}

impl Ad {
    pub fn of(opening: &Opening, tables: &Tables) -> Self {
        let voice = opening.voice;
        let service = tables
            .services
            .get(opening.service)
            .map_or("", String::as_str);
        let [m, f] = &opening.job.title;
        let who = if m == f {
            format!("un ou une {}", lower_first(m))
        } else {
            format!("un {} ou une {}", lower_first(m), lower_first(f))
        };
        let team = if voice.agreement.is_empty() {
            format!(
                "Pour l'un de nos clients à {}, nous cherchons en renfort {who}.",
                opening.site.city
            )
        } else {
            let unit = match opening.service {
                "Secteur" => format!("l'équipe du secteur de {}", opening.site.city),
                "Hébergement" => "l'équipe de la résidence".into(),
                "Siège" => "les équipes du siège".into(),
                service => format!("l'équipe « {service} »"),
            };
            format!(
                "{} – {} ({}). Nous recherchons {who} pour rejoindre {unit}. {service}",
                opening.site.name, opening.site.city, opening.site.postal
            )
        };
        let mut profile = vec![format!("{}.", opening.job.diploma)];
        profile.extend(opening.profile.iter().map(|line| (*line).to_owned()));
        let mut conditions = vec![contract(opening), hours(opening)];
        conditions.extend(pay(opening));
        conditions.extend(opening.benefits.iter().map(|line| format!("{line}.")));
        Self {
            company: voice.intro.clone(),
            team,
            tasks: opening
                .tasks
                .iter()
                .map(|task| format!("{task}."))
                .collect(),
            profile,
            conditions,
            closing: voice.closing.clone(),
            headings: voice.headings.clone(),
        }
    }

    /// The whole ad but for the company's own words, as HTML.
    pub fn html(&self) -> String {
        format!(
            "{}{}{}",
            self.job_html(),
            self.profile_html(),
            self.conditions_html()
        )
    }

    /// Team and tasks.
    pub fn job_html(&self) -> String {
        format!(
            "<p><strong>{}</strong></p><p>{}</p><p><strong>{}</strong></p>{}",
            escape(&self.headings[0]),
            escape(&self.team),
            escape(&self.headings[1]),
            list(&self.tasks)
        )
    }

    pub fn profile_html(&self) -> String {
        format!(
            "<p><strong>{}</strong></p>{}",
            escape(&self.headings[2]),
            list(&self.profile)
        )
    }

    pub fn conditions_html(&self) -> String {
        format!(
            "<p><strong>{}</strong></p>{}<p>{}</p>",
            escape(&self.headings[3]),
            list(&self.conditions),
            escape(&self.closing)
        )
    }

    /// Plain text with line breaks, bullets written as `bullet`.
    pub fn plain(&self, bullet: &str) -> String {
        let mut out = format!("{}\n\n{}\n{}\n", self.company, self.headings[0], self.team);
        for (heading, lines) in [
            (&self.headings[1], &self.tasks),
            (&self.headings[2], &self.profile),
            (&self.headings[3], &self.conditions),
        ] {
            out.push_str(&format!("\n{heading}\n"));
            for line in lines {
                out.push_str(&format!("{bullet}{line}\n"));
            }
        }
        out.push_str(&format!("\n{}", self.closing));
        out
    }
}

/// Form, working time and start.
fn contract(opening: &Opening) -> String {
    let time = if opening.is_full_time() {
        "temps plein".to_owned()
    } else {
        format!(
            "temps partiel à {} % ({} par semaine)",
            opening.share,
            opening.hours_text()
        )
    };
    match opening.form {
        Form::Liberal => "Exercice libéral, contrat de collaboration avec le plateau.".into(),
        form => format!(
            "{}, {time}, poste à pourvoir dès que possible.",
            form.label()
        ),
    }
}

fn hours(opening: &Opening) -> String {
    match opening.shift {
        "nuit" => "Travail de nuit, de 21 h à 7 h, par roulement connu à l'avance.",
        "alt" => "Alternance du matin et de l'après-midi, un week-end sur deux.",
        "12j" => "Travail de jour en 12 heures, un week-end sur trois.",
        "12n" => "Travail de nuit en 12 heures, un week-end sur trois.",
        "we" => "Horaires de jour, un week-end travaillé sur deux.",
        "coupe" => "Horaires fractionnés certains jours, un week-end sur trois.",
        _ => "Horaires de jour, du lundi au vendredi.",
    }
    .into()
}

/// The pay as the member writes it; nothing where it shows none.
pub fn pay(opening: &Opening) -> Option<String> {
    let [low, high] = opening.pay.map(grouped);
    match opening.member {
        _ if !opening.shows_pay() => Some(match opening.voice.agreement.as_str() {
            "CCN66" => "Rémunération selon la CCN66, reprise de l'ancienneté.".into(),
            "FPT" => "Rémunération statutaire et régime indemnitaire.".into(),
            _ => return None,
        }),
        "gh-monts-de-saone" => Some(format!(
            "De {low} € à {high} € brut par mois selon la grille de la fonction publique hospitalière et l'ancienneté."
        )),
        "relais-interim-sante" => Some(format!("{} € brut de l'heure.", hourly(opening))),
        "clinique-de-la-colline" => Some(format!(
            "{} à {} k€ brut annuel selon l'expérience.",
            opening.pay[0] * 12 / 1000,
            opening.pay[1] * 12 / 1000
        )),
        _ => Some(format!(
            "Entre {low} € et {high} € brut mensuel pour un temps plein."
        )),
    }
}

/// Gross euros an hour, with a decimal comma.
pub fn hourly(opening: &Opening) -> String {
    let cents = opening.pay[0] * 10_000 / 15_167;
    format!("{},{:02}", cents / 100, cents % 100)
}

/// `2 340`, with the no-break space of French typography.
fn grouped(amount: u32) -> String {
    if amount < 1000 {
        amount.to_string()
    } else {
        format!("{}\u{a0}{:03}", amount / 1000, amount % 1000)
    }
}

fn list(items: &[String]) -> String {
    let items: String = items
        .iter()
        .map(|item| format!("<li>{}</li>", escape(item)))
        .collect();
    format!("<ul>{items}</ul>")
}

/// Text as HTML or XML character data.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
