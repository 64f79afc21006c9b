//! A progress bar on standard error if it is a terminal; otherwise nothing.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::window::Window;

/// How often the bar moves.
pub(super) const EVERY: Duration = Duration::from_millis(100);

/// The bar, if there is a terminal.
#[derive(Debug)]
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(super) fn new() -> Self {
        Self(io::stderr().is_terminal().then(ProgressBar::no_length))
    }

    pub(super) fn is_visible(&self) -> bool {
        self.0.is_some()
    }

    /// Starts a phase of `steps` steps.
    pub(super) fn phase(&self, name: &'static str, steps: u64) {
        if let Some(bar) = &self.0 {
            // An invalid template leaves the default style.
            if let Ok(style) = ProgressStyle::with_template("{msg:9} [{wide_bar}] {pos}/{len}") {
                bar.set_style(style.progress_chars("##-"));
            }
            bar.reset();
            bar.set_length(steps);
            bar.set_message(name);
        }
    }

    pub(super) fn step(&self) {
        if let Some(bar) = &self.0 {
            bar.inc(1);
        }
    }

    /// Shows the progress of the load, with this many requests measured.
    pub(super) fn load(&self, window: &Window, requests: u64) {
        let Some(bar) = &self.0 else { return };
        let now = Instant::now();
        let measured = now.saturating_duration_since(window.begin);
        if let Ok(style) = ProgressStyle::with_template("{msg} [{wide_bar}]") {
            bar.set_style(style.progress_chars("##-"));
        }
        let (done, all) = match window.end {
            Some(end) => (measured.as_millis(), end.duration_since(window.begin).as_millis()),
            None => (u128::from(requests), u128::from(window.requests_max)),
        };
        bar.set_length(u64::try_from(all).unwrap_or(u64::MAX));
        bar.set_position(u64::try_from(done.min(all)).unwrap_or(u64::MAX));
        if now < window.begin {
            bar.set_message("warming up");
        } else {
            let rate = requests as f64 / measured.as_secs_f64().max(f64::MIN_POSITIVE);
            bar.set_message(format!("{:.1} s, {rate:.0} requests/s", measured.as_secs_f64()));
        }
    }

    /// Removes the bar before results are printed.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
