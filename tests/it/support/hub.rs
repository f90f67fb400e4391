//! A hub in a temporary folder, driven through the program as an operator would.

use passerelle::store::{Change, SqliteOptions, SqliteStore, Store};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The instant of every test that does not say another.
pub const NOW: &str = "2026-11-02T08:00:00Z";

pub struct Hub {
    folder: TempDir,
    pub clock: String,
    pub envs: Vec<(String, String)>,
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl Hub {
    /// Empty folders of connectors and members, and settings that allow the loopback address.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hub = Self {
            folder,
            clock: NOW.to_owned(),
            envs: Vec::new(),
        };
        std::fs::create_dir_all(hub.path("connectors")).unwrap();
        std::fs::create_dir_all(hub.path("members")).unwrap();
        hub.write(
            "passerelle.toml",
            "[paths]\nconnectors = \"connectors\"\nmembers = \"members\"\ndata = \"data\"\n\n\
             [server]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://hub.example\"\n\n\
             [fetch]\nallow_hosts = [\"127.0.0.1\"]\n\n\
             [territory]\nname = \"Essai\"\ndepartments = [\"70\"]\n",
        );
        hub
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn connector(&self, name: &str, text: &str) {
        self.write(&format!("connectors/{name}.toml"), text);
    }

    pub fn member(&self, name: &str, text: &str) {
        self.write(&format!("members/{name}.toml"), text);
    }

    /// The program with `args`, in this hub's folder.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_passerelle"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env("PASSERELLE_CLOCK", &self.clock)
            .env_remove("PASSERELLE_FAULT")
            .stdin(Stdio::null());
        for (name, value) in &self.envs {
            command.env(name, value);
        }
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// `sync --json`, which must end with exit code 0 or 3.
    pub fn sync(&self) -> Sync {
        self.sync_with(&[])
    }

    pub fn sync_with(&self, more: &[&str]) -> Sync {
        let mut args = vec!["sync", "--json"];
        args.extend(more);
        let output = self.run(&args);
        let code = output.status.code();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(code, Some(0 | 3)), "sync ended {code:?}: {errors}");
        assert!(!errors.contains("panicked"), "{errors}");
        let json = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stdout)));
        Sync {
            json,
            needs_a_human: code == Some(3),
            errors,
        }
    }

    /// The output of a listing command, one JSON object a line.
    pub fn lines(&self, args: &[&str]) -> Vec<Value> {
        let output = self.run(args);
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub fn store(&self) -> SqliteStore {
        let path = self.path("data/passerelle.db");
        let options = SqliteOptions {
            migrate: false,
            ..SqliteOptions::default()
        };
        SqliteStore::open(path, &options).unwrap()
    }

    /// Every live public vacancy: its canonical bytes, by id.
    pub async fn published(&self) -> Vec<Vec<u8>> {
        let (_, vacancies) = self.store().snapshot().await.unwrap();
        vacancies.into_iter().map(|v| v.body.to_vec()).collect()
    }

    /// The same, as values.
    pub async fn vacancies(&self) -> Vec<Value> {
        let published = self.published().await;
        published
            .iter()
            .map(|body| serde_json::from_slice(body).unwrap())
            .collect()
    }

    /// All change rows: the newest of each vacancy, in order.
    pub async fn changes(&self) -> Vec<Change> {
        self.store().changes(0, 100_000).await.unwrap()
    }

    /// An export profile's bytes.
    pub fn export(&self, profile: &str) -> Vec<u8> {
        let output = self.run(&["export", profile]);
        assert!(
            matches!(output.status.code(), Some(0 | 3)),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }

    /// `run`, until the value is dropped; waits until it answers.
    pub fn serve(&self) -> Served {
        self.serve_with(&["run"], &[])
    }

    /// A daemon with these arguments and more of an environment; it must have the role `serve`.
    pub fn serve_with(&self, args: &[&str], envs: &[(&str, String)]) -> Served {
        self.serve_into(args, envs, Stdio::null(), "SERVER__LISTEN")
    }

    /// A daemon of any role, behind its address for health alone.
    pub fn serve_health(&self, args: &[&str]) -> Served {
        self.serve_into(args, &[], Stdio::null(), "SERVER__HEALTH")
    }

    /// `run`, its log written into the file `log` of this folder.
    pub fn serve_logged(&self, log: &str, level: &str) -> Served {
        let file = std::fs::File::create(self.path(log)).unwrap();
        let envs = [("RUST_LOG", level.to_owned())];
        self.serve_into(&["run"], &envs, file.into(), "SERVER__LISTEN")
    }

    fn serve_into(
        &self,
        args: &[&str],
        envs: &[(&str, String)],
        log: Stdio,
        setting: &str,
    ) -> Served {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let mut command = self.command(args);
        for (name, value) in envs {
            command.env(name, value);
        }
        let child = command
            .env(format!("PASSERELLE__{setting}"), &address)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut served = Served {
            child,
            base: format!("http://{address}"),
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(&address).is_err() {
            let ended = served.child.try_wait().unwrap();
            assert!(ended.is_none(), "`{args:?}` ended: {ended:?}");
            assert!(Instant::now() < deadline, "`{args:?}` does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        served
    }

    /// A command that prints `ready http://…`, until the value is dropped.
    pub fn serve_command(&self, mut command: Command) -> Served {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let base = ready(&mut child);
        Served { child, base }
    }
}

/// The address that a child prints once it is ready. What it prints later is read and dropped.
fn ready(child: &mut Child) -> String {
    use std::io::{BufRead, BufReader};
    let stdout = child.stdout.take().unwrap();
    let stderr = child.stderr.take().unwrap();
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if text.len() < 20_000 {
                text.push_str(&line);
                text.push('\n');
            }
        }
        text
    });
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(at) = line.find("http://") {
                let url = line[at..].split_whitespace().next().unwrap_or("");
                let _ = send.send(url.trim_end_matches('/').to_owned());
            }
        }
    });
    let limit = Duration::from_secs(180);
    match receive.recv_timeout(limit) {
        Ok(base) => base,
        Err(_) => {
            let _ = child.kill();
            panic!("the program was not ready: {}", errors.join().unwrap());
        }
    }
}

/// A process that serves until this is dropped.
pub struct Served {
    child: Child,
    pub base: String,
}

impl Served {
    pub async fn get(&self, path: &str) -> reqwest::Response {
        client()
            .get(format!("{}{path}", self.base))
            .send()
            .await
            .unwrap()
    }

    /// The answer at the end of the redirects within this server.
    pub async fn follow(&self, path: &str) -> reqwest::Response {
        let mut path = path.to_owned();
        for _ in 0..5 {
            let response = self.get(&path).await;
            if !response.status().is_redirection() {
                return response;
            }
            let target = response.headers()["location"].to_str().unwrap();
            let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
            path = rest[rest.find('/').unwrap()..].to_owned();
        }
        panic!("{path} leads in a circle");
    }

    pub async fn text(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert!(
            response.status().is_success(),
            "{path}: {}",
            response.status()
        );
        response.text().await.unwrap()
    }

    /// `TERM`, `INT` and the like.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status();
        assert!(told.unwrap().success());
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its own end.
    pub fn ended(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    pub async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path).await).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that follows no redirect and uses no proxy.
pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

/// What `sync --json` printed.
#[derive(Debug)]
pub struct Sync {
    pub json: Value,
    pub needs_a_human: bool,
    pub errors: String,
}

impl Sync {
    /// The line of one connector.
    pub fn of(&self, connector: &str) -> &Value {
        self.json["connectors"]
            .as_array()
            .unwrap()
            .iter()
            .find(|line| line["name"] == connector)
            .unwrap_or_else(|| panic!("{connector} is not in {}", self.json))
    }

    pub fn count(&self, connector: &str, counter: &str) -> u64 {
        let line = self.of(connector);
        line[counter]
            .as_u64()
            .unwrap_or_else(|| panic!("{counter} is not in {line}"))
    }

    pub fn snapshot(&self, connector: &str) -> &str {
        self.of(connector)["snapshot"].as_str().unwrap()
    }
}

/// A file of the corpus, or `None` with a word on standard error.
pub fn corpus(name: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("PASSERELLE_CORPUS") else {
        eprintln!("skipped: PASSERELLE_CORPUS is not set");
        return None;
    };
    Some(Path::new(&root).join(name))
}
