//! A session's OS thread, and those of the VM threads of its program.

use polyyne_engine::port::BoxFuture;
use std::future::Future;
use std::io;
use tokio::sync::{mpsc, oneshot};

/// The session's thread panicked, or could not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session's thread failed; the log says where")]
pub struct Crashed;

/// Runs `session` on a thread of its own with a current-thread runtime and returns its result.
/// Dropping the returned future lets the session run to its end.
///
/// # Errors
/// [`Crashed`] if it panicked.
pub async fn run<T, F, S>(name: &str, session: S) -> Result<T, Crashed>
where
    T: Send + 'static,
    F: Future<Output = T>,
    S: FnOnce() -> F + Send + 'static,
{
    let (done, result) = oneshot::channel();
    // The asker may be gone.
    let started = on_thread(name, move |runtime| drop(done.send(runtime.block_on(session()))));
    if let Err(error) = started {
        tracing::error!(%error, "a session's thread cannot be started");
        return Err(Crashed);
    }
    result.await.map_err(|_| Crashed)
}

/// Runs `body` to its end on a thread of its own with a current-thread runtime. If it panics, or has no runtime, it is
/// dropped.
///
/// # Errors
/// If the thread cannot be started.
pub fn start(name: &str, body: BoxFuture<'static, ()>) -> io::Result<()> {
    on_thread(name, move |runtime| runtime.block_on(body))
}

/// A thread of its own with a current-thread runtime that obeys one order after the other.
pub struct Worker<Order, Answer> {
    orders: mpsc::UnboundedSender<(Order, oneshot::Sender<Answer>)>,
}

impl<Order: Send + 'static, Answer: Send + 'static> Worker<Order, Answer> {
    /// Starts the thread; it ends with the worker, and in the middle of an order whose asker has gone.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(name: &str, mut obey: impl AsyncFnMut(Order) -> Answer + Send + 'static) -> io::Result<Self> {
        let (orders, mut inbox) = mpsc::unbounded_channel::<(Order, oneshot::Sender<Answer>)>();
        let work = move || async move {
            while let Some((order, mut asker)) = inbox.recv().await {
                let answer = tokio::select! {
                    answer = obey(order) => answer,
                    () = asker.closed() => return,
                };
                drop(asker.send(answer));
            }
        };
        on_thread(name, move |runtime| runtime.block_on(work()))?;
        Ok(Self { orders })
    }

    /// Gives the order now; the result waits for the answer.
    ///
    /// # Errors
    /// [`Crashed`] if the thread panicked or has ended before.
    pub fn ask(&self, order: Order) -> impl Future<Output = Result<Answer, Crashed>> + use<Order, Answer> {
        let (asker, answer) = oneshot::channel();
        // a worker that has ended drops the asker
        drop(self.orders.send((order, asker)));
        async move { answer.await.map_err(|_| Crashed) }
    }
}

fn on_thread(name: &str, work: impl FnOnce(tokio::runtime::Runtime) + Send + 'static) -> io::Result<()> {
    let span = tracing::Span::current();
    let body = move || {
        let _span = span.enter();
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => work(runtime),
            Err(error) => tracing::error!(%error, "a session's runtime cannot be started"),
        }
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(body).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_session_is_an_error_of_that_session() {
        assert_eq!(run("panics", || async { panic!("on purpose") }).await, Err::<(), _>(Crashed));
        assert_eq!(run("works", || async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn a_panic_in_a_vm_thread_drops_what_it_holds() {
        let (held, gone) = oneshot::channel::<()>();
        let body = Box::pin(async move {
            let _held = held;
            panic!("on purpose")
        });
        start("panics", body).unwrap();
        assert!(gone.await.is_err());
    }

    #[tokio::test]
    async fn a_worker_obeys_in_order_and_ends_with_a_panic() {
        let mut sum = 0;
        let add = async move |number: u32| {
            sum += number;
            assert!(sum < 100, "on purpose");
            sum
        };
        let worker = Worker::start("adds", add).unwrap();
        let (first, second) = (worker.ask(1), worker.ask(2));
        assert_eq!((second.await, first.await), (Ok(3), Ok(1)));
        assert_eq!(worker.ask(1_000).await, Err(Crashed));
        assert_eq!(worker.ask(1).await, Err(Crashed));
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_ends() {
        let (held, gone) = oneshot::channel::<()>();
        let mut held = Some(held);
        let wait = async move |()| {
            let _held = held.take();
            std::future::pending::<()>().await
        };
        let worker = Worker::start("waits", wait).unwrap();
        drop(worker.ask(()));
        assert!(gone.await.is_err());
    }
}
