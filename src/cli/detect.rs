//! `connectors detect` and `connectors new`: a connector file for an address.

use super::{Exit, out};
use crate::daemon::{Files, Hub, files};
use crate::pull::detect::{Detection, Wanted, detect};
use crate::pull::schedule::Schedule;
use crate::settings::Loaded;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct DetectArgs {
    /// Careers page, feed, API address, or path of a file
    url: String,
    /// Name of the connector [default: from the address]
    #[arg(long)]
    name: Option<String>,
    /// `id` of the member whose own source it is
    #[arg(long)]
    member: Option<String>,
    /// Cron text, as a connector file has it
    #[arg(long)]
    schedule: Option<String>,
    /// Write the connector file here instead of printing it; an existing file is not touched
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    #[arg(long)]
    json: bool,
}

pub async fn run(loaded: Loaded, args: DetectArgs) -> anyhow::Result<Exit> {
    let wanted = Wanted {
        name: args.name.unwrap_or_else(|| name_of(&args.url)),
        member: args.member,
        schedule: args.schedule,
    };
    let found = seek(&loaded, &args.url, &wanted).await?;
    if let (Some(path), Some(file)) = (&args.write, &found.file) {
        write_new(path, file)?;
    }
    if args.json {
        out::json(&found)?;
    } else {
        say(&found);
        match (&args.write, &found.file) {
            (Some(path), Some(_)) => {
                let path = path.display();
                out::line(format!("écrit dans {path} (written to {path})"))?;
                eprintln!("{}", next_steps(&wanted.name));
            }
            (None, Some(file)) => out::line(file.trim_end())?,
            (_, None) => {}
        }
    }
    // What is not proved asks for a human.
    Ok(if found.proven && found.preset.is_some() {
        Exit::Done
    } else {
        Exit::Attention
    })
}

async fn seek(loaded: &Loaded, url: &str, wanted: &Wanted) -> anyhow::Result<Detection> {
    let catalogue = files::catalogue(&loaded.settings).map_err(super::raw::refusal)?;
    let env = Hub::source_env(&loaded.settings)?;
    let url = if url.contains("://") || Path::new(url).exists() {
        url.to_owned()
    } else {
        format!("https://{url}")
    };
    Ok(detect(&url, wanted, &catalogue, &env).await)
}

/// What was found, on standard error: standard output is for the file.
fn say(found: &Detection) {
    match (&found.preset, found.id.as_str()) {
        (Some(preset), _) => eprintln!(
            "{preset}, sûr à {:.0} %, {}",
            found.confidence * 100.0,
            if found.proven {
                format!(
                    "prouvé par la lecture de {0} offres (proved by reading {0} offers)",
                    found.records
                )
            } else {
                "non prouvé : aucune offre n'a encore pu être lue (not proved: no offer could be read yet)".to_owned()
            }
        ),
        (None, "proposed") => eprintln!(
            "source inconnue ; correspondance proposée, sûre à {:.0} %, {} offres lues avec elle (unknown source; a mapping is proposed, {1} offers were read by it)",
            found.confidence * 100.0,
            found.records
        ),
        _ => eprintln!(
            "inconnu : aucune source d'offres n'a été reconnue (unknown: no source of offers was recognised)"
        ),
    }
    for why in &found.evidence {
        eprintln!("  {why}");
    }
}

/// What an admin does with a fresh file.
fn next_steps(name: &str) -> String {
    format!(
        "Ensuite : passerelle connectors check, puis passerelle connectors preview {name} (next)"
    )
}

/// A name from the address: `clinique-du-lac` of `https://clinique-du-lac.recruitee.com`.
fn name_of(url: &str) -> String {
    let bare = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = bare.split(['/', '?', ':']).next().unwrap_or_default();
    let part = host
        .trim_start_matches("www.")
        .split('.')
        .next()
        .unwrap_or_default();
    let name: String = part
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let name = name.trim_matches('-').to_owned();
    if name.is_empty() {
        "source".to_owned()
    } else {
        name
    }
}

fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|error| anyhow::anyhow!("{} cannot be written: {error}", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

/// Asks what `detect` is told by options, and writes the file into the connectors' folder.
pub async fn new(loaded: Loaded) -> anyhow::Result<Exit> {
    let stdin = std::io::stdin();
    let mut lines = stdin.lock().lines();
    let mut ask = |question: &str, default: &str| -> anyhow::Result<String> {
        let hint = if default.is_empty() {
            String::new()
        } else {
            format!(" [{default}]")
        };
        eprint!("{question}{hint} : ");
        std::io::stderr().flush()?;
        let Some(line) = lines.next() else {
            anyhow::bail!(
                "l'entrée s'est arrêtée avant la dernière question (the input ended before the last question)"
            );
        };
        let answer = line?.trim().to_owned();
        Ok(if answer.is_empty() {
            default.to_owned()
        } else {
            answer
        })
    };
    let url = ask(
        "Adresse du site carrière, du flux ou de l'API (address of the source)",
        "",
    )?;
    anyhow::ensure!(
        !url.is_empty(),
        "il faut une adresse (an address is needed)"
    );
    let name = ask(
        "Nom du connecteur, définitif (name, for life)",
        &name_of(&url),
    )?;
    let members = files::load(&loaded.settings, &Files::default());
    let members = &members.network.members;
    let member = loop {
        let member = ask(
            "Identifiant de la structure, vide pour un agrégateur (member, none for an aggregator)",
            "",
        )?;
        if member.is_empty() || members.contains_key(&member.as_str().into()) {
            break member;
        }
        let known: Vec<&str> = members.keys().map(|id| id.as_str()).collect();
        eprintln!(
            "  aucun fichier de structure n'a cet identifiant ; connus : {} (no member file has this id; known: {0})",
            known.join(", ")
        );
    };
    let schedule = loop {
        let schedule = ask(
            "Quand la lire : */15 * * * * tous les quarts d'heure, 0 6 * * * chaque matin à 6 h (schedule)",
            "*/15 * * * *",
        )?;
        match schedule.parse::<Schedule>() {
            Ok(_) => break schedule,
            Err(error) => {
                let said = error.said();
                eprintln!("  {} ({})", said.fr, said.en);
            }
        }
    };
    let wanted = Wanted {
        name: name.clone(),
        member: Some(member).filter(|m| !m.is_empty()),
        schedule: Some(schedule).filter(|s| !s.is_empty()),
    };
    let found = seek(&loaded, &url, &wanted).await?;
    say(&found);
    let Some(file) = &found.file else {
        return Ok(Exit::Attention);
    };
    eprintln!("\n{file}");
    let folder = &loaded.settings.paths.connectors;
    let default = folder.join(format!("{name}.toml"));
    let path = ask(
        "Fichier à écrire, « non » pour ne rien écrire (file, or no)",
        &default.display().to_string(),
    )?;
    if matches!(path.as_str(), "non" | "no" | "n") {
        return Ok(Exit::Attention);
    }
    write_new(Path::new(&path), file)?;
    out::line(&path)?;
    eprintln!("{}", next_steps(&name));
    Ok(if found.proven {
        Exit::Done
    } else {
        Exit::Attention
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_addresses() {
        for (url, expected) in [
            ("https://clinique-du-lac.recruitee.com/", "clinique-du-lac"),
            ("https://www.hopital.example/offres", "hopital"),
            ("offres.csv", "offres"),
            ("http://[::1]/x", "source"),
        ] {
            assert_eq!(name_of(url), expected, "{url}");
        }
    }
}
