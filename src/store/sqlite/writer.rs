//! One thread writes. Jobs that wait at the same time share one transaction, so a slow disk costs
//! one synchronisation for all of them; each has a savepoint of its own, so one that fails takes
//! none of the others with it.

use super::failure::{Failure, Result};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Jobs that share one transaction at most, and how long it may gather them.
const GROUP: usize = 32;
const GATHER: Duration = Duration::from_millis(20);

/// The only way to write. Dropping it ends the thread once the queue is empty.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

trait Job: Send {
    /// Does the work inside a savepoint; whether it succeeded.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Tells the caller, once it is known whether the shared transaction was committed.
    fn end(self: Box<Self>, committed: std::result::Result<(), &str>);
}

struct Task<T, F> {
    work: Option<F>,
    result: Option<Result<T>>,
    tell: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        let result = self.work.take().map(|work| {
            catch_unwind(AssertUnwindSafe(|| work(connection)))
                .unwrap_or_else(|_| Err(Failure::refused("the writing job panicked")))
        });
        let succeeded = matches!(result, Some(Ok(_)));
        self.result = result;
        succeeded
    }

    fn end(self: Box<Self>, committed: std::result::Result<(), &str>) {
        let Task { result, tell, .. } = *self;
        let told = match (result, committed) {
            (Some(Err(failure)), _) => Err(failure),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(why)) => Err(Failure::Away(why.to_owned())),
            (None, Ok(())) => Err(Failure::Away("the job was not run".into())),
        };
        // A caller that stopped waiting takes the outcome for unknown.
        let _ = tell.send(told);
    }
}

impl Writer {
    pub fn start(connection: Connection) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || work(&connection, &queue))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Runs `work` in a transaction and answers after its commit. A caller that stops waiting does
    /// not stop the work: its outcome is then unknown, as after a lost connection.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let closed = || Failure::Away("the store is closed".into());
        let (tell, told) = oneshot::channel();
        let task = Box::new(Task {
            work: Some(work),
            result: None,
            tell,
        });
        let jobs = self.jobs.as_ref().ok_or_else(closed)?;
        jobs.send(task).map_err(|_| closed())?;
        told.await.unwrap_or_else(|_| Err(closed()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(connection: &Connection, queue: &mpsc::Receiver<Box<dyn Job>>) {
    while let Ok(first) = queue.recv() {
        group(connection, first, queue);
    }
    // A last tidy, so that the next opening finds a short log; of no consequence if it fails.
    let _ = connection.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);");
}

/// Runs `first` and what else waits in one transaction.
fn group(connection: &Connection, first: Box<dyn Job>, queue: &mpsc::Receiver<Box<dyn Job>>) {
    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        return first.end(Err(&error.to_string()));
    }
    let began = Instant::now();
    let mut done = Vec::new();
    let mut next = Some(first);
    while let Some(mut job) = next {
        run_one(connection, job.as_mut());
        done.push(job);
        // A full disk rolls the whole transaction back: nothing may be added to it then.
        let open = !connection.is_autocommit();
        next = (open && done.len() < GROUP && began.elapsed() < GATHER)
            .then(|| queue.try_recv().ok())
            .flatten();
    }
    let committed = if connection.is_autocommit() {
        Err("its transaction was rolled back".to_owned())
    } else {
        connection.execute_batch("COMMIT").map_err(|error| {
            let _ = connection.execute_batch("ROLLBACK");
            error.to_string()
        })
    };
    for job in done {
        job.end(committed.as_ref().copied().map_err(String::as_str));
    }
}

fn run_one(connection: &Connection, job: &mut dyn Job) {
    // Without its savepoint the job would not be alone: the whole transaction goes.
    let end = if connection.execute_batch("SAVEPOINT job").is_ok() && job.run(connection) {
        "RELEASE job"
    } else {
        "ROLLBACK TO job; RELEASE job"
    };
    if !connection.is_autocommit() && connection.execute_batch(end).is_err() {
        let _ = connection.execute_batch("ROLLBACK");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer() -> Writer {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)")
            .unwrap();
        Writer::start(connection).unwrap()
    }

    async fn count(writer: &Writer) -> i64 {
        writer
            .write(|c| Ok(c.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_failing_job_takes_no_other_with_it() {
        let writer = writer();
        let insert =
            |n: i64| writer.write(move |c| Ok(c.execute("INSERT INTO t VALUES (?)", [n])?));
        let (one, again, two) = tokio::join!(insert(1), insert(1), insert(2));
        assert!(one.is_ok() && again.is_err() && two.is_ok());
        assert_eq!(count(&writer).await, 2);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_undoes_its_work() {
        let writer = writer();
        let result: Result<()> = writer
            .write(|c| {
                c.execute("INSERT INTO t VALUES (7)", [])?;
                panic!("a bug")
            })
            .await;
        assert!(result.is_err());
        assert_eq!(count(&writer).await, 0);
    }

    #[tokio::test]
    async fn a_rolled_back_transaction_is_told_to_all_its_jobs() {
        let writer = writer();
        let insert = writer.write(|c| Ok(c.execute("INSERT INTO t VALUES (1)", [])?));
        let rollback = writer.write(|c| Ok(c.execute_batch("ROLLBACK")?));
        let (insert, rollback) = tokio::join!(insert, rollback);
        // Alone in its transaction the insert stands; gathered with the rollback it must say so.
        assert_eq!(count(&writer).await, i64::from(insert.is_ok()));
        assert!(rollback.is_err());
    }
}
