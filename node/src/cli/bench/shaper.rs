//! A slow network: relays between the parties' data links that pass so many bits per second on for each sender.
//!
//! Every ordered pair of parties has a relay of its own, so that the bytes of a connection, which go both ways, are known
//! to be of their sender; all of a sender's share one budget, as those of a line do.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::failure::{Context as _, Failure};

/// What is passed on at once.
const PIECE_BYTES: usize = 16 << 10;

/// The budget of a sender.
#[derive(Clone)]
pub struct Line {
    bits_per_s: f64,
    /// When all that has been sent will have left.
    free: Arc<Mutex<Instant>>,
}

impl Line {
    pub fn new(bits_per_s: u64) -> Self {
        Self { bits_per_s: bits_per_s as f64, free: Arc::new(Mutex::new(Instant::now())) }
    }

    /// How long it takes until so many bytes have left.
    fn occupy(&self, bytes: usize, now: Instant) -> Duration {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = (*free).max(now) + Duration::from_secs_f64(8.0 * bytes as f64 / self.bits_per_s);
        *free - now
    }
}

/// A relay to `target`, for connections whose opener sends over `there` and whose target over `back`. It lives as long
/// as this process.
pub fn relay(target: SocketAddr, there: &Line, back: &Line) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).or_failed("a relay")?;
    let address = listener.local_addr().or_failed("a relay")?;
    let lines = [there.clone(), back.clone()];
    thread::spawn(move || {
        for opener in listener.incoming().map_while(Result::ok) {
            // a connection that cannot be passed on ends here, and its opener sees that
            let Ok(ends) = TcpStream::connect(target).and_then(|target| both_ways(&opener, &target)) else { continue };
            for (from, to, line) in ends.into_iter().zip(&lines).map(|((from, to), line)| (from, to, line.clone())) {
                thread::spawn(move || pass_on(from, to, &line));
            }
        }
    });
    Ok(address)
}

fn both_ways(opener: &TcpStream, target: &TcpStream) -> std::io::Result<[(TcpStream, TcpStream); 2]> {
    opener.set_nodelay(true)?;
    target.set_nodelay(true)?;
    Ok([(opener.try_clone()?, target.try_clone()?), (target.try_clone()?, opener.try_clone()?)])
}

/// Until either end closes.
fn pass_on(mut from: impl Read, mut to: TcpStream, line: &Line) {
    let mut piece = vec![0; PIECE_BYTES];
    while let Ok(bytes @ 1..) = from.read(&mut piece) {
        thread::sleep(line.occupy(bytes, Instant::now()));
        if to.write_all(&piece[..bytes]).is_err() {
            break;
        }
    }
    // the other end may have gone already
    let _ = to.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_carries_its_rate_for_all_its_senders_together() {
        let (line, now) = (Line::new(8_000_000), Instant::now());
        let other = line.clone();
        line.free.lock().unwrap().clone_from(&now);
        assert_eq!(line.occupy(500_000, now), Duration::from_millis(500));
        assert_eq!(other.occupy(250_000, now), Duration::from_millis(750));
        // what was not used is not saved up
        let later = now + Duration::from_secs(10);
        assert_eq!(line.occupy(1_000_000, later), Duration::from_secs(1));
    }

    #[test]
    fn a_relay_passes_everything_on_both_ways() {
        let target = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let line = Line::new(1_000_000_000);
        let opener = TcpStream::connect(relay(target.local_addr().unwrap(), &line, &line).unwrap()).unwrap();
        let (mut end, _) = target.accept().unwrap();
        let sent: Vec<u8> = (0..3 * PIECE_BYTES as u32).map(|x| (x / 7) as u8).collect();
        for (mut from, mut to) in [(&opener, &end), (&end, &opener)] {
            from.write_all(&sent).unwrap();
            let mut received = vec![0; sent.len()];
            to.read_exact(&mut received).unwrap();
            assert_eq!(received, sent);
        }
        drop(opener);
        assert_eq!(end.read(&mut [0]).unwrap(), 0, "the end is passed on too");
    }
}
