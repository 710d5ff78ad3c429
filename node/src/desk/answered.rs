//! Sealed answers of a while, for clients whose connection broke before they had theirs: the very same bytes again.

use polyyne_protocol::envelope::Envelope;
use polyyne_protocol::id::Digest;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// See the module's head.
#[derive(Default)]
pub struct Answered(Mutex<VecDeque<(Digest, Envelope)>>);

/// Answers that are kept, and bytes of one: larger ones are made anew from durable rows.
const ANSWERS_KEPT_MAX: usize = 256;
const ANSWER_KEPT_BYTES_MAX: usize = 256 << 10;

impl Answered {
    fn kept(&self) -> MutexGuard<'_, VecDeque<(Digest, Envelope)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn again(&self, request: &Digest) -> Option<Envelope> {
        self.kept().iter().find(|(of, _)| of == request).map(|(_, sealed)| sealed.clone())
    }

    pub fn keep(&self, request: Digest, sealed: Envelope) {
        if sealed.to_bytes().len() > ANSWER_KEPT_BYTES_MAX {
            return;
        }
        let mut kept = self.kept();
        kept.push_back((request, sealed));
        if kept.len() > ANSWERS_KEPT_MAX {
            kept.pop_front();
        }
    }
}
