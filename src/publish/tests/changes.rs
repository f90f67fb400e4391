//! The delta feed, its cursors and the snapshot.

use super::{get, three};
use crate::{
    model::TombstoneReason,
    publish::testing::{Shop, publishing, vacancy},
};
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn changes_and_snapshot_agree_byte_by_byte() {
    let shop = three();
    let publish = publishing(&shop);
    let first = get(&publish, "/api/v1/changes?limit=2").await.json();
    assert_eq!(first["has_more"], true);
    shop.close(vacancy(3, "", |_| {}).id, TombstoneReason::Filled, None);
    let cursor = first["next_cursor"].as_str().unwrap();
    let reply = get(&publish, &format!("/api/v1/changes?cursor={cursor}")).await;
    insta::assert_json_snapshot!(reply.json());

    let snapshot = get(&publish, "/api/v1/snapshot").await;
    assert_eq!(snapshot.header("content-type"), "application/x-ndjson");
    let text = snapshot.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.is_sorted());
    let all = get(&publish, "/api/v1/changes").await.text();
    for line in lines {
        assert!(all.contains(&format!("\"vacancy\":{line}")));
    }
    let resume = snapshot.header("passerelle-cursor");
    let after = get(&publish, &format!("/api/v1/changes?cursor={resume}"))
        .await
        .json();
    assert_eq!(after["items"], json!([]));
    assert_eq!(after["next_cursor"], resume);
}

#[tokio::test]
async fn old_cursors_expire_and_forged_ones_are_refused() {
    let shop = three();
    let publish = publishing(&shop);
    let old = get(&publish, "/api/v1/changes?limit=1").await.json();
    let old = old["next_cursor"].as_str().unwrap();
    assert_eq!(
        get(&publish, &format!("/api/v1/changes?cursor={old}"))
            .await
            .status,
        200
    );
    shop.meta
        .lock()
        .unwrap()
        .insert("changes.floor".into(), "2".into());
    let reply = get(&publish, &format!("/api/v1/changes?cursor={old}")).await;
    assert_eq!(reply.status, 410);
    assert!(reply.header("link").contains("/api/v1/snapshot"));
    // A cursor from before the store was restored.
    let ahead = publish
        .codec()
        .changes(999, crate::publish::consumers::Part::WHOLE);
    assert_eq!(
        get(&publish, &format!("/api/v1/changes?cursor={ahead}"))
            .await
            .status,
        410
    );
    for bad in ["0", "12", "%20", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let reply = get(&publish, &format!("/api/v1/changes?cursor={bad}")).await;
        assert_eq!(reply.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn changes_are_streamed_and_go_on_where_the_reader_was() {
    use axum::{body::Body, http::Request};
    use futures::StreamExt;
    use tower::ServiceExt;
    let shop = Arc::new(Shop::default());
    let publish = publishing(&shop);
    let open = async |id: Option<&str>| {
        let mut request = Request::get("/api/v1/changes/stream");
        if let Some(id) = id {
            request = request.header("last-event-id", id);
        }
        let request = request.body(Body::empty()).unwrap();
        let reply = crate::publish::router(publish.clone()).oneshot(request);
        let reply = reply.await.unwrap();
        (
            reply.status().as_u16(),
            reply.into_body().into_data_stream(),
        )
    };
    shop.publish(&vacancy(1, "ch-exemple", |_| {}));
    let (status, mut events) = open(None).await;
    assert_eq!(status, 200);
    let first = String::from_utf8(events.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(
        first.contains("event: upsert") && first.contains("data: {\"seq\":1"),
        "{first}"
    );
    // It stays open, and tells what comes.
    let id = vacancy(1, "", |_| {}).id;
    shop.close(id, crate::model::TombstoneReason::Filled, None);
    let second = String::from_utf8(events.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(
        second.contains("event: delete") && second.contains("filled"),
        "{second}"
    );
    drop(events);

    let last = second.lines().find_map(|l| l.strip_prefix("id: ")).unwrap();
    shop.publish(&vacancy(2, "ch-exemple", |_| {}));
    let (_, mut events) = open(Some(last)).await;
    let third = String::from_utf8(events.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(third.contains("data: {\"seq\":3"), "{third}");
    assert_eq!(open(Some("zzz")).await.0, 400);
}
