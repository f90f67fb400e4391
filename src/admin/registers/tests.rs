use super::*;
use crate::store::SqliteStore;

/// A synthetic extract in the form of cs1100507: sites, then their coordinates, and faults.
fn finess() -> Vec<u8> {
    let mut bytes = b"finess;etalab;96;2026-09-10\n".to_vec();
    let site = |number: &str, name: &str| {
        format!(
            "structureet;{number};;{name};{name};;;1;R;DU LAC;;;550;70;HAUTE-SAONE;70000 VESOUL;;;500;EHPAD;4401;Etab;;8710A;45;ARS;;;2001-01-01;2001-01-01;2026-01-01;\n"
        )
    };
    bytes.extend(site("700000011", "EHPAD LES SAULES").bytes());
    // In Windows-1252.
    bytes.extend(
        site("700000029", "EHPAD L'ERABLE")
            .replace("L'ERABLE", "L'\u{1}RABLE")
            .bytes()
            .map(|b| if b == 1 { 0xC9 } else { b }),
    );
    bytes.extend(b"structureet;123;;\n");
    bytes.extend(vec![b'x'; 3 * LINE]);
    bytes.push(b'\n');
    bytes.extend(site("700000012", "MAUVAISE CLE").bytes());
    bytes.extend(b"geolocalisation;700000011;936000.1;6728000.2;2,ATLASANTE;2026-01-01\n");
    bytes
}

fn source(name: &str, bytes: Vec<u8>) -> Source {
    Source {
        name: name.to_owned(),
        reader: Box::new(io::Cursor::new(bytes)),
    }
}

#[tokio::test]
async fn bad_lines_cost_themselves_alone() {
    let store = SqliteStore::temporary().unwrap();
    let clock = Clock::fixed("2026-11-02T08:00:00Z".parse().unwrap());
    let wish = Wish::default();
    let (reports, states) = load(&store, &clock, vec![source("finess.csv", finess())], &wish)
        .await
        .unwrap();
    let report = &reports[0];
    assert_eq!((report.kept, report.skipped, report.rejected), (2, 1, 3));
    assert_eq!(
        report.problems.iter().map(|p| p.0).collect::<Vec<_>>(),
        [4, 5, 6]
    );
    assert_eq!((states.len(), states[0].entries), (1, 2));
    let keys = ["name:70:ehpad erable".to_owned()];
    let found = store.register_entries(&keys).await.unwrap();
    assert_eq!(found[0].name, "EHPAD L'ÉRABLE");
}

#[tokio::test]
async fn what_looks_cut_or_foreign_replaces_nothing() {
    let store = SqliteStore::temporary().unwrap();
    let clock = Clock::fixed("2026-11-02T08:00:00Z".parse().unwrap());
    let mut wish = Wish::default();
    let mut whole = finess();
    for number in ["700000037", "700000201", "700000045"] {
        let line = String::from_utf8_lossy(&finess()[28..])
            .lines()
            .next()
            .unwrap()
            .replace("700000011", number);
        whole.extend(line.bytes());
        whole.push(b'\n');
    }
    load(&store, &clock, vec![source("a", whole)], &wish)
        .await
        .unwrap();
    let before = store.registers().await.unwrap();
    assert_eq!(before[0].entries, 5);
    let cut = || vec![source("a", finess())];
    assert!(matches!(
        load(&store, &clock, cut(), &wish).await,
        Err(LoadError::Shrunk {
            before: 5,
            now: 2,
            ..
        })
    ));
    let page = vec![source("page", b"<html>404</html>\n".to_vec())];
    assert!(matches!(
        load(&store, &clock, page, &wish).await,
        Err(LoadError::File { .. })
    ));
    let elsewhere = Wish {
        departments: vec!["25".into()],
        ..Wish::default()
    };
    assert!(matches!(
        load(&store, &clock, cut(), &elsewhere).await,
        Err(LoadError::Nothing { rejected: 3, .. })
    ));
    assert_eq!(store.registers().await.unwrap(), before);
    wish.smaller = true;
    load(&store, &clock, cut(), &wish).await.unwrap();
    assert_eq!(store.registers().await.unwrap()[0].entries, 2);
}
