//! Files that tell a board what became of each offer since the last deposit.

use super::get;
use crate::model::{TombstoneReason, Vacancy};
use crate::publish::testing::{
    Shop, all_channels, publishing_all_channels, publishing_of, vacancy,
};
use std::sync::Arc;

/// Of each line, the last letter of the id, the movement, and whether it says nothing else.
fn lines_of(document: &[u8]) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(b'|')
        .from_reader(document);
    let head = reader.headers().unwrap().clone();
    let column = |name| head.iter().position(|h| h == name).unwrap();
    let (id, movement) = (column("Par_ref_offre"), column("Type_mouvement"));
    let line = |row: csv::StringRecord| {
        let filled = row.iter().filter(|cell| !cell.is_empty()).count();
        let only = if filled == 2 { " only" } else { "" };
        format!("{} {}{only}", &row[id][35..], &row[movement])
    };
    reader.records().map(|row| line(row.unwrap())).collect()
}

/// Each deposit at France Travail tells what is new, what may have changed and what is gone.
#[tokio::test]
async fn a_deposit_tells_movements_against_the_last_one() {
    let shop = Arc::new(Shop::default());
    let offer = |n, title: &str| vacancy(n, "ch-exemple", |v| v["title"] = title.into());
    shop.publish(&offer(1, "Infirmier"));
    shop.publish(&offer(2, "Infirmier"));
    let publish = publishing_all_channels(&shop);
    let lines = async |deposit: bool| {
        let export = publish.export("france-travail", None).await.unwrap();
        assert!(export.tells_movements());
        if deposit {
            publish.deposited(&export).await.unwrap();
        }
        lines_of(&export.bytes)
    };
    assert_eq!(lines(false).await, ["1 C", "2 C"]);
    assert_eq!(
        lines(true).await,
        ["1 C", "2 C"],
        "looking deposits nothing"
    );
    shop.publish(&offer(3, "Infirmier"));
    shop.close(offer(1, "").id, TombstoneReason::Filled, None);
    shop.publish(&offer(2, "Infirmier de nuit"));
    assert_eq!(lines(true).await, ["2 M", "3 C", "1 S only"]);
    assert_eq!(lines(true).await, ["2 M", "3 M"], "told once");
    shop.publish(&offer(1, "Infirmier"));
    assert_eq!(lines(false).await, ["1 C", "2 M", "3 M"]);
    let served = get(&publish, "/exports/france-travail.csv").await;
    assert!(served.text().contains("|C|"));
    publish
        .deposited(&publish.export("france-travail", None).await.unwrap())
        .await
        .unwrap();
    let served = get(&publish, "/exports/france-travail.csv").await;
    assert!(
        !served.text().contains("|C|"),
        "a served file knows the deposit"
    );
    // One member's file is a deposit of its own.
    let member = Some("ch-exemple".into());
    let own = publish
        .export("france-travail", member.as_ref())
        .await
        .unwrap();
    assert!(String::from_utf8_lossy(&own.bytes).contains("|C|"));
}

/// What a hold keeps in a file says what becomes of it now, not what did when it was made.
#[tokio::test]
async fn a_held_deposit_tells_the_movements_of_now() {
    let shop = Arc::new(Shop::default());
    let folder = tempfile::tempdir().unwrap();
    let publish = publishing_of(&shop, all_channels(), |settings| {
        settings.kept = Some(folder.path().to_owned());
        settings.export_min_drop = 3;
    });
    let offer = |n, text: &str| -> Vacancy {
        vacancy(n, "ch-exemple", |v| v["description"]["text"] = text.into())
    };
    let good = "Vous assurez les soins d’un service de médecine, la nuit, en binôme.";
    let put = |text: &str, last| (1..=last).for_each(|n| shop.publish(&offer(n, text)));
    let export = async || publish.export("france-travail", None).await.unwrap();
    put(good, 5);
    let first = export().await;
    assert_eq!(lines_of(&first.bytes), ["1 C", "2 C", "3 C", "4 C", "5 C"]);
    // The board is given it, and before it is made again it is held.
    publish.deposited(&first).await.unwrap();
    put("Court.", 5);
    let held = export().await;
    assert!(held.held.is_some());
    assert_eq!(lines_of(&held.bytes), ["1 M", "2 M", "3 M", "4 M", "5 M"]);
    // One that was in the file and never at the board is new.
    put(good, 6);
    assert!(export().await.held.is_none());
    put("Court.", 6);
    shop.close(offer(5, "").id, TombstoneReason::Filled, None);
    let held = export().await;
    assert!(held.held.is_some());
    let expected = ["1 M", "2 M", "3 M", "4 M", "6 C", "5 S only"];
    assert_eq!(lines_of(&held.bytes), expected);
}
