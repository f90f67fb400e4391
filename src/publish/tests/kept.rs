//! What is kept for the day on which an export is doubtful, and erasures.

use super::guard::{Bench, offer};
use crate::model::{PostingId, TombstoneReason};
use crate::publish::testing::vacancy;
use std::fs::{self, File};

impl Bench {
    /// Whether the offer's text is kept.
    fn keeps(&self, n: u128) -> bool {
        let text = fs::read_to_string(self.kept()).unwrap();
        text.contains(&offer(n).id.to_string())
    }
}

#[tokio::test]
async fn a_kept_export_does_not_outlive_an_erasure() {
    let bench = Bench::new().await;
    bench.close(1..=1, TombstoneReason::Filled);
    // The tombstone alone will do: pieces need not say of which postings they were made.
    bench.close(2..=2, TombstoneReason::Erased);
    bench.publish.forget_erased().await.unwrap();
    assert!(bench.keeps(1) && !bench.keeps(2) && bench.keeps(3));
    // The rest can still be served.
    bench.refuse(3..=19);
    assert_eq!(bench.jobs().await, 18);
}

/// The rendering is of this process or another, the erasure too.
#[tokio::test]
async fn a_rendering_that_began_before_an_erasure_brings_nothing_back() {
    let bench = Bench::new().await;
    let eraser = bench.node(bench.folder.path());
    bench.shop.publish(&offer(21));
    let (read, go) = bench.shop.halt();
    let publish = bench.publish.clone();
    let rendering = tokio::spawn(async move { publish.export("linkedin", None).await });
    read.await.unwrap();
    bench.shop.erase(&offer(2));
    eraser.forget_erased().await.unwrap();
    assert!(!bench.keeps(2) && bench.keeps(3));
    go.send(()).unwrap();
    let late = rendering.await.unwrap().unwrap();
    assert_eq!(late.ready, 21, "it knew nothing of it");
    assert!(!bench.keeps(2) && bench.keeps(3) && bench.keeps(21));
}

/// What a hold keeps was made of postings: when one of them is erased it goes, whether or not its
/// vacancy lives on with others.
#[tokio::test]
async fn a_posting_that_is_erased_takes_the_piece_that_told_of_it() {
    let bench = Bench::new().await;
    let copy: PostingId = "0b7c2c1e-0000-5000-8000-000000000001".parse().unwrap();
    let two = |n| {
        vacancy(n, "ch-exemple", |v| {
            let other = serde_json::json!({
                "posting": copy, "connector": "copie", "reference": "1", "own": false,
            });
            v["sources"].as_array_mut().unwrap().push(other);
        })
    };
    bench.shop.publish(&two(1));
    assert_eq!(bench.jobs().await, 20);
    bench.refuse(1..=10);
    assert_eq!((bench.jobs().await, bench.keeps(1)), (20, true));
    bench.shop.erased.lock().unwrap().insert(copy);
    bench.publish.forget_erased().await.unwrap();
    assert!(!bench.keeps(1) && bench.keeps(2));
    assert_eq!((bench.jobs().await, bench.shows(1).await), (19, false));
    // A node that nobody tells of the erasure feels it when it next makes the document.
    let other = PostingId(offer(2).id.0);
    bench.shop.erased.lock().unwrap().insert(other);
    bench.jobs().await;
    assert!(!bench.keeps(2) && bench.keeps(3));
    assert_eq!((bench.jobs().await, bench.shows(2).await), (18, false));
}

/// An erasure takes no file from another process that is writing it, and does not stumble over it; what
/// one that was killed has left goes.
#[tokio::test]
async fn an_erasure_and_a_writer_in_another_process_do_not_meet() {
    let bench = Bench::new().await;
    let begun = bench.folder.path().join(".export-Ab3dEf");
    let turn = File::create(bench.folder.path().join(".lock")).unwrap();
    turn.lock().unwrap();
    fs::write(&begun, "{\"frame").unwrap();
    bench.shop.erase(&offer(2));
    let publish = bench.publish.clone();
    let erasing = tokio::spawn(async move { publish.forget_erased().await });
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let whole = fs::read(bench.kept()).unwrap();
    fs::write(&begun, whole).unwrap();
    fs::rename(&begun, bench.kept()).expect("nobody has taken it");
    drop(turn);
    erasing.await.unwrap().unwrap();
    assert!(!bench.keeps(2) && bench.keeps(3));

    fs::write(&begun, "{\"frame").unwrap();
    bench.publish.forget_erased().await.unwrap();
    assert!(!begun.exists());
}
