//! What one process does: with RabbitMQ and PostgreSQL, roles are shared out between processes.

use crate::model::Stage;
use std::collections::BTreeSet;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Pull,
    Normalise,
    Dedupe,
    Publish,
    Serve,
}

impl Role {
    pub const ALL: [Role; 5] = [
        Role::Pull,
        Role::Normalise,
        Role::Dedupe,
        Role::Publish,
        Role::Serve,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Normalise => "normalise",
            Self::Dedupe => "dedupe",
            Self::Publish => "publish",
            Self::Serve => "serve",
        }
    }
}

/// The roles of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles(BTreeSet<Role>);

impl Roles {
    pub fn all() -> Self {
        Self(Role::ALL.into())
    }

    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    pub fn are_all(&self) -> bool {
        self.0.len() == Role::ALL.len()
    }

    /// The stages that this process works on.
    pub fn stages(&self) -> Vec<Stage> {
        Stage::ALL
            .into_iter()
            .filter(|stage| {
                self.has(match stage {
                    Stage::Normalise => Role::Normalise,
                    Stage::Dedupe => Role::Dedupe,
                    Stage::Publish => Role::Publish,
                })
            })
            .collect()
    }
}

impl FromStr for Roles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let roles = text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(|name| {
                Role::ALL
                    .into_iter()
                    .find(|role| role.name() == name)
                    .ok_or_else(|| {
                        format!(
                            "{name:?} is no role: there are pull, normalise, dedupe, publish, serve"
                        )
                    })
            })
            .collect::<Result<BTreeSet<_>, _>>()?;
        if roles.is_empty() {
            return Err("name at least one role".into());
        }
        Ok(Self(roles))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_from_a_list() {
        let roles: Roles = "pull, serve".parse().unwrap();
        assert!(roles.has(Role::Pull) && roles.has(Role::Serve) && !roles.are_all());
        assert!(roles.stages().is_empty());
        assert!(
            "pull,cook"
                .parse::<Roles>()
                .unwrap_err()
                .contains("\"cook\"")
        );
        assert!(",".parse::<Roles>().is_err());
    }
}
