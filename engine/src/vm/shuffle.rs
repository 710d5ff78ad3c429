//! Secure shuffles: each party in turn permutes through a network whose switches only it knows, so that the whole is a
//! permutation that no coalition short of all parties knows.
//!
//! A party's switches are private inputs b, shown to be bits by b² − b = 0: the MAC shares of b² − b are registered for the
//! next MAC check as those of zero, which fails unless all of them are. A crossed switch swaps with one product for each
//! register: t = b·(y − x), x + t, y − t. One round for each layer, whatever the number of shuffles in an instruction.

use super::Machine;
use super::fault::{Fault, Step};
use super::permutation::{Permutation, layers};
use super::personal::share_inputs;
use super::rounds::{Rounds, gather, scatter};
use crate::field::{Field, PrimeField};
use crate::online::{Factors, Run as Factor, multiply};
use crate::party::PartyIndex;
use crate::share::Shares;
use polyyne_bytecode::Opcode;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A secret permutation of blocks.
pub(super) struct Shuffle<F: Field = PrimeField> {
    blocks: usize,
    /// The switches of each party's network, layer by layer.
    networks: Vec<Vec<Shares<F>>>,
}

/// Shuffles that a program keeps at once have no more switches than this.
const SWITCHES_MAX: usize = 1 << 24;

/// Switches that are passed together, with their settings.
type Layer<F> = (Vec<(usize, usize)>, Shares<F>);

/// One shuffle on its way through the networks.
struct Passage<F: Field> {
    data: Shares<F>,
    unit: usize,
    /// Switches and their settings, in the order in which they are passed.
    layers: Vec<Layer<F>>,
    to: usize,
}

impl Machine<'_> {
    /// Runs an instruction; false if it is none of these.
    pub(super) async fn shuffle(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step<bool> {
        match opcode {
            Opcode::Gensecshuffle => {
                let kept: usize = self.shuffles.iter().flatten().map(|shuffle| shuffle.switches()).sum();
                let shuffle = self.prime_rounds().new_shuffle(args[1] as usize, kept).await?;
                let handle = self.shuffles.len() as i64;
                self.shuffles.push(Some(Arc::new(shuffle)));
                self.banks.ints[args[0] as usize] = handle;
            }
            Opcode::Delshuffle => {
                let handle = self.banks.ints[args[0] as usize];
                let kept = usize::try_from(handle).ok().and_then(|handle| self.shuffles.get_mut(handle));
                kept.and_then(Option::take).ok_or(Fault::Shuffle(handle))?;
            }
            Opcode::Applyshuffle => {
                self.settle_control().await?;
                let passages = args.chunks_exact(6).map(|group| self.passage(group)).collect::<Step<Vec<_>>>()?;
                self.prime_rounds().pass(passages).await?;
            }
            Opcode::Secshuffle => self.prime_rounds().shuffle_once(size, args).await.map(drop)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn passage(&self, group: &[i64]) -> Step<Passage<PrimeField>> {
        let [size, to, from, unit] = [0, 1, 2, 3].map(|k| group[k] as usize);
        let handle = self.banks.ints[group[4] as usize];
        let kept = usize::try_from(handle).ok().and_then(|handle| self.shuffles.get(handle)?.as_ref());
        let shuffle = kept.ok_or(Fault::Shuffle(handle))?;
        if shuffle.blocks != size / unit {
            return Err(Fault::ShuffleLength { expected: shuffle.blocks, found: size / unit });
        }
        let data = gather(&self.banks.prime.s, std::iter::once((from, size)));
        Ok(Passage { data, unit, layers: shuffle.passed(group[5] == 1), to })
    }
}

impl<F: Field> Rounds<'_, F> {
    /// `secshuffle`: a permutation that is used once.
    pub(super) async fn shuffle_once(&mut self, size: usize, args: &[i64]) -> Step<bool> {
        let unit = args[2] as usize;
        let shuffle = self.new_shuffle(size / unit, 0).await?;
        let data = gather(&self.registers.s, std::iter::once((args[1] as usize, size)));
        self.pass(vec![Passage { data, unit, layers: shuffle.passed(false), to: args[0] as usize }]).await?;
        Ok(true)
    }

    /// Every party inputs the switches of a random permutation, all in one round; then they are shown to be bits. `kept`
    /// switches exist already.
    async fn new_shuffle(&mut self, blocks: usize, kept: usize) -> Step<Shuffle<F>> {
        let widths: Vec<usize> = layers(blocks).iter().map(Vec::len).collect();
        let switches: usize = widths.iter().sum();
        let n = self.party.n();
        if kept.saturating_add(switches.saturating_mul(n)) > SWITCHES_MAX {
            return Err(Fault::Limit { what: "switches of secure shuffles", max: SWITCHES_MAX as u64 });
        }
        let settings = Permutation::random(blocks, &mut self.party.rng).route();
        let field = self.field;
        let element = |&bit: &u8| field.from_bits(bit.into()).expect("a bit is an element of every field");
        let own: Zeroizing<Vec<F::Element>> = Zeroizing::new(settings.iter().map(element).collect());
        let counts: Vec<_> = (0..n).map(|j| (PartyIndex(j as u16), switches)).collect();
        let key = self.mac.key().clone();
        let bits = share_inputs(field, self.party, &key, self.tuples, &counts, &own).await?;
        self.prove_bits(&bits).await?;
        let networks = bits
            .iter()
            .map(|bits| {
                let mut start = 0;
                let layer = |&width: &usize| {
                    start += width;
                    bits.slice(start - width..start)
                };
                widths.iter().map(layer).collect()
            })
            .collect();
        Ok(Shuffle { blocks, networks })
    }

    async fn prove_bits(&mut self, bits: &[Shares<F>]) -> Step {
        let mut all = Shares::default();
        bits.iter().for_each(|bits| all.append(bits));
        let squares = self.multiplied(&all, &all).await?;
        let zeros = squares.sub(self.field, &all);
        self.mac.register(&vec![self.field.zero(); zeros.len()], &zeros.macs);
        Ok(())
    }

    async fn multiplied(&mut self, x: &Shares<F>, y: &Shares<F>) -> Step<Shares<F>> {
        let mut products = Shares::with_capacity(x.len());
        let runs = [Factor { x: 0, y: 0, len: x.len(), one_y: false }];
        let triples = |count| Ok::<_, Fault>(self.tuples.triples(count)?.into_columns());
        let mut factors = Factors::new(x, y, &runs, |some| products.append(some));
        multiply(self.party, self.mac, triples, &mut factors).await?;
        Ok(products)
    }

    /// Takes all passages through their layers together, and writes where they end.
    async fn pass(&mut self, mut passages: Vec<Passage<F>>) -> Step {
        let rounds = passages.iter().map(|passage| passage.layers.len()).max().unwrap_or(0);
        for round in 0..rounds {
            let (mut switches, mut differences) = (Shares::default(), Shares::default());
            for passage in &passages {
                passage.differences(self.field, round, &mut switches, &mut differences);
            }
            let products = self.multiplied(&switches, &differences).await?;
            let mut start = 0;
            passages.iter_mut().for_each(|passage| passage.cross(self.field, round, &products, &mut start));
        }
        for passage in &passages {
            let run = std::iter::once((passage.to, passage.data.len()));
            scatter(&mut self.registers.s, &passage.data, run);
        }
        Ok(())
    }
}

impl<F: Field> Shuffle<F> {
    fn switches(&self) -> usize {
        self.networks.iter().flatten().map(Shares::len).sum()
    }

    /// All layers of all networks in the order of the permutation or of its inverse.
    fn passed(&self, inverse: bool) -> Vec<Layer<F>> {
        let pairs = layers(self.blocks);
        let network = |bits: &Vec<Shares<F>>| pairs.iter().cloned().zip(bits.iter().cloned()).collect::<Vec<_>>();
        let mut all: Vec<_> = self.networks.iter().flat_map(network).collect();
        if inverse {
            all.reverse();
        }
        all
    }
}

impl<F: Field> Passage<F> {
    /// Appends, for each register of each switch of a layer, the switch and y − x.
    fn differences(&self, field: &F, round: usize, switches: &mut Shares<F>, differences: &mut Shares<F>) {
        let Some((pairs, bits)) = self.layers.get(round) else { return };
        for (k, &(a, b)) in pairs.iter().enumerate() {
            let (bit, bit_mac) = bits.get(k);
            for lane in 0..self.unit {
                let ((x, x_mac), (y, y_mac)) =
                    (self.data.get(a * self.unit + lane), self.data.get(b * self.unit + lane));
                switches.push(bit, bit_mac);
                differences.push(field.sub(y, x), field.sub(y_mac, x_mac));
            }
        }
    }

    /// Adds the products of [`Self::differences`] on one side and takes them away on the other.
    fn cross(&mut self, field: &F, round: usize, products: &Shares<F>, start: &mut usize) {
        let Some((pairs, _)) = self.layers.get(round) else { return };
        for &(a, b) in pairs {
            for lane in 0..self.unit {
                let (t, t_mac) = products.get(*start);
                let (upper, lower) = (a * self.unit + lane, b * self.unit + lane);
                let ((x, x_mac), (y, y_mac)) = (self.data.get(upper), self.data.get(lower));
                self.data.set(upper, (field.add(x, t), field.add(x_mac, t_mac)));
                self.data.set(lower, (field.sub(y, t), field.sub(y_mac, t_mac)));
                *start += 1;
            }
        }
    }
}
