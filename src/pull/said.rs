//! What is said to an admin: in French, and in English.

use serde::Serialize;

/// One sentence in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Said {
    pub fr: String,
    pub en: String,
}

/// French first.
impl<F: Into<String>, E: Into<String>> From<(F, E)> for Said {
    fn from((fr, en): (F, E)) -> Self {
        let (fr, en) = (fr.into(), en.into());
        Self { fr, en }
    }
}
