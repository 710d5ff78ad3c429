//! Cutting a byte stream into frames: four bytes of length, little-endian, then the payload.
//!
//! A length is refused before anything is reserved for it, and memory grows only as bytes arrive.

use std::io::{self, Read};

use super::limits::FRAME_STEP;

/// A frame that is being received.
pub struct Incoming {
    max: usize,
    head: [u8; 4],
    head_filled: usize,
    body: Vec<u8>,
    body_filled: usize,
}

/// Why no frame can be cut.
#[derive(Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The stream ended, inside a frame or between two.
    Ended,
    /// The announced length is above the cap.
    TooLong,
    /// The stream failed.
    Failed,
}

impl Incoming {
    pub fn new(max: usize) -> Self {
        Self { max, head: [0; 4], head_filled: 0, body: Vec::new(), body_filled: 0 }
    }

    /// Changes the longest frame that is accepted from the next one on.
    pub fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// Takes bytes from `source` until a frame is whole; `None` when the source has no more for now.
    pub fn fill(&mut self, source: &mut impl Read) -> Result<Option<Vec<u8>>, FrameError> {
        while self.head_filled < self.head.len() {
            let Some(count) = read(source, &mut self.head[self.head_filled..])? else {
                return Ok(None);
            };
            self.head_filled += count;
        }
        let length = u32::from_le_bytes(self.head) as usize;
        if length > self.max {
            return Err(FrameError::TooLong);
        }
        while self.body_filled < length {
            let room = length.min(self.body_filled + FRAME_STEP);
            if self.body.len() < room {
                self.body.resize(room, 0);
            }
            let Some(count) = read(source, &mut self.body[self.body_filled..])? else {
                return Ok(None);
            };
            self.body_filled += count;
        }
        self.head_filled = 0;
        self.body_filled = 0;
        Ok(Some(std::mem::take(&mut self.body)))
    }
}

/// Some bytes, or `None` where there are none yet.
fn read(source: &mut impl Read, into: &mut [u8]) -> Result<Option<usize>, FrameError> {
    loop {
        match source.read(into) {
            Ok(0) => return Err(FrameError::Ended),
            Ok(count) => return Ok(Some(count)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(FrameError::Ended),
            Err(_) => return Err(FrameError::Failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Hands out bytes in pieces, with "not yet" between them.
    struct Trickle<'a> {
        bytes: &'a [u8],
        piece: usize,
        ready: bool,
    }

    impl Read for Trickle<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.ready = !self.ready;
            if !self.ready {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let count = self.piece.min(into.len()).min(self.bytes.len());
            let (now, later) = self.bytes.split_at(count);
            into[..count].copy_from_slice(now);
            self.bytes = later;
            Ok(count)
        }
    }

    fn framed(frames: &[Vec<u8>]) -> Vec<u8> {
        frames.iter().flat_map(|f| [&(f.len() as u32).to_le_bytes(), f.as_slice()].concat()).collect()
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..6),
            piece in 1usize..50,
        ) {
            let bytes = framed(&frames);
            let mut source = Trickle { bytes: &bytes, piece, ready: false };
            let mut incoming = Incoming::new(200);
            let mut got = Vec::new();
            let end = loop {
                match incoming.fill(&mut source) {
                    Ok(Some(frame)) => got.push(frame),
                    Ok(None) => {}
                    Err(e) => break e,
                }
            };
            prop_assert_eq!(end, FrameError::Ended);
            prop_assert_eq!(got, frames);
        }
    }

    #[test]
    fn a_frame_over_the_cap_is_refused_before_its_bytes_are_awaited() {
        let mut incoming = Incoming::new(8);
        assert_eq!(incoming.fill(&mut &9u32.to_le_bytes()[..]), Err(FrameError::TooLong));
    }

    #[test]
    fn a_claimed_length_reserves_nothing() {
        let mut incoming = Incoming::new(usize::MAX);
        let mut source = &u32::MAX.to_le_bytes()[..];
        assert_eq!(incoming.fill(&mut source), Err(FrameError::Ended));
        assert!(incoming.body.capacity() <= 2 * FRAME_STEP);
    }
}
