//! Where on a scale of the public service, or of a collective agreement, a post stands: grade, step,
//! index, coefficient. Read as they are written; no amount is computed from them, since the value of
//! the point changes.

use super::super::fold::{excerpt, fold, pattern};
use super::super::input::{Input, decimal};
use super::super::record::{Record, TEXT};
use super::super::text::line;
use crate::model::{Field, Pay, PayScale};
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

static INDEX: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"\b(indices? bruts?|ib|indices? (?:nouveaux? )?majores?|inm|im|indices?)\s?(?:\((?:im|ib|inm)\))?\s?(?::|=|n°|de|a partir de)?\s?(\d{3,4})\b",
    )
});
static COEFFICIENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"\bcoef(?:f?icients?|f)?\.?\s?(?:de )?(?:base|reference)?\s?(?::|=|de)?\s?(\d{3,4}(?:[.,]\d{1,2})?)\b",
    )
});
static STEP: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"\b(\d{1,2})\s?(?:er|eme|ieme|e)?\s?echelon\b|\bechelon\s?(?::|n°)?\s?(\d{1,2})\b|\b(premier) echelon\b",
    )
});
static GRADE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"\bclasse (?:normale|superieure|exceptionnelle)\b|\bhors[ -]classe\b|\b(?:premier|deuxieme|second|troisieme|1er|2e|2eme|2nd|3e|3eme) grade\b|\bgrade (?:[1-4]|i{1,3})\b|\bprincipale? (?:de )?[12](?:ere|re|er|eme|e|nde?) classe\b|\bcategorie [abc]\b",
    )
});
/// A class or category is one of pay only where the text speaks of the public service's scales.
const PUBLIC: [&str; 8] = [
    "fonction publique",
    "fph",
    "indiciaire",
    "indice",
    "echelon",
    "statutaire",
    "titulaire",
    "contractuel",
];

/// What one text says, with the bytes of its folded form that say it.
#[derive(Default)]
struct Said {
    scale: PayScale,
    evidence: Vec<(&'static str, Range<usize>)>,
}

/// Fills `pay.scale` from the labels of pay, then from the description.
pub fn scale(input: &Input<'_>, pay: &mut Pay, record: &mut Record) {
    let mut scale = PayScale::default();
    for field in [Field::Pay, Field::PayComment] {
        if let Some(raw) = input.raw(field) {
            for value in &raw.values {
                let value = line(value);
                let said = read(&fold(&value), true);
                note(&said, &value, &raw.path, 0.93, &mut scale, record);
            }
        }
    }
    let folded = &input.text_folded;
    let said = read(folded, PUBLIC.iter().any(|word| folded.contains(word)));
    note(&said, input.text, TEXT, 0.85, &mut scale, record);
    if scale != PayScale::default() {
        // A place on a scale names the scale, in a word.
        if pay.basis.is_none() {
            let basis = if scale.coefficient.is_some() {
                "convention collective"
            } else {
                "grille indiciaire"
            };
            pay.basis = Some(basis.to_owned());
            record.set("/pay/basis", "computed", "", "pay.basis_of_scale", 0.8);
        }
        pay.scale = Some(scale);
    }
}

/// Takes over what `scale` still lacks.
fn note(
    said: &Said,
    text: &str,
    source: &str,
    sure: f64,
    scale: &mut PayScale,
    record: &mut Record,
) {
    for (name, range) in &said.evidence {
        let raw = excerpt(text, range.clone());
        let taken = match *name {
            "grade" if scale.grade.is_none() => {
                scale.grade = Some(line(raw).to_lowercase());
                true
            }
            "step" => take(&mut scale.step, said.scale.step),
            "index" => take(&mut scale.index, said.scale.index),
            "gross_index" => take(&mut scale.gross_index, said.scale.gross_index),
            "coefficient" => take(&mut scale.coefficient, said.scale.coefficient),
            _ => false,
        };
        if taken {
            let rule = format!("pay.scale_{name}");
            record.set(&format!("/pay/scale/{name}"), source, raw, &rule, sure);
        }
    }
}

fn take<T: Copy>(slot: &mut Option<T>, value: Option<T>) -> bool {
    if slot.is_some() {
        return false;
    }
    *slot = value;
    value.is_some()
}

fn read(folded: &str, public: bool) -> Said {
    let mut said = Said::default();
    // Words of each pattern, so that a text without them costs one search.
    if ["indice", "ib ", "im ", "inm", "ib:", "im:"]
        .iter()
        .any(|word| folded.contains(word))
    {
        for found in INDEX.iter().flat_map(|regex| regex.captures_iter(folded)) {
            let (Some(whole), Some(name), Some(number)) =
                (found.get(0), found.get(1), found.get(2))
            else {
                continue;
            };
            let Some(value) = number
                .as_str()
                .parse()
                .ok()
                .filter(|n| (200..=1_600).contains(n))
            else {
                continue;
            };
            let gross = name.as_str().contains("brut") || name.as_str() == "ib";
            let (slot, field) = if gross {
                (&mut said.scale.gross_index, "gross_index")
            } else {
                (&mut said.scale.index, "index")
            };
            if take(slot, Some(value)) {
                said.evidence.push((field, whole.range()));
            }
        }
    }
    if folded.contains("coef")
        && let Some(found) = COEFFICIENT
            .as_ref()
            .and_then(|regex| regex.captures(folded))
        && let (Some(whole), Some(number)) = (found.get(0), found.get(1))
        && let Some(value) = decimal(number.as_str()).filter(|n| (150.0..=1_500.0).contains(n))
    {
        said.scale.coefficient = Some(value);
        said.evidence.push(("coefficient", whole.range()));
    }
    if folded.contains("echelon")
        && let Some(found) = STEP.as_ref().and_then(|regex| regex.captures(folded))
        && let Some(whole) = found.get(0)
    {
        let number = found.get(1).or(found.get(2)).map(|n| n.as_str());
        let step = number.map_or(Some(1), |n| n.parse().ok());
        if let Some(step) = step.filter(|step| (1..=16).contains(step)) {
            said.scale.step = Some(step);
            said.evidence.push(("step", whole.range()));
        }
    }
    if public
        && ["classe", "grade", "categorie"]
            .iter()
            .any(|word| folded.contains(word))
        && let Some(found) = GRADE.as_ref().and_then(|regex| regex.find(folded))
    {
        said.evidence.push(("grade", found.range()));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{draft, run};
    use crate::model::{Field, PayScale};

    fn scale(field: Field, text: &str) -> PayScale {
        let pay = run(&draft(&[(field, text)])).offer.pay;
        pay.and_then(|pay| pay.scale).unwrap_or_default()
    }

    #[test]
    fn what_the_scales_of_the_trade_say_is_read() {
        let said = scale(
            Field::PayComment,
            "Grille FPH : infirmier en soins généraux, 1er grade, 3e échelon, indice majoré 436 (IB 506)",
        );
        assert_eq!(said.grade.as_deref(), Some("1er grade"));
        assert_eq!(
            (said.step, said.index, said.gross_index),
            (Some(3), Some(436), Some(506))
        );
        let said = scale(
            Field::Pay,
            "Coef 517 soit un brut mensuel de 2 367.86€ + Prime Ségur 1 de 238€",
        );
        assert_eq!(said.coefficient, Some(517.0));
        let said = scale(
            Field::Description,
            "Rémunération sur la grille indiciaire de la fonction publique hospitalière,\naide-soignant de classe normale, échelon 2, indice 373.",
        );
        assert_eq!(said.grade.as_deref(), Some("classe normale"));
        assert_eq!((said.step, said.index), (Some(2), Some(373)));
    }

    #[test]
    fn what_is_no_scale_of_pay_is_not() {
        for text in [
            "Vous enseignez en classe supérieure à 25 élèves.",
            "Prévention : indice de masse corporelle 300 patients suivis",
            "Accompagnement à tous les échelons",
            "Coefficient de difficulté élevé, 45 lits",
        ] {
            assert_eq!(
                scale(Field::Description, text),
                PayScale::default(),
                "{text}"
            );
        }
    }

    #[test]
    fn no_amount_comes_of_an_index() {
        let pay = run(&draft(&[(Field::Pay, "Indice majoré 436")]))
            .offer
            .pay
            .unwrap();
        assert_eq!((pay.min, pay.max, pay.monthly_min), (None, None, None));
    }
}
