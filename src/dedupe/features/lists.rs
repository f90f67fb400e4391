//! The many short lists of a posting, in one piece of memory.

use super::Features;
use crate::dedupe::text::distinct;
use serde::{Deserialize, Serialize};

macro_rules! lists {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        const COUNT: usize = [$(stringify!($name)),*].len();

        #[allow(non_camel_case_types)]
        enum At { $($name,)* }

        /// The lists as they are read, in any order and with repetitions.
        #[derive(Default)]
        pub(super) struct Draft { $(pub $name: Vec<u64>,)* }

        impl Draft {
            pub fn packed(self) -> Lists {
                Lists::of([$(self.$name),*])
            }
        }

        impl Features {
            $($(#[$doc])* pub fn $name(&self) -> &[u64] {
                self.lists.get(At::$name as usize)
            })*
        }
    };
}

// Those that most pairs are parted by come first.
lists! {
    /// INSEE codes as hashes; empty when no commune is known.
    communes;
    departments;
    /// Arrondissements of Paris, Lyon and Marseille, where they are known.
    districts;
    /// Stems of the core words; kind of trade first known by `trade`.
    title_words;
    employer_words;
    /// The same words as a text would say them.
    employer_names;
    /// Words of the communes' names, as a text would say them.
    place_words;
    /// Clock times and lengths of shifts that the text names.
    hours;
    /// By what the title tells its unit or post from the next one ("unité 2").
    designators;
    service_words;
    /// What looks like a reference in the text.
    references;
    /// Identities of the links that lead to this very offer.
    links;
    hosts;
    /// Hashes of the long sentences, the four smallest.
    sentences;
}

/// Sorted, distinct lists.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lists {
    all: Box<[u64]>,
    ends: [u16; COUNT],
}

impl Lists {
    /// What goes beyond 65,535 in all is left out.
    fn of(lists: [Vec<u64>; COUNT]) -> Self {
        let mut all = Vec::with_capacity(lists.iter().map(Vec::len).sum());
        let ends = lists.map(|list| {
            let room = usize::from(u16::MAX) - all.len();
            all.extend(distinct(list).into_iter().take(room));
            all.len() as u16
        });
        Self {
            all: all.into_boxed_slice(),
            ends,
        }
    }

    fn get(&self, at: usize) -> &[u64] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        let range = usize::from(start)..usize::from(self.ends[at]);
        self.all.get(range).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}
