//! The parts that ads mark with a heading: tasks, profile, benefits, employer, how to apply.

use super::super::fold::key;
use super::{Block, Document, Kind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Tasks,
    Profile,
    Offer,
    Employer,
    Apply,
}

/// First words of headings, folded. Order matters: the first that fits wins.
const MARKS: [(&str, Section); 34] = [
    ("missions", Section::Tasks),
    ("mission", Section::Tasks),
    ("vos missions", Section::Tasks),
    ("votre mission", Section::Tasks),
    ("activites", Section::Tasks),
    ("vos activites", Section::Tasks),
    ("taches", Section::Tasks),
    ("le poste", Section::Tasks),
    ("description du poste", Section::Tasks),
    ("votre quotidien", Section::Tasks),
    ("vos responsabilites", Section::Tasks),
    ("profil", Section::Profile),
    ("votre profil", Section::Profile),
    ("le profil", Section::Profile),
    ("competences", Section::Profile),
    ("qualifications", Section::Profile),
    ("pre requis", Section::Profile),
    ("diplome", Section::Profile),
    ("formation", Section::Profile),
    ("avantages", Section::Offer),
    ("les avantages", Section::Offer),
    ("vos avantages", Section::Offer),
    ("nous vous proposons", Section::Offer),
    ("nous vous offrons", Section::Offer),
    ("conditions", Section::Offer),
    ("remuneration", Section::Offer),
    ("ce que nous vous proposons", Section::Offer),
    ("qui sommes nous", Section::Employer),
    ("a propos", Section::Employer),
    ("presentation", Section::Employer),
    ("l etablissement", Section::Employer),
    ("l entreprise", Section::Employer),
    ("pour postuler", Section::Apply),
    ("candidature", Section::Apply),
];

/// The blocks of each marked section, in the order of the text. A text without marks has none.
pub fn sections(document: &Document) -> Vec<(Section, Vec<&Block>)> {
    let mut found: Vec<(Section, Vec<&Block>)> = Vec::new();
    for block in &document.blocks {
        if let Some(section) = mark(block) {
            found.push((section, Vec::new()));
        } else if let Some((_, blocks)) = found.last_mut() {
            blocks.push(block);
        }
    }
    found
}

fn mark(block: &Block) -> Option<Section> {
    let text = block.text();
    let heading = matches!(block.kind, Kind::Heading(_))
        || (text.len() < 60
            && (text.trim_end().ends_with(':') || block.runs.iter().all(|r| r.strong)))
        || (text.len() < 40
            && text
                .chars()
                .filter(|c| c.is_alphabetic())
                .all(char::is_uppercase));
    if !heading {
        return None;
    }
    let text = key(&text);
    MARKS
        .iter()
        .find(|(words, _)| {
            text.strip_prefix(words)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
        .map(|(_, section)| *section)
}
