use super::super::tests::{draft, processor_time, run};
use crate::model::{Field, Pay, Period};

fn pay(field: Field, text: &str) -> Pay {
    run(&draft(&[(field, text)])).offer.pay.unwrap_or_default()
}

type Row = (
    &'static str,
    Option<f64>,
    Option<f64>,
    Option<Period>,
    Option<bool>,
);

/// Labels and comments as sources write them (`formats` of the trade: label, grid, k€, unit, bound).
#[test]
fn labels_of_every_family() {
    use Period::{Hour, Month, Year};
    let rows: &[Row] = &[
        (
            "Mensuel de 2100.0 Euros à 2300.0 Euros sur 12.0 mois",
            Some(2100.0),
            Some(2300.0),
            Some(Month),
            None,
        ),
        (
            "Horaire de 11.88 Euros sur 0.0 mois",
            Some(11.88),
            Some(11.88),
            Some(Hour),
            None,
        ),
        (
            "Horaire de 12,13 Euros à 12,13 Euros",
            Some(12.13),
            Some(12.13),
            Some(Hour),
            None,
        ),
        (
            "Annuel de 64000 Euros à 100000 Euros sur 13 mois",
            Some(64000.0),
            Some(100_000.0),
            Some(Year),
            None,
        ),
        ("Annuel de", None, None, None, None),
        (
            "Autre de 11,26 Euros à 14,19 Euros",
            Some(11.26),
            Some(14.19),
            Some(Hour),
            None,
        ),
        (
            "Horaire de 2000,00 Euros à 2000,00 Euros",
            Some(2000.0),
            Some(2000.0),
            Some(Month),
            None,
        ),
        (
            "Mensuel de 45000.0 Euros à 60000.0 Euros sur 12.0 mois",
            Some(45000.0),
            Some(60000.0),
            Some(Year),
            None,
        ),
        (
            "Annuel de 12,00 Euros",
            Some(12.0),
            Some(12.0),
            Some(Hour),
            None,
        ),
        (
            "Mensuel de 11,88 Euros",
            Some(11.88),
            Some(11.88),
            Some(Hour),
            None,
        ),
        (
            "De 2056,00 Euros à 2372,00 Euros",
            Some(2056.0),
            Some(2372.0),
            Some(Month),
            None,
        ),
        (
            "Mensuel de 1800.0 Euros ï¿½ 1900.0 Euros",
            Some(1800.0),
            Some(1900.0),
            Some(Month),
            None,
        ),
        (
            "Selon profil / grille indiciaire FPH",
            None,
            None,
            None,
            None,
        ),
        ("selon CCN du 15 mars 1966", None, None, None, None),
        (
            "12.62€ brut / heure",
            Some(12.62),
            Some(12.62),
            Some(Hour),
            Some(true),
        ),
        (
            "de 16,61 € à 25,01 € brut/h",
            Some(16.61),
            Some(25.01),
            Some(Hour),
            Some(true),
        ),
        ("45 à 60K€", Some(45000.0), Some(60000.0), Some(Year), None),
        ("24 / 30 KE", Some(24000.0), Some(30000.0), Some(Year), None),
        (
            "à partir de 24600€/an",
            Some(24600.0),
            None,
            Some(Year),
            None,
        ),
        (
            "de 63 500 € à 92 700 € brut annuel",
            Some(63500.0),
            Some(92700.0),
            Some(Year),
            Some(true),
        ),
        (
            "Coef 517 soit un brut mensuel de 2 367.86€ + Prime Ségur 1 de 238€ + prime décentralisée 5%",
            Some(2367.86),
            Some(2367.86),
            Some(Month),
            Some(true),
        ),
        (
            "Grille Aide-Soignant avec internat - Coefficient base 413 soit 1 801.80 €",
            Some(1801.8),
            Some(1801.8),
            Some(Month),
            None,
        ),
        (
            "80 - 120 k€ brut annuel",
            Some(80000.0),
            Some(120_000.0),
            Some(Year),
            Some(true),
        ),
        (
            "2.486.62 EUR brut",
            Some(2486.62),
            Some(2486.62),
            Some(Month),
            Some(true),
        ),
        ("% smic selon âge et contrat", None, None, None, None),
        (
            "1800€ Net + Frais + Prime",
            Some(1800.0),
            Some(1800.0),
            Some(Month),
            Some(false),
        ),
        (
            "10,75 net de l'he",
            Some(10.75),
            Some(10.75),
            Some(Hour),
            Some(false),
        ),
        ("De à EUR par an", None, None, Some(Year), None),
        ("817.46", Some(817.46), Some(817.46), Some(Month), None),
        ("Titres restaurant~$~~@~Mutuelle", None, None, None, None),
        (
            "2\u{202f}100,00 € à 2\u{a0}300,00 € par mois",
            Some(2100.0),
            Some(2300.0),
            Some(Month),
            None,
        ),
        (
            "36K€B/an à 42K€B/an",
            Some(36000.0),
            Some(42000.0),
            Some(Year),
            None,
        ),
    ];
    for (text, min, max, period, gross) in rows {
        let pay = pay(Field::Pay, text);
        let said = (
            pay.min,
            pay.max,
            pay.period.filter(|_| min.is_some() || max.is_some()),
            pay.gross,
        );
        let period = period.filter(|_| min.is_some() || max.is_some());
        assert_eq!(said, (*min, *max, period, *gross), "{text}");
    }
}

/// Sentences of descriptions: what is pay, and what only looks like it.
#[test]
fn amounts_in_running_text() {
    use Period::{Hour, Month, Year};
    let rows: &[Row] = &[
        (
            "Salaire : de 11.50 EUR à 12.50 EUR selon profil et expérience",
            Some(11.5),
            Some(12.5),
            Some(Hour),
            None,
        ),
        (
            "Salaire fixe de 2000 à 2200EUR bruts pour 37.5 heures",
            Some(2000.0),
            Some(2200.0),
            Some(Month),
            Some(true),
        ),
        (
            "Rémunération : 37-40k brut annuel, adaptable",
            Some(37000.0),
            Some(40000.0),
            Some(Year),
            Some(true),
        ),
        (
            "Taux horaires 15.084€ + transport",
            Some(15.08),
            Some(15.08),
            Some(Hour),
            None,
        ),
        (
            "Taux horaire de 11€88 +( prime de productivité )",
            Some(11.88),
            Some(11.88),
            Some(Hour),
            None,
        ),
        (
            "Travail 35 h hebdomadaires. Un salaire mensuel brut de 1817,54 € (sur 12 mois)",
            Some(1817.54),
            Some(1817.54),
            Some(Month),
            Some(true),
        ),
        (
            "Grille de la fonction publique + Ségur de la santé (190 euros net/mois)",
            None,
            None,
            None,
            None,
        ),
        (
            "Salaire selon la convention des 2500 euros brut mensuel hors ségur et primes",
            Some(2500.0),
            None,
            Some(Month),
            Some(true),
        ),
        (
            "CDI\n39h/semaine\n12€h\nprimes d'équipe",
            Some(12.0),
            Some(12.0),
            Some(Hour),
            None,
        ),
        (
            "Salaire suivant profil (à titre indicatif 30 à 35K€ sur une base de 38 h)",
            Some(30000.0),
            Some(35000.0),
            Some(Year),
            None,
        ),
        (
            "Autres informations 36K€B/an à 42K€B/an + Primes",
            Some(36000.0),
            Some(42000.0),
            Some(Year),
            None,
        ),
        ("Tickets restaurant de 8,50€/jour", None, None, None, None),
        (
            "Prime de cooptation jusqu'à 1000 € brut par recrutement",
            None,
            None,
            None,
            None,
        ),
        (
            "Mutuelle collaborateur à 2€ par mois",
            None,
            None,
            None,
            None,
        ),
        ("Self sur place : repas 4€50", None, None, None, None),
        (
            "Ils réalisent un chiffre d'affaires moyen annuel de 50k€",
            None,
            None,
            None,
            None,
        ),
        (
            "Avec un apport de 10 000€, vous devenez patron",
            None,
            None,
            None,
            None,
        ),
        (
            "Établissement de 20k m2 et 300 lits, à 10 km de Vesoul",
            None,
            None,
            None,
            None,
        ),
    ];
    for (text, min, max, period, gross) in rows {
        let pay = pay(Field::Description, text);
        assert_eq!(
            (pay.min, pay.max, pay.period, pay.gross),
            (*min, *max, *period, *gross),
            "{text}"
        );
    }
}

#[test]
fn many_signs_take_linear_time() {
    let start = processor_time();
    for unit in ["€", "1€", "1k", "salaire 1 € ", "smic "] {
        let _ = pay(Field::Description, &unit.repeat(60_000 / unit.len()));
    }
    let took = processor_time() - start;
    assert!(took.as_secs() < 60, "{took:?}");
}
