//! The LinkedIn kit: for each offer, and for a digest, a text ready to paste, the link that shares
//! the page, and a card; for whoever animates the network's page, since LinkedIn's own interfaces
//! take no new partners.
//!
//! **Invariant:** only offers whose member allows the channel `linkedin` enter, by the same decision
//! as the export ([`mandate`](super::mandate)).

mod archive;
mod card;
mod colour;
mod letters;
mod post;
mod routes;
mod tags;

pub use letters::{HEIGHT, WIDTH};
pub use post::{Collection, Post};
pub use routes::{card_of_offer, routes};

use super::respond::chain;
use base64::Engine as _;
use bytes::Bytes;
use colour::{Colour, Palette};
use letters::{Frame, TypeSetter};
use minijinja::{
    AutoEscape, Environment, UndefinedBehavior, Value,
    syntax::SyntaxConfig,
    value::{Kwargs, Serde},
};
use serde::Serialize;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// The mandate that an offer needs.
pub const CHANNEL: &str = "linkedin";
/// Bytes of a logo, at most.
const MOST_LOGO: u64 = 1024 * 1024;
/// Cards that are remembered; one more empties the shelf.
const DRAWN: usize = 128;
/// Steps that one template may take.
const FUEL: u64 = 500_000;

/// What the operator chooses.
#[derive(Clone, Debug, Default)]
pub struct KitOptions {
    /// `#rrggbb`.
    pub background: Option<String>,
    pub accent: Option<String>,
    /// PNG, JPEG or SVG.
    pub logo: Option<PathBuf>,
    /// Put behind those of every post, without `#`.
    pub hashtags: Vec<String>,
    /// Folder with templates that replace the built-in ones of the same name.
    pub folder: Option<PathBuf>,
}

/// What is wrong with what the operator chose.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    #[error("{} cannot be read", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("territory.{key}: {value:?} is no colour: write such as \"#0b5563\"")]
    Colour { key: &'static str, value: String },
    #[error("territory.logo: {}: {why}", path.display())]
    Logo { path: PathBuf, why: String },
    #[error("{file}{}: {why}", line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Template {
        file: String,
        line: Option<usize>,
        why: String,
    },
}

/// A template: where it came from, and its text.
#[derive(Clone, Debug)]
struct Source {
    file: String,
    text: String,
}

/// The templates, letters and colours of a network's kit; made once.
pub struct Kit {
    env: Environment<'static>,
    letters: Arc<TypeSetter>,
    palette: Palette,
    logo: Option<Logo>,
    hashtags: Vec<String>,
    card: Source,
    offer: Source,
    week: Source,
    /// Digest of a card's SVG → its PNG.
    drawn: Mutex<HashMap<blake3::Hash, Bytes>>,
}

impl std::fmt::Debug for Kit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kit").finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
struct Logo {
    /// As a `data:` address.
    href: String,
    /// Width over height.
    ratio: f32,
}

impl Default for Kit {
    fn default() -> Self {
        // A test makes this one; a broken build must not take the portal down.
        Self::assembled(&KitOptions::default(), None)
    }
}

impl Kit {
    /// The kit of `options`.
    ///
    /// # Errors
    /// A colour, logo or template that cannot be used: file, line and what to write instead.
    pub fn new(options: &KitOptions) -> Result<Self, KitError> {
        for (key, value) in [
            ("background", &options.background),
            ("accent", &options.accent),
        ] {
            if let Some(value) = value
                && Colour::parse(value).is_none()
            {
                return Err(KitError::Colour {
                    key,
                    value: value.clone(),
                });
            }
        }
        let logo = match &options.logo {
            Some(path) => Some(logo(path)?),
            None => None,
        };
        let mut kit = Self::assembled(options, logo);
        if let Some(folder) = &options.folder {
            for (name, source) in [
                ("card.svg", &mut kit.card),
                ("offer.txt", &mut kit.offer),
                ("week.txt", &mut kit.week),
            ] {
                let path = folder.join(name);
                match std::fs::read_to_string(&path) {
                    Ok(text) => {
                        let file = path.display().to_string();
                        *source = Source { file, text };
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(source) => return Err(KitError::Read { path, source }),
                }
            }
        }
        kit.try_out()?;
        Ok(kit)
    }

    fn assembled(options: &KitOptions, logo: Option<Logo>) -> Self {
        let letters = Arc::new(TypeSetter::new());
        let colour = |text: &Option<String>| text.as_deref().and_then(Colour::parse);
        let source = |name: &str, text: &str| Source {
            file: format!("connectors/kit/{name}"),
            text: text.into(),
        };
        let standard = Palette::default();
        let background =
            colour(&options.background).or_else(|| Colour::parse(&standard.background));
        let accent = colour(&options.accent).or_else(|| Colour::parse(&standard.accent));
        let palette = match (background, accent) {
            (Some(background), Some(accent)) => Palette::new(background, accent),
            _ => standard,
        };
        Self {
            env: environment(&letters),
            letters,
            palette,
            logo,
            hashtags: options.hashtags.clone(),
            card: source("card.svg", include_str!("../../../connectors/kit/card.svg")),
            offer: source(
                "offer.txt",
                include_str!("../../../connectors/kit/offer.txt"),
            ),
            week: source("week.txt", include_str!("../../../connectors/kit/week.txt")),
            drawn: Mutex::default(),
        }
    }

    /// Renders every template over offers that say everything, so that a wrong name is found when
    /// the program starts and not in a post.
    fn try_out(&self) -> Result<(), KitError> {
        let hub = card::Hub::sample();
        for face in card::Face::samples() {
            let svg = self.svg(&hub, &face)?;
            self.letters.png(&svg).map_err(|error| KitError::Template {
                file: self.card.file.clone(),
                line: None,
                why: chain(error.as_ref()),
            })?;
        }
        self.render(&self.offer, &post::OfferNames::sample())?;
        self.render(&self.week, &post::WeekNames::sample())?;
        Ok(())
    }

    /// A template over its names.
    fn render(&self, source: &Source, names: &impl Serialize) -> Result<String, KitError> {
        let rendered = self
            .env
            .template_from_named_str(&source.file, &source.text)
            .and_then(|template| template.render(Value::from(Serde(names))));
        rendered.map_err(|error| {
            let detail = error.detail().map(str::to_owned);
            KitError::Template {
                file: source.file.clone(),
                line: error.line(),
                why: match (error.kind(), detail) {
                    (minijinja::ErrorKind::UndefinedError, _) => format!(
                        "it names something that there is not{}: docs/kit.md lists the names",
                        named(&source.text, &error)
                    ),
                    (_, Some(detail)) => format!("{detail}: see docs/kit.md"),
                    (_, None) => format!("{error}: see docs/kit.md"),
                },
            }
        })
    }

    fn svg(&self, hub: &card::Hub, face: &card::Face) -> Result<String, KitError> {
        self.render(&self.card, &card::Names::new(self, hub, face))
    }

    /// The PNG of a card; the same card is drawn once.
    ///
    /// # Errors
    /// The operator's template fails over this offer.
    pub fn draw(&self, hub: &card::Hub, face: &card::Face) -> Result<Bytes, KitError> {
        let svg = self.svg(hub, face)?;
        let key = blake3::hash(svg.as_bytes());
        let shelf = || self.drawn.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(png) = shelf().get(&key) {
            return Ok(png.clone());
        }
        let png = self.letters.png(&svg).map_err(|error| KitError::Template {
            file: self.card.file.clone(),
            line: None,
            why: chain(error.as_ref()),
        })?;
        let png = Bytes::from(png);
        let mut shelf = shelf();
        if shelf.len() >= DRAWN {
            shelf.clear();
        }
        shelf.insert(key, png.clone());
        Ok(png)
    }
}

/// The name at which an error points, as the template writes it.
fn named(text: &str, error: &minijinja::Error) -> String {
    error
        .range()
        .and_then(|range| text.get(range))
        .map(|name| format!(", {:?}", name.trim()))
        .unwrap_or_default()
}

/// Templates see no file and no clock; a name that there is not is an error.
fn environment(letters: &Arc<TypeSetter>) -> Environment<'static> {
    let mut env = Environment::new();
    if let Ok(syntax) = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
    {
        env.set_syntax(syntax);
    }
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_debug(true);
    env.set_auto_escape_callback(|file| match file.ends_with(".svg") {
        true => AutoEscape::Html,
        false => AutoEscape::None,
    });
    let letters = Arc::clone(letters);
    env.add_function("fit", move |text: &str, options: Kwargs| {
        let size: f32 = options.get::<Option<f32>>("from")?.unwrap_or(24.0);
        let frame = Frame {
            width: options.get("width")?,
            height: options.get::<Option<f32>>("height")?.unwrap_or(f32::MAX),
            from: size,
            to: options.get::<Option<f32>>("to")?.unwrap_or(size),
            lines: options.get::<Option<usize>>("lines")?.unwrap_or(1),
            bold: options.get::<Option<bool>>("bold")?.unwrap_or(false),
        };
        options.assert_all_used()?;
        Ok::<_, minijinja::Error>(Value::from(Serde(letters.fit(text, frame))))
    });
    env
}

/// Reads a logo, and looks whether it can be drawn.
fn logo(path: &Path) -> Result<Logo, KitError> {
    let fault = |why: String| KitError::Logo {
        path: path.to_owned(),
        why,
    };
    let read = |source| KitError::Read {
        path: path.to_owned(),
        source,
    };
    let size = std::fs::metadata(path).map_err(read)?.len();
    if size > MOST_LOGO {
        return Err(fault(format!(
            "{size} bytes are too many: {MOST_LOGO} at most"
        )));
    }
    let bytes = std::fs::read(path).map_err(read)?;
    let kind = match &bytes[..] {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        _ if std::str::from_utf8(&bytes).is_ok_and(|text| text.contains("<svg")) => "image/svg+xml",
        _ => {
            return Err(fault(
                "it is neither PNG nor JPEG nor SVG: save the logo as one of these".into(),
            ));
        }
    };
    let encoded = base64::engine::general_purpose::STANDARD.encode(&bytes);
    let href = format!("data:{kind};base64,{encoded}");
    let ratio = TypeSetter::new()
        .ratio(&bytes, &href)
        .ok_or_else(|| fault("it cannot be drawn: save the logo anew, as PNG or SVG".into()))?;
    Ok(Logo { href, ratio })
}

#[cfg(test)]
mod tests;
