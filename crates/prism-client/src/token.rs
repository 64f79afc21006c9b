//! The token that calls send as `authorization: Bearer TOKEN`: a fixed one, one from a file, or one from a provider.
//!
//! A file is read again once a second. A provider is asked when the client has no token. Both are asked again when the
//! server refuses what a call has sent; the calls in flight share the answer.

mod provided;
mod word;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;

use provided::Provided;
pub(crate) use provided::Provider;
use word::check;
pub(crate) use word::{NoToken, Token};

/// How long the content of a file is used before it is read again.
const FILE_READ_EVERY: Duration = Duration::from_secs(1);

/// The largest token: what servers accept as headers, among them Prism's.
const TOKEN_BYTES_MAX: u64 = 16 * 1024;

/// Where a client's token comes from.
#[derive(Clone)]
pub(crate) enum Source {
    Fixed(String),
    File(PathBuf),
    Provider(Provider),
}

/// The tokens of one client.
pub(crate) enum Tokens {
    /// It sends none, or its metadata has a fixed one.
    Settled,
    File(FromFile),
    Provided(Arc<Provided>),
}

impl Tokens {
    /// The token to send; `None` if the client's metadata has what it sends.
    pub(crate) async fn current(&self) -> Result<Option<Token>, NoToken> {
        match self {
            Self::Settled => Ok(None),
            Self::File(file) => file.current().map(Some),
            Self::Provided(provided) => provided.current().await.map(Some),
        }
    }

    /// Another token than the one that was refused; `None` if there is no other.
    pub(crate) async fn other(&self, refused: &Token) -> Result<Option<Token>, NoToken> {
        let token = match self {
            Self::Settled => return Ok(None),
            Self::File(file) => file.read()?,
            Self::Provided(provided) => provided.other(refused).await?,
        };
        Ok(Some(token).filter(|token| token != refused))
    }
}

impl From<Option<Source>> for Tokens {
    fn from(source: Option<Source>) -> Self {
        match source {
            None | Some(Source::Fixed(_)) => Self::Settled,
            Some(Source::File(path)) => Self::File(FromFile { path, read: Mutex::default() }),
            Some(Source::Provider(provider)) => Self::Provided(Arc::new(Provided::new(provider))),
        }
    }
}

/// A token that is the only word of a file.
pub(crate) struct FromFile {
    path: PathBuf,
    /// The token, and when it was read.
    read: Mutex<Option<(Token, Instant)>>,
}

impl FromFile {
    /// The token of the last second. A file that has become unusable since it was first read changes nothing: whether its
    /// token still serves is the server's to say.
    fn current(&self) -> Result<Token, NoToken> {
        let last = self.last().clone();
        match last {
            Some((token, at)) if at.elapsed() < FILE_READ_EVERY => Ok(token),
            None => self.read(),
            Some((token, _)) => self.read().or_else(|error| {
                tracing::warn!(error = error.message, "keeping the token that was read before");
                *self.last() = Some((token.clone(), Instant::now()));
                Ok(token)
            }),
        }
    }

    /// Reads the file. It is small and local, so it is read in place: that takes less than handing it to a thread.
    fn read(&self) -> Result<Token, NoToken> {
        let token = read(&self.path)?;
        *self.last() = Some((token.clone(), Instant::now()));
        Ok(token)
    }

    fn last(&self) -> MutexGuard<'_, Option<(Token, Instant)>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token in a file, by the rules of [`Builder::token_file`](crate::Builder::token_file), for programs that send it
/// themselves.
///
/// # Errors
///
/// `Unauthenticated` if the file cannot be read, or has anything but one token.
pub fn read_token_file(path: &Path) -> Result<String, Error> {
    word_of(path).map_err(|none| none.of("client"))
}

fn read(path: &Path) -> Result<Token, NoToken> {
    Token::new(&word_of(path)?).map_err(|rule| unusable(path, rule))
}

fn word_of(path: &Path) -> Result<String, NoToken> {
    let text = read_text(path).map_err(|error| NoToken {
        message: format!("cannot read the token file {}: {error}", path.display()),
        source: Some(Arc::new(error)),
    })?;
    let word = text.trim_ascii();
    check(word).map_err(|rule| unusable(path, rule))?;
    Ok(word.to_owned())
}

fn unusable(path: &Path, rule: &str) -> NoToken {
    NoToken::new(format!("the token in {} {rule}", path.display()))
}

fn read_text(path: &Path) -> io::Result<String> {
    // Opening a pipe would wait for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut text = String::new();
    let read = File::open(path)?.take(TOKEN_BYTES_MAX + 1).read_to_string(&mut text)?;
    if read as u64 > TOKEN_BYTES_MAX {
        let message = format!("it has more than {TOKEN_BYTES_MAX} bytes, the maximum");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, FromFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, text).unwrap();
        (folder, FromFile { path, read: Mutex::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_read_again_after_a_second_and_when_its_token_was_refused() {
        let (_folder, file) = file("one\n");
        let [one, two, three] = ["one", "two", "three"].map(|text| Token::new(text).unwrap());
        assert_eq!(file.current().unwrap(), one);
        std::fs::write(&file.path, "two").unwrap();
        assert_eq!(file.current().unwrap(), one);
        tokio::time::advance(FILE_READ_EVERY).await;
        assert_eq!(file.current().unwrap(), two);

        std::fs::write(&file.path, "three").unwrap();
        let tokens = Tokens::File(file);
        assert_eq!(tokens.other(&two).await.unwrap(), Some(three.clone()));
        assert_eq!(tokens.other(&three).await.unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_becomes_unusable_leaves_the_last_token() {
        let (_folder, file) = file("one\n");
        assert!(file.current().is_ok());
        for wrong in ["", "s3cret s3cret"] {
            std::fs::write(&file.path, wrong).unwrap();
            tokio::time::advance(FILE_READ_EVERY).await;
            assert_eq!(file.current().unwrap(), Token::new("one").unwrap());
        }
        std::fs::remove_file(&file.path).unwrap();
        tokio::time::advance(FILE_READ_EVERY).await;
        assert_eq!(file.current().unwrap(), Token::new("one").unwrap());
    }

    #[test]
    fn an_unusable_file_is_named_and_not_shown() {
        for wrong in ["", "\n", "s3cret s3cret", "s3cret\ns3cret"] {
            let (folder, file) = file(wrong);
            let error = file.current().unwrap_err().of("keyvalue.get").to_string();
            assert!(error.contains(&folder.path().display().to_string()), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        let (_folder, large) = file(&"a".repeat(TOKEN_BYTES_MAX as usize + 1));
        assert!(large.current().unwrap_err().message.contains("16384 bytes"));
        let folder = tempfile::tempdir().unwrap();
        let missing = FromFile { path: folder.path().join("missing"), read: Mutex::default() };
        assert!(missing.current().unwrap_err().message.contains("No such file"));
        let not_a_file = FromFile { path: folder.path().to_owned(), read: Mutex::default() };
        assert!(not_a_file.current().unwrap_err().message.contains("not a regular file"));
    }
}
