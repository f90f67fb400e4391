//! Pushed offers: allowed or not, one, a batch, everything, twice.

use super::*;
use crate::daemon::Access;
use crate::settings;
use axum::body::Body;
use axum::http::Request;
use tower::ServiceExt as _;

const FILE: &str = "name = \"essai\"\n[push]\nkey = { file = \"KEY\" }\nhmac = { file = \"KEY\" }\n[guards]\nmiss_gap = \"0s\"\n\
    [fields]\nreference = \"id\"\ntitle = \"titre\"\nplace_city = \"ville\"\n";

struct Bench {
    hub: Arc<Hub>,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        Self::of(FILE).await
    }

    async fn of(file: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        std::fs::create_dir_all(root.join("connectors")).expect("a folder");
        let key = root.join("key").display().to_string();
        std::fs::write(&key, "la-clef").expect("written");
        std::fs::write(
            root.join("connectors/essai.toml"),
            file.replace("KEY", &key),
        )
        .expect("written");
        let text = format!(
            "[store]\nurl = \"sqlite:{0}/hub.db\"\n[paths]\nconnectors = \"{0}/connectors\"\ndata = \"{0}\"\n",
            root.display()
        );
        let path = root.join("passerelle.toml");
        std::fs::write(&path, text).expect("written");
        let loaded = settings::load(Some(&path)).expect("settings");
        let hub = Hub::open(loaded, Access::Pipeline).await.expect("a hub");
        Self {
            hub: Arc::new(hub),
            _folder: folder,
        }
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        let mut request = Request::post(format!("/api/v1/ingest/{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Body::from(body.to_owned()))
            .expect("a request");
        let answer = router(Arc::clone(&self.hub))
            .oneshot(request)
            .await
            .expect("an answer");
        let status = answer.status().as_u16();
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20)
            .await
            .expect("a body");
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

const KEY: (&str, &str) = ("authorization", "Bearer la-clef");

#[tokio::test(flavor = "multi_thread")]
async fn offers_that_are_sent_take_the_road_of_pulled_ones() {
    let bench = Bench::new().await;
    let one = r#"{"id":"A","titre":"Infirmier","ville":"Vesoul"}"#;
    assert_eq!(bench.post("essai", &[], one).await.0, 401);
    assert_eq!(
        bench
            .post("essai", &[("x-passerelle-key", "autre")], one)
            .await
            .0,
        401
    );
    assert_eq!(bench.post("inconnu", &[KEY], one).await.0, 404);

    let (status, answer) = bench.post("essai", &[KEY], one).await;
    assert_eq!((status, &answer["new"]), (200, &json!(1)), "{answer}");
    assert_eq!(answer["results"][0]["reference"], "A");

    // One bad item is its own problem.
    let batch = r#"[{"id":"B","titre":"AS"},{"id":"C"},{"titre":"sans clef"},7]"#;
    let (status, answer) = bench.post("essai", &[KEY], batch).await;
    let accepted: Vec<&Value> = answer["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|r| &r["accepted"])
        .collect();
    assert_eq!(
        (status, accepted),
        (
            200,
            vec![&json!(true), &json!(false), &json!(false), &json!(false)]
        )
    );
    assert_eq!(
        (&answer["new"], &answer["missing"]),
        (&json!(1), &json!(0)),
        "{answer}"
    );

    // A cut body is nothing at all.
    assert_eq!(
        bench
            .post("essai?snapshot=true", &[KEY], "[{\"id\":\"B\",")
            .await
            .0,
        422
    );

    // Everything: A is missing, once, then twice.
    let whole = r#"{"items":[{"id":"B","titre":"AS"}]}"#;
    let (_, answer) = bench.post("essai?snapshot=true", &[KEY], whole).await;
    assert_eq!(
        (&answer["missing"], &answer["closed"]),
        (&json!(1), &json!(0)),
        "{answer}"
    );
    let (_, answer) = bench.post("essai?snapshot=true", &[KEY], whole).await;
    assert_eq!(
        (&answer["missing"], &answer["closed"]),
        (&json!(1), &json!(1)),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_does_nothing_twice() {
    let bench = Bench::new().await;
    let once = [KEY, ("idempotency-key", "n-1")];
    let body = r#"{"id":"A","titre":"Infirmier"}"#;
    let first = bench.post("essai", &once, body).await;
    assert_eq!(first, bench.post("essai", &once, body).await);
    let runs = bench.hub.store.runs(None, 10).await.expect("runs");
    assert_eq!(runs.len(), 1);
    let other = r#"{"id":"B","titre":"Infirmier"}"#;
    assert_eq!(bench.post("essai", &once, other).await.0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_as_good_as_a_key() {
    let bench = Bench::new().await;
    let body = r#"{"id":"A","titre":"Infirmier"}"#;
    let mut mac = Hmac::<Sha256>::new_from_slice(b"la-clef").expect("any length");
    mac.update(body.as_bytes());
    let hex: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let signed = format!("sha256={hex}");
    let header = ("x-passerelle-signature", signed.as_str());
    assert_eq!(bench.post("essai", &[header], body).await.0, 200);
    assert_eq!(
        bench
            .post("essai", &[header], &body.replace('A', "B"))
            .await
            .0,
        401
    );
    // There is nothing to ask of a connector that is only sent to.
    assert_eq!(bench.post("essai?changed", &[KEY], "").await.0, 409);
}

/// A row that may be half a row would change a known offer: it is a pulled file's rule, and the
/// connector's to loosen.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_last_row_may_be_cut_is_not_taken() {
    let source = "[source]\nkind = \"csv\"\nurl = \"push:\"\n[guards]";
    let file = FILE.replace("[guards]", source);
    let bench = Bench::of(&file).await;
    let whole = "id;titre;ville\nA;Infirmier;Vesoul\nB;Aide-soignant;Lure\n";
    let (status, answer) = bench.post("essai", &[KEY], whole.trim_end()).await;
    assert_eq!(status, 422, "{answer}");
    let detail = answer["detail"].as_str().unwrap_or_default();
    assert!(
        detail.contains("final_newline") && detail.contains("send the whole"),
        "{detail}"
    );
    let (status, answer) = bench.post("essai", &[KEY], whole).await;
    assert_eq!((status, &answer["new"]), (200, &json!(2)), "{answer}");

    let loose = file.replace("[guards]", "csv = { final_newline = false }\n[guards]");
    let bench = Bench::of(&loose).await;
    let (status, answer) = bench.post("essai", &[KEY], whole.trim_end()).await;
    assert_eq!((status, &answer["new"]), (200, &json!(2)), "{answer}");
}

/// Who is refused learns what to do.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_how_to_mend() {
    let bench = Bench::of(&FILE.replace("hmac = { file = \"KEY\" }\n", "").replace(
        "key = { file = \"KEY\" }",
        "key = { env = \"PASSERELLE_NO_SUCH_KEY\" }",
    ))
    .await;
    let (status, answer) = bench.post("essai", &[KEY], "[]").await;
    let detail = answer["detail"].as_str().unwrap_or_default();
    assert_eq!(status, 503);
    assert!(detail.contains("sets the secret"), "{detail}");
    assert!(
        !detail.contains("NO_SUCH_KEY"),
        "a sender learns no names: {detail}"
    );
}
