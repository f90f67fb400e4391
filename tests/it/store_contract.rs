//! One suite for every store: what the trait promises, whatever is behind it.

pub mod backend;
pub mod fixtures;
mod outbox;
mod people;
mod public;
mod registers;
mod runs;
mod stages;

/// Runs each function over each backend, every one on a store of its own.
macro_rules! over_all_backends {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&crate::store_contract::backend::Backend::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                use crate::store_contract::backend::Backend;
                if let Some(backend) = Backend::postgres(stringify!($name)).await {
                    super::$name(&backend).await;
                }
            })*
        }
    };
}
use over_all_backends;
