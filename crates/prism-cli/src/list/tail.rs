//! `prism list tail`: follows a queue, and removes a value only once it has been printed.

use std::io;
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use prism_client::{ErrorReason, Lease, List};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::oneshot;

use super::reserve::Delivered;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::time::time;

/// How long one call waits for a value.
const WAIT: Duration = Duration::from_secs(60);

/// How long to pause after a wait without a value: a server that drains ends its waits at once.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Print the values of a list as they come, each on a line, escaped, until Ctrl-C, or until the reader of the output goes away.
///
/// A value is reserved, printed, and only then removed. If it cannot be printed, it returns to the list. So a value may be printed
/// twice, but none is lost before it is printed.
#[derive(Args, Debug)]
pub(crate) struct Tail {
    /// The list.
    key: String,

    /// Take the values from the right end.
    #[arg(long)]
    right: bool,

    /// After which time a value that is not printed returns to the list, should this process die; at most 12h.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "30s")]
    lease: Duration,
}

impl Tail {
    pub(super) async fn run(self, list: &List, mut output: Output) -> Result<Exit, Failure> {
        let mut interrupt = Interrupt::take()?;
        let mut closed = pin!(output_closed()?);
        loop {
            let lease = tokio::select! {
                biased;
                () = interrupt.next() => return Ok(Exit::Success),
                () = &mut closed => return Ok(Exit::Success),
                lease = self.next(list) => lease?,
            };
            if let Err(error) = print(&lease, &mut output) {
                // Should this fail, the values return when the lease ends.
                let _ = lease.release().await;
                return Err(error.into());
            }
            match lease.ack().await {
                Err(error) if error.reason() == Some(ErrorReason::LeaseEnded) => {
                    eprintln!("prism: the lease ended before the value was printed: it may be printed again");
                }
                acknowledged => drop(acknowledged?),
            }
        }
    }

    /// Waits for the next value, however long.
    async fn next(&self, list: &List) -> Result<Lease, Failure> {
        loop {
            let call = list.reserve(self.key.as_str()).lease(self.lease).wait(WAIT);
            let call = if self.right { call.from_right() } else { call };
            if let Some(lease) = call.await? {
                return Ok(lease);
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }
}

fn print(lease: &Lease, output: &mut Output) -> io::Result<()> {
    for value in lease.values() {
        output.write(&Delivered::from(value))?;
    }
    output.flush()
}

/// Completes when the reader of standard output has gone, even while there is nothing to write. A file never does.
fn output_closed() -> Result<impl Future<Output = ()>, Failure> {
    let (closed, is_closed) = oneshot::channel();
    let watch = move || {
        let stdout = io::stdout();
        loop {
            // Without events asked for, only the end is reported.
            match poll(&mut [PollFd::new(&stdout, PollFlags::empty())], None) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => {
                    // If this fails, the command has ended first.
                    let _ = closed.send(());
                    return;
                }
                // The next write finds out.
                Err(_) => return,
            }
        }
    };
    // The thread ends with the process.
    let watching = std::thread::Builder::new().name("output".to_owned()).spawn(watch);
    watching.map_err(|error| Failure::File(format!("cannot start a thread: {error}")))?;
    Ok(async {
        if is_closed.await.is_err() {
            std::future::pending().await
        }
    })
}
