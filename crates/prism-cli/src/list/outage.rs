//! A gateway that is away: waiting until it is back, as a follower does.

use std::fmt::Arguments;
use std::io::{self, Write as _};
use std::time::Duration;

use humantime::format_duration;
use prism_client::{Error, ErrorKind};
use tokio::time::{Instant, timeout_at};

/// The pause before a call is made again doubles from this, up to the other. The call itself makes several attempts.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long to wait for a gateway that is away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// `None`: until it is back.
    pub(super) at_most: Option<Duration>,
}

/// Whether a call failed because the gateway, or the backend behind it, is away. A certificate that is not trusted stays so.
pub(super) fn is_outage(error: &Error) -> bool {
    let is_away = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::DeadlineExceeded);
    is_away && (error.is_retryable() || !error.is_tls())
}

/// Says something on standard error. Nobody may read it any more, and the values are still wanted.
pub(super) fn tell(what: Arguments<'_>) {
    let _ = writeln!(io::stderr(), "prism: {what}");
}

impl Patience {
    /// Makes the call again and again until the outage is over that `error` has shown, and that has lasted since `begun`. Says on
    /// standard error that it waits, and when the waiting ends.
    ///
    /// # Errors
    /// The first that is no outage, or the last one when patience ends, also during a call.
    pub(super) async fn until_back<T>(
        self,
        mut error: Error,
        begun: Instant,
        call: impl AsyncFn() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let bound =
            self.at_most.map(|most| format!(" for at most {}", format_duration(most))).unwrap_or_default();
        tell(format_args!("{error}; waiting{bound} until the gateway is back"));
        let mut pause = PAUSE_MIN;
        let is_back = async {
            loop {
                // Those who have lost it together do not come back together.
                tokio::time::sleep(pause.mul_f64(1.0 - fastrand::f64() / 2.0)).await;
                pause = (pause * 2).min(PAUSE_MAX);
                match call().await {
                    Err(again) if is_outage(&again) => error = again,
                    // A refusal is an answer, too.
                    answered => return answered,
                }
            }
        };
        let answered = match self.at_most {
            None => Ok(is_back.await),
            Some(most) => timeout_at(begun + most, is_back).await,
        };
        let Ok(answered) = answered else { return Err(error) };
        tell(format_args!("the gateway is back"));
        answered
    }
}
