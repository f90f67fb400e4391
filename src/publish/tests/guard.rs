//! Exports that lose more than a share of what is open.

use super::get;
use crate::model::{TombstoneReason, Vacancy};
use crate::publish::testing::{
    Shop, network, publishing_changing, publishing_of_member_without_mandate, publishing_watching,
    publishing_with, vacancy,
};
use crate::publish::{Decided, Publish, decide_export_hold, export_holds};
use std::{path::Path, sync::Arc};
use tempfile::TempDir;

pub(super) fn offer(n: u128) -> Vacancy {
    vacancy(n, "ch-exemple", |_| {})
}

/// One that LinkedIn does not take: there is nowhere to apply.
fn refused(n: u128) -> Vacancy {
    vacancy(n, "ch-exemple", |v| {
        v["description"]["html"] = "<p>Court.</p>".into();
        v["description"]["text"] = "Court.".into();
    })
}

/// Twenty offers, of which LinkedIn's file may lose three or 30 %.
pub(super) struct Bench {
    pub shop: Arc<Shop>,
    pub publish: Publish,
    pub folder: TempDir,
}

/// A process over the same store, with what it keeps in `folder`.
fn node(shop: &Arc<Shop>, folder: &Path) -> Publish {
    publishing_with(shop, |settings| {
        settings.kept = Some(folder.to_owned());
        settings.export_max_drop = 0.3;
        settings.export_min_drop = 3;
    })
}

/// Jobs of a file of LinkedIn's form, which says as many.
pub(super) fn jobs(text: &str) -> usize {
    let jobs = text.matches("<job>").count();
    let said = format!("<expectedJobCount>{jobs}</expectedJobCount>");
    assert!(text.contains(&said), "{text}");
    jobs
}

impl Bench {
    pub async fn new() -> Self {
        let shop = Arc::new(Shop::default());
        (1..=20).for_each(|n| shop.publish(&offer(n)));
        let folder = tempfile::tempdir().unwrap();
        let publish = node(&shop, folder.path());
        let bench = Self {
            shop,
            publish,
            folder,
        };
        assert_eq!(bench.jobs().await, 20);
        bench
    }

    pub fn node(&self, folder: &Path) -> Publish {
        node(&self.shop, folder)
    }

    async fn text(&self) -> String {
        let reply = get(&self.publish, "/exports/linkedin.xml").await;
        assert_eq!(reply.status, 200);
        reply.text()
    }

    pub async fn jobs(&self) -> usize {
        jobs(&self.text().await)
    }

    pub async fn shows(&self, n: u128) -> bool {
        self.text().await.contains(&offer(n).id.to_string())
    }

    pub fn refuse(&self, numbers: std::ops::RangeInclusive<u128>) {
        numbers.for_each(|n| self.shop.publish(&refused(n)));
    }

    pub fn close(&self, numbers: std::ops::RangeInclusive<u128>, reason: TombstoneReason) {
        numbers.for_each(|n| self.shop.close(offer(n).id, reason, None));
    }

    /// The newest hold: its status, and offers before and now.
    pub async fn hold(&self) -> Option<(String, usize, usize)> {
        let mut all = export_holds(&*self.shop, false).await.unwrap();
        let (file, hold) = all.pop()?;
        assert_eq!(file, "linkedin.xml");
        Some((hold.status, hold.before, hold.now))
    }

    pub async fn decide(&self, released: bool) -> bool {
        let decided = Decided {
            at: crate::publish::testing::now(),
            who: "Anne".into(),
            why: "seen with the hospital".into(),
        };
        decide_export_hold(&*self.shop, "linkedin.xml", released, decided)
            .await
            .unwrap()
    }

    pub fn kept(&self) -> std::path::PathBuf {
        self.folder.path().join("linkedin.xml.kept")
    }
}

/// An export that shrinks waits; the last good one stays; a person decides, or the offers come back.
#[tokio::test]
async fn an_export_that_shrinks_waits_for_a_person() {
    let bench = Bench::new().await;
    // Six are 30 %: no more than the share. Then, one by one, they are: the day counts.
    bench.refuse(1..=6);
    assert_eq!(bench.jobs().await, 14);
    bench.refuse(7..=7);
    assert_eq!(bench.jobs().await, 14);
    assert_eq!(bench.hold().await, Some(("open".into(), 20, 13)));
    // A last good one that was torn is none.
    let whole = std::fs::read(bench.kept()).unwrap();
    std::fs::write(bench.kept(), &whole[..whole.len() / 2]).unwrap();
    let reply = get(&bench.publish, "/exports/linkedin.xml").await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("retry-after")),
        (503, "3600")
    );
    let torn = bench.publish.export("linkedin", None).await;
    assert!(torn.is_err_and(|error| error.to_string().contains("no last good one")));
    std::fs::write(bench.kept(), &whole).unwrap();
    // Rejected, it stays as it is; when the offers are back, there is nothing to decide.
    assert!(bench.decide(false).await);
    assert_eq!(bench.jobs().await, 14);
    (1..=7).for_each(|n| bench.shop.publish(&offer(n)));
    assert_eq!(bench.jobs().await, 20);
    assert!(!bench.decide(true).await);
    assert_eq!(bench.hold().await.unwrap().0, "cleared");

    // Released, the newest goes out at once, and who said so is kept.
    bench.refuse(1..=10);
    assert_eq!(bench.jobs().await, 20);
    assert!(bench.decide(true).await);
    assert_eq!(bench.jobs().await, 10);
    let all = export_holds(&*bench.shop, false).await.unwrap();
    assert_eq!(all[0].1.status, "applied");
    assert_eq!(all[0].1.decided.as_ref().unwrap().who, "Anne");
    assert!(export_holds(&*bench.shop, true).await.unwrap().is_empty());
}

/// Law 2 outranks the guard: whatever number of offers is filled, none stays in a file.
#[tokio::test]
async fn a_closed_offer_waits_for_nobody() {
    let bench = Bench::new().await;
    for n in 1..=15 {
        bench.close(n..=n, TombstoneReason::Filled);
        assert!(!bench.shows(n).await);
    }
    assert_eq!(bench.jobs().await, 5);
    assert_eq!(bench.hold().await, None, "nothing open is missing");

    // Nor does it stay in a file that is held, whyever it is gone.
    (1..=20).for_each(|n| bench.shop.publish(&offer(n)));
    assert_eq!(bench.jobs().await, 20);
    bench.refuse(1..=10);
    assert_eq!(bench.jobs().await, 20);
    for (n, reason) in [
        (1, TombstoneReason::Filled),
        (11, TombstoneReason::Withdrawn),
        (12, TombstoneReason::Hidden),
        (2, TombstoneReason::Erased),
    ] {
        bench.close(n..=n, reason);
        assert!(!bench.shows(n).await, "{reason:?}");
    }
    assert_eq!(bench.jobs().await, 16);
    assert_eq!(bench.hold().await, Some(("open".into(), 20, 12)));
    // What is new or changed waits for nothing.
    bench.shop.publish(&offer(30));
    assert_eq!(bench.jobs().await, 17);
    assert!(bench.decide(true).await);
    assert_eq!(bench.jobs().await, 9);
}

/// Lines that were written for other columns are of no use in a table; none of them closes.
#[tokio::test]
async fn a_table_never_mixes_columns() {
    let shop = Arc::new(Shop::default());
    (1..=8).for_each(|n| shop.publish(&offer(n)));
    let folder = tempfile::tempdir().unwrap();
    let publish = publishing_with(&shop, |settings| {
        settings.kept = Some(folder.path().to_owned());
        settings.export_min_drop = 3;
    });
    let use_columns = |fields: &str| {
        let own = format!(
            "name = \"tableau\"\ntitle = \"Tableau\"\nchannel = \"portal\"\n\
             document = {{ format = \"csv\" }}\nfields = [{fields}]\n"
        );
        let profiles = crate::publish::Profiles::embedded()
            .with([("tableau.toml".to_owned(), own)])
            .unwrap();
        publish.use_profiles(profiles);
    };
    let table = async || get(&publish, "/exports/tableau.csv").await;
    use_columns(r#"{ path = "id", value = "id" }, { path = "x", value = "title" }"#);
    let before = table().await.text();
    assert_eq!(before.lines().count(), 9);
    // Asked for what none of them has, all are blocked: they stay as they were.
    let wanted = r#"{ path = "x", value = "expires", required = true }"#;
    use_columns(&format!(r#"{{ path = "id", value = "id" }}, {wanted}"#));
    assert_eq!(table().await.text(), before);
    shop.close(offer(3).id, TombstoneReason::Filled, None);
    let closed = offer(3).id.to_string();
    let left: Vec<&str> = before.lines().filter(|l| !l.contains(&closed)).collect();
    assert_eq!(table().await.text().lines().collect::<Vec<_>>(), left);
    use_columns(&format!(r#"{{ path = "y", value = "id" }}, {wanted}"#));
    assert_eq!(table().await.status, 503);
}

/// One offer on which an expression fails is blocked by that; the others go out and are closed.
#[tokio::test]
async fn an_expression_that_fails_holds_up_no_other_offer() {
    let shop = Arc::new(Shop::default());
    shop.publish(&vacancy(1, "ch-exemple", |v| {
        v.as_object_mut().unwrap().remove("pay");
    }));
    shop.publish(&offer(2));
    let publish = publishing_with(&shop, |_| {});
    let own = r#"
        name = "paie"
        title = "Paie"
        channel = "portal"
        document = { format = "csv" }
        fields = [{ path = "id", value = "id" }, { path = "an", value = "pay.min * 12" }]
    "#;
    let profiles = crate::publish::Profiles::embedded()
        .with([("paie.toml".to_owned(), own.to_owned())])
        .unwrap();
    publish.use_profiles(profiles);
    let export = publish.export("paie", None).await.unwrap();
    let text = String::from_utf8_lossy(&export.bytes).into_owned();
    assert!(
        text.contains(&offer(2).id.to_string()) && !text.contains(&offer(1).id.to_string()),
        "{text}"
    );
    let report = publish.preflight("paie", None).await.unwrap();
    let blocker = &report.items[0].blockers[0];
    assert_eq!(
        (blocker.rule.as_str(), blocker.field.as_str()),
        ("profile.expression", "an")
    );
}

/// What was made of an offer is made again when the files of the network change.
#[tokio::test]
async fn a_mandate_is_felt_by_what_was_made_before() {
    let shop = Arc::new(Shop::default());
    shop.publish(&offer(1));
    let (files, publish) = publishing_changing(&shop);
    let jobs = async || publish.export("linkedin", None).await.unwrap().ready;
    assert_eq!(jobs().await, 1);
    let given = files.borrow().clone();
    let mut without = (*given).clone();
    for member in without.members.values_mut() {
        member.mandates.clear();
    }
    files.send_replace(Arc::new(without));
    assert_eq!(jobs().await, 0);
    files.send_replace(given);
    assert_eq!(jobs().await, 1);
}

/// An export whose member withdraws its mandate is empty at once: that was a decision.
#[tokio::test]
async fn a_withdrawn_mandate_is_no_loss() {
    let bench = Bench::new().await;
    let publish = publishing_of_member_without_mandate(&bench.shop, bench.folder.path());
    let reply = get(&publish, "/exports/linkedin.xml").await;
    assert_eq!(
        (reply.status.as_u16(), reply.text().matches("<job>").count()),
        (200, 0)
    );
}

/// A node has what it kept itself: one that lacks what should stay serves nothing, rather than a file
/// that closes it.
#[tokio::test]
async fn a_node_serves_what_it_kept_or_nothing() {
    let bench = Bench::new().await;
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [early, new] = folders.each_ref().map(|folder| bench.node(folder.path()));
    let ask = async |node: &Publish| get(node, "/exports/linkedin.xml").await;
    assert_eq!(jobs(&ask(&early).await.text()), 20);
    (21..=30).for_each(|n| bench.shop.publish(&offer(n)));
    assert_eq!(bench.jobs().await, 30);
    bench.refuse(1..=3);
    bench.refuse(21..=30);
    assert_eq!(bench.jobs().await, 30);
    for node in [&early, &new] {
        assert_eq!(ask(node).await.status, 503);
    }
    // What closes is gone from the one that has it; the others have nothing to take it from.
    bench.close(21..=22, TombstoneReason::Filled);
    assert_eq!((bench.jobs().await, bench.shows(21).await), (28, false));
    // One that lacks no more than may go at any time serves the rest.
    assert_eq!(jobs(&ask(&early).await.text()), 20);
    assert_eq!(ask(&new).await.status, 503);
    assert_eq!(bench.hold().await, Some(("open".into(), 30, 19)));
    assert!(bench.decide(true).await);
    for node in [&bench.publish, &early, &new] {
        assert_eq!(jobs(&ask(node).await.text()), 17);
    }
}

/// While a member's file cannot be read, whoever is not among the members may be its own: what would
/// go with it is a loss.
#[tokio::test]
async fn a_file_that_cannot_be_read_takes_nobody_away() {
    let bench = Bench::new().await;
    let (files, publish) = publishing_watching(&bench.shop, network(), |settings| {
        settings.kept = Some(bench.folder.path().to_owned());
        // However few they are.
        settings.export_min_drop = 30;
    });
    let mut without = network();
    without.members.retain(|id, _| id.0 != "ch-exemple");
    without.unsure = true;
    let ready = async || publish.export("linkedin", None).await.unwrap().ready;
    assert_eq!(ready().await, 20);
    files.send_replace(Arc::new(without.clone()));
    assert_eq!(ready().await, 20);
    // With nothing to make them of, there is no document rather than one without them.
    for entry in std::fs::read_dir(bench.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "kept") {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert!(publish.export("linkedin", None).await.is_err());
    without.unsure = false;
    files.send_replace(Arc::new(without));
    assert_eq!(ready().await, 0);
}
