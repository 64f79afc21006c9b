//! Questions for a token, from the background thread to the thread of `prism/_tokens.py` that calls the application's
//! function: neither the background thread nor a call that waits may run Python code.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prism_client::Builder;
use pyo3::prelude::*;
use tokio::sync::oneshot;

use crate::arguments::text;
use crate::runtime::Local;

/// How long `next` waits: so late does its thread notice that nobody uses the client any more.
const NEXT_MAX: Duration = Duration::from_secs(1);

type Answer = oneshot::Sender<Result<String, String>>;

/// The questions of one client, in the process that asks them.
#[pyclass(frozen, module = "prism._native")]
pub(crate) struct TokenQuestions(Local<Arc<Mutex<Receiver<Answer>>>>);

/// A question that waits for its answer.
#[pyclass(frozen, module = "prism._native")]
pub(crate) struct TokenQuestion(Mutex<Option<Answer>>);

/// Settings whose client asks for its tokens, and the questions.
pub(crate) fn asking(settings: Builder) -> (Builder, TokenQuestions) {
    let (ask, questions) = mpsc::channel();
    let settings = settings.token_provider(move || {
        let (answer, answered) = oneshot::channel();
        let asked = ask.send(answer);
        async move {
            match (asked, answered.await) {
                (Ok(()), Ok(answer)) => answer,
                _ => Err("nobody answers".to_owned()),
            }
        }
    });
    (settings, TokenQuestions(Local::new(Arc::new(Mutex::new(questions)))))
}

impl TokenQuestions {
    pub(crate) fn handle(&self) -> Option<Self> {
        self.0.get().map(|questions| Self(Local::new(questions.clone())))
    }
}

#[pymethods]
impl TokenQuestions {
    /// The next question; `None` if there is none for a second.
    fn next(&self, py: Python<'_>) -> Option<TokenQuestion> {
        let questions = self.0.get()?;
        let next =
            py.detach(|| questions.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(NEXT_MAX));
        next.ok().map(|answer| TokenQuestion(Mutex::new(Some(answer))))
    }
}

#[pymethods]
impl TokenQuestion {
    /// The calls that wait are sent with this token.
    fn answer(&self, token: &Bound<'_, PyAny>) -> PyResult<()> {
        self.settle(Ok(text(token, "token")?));
        Ok(())
    }

    /// The calls that wait fail, for this reason.
    fn fail(&self, reason: &Bound<'_, PyAny>) -> PyResult<()> {
        self.settle(Err(text(reason, "reason")?));
        Ok(())
    }
}

impl TokenQuestion {
    fn settle(&self, answer: Result<String, String>) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waiting) = waiting {
            // If this fails, no call waits any more.
            let _ = waiting.send(answer);
        }
    }
}
