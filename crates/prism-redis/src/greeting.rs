//! What a server says about itself when a connection is made, and whether that is what is expected of it.

use crate::answer::{info_field, map_field, text};
use crate::resp::Value;

/// The first two numbers of a version.
pub(crate) type Version = (u32, u32);

/// The oldest version that is supported: the first in which `HELLO` takes no argument.
const VERSION_MIN: Version = (6, 2);

/// What a server says about itself when a connection is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// `redis` or `valkey`.
    pub(crate) product: String,
    pub(crate) version: String,
    /// `standalone`, `cluster` or `sentinel`.
    pub(crate) mode: String,
    /// `master` or `replica`.
    pub(crate) role: String,
    /// Changes whenever the server starts; `None` if the user may not read it.
    pub(crate) run_id: Option<String>,
}

/// What a server must be for a connection to it to be of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A server that holds data: the primary.
    Primary,
    /// Any node of a cluster: replicas know the slots as well.
    ClusterNode,
    /// A sentinel.
    Sentinel,
}

impl Greeting {
    /// The version, as far as it is written in numbers.
    fn numbers(&self) -> Version {
        let mut numbers = self.version.split('.').map_while(|number| number.parse().ok());
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    /// Whether it is a Valkey of this version or a later one.
    pub(crate) fn is_valkey_since(&self, version: Version) -> bool {
        self.product == "valkey" && self.numbers() >= version
    }

    /// Reads the answers of `HELLO` and `INFO server`; `None` if the first is not that of Redis 6.2 or Valkey.
    pub(crate) fn read(hello: &Value, info: &Value) -> Option<Self> {
        let field = |name: &str| map_field(hello, name).map(str::to_owned);
        Some(Self {
            product: field("server")?,
            version: field("version")?,
            mode: field("mode")?,
            role: field("role").unwrap_or_default(),
            run_id: text(info).and_then(|info| info_field(info, "run_id")).map(str::to_owned),
        })
    }
}

/// Whether the server is what is expected; if not, what it is instead.
pub(crate) fn check(greeting: &Greeting, expected: Expected) -> Result<(), String> {
    let Greeting { version, mode, role, .. } = greeting;
    if greeting.numbers() < VERSION_MIN {
        return Err(format!("has version {version}; the oldest that is supported is 6.2"));
    }
    match (expected, mode.as_str()) {
        (Expected::Sentinel, "sentinel") | (Expected::ClusterNode, "cluster") => Ok(()),
        (Expected::Sentinel, _) => {
            Err("is not a sentinel: name the sentinels, or leave sentinel out".to_owned())
        }
        (_, "sentinel") => {
            Err("is a sentinel: set sentinel to the name under which it knows the primary".to_owned())
        }
        (Expected::ClusterNode, _) => Err("is not a node of a cluster: leave cluster out".to_owned()),
        (Expected::Primary, "cluster") => Err("is a node of a cluster: set cluster".to_owned()),
        (Expected::Primary, _) if role == "master" => Ok(()),
        (Expected::Primary, _) => {
            Err("is a replica: name the primary, or the sentinels that know it".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_another_kind_is_named() {
        let told = |version: &str, mode: &str, role: &str, expected| {
            let greeting = Greeting {
                version: version.to_owned(),
                mode: mode.to_owned(),
                role: role.to_owned(),
                ..Greeting::default()
            };
            check(&greeting, expected).err().unwrap_or_default()
        };
        assert_eq!(told("7.0.15", "standalone", "master", Expected::Primary), "");
        assert_eq!(told("10.0.1", "cluster", "replica", Expected::ClusterNode), "");
        assert_eq!(told("6.2.0", "sentinel", "", Expected::Sentinel), "");
        assert!(told("6.0.20", "standalone", "master", Expected::Primary).contains("6.2"));
        assert!(told("garbage", "standalone", "master", Expected::Primary).contains("6.2"));
        assert!(told("7.0", "cluster", "master", Expected::Primary).contains("set cluster"));
        assert!(told("7.0", "sentinel", "", Expected::Primary).contains("is a sentinel"));
        assert!(told("7.0", "sentinel", "", Expected::ClusterNode).contains("is a sentinel"));
        assert!(told("7.0", "standalone", "master", Expected::ClusterNode).contains("leave cluster out"));
        assert!(told("7.0", "standalone", "master", Expected::Sentinel).contains("not a sentinel"));
        assert!(told("7.0", "standalone", "replica", Expected::Primary).contains("is a replica"));
    }
}
