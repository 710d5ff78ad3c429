//! Secure shuffles: each party in turn permutes through a network whose switches only it knows, so that the whole is a
//! permutation that no coalition short of all parties knows.
//!
//! A party's switches are private inputs b, shown to be bits by b² − b = 0: the MAC shares of b² − b are registered for the
//! next MAC check as those of zero, which fails unless all of them are. A crossed switch swaps with one product for each
//! register: t = b·(y − x), x + t, y − t. One round for each layer, whatever the number of shuffles in an instruction.

use super::Machine;
use super::fault::{Fault, Step};
use super::interactive::below;
use super::permutation::{layers, route};
use super::rounds::{gather, scatter};
use crate::field::{Field, Fp, PrimeField};
use crate::party::PartyIndex;
use crate::share::Shares;
use crate::step::Step as Wire;
use polyyne_bytecode::Opcode;

/// A secret permutation of blocks.
pub(super) struct Shuffle {
    blocks: usize,
    /// The switches of each party's network, layer by layer.
    networks: Vec<Vec<Shares<PrimeField>>>,
}

/// Shuffles that a program keeps at once have no more switches than this.
const SWITCHES_MAX: usize = 1 << 24;

/// Switches that are passed together, with their settings.
type Layer = (Vec<(usize, usize)>, Shares<PrimeField>);

/// One shuffle on its way through the networks.
struct Passage {
    data: Shares<PrimeField>,
    unit: usize,
    /// Switches and their settings, in the order in which they are passed.
    layers: Vec<Layer>,
    to: usize,
}

impl Machine<'_> {
    /// Runs an instruction; false if it is none of these.
    pub(super) async fn shuffle(&mut self, opcode: Opcode, size: usize, args: &[i64]) -> Step<bool> {
        match opcode {
            Opcode::Gensecshuffle => {
                let shuffle = self.new_shuffle(args[1] as usize).await?;
                let handle = self.shuffles.len() as i64;
                self.shuffles.push(Some(shuffle));
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
                self.pass(passages).await?;
            }
            Opcode::Secshuffle => {
                let unit = args[2] as usize;
                let shuffle = self.new_shuffle(size / unit).await?;
                let data = gather(&self.banks.prime.s, std::iter::once((args[1] as usize, size)));
                self.pass(vec![Passage { data, unit, layers: shuffle.passed(false), to: args[0] as usize }]).await?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn passage(&self, group: &[i64]) -> Step<Passage> {
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

    /// Every party inputs the switches of a random permutation, all in one round; then they are shown to be bits.
    async fn new_shuffle(&mut self, blocks: usize) -> Step<Shuffle> {
        let widths: Vec<usize> = layers(blocks).iter().map(Vec::len).collect();
        let switches: usize = widths.iter().sum();
        let n = self.ports.online.party.n();
        let kept: usize = self.shuffles.iter().flatten().map(Shuffle::switches).sum();
        if kept.saturating_add(switches.saturating_mul(n)) > SWITCHES_MAX {
            return Err(Fault::Limit { what: "switches of secure shuffles", max: SWITCHES_MAX as u64 });
        }
        let mut own: Vec<usize> = (0..blocks).collect();
        let rng = &mut self.ports.online.party.rng;
        (1..blocks).rev().for_each(|last| own.swap(last, below(rng, last as u64 + 1) as usize));
        let own: Vec<bool> = route(&own).concat();
        let bits = self.input_switches(&own).await?;
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

    async fn input_switches(&mut self, own: &[bool]) -> Step<Vec<Shares<PrimeField>>> {
        let field = self.ports.online.field;
        let online = &mut *self.ports.online;
        let mut message = Vec::new();
        let mut masks = Vec::new();
        for owner in 0..online.party.n() {
            let mask = online.tuples.input_masks(owner, own.len())?;
            if owner == online.party.index().get() {
                let clear = mask.clear.as_ref().expect("the source gives the owner its masks in clear");
                let masked: Vec<Fp> =
                    own.iter().zip(clear).map(|(&bit, &r)| field.sub(field.element(bit.into()), r)).collect();
                field.encode(&masked, &mut message);
            }
            masks.push(mask.shares);
        }
        let received = online.party.broadcast(Wire::Input, message).await?;
        let mut bits = Vec::new();
        for (owner, mask) in masks.iter().enumerate() {
            let peer = PartyIndex(owner as u16);
            let masked = online.party.elements(&field, peer, Wire::Input, &received[owner], own.len())?;
            bits.push(online.mac.key().add_public(&field, mask, &masked));
        }
        Ok(bits)
    }

    async fn prove_bits(&mut self, bits: &[Shares<PrimeField>]) -> Step {
        let mut all = Shares::default();
        bits.iter().for_each(|bits| all.append(bits));
        let online = &mut *self.ports.online;
        let squares = online.multiply(&all, &all).await?;
        let zeros = squares.sub(&online.field, &all);
        online.mac.register(&vec![online.field.zero(); zeros.len()], &zeros.macs);
        Ok(())
    }

    /// Takes all passages through their layers together, and writes where they end.
    async fn pass(&mut self, mut passages: Vec<Passage>) -> Step {
        let rounds = passages.iter().map(|passage| passage.layers.len()).max().unwrap_or(0);
        let field = self.ports.online.field;
        for round in 0..rounds {
            let (mut switches, mut differences) = (Shares::default(), Shares::default());
            for passage in &passages {
                passage.differences(&field, round, &mut switches, &mut differences);
            }
            let products = self.ports.online.multiply(&switches, &differences).await?;
            let mut start = 0;
            passages.iter_mut().for_each(|passage| passage.cross(&field, round, &products, &mut start));
        }
        for passage in &passages {
            let run = std::iter::once((passage.to, passage.data.len()));
            scatter(&mut self.banks.prime.s, &passage.data, run);
        }
        Ok(())
    }
}

impl Shuffle {
    fn switches(&self) -> usize {
        self.networks.iter().flatten().map(Shares::len).sum()
    }

    /// All layers of all networks in the order of the permutation or of its inverse.
    fn passed(&self, inverse: bool) -> Vec<Layer> {
        let pairs = layers(self.blocks);
        let network =
            |bits: &Vec<Shares<PrimeField>>| pairs.iter().cloned().zip(bits.iter().cloned()).collect::<Vec<_>>();
        let mut all: Vec<_> = self.networks.iter().flat_map(network).collect();
        if inverse {
            all.reverse();
        }
        all
    }
}

impl Passage {
    /// Appends, for each register of each switch of a layer, the switch and y − x.
    fn differences(
        &self,
        field: &PrimeField,
        round: usize,
        switches: &mut Shares<PrimeField>,
        differences: &mut Shares<PrimeField>,
    ) {
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
    fn cross(&mut self, field: &PrimeField, round: usize, products: &Shares<PrimeField>, start: &mut usize) {
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
