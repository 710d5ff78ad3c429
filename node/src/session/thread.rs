//! A session's OS thread.

use std::future::Future;
use tokio::sync::oneshot;

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
    let span = tracing::Span::current();
    let body = move || {
        let _span = span.enter();
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "a session's runtime cannot be started"),
        };
        let value = runtime.block_on(session());
        // The asker may be gone.
        drop(done.send(value));
    };
    if let Err(error) = std::thread::Builder::new().name(name.to_owned()).spawn(body) {
        tracing::error!(%error, "a session's thread cannot be started");
        return Err(Crashed);
    }
    result.await.map_err(|_| Crashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_session_is_an_error_of_that_session() {
        assert_eq!(run("panics", || async { panic!("on purpose") }).await, Err::<(), _>(Crashed));
        assert_eq!(run("works", || async { 7 }).await, Ok(7));
    }
}
