//! One connection to one server.
//!
//! The library multiplexes it: what is sent while the connection's task is busy travels in one write, and answers come
//! back in order. Dropping a call's future is safe: what has been sent keeps its place and its answer is dropped, what
//! has not been sent is skipped. Nothing here or in the library sends a command twice.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, RedisError, Value, cmd};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::access;
use crate::address::NodeAddress;
use crate::config::Settings;
use crate::fault::Fault;
use crate::greeting::{Expected, Greeting, check};

/// How many commands wait for the connection's task before callers wait for room.
const QUEUE: usize = 1024;

/// How many bytes are collected before they are written: a batch of small commands is one write.
const WRITE_BYTES: usize = 64 * 1024;

/// How long a connection that let a call wait in vain may take to answer a ping.
const PING_MAX: Duration = Duration::from_secs(3);

/// What moves a connection's bytes.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection that has introduced itself. Cheap to share.
#[derive(Debug)]
pub(crate) struct Connection {
    commands: MultiplexedConnection,
    driver: AbortHandle,
    closed: Arc<AtomicBool>,
    suspected: AtomicBool,
    pub(crate) node: NodeAddress,
    pub(crate) greeting: Greeting,
}

impl Connection {
    /// Connects and checks that the server is what is expected. `lost` runs when the connection ends by itself.
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
            match Self::introduce(settings, node, limit, access::credentials(settings, expected)?).await {
                // A sentinel may have other users than the servers it watches, or none.
                Err(Refusal::Credentials(_)) if expected == Expected::Sentinel => {
                    Self::introduce(settings, node, limit, access::anonymous()).await
                }
                introduced => introduced,
            }
            .map_err(Refusal::words)
        };
        let opened = timeout(limit, opened).await;
        let (commands, task) =
            opened.unwrap_or_else(|_| Err(format!("{node} does not answer within {limit:?}")))?;
        let closed = Arc::new(AtomicBool::new(false));
        let flag = CloseOnDrop(Arc::clone(&closed));
        let driver = tokio::spawn(async move {
            task.await;
            drop(flag);
            lost();
        })
        .abort_handle();
        let mut connection = Self {
            commands,
            driver,
            closed,
            suspected: AtomicBool::new(false),
            node: node.clone(),
            greeting: Greeting::default(),
        };
        let greeted = timeout(limit, connection.greet()).await;
        connection.greeting =
            greeted.unwrap_or_else(|_| Err(format!("{node} does not answer within {limit:?}")))?;
        check(&connection.greeting, expected).map_err(|why| format!("{node} {why}"))?;
        Ok(connection)
    }

    async fn introduce(
        settings: &Settings,
        node: &NodeAddress,
        limit: Duration,
        info: RedisConnectionInfo,
    ) -> Result<(MultiplexedConnection, Task), Refusal> {
        let socket = access::connect(settings, node, limit).await.map_err(Refusal::Other)?;
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE)
            .set_write_backpressure_boundary(WRITE_BYTES);
        let connected = MultiplexedConnection::new_with_config(&info, socket, config).await;
        let (commands, task) = connected.map_err(|error| Refusal::of(node, &error))?;
        // Boxed, because its type borrows what it does not keep.
        Ok((commands, Box::pin(task)))
    }

    /// Asks the server what it is.
    async fn greet(&self) -> Result<Greeting, String> {
        let node = &self.node;
        let mut pipeline = redis::pipe();
        // A user that may not set the name goes without.
        pipeline.cmd("CLIENT").arg("SETNAME").arg(access::CLIENT_NAME);
        pipeline.add_command(cmd("HELLO")).cmd("INFO").arg("server");
        let answers = self.send_all(&pipeline).await.map_err(|fault| format!("{node}: {}", fault.words()))?;
        let [_, hello, info] = answers.as_slice() else {
            return Err(format!("{node} does not speak as Redis does"));
        };
        Greeting::read(hello, info)
            .ok_or_else(|| format!("{node} does not say its version and mode as Redis 6.2 and Valkey do"))
    }

    /// Whether nothing can be sent any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether the server is a cluster's node.
    pub(crate) fn is_of_cluster(&self) -> bool {
        self.greeting.mode == "cluster"
    }

    /// Ends the connection; what is in flight fails.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.driver.abort();
    }

    /// Sends a command and waits for its answer, which may be a refusal.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value, Fault> {
        self.check_open()?;
        let answer = self.commands.clone().send_packed_command(command).await;
        answer.map_err(|error| self.lost(&error))
    }

    /// Sends commands together and waits for the answer of each, which may be a refusal.
    pub(crate) async fn send_all(&self, commands: &Pipeline) -> Result<Vec<Value>, Fault> {
        self.check_open()?;
        let answers = self.commands.clone().send_packed_commands(commands, 0, commands.len()).await;
        answers.map_err(|error| self.lost(&error))
    }

    /// Sends a command for a key whose slot is on its way to this node.
    pub(crate) async fn send_asking(&self, command: &Cmd) -> Result<Value, Fault> {
        let mut both = redis::pipe();
        both.add_command(cmd("ASKING")).add_command(command.clone());
        self.send_all(&both).await?.pop().ok_or(Fault::Unexpected)
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

    fn check_open(&self) -> Result<(), Fault> {
        if self.is_closed() {
            return Err(Fault::Unreachable(format!(
                "the connection to {} was lost before the call",
                self.node
            )));
        }
        Ok(())
    }

    fn lost(&self, error: &RedisError) -> Fault {
        if error.is_unrecoverable_error() {
            // Its task may be about to say so; until then, nobody else shall try it in vain.
            self.closed.store(true, Ordering::Release);
        }
        if error.kind() == redis::ErrorKind::Parse {
            return Fault::Lost(format!("{} does not speak as Redis does", self.node));
        }
        Fault::Lost(format!("the connection to {} was lost before the answer", self.node))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}

/// Marks a connection as closed when its task ends, for whatever reason: the end of its runtime is one.
struct CloseOnDrop(Arc<AtomicBool>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Why a server did not accept a connection.
enum Refusal {
    Credentials(String),
    Other(String),
}

impl Refusal {
    fn of(node: &NodeAddress, error: &RedisError) -> Self {
        match error.code() {
            Some(code @ ("WRONGPASS" | "NOAUTH")) => Self::Credentials(format!(
                "{node} refuses the user or the password ({code}): check username and password_file"
            )),
            Some("NOPERM") => Self::Other(format!("{node} does not permit the user to connect (NOPERM)")),
            Some("NOPROTO") => Self::too_old(node),
            Some("ERR") if error.detail().is_some_and(|detail| detail.contains("max number of clients")) => {
                Self::Other(format!("{node} has no room for another connection (maxclients)"))
            }
            Some("ERR") if error.detail().is_some_and(|detail| detail.contains("without any password")) => {
                Self::Credentials(format!("{node} has no password, but password_file is set"))
            }
            Some(code) => Self::Other(format!("{node} refuses the connection ({code})")),
            None if error.kind() == redis::ErrorKind::RESP3NotSupported => Self::too_old(node),
            None if error.kind() == redis::ErrorKind::AuthenticationFailed => Self::Credentials(format!(
                "{node} refuses the user or the password: check username and password_file"
            )),
            None => {
                Self::Other(format!("{node} ended the connection at once, or does not speak as Redis does"))
            }
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
