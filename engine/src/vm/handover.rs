//! One value from one task to another, whichever comes first.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

enum State<T> {
    Empty(Option<Waker>),
    Full(T),
    /// The giver has gone, or the value was taken.
    Closed,
}

type Shared<T> = Arc<Mutex<State<T>>>;

fn lock<T>(state: &Shared<T>) -> MutexGuard<'_, State<T>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) struct Giver<T>(Shared<T>);

pub(super) struct Taker<T>(Shared<T>);

pub(super) fn handover<T>() -> (Giver<T>, Taker<T>) {
    let state = Arc::new(Mutex::new(State::Empty(None)));
    (Giver(Arc::clone(&state)), Taker(state))
}

impl<T> Giver<T> {
    pub(super) fn give(self, value: T) {
        self.end(State::Full(value));
    }

    fn end(&self, end: State<T>) {
        let mut state = lock(&self.0);
        if let State::Empty(waker) = &mut *state {
            let waker = waker.take();
            *state = end;
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl<T> Drop for Giver<T> {
    fn drop(&mut self) {
        self.end(State::Closed);
    }
}

impl<T> Taker<T> {
    /// The value; `None` if the giver has gone without giving it.
    pub(super) async fn take(&self) -> Option<T> {
        poll_fn(|cx| {
            let mut state = lock(&self.0);
            match std::mem::replace(&mut *state, State::Closed) {
                State::Full(value) => Poll::Ready(Some(value)),
                State::Closed => Poll::Ready(None),
                State::Empty(_) => {
                    *state = State::Empty(Some(cx.waker().clone()));
                    Poll::Pending
                }
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;

    #[test]
    fn a_value_arrives_before_or_after_it_is_asked_for() {
        let (giver, taker) = handover();
        giver.give(7);
        assert_eq!(block_on(taker.take()), Some(7));
        let (giver, taker) = handover();
        let both = async { futures::join!(taker.take(), async { giver.give(8) }) };
        assert_eq!(block_on(both).0, Some(8));
    }

    #[test]
    fn a_giver_that_goes_leaves_nobody_waiting() {
        let (giver, taker) = handover::<u8>();
        let both = async { futures::join!(taker.take(), async { drop(giver) }) };
        assert_eq!(block_on(both).0, None);
    }
}
