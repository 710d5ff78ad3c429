//! Links in memory on which one member's messages of one step are altered.

use futures::task::{Context, Poll};
use polyyne_engine::memory;
use polyyne_engine::party::step_of;
use polyyne_engine::port::{Channel, ChannelError};
use polyyne_engine::step::Step;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

const HEADER: usize = 6;

/// What a cheating member does to its first message of a step, towards each other member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    FlipFirst,
    FlipMiddle,
    FlipLast,
    Truncate,
    Halve,
    Extend,
    /// A frame without payload.
    Empty,
    /// Not even a header.
    Nothing,
    /// The receiver's own message.
    Reflect,
    Duplicate,
    /// The link ends in the middle.
    Break,
    /// Silence until the deadline.
    Drop,
    /// Altered towards one member only.
    SplitView,
    /// Another payload.
    Payload(&'static [u8]),
}

impl Attack {
    pub const ALL: [Self; 13] = [
        Self::FlipFirst,
        Self::FlipMiddle,
        Self::FlipLast,
        Self::Truncate,
        Self::Halve,
        Self::Extend,
        Self::Empty,
        Self::Nothing,
        Self::Reflect,
        Self::Duplicate,
        Self::Break,
        Self::Drop,
        Self::SplitView,
    ];

    /// Whether member `to` of `n` receives something else than what the protocol says.
    pub fn alters_for(self, to: usize, cheater: usize, n: usize) -> bool {
        match self {
            Self::Duplicate => false,
            Self::SplitView => to == split(cheater, n),
            _ => true,
        }
    }

    /// Whether no honest encoding looks like this.
    pub fn breaks_the_form(self) -> bool {
        matches!(
            self,
            Self::Truncate | Self::Halve | Self::Extend | Self::Empty | Self::Nothing | Self::Break | Self::Drop
        )
    }
}

/// Whom a split view shows something else.
fn split(cheater: usize, n: usize) -> usize {
    (cheater + 1) % n
}

#[derive(Clone, Copy, Debug)]
pub struct Cheat {
    pub step: Step,
    pub attack: Attack,
    pub cheater: usize,
}

/// Links between n members as `memory::mesh` makes them, with the cheat on those of its member.
pub fn mesh(n: usize, cheat: Option<Cheat>) -> Vec<Vec<Option<Box<dyn Channel>>>> {
    let mut all = memory::mesh(n);
    let Some(cheat) = cheat else { return all };
    for (to, links) in all.iter_mut().enumerate() {
        if to == cheat.cheater {
            continue;
        }
        if let Some(inner) = links[cheat.cheater].take() {
            let applies = cheat.attack != Attack::SplitView || to == split(cheat.cheater, n);
            links[cheat.cheater] =
                Some(Box::new(Altered { inner, cheat, armed: applies, sent: None, queue: VecDeque::new() }));
        }
    }
    all
}

/// The receiver's end of a link from the cheating member.
struct Altered {
    inner: Box<dyn Channel>,
    cheat: Cheat,
    armed: bool,
    /// What the receiver itself sent last.
    sent: Option<Vec<u8>>,
    queue: VecDeque<Result<Vec<u8>, ChannelError>>,
}

impl Altered {
    fn alter(&self, frame: Vec<u8>) -> VecDeque<Result<Vec<u8>, ChannelError>> {
        let mut bytes = frame.clone();
        let payload = bytes.len() - HEADER;
        let mut flip = |at: usize| {
            if payload > 0 {
                bytes[HEADER + at.min(payload - 1)] ^= 1;
            }
        };
        match self.cheat.attack {
            Attack::FlipFirst | Attack::SplitView => flip(0),
            Attack::FlipMiddle => flip(payload / 2),
            Attack::FlipLast => flip(payload),
            Attack::Truncate => bytes.truncate(bytes.len() - 1),
            Attack::Halve => bytes.truncate(HEADER + payload / 2),
            Attack::Extend => bytes.push(0),
            Attack::Empty => bytes.truncate(HEADER),
            Attack::Nothing => bytes.clear(),
            Attack::Reflect => bytes = self.sent.clone().unwrap_or_default(),
            Attack::Payload(other) => {
                bytes.truncate(HEADER);
                bytes.extend_from_slice(other);
            }
            Attack::Duplicate => return [Ok(frame), Ok(bytes)].into(),
            Attack::Break => return [Err(ChannelError::Closed)].into(),
            Attack::Drop => return [Err(ChannelError::Deadline)].into(),
        }
        [Ok(bytes)].into()
    }
}

impl Channel for Altered {
    fn poll_send(&mut self, cx: &mut Context<'_>, frame: &mut Vec<u8>) -> Poll<Result<(), ChannelError>> {
        self.sent = Some(frame.clone());
        self.inner.poll_send(cx, frame)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, ChannelError>> {
        if let Some(frame) = self.queue.pop_front() {
            return Poll::Ready(frame);
        }
        let frame = std::task::ready!(self.inner.poll_recv(cx))?;
        if !self.armed || step_of(&frame) != Some(self.cheat.step) {
            return Poll::Ready(Ok(frame));
        }
        self.armed = false;
        self.queue = self.alter(frame);
        Poll::Ready(self.queue.pop_front().expect("something happens"))
    }
}

/// The payload of a member's first message of a step, once it was sent.
pub type Record = Arc<Mutex<Option<Vec<u8>>>>;

/// Links on which the first member's first message to the second is written down.
pub fn tapped(n: usize, record: Record) -> Vec<Vec<Option<Box<dyn Channel>>>> {
    let mut all = memory::mesh(n);
    if let Some(inner) = all[1][0].take() {
        all[1][0] = Some(Box::new(Tapped { inner, record }));
    }
    all
}

struct Tapped {
    inner: Box<dyn Channel>,
    record: Record,
}

impl Channel for Tapped {
    fn poll_send(&mut self, cx: &mut Context<'_>, frame: &mut Vec<u8>) -> Poll<Result<(), ChannelError>> {
        self.inner.poll_send(cx, frame)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, ChannelError>> {
        let frame = std::task::ready!(self.inner.poll_recv(cx))?;
        let mut record = self.record.lock().unwrap();
        record.get_or_insert_with(|| frame[HEADER..].to_vec());
        drop(record);
        Poll::Ready(Ok(frame))
    }
}
