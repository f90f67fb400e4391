//! Each source is named rightly, from its replica and from its records alone; pages that are none
//! of them are *unknown*.

mod variants;

use super::{Detection, Wanted, detect};
use crate::pull::connector::Catalogue;
use crate::pull::source::tests::{env, fixtures, services::serve};
use axum::Router;
use axum::http::header;
use serde_json::Value;
use std::fmt::Write;
use std::path::PathBuf;

async fn seek(url: &str) -> Detection {
    let wanted = Wanted {
        name: "essai".to_owned(),
        member: None,
        schedule: None,
    };
    detect(url, &wanted, &Catalogue::embedded(), &env()).await
}

/// Serves bytes at one neutral path; 404 elsewhere.
async fn neutral(bytes: Vec<u8>) -> String {
    let router = Router::new().route(
        "/data/42",
        axum::routing::any(move || {
            let bytes = bytes.clone();
            async move { ([(header::CONTENT_TYPE, "application/octet-stream")], bytes) }
        }),
    );
    format!("{}/data/42", serve(router).await)
}

#[tokio::test]
async fn payloads_of_the_corpus_are_named_by_their_records() {
    let Some(corpus) = std::env::var_os("PASSERELLE_CORPUS").map(PathBuf::from) else {
        eprintln!("skipped: PASSERELLE_CORPUS is not set");
        return;
    };
    let mut wrong = Vec::new();
    for (path, expected) in [
        ("ats/ashby.json", "ashby"),
        ("ats/ashby_nabla.json", "ashby"),
        ("ats/boardwatch/ashby_normal.json", "ashby"),
        ("ats/boardwatch/greenhouse_normal.json", "greenhouse"),
        ("ats/boardwatch/lever_normal.json", "lever"),
        ("ats/greenhouse.json", "greenhouse"),
        ("ats/lever.json", "lever"),
        ("ats/personio.xml", "personio"),
        ("ats/recruitee.json", "recruitee"),
        ("ats/smartrecruiters.json", "smartrecruiters"),
        ("ats/teamtailor.json", "teamtailor-public"),
        ("ats/teamtailor/jobs.json", "teamtailor"),
        (
            "ats/welcome-to-the-jungle/embed_documented.json",
            "welcomekit-embed",
        ),
        (
            "ats/welcome-to-the-jungle/external_jobs_list_documented.json",
            "welcomekit",
        ),
        ("ats/workable.json", "workable"),
        ("csv/talentsoft_export_50x56.csv", "proposed|csv|unknown"),
        ("france-travail/search_response_150.json", "france-travail"),
        ("hr-xml/PositionOpeningExample.xml", "hr-xml"),
        ("partner-feeds/apec.xml", "apec"),
        ("partner-feeds/clever-connect.xml", "cleverconnect"),
        ("partner-feeds/decathlon.json", "digitalrecruiters-export"),
        ("partner-feeds/edf.xml", "talentsoft-xml"),
        ("partner-feeds/france-travail-cegid.json", "talentsoft"),
        ("partner-feeds/hello-work.xml", "hellowork"),
        ("partner-feeds/leboncoin.csv", "leboncoin"),
        ("partner-feeds/pass.rss", "pass"),
    ] {
        let bytes = std::fs::read(corpus.join(path)).expect("a payload");
        let found = seek(&neutral(bytes).await).await;
        if !expected.split('|').any(|name| name == found.id) {
            wrong.push(format!(
                "{path}: {} not {expected}: {:?}",
                found.id, found.evidence
            ));
        } else if found.id == expected && !found.proven {
            wrong.push(format!(
                "{path}: not proven: {:?}\n{:?}",
                found.evidence, found.file
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where the replicas of the documented presets answer, as an admin would paste it.
const ADDRESSES: &[(&str, &str)] = &[
    ("bamboohr", "/careers/list"),
    ("factorial", "/"),
    ("beetween", "/api/job/list"),
    (
        "digitalrecruiters-public",
        "/public/v1/careers-site/job-ads?domainName=emploi.agence.example",
    ),
    ("flatchr", "/company/clinique-des-pres.json"),
    ("icims", "/jobs/search?ss=1&in_iframe=1"),
    ("jobaffinity", "/feed/abc/json"),
    ("nicoka", "/api/jobs/published"),
    (
        "oracle-recruiting-cloud",
        "/hcmRestApi/resources/latest/recruitingCEJobRequisitions",
    ),
    ("successfactors", "/sitemal.xml"),
    ("taleez", "/0/jobs"),
    ("talentplug", "/xml.aspx?jbID=Qw3"),
    ("talentsoft-rss", "/handlers/offerRss.ashx?LCID=1036"),
    ("teamtailor-rss", "/jobs.rss"),
    ("workable-v3", "/api/v3/accounts/clinique/jobs"),
    ("workday", "/wday/cxs/groupe/Carrieres/jobs"),
    ("atom", "/offres.atom"),
    ("hr-xml", "/positions.xml"),
    ("jooble", "/flux.xml"),
    ("json-feed", "/feed.json"),
    ("linkedin-xml", "/flux.xml"),
    ("rss", "/offres.rss"),
];

#[tokio::test]
async fn replicas_are_named_at_their_addresses() {
    let mut wrong = Vec::new();
    for (preset, path) in ADDRESSES {
        let detail = fixtures::PRESETS
            .iter()
            .find(|(name, ..)| name == preset)
            .map_or("", |(_, _, detail)| detail);
        let base = fixtures::replica(preset, detail).await;
        let found = seek(&format!("{base}{path}")).await;
        if found.id != *preset {
            wrong.push(format!(
                "{preset}: {} {:?}\n{:?}",
                found.id, found.evidence, found.file
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is served under a neutral path, with a neutral type, is known by its records alone.
#[tokio::test]
async fn fixtures_are_named_by_their_records() {
    let mut wrong = Vec::new();
    for (file, expected) in [
        ("atom.xml", "atom"),
        ("bamboohr.json", "bamboohr"),
        ("beetween.json", "beetween"),
        ("digitalrecruiters-public.json", "digitalrecruiters-public"),
        ("factorial.html", "factorial"),
        ("flatchr.json", "flatchr"),
        ("hellowork-buddi.xml", "hellowork-buddi"),
        ("hr-xml.xml", "hr-xml"),
        ("icims.html", "icims"),
        ("jobaffinity.json", "jobaffinity"),
        ("jobteaser.xml", "jobteaser"),
        ("jooble.xml", "jooble"),
        ("json-feed.json", "json-feed"),
        ("kelio.xml", "kelio"),
        ("la-poste.xml", "la-poste"),
        ("linkedin-xml.xml", "linkedin-xml"),
        ("nicoka.json", "nicoka"),
        ("oracle-recruiting-cloud.json", "oracle-recruiting-cloud"),
        ("rss.xml", "rss"),
        ("successfactors.xml", "successfactors"),
        ("taleez.json", "taleez"),
        ("talentplug.xml", "talentplug"),
        // Its feed is plain RSS: the address alone tells it.
        ("talentsoft-rss.xml", "rss"),
        ("teamtailor-rss.xml", "teamtailor-rss"),
        ("workable-api.json", "workable-api"),
        ("workable-v3.json", "workable-v3"),
        ("workday.json", "workday"),
        ("xlsx.xlsx", "xlsx"),
        ("xlsx.ods", "xlsx"),
    ] {
        let bytes = std::fs::read(fixtures::folder().join(file)).expect("a fixture");
        let text = String::from_utf8(bytes.clone());
        let bytes = text.map_or(bytes, |text| {
            text.replace("BASE", "https://x.example").into_bytes()
        });
        let found = seek(&neutral(bytes).await).await;
        if !expected.split('|').any(|name| name == found.id) {
            wrong.push(format!(
                "{file}: {} not {expected}: {:?}",
                found.id, found.evidence
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The longest list of objects in a tree, cut to `most`, each member with a key that nobody knows.
fn cut(value: &mut Value, most: usize) {
    fn longest(value: &Value, path: String, best: &mut (usize, Option<String>)) {
        match value {
            Value::Array(items) if items.len() >= best.0 && items.iter().any(Value::is_object) => {
                *best = (items.len(), Some(path));
            }
            Value::Array(_) => {}
            Value::Object(map) => {
                for (key, inner) in map {
                    longest(inner, format!("{path}/{key}"), best);
                }
            }
            _ => {}
        }
    }
    let mut best = (0, None);
    longest(value, String::new(), &mut best);
    let list = best.1.and_then(|path| value.pointer_mut(&path));
    if let Some(Value::Array(items)) = list {
        items.truncate(most);
        for item in items {
            item["zz_champ_ajoute"] = Value::from("x");
        }
    }
}

#[tokio::test]
async fn a_payload_is_known_in_any_dress_and_never_by_an_empty_list() {
    let Some(corpus) = std::env::var_os("PASSERELLE_CORPUS").map(PathBuf::from) else {
        eprintln!("skipped: PASSERELLE_CORPUS is not set");
        return;
    };
    let mut wrong = Vec::new();
    for (path, expected) in [
        ("ats/ashby_nabla.json", "ashby"),
        ("ats/boardwatch/greenhouse_normal.json", "greenhouse"),
        ("ats/boardwatch/lever_normal.json", "lever"),
        ("ats/recruitee.json", "recruitee"),
        ("ats/smartrecruiters.json", "smartrecruiters"),
        ("ats/teamtailor.json", "teamtailor-public"),
        ("ats/workable.json", "workable"),
        ("france-travail/search_response_150.json", "france-travail"),
        ("partner-feeds/decathlon.json", "digitalrecruiters-export"),
        ("partner-feeds/france-travail-cegid.json", "talentsoft"),
    ] {
        let bytes = std::fs::read(corpus.join(path)).expect("a payload");
        let whole: Value = serde_json::from_slice(&bytes).expect("JSON");
        for most in [1, 0] {
            let mut value = whole.clone();
            cut(&mut value, most);
            for text in [
                serde_json::to_vec(&value).expect("JSON"),
                serde_json::to_vec_pretty(&value).expect("JSON"),
            ] {
                let found = seek(&neutral(text).await).await;
                let right = match most {
                    0 => found.id == "unknown" || (!found.proven && found.confidence < 0.7),
                    _ => found.id == expected && found.proven,
                };
                if !right {
                    wrong.push(format!(
                        "{path} with {most}: {} {} {:?}",
                        found.id, found.confidence, found.evidence
                    ));
                }
            }
        }
    }
    for (path, id) in [
        ("ats/boardwatch/ashby_dead.txt", "unknown"),
        ("ats/boardwatch/ashby_empty.json", "unknown"),
        ("ats/boardwatch/greenhouse_dead_404.json", "unknown"),
        ("ats/boardwatch/greenhouse_empty.json", "unknown"),
        ("ats/boardwatch/lever_dead_404.json", "unknown"),
        ("ats/boardwatch/lever_empty.json", "unknown"),
    ] {
        let bytes = std::fs::read(corpus.join(path)).expect("a payload");
        let found = seek(&neutral(bytes).await).await;
        if found.id != id {
            wrong.push(format!("{path}: {} {:?}", found.id, found.evidence));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Pages that are no source of offers, each close to one in form or in words.
const NONE: &[&str] = &[
    "<html><body><h1>Bienvenue</h1><p>Nos services de soins.</p></body></html>",
    "<html><body><form action=\"/login\"><input name=\"user\"></form></body></html>",
    "<html><body><h1>404</h1></body></html>",
    "<html><head><script type=\"application/ld+json\">{\"@type\":\"Organization\",\"name\":\"CH\"}</script></head></html>",
    "{\"status\":\"ok\",\"version\":\"1.2\"}",
    "[{\"id\":1,\"name\":\"Chaise\",\"price\":12},{\"id\":2,\"name\":\"Table\",\"price\":80},{\"id\":3,\"name\":\"Lampe\",\"price\":8}]",
    "{\"items\":[{\"id\":\"a\",\"title\":\"Brève de presse\",\"url\":\"https://x.example/a\"},{\"id\":\"b\",\"title\":\"La fête du village\",\"url\":\"https://x.example/b\"}]}",
    "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><item><title>La fête du village</title><link>https://x.example/1</link><guid>1</guid></item><item><title>Marché de Noël</title><link>https://x.example/2</link><guid>2</guid></item></channel></rss>",
    "<?xml version=\"1.0\"?><catalog><book id=\"1\"><title>Contes</title><author>X</author></book><book id=\"2\"><title>Fables</title><author>Y</author></book></catalog>",
    "date;produit;montant\n2026-01-01;chaise;12\n2026-01-02;table;80\n",
    "Not Found",
    "",
    // News about the trades of the sector.
    "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Actualités</title><item><title>Grève des aides-soignants au CHU</title><link>https://journal.example/sante/greve-au-chu</link><guid>1</guid><pubDate>Mon, 02 Nov 2026 08:30:00 +0100</pubDate><description>Les personnels demandent des moyens.</description></item><item><title>Le métier d'infirmier en 2030</title><link>https://journal.example/sante/metier-2030</link><guid>2</guid><pubDate>Tue, 03 Nov 2026 08:30:00 +0100</pubDate><description>Enquête.</description></item></channel></rss>",
    // A podcast.
    "<?xml version=\"1.0\"?><rss version=\"2.0\" xmlns:itunes=\"http://www.itunes.com/dtds/podcast-1.0.dtd\"><channel><title>Paroles de soignants</title><item><title>Épisode 4 : médecin de campagne</title><link>https://radio.example/ep/4</link><guid>ep4</guid><enclosure url=\"https://radio.example/ep4.mp3\" type=\"audio/mpeg\" length=\"1\"/><itunes:duration>32:10</itunes:duration><pubDate>Mon, 02 Nov 2026 08:30:00 +0100</pubDate></item></channel></rss>",
    // A blog.
    "<?xml version=\"1.0\" encoding=\"utf-8\"?><feed xmlns=\"http://www.w3.org/2005/Atom\"><title>Blog</title><entry><title>Bien dormir en hiver</title><id>urn:1</id><link href=\"https://blog.example/bien-dormir\"/><updated>2026-11-02T08:00:00Z</updated><content type=\"html\">Conseils.</content></entry></feed>",
    // A shop's sitemap.
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\"><url><loc>https://shop.example/produits/chaise</loc><lastmod>2026-11-01</lastmod></url><url><loc>https://shop.example/produits/table</loc></url></urlset>",
    // The weather.
    "{\"latitude\":47.62,\"longitude\":6.15,\"timezone\":\"Europe/Paris\",\"hourly\":{\"time\":[\"2026-11-02T00:00\",\"2026-11-02T01:00\"],\"temperature_2m\":[4.1,3.9]},\"daily\":[{\"date\":\"2026-11-02\",\"min\":2,\"max\":9,\"label\":\"Pluie\"}]}",
    // A calendar.
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1@x.example\r\nDTSTART:20261102T080000Z\r\nSUMMARY:Forum de l'emploi\r\nLOCATION:Vesoul\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    // Events with the keys of one service.
    "{\"data\":[{\"uid\":\"e1\",\"id\":1,\"label\":\"Fête de la musique\",\"city\":\"Vesoul\",\"description\":\"Concerts\"},{\"uid\":\"e2\",\"id\":2,\"label\":\"Marché\",\"city\":\"Lure\",\"description\":\"Producteurs\"}],\"total\":2}",
    // A page of contacts, with people and their trades.
    "<!DOCTYPE html><html><body><h1>Nous contacter</h1><ul class=\"equipe\"><li class=\"personne\"><a href=\"/equipe/martin\"><h3>Mme Martin</h3></a><p class=\"fonction\">Directrice</p></li><li class=\"personne\"><a href=\"/equipe/petit\"><h3>M. Petit</h3></a><p class=\"fonction\">Médecin coordonnateur</p></li></ul></body></html>",
    // Goods in the names that one service borrowed.
    "<?xml version=\"1.0\"?><rss version=\"2.0\" xmlns:g=\"http://base.google.com/ns/1.0\"><channel><title>Boutique</title><item><g:id>12</g:id><title>Chaise de jardin</title><link>https://shop.example/chaise</link><g:price>12 EUR</g:price><g:expiration_date>2026-12-01</g:expiration_date><description>En bois.</description></item></channel></rss>",
    // Articles in JSON:API.
    "{\"data\":[{\"id\":\"1\",\"type\":\"articles\",\"attributes\":{\"title\":\"Bien dormir\",\"body\":\"Conseils.\"}},{\"id\":\"2\",\"type\":\"articles\",\"attributes\":{\"title\":\"Bien manger\",\"body\":\"Recettes.\"}}]}",
    // Books with Dublin Core.
    "<?xml version=\"1.0\"?><rss version=\"2.0\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><channel><title>Bibliothèque</title><item><title>Contes du lundi</title><link>https://biblio.example/1</link><dc:identifier>ark:/1</dc:identifier><dc:format>application/pdf</dc:format><dc:type>text</dc:type><description>Roman.</description></item></channel></rss>",
    // Places on a map.
    "{\"type\":\"FeatureCollection\",\"features\":[{\"type\":\"Feature\",\"geometry\":{\"type\":\"Point\",\"coordinates\":[6.15,47.62]},\"properties\":{\"nom\":\"EHPAD des Tilleuls\",\"commune\":\"Vesoul\",\"code_postal\":\"70000\"}},{\"type\":\"Feature\",\"geometry\":{\"type\":\"Point\",\"coordinates\":[6.5,47.68]},\"properties\":{\"nom\":\"Clinique du Lac\",\"commune\":\"Lure\",\"code_postal\":\"70200\"}}]}",
    // A directory of establishments as a table.
    "finess;raison sociale;commune;code postal;telephone\n700000999;EHPAD des Tilleuls;Vesoul;70000;0384000000\n700000998;Clinique du Lac;Lure;70200;0384000001\n",
];

#[tokio::test]
async fn pages_that_are_none_are_unknown() {
    for page in NONE {
        let found = seek(&neutral(page.as_bytes().to_vec()).await).await;
        assert_eq!(found.id, "unknown", "{page}: {:?}", found.evidence);
        let router = Router::new().fallback(move || async move { axum::response::Html(*page) });
        let found = seek(&serve(router).await).await;
        assert_eq!(
            found.id, "unknown",
            "{page} everywhere: {:?}",
            found.evidence
        );
    }
}

/// Feeds of no service: five forms, with what only names or only values tell.
const INVENTED: &[(&str, &str)] = &[
    (
        "json",
        r#"{"meta":{"n":3},"etablissements":[{"nom":"Pôle Nord"}],"annonces":{"liste":[
      {"num_annonce":"A-1","etat":"Ouverte","intituleAnnonce":"Infirmier de nuit H/F","texteAnnonce":"Vous assurez les soins de nuit en EHPAD.","profilRecherche":"Diplôme d'État d'infirmier exigé.","structure":{"nom":"EHPAD des Tilleuls","finess":"700000999"},"lieu":{"ville":"Vesoul","codePostal":"70000"},"typeContrat":"CDI","remuneration":"2 100 € brut par mois","dates":{"publication":"02/11/2026","limite":"30/11/2026"},"lienCandidature":"https://rh.example/a-1"},
      {"num_annonce":"A-2","etat":"Pourvue","intituleAnnonce":"Aide-soignant H/F","texteAnnonce":"Vous accompagnez les résidents au quotidien.","profilRecherche":"Diplôme d'État d'aide-soignant.","structure":{"nom":"EHPAD des Tilleuls","finess":"700000999"},"lieu":{"ville":"Lure","codePostal":"70200"},"typeContrat":"CDD","remuneration":"1 900 € brut par mois","dates":{"publication":"03/11/2026","limite":"15/12/2026"},"lienCandidature":"https://rh.example/a-2"},
      {"num_annonce":"A-3","etat":"Ouverte","intituleAnnonce":"Cuisinier","texteAnnonce":"Repas de quatre-vingts convives.","profilRecherche":"CAP de cuisine.","structure":{"nom":"Foyer des Sapins","finess":"700000998"},"lieu":{"ville":"Gray","codePostal":"70100"},"typeContrat":"CDI","remuneration":"selon convention","dates":{"publication":"04/11/2026","limite":"15/12/2026"},"lienCandidature":"https://rh.example/a-3"}]}}"#,
    ),
    (
        "xml",
        r#"<?xml version="1.0"?><export date="2026-11-05"><etablissement code="12"><vacance ref="V-10" maj="2026-11-04"><libelle>Psychologue</libelle><lieu cp="70000">Vesoul</lieu><emploi contrat="CDI" quotite="80 %"/><annonce lang="fr"><![CDATA[<p>Consultations et bilans en pédiatrie, au sein d'une équipe de six personnes.</p>]]></annonce><adresse_web>https://rh.pole.example/v-10</adresse_web></vacance><vacance ref="V-11" maj="2026-11-05"><libelle>Orthophoniste</libelle><lieu cp="70200">Lure</lieu><emploi contrat="CDD" quotite="100 %"/><annonce lang="fr"><![CDATA[<p>Bilans et rééducation des enfants du centre, en lien avec les familles.</p>]]></annonce><adresse_web>https://rh.pole.example/v-11</adresse_web></vacance></etablissement></export>"#,
    ),
    (
        "csv",
        "N° de l'offre;Désignation;Nature du contrat;Ville d'affectation;Code postal;Date de mise en ligne;Date de clôture;Traitement;Lien vers l'annonce;Missions principales\n2026-41;Ambulancier;CDI;Vesoul;70000;02/11/2026;30/11/2026;grille indiciaire;https://ght.example/41;Transport sanitaire et hygiène du véhicule\n2026-42;Brancardier;CDD;Gray;70100;03/11/2026;15/12/2026;1 850 €;https://ght.example/42;Transport des patients entre les services\n",
    ),
    (
        "rss",
        r#"<?xml version="1.0"?><rss version="2.0" xmlns:rh="https://rh.example/ns"><channel><title>Recrutement</title><item><title>Sage-femme (H/F)</title><link>https://mat.example/offres/7</link><guid isPermaLink="false">7</guid><pubDate>Mon, 02 Nov 2026 08:30:00 +0100</pubDate><description>Salle de naissance</description><rh:typeContrat>CDI</rh:typeContrat><rh:ville>Vesoul</rh:ville><rh:codePostal>70000</rh:codePostal><rh:dateLimite>2026-12-15</rh:dateLimite></item><item><title>Puéricultrice</title><link>https://mat.example/offres/8</link><guid isPermaLink="false">8</guid><pubDate>Tue, 03 Nov 2026 08:30:00 +0100</pubDate><description>Néonatalogie</description><rh:typeContrat>CDD</rh:typeContrat><rh:ville>Besançon</rh:ville><rh:codePostal>25000</rh:codePostal><rh:dateLimite>2026-12-20</rh:dateLimite></item></channel></rss>"#,
    ),
    (
        "html",
        r#"<!DOCTYPE html><html><body><nav><ul class="menu"><li class="item"><a href="/">Accueil</a></li><li class="item"><a href="/contact">Contact</a></li></ul></nav><div class="liste-offres"><article class="carte offre" data-offre-id="31"><h2 class="carte__titre"><a href="/recrutement/31-infirmier">Infirmier en psychiatrie (H/F)</a></h2><span class="carte__contrat">CDI</span><span class="carte__lieu">Vesoul (70)</span><time datetime="2026-11-02">2 novembre</time></article><article class="carte offre" data-offre-id="32"><h2 class="carte__titre"><a href="/recrutement/32-agent">Agent de restauration</a></h2><span class="carte__contrat">CDD 6 mois</span><span class="carte__lieu">Lure (70)</span><time datetime="2026-11-03">3 novembre</time></article></div><a rel="next" href="/recrutement?page=2">Suivant</a></body></html>"#,
    ),
];

#[tokio::test]
async fn a_feed_that_nobody_knows_gets_a_mapping() {
    let mut out = String::new();
    for (name, text) in INVENTED {
        let found = seek(&neutral(text.as_bytes().to_vec()).await).await;
        let file = found.file.unwrap_or_default();
        // The address has a port of its own in each run.
        let lines: Vec<&str> = file
            .lines()
            .filter(|l| !l.contains("http://127.0.0.1"))
            .collect();
        let _ = writeln!(
            out,
            "## {name}: {} {} proven {} of {} records\n{}\n",
            found.id,
            found.confidence,
            found.proven,
            found.records,
            lines.join("\n")
        );
    }
    insta::assert_snapshot!(out);
}
