//! The API of France Travail, as its documentation and its clients describe it.

use super::services::serve;
use super::{connector, pull};
use crate::pull::source::ReadEnd;
use crate::pull::source::tests::Basket;
use crate::store::SnapshotKind;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// One synthetic offer: id, département, origin, creation date.
#[derive(Clone)]
struct Offer {
    id: String,
    department: String,
    origin: u8,
    created: Timestamp,
}

#[derive(Clone)]
struct Service {
    offers: Arc<Vec<Offer>>,
    /// What was asked.
    asked: Arc<Mutex<Vec<String>>>,
    /// A fault: leaves the last offer of each full page out, while the total counts it.
    leaky: bool,
}

async fn token(body: String) -> Response {
    assert!(body.contains("grant_type=client_credentials"));
    assert!(body.contains("scope=api_offresdemploiv2+o2dsoffre"));
    axum::Json(json!({"access_token": "t", "token_type": "Bearer", "expires_in": 1499}))
        .into_response()
}

async fn search(
    State(service): State<Service>,
    Query(asked): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    assert_eq!(
        headers.get(header::AUTHORIZATION).expect("a token"),
        "Bearer t"
    );
    service.asked.lock().expect("no panic").push(format!(
        "{} {} {}",
        asked["departement"], asked["origineOffre"], asked["range"]
    ));
    let (first, last) = asked["range"].split_once('-').expect("a range");
    let (first, last): (usize, usize) =
        (first.parse().expect("first"), last.parse().expect("last"));
    assert!(
        last >= first && last - first < 150 && first <= 3000 && last <= 3149,
        "{}",
        asked["range"]
    );
    let date = |name: &str| -> Option<Timestamp> {
        let text = asked.get(name)?;
        assert_eq!(text.len(), "2026-11-02T08:30:00Z".len(), "{text}");
        Some(text.parse().expect("a date"))
    };
    let (from, to) = (date("minCreationDate"), date("maxCreationDate"));
    assert_eq!(from.is_some(), to.is_some());
    let mut found: Vec<&Offer> = service
        .offers
        .iter()
        .filter(|o| {
            o.department == asked["departement"] && o.origin.to_string() == asked["origineOffre"]
        })
        .filter(|o| {
            from.is_none_or(|from| o.created >= from) && to.is_none_or(|to| o.created <= to)
        })
        .collect();
    found.sort_by_key(|o| std::cmp::Reverse((o.created, o.id.clone())));
    let total = found.len();
    if total == 0 || first >= total {
        return (
            StatusCode::NO_CONTENT,
            [(header::CONTENT_RANGE, format!("offres */{total}"))],
        )
            .into_response();
    }
    let last = last.min(total - 1);
    let mut page: Vec<Value> = found[first..=last]
        .iter()
        .map(|o| json!({"id": o.id, "intitule": "Aide-soignant (H/F)", "dateCreation": o.created.to_string()}))
        .collect();
    if service.leaky && page.len() > 1 {
        page.pop();
    }
    let status = if first == 0 && last + 1 == total {
        StatusCode::OK
    } else {
        StatusCode::PARTIAL_CONTENT
    };
    let range = format!("offres {first}-{last}/{total}");
    (
        status,
        [(header::CONTENT_RANGE, range)],
        axum::Json(json!({"resultats": page})),
    )
        .into_response()
}

async fn sweep(
    offers: Vec<Offer>,
    departments: &str,
    leaky: bool,
) -> (Basket, ReadEnd, Vec<String>) {
    let service = Service {
        offers: Arc::new(offers),
        asked: Arc::default(),
        leaky,
    };
    let router = Router::new()
        .route("/token", post(token))
        .route("/v2/offres/search", get(search))
        .with_state(service.clone());
    let base = serve(router).await;
    let connector = connector(&format!(
        "name = \"ft\"\nuse = \"france-travail\"\nwith = {{ base_url = \"{base}\", token_url = \"{base}/token\", \
         client_id = \"x\", client_secret = {{ env = \"SECRET\" }}, departments = {departments}, rate = 2000 }}\n"
    ));
    let (basket, end) = pull(&connector).await;
    let asked = service.asked.lock().expect("no panic").clone();
    (basket, end, asked)
}

/// `count` offers of one slice, `step` seconds apart, back from September 2026.
fn slice(department: &str, origin: u8, count: u64, step: i64) -> Vec<Offer> {
    (0..count)
        .map(|n| Offer {
            id: format!("{department}{origin}{n:05}"),
            department: department.to_owned(),
            origin,
            created: Timestamp::from_millisecond(
                1_789_900_000_123 - i64::try_from(n).expect("small") * step * 1000,
            )
            .expect("a date"),
        })
        .collect()
}

#[tokio::test]
async fn slices_by_department_and_origin() {
    let offers = [
        slice("70", 1, 310, 600),
        slice("70", 2, 20, 600),
        slice("25", 1, 150, 600),
    ]
    .concat();
    let (basket, end, asked) = sweep(offers, "[\"70\", \"25\", \"39\"]", false).await;
    assert_eq!((end.snapshot, end.error), (SnapshotKind::Complete, None));
    assert_eq!(basket.records.len(), 480);
    // 3 ranges, then one each: nothing is asked beyond what is declared.
    assert_eq!(
        asked,
        [
            "70 1 0-149",
            "70 1 150-299",
            "70 1 300-449",
            "70 2 0-149",
            "25 1 0-149",
            "25 2 0-149",
            "39 1 0-149",
            "39 2 0-149"
        ]
    );
}

#[tokio::test]
async fn a_slice_beyond_the_ceiling_is_split_until_it_fits() {
    // 9,000 offers; a third of them within one week.
    let offers = [slice("75", 1, 3000, 60), slice("76", 1, 10, 60)].concat();
    let mut offers = offers;
    offers.extend(slice("75", 1, 9000, 7200).into_iter().map(|mut o| {
        o.id = format!("old{}", o.id);
        o
    }));
    let wanted = offers.len();
    let (basket, end, asked) = sweep(offers, "[\"75\", \"76\"]", false).await;
    assert_eq!((end.snapshot, end.error), (SnapshotKind::Complete, None));
    assert_eq!(basket.records.len(), wanted);
    assert!(asked.len() < 250, "{} requests", asked.len());
}

#[tokio::test]
async fn totals_that_do_not_reconcile_are_partial() {
    let (basket, end, _) = sweep(slice("70", 1, 300, 600), "[\"70\"]", true).await;
    assert_eq!(end.snapshot, SnapshotKind::Partial);
    assert!(
        end.error
            .unwrap_or_default()
            .contains("300 offers are declared")
    );
    assert!(basket.records.len() < 300);
    // A second that holds more than the service serves cannot be split.
    let (_, end, _) = sweep(slice("70", 1, 3200, 0), "[\"70\"]", false).await;
    assert_eq!(end.snapshot, SnapshotKind::Partial);
}

#[tokio::test]
async fn nothing_anywhere_is_empty() {
    let (_, end, _) = sweep(Vec::new(), "[\"70\"]", false).await;
    assert_eq!((end.snapshot, end.error), (SnapshotKind::Empty, None));
}

#[tokio::test]
async fn a_recycled_id_is_another_offer() {
    let mut offers = slice("70", 2, 1, 0);
    let mut again = offers[0].clone();
    again.created = Timestamp::constant(1_674_700_000, 0);
    offers.push(again);
    let (basket, end, _) = sweep(offers, "[\"70\"]", false).await;
    assert_eq!(end.snapshot, SnapshotKind::Complete);
    assert_eq!(basket.records.len(), 2);
}
