//! TLS to PostgreSQL and to RabbitMQ, with certificates that are made here.

use crate::services::{Database, Place};
use passerelle::bus::Bus;
use passerelle::bus::rabbit::{BusHealth, RabbitBus, RabbitConfig};
use passerelle::model::{Clock, Stage};
use passerelle::store::{DynStore, PostgresOptions, PostgresStore, SqliteStore, Store, StoreError};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Certificates in `folder`: `ca.pem`, `server.*` and `client.*` of that authority, and `other.pem`,
/// an authority that signed nothing.
fn certificates(folder: &Path) {
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        (pem, Issuer::new(params, key))
    };
    let (pem, issuer) = authority("Autorité d'essai");
    write("ca.pem", pem);
    write("other.pem", authority("Une autre autorité").0);
    for name in ["server", "client"] {
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        write(&format!("{name}.pem"), certificate.pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_over_tls_is_checked_against_its_authority() {
    let Some(place) = Place::new("tls_postgres") else {
        return;
    };
    let tls = place.0.join("tls");
    certificates(&tls);
    let own = place.0.join("postgres/tls");
    let own = own.display();
    // Who comes over TLS must show a certificate.
    let settings = format!(
        "ssl = on\nssl_cert_file = '{own}/server.pem'\nssl_key_file = '{own}/server.key'\n\
         ssl_ca_file = '{own}/ca.pem'\nhba_file = '{own}/hba.conf'\n"
    );
    std::fs::write(place.0.join("postgres.more"), settings).unwrap();
    let rules = "hostssl all all 127.0.0.1/32 trust clientcert=verify-ca\n";
    std::fs::write(tls.join("hba.conf"), rules).unwrap();
    let database = Database::start_in(place.0.clone());

    let open = async |parameters: &str| {
        let options = PostgresOptions {
            wait: Duration::from_secs(20),
            ..PostgresOptions::default()
        };
        let url = format!("{}?{parameters}", database.url);
        PostgresStore::open(&url, &options).await
    };
    let file = |name: &str| tls.join(name).display().to_string();
    let client = format!(
        "sslcert={}&sslkey={}",
        file("client.pem"),
        file("client.key")
    );
    let good = format!("sslmode=verify-full&sslrootcert={}", file("ca.pem"));
    let store = open(&format!("{good}&{client}")).await.unwrap();
    assert_eq!(store.outbox_depth().await.unwrap().events, 0);
    // The session that holds the locks goes the same way.
    assert!(store.lock_connector(&"a".into()).await.unwrap().is_some());

    let refused = |opened: Result<PostgresStore, StoreError>| match opened.err().unwrap() {
        StoreError::Permanent { doing, why } => format!("{doing}: {why}"),
        other => panic!("waiting does not mend it: {other:?}"),
    };
    let wrong = format!("sslmode=require&sslrootcert={}", file("other.pem"));
    let why = refused(open(&format!("{wrong}&{client}")).await);
    assert!(
        why.contains("UnknownIssuer") && why.contains("other.pem"),
        "{why}"
    );
    let why = refused(open("sslmode=require").await);
    assert!(why.contains("no sslrootcert is set"), "{why}");
    let why = refused(open(&format!("{good}&sslcert={}", file("client.pem"))).await);
    assert!(why.contains("both sslcert and sslkey"), "{why}");
    let why = refused(open("sslmode=require&sslrootcert=/nowhere.pem").await);
    assert!(why.contains("/nowhere.pem"), "{why}");
    // In clear, or without a certificate, this server takes nobody.
    assert!(open("sslmode=disable").await.is_err());
    assert!(open(&good).await.is_err());
}

/// A broker's settings for TLS on `port`.
fn broker_settings(place: &Place, port: u16, clients: bool) {
    let own = place.0.join("rabbit/tls");
    let own = own.display();
    let settings = format!(
        "listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {own}/ca.pem\n\
         ssl_options.certfile = {own}/server.pem\nssl_options.keyfile = {own}/server.key\n\
         ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = {clients}\n"
    );
    std::fs::write(place.0.join("rabbitmq.more"), settings).unwrap();
}

/// The bus over TLS: its health once it is there, or why it is not.
async fn connect(
    port: u16,
    authority: Option<PathBuf>,
    client: Option<(PathBuf, PathBuf)>,
) -> Result<BusHealth, String> {
    let store: DynStore = Arc::new(SqliteStore::temporary().unwrap());
    #[allow(
        clippy::disallowed_methods,
        reason = "the bus runs on the machine's clock"
    )]
    let clock = Clock::new(jiff::Timestamp::now);
    let config = RabbitConfig {
        addresses: vec![format!("amqps://guest:guest@127.0.0.1:{port}/%2f")],
        ca_file: authority,
        client_certificate: client,
        ..RabbitConfig::default()
    };
    let cancel = CancellationToken::new();
    let start = RabbitBus::start(config, store, clock, &Stage::ALL, cancel.clone());
    let started = tokio::time::timeout(Duration::from_secs(60), start).await;
    let bus = started.map_err(|_| "it waits without an end")?;
    let bus = bus.map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    })?;
    let began = Instant::now();
    while bus.health() != BusHealth::Ready && began.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(bus.idle().await.unwrap());
    let health = bus.health();
    cancel.cancel();
    Ok(health)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_over_tls_is_checked_and_may_ask_who_comes() {
    let Some(place) = Place::new("tls_rabbit") else {
        return;
    };
    let tls = place.0.join("tls");
    certificates(&tls);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let file = |name: &str| tls.join(name);
    let client = || Some((file("client.pem"), file("client.key")));

    broker_settings(&place, port, false);
    place.order("start-rabbit");
    let plain = connect(port, Some(file("ca.pem")), None).await;
    assert_eq!(plain, Ok(BusHealth::Ready));
    let why = connect(port, Some(file("other.pem")), None)
        .await
        .unwrap_err();
    assert!(
        why.contains("UnknownIssuer") && why.contains("other.pem"),
        "{why}"
    );
    let why = connect(port, None, None).await.unwrap_err();
    assert!(why.contains("bus.ca_file is not set"), "{why}");
    place.order("kill-rabbit");

    broker_settings(&place, port, true);
    place.order("start-rabbit");
    let mutual = connect(port, Some(file("ca.pem")), client()).await;
    assert_eq!(mutual, Ok(BusHealth::Ready));
    let why = connect(port, Some(file("ca.pem")), None).await.unwrap_err();
    assert!(why.contains("without bus.client_certificate"), "{why}");
}
