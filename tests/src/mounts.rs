//! Processes with their own mounts. Each gets a mount namespace, and a user namespace if that requires one, so that any
//! user may run these tests, nothing on the machine changes, and nothing is left to unmount.
//!
//! Some systems forbid that: a container without the capability, a kernel without user namespaces. There, a file's
//! tests that need mounts are counted as ignored; with the variable `CI` set, they fail.

use std::ffi::OsStr;
use std::process::{Command, ExitCode};
use std::sync::LazyLock;

use libtest_mimic::{Arguments, Trial};

/// The flags of `unshare` with which this user can mount, or why it cannot.
static FLAGS: LazyLock<Result<&'static [&'static str], String>> = LazyLock::new(|| {
    mounts_with(&["--mount"]).map(|()| &["--mount"][..]).or_else(|_| {
        const OWN_USERS: &[&str] = &["--map-root-user", "--mount"];
        mounts_with(OWN_USERS).map(|()| OWN_USERS)
    })
});

/// Mounts a file system with these flags of `unshare`.
fn mounts_with(flags: &[&str]) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut command = Command::new("unshare");
    let tried = command.args(flags).args(["mount", "-t", "tmpfs", "tmpfs"]).arg(folder.path()).output();
    let output = tried.map_err(|error| format!("unshare (util-linux) cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said.trim().to_owned()) }
}

/// A command for a program, which a shell executes after `line`, such as `mount -t tmpfs tmpfs "$FOLDER"`, in its own
/// namespaces.
///
/// # Panics
/// This user cannot mount.
pub fn command_after<A: AsRef<OsStr>>(
    line: &str,
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = A>,
) -> Command {
    let flags = FLAGS.as_ref().unwrap_or_else(|why| panic!("this user may not mount: {why}"));
    let mut command = Command::new("unshare");
    command.args(*flags).args(["sh", "-c", &format!("{line} && exec \"$0\" \"$@\"")]);
    command.arg(program).args(args);
    command
}

/// The `main` of a file of tests that need mounts: runs them as `#[test]` would.
#[must_use]
pub fn run(tests: &[(&str, fn())]) -> ExitCode {
    let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    let left_out = FLAGS.as_ref().err().filter(|_| !in_ci);
    if let Some(why) = left_out {
        eprintln!("\n{} tests are not run, because this user cannot mount: {why}", tests.len());
        eprintln!("run them as root, or allow user namespaces (sysctl user.max_user_namespaces)");
    }
    let trial = |(name, test): &(&str, fn())| {
        let test = *test;
        let trial = Trial::test(*name, move || {
            test();
            Ok(())
        });
        trial.with_ignored_flag(left_out.is_some())
    };
    libtest_mimic::run(&Arguments::from_args(), tests.iter().map(trial).collect()).exit_code()
}
