//! Tuples that have left the store: move-only, not printable, not serialisable, zeroised on drop.

use zeroize::Zeroizing;

use super::TupleKind;
use super::place::Span;

/// Bytes of one authenticated element: value (16), then MAC (16), both canonical little-endian.
pub const ELEMENT_BYTES: usize = 32;

/// What one execution took. Exists only after the commit that deleted it from the store.
#[must_use = "tuples that are dropped are wasted"]
pub struct TakenTuples {
    pub(super) kinds: Vec<TakenKind>,
}

/// The tuples of one kind, in the order of their positions.
pub struct TakenKind {
    pub(super) kind: TupleKind,
    pub(super) spans: Vec<Span>,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

impl TakenTuples {
    /// Gives the tuples away, kind by kind.
    pub fn into_kinds(self) -> Vec<TakenKind> {
        self.kinds
    }

    /// Moves one kind out; None if none of it was taken, or the second time.
    pub fn remove(&mut self, kind: TupleKind) -> Option<TakenKind> {
        let at = self.kinds.iter().position(|taken| taken.kind == kind)?;
        Some(self.kinds.swap_remove(at))
    }
}

impl TakenKind {
    /// What kind they are.
    pub fn kind(&self) -> TupleKind {
        self.kind
    }

    /// The positions, ascending: the same at all members.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Number of tuples.
    pub fn count(&self) -> usize {
        self.bytes.len() / self.width()
    }

    /// The elements of all tuples, one after the other.
    pub fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.bytes
    }

    /// Moves the first `count` tuples out; None if there are fewer (nothing is moved then).
    pub fn split_first(&mut self, count: usize) -> Option<TakenKind> {
        let at = count.checked_mul(self.width())?;
        if at > self.bytes.len() {
            return None;
        }
        let rest = Zeroizing::new(self.bytes[at..].to_vec());
        let mut whole = std::mem::replace(&mut self.bytes, rest);
        zeroize::Zeroize::zeroize(&mut whole[at..]);
        whole.truncate(at);
        Some(TakenKind { kind: self.kind, spans: split_spans(&mut self.spans, count as u64), bytes: whole })
    }

    fn width(&self) -> usize {
        usize::from(self.kind.arity) * ELEMENT_BYTES
    }
}

fn split_spans(spans: &mut Vec<Span>, mut count: u64) -> Vec<Span> {
    let mut first = Vec::new();
    while count > 0 && !spans.is_empty() {
        let len = spans[0].len();
        if len > count {
            let middle = spans[0].start + count;
            first.push(Span::new(spans[0].start, middle));
            spans[0].start = middle;
            break;
        }
        first.push(spans.remove(0));
        count -= len;
    }
    first
}
