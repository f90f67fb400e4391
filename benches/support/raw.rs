//! What this machine allows at most: rows and messages a second without any work between.

use std::path::Path;
use std::time::Instant;

const BATCH: usize = 100;
/// A row of an offer, an event, a message.
const BODY: usize = 3000;
const EVENT: usize = 300;
const MESSAGE: usize = 2048;
/// Confirms that are waited for together.
const WINDOW: usize = 256;

/// Upserts a second with an outbox row each, a hundred a transaction, synchronised: SQLite.
pub fn sqlite(folder: &Path, count: usize) -> rusqlite::Result<f64> {
    let c = rusqlite::Connection::open(folder.join("raw.db"))?;
    c.pragma_update(None, "journal_mode", "WAL")?;
    c.pragma_update(None, "synchronous", "FULL")?;
    c.execute_batch(
        "CREATE TABLE offer (id INTEGER PRIMARY KEY, body BLOB);
         CREATE TABLE outbox (n INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB);",
    )?;
    let (body, event) = (vec![b'x'; BODY], vec![b'e'; EVENT]);
    let begun = Instant::now();
    for batch in 0..count / BATCH {
        c.execute_batch("BEGIN IMMEDIATE")?;
        for n in 0..BATCH {
            let id = (batch * BATCH + n) as i64;
            let upsert = "INSERT INTO offer VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = excluded.body";
            c.prepare_cached(upsert)?.execute((id, &body))?;
            let put = "INSERT INTO outbox (body) VALUES (?1)";
            c.prepare_cached(put)?.execute([&event])?;
        }
        c.execute_batch("COMMIT")?;
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

/// The same in PostgreSQL, the statements of a transaction pipelined.
pub async fn postgres(url: &str, count: usize) -> Result<f64, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    client
        .batch_execute(
            "CREATE TABLE raw_offer (id bigint PRIMARY KEY, body bytea);
             CREATE TABLE raw_outbox (n bigserial PRIMARY KEY, body bytea)",
        )
        .await?;
    let upsert =
        "INSERT INTO raw_offer VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET body = excluded.body";
    let upsert = client.prepare(upsert).await?;
    let put = client
        .prepare("INSERT INTO raw_outbox (body) VALUES ($1)")
        .await?;
    let (body, event) = (vec![b'x'; BODY], vec![b'e'; EVENT]);
    let begun = Instant::now();
    for batch in 0..count / BATCH {
        client.batch_execute("BEGIN").await?;
        let mut waiting = Vec::with_capacity(2 * BATCH);
        for n in 0..BATCH {
            let id = (batch * BATCH + n) as i64;
            let (client, upsert, put, body, event) = (&client, &upsert, &put, &body, &event);
            waiting.push(futures::future::FutureExt::boxed(async move {
                client.execute(upsert, &[&id, body]).await
            }));
            waiting.push(futures::future::FutureExt::boxed(async move {
                client.execute(put, &[event]).await
            }));
        }
        futures::future::try_join_all(waiting).await?;
        client.batch_execute("COMMIT").await?;
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    client
        .batch_execute("DROP TABLE raw_offer, raw_outbox")
        .await?;
    connection.abort();
    Ok(rate)
}

/// Confirmed, persistent, mandatory publishes a second to a quorum queue, on one channel.
pub async fn rabbit(address: &str, count: usize) -> Result<f64, lapin::Error> {
    use lapin::options::{
        BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
    };
    use lapin::types::{AMQPValue, FieldTable};
    let queue = "bench.raw";
    let connection =
        lapin::Connection::connect(address, lapin::ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(queue.into(), durable, arguments)
        .await?;
    let message = vec![b'm'; MESSAGE];
    let mandatory = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let persistent = lapin::BasicProperties::default().with_delivery_mode(2);
    let begun = Instant::now();
    let mut waiting = std::collections::VecDeque::with_capacity(WINDOW);
    for _ in 0..count {
        if waiting.len() == WINDOW
            && let Some(oldest) = waiting.pop_front()
        {
            oldest.await?;
        }
        let sent = channel.basic_publish(
            "".into(),
            queue.into(),
            mandatory,
            &message,
            persistent.clone(),
        );
        waiting.push_back(sent.await?);
    }
    for confirm in waiting {
        confirm.await?;
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    channel
        .queue_delete(queue.into(), QueueDeleteOptions::default())
        .await?;
    Ok(rate)
}
