mod agreement;

use super::*;
use crate::publish::testing::vacancy;
use serde_json::json;

fn upsert(seq: u64, vacancy: &Vacancy) -> Change {
    Change {
        seq,
        id: vacancy.id,
        changed_at: "2026-11-22T12:00:00Z".parse().unwrap(),
        op: ChangeOp::Upsert {
            body: crate::model::canonical_json(vacancy).unwrap().into(),
        },
    }
}

fn gone(seq: u64, vacancy: &Vacancy, reason: TombstoneReason) -> Change {
    Change {
        op: ChangeOp::Delete { reason, into: None },
        ..upsert(seq, vacancy)
    }
}

fn ask(index: &Index, edit: impl FnOnce(&mut Search)) -> Page {
    let mut search = Search {
        filter: Filter::default(),
        sort: Sort::Relevance,
        after: None,
        skip: 0,
        limit: 100,
        facets: &Dimension::ALL,
    };
    edit(&mut search);
    index.search(&search).unwrap()
}

fn titles(page: &Page) -> Vec<&str> {
    let titles = page.hits.iter().map(|doc| doc.vacancy.offer.title.as_str());
    titles.collect()
}

fn titled(n: u128, title: &str, canonical: Option<&str>, text: &str) -> Vacancy {
    vacancy(n, "ch-exemple", |v| {
        v["title"] = title.into();
        v["title_canonical"] = canonical.into();
        v["description"]["text"] = text.into();
        v["working_time"] = json!({ "time": "full" });
    })
}

fn indexed(vacancies: &[Vacancy]) -> Index {
    let index = Index::in_memory("store").unwrap();
    let changes: Vec<_> = (1..).zip(vacancies).map(|(n, v)| upsert(n, v)).collect();
    index.apply(&changes).unwrap();
    index.commit(changes.len() as u64).unwrap();
    index
}

#[test]
fn what_people_type_finds_what_they_mean() {
    let index = indexed(&[
        titled(
            1,
            "IDE de nuit",
            Some("Infirmier / Infirmière (IDE)"),
            "En EHPAD.",
        ),
        titled(
            2,
            "AS de nuit",
            Some("Aide-soignant / Aide-soignante (AS)"),
            "Tu as de l’expérience, avec une IDE.",
        ),
        titled(
            3,
            "Masseur-kinésithérapeute",
            None,
            "Rééducation en SSR, temps plein.",
        ),
        titled(
            4,
            "Infirmière de bloc opératoire",
            Some("Infirmier / Infirmière de bloc opératoire (IBODE)"),
            "Bloc.",
        ),
        titled(5, "Éducatrice spécialisée", None, "Es-tu prêt ? IME."),
        titled(
            6,
            "Agent des services hospitaliers",
            None,
            "Entretien des hôpitaux.",
        ),
        vacancy(7, "ch-exemple", |v| {
            v["title"] = "Infirmier de nuit".into();
            v["places"][0]["name"] = "Besançon".into();
            v["places"][0]["department"] = "25".into();
            v["places"][0]["postal_code"] = "25000".into();
        }),
    ]);
    for (q, expected) in [
        ("ide nuit vesoul", vec!["IDE de nuit"]),
        ("IDE NUIT VÉSOUL", vec!["IDE de nuit"]),
        ("infirmiere nuit vesoul", vec!["IDE de nuit"]),
        // A typing error, an unfinished word.
        ("infirmer nuit besanson", vec!["Infirmier de nuit"]),
        ("infrimière nui besa", vec!["Infirmier de nuit"]),
        ("as", vec!["AS de nuit"]),
        ("aides soignantes", vec!["AS de nuit"]),
        ("kine", vec!["Masseur-kinésithérapeute"]),
        ("mk", vec!["Masseur-kinésithérapeute"]),
        (
            "kinesitherapeute soins de suite",
            vec!["Masseur-kinésithérapeute"],
        ),
        ("ibode", vec!["Infirmière de bloc opératoire"]),
        ("es", vec!["Éducatrice spécialisée"]),
        ("ash", vec!["Agent des services hospitaliers"]),
        ("hopital", vec!["Agent des services hospitaliers"]),
        ("doubs", vec!["Infirmier de nuit"]),
        ("astronaute", vec![]),
        ("ide astronaute", vec![]),
    ] {
        let page = ask(&index, |s| s.filter.q = q.into());
        let mut found = titles(&page);
        if q != "es" && !expected.is_empty() {
            // Who is merely spoken of comes later.
            found.truncate(1);
        }
        assert_eq!(found, expected, "{q}");
    }
    assert!(!titles(&ask(&index, |s| s.filter.q = "ide".into())).contains(&"AS de nuit"));
    // Words that say nothing are no question.
    assert_eq!(ask(&index, |s| s.filter.q = "de la (H/F)".into()).total, 7);
    let hostile = [
        "\"",
        "+-&|!(){}[]^~*?:\\/",
        "a:b",
        "AND OR NOT",
        &"é".repeat(200),
        "\u{202e}",
        "💉",
    ];
    for q in hostile {
        ask(&index, |s| s.filter.q = q.into());
    }
}

/// The offers of a small territory, with what stands beside the trade in real ads.
fn territory() -> Index {
    let offer = |n: u128, title: &str, town: (&str, &str), service: &str, text: &str| {
        vacancy(n, "ch-exemple", |v| {
            v["title"] = title.into();
            v["title_canonical"] = json!(null);
            v["occupation"] = json!(null);
            v["working_time"] = json!({ "time": "full" });
            v["service"] = service.into();
            v["description"]["text"] = text.into();
            v["places"][0]["name"] = town.0.into();
            v["places"][0]["postal_code"] = town.1.into();
        })
    };
    let (vesoul, lure) = (("Vesoul", "70000"), ("Lure", "70200"));
    let (luxeuil, hericourt) = (("Luxeuil-les-Bains", "70300"), ("Héricourt", "70400"));
    let (gray, besancon) = (("Gray", "70100"), ("Besançon", "25000"));
    indexed(&[
        offer(
            1,
            "Assistant de service social",
            lure,
            "CMP adultes",
            "Avec le psychologue.",
        ),
        offer(
            2,
            "Infirmier en psychiatrie",
            vesoul,
            "CMP enfants",
            "Soutien psychologique.",
        ),
        offer(3, "Psychologue", vesoul, "Neurologie", "Bilans."),
        offer(
            4,
            "Infirmier / Infirmière",
            luxeuil,
            "Médecine polyvalente",
            "Avec le médecin.",
        ),
        offer(5, "Médecin généraliste", gray, "PMI", "Consultations."),
        offer(6, "Aide-soignante", hericourt, "EHPAD", "Avec l’infirmier."),
        offer(7, "Puéricultrice", gray, "PMI", "Auprès des familles."),
        offer(
            8,
            "Masseur-kinésithérapeute",
            besancon,
            "SMR",
            "Avec l’ergothérapeute.",
        ),
        offer(
            9,
            "Ergothérapeute",
            besancon,
            "SMR",
            "Avec le kinésithérapeute.",
        ),
        offer(
            10,
            "Éducatrice spécialisée",
            hericourt,
            "IME",
            "Projet éducatif.",
        ),
        offer(11, "Cuisinier", luxeuil, "EHPAD", "Cuisine sur place."),
        offer(12, "Secrétaire médicale", lure, "Consultations", "Accueil."),
        offer(13, "Infirmière de nuit", vesoul, "Chirurgie", "Bloc."),
    ])
}

#[test]
fn typing_errors_put_the_right_offers_first() {
    let index = territory();
    // Trades: the first title begins with the word that was meant.
    for (q, first) in [
        ("psychologe", "Psychologue"),
        ("psycologue", "Psychologue"),
        ("medcin", "Médecin"),
        ("medecin", "Médecin"),
        ("infirmer", "Infirmi"),
        ("aide soigante", "Aide-soignante"),
        ("aidesoignante", "Aide-soignante"),
        ("puericultrise", "Puéricultrice"),
        ("kinesiterapeute", "Masseur-kinésithérapeute"),
        ("ergotherapete", "Ergothérapeute"),
        ("eductrice specialise", "Éducatrice spécialisée"),
        ("cuisnier", "Cuisinier"),
        ("secretere medicale", "Secrétaire médicale"),
        ("asistante sociale", "Assistant de service social"),
    ] {
        let page = ask(&index, |s| s.filter.q = q.into());
        let found = titles(&page);
        assert!(
            found.first().is_some_and(|title| title.starts_with(first)),
            "{q}: {found:?}"
        );
    }
    // Towns: only offers that are there.
    for (q, town) in [
        ("vesoule", "Vesoul"),
        ("vezoul", "Vesoul"),
        ("luxueil", "Luxeuil-les-Bains"),
        ("luxeuil les bain", "Luxeuil-les-Bains"),
        ("hericour", "Héricourt"),
        ("ericourt", "Héricourt"),
        ("besanson", "Besançon"),
        ("bezancon", "Besançon"),
    ] {
        let page = ask(&index, |s| s.filter.q = q.into());
        assert!(page.total > 0, "{q}");
        for doc in &page.hits {
            let place = doc.vacancy.offer.places[0].name.as_deref();
            assert_eq!(place, Some(town), "{q}: {:?}", titles(&page));
        }
    }
    for q in ["ide nuit vesoul", "ide nui vesoule", "infirmer nuit vesoul"] {
        let page = ask(&index, |s| s.filter.q = q.into());
        assert_eq!(titles(&page), ["Infirmière de nuit"], "{q}");
    }
    // What was typed right is not read as something else.
    let page = ask(&index, |s| s.filter.q = "medecine".into());
    assert_eq!(titles(&page)[0], "Infirmier / Infirmière");
}

#[test]
fn an_index_goes_on_from_its_folder_and_is_rebuilt_when_it_is_doubtful() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (titled(1, "Un", None, ""), titled(2, "Deux", None, ""));
    let fill = |index: &Index| {
        index.apply(&[upsert(1, &one), upsert(2, &two)]).unwrap();
        index
            .apply(&[gone(3, &two, TombstoneReason::Filled)])
            .unwrap();
        index.commit(3).unwrap();
        // Not committed: a crash takes it away.
        index.apply(&[upsert(4, &two)]).unwrap();
    };
    let index = Index::open(folder.path(), "here").unwrap();
    fill(&index);
    // A second process gets a folder of its own.
    let other = Index::open(folder.path(), "here").unwrap();
    assert_eq!(other.head(), 0);
    for index in [index, other] {
        index.close();
    }

    let index = Index::open(folder.path(), "here").unwrap();
    assert_eq!((index.head(), index.tombstones().len()), (3, 1));
    assert_eq!(titles(&ask(&index, |_| {})), ["Un"]);
    assert_eq!(index.addresses().unwrap()[0].slug, "un-vesoul");
    index.close();

    let index = Index::open(folder.path(), "elsewhere").unwrap();
    assert_eq!(index.head(), 0, "another store");
    fill(&index);
    index.close();

    // Whichever file is damaged or gone, the index is either whole or empty.
    let at = folder.path().join("0");
    let files: Vec<_> = std::fs::read_dir(&at)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    let kept: Vec<_> = files.iter().map(|f| std::fs::read(f).unwrap()).collect();
    let mut rebuilt = 0;
    for damaged in 0..files.len() {
        for how in 0..4 {
            std::fs::remove_dir_all(&at).unwrap();
            std::fs::create_dir_all(&at).unwrap();
            for (file, bytes) in files.iter().zip(&kept) {
                std::fs::write(file, bytes).unwrap();
            }
            let bytes = &kept[damaged];
            match how {
                0 => std::fs::remove_file(&files[damaged]).unwrap(),
                1 => std::fs::write(&files[damaged], &bytes[..bytes.len() / 2]).unwrap(),
                2 => std::fs::write(&files[damaged], b"").unwrap(),
                _ => {
                    let mut bytes = bytes.clone();
                    let middle = bytes.len() / 2;
                    bytes.get_mut(middle).into_iter().for_each(|b| *b ^= 0xff);
                    std::fs::write(&files[damaged], bytes).unwrap();
                }
            }
            let index = Index::open(folder.path(), "elsewhere").unwrap();
            match index.head() {
                0 => {
                    rebuilt += 1;
                    fill(&index);
                }
                head => assert_eq!(head, 3, "{:?} {how}", files[damaged]),
            }
            assert_eq!(
                titles(&ask(&index, |_| {})),
                ["Un"],
                "{:?} {how}",
                files[damaged]
            );
            index.close();
        }
    }
    assert!(rebuilt > 8, "{rebuilt}");
}

#[test]
fn what_is_erased_leaves_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(folder.path(), "here").unwrap();
    let secret = titled(1, "Zorglub", None, "zorglubescence");
    index
        .apply(&[upsert(1, &secret), upsert(2, &titled(2, "Deux", None, ""))])
        .unwrap();
    index.commit(2).unwrap();
    let holds = || {
        let files = std::fs::read_dir(folder.path().join("0")).unwrap();
        files
            .map(|f| std::fs::read(f.unwrap().path()).unwrap_or_default())
            .any(|bytes| bytes.windows(12).any(|window| window == b"zorglubescen"))
    };
    assert!(holds());
    index
        .apply(&[gone(3, &secret, TombstoneReason::Erased)])
        .unwrap();
    index.commit(3).unwrap();
    let begun = std::time::Instant::now();
    while index.is_purging() && begun.elapsed().as_secs() < 60 {
        std::thread::sleep(std::time::Duration::from_millis(20));
        index.commit(3).unwrap();
    }
    assert!(!index.is_purging());
    assert!(!holds());
    assert_eq!(titles(&ask(&index, |_| {})), ["Deux"]);
}
