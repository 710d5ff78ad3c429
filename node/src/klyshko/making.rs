//! Which call of the engine makes a kind, and how what it makes is stored.

use crate::castor::TupleKind;
use crate::session::side::Side;
use crate::session::take::{beside, engine_kind, mask_rows, matrix_rows, rows};
use polyyne_engine::bit_tuples::{DaBits, EdaBits};
use polyyne_engine::error::Result;
use polyyne_engine::field::{BinaryField, PrimeField};
use polyyne_engine::generator::Generator;
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::mascot::{Setup, World};
use polyyne_engine::party::Party;
use polyyne_engine::share::{BitShares, Shares};
use polyyne_engine::tuples::{InputMasks, Kind, MatrixTriples};
use zeroize::Zeroizing;

/// A generator over the prime field, with the MAC check that it works for.
pub struct Prime {
    pub field: PrimeField,
    pub mac: MacCheck<PrimeField>,
    pub generator: Generator,
}

/// MASCOT over a field beside it, with its MAC check.
pub struct Binary {
    pub field: BinaryField,
    pub mac: MacCheck<BinaryField>,
    pub setup: Setup<BinaryField>,
}

/// Checked tuples of one kind.
pub enum Made {
    Prime(PrimeField, Vec<Shares<PrimeField>>),
    PrimeMasks(PrimeField, InputMasks<PrimeField>),
    Matrices(PrimeField, MatrixTriples<PrimeField>),
    Binary(BinaryField, Vec<Shares<BinaryField>>),
    BinaryMasks(BinaryField, InputMasks<BinaryField>),
    /// daBits and edaBits: an element of the prime field, and its bits.
    OverBoth(PrimeField, Shares<PrimeField>, BinaryField, Vec<BitShares>),
}

impl Made {
    /// As they are stored.
    pub fn rows(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Prime(field, columns) => rows(field, columns),
            Self::PrimeMasks(field, masks) => mask_rows(field, masks),
            Self::Matrices(field, triples) => matrix_rows(field, triples),
            Self::Binary(field, columns) => rows(field, columns),
            Self::BinaryMasks(field, masks) => mask_rows(field, masks),
            Self::OverBoth(prime, arithmetic, binary, bits) => {
                let bits: Vec<_> = bits.iter().map(|column| column.unpacked(binary)).collect();
                beside(&rows(prime, std::slice::from_ref(arithmetic)), &rows(binary, &bits), bits.len())
            }
        }
    }
}

fn common(kind: TupleKind) -> Kind {
    engine_kind(kind).expect("a planned kind is one that this node makes")
}

impl Prime {
    /// Makes a kind over the prime field.
    ///
    /// # Errors
    /// What the generator says; its setup is of no use then.
    pub async fn make(&mut self, party: &mut Party, kind: TupleKind, count: usize) -> Result<Made> {
        let Self { field, mac, generator } = self;
        Ok(match (kind.owner(), kind.shape()) {
            (Some(owner), _) => {
                Made::PrimeMasks(*field, generator.generate_input_masks(party, mac, owner, count).await?)
            }
            (_, Some(shape)) => Made::Matrices(*field, generator.generate_matrices(party, mac, shape, count).await?),
            _ => Made::Prime(*field, generator.generate(party, mac, common(kind), count).await?),
        })
    }

    /// Makes daBits or edaBits.
    ///
    /// # Errors
    /// What the generator says; both setups are of no use then.
    pub async fn make_over_both(
        &mut self,
        party: &mut Party,
        binary: &mut Binary,
        kind: TupleKind,
        count: usize,
    ) -> Result<Made> {
        let Self { field, mac, generator } = self;
        let world = World { setup: &mut binary.setup, mac: &mut binary.mac };
        let (arithmetic, bits) = match kind.edabit_bits() {
            None => {
                let DaBits { arithmetic, binary } = generator.generate_dabits(party, mac, world, count).await?;
                (arithmetic, vec![binary])
            }
            Some(length) => {
                let EdaBits { arithmetic, bits } = generator.generate_edabits(party, mac, world, length, count).await?;
                (arithmetic, bits)
            }
        };
        Ok(Made::OverBoth(*field, arithmetic, binary.field, bits))
    }
}

impl Binary {
    /// Makes a kind over this field alone.
    ///
    /// # Errors
    /// What MASCOT says; the setup is of no use then.
    pub async fn make(&mut self, party: &mut Party, kind: TupleKind, count: usize) -> Result<Made> {
        let Self { field, mac, setup } = self;
        Ok(match (kind, kind.owner()) {
            (_, Some(owner)) => {
                let masks = match Side::of(kind) {
                    Some(Side::Bits) => setup.generate_bit_masks(party, mac, owner, count).await?,
                    _ => setup.generate_input_masks(party, mac, owner, count).await?,
                };
                Made::BinaryMasks(*field, masks)
            }
            (TupleKind::AND_TRIPLE, _) => {
                let triples = setup.generate_and_triples(party, mac, count).await?;
                Made::Binary(*field, vec![triples.a, triples.b, triples.c])
            }
            _ => Made::Binary(*field, setup.generate(party, mac, common(kind), count).await?),
        })
    }
}
