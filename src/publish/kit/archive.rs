//! The kit as one ZIP: the same offers give the same bytes.

use super::{Collection, Kit, KitError};
use crate::publish::{respond::chain, text};
use std::{
    collections::BTreeSet,
    io::{Cursor, Write as _},
};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

const GUIDE: &str = include_str!("lisez-moi.txt");

impl Kit {
    /// Texts, links and cards of `collection`.
    ///
    /// # Errors
    /// The operator's template fails over an offer.
    pub fn archive(&self, collection: &Collection) -> Result<Vec<u8>, KitError> {
        let mut archive = Archive(ZipWriter::new(Cursor::new(Vec::new())));
        archive.put("lisez-moi.txt", GUIDE.as_bytes())?;
        let listed = serde_json::to_vec_pretty(collection).map_err(|e| failed(&e))?;
        archive.put("kit.json", &listed)?;
        if let Some(digest) = &collection.digest {
            archive.post(
                "semaine",
                &digest.text,
                &digest.commentary,
                (&digest.url, &digest.share),
            )?;
            let card = self.draw(&collection.hub, &digest.face)?;
            archive.put("semaine/carte.png", &card)?;
        }
        let mut taken = BTreeSet::new();
        for post in &collection.posts {
            let id = post.id.to_string();
            let words = text::slug(&post.title);
            let short = format!("offres/{words}-{}", &id[..8]);
            let folder = match taken.insert(short.clone()) {
                true => short,
                false => format!("offres/{words}-{id}"),
            };
            archive.post(
                &folder,
                &post.text,
                &post.commentary,
                (&post.url, &post.share),
            )?;
            if !post.not_in_feed.is_empty() {
                let why = post.not_in_feed.iter();
                let why: String = why.map(|blocker| format!("- {}\r\n", blocker.fr)).collect();
                let note = format!("Absente du flux d’emplois de LinkedIn :\r\n{why}");
                archive.put(&format!("{folder}/flux-emplois.txt"), note.as_bytes())?;
            }
            let tags: String = post
                .opengraph
                .iter()
                .map(|(name, content)| tag(name, content))
                .collect();
            archive.put(&format!("{folder}/opengraph.html"), tags.as_bytes())?;
            let card = self.draw(&collection.hub, &post.face)?;
            archive.put(&format!("{folder}/carte.png"), &card)?;
        }
        let written = archive.0.finish().map_err(|error| failed(&error))?;
        Ok(written.into_inner())
    }
}

fn tag(name: &str, content: &str) -> String {
    let mut out = format!("<meta property=\"{name}\" content=\"");
    crate::publish::export::escape(&mut out, content);
    out.push_str("\">\n");
    out
}

struct Archive(ZipWriter<Cursor<Vec<u8>>>);

impl Archive {
    fn post(
        &mut self,
        folder: &str,
        text: &str,
        commentary: &str,
        (url, share): (&str, &str),
    ) -> Result<(), KitError> {
        // Windows' own editor reads UTF-8 and these line ends alike, whatever its age.
        let lines = |text: &str| text.replace('\n', "\r\n") + "\r\n";
        self.put(&format!("{folder}/texte.txt"), lines(text).as_bytes())?;
        self.put(&format!("{folder}/texte-api.txt"), commentary.as_bytes())?;
        let links = format!("Page : {url}\nPartager sur LinkedIn : {share}");
        self.put(&format!("{folder}/liens.txt"), lines(&links).as_bytes())
    }

    fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), KitError> {
        let method = match name.ends_with(".png") {
            true => CompressionMethod::Stored,
            false => CompressionMethod::Deflated,
        };
        // No time of writing: it would be the only thing that differs.
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .last_modified_time(DateTime::default());
        self.0
            .start_file(name, options)
            .map_err(|error| failed(&error))?;
        self.0.write_all(bytes).map_err(|error| failed(&error))
    }
}

fn failed(error: &dyn std::error::Error) -> KitError {
    KitError::Template {
        file: "kit.zip".into(),
        line: None,
        why: chain(error),
    }
}
