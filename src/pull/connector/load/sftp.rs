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
                    (
                        "un serveur SFTP demande une identification",
                        "an SFTP server wants a login",
                    ),
                    (
                        "écrivez [source.auth] avec kind = \"ssh\", user, et password ou key",
                        "write [source.auth] with kind = \"ssh\", user, and password or key",
                    ),
                );
            }
            return;
        };
        if !by_sftp {
            self.error(
                "source.auth.kind",
                (
                    "une identification par SSH ne sert qu'à une adresse sftp://",
                    "a login by SSH serves an sftp:// address only",
                ),
                (
                    "url = \"sftp://…\", ou une autre forme d'identification",
                    "url = \"sftp://…\", or another kind of auth",
                ),
            );
            return;
        }
        if password.is_none() && key.is_none() {
            self.error(
                "source.auth",
                (
                    "ni `password` ni `key` n'est donné",
                    "neither `password` nor `key` is set",
                ),
                (
                    "ajoutez key = { file = \"CHEMIN\" } ou password = { env = \"NOM\" }",
                    "add key = { file = \"PATH\" } or password = { env = \"NAME\" }",
                ),
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
                    ("le secret est écrit en clair", "the secret stands in clear"),
                    (
                        format!("écrivez {name} = {{ env = \"NOM\" }} ou {{ file = \"CHEMIN\" }}"),
                        format!("write {name} = {{ env = \"NAME\" }} or {{ file = \"PATH\" }}"),
                    ),
                );
            }
        }
        let Some(keys) = host_key else {
            self.warning(
                "source.auth",
                ("la clé du serveur n'est pas fixée : la première lecture sera refusée et dira quelle clé il montre", "the server's key is not pinned: its first run will be refused and say which key it shows"),
                ("comparez-la à celle que donne le service, puis ajoutez host_key = \"SHA256:…\"", "compare that with what the service says, then add host_key = \"SHA256:…\""),
            );
            return self.check_file_by_sftp(source);
        };
        for key in keys.as_slice().iter().filter(|key| !is_host_key(key)) {
            self.error(
                "source.auth.host_key",
                (
                    format!("`{key}` n'est ni une empreinte ni une clé publique"),
                    format!("`{key}` is neither a fingerprint nor a public key"),
                ),
                (
                    "par exemple SHA256:… comme `ssh-keygen -lf` l'écrit, ou ssh-ed25519 AAAA…",
                    "for example SHA256:… as `ssh-keygen -lf` writes it, or ssh-ed25519 AAAA…",
                ),
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
                (
                    "un fichier lu par SFTP n'en a pas",
                    "a file that is fetched by SFTP has none",
                ),
                ("retirez-le", "leave it out"),
            );
        }
    }
}
