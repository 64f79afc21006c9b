//! A token from the application's provider: one question at a time, shared by all calls that wait for its answer.
//!
//! ```text
//!   no token ──a call──▶ asking ──a token──▶ token ──refused by the server──▶ asking
//!      ▲                   └──an error, which the waiting calls return──┐
//!      └────────────────────────────────────────────────────────────────┘
//! ```

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::word::{NoToken, Token};

/// How long a provider may take. The calls that wait have their own deadlines; a later one would wait, too.
const ANSWER_MAX: Duration = Duration::from_secs(30);

type Answering = Pin<Box<dyn Future<Output = Result<String, Box<dyn StdError + Send + Sync>>> + Send>>;

/// Creates tokens.
pub(crate) type Provider = Arc<dyn Fn() -> Answering + Send + Sync>;

type Answer = Result<Token, NoToken>;

pub(crate) struct Provided {
    provider: Provider,
    state: Mutex<State>,
}

enum State {
    None,
    Asking(watch::Receiver<Option<Answer>>),
    Token(Token),
}

impl Provided {
    pub(super) fn new(provider: Provider) -> Self {
        Self { provider, state: Mutex::new(State::None) }
    }

    /// The last token, or the answer to a question.
    pub(super) async fn current(self: &Arc<Self>) -> Answer {
        self.unless(|_| true).await
    }

    /// The last token if it is another one than the refused one, or the answer to a question.
    pub(super) async fn other(self: &Arc<Self>, refused: &Token) -> Answer {
        self.unless(|token| token != refused).await
    }

    async fn unless(self: &Arc<Self>, is_usable: impl Fn(&Token) -> bool) -> Answer {
        let mut answer = match &mut *self.state() {
            State::Token(token) if is_usable(token) => return Ok(token.clone()),
            // A question whose sender is gone without an answer ended with its runtime, or panicked.
            State::Asking(answer) if answer.has_changed().is_ok() => answer.clone(),
            state => {
                let answer = self.ask();
                *state = State::Asking(answer.clone());
                answer
            }
        };
        let answered = answer.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        answered.unwrap_or_else(|| Err(NoToken::new("the token provider ended without an answer")))
    }

    /// Asks in a task of its own, so that a call that gives up does not interrupt an answer that others wait for.
    fn ask(self: &Arc<Self>) -> watch::Receiver<Option<Answer>> {
        let (report, answer) = watch::channel(None);
        let this = self.clone();
        tokio::spawn(async move {
            let answer = match tokio::time::timeout(ANSWER_MAX, (this.provider)()).await {
                Ok(Ok(text)) => Token::new(text.trim_ascii())
                    .map_err(|rule| NoToken::new(format!("the token of the token provider {rule}"))),
                Ok(Err(error)) => Err(NoToken {
                    message: format!("the token provider failed: {error}"),
                    source: Some(error.into()),
                }),
                Err(_) => Err(NoToken::new(format!("the token provider gave none within {ANSWER_MAX:?}"))),
            };
            *this.state() = answer.clone().map_or(State::None, State::Token);
            report.send_replace(Some(answer));
        });
        answer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Answers with the number of the question, in words that `answer` makes of it.
    fn provided(
        answer: fn(usize) -> Result<String, Box<dyn StdError + Send + Sync>>,
    ) -> (Arc<Provided>, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let provider: Provider = Arc::new(move || {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                answer(number)
            })
        });
        (Arc::new(Provided::new(provider)), asked)
    }

    fn token(text: &str) -> Token {
        Token::new(text).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn calls_in_flight_share_one_answer() {
        let (provided, asked) = provided(|number| Ok(format!("token-{number}\n")));
        let all = futures_util::future::join_all((0..100).map(|_| provided.current())).await;
        assert!(all.into_iter().all(|answer| answer.unwrap() == token("token-0")));
        let all =
            futures_util::future::join_all((0..100).map(async |_| provided.other(&token("token-0")).await));
        assert!(all.await.into_iter().all(|answer| answer.unwrap() == token("token-1")));
        assert_eq!(provided.other(&token("token-0")).await.unwrap(), token("token-1"), "renewed meanwhile");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_gives_up_does_not_interrupt_the_answer() {
        let (provided, asked) = provided(|number| Ok(format!("token-{number}")));
        let impatient = tokio::time::timeout(Duration::from_millis(1), provided.current());
        assert!(impatient.await.is_err());
        assert_eq!(provided.current().await.unwrap(), token("token-0"));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_not_kept() {
        let (provided, _) = provided(|number| match number {
            0 => Err("the vault is sealed".into()),
            1 => Ok("s3cret\u{1}".to_owned()),
            2 => panic!("the provider's"),
            _ => Ok("good".to_owned()),
        });
        let error = provided.current().await.unwrap_err().of("keyvalue.get");
        assert_eq!(error.kind(), crate::ErrorKind::Unauthenticated);
        assert!(error.to_string().contains("the vault is sealed"), "{error}");
        assert!(StdError::source(&error).is_some());
        let error = provided.current().await.unwrap_err().of("keyvalue.get").to_string();
        assert!(error.contains("visible ASCII") && !error.contains("s3cret"), "{error}");
        assert!(provided.current().await.unwrap_err().message.contains("without an answer"));
        assert_eq!(provided.current().await.unwrap(), token("good"));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends() {
        let provider: Provider = Arc::new(|| Box::pin(std::future::pending()));
        let error = Arc::new(Provided::new(provider)).current().await.unwrap_err();
        assert!(error.message.contains("within 30s"), "{}", error.message);
    }
}
