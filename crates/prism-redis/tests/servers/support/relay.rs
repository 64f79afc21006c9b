//! A relay between a store and its server, which cuts connections when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A running relay.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) port: u16,
    /// How many answers are left until one is swallowed; 0 for none.
    cut: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
    held: watch::Sender<bool>,
    admitted: watch::Sender<bool>,
    /// How many answers pass although answers are kept.
    passing: Arc<AtomicUsize>,
}

impl Relay {
    /// Relays to a port of this machine.
    pub(crate) async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cut, accepted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (held, holds) = watch::channel(false);
        let (admitted, admits) = watch::channel(true);
        let passing = Arc::new(AtomicUsize::new(0));
        let passes = Arc::clone(&passing);
        let relay =
            Self { port, cut: Arc::clone(&cut), accepted: Arc::clone(&accepted), held, admitted, passing };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                let (cut, holds, passes) = (Arc::clone(&cut), holds.clone(), Arc::clone(&passes));
                let mut admits = admits.clone();
                tokio::spawn(async move {
                    if admits.wait_for(|admits| *admits).await.is_ok()
                        && let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await
                    {
                        carry(client, server, &cut, holds, &passes).await;
                    }
                });
            }
        });
        relay
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Swallows the next answer and ends its connection: the server has acted, and nobody hears of it.
    pub(crate) fn cut_at_next_answer(&self) {
        self.cut_at_answer(1);
    }

    /// The same for a later answer: the second is that behind the next.
    pub(crate) fn cut_at_answer(&self, number: usize) {
        self.cut.store(number, Ordering::SeqCst);
    }

    /// Lets new connections wait until they are admitted.
    pub(crate) fn hold_connections(&self) {
        self.admitted.send_replace(false);
    }

    pub(crate) fn admit_connections(&self) {
        self.admitted.send_replace(true);
    }

    /// Keeps answers until they are released: the server has acted, and nobody hears of it yet.
    pub(crate) fn hold_answers(&self) {
        self.held.send_replace(true);
    }

    /// The same, behind so many more.
    pub(crate) fn hold_answers_after(&self, answers: usize) {
        self.passing.store(answers, Ordering::SeqCst);
        self.hold_answers();
    }

    pub(crate) fn release_answers(&self) {
        self.held.send_replace(false);
    }

    /// How many connections there were.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

async fn carry(
    client: TcpStream,
    server: TcpStream,
    cut: &AtomicUsize,
    mut holds: watch::Receiver<bool>,
    passing: &AtomicUsize,
) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let answers = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = from_server.read(&mut buffer).await;
            let one_less = |left: usize| left.checked_sub(1);
            let counted =
                |left: &AtomicUsize| left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
            let passes = counted(passing).is_ok();
            if !passes && holds.wait_for(|holds| !holds).await.is_err() {
                return;
            }
            match read {
                Ok(0) | Err(_) => return,
                Ok(_) if counted(cut) == Ok(1) => return,
                Ok(length) if to_client.write_all(&buffer[..length]).await.is_err() => return,
                Ok(_) => {}
            }
        }
    };
    tokio::select! {
        () = answers => {}
        _ = copy(&mut from_client, &mut to_server) => {}
    }
}
