//! The true wire format of each source of the demo, one file a format, written from what the
//! services document and send. The content is synthetic.

mod apec;
mod clever_connect;
mod csv_export;
mod digital_recruiters;
pub mod france_travail;
mod hello_work;
mod indeed;
mod recruitee;
pub mod smart_recruiters;
pub mod talentsoft;
pub mod teamtailor;

pub use apec::apec;
pub use clever_connect::clever_connect;
pub use csv_export::csv_export;
pub use digital_recruiters::digital_recruiters;
pub use hello_work::hello_work;
pub use indeed::indeed;
pub use recruitee::recruitee;

use super::world::paris;
use jiff::Timestamp;

/// `instant` in French local time by a `strftime` format.
fn local(instant: Timestamp, format: &str) -> String {
    instant.to_zoned(paris()).strftime(format).to_string()
}

/// A CDATA section, its end mark split where the text has one.
fn cdata(text: &str) -> String {
    format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"))
}

/// `<name><![CDATA[text]]></name>`, or an empty element.
fn element(name: &str, text: &str) -> String {
    if text.is_empty() {
        format!("<{name} />\n")
    } else {
        format!("<{name}>{}</{name}>\n", cdata(text))
    }
}
