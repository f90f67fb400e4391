//! Advertisements of an invented network, as alike and as unlike as real ones.

use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::Path;

const TRADES: [&str; 16] = [
    "Aide-soignant",
    "Infirmier",
    "Agent de service hospitalier",
    "Éducateur spécialisé",
    "Moniteur-éducateur",
    "Accompagnant éducatif et social",
    "Psychologue",
    "Ergothérapeute",
    "Masseur-kinésithérapeute",
    "Cadre de santé",
    "Médecin gériatre",
    "Secrétaire médicale",
    "Cuisinier",
    "Technicien de maintenance",
    "Auxiliaire de vie",
    "Orthophoniste",
];
const SERVICES: [&str; 12] = [
    "cardiologie",
    "urgences",
    "gériatrie",
    "pédiatrie",
    "psychiatrie",
    "réanimation",
    "oncologie",
    "néphrologie",
    "soins palliatifs",
    "bloc opératoire",
    "maternité",
    "rééducation",
];
const TOWNS: [(&str, &str); 48] = [
    ("70000", "Vesoul"),
    ("70200", "Lure"),
    ("70100", "Gray"),
    ("25000", "Besançon"),
    ("90000", "Belfort"),
    ("39000", "Lons-le-Saunier"),
    ("21000", "Dijon"),
    ("71000", "Mâcon"),
    ("58000", "Nevers"),
    ("89000", "Auxerre"),
    ("54000", "Nancy"),
    ("57000", "Metz"),
    ("55000", "Bar-le-Duc"),
    ("88000", "Épinal"),
    ("67000", "Strasbourg"),
    ("68000", "Colmar"),
    ("51000", "Reims"),
    ("10000", "Troyes"),
    ("52000", "Chaumont"),
    ("08000", "Charleville-Mézières"),
    ("59000", "Lille"),
    ("62000", "Arras"),
    ("80000", "Amiens"),
    ("60000", "Beauvais"),
    ("02000", "Laon"),
    ("76000", "Rouen"),
    ("27000", "Évreux"),
    ("14000", "Caen"),
    ("50000", "Saint-Lô"),
    ("61000", "Alençon"),
    ("35000", "Rennes"),
    ("22000", "Saint-Brieuc"),
    ("29000", "Quimper"),
    ("56000", "Vannes"),
    ("44000", "Nantes"),
    ("49000", "Angers"),
    ("53000", "Laval"),
    ("72000", "Le Mans"),
    ("85000", "La Roche-sur-Yon"),
    ("45000", "Orléans"),
    ("37000", "Tours"),
    ("41000", "Blois"),
    ("33000", "Bordeaux"),
    ("31000", "Toulouse"),
    ("34000", "Montpellier"),
    ("38000", "Grenoble"),
    ("63000", "Clermont-Ferrand"),
    ("87000", "Limoges"),
];

/// A seeded row of numbers.
struct Dice(u64);

impl Dice {
    fn of(parts: &[usize]) -> Self {
        let seed = parts
            .iter()
            .fold(0x9e37_79b9_7f4a_7c15, |state: u64, part| {
                (state ^ *part as u64)
                    .wrapping_mul(0xbf58_476d_1ce4_e5b9)
                    .rotate_left(31)
            });
        Self(seed)
    }

    fn next(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    /// A word of the bench's language: as in a real one, a few are everywhere and most are rare.
    fn word(&mut self) -> String {
        const VOCABULARY: f64 = 20_000.0;
        let share = self.next(1 << 20) as f64 / f64::from(1 << 20);
        let rank = VOCABULARY.powf(share) as usize;
        // Three to five syllables, spread so that neighbours in rank look nothing alike.
        let mut code = rank.wrapping_mul(7_919) % 1_000_003;
        let mut word = String::new();
        for _ in 0..3 + rank % 3 {
            word.push(char::from(b"bcdfglmnprstv"[code % 13]));
            code /= 13;
            word.push(char::from(b"aeiou"[code % 5]));
            code = code / 5 + rank;
        }
        word
    }

    fn sentence(&mut self) -> String {
        let words: Vec<String> = (0..10 + self.next(8)).map(|_| self.word()).collect();
        words.join(" ") + ". "
    }
}

/// A synthetic offer of about 3 KB, fifty of them an employer: what the employer says in all its
/// ads, missions out of the stock of the trade, and its own words.
fn offer(n: usize, version: usize) -> Value {
    let (code, town) = TOWNS[n / 50 % TOWNS.len()];
    let (trade, service) = (n % TRADES.len(), n / 3 % SERVICES.len());
    let mut text = format!("<p>Poste {n} en {}.</p><p>", SERVICES[service]);
    let mut dice = Dice::of(&[1, n / 50]);
    text.extend((0..6).map(|_| dice.sentence()));
    text += "</p><p>Vos missions :</p><ul>";
    let mut dice = Dice::of(&[2, n]);
    for _ in 0..8 {
        let mission = Dice::of(&[3, trade, dice.next(60)]).sentence();
        text += &format!("<li>{mission}</li>");
    }
    text += "</ul><p>";
    let mut dice = Dice::of(&[4, n, version]);
    text.extend((0..14).map(|_| dice.sentence()));
    text += "</p>";
    json!({
        "id": format!("OFF-{n:06}"),
        "title": format!("{} {} H/F", TRADES[trade], SERVICES[service]),
        "company": format!("Établissement synthétique n° {}", n / 50),
        "city": town,
        "zip": code,
        "contract": if n.is_multiple_of(3) { "CDD" } else { "CDI" },
        "salary": "Mensuel de 1900.0 Euros à 2300.0 Euros sur 12.0 mois",
        "date": "2026-11-02T08:00:00Z",
        "url": format!("https://carrieres.groupe.example/offre/{n}?id={n}"),
        "text": text,
    })
}

/// Writes `count` offers at `version`, the first `touch` of them a version further; never more than
/// one in memory.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, count: usize, version: usize, touch: usize) -> io::Result<u64> {
    let mut file = io::BufWriter::new(std::fs::File::create(path)?);
    let mut bytes = file.write(b"{\"jobs\":[")?;
    for n in 0..count {
        if n > 0 {
            bytes += file.write(b",")?;
        }
        let version = if n < touch { version + 1 } else { version };
        let text = offer(n, version).to_string();
        file.write_all(text.as_bytes())?;
        bytes += text.len();
    }
    bytes += file.write(b"]}")?;
    file.flush()?;
    Ok(bytes as u64)
}
