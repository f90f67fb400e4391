//! Colours of the card, so chosen that every text on it can be read (WCAG 2.1, 1.4.3).

use serde::Serialize;

/// The contrast that text needs.
pub const READABLE: f64 = 4.5;

/// An opaque colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

const INK: Colour = Colour([0x10, 0x1c, 0x1f]);
const WHITE: Colour = Colour([0xff; 3]);
const BLACK: Colour = Colour([0; 3]);

impl Colour {
    /// `#0b5563`, or the short `#0bf`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().strip_prefix('#')?;
        let nibbles: Vec<u8> = digits
            .chars()
            .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
            .collect::<Option<_>>()?;
        match nibbles[..] {
            [r, g, b] => Some(Self([r * 17, g * 17, b * 17])),
            [a, b, c, d, e, f] => Some(Self([a * 16 + b, c * 16 + d, e * 16 + f])),
            _ => None,
        }
    }

    fn luminance(self) -> f64 {
        let linear = self.0.map(|channel| {
            let share = f64::from(channel) / 255.0;
            if share <= 0.04045 {
                share / 12.92
            } else {
                ((share + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    /// From 1 (none) to 21 (black on white).
    pub fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn mixed(self, other: Self, share: f64) -> Self {
        let mut mixed = self.0;
        for (own, other) in mixed.iter_mut().zip(other.0) {
            let value = f64::from(*own) * (1.0 - share) + f64::from(other) * share;
            // Between two bytes.
            *own = value.round() as u8;
        }
        Self(mixed)
    }

    /// The text colour that is read best on this one: dark ink where that is enough.
    fn text(self) -> Self {
        if self.contrast(WHITE) >= READABLE {
            WHITE
        } else if self.contrast(INK) >= READABLE {
            INK
        } else {
            BLACK
        }
    }

    /// A quieter text colour that still can be read.
    fn quiet(self) -> Self {
        let text = self.text();
        (1..=30)
            .rev()
            .map(|step| text.mixed(self, f64::from(step) / 100.0))
            .find(|colour| colour.contrast(self) >= READABLE)
            .unwrap_or(text)
    }

    fn written(self) -> String {
        let [r, g, b] = self.0;
        format!("#{r:02x}{g:02x}{b:02x}")
    }
}

/// The colours that a card may name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Palette {
    pub background: String,
    /// Texts on the background, and quieter ones.
    pub on_background: String,
    pub muted: String,
    pub accent: String,
    pub on_accent: String,
}

impl Palette {
    pub fn new(background: Colour, accent: Colour) -> Self {
        Self {
            on_background: background.text().written(),
            muted: background.quiet().written(),
            background: background.written(),
            on_accent: accent.text().written(),
            accent: accent.written(),
        }
    }
}

impl Default for Palette {
    /// The portal's own.
    fn default() -> Self {
        Self::new(Colour([0x0b, 0x55, 0x63]), Colour([0xf2, 0xb7, 0x5b]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn colours_are_read_and_compared() {
        assert_eq!(Colour::parse("#fff"), Some(WHITE));
        assert_eq!(Colour::parse(" #0B5563 "), Some(Colour([0x0b, 0x55, 0x63])));
        for wrong in ["", "#", "0b5563", "#12345", "#gggggg", "red", "#é12"] {
            assert_eq!(Colour::parse(wrong), None, "{wrong}");
        }
        assert!((WHITE.contrast(BLACK) - 21.0).abs() < 0.01);
        // A figure of the standard's own examples: #767676 is the lightest grey on white.
        let grey = Colour::parse("#767676").unwrap();
        assert!((4.54..4.55).contains(&grey.contrast(WHITE)));
    }

    proptest! {
        #[test]
        fn whatever_the_colours_the_text_is_read(background: [u8; 3], accent: [u8; 3]) {
            let palette = Palette::new(Colour(background), Colour(accent));
            let read = |text: &str| Colour::parse(text).unwrap();
            for text in [&palette.on_background, &palette.muted] {
                prop_assert!(read(text).contrast(Colour(background)) >= READABLE);
            }
            prop_assert!(read(&palette.on_accent).contrast(Colour(accent)) >= READABLE);
        }
    }
}
