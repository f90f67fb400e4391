//! Files with faults: all of them are found at once, each with its line and what to do.

use super::*;

fn problems(text: &str) -> Vec<String> {
    load(text, "x.toml", &Catalogue::embedded())
        .problems
        .iter()
        .map(ToString::to_string)
        .collect()
}

const GOOD: &str = r#"
name = "clinique"
member = "clinique"
[source]
kind = "json"
url = "https://rh.example/offres.json"
[records]
path = "offres"
[fields]
reference = "id"
title = "titre"
"#;

#[test]
fn a_good_file_loads() {
    let loaded = load(GOOD, "x.toml", &Catalogue::embedded());
    assert_eq!(loaded.problems, Vec::new());
    let connector = loaded.connector.expect("a connector");
    assert_eq!(connector.name.as_str(), "clinique");
    let record = serde_json::json!({"id": 7, "titre": "Infirmier"});
    assert_eq!(connector.map(&record).expect("a draft").reference, "7");
    let refused = connector
        .map(&serde_json::json!({"id": 7}))
        .expect_err("no title");
    assert_eq!(refused[0].rule, "map.title_missing");
}

#[test]
fn every_problem_is_reported_with_its_line() {
    let found = problems(
        r#"
name = "clinique"
shedule = "0 * * * *"
[source]
kind = "jsn"
url = "https://rh.example/offres.json"
rate = "fast"
[source.paging]
kind = "pages"
[guards]
misses = 0
max_drop = 3.0
[fields]
reference = "id"
titel = "titre"
published = { path = "d", fromat = "iso" }
"#,
    );
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn an_offer_that_is_named_needs_an_address_of_its_own() {
    let file = "name = \"essai\"\n[source]\nkind = \"json\"\nurl = \"https://rh.example/jobs\"\n\
        [push]\nkey = { env = \"CLEF\" }\noffer = \"data.id\"\n\
        [fields]\nreference = \"id\"\ntitle = \"t\"\n";
    let found = problems(file);
    assert_eq!(found.len(), 1, "{found:?}");
    for said in [":7:", "push.offer", "[source.one]", "notify = true"] {
        assert!(found[0].contains(said), "{said}: {found:?}");
    }
    let one = "[source.one]\nurl = \"https://rh.example/jobs/{{ reference }}\"\n[push]";
    assert!(problems(&file.replace("[push]", one)).is_empty());
}

#[test]
fn later_checks_are_reported_together_too() {
    let found = problems(
        r#"
name = "Clinique du Lac"
zone = "Europe/Vesoul"
[source]
kind = "xml"
url = "http://rh.example/offres.xml"
encoding = "latin-99"
[fields]
reference = "a..b"
published = { path = "d", format = "dd/mm/yyyy" }
contract = { path = "c", values = "contrats" }
service = { template = "{{ a " }
"#,
    );
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn groups_of_mistakes_are_reported_in_one_go() {
    // A misspelt key, a wrong kind, a wrong number, a bad zone, schedule, secret, encoding, path,
    // value table and template: none of them hides another, and none is told twice.
    let found = problems(
        r#"
name = "Clinique"
zone = "Europe/Vesoul"
schedule = "0 25 * * *"
title = 7
[source]
kind = "jsn"
url = "https://rh.example/offres.json"
encoding = "latin-99"
rate = -1.0
[source.paging]
kind = "next_link"
path = "a..b"
[push]
key = "clear"
[records]
keep = "((("
[guards]
misses = 0
[fields]
reference = "id"
titel = "titre"
contract = { path = "c", values = "contrats" }
service = { template = "{{ a " }
"#,
    );
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn what_is_readable_of_a_torn_file_is_checked_too() {
    let found = problems(
        r#"
name = "clinique
zone = "Europe/Vesoul"
[source]
kind = "json"
url = "https://rh.example/offres.json"
shape = "round"
[guards]
misses = = 2
max_drop = 3.0
"#,
    );
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn an_unknown_preset_hides_no_other_mistake() {
    let found = problems(
        "name = \"x\"\nuse = \"smartrecruiter\"\nzone = \"Europe/Vesoul\"\n[with]\ncompany = \"c\"\n[guards]\nmisses = 0\n",
    );
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn presets_ask_for_their_parameters() {
    let found = problems(
        "name = \"ft\"\nuse = \"france-travail\"\n[with]\nclient = \"x\"\ndepartments = [\"70\"]\nclient_secret = \"clear\"\n",
    );
    insta::assert_snapshot!(found.join("\n"));
    let found = problems("name = \"x\"\nuse = \"smartrecruiter\"\n");
    assert!(
        found[0].contains("perhaps `smartrecruiters` is meant"),
        "{found:?}"
    );
    let found = problems("name = \"x\nuse");
    assert!(found[0].contains("TOML"), "{found:?}");
}

#[test]
fn a_clear_secret_passes_for_this_machine_only() {
    let with = |url: &str| {
        problems(&format!(
            "name = \"x\"\nuse = \"teamtailor\"\nwith = {{ base_url = \"{url}\", token = \"t\" }}\n"
        ))
    };
    assert!(
        with("http://127.0.0.1:8080")
            .iter()
            .all(|p| p.contains("avertissement"))
    );
    assert!(
        with("https://api.teamtailor.com")
            .iter()
            .any(|p| p.contains("erreur"))
    );
}

#[test]
fn every_preset_loads_with_its_parameters() {
    let catalogue = Catalogue::embedded();
    for name in catalogue.names() {
        let loaded = preset(name, &catalogue).expect("it is in the catalogue");
        let errors: Vec<String> = loaded.errors().map(ToString::to_string).collect();
        assert!(loaded.connector.is_some(), "{name}: {}", errors.join("\n"));
    }
}

#[test]
fn own_keys_win_over_the_preset() {
    let text = r#"
name = "x"
use = "csv"
with = { base_url = "offres.csv" }
[fields]
title = "intitule_complet"
[values.contract]
"contrat d'un an" = "cdd"
"#;
    let connector = load(text, "x.toml", &Catalogue::embedded())
        .connector
        .expect("a connector");
    let record = serde_json::json!({"id": "1", "titre": "a", "intitule_complet": "b", "contrat": "Contrat d’un an"});
    let draft = connector.map(&record).expect("a draft");
    assert_eq!(draft.value(crate::model::Field::Title), Some("b"));
    let contract = draft
        .get(crate::model::Field::Contract)
        .expect("a contract");
    assert_eq!((contract.value(), contract.mapped), ("cdd", true));
}

#[test]
fn the_schema_describes_the_language() {
    let schema = load::schema();
    assert!(schema.pointer("/properties/source").is_some());
    assert!(schema.pointer("/$defs/Fields/properties/title").is_some());
}
