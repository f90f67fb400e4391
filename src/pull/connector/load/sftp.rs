//! What an SFTP source may say, and must.

use super::Builder;
use crate::fetch::is_host_key;
use crate::pull::connector::file::{Auth, HttpMethod, Paging, SFTP, Source};

impl Builder<'_> {
    pub(super) fn check_sftp(&mut self, source: &Source) {
        let by_sftp = source.url.as_str().starts_with(SFTP);
        let Auth::Ssh {
            password,
            key,
            passphrase,
            host_key,
            ..
        } = &source.auth
        else {
            if by_sftp {
                self.error(
                    "source.auth",
                    "an SFTP server wants a login",
                    "write [source.auth] with kind = \"ssh\", user, and password or key",
                );
            }
            return;
        };
        if !by_sftp {
            self.error(
                "source.auth.kind",
                "a login by SSH serves an sftp:// address only",
                "url = \"sftp://…\", or another kind of auth",
            );
            return;
        }
        if password.is_none() && key.is_none() {
            self.error(
                "source.auth",
                "neither `password` nor `key` is set",
                "add key = { file = \"PATH\" } or password = { env = \"NAME\" }",
            );
        }
        for (name, text) in [
            ("password", password),
            ("key", key),
            ("passphrase", passphrase),
        ] {
            if text.as_ref().is_some_and(|text| !text.has_secret()) {
                self.error(
                    &format!("source.auth.{name}"),
                    "the secret stands in clear",
                    format!("write {name} = {{ env = \"NAME\" }} or {{ file = \"PATH\" }}"),
                );
            }
        }
        let Some(keys) = host_key else {
            self.warning(
                "source.auth",
                "the server's key is not pinned: its first run will be refused and say which key it shows",
                "compare that with what the service says, then add host_key = \"SHA256:…\"",
            );
            return self.check_file_by_sftp(source);
        };
        for key in keys.as_slice().iter().filter(|key| !is_host_key(key)) {
            self.error(
                "source.auth.host_key",
                format!("`{key}` is neither a fingerprint nor a public key"),
                "for example SHA256:… as `ssh-keygen -lf` writes it, or ssh-ed25519 AAAA…",
            );
        }
        self.check_file_by_sftp(source);
    }

    /// A file is not asked by parameters, and not page by page.
    fn check_file_by_sftp(&mut self, source: &Source) {
        let set = [
            ("source.paging", !matches!(source.paging, Paging::None)),
            ("source.since", source.since.is_some()),
            ("source.query", !source.query.is_empty()),
            ("source.headers", !source.headers.is_empty()),
            ("source.body", source.body.is_some()),
            ("source.method", source.method != HttpMethod::Get),
        ];
        for (key, _) in set.into_iter().filter(|(_, set)| *set) {
            self.error(
                key,
                "a file that is fetched by SFTP has none",
                "leave it out",
            );
        }
    }
}
