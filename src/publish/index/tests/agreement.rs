//! The index beside a plain look at every vacancy.

use super::*;
use proptest::prelude::*;

/// A vacancy in which everything that a filter asks for may or may not be.
fn any_vacancy() -> impl Strategy<Value = Vacancy> {
    let member = prop::sample::select(vec!["ch-exemple", "aide-domicile"]);
    let family = prop::option::of(prop::sample::select(vec!["nursing", "care", "medical"]));
    let form = prop::option::of(prop::sample::select(vec!["cdi", "cdd", "interim"]));
    let shifts = prop::sample::subsequence(vec!["day", "night", "12h"], 0..=3);
    let places = prop::collection::vec((0..5usize, any::<bool>()), 0..3);
    let title = prop::sample::select(vec![
        "Infirmier",
        "Aide-soignante",
        "Infirmière",
        "Cadre",
        "",
    ]);
    let at = prop::option::of(1..5u8);
    (0..24u128, member, family, form, shifts, places, title, at).prop_map(
        |(n, member, family, form, shifts, places, title, at)| {
            vacancy(n, member, |v| {
                v["title"] = title.into();
                v["occupation"] = json!({ "family": family });
                v["contract"] = json!({ "form": form });
                v["working_time"] = json!({ "shifts": shifts });
                let places: Vec<_> = places
                    .into_iter()
                    .map(|(which, exact)| {
                        let (insee, department, lat, lon) = PLACES[which];
                        match exact {
                            true => json!({ "insee": insee, "department": department, "lat": lat, "lon": lon, "precision": "address" }),
                            false => json!({ "insee": insee, "department": department, "precision": "commune" }),
                        }
                    })
                    .collect();
                v["places"] = places.into();
                let at = at.map(|day| format!("2026-11-0{day}T08:00:00Z"));
                v["published"] = at.clone().into();
                v["updated"] = at.into();
            })
        },
    )
}

const PLACES: [(&str, &str, f64, f64); 5] = [
    ("70550", "70", 47.6198, 6.1545),
    ("25056", "25", 47.2378, 6.0241),
    ("70310", "70", 47.683, 6.495),
    ("75101", "75", 48.862, 2.336),
    ("97411", "974", -20.88, 55.45),
];

fn any_search() -> impl Strategy<Value = Search> {
    let families = prop::sample::subsequence(
        vec![crate::model::Family::Nursing, crate::model::Family::Care],
        0..=2,
    );
    let contracts = prop::sample::subsequence(
        vec![
            crate::model::ContractForm::Cdi,
            crate::model::ContractForm::Cdd,
        ],
        0..=2,
    );
    let shifts = prop::sample::subsequence(vec![crate::model::Shift::Night], 0..=1);
    let departments = prop::sample::subsequence(vec!["70".to_owned(), "974".to_owned()], 0..=2);
    let areas = prop::sample::subsequence(vec!["25".to_owned()], 0..=1);
    let communes = prop::sample::subsequence(vec!["75056".to_owned(), "70550".to_owned()], 0..=2);
    let area = prop::option::of((0..5usize, 0.0..500.0f64));
    let since = prop::option::of(1..5u8);
    let sort = prop::sample::select(vec![
        Sort::Published,
        Sort::Updated,
        Sort::Title,
        Sort::Relevance,
        Sort::Distance,
    ]);
    (
        families,
        contracts,
        shifts,
        departments,
        areas,
        communes,
        area,
        since,
        sort,
    )
        .prop_map(
            |(families, contracts, shifts, departments, areas, communes, area, since, sort)| {
                Search {
                    filter: Filter {
                        families,
                        contracts,
                        shifts,
                        departments,
                        areas,
                        communes,
                        area: area.map(|(at, km)| Area {
                            centre: (PLACES[at].2, PLACES[at].3),
                            km,
                        }),
                        since: since
                            .and_then(|day| format!("2026-11-0{day}T08:00:00Z").parse().ok()),
                        ..Filter::default()
                    },
                    sort,
                    after: None,
                    skip: 0,
                    limit: 100,
                    facets: &Dimension::ALL,
                }
            },
        )
}

/// The slow and plain way to the same answer.
fn plainly(live: &[Vacancy], search: &Search) -> (Vec<VacancyId>, Facets) {
    let filter = &search.filter;
    let mut found = Vec::new();
    let mut facets = Facets::default();
    for dimension in Dimension::ALL {
        facets.tally(dimension);
    }
    for vacancy in live {
        let places = &vacancy.offer.places;
        let distance = filter.area.map(|area| {
            let points = places.iter().filter_map(|p| {
                p.lat
                    .zip(p.lon)
                    .or_else(|| crate::publish::territory::centre(p.insee.as_deref()?))
            });
            points
                .map(|point| crate::publish::territory::distance(area.centre, point))
                .min_by(f64::total_cmp)
                .unwrap_or(f64::INFINITY)
        });
        let in_commune = |code: &String| {
            places.iter().any(|p| {
                p.insee.as_ref() == Some(code)
                    || (code == "75056" && p.insee.as_deref() == Some("75101"))
            })
        };
        let in_area = |p: &crate::model::Place| {
            p.department
                .as_ref()
                .is_some_and(|d| filter.areas.contains(d))
        };
        if distance
            .zip(filter.area)
            .is_some_and(|(km, area)| km > area.km)
            || (!filter.communes.is_empty() && !filter.communes.iter().any(in_commune))
            || (!filter.areas.is_empty() && !places.iter().any(in_area))
            || filter
                .since
                .is_some_and(|since| updated(vacancy).is_none_or(|at| at < since))
        {
            continue;
        }
        let fails = |d: &Dimension| {
            let wanted = d.wanted(filter);
            !wanted.is_empty() && !d.words(vacancy).iter().any(|w| wanted.contains(w))
        };
        let failed: Vec<Dimension> = Dimension::ALL.into_iter().filter(|d| fails(d)).collect();
        for dimension in Dimension::ALL {
            if failed.iter().all(|f| *f == dimension) {
                for word in dimension.words(vacancy) {
                    *facets.tally(dimension).entry(word).or_default() += 1;
                }
            }
        }
        if failed.is_empty() {
            let newest =
                |at: Option<Timestamp>| Key::Number(at.map_or(i64::MAX, |at| -at.as_microsecond()));
            let key = match search.sort {
                Sort::Published => newest(vacancy.offer.published),
                Sort::Updated => newest(updated(vacancy)),
                Sort::Title => Key::Text(schema::title_key(&vacancy.offer.title)),
                // Nothing was asked for: all are as relevant.
                Sort::Relevance => Key::Number(0),
                Sort::Distance => Key::Number(distance.map_or(i64::MAX, |km| (km * 1000.0) as i64)),
            };
            found.push(Mark {
                key,
                id: vacancy.id,
            });
        }
    }
    found.sort();
    (found.into_iter().map(|mark| mark.id).collect(), facets)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever came and went, in however many commits: the index finds, orders, counts and pages
    /// as a look at every vacancy would.
    #[test]
    fn the_index_agrees_with_a_look_at_every_vacancy(
        batches in prop::collection::vec(prop::collection::vec((any_vacancy(), 0..5u8), 0..12), 1..5),
        searches in prop::collection::vec(any_search(), 8),
    ) {
        let index = Index::in_memory("store").unwrap();
        let mut live = std::collections::BTreeMap::new();
        let mut seq = 0;
        for batch in batches {
            let mut changes = Vec::new();
            for (vacancy, fate) in batch {
                seq += 1;
                if fate == 0 {
                    changes.push(gone(seq, &vacancy, TombstoneReason::Filled));
                    live.remove(&vacancy.id);
                } else {
                    changes.push(upsert(seq, &vacancy));
                    live.insert(vacancy.id, vacancy);
                }
            }
            index.apply(&changes).unwrap();
            index.commit(seq).unwrap();
        }
        let live: Vec<_> = live.into_values().collect();
        for (at, search) in searches.iter().enumerate() {
            let (expected, facets) = plainly(&live, search);
            let page = index.search(search).unwrap();
            let found: Vec<_> = page.hits.iter().map(|doc| doc.id()).collect();
            prop_assert_eq!(&found, &expected, "{:?}", search);
            prop_assert_eq!(&page.facets, &facets, "{:?}", search);
            prop_assert_eq!(page.total, expected.len());
            // Within what another filter admits, as if there were nothing else.
            let within = &searches[(at + 1) % searches.len()].filter;
            let seen: Vec<_> = live.iter().filter(|v| within.holds(v)).cloned().collect();
            let mut narrowed = search.clone();
            narrowed.filter.within = Some(Box::new(within.clone()));
            let page = index.search(&narrowed).unwrap();
            let (visible, facets) = plainly(&seen, search);
            let ids: Vec<_> = page.hits.iter().map(|doc| doc.id()).collect();
            prop_assert_eq!(&ids, &visible, "{:?}", narrowed);
            prop_assert_eq!(&page.facets, &facets, "{:?}", narrowed);
            // The same by pages of three, by cursor and by number.
            let mut paged = Vec::new();
            let mut after = None;
            loop {
                let part = index.search(&Search { after, limit: 3, ..search.clone() }).unwrap();
                let by_number = Search { skip: paged.len(), limit: 3, ..search.clone() };
                let by_number = index.search(&by_number).unwrap();
                let ids: Vec<_> = part.hits.iter().map(|doc| doc.id()).collect();
                prop_assert_eq!(&ids, &by_number.hits.iter().map(|doc| doc.id()).collect::<Vec<_>>());
                paged.extend(ids);
                after = part.next;
                if after.is_none() {
                    break;
                }
            }
            prop_assert_eq!(&paged, &expected);
        }
    }
}
