//! Public registers of employers: loads, take-over and look-ups.

use super::backend::Backend;
use super::fixtures::*;
use passerelle::model::{Register, RegisterEntry};
use passerelle::store::{DynStore, KeyedEntry, REGISTER_KEY_LIMIT};

super::over_all_backends!(
    a_load_is_seen_when_it_ends,
    a_load_that_never_ended_is_dropped_by_the_next,
    each_register_is_replaced_alone,
    a_key_of_too_many_gives_none,
);

fn keyed(register: Register, number: &str, name: &str, keys: &[&str]) -> KeyedEntry {
    KeyedEntry {
        entry: RegisterEntry {
            register,
            number: number.to_owned(),
            name: name.to_owned(),
            other_names: vec!["autre".to_owned()],
            entity: None,
            sirene: None,
            insee: Some("70550".to_owned()),
            category: None,
        },
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
    }
}

async fn names(store: &DynStore, keys: &[&str]) -> Vec<String> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let found = store.register_entries(&keys).await.unwrap();
    found.into_iter().map(|entry| entry.name).collect()
}

async fn loaded(store: &DynStore, register: Register, entries: Vec<KeyedEntry>) {
    let load = store.begin_register(register, at(0)).await.unwrap();
    store.add_to_register(load, entries).await.unwrap();
    store.finish_register(load, at(1)).await.unwrap();
}

async fn a_load_is_seen_when_it_ends(backend: &Backend) {
    let store = backend.open().await;
    let load = store
        .begin_register(Register::FinessSites, at(0))
        .await
        .unwrap();
    let first = vec![
        keyed(Register::FinessSites, "1", "Un", &["a", "b"]),
        keyed(Register::FinessSites, "2", "Deux", &["b"]),
        // Of one number the first counts, keys and all.
        keyed(Register::FinessSites, "1", "Un bis", &["c"]),
    ];
    store.add_to_register(load, first).await.unwrap();
    let again = vec![keyed(Register::FinessSites, "2", "Deux bis", &["c"])];
    store.add_to_register(load, again).await.unwrap();
    assert!(store.registers().await.unwrap().is_empty());
    assert!(names(&store, &["a", "b"]).await.is_empty());
    let state = store.finish_register(load, at(1)).await.unwrap();
    assert_eq!((state.entries, state.loaded), (2, at(1)));
    drop(store);
    let store = backend.open().await;
    assert_eq!(store.registers().await.unwrap(), [state]);
    assert_eq!(names(&store, &["a", "b", "c", "b"]).await, ["Un", "Deux"]);
    let next = store
        .begin_register(Register::FinessSites, at(2))
        .await
        .unwrap();
    let entries = vec![keyed(Register::FinessSites, "3", "Trois", &["b"])];
    store.add_to_register(next, entries).await.unwrap();
    assert_eq!(names(&store, &["b"]).await, ["Un", "Deux"]);
    store.finish_register(next, at(3)).await.unwrap();
    assert_eq!(names(&store, &["a", "b"]).await, ["Trois"]);
}

async fn a_load_that_never_ended_is_dropped_by_the_next(backend: &Backend) {
    let store = backend.open().await;
    let dead = store
        .begin_register(Register::SireneSites, at(0))
        .await
        .unwrap();
    let entries = vec![keyed(Register::SireneSites, "1", "Un", &["a"])];
    store.add_to_register(dead, entries.clone()).await.unwrap();
    let given_up = store
        .begin_register(Register::SireneUnits, at(0))
        .await
        .unwrap();
    store.abandon_register(given_up).await.unwrap();
    assert!(store.finish_register(given_up, at(1)).await.is_err());
    let load = store
        .begin_register(Register::SireneSites, at(1))
        .await
        .unwrap();
    assert!(store.add_to_register(dead, entries.clone()).await.is_err());
    assert!(store.finish_register(dead, at(2)).await.is_err());
    let state = store.finish_register(load, at(2)).await.unwrap();
    assert_eq!(state.entries, 0);
    store.abandon_register(load).await.unwrap();
    assert_eq!(store.registers().await.unwrap(), [state]);
}

async fn each_register_is_replaced_alone(backend: &Backend) {
    let store = backend.open().await;
    let site = keyed(Register::FinessSites, "1", "Site", &["a"]);
    let unit = keyed(Register::SireneUnits, "1", "Unité", &["a"]);
    loaded(&store, Register::FinessSites, vec![site]).await;
    loaded(&store, Register::SireneUnits, vec![unit]).await;
    assert_eq!(names(&store, &["a"]).await, ["Site", "Unité"]);
    loaded(&store, Register::FinessSites, Vec::new()).await;
    assert_eq!(names(&store, &["a"]).await, ["Unité"]);
}

async fn a_key_of_too_many_gives_none(backend: &Backend) {
    let store = backend.open().await;
    let entries = (0..=REGISTER_KEY_LIMIT)
        .map(|n| {
            let own = format!("own{n}");
            let keys: &[&str] = if n == 0 {
                &["many", &own]
            } else {
                &["many", "most", &own]
            };
            keyed(Register::FinessSites, &n.to_string(), &own, keys)
        })
        .collect();
    loaded(&store, Register::FinessSites, entries).await;
    assert!(names(&store, &["many"]).await.is_empty());
    assert_eq!(names(&store, &["most"]).await.len(), REGISTER_KEY_LIMIT);
    assert_eq!(names(&store, &["many", "own0"]).await, ["own0"]);
}
