//! One suite for every bus: what a stage may rely on, whatever carries its events.

mod backend;
mod delivery;
mod retries;

/// Runs each function over each backend, every one on a bus of its own.
macro_rules! over_all_buses {
    ($($name:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&crate::bus_contract::backend::Backend::embedded()).await;
            })*
        }

        mod rabbitmq {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let _shared = crate::services::BROKER.read().await;
                let test = concat!("contract_", stringify!($name));
                let Some(backend) = crate::bus_contract::backend::Backend::rabbitmq(test) else {
                    return;
                };
                super::$name(&backend).await;
            })*
        }

        mod rabbitmq_over_postgresql {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let _shared = crate::services::BROKER.read().await;
                let test = concat!("contract_postgres_", stringify!($name));
                let backend = crate::bus_contract::backend::Backend::cluster(test).await;
                let Some(backend) = backend else {
                    return;
                };
                super::$name(&backend).await;
            })*
        }
    };
}
use over_all_buses;
