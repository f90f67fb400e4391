//! One true opening of the synthetic network, before any system shows it.

use super::rng::Rng;
use super::tables::{Job, Row, Site, Tables, Voice};
use jiff::{SignedDuration, Timestamp};

/// Legal form of the contract, with its length in months where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Permanent,
    /// A permanent post of the public service, open to transfer.
    Statutory,
    Fixed(u32),
    Agency(u32),
    Apprentice,
    Professional,
    Liberal,
}

impl Form {
    pub fn parse(code: &str) -> Self {
        let months = code
            .trim_start_matches(|c: char| !c.is_ascii_digit())
            .parse()
            .unwrap_or(1);
        match code.get(..3) {
            Some("MUT") => Self::Statutory,
            Some("CDD") => Self::Fixed(months),
            Some("INT") => Self::Agency(months),
            Some("APP") => Self::Apprentice,
            Some("PRO") => Self::Professional,
            Some("LIB") => Self::Liberal,
            _ => Self::Permanent,
        }
    }

    pub fn months(self) -> Option<u32> {
        match self {
            Self::Fixed(months) | Self::Agency(months) => Some(months),
            Self::Apprentice | Self::Professional => Some(12),
            Self::Permanent | Self::Statutory | Self::Liberal => None,
        }
    }

    /// As a recruiter writes it.
    pub fn label(self) -> String {
        match self {
            Self::Permanent => "CDI".into(),
            Self::Statutory => "CDI, ouvert aux titulaires par mutation ou détachement".into(),
            Self::Fixed(months) => format!("CDD de {months} mois"),
            Self::Agency(1) => "Intérim, 1 mois renouvelable".into(),
            Self::Agency(months) => format!("Intérim, {months} mois"),
            Self::Apprentice => "Contrat d'apprentissage de 12 mois".into(),
            Self::Professional => "Contrat de professionnalisation de 12 mois".into(),
            Self::Liberal => "Exercice libéral".into(),
        }
    }

    /// The bare form, as a code list of an ATS shows it.
    pub fn short(self) -> &'static str {
        match self {
            Self::Permanent | Self::Statutory => "CDI",
            Self::Fixed(_) => "CDD",
            Self::Agency(_) => "Intérim",
            Self::Apprentice => "Apprentissage",
            Self::Professional => "Contrat de professionnalisation",
            Self::Liberal => "Libéral",
        }
    }
}

/// How France Travail carries a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// Sent by the member's software: partner offer with its link.
    Partner,
    /// Entered by an adviser, with the member's link to apply.
    Native,
    /// Entered by an adviser, with the member's reference in the text.
    Reference,
    /// Entered by an adviser, naming the employer only.
    Named,
    /// Sent on by a board that hides the employer.
    Blind,
}

/// One real post to fill.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Key of the member in the tables: its member id.
    pub member: &'static str,
    /// From 1001, in the order of the table: what the demo's control handle takes.
    pub number: u32,
    pub voice: &'static Voice,
    pub job: &'static Job,
    pub job_key: &'static str,
    pub site: &'static Site,
    pub site_key: &'static str,
    pub service: &'static str,
    pub form: Form,
    /// Per cent of full time.
    pub share: u32,
    pub shift: &'static str,
    pub published: Timestamp,
    pub updated: Timestamp,
    pub echo: Option<Echo>,
    pub internal: bool,
    pub brief: bool,
    /// Gross euros a month, full time.
    pub pay: [u32; 2],
    pub title: String,
    pub tasks: Vec<&'static str>,
    pub profile: Vec<&'static str>,
    pub benefits: Vec<&'static str>,
    pub closed: bool,
}

impl Opening {
    /// The opening of `row`; `day` is the demo's own midnight.
    pub fn new(tables: &'static Tables, row: &'static Row, number: u32, day: Timestamp) -> Self {
        let voice = &tables.network[&row.member];
        let job = &tables.jobs[&row.job];
        let site = &voice.sites[&row.site];
        let mut rng = Rng::of(&format!("{}/{number}", row.member));
        let minutes = 7 * 60 + i64::try_from(rng.below(10 * 60)).unwrap_or(0);
        let published = day - SignedDuration::from_hours(24 * row.days)
            + SignedDuration::from_mins(minutes)
            - SignedDuration::from_hours(24);
        // One ad in four was touched up later.
        let touched = row.days > 3 && rng.below(4) == 0;
        let later = i64::try_from(rng.below(usize::try_from(row.days.max(2)).unwrap_or(2) - 1))
            .unwrap_or(0)
            + 1;
        let updated = if touched {
            published + SignedDuration::from_hours(24 * later) + SignedDuration::from_mins(47)
        } else {
            published
        };
        let factor = match voice.agreement.as_str() {
            "CCN51" => 101,
            "CCN66" => 98,
            "BAD" => 97,
            "FHP" => 100,
            "FPT" => 98,
            "" => 112,
            _ => 100,
        };
        let step = u32::try_from(rng.below(5)).unwrap_or(0) * 10;
        let pay = job
            .pay
            .map(|amount| ((amount * factor / 100 + step) / 10 * 10).max(1840));
        let form = Form::parse(&row.contract);
        let some = |rng: &mut Rng, from: &'static [String], count| {
            rng.some(from, count)
                .into_iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
        };
        let mut opening = Self {
            member: &row.member,
            number,
            voice,
            job,
            job_key: &row.job,
            site,
            site_key: &row.site,
            service: &row.service,
            form,
            share: row.time,
            shift: &row.shift,
            published,
            updated,
            echo: match row.echo.as_str() {
                "p" => Some(Echo::Partner),
                "n" => Some(Echo::Native),
                "r" => Some(Echo::Reference),
                "m" => Some(Echo::Named),
                "b" => Some(Echo::Blind),
                _ => None,
            },
            internal: row.flag == "internal",
            brief: row.flag == "short",
            pay,
            title: String::new(),
            tasks: some(&mut rng, &job.tasks, 5),
            profile: some(&mut rng, &job.profile, 2),
            benefits: some(&mut rng, &voice.benefits, 5),
            closed: false,
        };
        opening.title = opening.own_title();
        opening
    }

    /// The member's own reference: its form is that of the software that the member uses.
    pub fn reference(&self) -> String {
        let n = self.number;
        match self.member {
            "gh-monts-de-saone" => format!("2026-{n}"),
            "ah-val-de-lanterne" => format!("LNT{n}QX{}", n % 7),
            "mutuelle-trois-rivieres" => format!("7440001{n}55"),
            "aide-et-campagne" => format!("{}", 500_000 + n),
            "fondation-claire-fontaine" => format!("{}", 2_700_000 + n),
            "association-grand-chene" => format!("00{}", 410_000 + n),
            "centres-de-sante-vallees" => format!("17{n}40W"),
            "clinique-de-la-colline" => format!("COL-{n}"),
            "departement-mille-etangs" => format!("DME-{n}"),
            _ => format!("{}", 68_000_000 + n),
        }
    }

    /// The ad's page on the member's own site.
    pub fn url(&self) -> String {
        format!(
            "https://{}/offres/{}-{}",
            self.voice.host,
            self.reference(),
            self.slug()
        )
    }

    /// Where its form to apply is.
    pub fn apply_url(&self) -> String {
        format!("{}/postuler", self.url())
    }

    fn slug(&self) -> String {
        format!("{}-{}", self.job_key.replace('_', "-"), self.site_key)
    }

    fn own_title(&self) -> String {
        let [m, f] = &self.job.title;
        let pair = if m == f {
            m.clone()
        } else {
            format!("{m} / {f}")
        };
        let service = self.service;
        let night = self.is_night();
        match self.member {
            "gh-monts-de-saone" if night => format!("{pair} de nuit – {service} (H/F)"),
            "gh-monts-de-saone" => format!("{pair} – {service} (H/F)"),
            "ah-val-de-lanterne" if night => {
                format!("{m} de nuit H/F – {service} – {}", self.site.city)
            }
            "ah-val-de-lanterne" => format!("{m} H/F – {service} – {}", self.site.city),
            "mutuelle-trois-rivieres" if night => format!("{f} de nuit F/H – {}", self.site.name),
            "mutuelle-trois-rivieres" => format!("{f} F/H – {}", self.site.name),
            "aide-et-campagne" if service == "Secteur" => {
                format!("{pair} – secteur de {} (F/H)", self.site.city)
            }
            "aide-et-campagne" => format!("{pair} {service} – {} (F/H)", self.site.city),
            "fondation-claire-fontaine" if night => format!("{m} de nuit F/H - {service}"),
            "fondation-claire-fontaine" => format!("{m} F/H - {service}"),
            "association-grand-chene" => format!("{m} (H/F) {}", self.site.name),
            "centres-de-sante-vallees" => format!("{m} H/F"),
            "clinique-de-la-colline" if night => format!("{m} nuit – {service} (F/H)"),
            "clinique-de-la-colline" => format!("{m} – {service} (F/H)"),
            "departement-mille-etangs" if m == f => format!("{m} – {service} (H/F)"),
            "departement-mille-etangs" => format!("{f} ou {} – {service}", lower_first(m)),
            _ => format!("{} H/F - Mission d'intérim", m.to_uppercase()),
        }
    }

    pub fn is_night(&self) -> bool {
        matches!(self.shift, "nuit" | "12n")
    }

    pub fn is_full_time(&self) -> bool {
        self.share >= 100
    }

    /// Hours a week.
    pub fn hours(&self) -> f64 {
        f64::from(35 * self.share) / 100.0
    }

    /// Hours a week as French prose: `28 h`, `17 h 30`.
    pub fn hours_text(&self) -> String {
        let minutes = 35 * self.share * 60 / 100;
        match minutes % 60 {
            0 => format!("{} h", minutes / 60),
            rest => format!("{} h {rest:02}", minutes / 60),
        }
    }

    /// Whether the member's ads show an amount.
    pub fn shows_pay(&self) -> bool {
        !matches!(
            self.form,
            Form::Liberal | Form::Apprentice | Form::Professional
        ) && !matches!(
            self.member,
            "departement-mille-etangs" | "association-grand-chene"
        )
    }
}

/// `text` with its first letter in lower case.
pub fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}
