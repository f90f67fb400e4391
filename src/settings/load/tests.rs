use super::*;
use std::collections::HashMap;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    let map: HashMap<String, String> = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    Environment::with_prefix("PASSERELLE")
        .prefix_separator("__")
        .separator("__")
        .source(Some(map))
}

fn problems(text: &str) -> Vec<String> {
    match from_parts(text, None, environment(&[])) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_example_says_the_defaults() {
    let loaded = from_parts(EXAMPLE, None, environment(&[])).unwrap();
    assert_eq!(loaded.settings, Settings::default());
}

#[test]
fn every_commented_key_of_the_example_is_real() {
    let text: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("#: ") {
            Some(key) => format!("{key}\n"),
            None => format!("{line}\n"),
        })
        .collect();
    let loaded = from_parts(&text, None, environment(&[])).unwrap();
    let settings = loaded.settings;
    assert!(settings.paths.members.is_some() && settings.paths.catalogue.is_some());
    assert!(settings.paths.exports.is_some() && settings.alerts.command.is_some());
    assert!(!settings.fetch.allow_hosts.is_empty() && !settings.territory.departments.is_empty());
}

#[test]
fn all_problems_are_reported_at_once_each_with_its_key() {
    insta::assert_snapshot!(
        problems(
            r#"
colour = "blue"
[store]
url = "mysql://db"
[bus]
url = { vault = "x" }
[server]
listen = "everywhere"
health = "here"
public_url = "portal"
port = 80
trusted_proxies = ["proxy"]
anonymous_window_seconds = 0
[fetch]
allow_hosts = ["10.0.0.0/8", "a b"]
contact = "le service informatique"
[territory]
departments = ["70", "700"]
[retention]
runs_days = "many"
"#
        )
        .join("\n"),
        @r#"
        bus.url: a secret is a text, { env = "NAME" } or { file = "PATH" }
        colour: unknown key `colour`, expected one of `store`, `bus`, `server`, `paths`, `fetch`, `alerts`, `territory`, `exports`, `retention`
        fetch.allow_hosts: "a b" is no host: write a name, an IP address or a network such as "10.1.0.0/16", with ":PORT" if need be
        fetch.contact: "le service informatique" is no contact: write an e-mail address or "https://HOST/PATH"
        retention.runs_days: string "many" stands where an integer is expected
        server.anonymous_window_seconds: write a number of seconds from 1 to 86400
        server.health: "here" is no address to listen on: write HOST:PORT, such as "127.0.0.1:8070"
        server.listen: "everywhere" is no address to listen on: write HOST:PORT, such as "127.0.0.1:8070"
        server.port: unknown key `port`, expected one of `listen`, `health`, `public_url`, `admin_key`, `secrets_key`, `anonymous_requests`, `anonymous_window_seconds`, `trusted_proxies`
        server.public_url: "portal" is no web address: write "https://HOST"
        server.trusted_proxies: "proxy" is no address: write that of the proxy, such as "10.1.0.4", or its network, such as "10.1.0.0/16"
        store.url: "mysql://db" is no store: write "sqlite:PATH" or "postgres://USER@HOST/DATABASE"
        territory.departments: "700" is no département code: write such as "70", "2A" or "971"
        "#
    );
}

#[test]
fn a_mixture_of_store_and_bus_is_refused() {
    let found = problems("[bus]\nurl = \"amqp://localhost\"");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("bus.url: RabbitMQ is for several processes"));
    assert!(problems("[store]\nurl=\"postgres://h/d\"\n[bus]\nurl=\"amqp://h\"").is_empty());
}

#[test]
fn the_environment_overrides_and_lists_may_be_written_with_commas() {
    let loaded = from_parts(
        "[server]\nlisten = \"127.0.0.1:1\"",
        None,
        environment(&[
            ("PASSERELLE__SERVER__LISTEN", "127.0.0.1:2"),
            (
                "PASSERELLE__FETCH__ALLOW_HOSTS",
                "127.0.0.1:9, intranet.example",
            ),
            ("PASSERELLE__TERRITORY__DEPARTMENTS", "01"),
            ("PASSERELLE__RETENTION__RUNS_DAYS", "7"),
            ("PASSERELLE_CLOCK", "2026-11-02T08:00:00Z"),
        ]),
    )
    .unwrap()
    .settings;
    assert_eq!(loaded.server.listen, "127.0.0.1:2");
    assert_eq!(
        loaded.fetch.allow_hosts,
        ["127.0.0.1:9", "intranet.example"]
    );
    assert_eq!(loaded.territory.departments, ["01"]);
    assert_eq!(loaded.retention.runs_days, 7);
}

#[test]
fn paths_are_relative_to_the_file_that_says_them() {
    let loaded = from_parts(
        "[store]\nurl = \"sqlite:hub.db\"\n[paths]\nconnectors = \"c\"\ndata = \"/d\"",
        Some("/etc/passerelle/passerelle.toml".into()),
        environment(&[("PASSERELLE__PATHS__EXPORTS", "out")]),
    )
    .unwrap()
    .settings;
    assert_eq!(loaded.paths.connectors, Path::new("/etc/passerelle/c"));
    assert_eq!(loaded.paths.data, Path::new("/d"));
    assert_eq!(loaded.paths.exports.as_deref(), Some(Path::new("out")));
    assert_eq!(
        loaded.store_url().unwrap(),
        super::super::StoreUrl::Sqlite("/etc/passerelle/hub.db".into())
    );
    assert_eq!(loaded.members(), Path::new("/etc/passerelle/members"));
}

#[test]
fn default_folders_lie_beside_the_file() {
    let file = Some("/srv/hub/passerelle.toml".into());
    let paths = from_parts("", file, environment(&[]))
        .unwrap()
        .settings
        .paths;
    assert_eq!(paths.connectors, Path::new("/srv/hub/connectors"));
    assert_eq!(paths.data, Path::new("/srv/hub/passerelle-data"));
}

#[test]
fn the_manual_names_every_key() {
    let manual = include_str!("../../../docs/settings.md");
    let schema = serde_json::to_value(schemars::schema_for!(Settings)).unwrap();
    let definitions = &schema["$defs"];
    let mut count = 0;
    for (section, of) in schema["properties"].as_object().unwrap() {
        let name = of["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        for key in definitions[name]["properties"].as_object().unwrap().keys() {
            count += 1;
            let key = format!("`{section}.{key}`");
            assert!(
                manual.contains(&key),
                "docs/settings.md does not name {key}"
            );
        }
    }
    assert!(count > 10);
}
