//! The servers that `.ci/services` started: tests that need one say so when it is not there.

use crate::support::proxy::Proxy;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// A virtual host of its own on the test broker.
pub struct Broker {
    /// Address with credentials and virtual host.
    pub url: String,
    /// Host, port and credentials without the virtual host.
    pub base: String,
    folder: PathBuf,
}

fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".ci/services")
}

fn order(arguments: &[&str]) -> String {
    let output = Command::new("bash")
        .arg(script())
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Says past the test harness, which hides what passing tests print, that `test` has not run; where
/// `CI=true` it fails instead.
pub fn skip<T>(test: &str, why: &str) -> Option<T> {
    let ci = std::env::var("CI").is_ok_and(|value| matches!(value.as_str(), "true" | "1"));
    assert!(!ci, "{test} was not run: {why}");
    let _ = writeln!(std::io::stderr(), "\nSKIPPED {test}: {why}");
    None
}

const NO_SERVERS: &str = "no private servers; `.ci/test` starts them. Addresses in \
    PASSERELLE_TEST_AMQP and PASSERELLE_TEST_POSTGRES are not enough: this test makes virtual hosts or \
    restarts servers, and needs the folder of `.ci/services start` in PASSERELLE_TEST_SERVICES";

/// `None`, said on standard error, where no private broker runs.
pub fn broker(test: &str) -> Option<Broker> {
    let (Ok(url), Ok(folder)) = (
        std::env::var("PASSERELLE_TEST_AMQP"),
        std::env::var("PASSERELLE_TEST_SERVICES"),
    ) else {
        return skip(test, NO_SERVERS);
    };
    let base = url.rsplit_once('/')?.0.to_owned();
    let vhost = format!("{test}_{}", std::process::id());
    order(&["vhost", &folder, &vhost]);
    Some(Broker {
        url: format!("{base}/{vhost}"),
        base,
        folder: folder.into(),
    })
}

impl Broker {
    /// An order of `rabbitmqctl`; panics when it fails.
    pub fn control(&self, arguments: &[&str]) {
        let folder = self.folder.to_string_lossy().into_owned();
        let mut all = vec!["rabbitmqctl", folder.as_str()];
        all.extend(arguments);
        order(&all);
    }
}

/// Held for reading by tests that use the broker, for writing by the one that kills it.
pub static BROKER: tokio::sync::RwLock<()> = tokio::sync::RwLock::const_new(());

impl Broker {
    /// Closes every connection to this virtual host.
    pub fn cut(&self) {
        let vhost = self.url.rsplit('/').next().unwrap_or_default();
        self.control(&["close_all_connections", "--vhost", vhost, "test"]);
    }

    /// The address behind a proxy; a silent link is found out by its missing heartbeats: soon, here.
    pub fn through_a_proxy(&self) -> (Proxy, String) {
        let place = self.url.rsplit_once('@').unwrap().1;
        let (target, vhost) = place.split_once('/').unwrap();
        let proxy = Proxy::start(target.to_owned());
        let port = proxy.port;
        let url = format!("amqp://guest:guest@127.0.0.1:{port}/{vhost}?heartbeat=2");
        (proxy, url)
    }

    /// Drops this virtual host: a broker that restarts would recover its queues each time.
    pub fn forget(&self) {
        let vhost = self.url.rsplit('/').next().unwrap_or_default();
        self.control(&["delete_vhost", vhost]);
    }

    /// A user who may use what is there in this virtual host, and declare nothing; gives the address.
    pub fn user_without_rights(&self, name: &str) -> String {
        let vhost = self.url.rsplit('/').next().unwrap_or_default();
        self.control(&["add_user", name, "secret"]);
        self.control(&["set_permissions", "-p", vhost, name, "^$", ".*", ".*"]);
        self.url.replace("guest:guest", &format!("{name}:secret"))
    }

    /// Takes away this virtual host with all that is in it, and makes it anew.
    pub fn reset(&self) {
        self.forget();
        let vhost = self.url.rsplit('/').next().unwrap_or_default();
        order(&["vhost", &self.folder.to_string_lossy(), vhost]);
    }

    /// kill -9.
    pub fn kill(&self) {
        order(&["kill-rabbit", &self.folder.to_string_lossy()]);
    }

    pub fn start(&self) {
        order(&["start-rabbit", &self.folder.to_string_lossy()]);
    }
}

/// A PostgreSQL server of a test's own, which it may kill; stopped at the end.
pub struct Database {
    pub url: String,
    folder: PathBuf,
}

impl Database {
    /// `None`, said on standard error, where private servers cannot be started.
    pub fn start(test: &str) -> Option<Self> {
        let Some(servers) = std::env::var_os("PASSERELLE_TEST_SERVICES") else {
            return skip(test, NO_SERVERS);
        };
        let folder = PathBuf::from(servers).join(format!("{test}_{}", std::process::id()));
        Some(Self::start_in(folder))
    }

    /// With what the folder says of its settings.
    pub fn start_in(folder: PathBuf) -> Self {
        let url = order(&["start-postgres", &folder.to_string_lossy()]);
        let url = url.trim().to_owned();
        Self { url, folder }
    }

    /// Ends it without a goodbye, and starts it again.
    pub fn restart(&self) {
        self.kill();
        self.come_back();
    }

    pub fn kill(&self) {
        order(&["kill-postgres", &self.folder.to_string_lossy()]);
    }

    pub fn come_back(&self) {
        order(&["start-postgres", &self.folder.to_string_lossy()]);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        order(&["stop", &self.folder.to_string_lossy()]);
    }
}

/// A cluster of three RabbitMQ nodes of a test's own; stopped at the end.
pub struct Nodes {
    /// One address a node, with commas.
    pub addresses: String,
    folder: PathBuf,
}

impl Nodes {
    /// `None`, said on standard error, where private servers cannot be started.
    pub fn start(test: &str) -> Option<Self> {
        let Some(servers) = std::env::var_os("PASSERELLE_TEST_SERVICES") else {
            return skip(test, NO_SERVERS);
        };
        let folder = PathBuf::from(servers).join(format!("{test}_{}", std::process::id()));
        let addresses = order(&["start-nodes", &folder.to_string_lossy()]);
        Some(Self {
            addresses: addresses.trim().to_owned(),
            folder,
        })
    }

    /// `kill-rabbit`, `stop-rabbit` or `start-rabbit` of node 1, 2 or 3.
    pub fn order(&self, what: &str, node: u32) {
        let folder = self.folder.join(node.to_string());
        order(&[what, &folder.to_string_lossy()]);
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        order(&["stop", &self.folder.to_string_lossy()]);
    }
}

/// A folder for a server of a test's own, with certificates in it; what runs there is stopped at the
/// end. `None`, said on standard error, where private servers cannot be started.
pub struct Place(pub PathBuf);

impl Place {
    pub fn new(test: &str) -> Option<Self> {
        let Some(servers) = std::env::var_os("PASSERELLE_TEST_SERVICES") else {
            return skip(test, NO_SERVERS);
        };
        let folder = PathBuf::from(servers).join(format!("{test}_{}", std::process::id()));
        std::fs::create_dir_all(folder.join("tls")).unwrap();
        Some(Self(folder))
    }

    /// `start-rabbit`, `kill-rabbit` and the like.
    pub fn order(&self, what: &str) {
        order(&[what, &self.0.to_string_lossy()]);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.order("stop");
    }
}
