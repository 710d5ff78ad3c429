//! The ways by which values leave the secret domain, and what opens them.
//!
//! A clear register may hold a value that no MAC check has covered: the program computes shares with it. To tell it, or to
//! act on it so that others see, takes a proof that it is checked. There are two, and both borrow the session's MAC
//! checks, so that nothing can be opened while a proof is held:
//!
//! - [`Settled`]: nothing at all waits for a check. Text, outputs and what clients are told need it: besides clear values
//!   they are shares that may depend on any opening.
//! - [`Decided`]: nothing that a clear register has seen waits. Branches, parties' numbers, ports and clients' numbers need
//!   it: they follow from clear registers alone. Openings inside products may wait.
//!
//! The machine has no other way to its door and its printer than [`Exits`].

use super::door::{Door, DoorError, Message, Wanted};
use super::inside::Inside;
use super::print::{Pending, Printer};
use super::state::Banks;
use std::marker::PhantomData;

/// Everything that was opened, over all fields, has passed a MAC check.
pub(super) struct Settled<'a>(PhantomData<&'a ()>);

impl<'a> Settled<'a> {
    /// # Panics
    /// If an opening waits: whoever asks for a proof has settled first.
    pub(super) fn of(inside: &'a Inside<'_>) -> Self {
        assert_eq!(inside.openings(), 0, "what leaves follows a MAC check of everything opened");
        Self(PhantomData)
    }
}

/// Everything that clear registers have seen has passed a MAC check.
pub(super) struct Decided<'a>(PhantomData<&'a ()>);

impl<'a> Decided<'a> {
    /// # Panics
    /// If a revealed value waits: whoever asks for a proof has settled first.
    pub(super) fn of(inside: &'a Inside<'_>) -> Self {
        assert!(!inside.revealed_waits(), "decisions follow a MAC check of what was revealed");
        Self(PhantomData)
    }
}

impl Banks {
    /// An integer that something visible depends on.
    pub(super) fn decisive(&self, register: i64, _: &Decided<'_>) -> i64 {
        self.ints[register as usize]
    }
}

/// See the module's head.
pub(super) struct Exits<'a> {
    door: &'a mut dyn Door,
    printer: &'a mut dyn Printer,
}

type Said<T> = Result<T, DoorError>;

impl<'a> Exits<'a> {
    pub(super) fn new(door: &'a mut dyn Door, printer: &'a mut dyn Printer) -> Self {
        Self { door, printer }
    }

    /// Shows the text that has waited.
    pub(super) fn release(&mut self, text: &mut Pending, _: &Settled<'_>) {
        text.release(self.printer);
    }

    /// Writes to the party's own binary output.
    pub(super) fn binary(&mut self, thread: u32, bytes: &[u8], _: &Settled<'_>) {
        self.printer.binary(thread, bytes);
    }

    pub(super) async fn write(&mut self, client: i64, label: i64, message: Message, _: &Settled<'_>) -> Said<()> {
        self.door.write(client, label as i32, message).await
    }

    pub(super) async fn listen(&mut self, port: i64, _: &Decided<'_>) -> Said<()> {
        self.door.listen(port).await
    }

    pub(super) async fn accept(&mut self, port: i64, _: &Decided<'_>) -> Said<i64> {
        self.door.accept(port).await
    }

    pub(super) async fn connect(&mut self, host: &str, port: i64, own_id: i64, _: &Decided<'_>) -> Said<i64> {
        self.door.connect(host, port, own_id).await
    }

    pub(super) async fn close(&mut self, client: i64, _: &Decided<'_>) -> Said<()> {
        self.door.close(client).await
    }

    pub(super) async fn read(&mut self, client: i64, wanted: Wanted, count: usize, _: &Decided<'_>) -> Said<Message> {
        self.door.read(client, wanted, count).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dealer;
    use crate::mac_check::MacCheck;
    use crate::online::Online;
    use crate::party::Party;
    use crate::port::{LocalGate, Rng};
    use crate::sim::Simulator;
    use crate::vm::{MemoryStorage, NoInputs};
    use rand_core::SeedableRng;

    /// What a party has done before somebody asks for a proof.
    #[derive(Clone, Copy, PartialEq)]
    enum Done {
        Revealed,
        OpenedInside,
        Checked,
    }

    /// Two parties, of whom each asks for a proof after it has revealed a value, opened one for shares, or checked both.
    fn after(done: Done, ask: fn(&Inside<'_>)) {
        let dealer = dealer::carbyne(2, 5);
        let f = *dealer.field();
        let mut simulator = Simulator::new(7, 2);
        let parties = simulator.channels().into_iter().enumerate().map(|(i, channels)| {
            let dealer = &dealer;
            async move {
                let party = Party::new(i, [1; 32], channels, Rng::seed_from_u64(i as u64));
                let mac = MacCheck::new(f, dealer.key(i), Box::new(LocalGate::default()));
                let mut online = Online::new(f, party, mac, Box::new(dealer.tuples(i, 0)));
                let one = online.constants(&[crate::field::Field::one(&f)]);
                if done != Done::OpenedInside {
                    online.mac.reveal_runs(&mut online.party, &one, &[(0, 1)]).await.unwrap();
                }
                if done == Done::Checked {
                    online.check().await.unwrap();
                }
                if done != Done::Revealed {
                    let _opened = online.open(&one).await.unwrap();
                }
                if done == Done::Checked {
                    online.check().await.unwrap();
                }
                ask(&Inside {
                    online: &mut online,
                    binary: None,
                    bits: None,
                    inputs: &mut NoInputs,
                    storage: &mut MemoryStorage::default(),
                    binary_storage: &mut MemoryStorage::default(),
                    arguments: &[],
                    threads: None,
                    meter: None,
                });
            }
        });
        let parties: Vec<_> = parties.collect();
        simulator.run(parties);
    }

    #[test]
    #[should_panic(expected = "decisions follow a MAC check of what was revealed")]
    fn nothing_is_decided_on_a_revealed_value_that_waits_for_its_check() {
        after(Done::Revealed, |inside| _ = Decided::of(inside));
    }

    #[test]
    #[should_panic(expected = "what leaves follows a MAC check of everything opened")]
    fn nothing_leaves_while_an_opening_inside_a_product_waits() {
        after(Done::OpenedInside, |inside| _ = Settled::of(inside));
    }

    #[test]
    fn what_is_checked_may_leave_and_openings_inside_products_decide_nothing() {
        after(Done::Checked, |inside| _ = (Settled::of(inside), Decided::of(inside)));
        after(Done::OpenedInside, |inside| _ = Decided::of(inside));
    }
}
