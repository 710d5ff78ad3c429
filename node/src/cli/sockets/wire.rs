//! MP-SPDZ's client protocol as bytes: frames, the description of the field, elements.
//!
//! A frame is its length (4 bytes, little-endian) and its payload. A field element is its Montgomery form in limbs of 64
//! bits, least significant first. What a client sends is of exactly the length that the program reads, and its numbers
//! are below the modulus; anything else is an error that names the client.

use polyyne_engine::field::{Field as _, Fp, PrimeField};
use polyyne_engine::share::Shares;
use polyyne_engine::vm::{DoorError, Message, Wanted};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The longest identification: the digits of a 64-bit number.
const IDENTIFICATION_MAX: usize = 20;
/// The longest description of a field that another engine may send: two moduli with their frames.
const DESCRIPTION_MAX: usize = 256;
/// What the type of a prime field is called.
const PRIME_FIELD: i32 = b'p' as i32;

/// How the numbers of one field travel.
#[derive(Clone, Copy)]
pub struct Wire {
    field: PrimeField,
    element_bytes: usize,
    /// 2^(64·limbs) and its inverse.
    into: Fp,
    from: Fp,
}

impl Wire {
    pub fn new(field: PrimeField) -> Self {
        let limbs = if field.modulus() >> 64 == 0 { 1 } else { 2 };
        let into = field.pow(field.element(2), 64 * limbs as u128);
        Self { field, element_bytes: 8 * limbs, into, from: field.inv(into) }
    }

    /// What the engine sends first: type, domain of shares, domain of clear values; the last two are equal here.
    pub fn description(&self) -> Vec<u8> {
        let modulus = self.field.modulus().to_be_bytes();
        let significant = &modulus[modulus.iter().take_while(|&&byte| byte == 0).count()..];
        let mut domain = vec![0];
        domain.extend((significant.len() as i32).to_le_bytes());
        domain.extend(significant);
        domain.extend(1_i32.to_le_bytes());
        [&PRIME_FIELD.to_le_bytes()[..], &domain, &domain].concat()
    }

    /// How long a message is that the program reads, if any can be so long.
    pub fn length(&self, wanted: Wanted, count: usize) -> Option<usize> {
        let each = match wanted {
            Wanted::Integers => 8,
            Wanted::Clear => self.element_bytes,
            Wanted::Shares => 2 * self.element_bytes,
        };
        count.checked_mul(each).filter(|&length| u32::try_from(length).is_ok())
    }

    /// The payload of a message; `label` stands before it unless it is 0.
    pub fn encode(&self, label: i32, message: &Message) -> Vec<u8> {
        let mut payload = Vec::new();
        if label != 0 {
            payload.extend(label.to_le_bytes());
        }
        match message {
            Message::Integers(values) => values.iter().for_each(|value| payload.extend(value.to_le_bytes())),
            Message::Clear(values) | Message::ValueShares(values) => {
                values.iter().for_each(|&value| self.put(value, &mut payload));
            }
            Message::Shares(shares) => (0..shares.len()).for_each(|i| {
                let (value, mac) = shares.get(i);
                self.put(value, &mut payload);
                self.put(mac, &mut payload);
            }),
        }
        payload
    }

    /// A payload of the length that [`Self::length`] says.
    ///
    /// # Errors
    /// [`DoorError::NotOfField`].
    pub fn decode(&self, client: i64, wanted: Wanted, payload: &[u8]) -> Result<Message, DoorError> {
        if wanted == Wanted::Integers {
            let words = payload.as_chunks().0;
            return Ok(Message::Integers(words.iter().map(|&word| i64::from_le_bytes(word)).collect()));
        }
        let elements: Option<Vec<Fp>> = payload.chunks_exact(self.element_bytes).map(|bytes| self.get(bytes)).collect();
        let elements = elements.ok_or(DoorError::NotOfField(client))?;
        if wanted == Wanted::Clear {
            return Ok(Message::Clear(elements));
        }
        let mut shares = Shares::default();
        elements.chunks_exact(2).for_each(|pair| shares.push(pair[0], pair[1]));
        Ok(Message::Shares(shares))
    }

    fn put(&self, value: Fp, payload: &mut Vec<u8>) {
        let montgomery = self.field.to_u128(self.field.mul(value, self.into));
        payload.extend(&montgomery.to_le_bytes()[..self.element_bytes]);
    }

    fn get(&self, bytes: &[u8]) -> Option<Fp> {
        let mut whole = [0; 16];
        whole[..bytes.len()].copy_from_slice(bytes);
        let montgomery = u128::from_le_bytes(whole);
        (montgomery < self.field.modulus()).then(|| self.field.mul(self.field.element(montgomery), self.from))
    }
}

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("it sent {found} bytes where {expected} are read")]
    Length { expected: usize, found: usize },
    #[error("{0}")]
    Lost(#[from] std::io::Error),
}

pub async fn send_frame(to: &mut (impl AsyncWrite + Unpin), payload: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(payload.len()).map_err(|_| std::io::ErrorKind::InvalidInput)?;
    to.write_all(&length.to_le_bytes()).await?;
    to.write_all(payload).await?;
    to.flush().await
}

/// A frame of exactly `expected` bytes; its length is looked at before there is memory for it.
pub async fn receive_frame(from: &mut (impl AsyncRead + Unpin), expected: usize) -> Result<Vec<u8>, FrameError> {
    let found = from.read_u32_le().await? as usize;
    if found != expected {
        return Err(FrameError::Length { expected, found });
    }
    let mut payload = vec![0; expected];
    from.read_exact(&mut payload).await?;
    Ok(payload)
}

/// The client's number, which it says first and in the clear.
pub async fn identification(from: &mut (impl AsyncRead + Unpin)) -> Result<i64, FrameError> {
    let text = short_frame(from, IDENTIFICATION_MAX).await?;
    let digits = std::str::from_utf8(&text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok());
    Ok(number.ok_or(std::io::ErrorKind::InvalidData).map_err(std::io::Error::from)?)
}

/// What an engine that this one is a client of says of its field.
pub async fn description(from: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, FrameError> {
    short_frame(from, DESCRIPTION_MAX).await
}

async fn short_frame(from: &mut (impl AsyncRead + Unpin), longest: usize) -> Result<Vec<u8>, FrameError> {
    let found = from.read_u32_le().await? as usize;
    if found > longest {
        return Err(FrameError::Length { expected: longest, found });
    }
    let mut payload = vec![0; found];
    from.read_exact(&mut payload).await?;
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_montgomery_forms_in_little_endian_limbs() {
        // 2^128 mod p and 2^64 mod p, as the reference defines the form of 1
        let carbyne = PrimeField::carbyne();
        let one = (u128::MAX % carbyne.modulus()) + 1;
        let wire = Wire::new(carbyne);
        assert_eq!(wire.encode(0, &Message::Clear(vec![carbyne.one()])), one.to_le_bytes());
        let small = PrimeField::new(0xffff_ffff_ffff_ffc5).unwrap();
        let message = Wire::new(small).encode(0, &Message::ValueShares(vec![small.one()]));
        assert_eq!(message, 59_u64.to_le_bytes());
    }

    #[test]
    fn the_description_names_the_prime_twice() {
        let wire = Wire::new(PrimeField::new(0x1_0000_000f).unwrap());
        let domain = [0, 5, 0, 0, 0, 1, 0, 0, 0, 15, 1, 0, 0, 0];
        assert_eq!(wire.description(), [&b"p\0\0\0"[..], &domain, &domain].concat());
    }

    #[test]
    fn what_was_encoded_is_decoded_and_numbers_outside_the_field_are_refused() {
        let field = PrimeField::carbyne();
        let wire = Wire::new(field);
        let mut shares = Shares::default();
        shares.push(field.from_i64(-5), field.from_i64(7));
        shares.push(field.from_i64(11), field.zero());
        let bytes = wire.encode(0, &Message::Shares(shares));
        assert_eq!(wire.length(Wanted::Shares, 2), Some(bytes.len()));
        let Ok(Message::Shares(back)) = wire.decode(4, Wanted::Shares, &bytes) else { panic!() };
        assert!(back.len() == 2 && back.get(0) == (field.from_i64(-5), field.from_i64(7)));
        let refused = wire.decode(4, Wanted::Clear, &field.modulus().to_le_bytes()).err();
        assert_eq!(refused, Some(DoorError::NotOfField(4)));
    }

    #[test]
    fn a_label_stands_before_the_values_unless_it_is_0() {
        let wire = Wire::new(PrimeField::carbyne());
        let labelled = wire.encode(3, &Message::Integers(vec![-1]));
        assert_eq!(labelled, [&3_i32.to_le_bytes()[..], &[255; 8]].concat());
    }

    #[test]
    fn a_frame_of_another_length_is_refused_before_there_is_memory_for_it() {
        let read = |bytes: &'static [u8]| futures::executor::block_on(receive_frame(&mut &bytes[..], 8));
        assert!(matches!(read(&[255; 12]), Err(FrameError::Length { found: 0xffff_ffff, .. })));
        assert!(matches!(read(&[8, 0, 0, 0, 1]), Err(FrameError::Lost(_))));
        let identify = |bytes: &'static [u8]| futures::executor::block_on(identification(&mut &bytes[..]));
        assert_eq!(identify(b"\x02\0\0\x0042").unwrap(), 42);
        for bad in [&b"\x02\0\0\0-4"[..], b"\0\0\0\0", b"\x03\0\0\0\xff42", b"\x15\0\0\x00123456789012345678901"] {
            assert!(identify(bad).is_err());
        }
    }
}
