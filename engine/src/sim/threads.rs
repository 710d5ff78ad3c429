//! VM threads in the simulator.

use super::{Net, Shared, Simulator, Spawned, channels};
use crate::digest::{Hash, Transcript};
use crate::party::Party;
use crate::port::{BoxFuture, Gate, Rng};
use crate::turns::Turns;
use crate::vm::{ThreadEnds, Threads, ThreadsError};
use rand_core::SeedableRng;
use std::sync::{Arc, Mutex, PoisonError};

/// More than any test starts.
const THREADS_MAX: u32 = 64;

/// The orders of checks under the keys of the prime field, of GF(2^n) and of bits.
pub type Orders = [Arc<Turns>; 3];

/// One party's VM threads.
pub struct SimThreads {
    net: Arc<Mutex<Net>>,
    spawned: Spawned,
    n: usize,
    party: usize,
    session: Hash,
    orders: Orders,
    seed: u64,
}

impl Simulator {
    /// The orders of checks that all parties of a run share.
    pub fn orders(&self) -> Orders {
        [(); 3].map(|()| Turns::new(self.n))
    }

    /// The VM threads of one party. The main thread's checks go through the same `orders`.
    pub fn threads(&self, party: usize, session: Hash, orders: &Orders, seed: u64) -> SimThreads {
        let net: Shared = Arc::clone(&self.net);
        SimThreads { net, spawned: Arc::clone(&self.spawned), n: self.n, party, session, orders: orders.clone(), seed }
    }
}

impl Threads for SimThreads {
    fn threads_max(&self) -> u32 {
        THREADS_MAX
    }

    fn open(&mut self, thread: u32) -> BoxFuture<'_, Result<ThreadEnds, ThreadsError>> {
        let session = Transcript::new("vm thread").bytes(&self.session).number(thread.into()).finish();
        let channels = channels(&self.net, self.n, thread, self.party);
        let rng = Rng::seed_from_u64(self.seed ^ (self.party as u64) << 40 ^ u64::from(thread) << 8);
        let [prime, binary, bits] = &self.orders;
        let gate = |turns: &Arc<Turns>| -> Box<dyn Gate> { turns.gate(self.party, session) };
        let ends = ThreadEnds {
            party: Party::new(self.party, session, channels, rng),
            gate: gate(prime),
            binary_gate: Some(gate(binary)),
            bits_gate: Some(gate(bits)),
        };
        Box::pin(std::future::ready(Ok(ends)))
    }

    fn spawn(&mut self, _thread: u32, body: BoxFuture<'static, ()>) -> Result<(), ThreadsError> {
        self.spawned.lock().unwrap_or_else(PoisonError::into_inner).push(body);
        Ok(())
    }
}
