//! `prism list tail`: follows a queue, and removes a value only once it has been printed.

use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use clap::Args;
use prism_client::{Error, ErrorReason, Lease, List};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::outage::{Patience, is_outage, tell};
use super::reserve::Delivered;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::time::time;

/// How long one call waits for a value.
const WAIT: Duration = Duration::from_secs(60);

/// How little time a call may be given.
const CALL_MAX_MIN: Duration = Duration::from_secs(1);

/// How long to pause after a wait without a value: a server that drains ends its waits at once.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Print the values of a list as they come, each on a line, escaped, until Ctrl-C, or until the reader of the output goes away.
///
/// A value is reserved, printed, and only then removed. If it cannot be printed, it returns to the list. So a value may be printed
/// twice, but none is lost before it is printed.
///
/// If the gateway goes away, it waits until it is back. A gateway that is not there from the first is an error.
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

    /// Give up if the gateway is away for longer than this [default: wait until it is back].
    #[arg(long, value_name = "TIME", value_parser = time)]
    give_up_after: Option<Duration>,
}

impl Tail {
    pub(super) async fn run(self, list: &List, mut output: Output) -> Result<Exit, Failure> {
        let mut stopped = pin!(stopped()?);
        let mut has_answered = false;
        loop {
            let lease = tokio::select! {
                biased;
                () = &mut stopped => return Ok(Exit::Success),
                lease = self.next(list, &mut has_answered) => lease?,
            };
            if let Err(error) = print(&lease, &mut output) {
                // Should this fail, the values return when the lease ends.
                let _ = lease.release().await;
                return Err(error.into());
            }
            if !self.remove(&lease, stopped.as_mut()).await? {
                return Ok(Exit::Success);
            }
        }
    }

    /// Removes what has been printed; false if it was stopped while the gateway was away.
    async fn remove(
        &self,
        lease: &Lease,
        stopped: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<bool, Failure> {
        let begun = Instant::now();
        let removed = match lease.ack().await {
            Err(error) if is_outage(&error) => tokio::select! {
                biased;
                () = stopped => {
                    tell(format_args!("the last value could not be removed: it may be printed again"));
                    return Ok(false);
                }
                removed = self.patience().until_back(error, begun, async || lease.ack().await) => removed,
            },
            removed => removed,
        };
        match removed {
            Err(error) if error.reason() == Some(ErrorReason::LeaseEnded) => {
                // An attempt whose answer was lost may have removed it.
                tell(format_args!(
                    "the lease has ended: unless its value was removed before, it may be printed again"
                ));
            }
            removed => drop(removed?),
        }
        Ok(true)
    }

    /// Waits for the next value, however long. The first call does not wait: a gateway that is not there is an error then, as with any
    /// command, and an outage later.
    async fn next(&self, list: &List, has_answered: &mut bool) -> Result<Lease, Failure> {
        loop {
            let wait = if *has_answered { self.wait() } else { Duration::ZERO };
            let due = Instant::now() + wait;
            let lease = match self.reserve(list, wait).await {
                Err(error) if *has_answered && is_outage(&error) => {
                    // Without a wait, so that it is known at once that the gateway is back.
                    let begun = due.min(Instant::now());
                    self.patience()
                        .until_back(error, begun, async || self.reserve(list, Duration::ZERO).await)
                        .await?
                }
                lease => lease?,
            };
            *has_answered = true;
            if let Some(lease) = lease {
                return Ok(lease);
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    async fn reserve(&self, list: &List, wait: Duration) -> Result<Option<Lease>, Error> {
        let call = list.reserve(self.key.as_str()).lease(self.lease).wait(wait);
        let call = if self.right { call.from_right() } else { call };
        call.await
    }

    /// How long a call may take, besides what it waits for: a gateway that does not answer is found to be away by then.
    pub(super) fn call_max(&self) -> Option<Duration> {
        self.give_up_after.map(|most| most.max(CALL_MAX_MIN))
    }

    fn wait(&self) -> Duration {
        self.call_max().map_or(WAIT, |most| most.min(WAIT))
    }

    fn patience(&self) -> Patience {
        Patience { at_most: self.give_up_after }
    }
}

/// Completes at Ctrl-C, and when the reader of standard output has gone.
fn stopped() -> Result<impl Future<Output = ()>, Failure> {
    let mut interrupt = Interrupt::take()?;
    let closed = output_closed()?;
    Ok(async move {
        tokio::select! {
            () = interrupt.next() => {}
            () = closed => {}
        }
    })
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
