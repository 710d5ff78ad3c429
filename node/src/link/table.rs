//! Where inbound links meet the sessions that wait for them, whichever comes first.
//!
//! Bounded: links that nobody has claimed are few, fewer of each peer, and expire. No I/O, no clock:
//! time is an argument, and what a link is does not matter.

use std::collections::HashMap;

use polyyne_protocol::{id::PeerKey, limits::LINKS_WAITING_MAX};
use tokio::{sync::oneshot, time::Instant};

use super::{
    claim::Ticket,
    limits::{UNCLAIMED_MAX, UNCLAIMED_PER_PEER_MAX},
};

pub struct Table<T> {
    sessions: HashMap<Ticket, oneshot::Sender<T>>,
    unclaimed: HashMap<Ticket, (T, Instant)>,
}

/// What a session gets when it asks for a link.
pub enum Awaited<T> {
    Here(T),
    Later(oneshot::Receiver<T>),
}

/// Another session waits for the very same link.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken;

/// No room for another unclaimed link.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl<T> Table<T> {
    pub fn new() -> Self {
        Self { sessions: HashMap::new(), unclaimed: HashMap::new() }
    }

    /// A link has arrived: it goes to its session, or waits for it. A later one replaces an earlier
    /// one with the same ticket, whose dialler has given it up.
    pub fn arrive(&mut self, ticket: Ticket, link: T, now: Instant) -> Result<(), Full> {
        let link = match self.sessions.remove(&ticket) {
            Some(session) => match session.send(link) {
                Ok(()) => return Ok(()),
                Err(link) => link,
            },
            None => link,
        };
        let replaced = self.unclaimed.remove(&ticket).is_some();
        if !replaced
            && (self.unclaimed.len() >= LINKS_WAITING_MAX || self.count(&ticket.dialler) >= UNCLAIMED_PER_PEER_MAX)
        {
            return Err(Full);
        }
        self.unclaimed.insert(ticket, (link, now + UNCLAIMED_MAX));
        Ok(())
    }

    /// A session wants its link.
    pub fn expect(&mut self, ticket: Ticket) -> Result<Awaited<T>, Taken> {
        if self.sessions.get(&ticket).is_some_and(|session| !session.is_closed()) {
            return Err(Taken);
        }
        if let Some((link, _)) = self.unclaimed.remove(&ticket) {
            return Ok(Awaited::Here(link));
        }
        let (session, link) = oneshot::channel();
        self.sessions.insert(ticket, session);
        Ok(Awaited::Later(link))
    }

    /// Drops links that waited too long and sessions that wait no more.
    pub fn expire(&mut self, now: Instant) {
        self.unclaimed.retain(|_, (_, until)| *until > now);
        self.sessions.retain(|_, session| !session.is_closed());
    }

    fn count(&self, dialler: &PeerKey) -> usize {
        self.unclaimed.keys().filter(|ticket| ticket.dialler == *dialler).count()
    }
}

#[cfg(test)]
mod tests {
    use super::super::claim::SessionLabel;
    use super::*;

    fn ticket(dialler: u8, thread: u32) -> Ticket {
        let session = SessionLabel { label: [0; 32], thread };
        Ticket { session, dialler: PeerKey([dialler; 32]), from: 0, to: 1 }
    }

    #[test]
    fn it_does_not_matter_who_comes_first() {
        let mut table = Table::new();
        let now = Instant::now();
        table.arrive(ticket(1, 0), "early link", now).unwrap();
        assert!(matches!(table.expect(ticket(1, 0)), Ok(Awaited::Here("early link"))));

        let Ok(Awaited::Later(mut link)) = table.expect(ticket(1, 1)) else { panic!("nothing has arrived") };
        assert!(matches!(table.expect(ticket(1, 1)), Err(Taken)));
        table.arrive(ticket(1, 1), "late link", now).unwrap();
        assert_eq!(link.try_recv(), Ok("late link"));
    }

    #[test]
    fn a_link_for_a_session_that_gave_up_waits_for_its_next_try() {
        let mut table = Table::new();
        drop(table.expect(ticket(1, 0)));
        table.arrive(ticket(1, 0), "link", Instant::now()).unwrap();
        assert!(matches!(table.expect(ticket(1, 0)), Ok(Awaited::Here("link"))));
    }

    #[test]
    fn one_peer_cannot_fill_the_table_and_what_is_unclaimed_expires() {
        let mut table = Table::new();
        let now = Instant::now();
        for thread in 0..UNCLAIMED_PER_PEER_MAX as u32 {
            table.arrive(ticket(1, thread), (), now).unwrap();
        }
        assert_eq!(table.arrive(ticket(1, u32::MAX), (), now), Err(Full));
        assert_eq!(table.arrive(ticket(1, 0), (), now), Ok(()), "a retry replaces the earlier link");
        assert_eq!(table.arrive(ticket(2, 0), (), now), Ok(()));
        table.expire(now + UNCLAIMED_MAX);
        assert_eq!(table.arrive(ticket(1, u32::MAX), (), now), Ok(()));
    }
}
