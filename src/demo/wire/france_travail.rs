//! A France Travail "Offres d'emploi v2" look-alike: the copies of the members' offers, altered as
//! syndication alters them, and a few offers of employers outside the network.

use crate::demo::opening::{Echo, Form, Opening};
use crate::demo::rng::Rng;
use crate::demo::tables::{Job, tables};
use crate::demo::text::{Ad, hourly};
use crate::demo::world::World;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Most offers that one answer holds, and the highest start of a range.
pub const WIDTH: usize = 150;
pub const LAST_START: usize = 3000;

/// An offer with what the search filters look at.
pub struct Listed {
    pub offer: Value,
    pub created: Timestamp,
    pub department: String,
    /// 1 France Travail, 2 partner.
    pub origin: u8,
    pub rome: String,
    /// Reference of the opening that it is a copy of; none for an employer outside the network.
    pub copy_of: Option<String>,
}

/// Everything that the API would find, the newest first.
pub fn offers(world: &World) -> Vec<Listed> {
    let mut found: Vec<Listed> = world
        .openings
        .iter()
        .filter(|opening| !world.silenced.contains(&opening.reference()))
        .filter_map(|opening| opening.echo.map(|echo| copy(world, opening, echo)))
        .collect();
    found.extend(
        OUTSIDERS
            .iter()
            .enumerate()
            .map(|(n, row)| outsider(world, n, row)),
    );
    found.push(untitled(world));
    found.sort_by(|one, other| {
        other
            .created
            .cmp(&one.created)
            .then_with(|| one.offer["id"].as_str().cmp(&other.offer["id"].as_str()))
    });
    found
}

fn stamp(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// `183DSTK`: three digits and four letters.
fn native_id(rng: &mut Rng) -> String {
    let letters: String = (0..4)
        .map(|_| char::from(b'B' + u8::try_from(rng.below(20)).unwrap_or(0)))
        .collect();
    format!("{}{letters}", 190 + rng.below(9))
}

fn copy(world: &World, opening: &Opening, echo: Echo) -> Listed {
    let reference = opening.reference();
    let mut rng = Rng::of(&format!("france-travail/{reference}"));
    let ad = Ad::of(opening, world.tables);
    let site = opening.site;
    let native = matches!(echo, Echo::Native | Echo::Reference | Echo::Named);
    let (id, delay) = if native {
        (native_id(&mut rng), SignedDuration::from_hours(5))
    } else {
        let id = format!("{:07}", 1_200_000 + rng.below(700_000));
        (id, SignedDuration::from_hours(13))
    };
    let created = opening.published + delay + SignedDuration::from_mins(rng.below(300) as i64);
    let mut offer = json!({
        "id": id,
        "intitule": title(opening, echo),
        "description": description(opening, &ad, echo, &mut rng),
        "dateCreation": stamp(created),
        "dateActualisation": stamp(created),
        "lieuTravail": {
            "libelle": format!("{} - {}", site.postal.get(..2).unwrap_or("70"), site.city.to_uppercase()),
            "codePostal": site.postal,
            "commune": site.insee,
        },
        "entreprise": { "entrepriseAdaptee": false },
        "nombrePostes": 1,
        "codeNAF": opening.voice.naf[0],
        "secteurActivite": opening.voice.naf[0].get(..2),
        "secteurActiviteLibelle": opening.voice.naf[1],
    });
    common(
        &mut offer,
        opening.job,
        opening.form,
        opening.share,
        opening.shift,
    );
    if rng.below(4) != 0 {
        offer["lieuTravail"]["latitude"] = json!(site.lat);
        offer["lieuTravail"]["longitude"] = json!(site.lon);
    }
    if opening.shows_pay() && opening.member == "relais-interim-sante" {
        let amount = hourly(opening);
        offer["salaire"] =
            json!({ "libelle": format!("Horaire de {amount} Euros à {amount} Euros") });
    } else if opening.shows_pay() && rng.below(3) != 0 {
        let [low, high] = opening.pay;
        offer["salaire"] = json!({
            "libelle": format!("Mensuel de {low}.0 Euros à {high}.0 Euros sur 12.0 mois"),
            "complement1": "Primes",
        });
    }
    let named = match echo {
        Echo::Blind => false,
        // Two partner offers in three come without their employer.
        Echo::Partner => rng.below(3) == 0,
        Echo::Native | Echo::Reference | Echo::Named => true,
    };
    if named {
        let name = if rng.below(3) == 0 {
            opening.voice.name.to_uppercase()
        } else {
            opening.voice.name.clone()
        };
        offer["entreprise"]["nom"] = json!(name);
    }
    if native && rng.below(2) == 0 {
        offer["entreprise"]["description"] = json!(opening.voice.intro);
    }
    match echo {
        Echo::Partner => {
            offer["origineOffre"] = origin(&id, Some((partner(opening), tracked(opening))));
        }
        Echo::Blind => {
            let url = format!("https://www.emploi-soin.example/annonces/{id}");
            offer["origineOffre"] = origin(&id, Some(("STAFFSANTE", url)));
        }
        Echo::Native => {
            let way = format!(
                "Pour postuler, utiliser le lien suivant : {}",
                opening.url()
            );
            offer["contact"] = json!({
                "nom": opening.voice.name,
                "coordonnees1": way,
                "courriel": way,
                "urlPostulation": opening.url(),
            });
            offer["origineOffre"] = origin(&id, None);
        }
        Echo::Reference | Echo::Named => {
            let page =
                format!("https://candidat.francetravail.example/offres/recherche/detail/{id}");
            let way = format!("Pour postuler, utiliser le lien suivant : {page}");
            offer["contact"] = json!({
                "nom": opening.voice.name,
                "coordonnees1": way,
                "courriel": way,
            });
            offer["origineOffre"] = origin(&id, None);
        }
    }
    Listed {
        offer,
        created,
        department: site.postal.get(..2).unwrap_or("70").to_owned(),
        origin: if native { 1 } else { 2 },
        rome: opening.job.rome.clone(),
        copy_of: Some(reference),
    }
}

fn origin(id: &str, partner: Option<(&str, String)>) -> Value {
    let mut origin = json!({
        "origine": if partner.is_some() { "2" } else { "1" },
        "urlOrigine": format!("https://candidat.francetravail.example/offres/recherche/detail/{id}"),
    });
    if let Some((name, url)) = partner {
        origin["partenaires"] = json!([{
            "nom": name,
            "url": url,
            "logo": format!("https://www.francetravail.example/logos/img/partenaires/{}80.png", name.to_lowercase().replace(' ', "_")),
        }]);
    }
    origin
}

fn partner(opening: &Opening) -> &'static str {
    match opening.member {
        "gh-monts-de-saone" => "TALENTSOFT",
        "ah-val-de-lanterne" => "DIGITAL RECRUITERS",
        "mutuelle-trois-rivieres" => "SMARTRECRUITERS",
        "aide-et-campagne" => "TEAMTAILOR",
        "association-grand-chene" => "METEOJOB",
        "centres-de-sante-vallees" => "APEC",
        "relais-interim-sante" => "HELLOWORK",
        _ => "TALENTPLUG",
    }
}

/// The member's link as the partner passes it on.
fn tracked(opening: &Opening) -> String {
    format!(
        "{}?utm_source=francetravail&utm_medium=job-board",
        opening.url()
    )
}

fn title(opening: &Opening, echo: Echo) -> String {
    match echo {
        // The adviser chooses an appellation, the service disappears.
        Echo::Native | Echo::Named | Echo::Reference if opening.is_night() => {
            format!("{} de nuit (H/F)", opening.job.appellation)
        }
        Echo::Native | Echo::Named | Echo::Reference => {
            format!("{} (H/F)", opening.job.appellation)
        }
        Echo::Blind => format!("{} (H/F)", opening.job.title[0].to_uppercase()),
        Echo::Partner => {
            let bare = ["(H/F)", "(F/H)", "H/F", "F/H"]
                .iter()
                .fold(opening.title.clone(), |title, mark| title.replace(mark, ""));
            let words: Vec<_> = bare.split_whitespace().collect();
            format!("{} (H/F)", words.join(" "))
        }
    }
}

fn description(opening: &Opening, ad: &Ad, echo: Echo, rng: &mut Rng) -> String {
    let tasks = |count: usize| {
        ad.tasks
            .iter()
            .take(count)
            .map(|task| format!("- {task}"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let conditions = ad.conditions.join(" ");
    match echo {
        // A full copy with other bullets, cut now and then before its end.
        Echo::Partner => {
            let bullet = ["• ", "- ", "* "][rng.below(3)];
            let text = ad.plain(bullet);
            if rng.below(3) == 0 {
                cut(&text, text.len() * 2 / 3)
            } else {
                text
            }
        }
        Echo::Native => format!(
            "{}\n\nVos activités :\n{}\n\n{} {}",
            ad.team,
            tasks(4),
            ad.profile.join(" "),
            conditions
        ),
        Echo::Reference => format!(
            "{}\n{}\n{}\nRéférence à rappeler : {}",
            ad.team,
            tasks(4),
            conditions,
            opening.reference()
        ),
        Echo::Named => format!("{}\n\nMissions :\n{}\n\n{conditions}", ad.team, tasks(3)),
        Echo::Blind => format!(
            "Notre client, un acteur reconnu du secteur, recrute à {} ({}).\n{}\nProfil : {}\n{}\nOffre diffusée par un site d'emploi spécialisé.",
            opening.site.city,
            opening.site.postal,
            tasks(4),
            ad.profile.join(" "),
            ad.conditions
                .iter()
                .take(2)
                .cloned()
                .collect::<Vec<_>>()
                .join(" ")
        ),
    }
}

/// `text` up to about `at` bytes, at a space, with the mark of a cut.
fn cut(text: &str, at: usize) -> String {
    let mut end = at.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let end = text[..end].rfind(' ').unwrap_or(end);
    format!("{}...", &text[..end])
}

/// What every offer has: occupation, contract, working time, experience.
fn common(offer: &mut Value, job: &Job, form: Form, share: u32, shift: &str) {
    let (code, label, nature) = match form {
        Form::Permanent | Form::Statutory => ("CDI", "CDI".to_owned(), "Contrat travail"),
        Form::Fixed(months) => ("CDD", format!("CDD - {months} Mois"), "Contrat travail"),
        Form::Agency(months) => ("MIS", format!("Intérim - {months} Mois"), "Contrat travail"),
        Form::Apprentice => ("CDD", "CDD - 12 Mois".into(), "Contrat apprentissage"),
        Form::Professional => ("CDD", "CDD - 12 Mois".into(), "Cont. professionnalisation"),
        Form::Liberal => ("LIB", "Profession libérale".into(), "Emploi non salarié"),
    };
    let minutes = 35 * share * 60 / 100;
    let hours = match minutes % 60 {
        0 => format!("{}H/semaine", minutes / 60),
        rest => format!("{}H{rest:02}/semaine", minutes / 60),
    };
    let context = match shift {
        "nuit" | "12n" => "Travail de nuit",
        "alt" => "Travail en 2*8",
        "we" => "Travail le samedi et dimanche",
        "coupe" => "Travail en horaires fractionnés",
        _ => "Travail en journée",
    };
    let time = if share >= 100 {
        "Temps plein"
    } else {
        "Temps partiel"
    };
    let more = json!({
        "romeCode": job.rome,
        "romeLibelle": job.rome_label,
        "appellationlibelle": job.appellation,
        "typeContrat": code,
        "typeContratLibelle": label,
        "natureContrat": nature,
        "experienceExige": "D",
        "experienceLibelle": "Débutant accepté",
        "dureeTravailLibelle": format!("{hours}\n{context}"),
        "dureeTravailLibelleConverti": time,
        "alternance": matches!(form, Form::Apprentice | Form::Professional),
        "accessibleTH": false,
        "qualificationCode": "7",
        "qualificationLibelle": "Technicien",
        "contexteTravail": { "horaires": [format!("{hours}\n{context}")] },
        "agence": {},
        "entrepriseAdaptee": false,
        "employeurHandiEngage": false,
        "offresManqueCandidats": false,
    });
    if let (Some(offer), Value::Object(more)) = (offer.as_object_mut(), more) {
        offer.extend(more);
    }
}

/// An offer of an employer that is no member.
#[derive(Deserialize)]
struct Outsider {
    name: String,
    job: String,
    insee: String,
    postal: String,
    city: String,
    lat: f64,
    lon: f64,
    contract: String,
    time: u32,
    shift: String,
    days: i64,
}

static OUTSIDERS: LazyLock<Vec<Outsider>> = LazyLock::new(|| {
    csv::ReaderBuilder::new()
        .delimiter(b';')
        .from_reader(include_bytes!("../../../connectors/demo/data/outsiders.csv").as_slice())
        .deserialize()
        .collect::<Result<_, _>>()
        .expect("outsiders.csv is a table of offers")
});

fn outsider(world: &World, number: usize, row: &Outsider) -> Listed {
    let mut rng = Rng::of(&format!("outsider/{number}"));
    let job = &tables().jobs[&row.job];
    let id = native_id(&mut rng);
    let created = world.day - SignedDuration::from_hours(24 * row.days)
        + SignedDuration::from_mins(rng.below(600) as i64);
    let tasks = rng
        .some(&job.tasks, 4)
        .into_iter()
        .map(|task| format!("- {task}"))
        .collect::<Vec<_>>()
        .join("\n");
    let page = format!("https://candidat.francetravail.example/offres/recherche/detail/{id}");
    let mut offer = json!({
        "id": id,
        "intitule": format!("{} (H/F)", job.appellation),
        "description": format!(
            "{} recrute à {}.\n\nVos missions :\n{tasks}\n\n{}. {}",
            row.name, row.city, job.diploma, job.profile[0]
        ),
        "dateCreation": stamp(created),
        "dateActualisation": stamp(created),
        "lieuTravail": {
            "libelle": format!("{} - {}", &row.postal[..2], row.city.to_uppercase()),
            "latitude": row.lat,
            "longitude": row.lon,
            "codePostal": row.postal,
            "commune": row.insee,
        },
        "entreprise": { "nom": row.name, "entrepriseAdaptee": false },
        "nombrePostes": 1,
        "contact": {
            "nom": row.name,
            "coordonnees1": format!("Pour postuler, utiliser le lien suivant : {page}"),
            "courriel": format!("Pour postuler, utiliser le lien suivant : {page}"),
        },
        "origineOffre": origin(&id, None),
    });
    common(
        &mut offer,
        job,
        Form::parse(&row.contract),
        row.time,
        &row.shift,
    );
    Listed {
        offer,
        created,
        department: row.postal[..2].to_owned(),
        origin: 1,
        rome: job.rome.clone(),
        copy_of: None,
    }
}

/// A record without a title: rejected on its own, the others go through.
fn untitled(world: &World) -> Listed {
    let created = world.day - SignedDuration::from_hours(30);
    Listed {
        offer: json!({
            "id": "0999999",
            "intitule": "",
            "description": "",
            "dateCreation": stamp(created),
            "lieuTravail": { "libelle": "70 - VESOUL", "codePostal": "70000", "commune": "70550" },
            "origineOffre": origin("0999999", Some(("TALENTPLUG", "https://annonces.example/0999999".into()))),
        }),
        created,
        department: "70".into(),
        origin: 2,
        rome: String::new(),
        copy_of: None,
    }
}
