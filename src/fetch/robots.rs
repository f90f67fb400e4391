//! `robots.txt` (RFC 9309): what a site asks those who read its pages by machine to leave alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Largest file that is read; what follows is left out, as the RFC allows.
pub(super) const MOST_BYTES: u64 = 512 << 10;
/// How long what a site said holds.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// … and how long its silence does.
const SILENCE: Duration = Duration::from_secs(10 * 60);
/// Sites that are remembered.
const SITES: usize = 1000;

/// What one site allows to one reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Robots {
    /// Its rules for us, as they stand in the file.
    Rules(Vec<Rule>),
    /// It could not be asked: nothing is allowed before it has answered.
    Silent(String),
}

/// `Allow: /a` or `Disallow: /a`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    allow: bool,
    pattern: String,
}

impl Robots {
    /// The rules for `agent`: those of the groups that name it, else those for all.
    pub fn parse(text: &str, agent: &str) -> Self {
        let mut own: Option<Vec<Rule>> = None;
        let mut all = Vec::new();
        let (mut names_us, mut names_all, mut in_agents) = (false, false, false);
        for line in text.trim_start_matches('\u{feff}').lines() {
            let line = line.split('#').next().unwrap_or_default();
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim();
            let allow = match key.trim().to_ascii_lowercase().as_str() {
                "user-agent" => {
                    if !in_agents {
                        (names_us, names_all) = (false, false);
                    }
                    in_agents = true;
                    names_us |= value.eq_ignore_ascii_case(agent);
                    names_all |= value == "*";
                    if names_us {
                        own.get_or_insert_default();
                    }
                    continue;
                }
                "allow" => true,
                "disallow" => false,
                _ => continue,
            };
            in_agents = false;
            if value.is_empty() {
                continue;
            }
            let rule = Rule {
                allow,
                pattern: value.to_owned(),
            };
            if names_us {
                own.get_or_insert_default().push(rule.clone());
            }
            if names_all {
                all.push(rule);
            }
        }
        Self::Rules(own.unwrap_or(all))
    }

    /// Why `path` (with its query) must be left alone, if it must: the longest pattern that matches
    /// decides, and of two as long the one that allows.
    pub fn forbids(&self, path: &str) -> Option<String> {
        let rules = match self {
            Self::Silent(why) => return Some(why.clone()),
            Self::Rules(rules) => rules,
        };
        let best = rules
            .iter()
            .filter(|rule| matches(path, &rule.pattern))
            .max_by_key(|rule| (rule.pattern.len(), rule.allow))?;
        (!best.allow).then(|| format!("its robots.txt says `Disallow: {}`", best.pattern))
    }
}

/// Whether `path` begins with `pattern`, where `*` stands for anything and `$` for the end.
fn matches(path: &str, pattern: &str) -> bool {
    let (pattern, whole) = match pattern.strip_suffix('$') {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    let mut starred = false;
    while let Some(part) = parts.next() {
        starred = true;
        if whole && parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    !whole || starred || rest.is_empty()
}

/// What sites said, by origin.
#[derive(Clone, Debug, Default)]
pub(super) struct Known(Arc<Mutex<HashMap<String, (Instant, Robots)>>>);

impl Known {
    pub fn get(&self, origin: &str) -> Option<Robots> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, robots) = known.get(origin)?;
        let kept = match robots {
            Robots::Rules(_) => KEPT,
            Robots::Silent(_) => SILENCE,
        };
        (at.elapsed() < kept).then(|| robots.clone())
    }

    pub fn put(&self, origin: String, robots: Robots) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= SITES {
            known.clear();
        }
        known.insert(origin, (Instant::now(), robots));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\u{feff}# sections\n\
        User-agent: *\nDisallow: /prive/\nDisallow: /*?tri=\nAllow: /prive/offres\nDisallow: /*.pdf$\n\n\
        user-agent: Passerelle\nUser-Agent: autre\nDisallow: /recherche # lente\nCrawl-delay: 10\n\n\
        User-agent: banni\nDisallow: /\n\n\
        User-agent: libre\nDisallow:\n";

    #[test]
    fn the_longest_rule_of_the_own_group_decides() {
        for (agent, path, allowed) in [
            ("inconnu", "/offres", true),
            ("inconnu", "/prive/x", false),
            ("inconnu", "/prive/offres/1", true),
            ("inconnu", "/liste?tri=date", false),
            ("inconnu", "/a.pdf", false),
            ("inconnu", "/a.pdf?x", true),
            ("passerelle", "/prive/x", true),
            ("PASSERELLE", "/recherche?q=a", false),
            ("autre", "/recherche", false),
            ("banni", "/", false),
            ("banni", "/robots", false),
            ("libre", "/prive/x", true),
        ] {
            let robots = Robots::parse(FILE, agent);
            assert_eq!(robots.forbids(path).is_none(), allowed, "{agent} {path}");
        }
        let why = Robots::parse(FILE, "banni").forbids("/offres");
        assert_eq!(why.as_deref(), Some("its robots.txt says `Disallow: /`"));
    }

    #[test]
    fn what_is_no_file_of_rules_allows_all() {
        for text in ["", "<!doctype html><p>404", "Disallow: /", "User-agent *"] {
            assert_eq!(
                Robots::parse(text, "passerelle").forbids("/x"),
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn patterns() {
        for (path, pattern, expected) in [
            ("/fish.html", "/fish", true),
            ("/Fish", "/fish", false),
            ("/x/fish", "/*fish", true),
            ("/x.php", "/*.php$", true),
            ("/x.php5", "/*.php$", false),
            ("/a", "/a$", true),
            ("/ab", "/a$", false),
            ("/ab", "/a*$", true),
            ("/a/b/c", "/a*c*", true),
        ] {
            assert_eq!(matches(path, pattern), expected, "{path} {pattern}");
        }
    }
}
