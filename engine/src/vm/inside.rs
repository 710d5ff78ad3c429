//! What the machine works with, and what of it waits for a MAC check.

use super::exits::Exits;
use super::{BitSide, Inputs, Meter, Ports, Side, Storage, Threads};
use crate::field::{BinaryField, PrimeField};
use crate::online::Online;

/// [`Ports`] without those that values leave by.
pub(super) struct Inside<'a> {
    pub online: &'a mut Online<PrimeField>,
    pub binary: Option<&'a mut Side<BinaryField>>,
    pub bits: Option<&'a mut BitSide>,
    pub inputs: &'a mut dyn Inputs,
    pub storage: &'a mut dyn Storage<PrimeField>,
    pub binary_storage: &'a mut dyn Storage<BinaryField>,
    pub arguments: &'a [i64],
    pub threads: Option<&'a mut dyn Threads>,
    pub meter: Option<Box<dyn Meter>>,
}

impl<'a> Ports<'a> {
    pub(super) fn parted(self) -> (Inside<'a>, Exits<'a>) {
        let Self { online, binary, bits, inputs, door, storage, binary_storage, printer, arguments, threads, meter } =
            self;
        let inside = Inside { online, binary, bits, inputs, storage, binary_storage, arguments, threads, meter };
        (inside, Exits::new(door, printer))
    }
}

impl Inside<'_> {
    /// MAC checks so far, over all fields.
    pub(super) fn checks(&self) -> u64 {
        let binary = self.binary.as_ref().map_or(0, |side| side.mac.checks());
        let bits = self.bits.as_ref().map_or(0, |side| side.mac.checks());
        self.online.mac.checks() + binary + bits
    }

    /// Openings that wait for a check, over all fields.
    pub(super) fn openings(&self) -> usize {
        let binary = self.binary.as_ref().map_or(0, |side| side.mac.pending());
        let bits = self.bits.as_ref().map_or(0, |side| side.mac.pending());
        self.online.mac.pending() + binary + bits
    }

    /// Whether anything that clear registers have seen waits for a check.
    pub(super) fn revealed_waits(&self) -> bool {
        self.online.mac.revealed_waits()
            || self.binary.as_ref().is_some_and(|side| side.mac.revealed_waits())
            || self.bits.as_ref().is_some_and(|side| side.mac.revealed_waits())
    }
}
