//! `prism shell`: lines from a file and from a terminal.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use prism_e2e::dev::{Dev, Ran};
use prism_e2e::process::binary;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn lines(dev: &Dev, input: &str) -> Ran {
    let mut shell = dev.prism(&["shell"]);
    Ran::of(shell.env("PRISM_TIMEOUT", "1min"), input.as_bytes())
}

#[test]
fn lines_of_a_file_are_commands_and_the_last_one_is_the_exit_code() {
    let dev = Dev::start();
    let ran = lines(
        &dev,
        "# remark\nkv set 'user 1' \"Ada L\" # another\nkv get 'user 1'\nkv get none\n\nexit\nkv set a b\n",
    );
    assert_eq!((ran.out.as_slice(), ran.code), (&b"OK\nAda L"[..], 0), "{ran:?}");
    assert!(ran.err.contains("KEY_NOT_FOUND"), "{ran:?}");
    assert_eq!(lines(&dev, "kv get none").code, 3);
    assert_eq!(lines(&dev, "kv get 'none\n").code, 2);
    assert_eq!(lines(&dev, "kv gets\n").code, 2);
    let ran = lines(&dev, "kv get a\n");
    assert_eq!(ran.code, 3, "what follows exit is not run: {ran:?}");
}

#[test]
fn a_namespace_holds_until_the_next_and_that_of_a_command_for_it_alone() {
    let dev = Dev::start();
    let created = dev.run(&[
        "namespaces",
        "create",
        "orders",
        "--pattern",
        "keyvalue",
        "--endpoint",
        "embedded:memstore",
    ]);
    assert_eq!(created.code, 0, "{created:?}");
    let ran = lines(
        &dev,
        "-n orders\nkv set a there\n-n default\nkv set a here\nkv get a -n orders\nkv get a\n-n Orders\n",
    );
    assert_eq!(String::from_utf8_lossy(&ran.out), "OK\nOK\ntherehere", "{ran:?}");
    assert!(ran.err.contains("a-z"), "{ran:?}");
}

#[test]
fn the_options_of_the_shell_are_those_of_its_commands() {
    let dev = Dev::start();
    // The variable is that of the test; the flag comes first.
    let mut shell = dev.prism(&["shell", "--address", dev.address("grpc"), "-n", "none"]);
    let ran =
        Ran::of(shell.env("PRISM_ADDRESS", "127.0.0.1:1").env("PRISM_NAMESPACE", "default"), b"kv get a\n");
    assert!(ran.code == 1 && ran.err.contains("namespace none is not configured"), "{ran:?}");
    let ran = Ran::of(&mut dev.prism(&["shell", "--ca-file", "/none"]), b"kv get a\n");
    assert!(ran.code == 4 && ran.err.contains("/none"), "{ran:?}");
}

/// A shell on a terminal that `script` makes.
struct Terminal {
    shell: Child,
    keys: ChildStdin,
    screen: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    fn start(dev: &Dev, options: &str) -> Self {
        let mut command = dev.prism(&[]);
        // `exec`: a shell between would die of the Ctrl-C that is meant for a command.
        let shell = format!("exec {} shell {options}", binary("prism").display());
        let mut script = std::process::Command::new("script");
        for (name, value) in command.env("TERM", "xterm").env("PRISM_TIMEOUT", "1min").get_envs() {
            script.env(name, value.unwrap());
        }
        script.args(["--quiet", "--flush", "--return", "--command", &shell, "/dev/null"]);
        let mut shell = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (keys, mut out) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
        let (send, screen) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(len @ 1..) = out.read(&mut buffer) {
                if send.send(buffer[..len].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { shell, keys, screen, seen: String::new() }
    }

    /// Waits until the screen has shown `text`, and forgets what came before it.
    fn expect(&mut self, text: &str) {
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            let more = self.screen.recv_timeout(PATIENCE);
            let more = more.unwrap_or_else(|_| panic!("{text:?} is not shown; last: {:?}", self.seen));
            write!(self.seen, "{}", String::from_utf8_lossy(&more)).unwrap();
        }
    }

    fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn end(mut self) {
        self.keys("\u{4}");
        assert_eq!(self.shell.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn tab_completes_ctrl_c_ends_the_command_and_lines_are_kept() {
    let dev = Dev::start();
    for words in [
        ["kv", "set", "user:ada", "1"],
        ["kv", "set", "user:bob", "2"],
        ["list", "push-left", "queue", "job"],
    ] {
        assert_eq!(dev.run(&words).code, 0);
    }
    let history = dev.folder().join("kept/history");
    let options = format!("--history-file {}", history.display());
    let mut terminal = Terminal::start(&dev, &options);
    terminal.expect("default> ");
    terminal.keys("kv get us\t\t");
    terminal.expect("user:ada");
    terminal.expect("user:bob");
    terminal.keys("b\t\r");
    terminal.expect("\n2");
    terminal.expect("default> ");
    // The command, its verb and the only list.
    terminal.keys("lis\tleng\tq\t\r");
    terminal.expect("\n1");
    terminal.expect("default> ");
    terminal.keys("list tail queue\r");
    terminal.expect("\njob");
    terminal.keys("\u{3}");
    terminal.expect("default> ");
    terminal.keys("-n orders\r");
    terminal.expect("orders> ");
    terminal.end();
    let kept = std::fs::read_to_string(&history).unwrap();
    for line in ["kv get user:bob", "list length queue", "list tail queue", "-n orders"] {
        assert!(kept.lines().any(|kept| kept.trim_end() == line), "{line} is not in {kept}");
    }
    let mut terminal = Terminal::start(&dev, &options);
    terminal.expect("default> ");
    // Up, up, up: beyond `-n orders` and `list tail`.
    terminal.keys("\u{1b}[A\u{1b}[A\u{1b}[A\r");
    terminal.expect("list length queue");
    terminal.expect("default> ");
    terminal.end();
}
