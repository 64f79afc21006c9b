//! The machine that produced the figures: absolute times mean nothing without it.

use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::process::{cores, own_binary};

/// Its description.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    /// The versions of all participants, by name.
    pub(crate) versions: Vec<(String, String)>,
}

impl Machine {
    /// This machine, and the versions of `programs` (name, flag that asks for the version).
    pub(crate) fn describe(programs: &[(&str, &str)]) -> anyhow::Result<Self> {
        let uname = rustix::system::uname();
        let mut versions = vec![("prism".to_owned(), prism_version()?)];
        for (program, flag) in programs {
            versions.push(((*program).to_owned(), version(program, flag)));
        }
        Ok(Self {
            cpu: cpu_model(&std::fs::read_to_string("/proc/cpuinfo")?),
            cores: cores(),
            memory_gib: memory_gib(&std::fs::read_to_string("/proc/meminfo")?),
            kernel: format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
            versions,
        })
    }
}

fn cpu_model(cpuinfo: &str) -> String {
    let named = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    named.map_or("unknown CPU", |line| line.trim_start_matches([' ', '\t', ':'])).to_owned()
}

fn memory_gib(meminfo: &str) -> f64 {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0);
    kib / f64::from(1 << 20)
}

/// The version of the workspace, and the commit if this is a checkout.
fn prism_version() -> anyhow::Result<String> {
    let version = version(own_binary("prism-proxy")?, "--version");
    let git = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let commit = git.ok().filter(|output| output.status.success());
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    Ok(commit.map_or_else(|| version.clone(), |commit| format!("{version} ({commit})")))
}

/// The first line that a program prints when asked for its version.
pub(crate) fn version(program: impl AsRef<std::ffi::OsStr>, flag: &str) -> String {
    let Ok(output) = Command::new(program.as_ref()).arg(flag).output() else { return "unknown".to_owned() };
    let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&said).lines().next().unwrap_or("unknown").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_and_the_memory_are_read() {
        let cpuinfo =
            "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 7B13\nprocessor\t: 1\n";
        assert_eq!(cpu_model(cpuinfo), "AMD EPYC 7B13");
        assert_eq!(cpu_model(""), "unknown CPU");
        assert_eq!(memory_gib("MemTotal:       25165824 kB\nMemFree: 1 kB\n"), 24.0);
    }
}
