//! Offers that lie on an SFTP server: OpenSSH's own, on loopback, as the user who runs the tests.

use super::support::hub::{Hub, Sync};
use super::support::offers;
use serde_json::json;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SSHD: &str = "/usr/sbin/sshd";

/// A server with keys of its own, that ends with the test.
struct Sshd {
    folder: TempDir,
    port: u16,
    child: Child,
}

impl Sshd {
    /// `None`, said aloud, where no server is installed.
    fn start(test: &str) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            eprintln!("{test}: skipped, {SSHD} is not there (.ci/services install)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for (name, kind) in [("host_ed25519", "ed25519"), ("host_rsa", "rsa")] {
            keygen(&path(name), kind, "");
        }
        keygen(&path("plain"), "ed25519", "");
        keygen(&path("locked"), "rsa", "sésame");
        let known: String = ["plain.pub", "locked.pub"]
            .map(|name| std::fs::read_to_string(path(name)).unwrap())
            .concat();
        std::fs::write(path("authorized"), known).unwrap();
        // Root's server gives up its rights in this folder, which only its package's service makes.
        if std::fs::metadata("/run/sshd").is_err() {
            let _ = std::fs::create_dir("/run/sshd");
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = port.local_addr().unwrap().port();
        std::fs::write(
            path("config"),
            format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nHostKey {}\n\
                 AuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
                 PasswordAuthentication no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n",
                path("host_ed25519"),
                path("host_rsa"),
                path("authorized"),
            ),
        )
        .unwrap();
        let log = std::fs::File::create(path("log")).unwrap();
        let child = Command::new(SSHD)
            .args(["-D", "-e", "-f", &path("config")])
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self {
            folder,
            port,
            child,
        };
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(
                Instant::now() < until,
                "sshd did not start: {}",
                server.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// `SHA256:…` of a host key, as `ssh-keygen` says it.
    fn fingerprint(&self, name: &str) -> String {
        let output = Command::new("ssh-keygen")
            .arg("-lf")
            .arg(self.path(name))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split(' ').nth(1).unwrap().to_owned()
    }

    /// A connector for the JSON of [`offers`] below `depot/`.
    fn connector(&self, file: &str, auth: &str) -> String {
        let depot = self.path("depot");
        std::fs::create_dir_all(&depot).unwrap();
        let url = format!("sftp://127.0.0.1:{}{}/{file}", self.port, depot.display());
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout);
        let auth = format!(
            "[source.auth]\nkind = \"ssh\"\nuser = \"{}\"\n{auth}\n\n[records]",
            user.unwrap().trim()
        );
        offers::json_connector("depot", &url).replacen("[records]", &auth, 1)
    }

    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.path("depot").join(name), text).unwrap();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keygen(path: &str, kind: &str, passphrase: &str) {
    let made = Command::new("ssh-keygen")
        .args([
            "-q", "-t", kind, "-N", passphrase, "-C", "essai", "-f", path,
        ])
        .status()
        .unwrap();
    assert!(made.success());
}

/// Why a run was no whole one.
fn error(sync: &Sync) -> &str {
    sync.of("depot")["error"].as_str().unwrap_or_default()
}

fn hub() -> Hub {
    let hub = Hub::new();
    hub.member("essai", offers::MEMBER);
    hub
}

#[test]
fn the_file_of_the_day_is_pulled_and_what_is_cut_closes_nothing() {
    let Some(server) = Sshd::start("sftp") else {
        return;
    };
    let hub = hub();
    let all = offers::some(6);
    let auth = format!(
        "key = {{ file = \"{}\" }}\nhost_key = \"{}\"",
        server.path("plain").display(),
        server.fingerprint("host_ed25519.pub")
    );
    hub.connector("depot", &server.connector("offres-{%Y-%m-%d}*.json", &auth));
    let checked = hub.run(&["connectors", "check", "--json"]);
    assert_eq!(
        checked.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&checked.stdout)
    );

    // Yesterday's file is not today's: no news, and nothing closes.
    server.put(
        "offres-2026-11-01.json",
        &offers::json(&all[..1]).to_string(),
    );
    let sync = hub.sync();
    assert_eq!(sync.snapshot("depot"), "failed", "{}", error(&sync));

    server.put("offres-2026-11-02.json", &offers::json(&all).to_string());
    let sync = hub.sync();
    assert_eq!(
        sync.snapshot("depot"),
        "complete",
        "{}\n{}",
        error(&sync),
        server.log()
    );
    assert_eq!(sync.count("depot", "new"), 6);
    assert_eq!(hub.sync().snapshot("depot"), "unchanged");

    // Half a file, and then the whole again with one filled.
    let whole = offers::json(&all).to_string();
    server.put("offres-2026-11-02b.json", &whole[..whole.len() / 2]);
    for _ in 0..3 {
        let sync = hub.sync();
        assert_eq!(sync.snapshot("depot"), "partial", "{}", error(&sync));
        assert_eq!(sync.count("depot", "closed"), 0);
    }
    server.put(
        "offres-2026-11-02c.json",
        &offers::json(&all[1..]).to_string(),
    );
    hub.sync();
    assert_eq!(hub.sync().count("depot", "closed"), 1);
}

#[test]
fn a_server_is_known_by_its_key_alone() {
    let Some(server) = Sshd::start("sftp") else {
        return;
    };
    let hub = hub();
    let key = format!("key = {{ file = \"{}\" }}", server.path("plain").display());
    hub.connector("depot", &server.connector("offres.json", &key));
    server.put("offres.json", &offers::json(&offers::some(2)).to_string());
    let checked = hub.run(&["connectors", "check", "--json"]);
    let told = String::from_utf8_lossy(&checked.stdout);
    assert!(told.contains("not pinned"), "{told}");
    let sync = hub.sync();
    assert_eq!(sync.snapshot("depot"), "failed");
    let paste = format!("host_key = \"{}\"", server.fingerprint("host_ed25519.pub"));
    assert!(error(&sync).contains(&paste), "{}", error(&sync));

    // The RSA key that the service may have told instead, and a client key with a passphrase.
    let mut hub = hub;
    hub.envs.push(("LOCK".to_owned(), "sésame".to_owned()));
    let auth = format!(
        "key = {{ file = \"{}\" }}\npassphrase = {{ env = \"LOCK\" }}\nhost_key = [\"{}\"]",
        server.path("locked").display(),
        server.fingerprint("host_rsa.pub")
    );
    hub.connector("depot", &server.connector("offres.json", &auth));
    let sync = hub.sync();
    assert_eq!(
        sync.snapshot("depot"),
        "complete",
        "{}\n{}",
        error(&sync),
        server.log()
    );

    // A key that the server does not know.
    keygen(
        &server.path("stranger").display().to_string(),
        "ed25519",
        "",
    );
    let auth = auth
        .replace("locked", "stranger")
        .replace("passphrase", "# passphrase");
    hub.connector("depot", &server.connector("offres.json", &auth));
    let sync = hub.sync();
    assert_eq!(sync.snapshot("depot"), "failed");
    assert!(
        error(&sync).contains("refuses the login"),
        "{}",
        error(&sync)
    );
    assert_eq!(sync.json["vacancies"]["live"], json!(2));
}

#[test]
fn the_file_that_was_written_last() {
    let Some(server) = Sshd::start("sftp") else {
        return;
    };
    let hub = hub();
    let auth = format!(
        "key = {{ file = \"{}\" }}\nhost_key = \"{}\"",
        server.path("plain").display(),
        server.fingerprint("host_ed25519.pub")
    );
    let text = server.connector("export*.json", &auth).replacen(
        "[source]\n",
        "[source]\npick = \"modified\"\n",
        1,
    );
    hub.connector("depot", &text);
    server.put("export-9.json", &offers::json(&offers::some(2)).to_string());
    let old = std::fs::File::open(server.path("depot/export-9.json")).unwrap();
    old.set_modified(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1000))
        .unwrap();
    server.put(
        "export-10.json",
        &offers::json(&offers::some(5)).to_string(),
    );
    assert_eq!(hub.sync().count("depot", "new"), 5);
}
