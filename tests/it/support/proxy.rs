//! A TCP proxy that can fall silent: connections stay open and nothing passes any more, as when a
//! machine between the two has vanished.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

pub struct Proxy {
    pub port: u16,
    /// Connections that were accepted at an earlier age pass nothing.
    age: Arc<AtomicU64>,
    down: Arc<AtomicBool>,
    deaf: Arc<AtomicBool>,
}

/// The age of connections that never pass anything.
const DEAF: u64 = u64::MAX;

impl Proxy {
    /// Its threads end with the connections, and with the process.
    pub fn start(target: String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let age = Arc::new(AtomicU64::new(0));
        let current = Arc::clone(&age);
        let down = Arc::new(AtomicBool::new(false));
        let is_down = Arc::clone(&down);
        let deaf = Arc::new(AtomicBool::new(false));
        let is_deaf = Arc::clone(&deaf);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if is_down.load(Ordering::SeqCst) {
                    continue;
                }
                // While the target is down a connection is refused as it would be without us.
                let Ok(server) = TcpStream::connect(&target) else {
                    continue;
                };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let (current, is_down) = (Arc::clone(&current), Arc::clone(&is_down));
                    let own = match is_deaf.load(Ordering::SeqCst) {
                        true => DEAF,
                        false => current.load(Ordering::SeqCst),
                    };
                    std::thread::spawn(move || {
                        // However it ends, the other end is told.
                        let open = || current.load(Ordering::SeqCst) == own;
                        let _ = pass(&from, &to, open, || is_down.load(Ordering::SeqCst));
                        let _ = to.shutdown(std::net::Shutdown::Both);
                    });
                }
            }
        });
        Self {
            port,
            age,
            down,
            deaf,
        }
    }

    /// Ends all connections and takes no more, until it comes up again.
    pub fn go_down(&self) {
        self.down.store(true, Ordering::SeqCst);
    }

    pub fn come_up(&self) {
        self.down.store(false, Ordering::SeqCst);
    }

    /// All connections there are become half-open; new ones work.
    pub fn fall_silent(&self) {
        self.age.fetch_add(1, Ordering::SeqCst);
    }

    /// All connections become half-open, those that are still to come too.
    pub fn go_deaf(&self) {
        self.deaf.store(true, Ordering::SeqCst);
        self.fall_silent();
    }
}

fn pass(
    mut from: &TcpStream,
    mut to: &TcpStream,
    open: impl Fn() -> bool,
    down: impl Fn() -> bool,
) -> std::io::Result<()> {
    from.set_read_timeout(Some(Duration::from_millis(200)))?;
    let mut bytes = [0; 16 << 10];
    while !down() {
        match from.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(length) if open() => to.write_all(&bytes[..length])?,
            // Swallowed.
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
