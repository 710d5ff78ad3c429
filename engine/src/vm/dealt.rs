//! GF(2^n) and bits from a dealer, for commands and tests that hold all parties in one process anyway.

use super::{BitSide, Side};
use crate::bit_tuples::{BitDealer, mac_field};
use crate::dealer::Dealer;
use crate::field::{BinaryField, PrimeField};
use crate::mac_check::MacCheck;
use crate::port::{Gate, LocalGate};

/// The sides of party `party` of `n` beside the prime field that `prime` deals for, where nothing else uses their MAC
/// keys. All parties give the same `seed`.
pub fn dealt_sides(
    prime: &Dealer<PrimeField>,
    field: BinaryField,
    n: usize,
    party: usize,
    seed: [u8; 32],
) -> (Side<BinaryField>, BitSide) {
    let gates = [(); 2].map(|()| Box::new(LocalGate::default()) as Box<dyn Gate>);
    dealt_sides_behind(prime, field, n, party, seed, gates)
}

/// [`dealt_sides`] behind gates for the keys of GF(2^n) and of bits, which VM threads use too.
pub fn dealt_sides_behind(
    prime: &Dealer<PrimeField>,
    field: BinaryField,
    n: usize,
    party: usize,
    seed: [u8; 32],
    [binary_gate, bits_gate]: [Box<dyn Gate>; 2],
) -> (Side<BinaryField>, BitSide) {
    let dealer = Dealer::new(field, n, seed);
    let mac = MacCheck::new(field, dealer.key(party), binary_gate);
    let binary = Side { field, mac, tuples: Box::new(dealer.tuples(party, 0)) };
    let bits = BitDealer::new(prime, n, party, seed);
    let mac = MacCheck::new(mac_field(), bits.key(), bits_gate);
    (binary, BitSide { mac, tuples: Box::new(bits) })
}
