//! One connection to one server.
//!
//! What is sent on it by many callers shares its writes and keeps its order (`resp`). Dropping a call's future is safe: what has been sent
//! keeps its place and its answer is dropped. Nothing here sends a command twice.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use crate::access::{self, Credentials};
use crate::address::NodeAddress;
use crate::config::Settings;
use crate::fault::Fault;
use crate::greeting::{Expected, Greeting, check};
use crate::resp::{Cmd, Refusal as Answered, Unanswered, Value, Wire, cmd};

/// How long a connection that let a call wait in vain may take to answer a ping.
const PING_MAX: Duration = Duration::from_secs(3);

/// A connection that has introduced itself. Cheap to share.
#[derive(Debug)]
pub(crate) struct Connection {
    wire: Wire,
    suspected: AtomicBool,
    pub(crate) node: NodeAddress,
    pub(crate) greeting: Greeting,
}

impl Connection {
    /// Connects and checks that the server is what is expected. `lost` runs when the connection ends.
    ///
    /// # Errors
    /// Why not, in words.
    pub(crate) async fn open(
        settings: &Settings,
        node: &NodeAddress,
        expected: Expected,
        limit: Duration,
        lost: impl FnOnce() + Send + 'static,
    ) -> Result<Self, String> {
        let opened = async {
            let credentials = access::credentials(settings, expected)?;
            match Self::introduce(settings, node, limit, &credentials).await {
                // A sentinel may have other users than the servers it watches, or none.
                Err(Refusal::Credentials(_)) if expected == Expected::Sentinel => {
                    Self::introduce(settings, node, limit, &Credentials::default()).await
                }
                introduced => introduced,
            }
            .map_err(Refusal::words)
        };
        let opened = timeout(limit, opened).await;
        let (wire, driver, greeting) =
            opened.unwrap_or_else(|_| Err(format!("{node} does not answer within {limit:?}")))?;
        check(&greeting, expected).map_err(|why| format!("{node} {why}"))?;
        tokio::spawn(async move {
            driver.await;
            lost();
        });
        Ok(Self { wire, suspected: AtomicBool::new(false), node: node.clone(), greeting })
    }

    /// Connects, says who is calling and asks the server what it is. The connection lives as long as the future that is returned.
    async fn introduce(
        settings: &Settings,
        node: &NodeAddress,
        limit: Duration,
        credentials: &Credentials,
    ) -> Result<(Wire, impl Future<Output = ()> + Send + Unpin + use<>, Greeting), Refusal> {
        let socket = access::connect(settings, node, limit).await.map_err(Refusal::Other)?;
        let (wire, driver) = Wire::new(socket);
        let mut driver = Box::pin(driver);
        let (hello, more) = introduce(&wire, credentials, &mut driver).await;
        let ended = |_| {
            Refusal::Other(format!("{node} ended the connection at once, or does not speak as Redis does"))
        };
        let hello = hello.map_err(ended)?;
        if let Value::ServerError(refusal) = &hello {
            return Err(match refusal.details().contains("unknown command") {
                true => Refusal::too_old(node),
                false => Refusal::of(node, refusal),
            });
        }
        let more = more.map_err(ended)?;
        let [info, _, _, _, selected @ ..] = more.as_slice() else {
            return Err(Refusal::Other(format!("{node} does not speak as Redis does")));
        };
        if let Some(Value::ServerError(refusal)) = selected.first() {
            return Err(Refusal::of(node, refusal));
        }
        let greeting = Greeting::read(&hello, info).ok_or_else(|| {
            let why = "does not say its version and mode as Redis 6.2 and Valkey do";
            Refusal::Other(format!("{node} {why}"))
        })?;
        Ok((wire, driver, greeting))
    }

    /// Whether nothing can be sent any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.wire.has_ended()
    }

    /// Whether the server is a cluster's node.
    pub(crate) fn is_of_cluster(&self) -> bool {
        self.greeting.mode == "cluster"
    }

    /// Ends the connection; what is in flight fails.
    pub(crate) fn close(&self) {
        self.wire.close();
    }

    /// Sends a command and waits for its answer, which may be a refusal.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value, Fault> {
        self.wire.send(command).await.map_err(|why| self.fault(why))
    }

    /// Sends commands together and waits for the answer of each, which may be a refusal.
    pub(crate) async fn send_all(&self, commands: &[impl AsRef<Cmd>]) -> Result<Vec<Value>, Fault> {
        self.wire.send_all(commands).await.map_err(|why| self.fault(why))
    }

    /// Sends a command for a key whose slot is on its way to this node.
    pub(crate) async fn send_asking(&self, command: &Cmd) -> Result<Value, Fault> {
        self.send_all(&[&cmd("ASKING"), command]).await?.pop().ok_or(Fault::Unexpected)
    }

    /// Sends a ping, because a call waited in vain, and ends the connection if that is not answered either: a peer that is
    /// gone without a word is otherwise noticed only by the system's keep-alive.
    pub(crate) fn suspect(self: &Arc<Self>) {
        if self.suspected.swap(true, Ordering::AcqRel) {
            return;
        }
        let connection = Arc::clone(self);
        tokio::spawn(async move {
            match timeout(PING_MAX, connection.send(&cmd("PING"))).await {
                Ok(_) => connection.suspected.store(false, Ordering::Release),
                Err(_) => connection.close(),
            }
        });
    }

    fn fault(&self, why: Unanswered) -> Fault {
        let node = &self.node;
        match why {
            Unanswered::Unsent => {
                Fault::Unreachable(format!("the connection to {node} was lost before the call"))
            }
            Unanswered::Lost => Fault::Lost(format!("the connection to {node} was lost before the answer")),
            Unanswered::Malformed => Fault::Lost(format!("{node} does not speak as Redis does")),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}

/// Sends what a connection begins with, while `driver` moves its bytes, and returns the answers. If that has ended, the last are lost: it must
/// not be polled again.
async fn introduce(
    wire: &Wire,
    credentials: &Credentials,
    driver: &mut (impl Future<Output = ()> + Unpin),
) -> (Result<Value, Unanswered>, Result<Vec<Value>, Unanswered>) {
    let hello = hello(credentials);
    let more = introduction(credentials);
    // A server that refuses the first may answer nothing else.
    let answered = async { tokio::join!(wire.send(&hello), wire.send_all(&more)) };
    let mut answered = pin!(answered);
    tokio::select! {
        // What a server says unasked, such as that it has no room, answers the first command, which so must have been sent.
        biased;
        answered = &mut answered => answered,
        () = driver => (answered.await.0, Err(Unanswered::Lost)),
    }
}

/// Says who is calling.
fn hello(credentials: &Credentials) -> Cmd {
    let hello = cmd("HELLO").arg(3_u8);
    match &credentials.login {
        None => hello,
        Some((username, password)) => hello.arg("AUTH").arg(username).arg(password),
    }
}

/// What is asked, what a user need not be permitted to say, and finally the database, unless it is the first.
fn introduction(credentials: &Credentials) -> Vec<Cmd> {
    let library = |field, value| cmd("CLIENT").arg("SETINFO").arg(field).arg(value);
    let mut all = vec![
        cmd("INFO").arg("server"),
        cmd("CLIENT").arg("SETNAME").arg(access::CLIENT_NAME),
        library("LIB-NAME", access::CLIENT_NAME),
        library("LIB-VER", env!("CARGO_PKG_VERSION")),
    ];
    if credentials.database != 0 {
        all.push(cmd("SELECT").arg(credentials.database));
    }
    all
}

/// Why a server did not accept a connection.
enum Refusal {
    Credentials(String),
    Other(String),
}

impl Refusal {
    fn of(node: &NodeAddress, refusal: &Answered) -> Self {
        let says = |words: &str| refusal.details().contains(words);
        match refusal.code() {
            code @ ("WRONGPASS" | "NOAUTH") => Self::Credentials(format!(
                "{node} refuses the user or the password ({code}): check username and password_file"
            )),
            "NOPERM" => Self::Other(format!("{node} does not permit the user to connect (NOPERM)")),
            "NOPROTO" => Self::too_old(node),
            "ERR" if says("max number of clients") => {
                Self::Other(format!("{node} has no room for another connection (maxclients)"))
            }
            "ERR" if says("without any password") => {
                Self::Credentials(format!("{node} has no password, but password_file is set"))
            }
            code => Self::Other(format!("{node} refuses the connection ({code})")),
        }
    }

    fn too_old(node: &NodeAddress) -> Self {
        Self::Other(format!("{node} is older than Redis 6.2, the oldest version that is supported"))
    }

    fn words(self) -> String {
        match self {
            Self::Credentials(words) | Self::Other(words) => words,
        }
    }
}

impl From<String> for Refusal {
    fn from(words: String) -> Self {
        Self::Other(words)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn a_server_that_closes_after_the_introduction_is_not_connected_to() {
        let (near, mut far) = duplex(4096);
        let (wire, driver) = Wire::new(near);
        let mut driver = Box::pin(driver);
        let answering = async {
            let mut sent = [0; 4096];
            assert!(far.read(&mut sent).await.unwrap() > 0);
            far.write_all(b"%0\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n").await.unwrap();
            drop(far);
        };
        let credentials = Credentials::default();
        let ((hello, more), ()) = tokio::join!(introduce(&wire, &credentials, &mut driver), answering);
        assert_eq!((hello, more), (Ok(Value::Map(vec![])), Err(Unanswered::Lost)));
    }
}
