//! Members that lie, for tests of whole nodes: what a node sends in its sessions passes through a hook of its own.

use futures::task::{Context, Poll};
use polyyne_engine::party::step_of;
use polyyne_engine::port::{Channel, ChannelError};
use polyyne_engine::step::Step;
use polyyne_protocol::id::PeerKey;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a node does to a frame before it leaves; the first bytes are the header.
pub type Lie = Arc<dyn Fn(Step, &mut Vec<u8>) + Send + Sync>;

static LIARS: Mutex<BTreeMap<PeerKey, Lie>> = Mutex::new(BTreeMap::new());

fn liars() -> MutexGuard<'static, BTreeMap<PeerKey, Lie>> {
    LIARS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on a node of this process lies so in all new sessions.
pub fn lies(node: PeerKey, lie: impl Fn(Step, &mut Vec<u8>) + Send + Sync + 'static) {
    liars().insert(node, Arc::new(lie));
}

/// The node's end of a link.
pub fn link_of(node: PeerKey, inner: Box<dyn Channel>) -> Box<dyn Channel> {
    match liars().get(&node).cloned() {
        Some(lie) => Box::new(Lying { inner, lie, told: false }),
        None => inner,
    }
}

struct Lying {
    inner: Box<dyn Channel>,
    lie: Lie,
    /// The frame in hand has been altered already.
    told: bool,
}

impl Channel for Lying {
    fn poll_send(&mut self, cx: &mut Context<'_>, frame: &mut Vec<u8>) -> Poll<Result<(), ChannelError>> {
        if let (false, Some(step)) = (self.told, step_of(frame)) {
            (self.lie)(step, frame);
        }
        let sent = self.inner.poll_send(cx, frame);
        self.told = sent.is_pending();
        sent
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, ChannelError>> {
        self.inner.poll_recv(cx)
    }

    fn finish(&mut self) {
        self.inner.finish();
    }
}
