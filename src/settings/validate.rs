//! What the values must be to one another.

use super::{BusUrl, Settings, SettingsProblem, StoreUrl};
use std::net::{IpAddr, ToSocketAddrs};

pub(super) fn check(
    settings: &Settings,
    problems: &mut Vec<SettingsProblem>,
    warnings: &mut Vec<SettingsProblem>,
) {
    let store = settings.store_url().map_err(|p| problems.push(p)).ok();
    let bus = settings.bus_url().map_err(|p| problems.push(p)).ok();
    match (store, bus) {
        (Some(StoreUrl::Sqlite(_)), Some(BusUrl::Amqp(_))) => problems.push(SettingsProblem::new(
            "bus.url",
            "RabbitMQ is for several processes, and an embedded store serves one: set store.url to \"postgres://…\", or bus.url to \"embedded\"",
        )),
        (Some(StoreUrl::Postgres(_)), Some(BusUrl::Embedded)) => {
            problems.push(SettingsProblem::new(
                "store.url",
                "PostgreSQL is for several processes, and the embedded bus serves one: set bus.url to \"amqp://…\", or store.url to \"sqlite:PATH\"",
            ));
        }
        _ => {}
    }
    if settings.bus.client_certificate.is_some() != settings.bus.client_key.is_some() {
        problems.push(SettingsProblem::new(
            "bus.client_certificate",
            "mutual TLS needs both: set bus.client_certificate and bus.client_key, or neither",
        ));
    }
    if settings.bus.prefetch == 0 {
        problems.push(SettingsProblem::new(
            "bus.prefetch",
            "0 would mean without bound: write a number such as 1000",
        ));
    }
    let server = &settings.server;
    let listens = [
        ("server.listen", Some(&server.listen)),
        ("server.health", server.health.as_ref()),
    ];
    for (key, address) in listens {
        if let Some(address) = address.filter(|address| address.to_socket_addrs().is_err()) {
            problems.push(SettingsProblem::new(
                key,
                format!(
                    "{address:?} is no address to listen on: write HOST:PORT, such as \"127.0.0.1:8070\""
                ),
            ));
        }
    }
    match &settings.server.public_url {
        Some(url) if !is_web(url) => problems.push(SettingsProblem::new(
            "server.public_url",
            format!("{url:?} is no web address: write \"https://HOST\""),
        )),
        Some(_) => {}
        None if !listens_locally(&settings.server.listen) => warnings.push(SettingsProblem::new(
            "server.public_url",
            "it is not set, so that links in feeds and exports name the listening address: write \"https://HOST\"",
        )),
        None => {}
    }
    for proxy in &settings.server.trusted_proxies {
        if !is_network(proxy) {
            problems.push(SettingsProblem::new(
                "server.trusted_proxies",
                format!(
                    "{proxy:?} is no address: write that of the proxy, such as \"10.1.0.4\", or its network, such as \"10.1.0.0/16\""
                ),
            ));
        }
    }
    if !(1..=86_400).contains(&settings.server.anonymous_window_seconds) {
        problems.push(SettingsProblem::new(
            "server.anonymous_window_seconds",
            "write a number of seconds from 1 to 86400",
        ));
    }
    let keys = [
        ("server.admin_key", &settings.server.admin_key),
        ("server.secrets_key", &settings.server.secrets_key),
    ];
    for (name, key) in keys {
        let Some(key) = key else {
            continue;
        };
        match key.resolve() {
            Err(error) => problems.push(SettingsProblem::new(name, error)),
            Ok(key) if key.len() < 16 => problems.push(SettingsProblem::new(
                name,
                "it is too easily guessed: write at least 16 characters, such as `openssl rand -hex 24` gives",
            )),
            Ok(_) => {}
        }
    }
    for pattern in &settings.fetch.allow_hosts {
        if !is_host_pattern(pattern) {
            problems.push(SettingsProblem::new(
                "fetch.allow_hosts",
                format!(
                    "{pattern:?} is no host: write a name, an IP address or a network such as \"10.1.0.0/16\", with \":PORT\" if need be"
                ),
            ));
        }
    }
    if let Some(contact) = &settings.fetch.contact
        && (contact.is_empty() || !contact.bytes().all(|b| b.is_ascii_graphic() && b != b')'))
    {
        problems.push(SettingsProblem::new(
            "fetch.contact",
            format!("{contact:?} is no contact: write an e-mail address or \"https://HOST/PATH\""),
        ));
    }
    if let Some(webhook) = &settings.alerts.webhook {
        match webhook.resolve() {
            Err(error) => problems.push(SettingsProblem::new("alerts.webhook", error)),
            Ok(url) if !is_web(&url) => problems.push(SettingsProblem::new(
                "alerts.webhook",
                "it is no web address: write \"https://HOST/PATH\"",
            )),
            Ok(_) => {}
        }
    }
    if !(0.0..=1.0).contains(&settings.exports.max_drop) {
        problems.push(SettingsProblem::new(
            "exports.max_drop",
            "it is a share: write a number from 0 to 1, such as 0.3",
        ));
    }
    for code in &settings.territory.departments {
        if !is_department(code) {
            problems.push(SettingsProblem::new(
                "territory.departments",
                format!("{code:?} is no département code: write such as \"70\", \"2A\" or \"971\""),
            ));
        }
    }
}

fn is_web(url: &str) -> bool {
    url::Url::parse(url)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
}

fn listens_locally(listen: &str) -> bool {
    listen
        .to_socket_addrs()
        .is_ok_and(|mut all| all.all(|address| address.ip().is_loopback()))
}

fn is_department(code: &str) -> bool {
    let bytes = code.as_bytes();
    match bytes.len() {
        2 => bytes[0].is_ascii_digit() && (bytes[1].is_ascii_digit() || b"AB".contains(&bytes[1])),
        3 => code.starts_with("97") || code.starts_with("98"),
        _ => false,
    }
}

/// Host, IP or CIDR, with an optional port; an IPv6 address with a port stands in brackets.
fn is_host_pattern(pattern: &str) -> bool {
    if let Some(rest) = pattern.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        return is_network(address)
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    if is_network(pattern) {
        return true;
    }
    let (host, port) = match pattern.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (pattern, None),
    };
    let name = !host.is_empty()
        && host.split('.').all(|label| {
            !label.is_empty()
                && label
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        });
    (name || is_network(host)) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

fn is_network(text: &str) -> bool {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    length.is_none_or(|length| length.parse::<u8>().is_ok_and(|bits| bits <= most))
}
