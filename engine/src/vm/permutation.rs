//! Permutation networks: layers of switches that can route any permutation (Beneš; for any number of wires after Beauquier
//! and Darrot, "On Arbitrary Size Waksman Networks", 2002). The network of n wires depends on n alone, the permutation
//! is in the switches.
//!
//! Wires are handled in place: switches join wires 2k and 2k+1; then the even ones go through one half-size network and
//! the odd ones (and the last, if n is odd) through another; then the same pairs are joined again.
//!
//! The permutation is a party's secret, so neither a branch nor an address depends on it: a table is read and written at a
//! secret place by going through all of it, and the number of steps follows from n. That makes routing quadratic in n,
//! with a small constant: a step goes through a few tables of n words, which the compiler does in vectors.

use std::hint::black_box;
use zeroize::Zeroizing;

use super::interactive::below;
use crate::port::Rng;

/// Secret numbers of wires.
type Table = Zeroizing<Vec<u32>>;

/// The switches of each layer, as pairs of wires.
pub(super) fn layers(n: usize) -> Vec<Vec<(usize, usize)>> {
    let mut layers = vec![Vec::new(); depth(n)];
    let wires: Vec<usize> = (0..n).collect();
    place(&wires, 0, &mut |layer, pair, _| layers[layer].push(pair), None);
    layers
}

/// A secret permutation of at most 2^31 wires.
pub(crate) struct Permutation {
    /// Where each wire goes.
    to: Table,
}

impl Permutation {
    /// A uniform one (Fisher and Yates).
    pub(crate) fn random(n: usize, rng: &mut Rng) -> Self {
        let mut to: Table = Zeroizing::new((0..n as u32).collect());
        for last in (1..n).rev() {
            let other = below(rng, last as u64 + 1) as u32;
            let (left, rest) = to.split_at_mut(last);
            // `other` is `last` itself where no place of the left part is.
            let mut moved = rest[0];
            for (place, wire) in left.iter_mut().enumerate() {
                let here = equal(place as u32, other);
                let swapped = (*wire ^ moved) & here;
                (*wire, moved) = (*wire ^ swapped, moved ^ swapped);
            }
            rest[0] = moved;
        }
        Self { to }
    }

    /// The settings of all switches, in the order of [`layers`], that bring each wire to its place: 0 or 1 each.
    pub(crate) fn route(&self) -> Zeroizing<Vec<u8>> {
        let n = self.to.len();
        let mut settings = vec![Zeroizing::new(Vec::new()); depth(n)];
        let wires: Vec<usize> = (0..n).collect();
        let route = Route { to: self.to.clone(), from: inverse(&self.to) };
        place(&wires, 0, &mut |layer, _, crossed| settings[layer].push(crossed), Some(route));
        let mut all = Zeroizing::new(Vec::with_capacity(settings.iter().map(|layer| layer.len()).sum()));
        settings.iter().for_each(|layer| all.extend_from_slice(layer));
        all
    }
}

/// All ones if equal, else zero; in constant time.
fn equal(a: u32, b: u32) -> u32 {
    let different = a ^ b;
    black_box((different | different.wrapping_neg()) >> 31).wrapping_sub(1)
}

/// The word at a secret place.
fn read(table: &[u32], place: u32) -> u32 {
    table.iter().zip(0u32..).fold(0, |found, (&word, at)| found | word & equal_lane(at, place))
}

/// Writes a word at a secret place where `mask` is all ones.
fn write(table: &mut [u32], place: u32, word: u32, mask: u32) {
    for (old, at) in table.iter_mut().zip(0u32..) {
        let here = equal_lane(at, place) & mask;
        *old ^= (*old ^ word) & here;
    }
}

/// [`equal`] without a barrier, so that loops over tables become vectors; there is no branch to make of a fold over all.
#[inline(always)]
fn equal_lane(a: u32, b: u32) -> u32 {
    u32::from(a == b).wrapping_neg()
}

fn inverse(to: &[u32]) -> Table {
    let mut from = Zeroizing::new(vec![0; to.len()]);
    to.iter().zip(0..).for_each(|(&output, input)| write(&mut from, output, input, u32::MAX));
    from
}

/// How many layers.
fn depth(n: usize) -> usize {
    match n {
        0 | 1 => 0,
        2 => 1,
        _ => 2 + depth(n.div_ceil(2)),
    }
}

type Visit<'a> = dyn FnMut(usize, (usize, usize), u8) + 'a;

/// A permutation and its inverse.
struct Route {
    to: Table,
    from: Table,
}

/// Visits the switches of the network over `wires` that starts at `layer`; with a permutation, in their settings.
fn place(wires: &[usize], layer: usize, visit: &mut Visit<'_>, route: Option<Route>) {
    let n = wires.len();
    if n < 2 {
        return;
    }
    if n == 2 {
        visit(layer, (wires[0], wires[1]), route.map_or(0, |route| (route.to[0] & 1) as u8));
        return;
    }
    let pairs = n / 2;
    let sides = route.as_ref().map(Sides::of);
    let last = layer + 1 + depth(n.div_ceil(2));
    for k in 0..pairs {
        let pair = (wires[2 * k], wires[2 * k + 1]);
        visit(layer, pair, sides.as_ref().map_or(0, |sides| (sides.inputs[2 * k] & 1) as u8));
        visit(last, pair, sides.as_ref().map_or(0, |sides| (sides.outputs[2 * k] & 1) as u8));
    }
    let upper: Vec<usize> = (0..pairs).map(|k| wires[2 * k]).collect();
    let lower: Vec<usize> = (0..n - pairs).map(|k| wires[(2 * k + 1).min(n - 1)]).collect();
    let (upper_route, lower_route) = sides.map(|sides| sides.halves()).unzip();
    place(&upper, layer + 1, visit, upper_route);
    place(&lower, layer + 1, visit, lower_route);
}

/// Which half each input and each output belongs to: all ones for the lower one.
struct Sides<'a> {
    route: &'a Route,
    inputs: Table,
    outputs: Table,
}

impl<'a> Sides<'a> {
    /// The looping algorithm: the inputs of a pair, and the inputs whose outputs are a pair, take different halves. With an
    /// odd number, the last input and the last output belong to the lower half.
    ///
    /// Each step takes one input and the one whose output is the pair of its output, if there is one, and goes on with the
    /// other input of the latter's pair, or with the first that has no half where that has one: ⌈n/2⌉ steps in all.
    fn of(route: &'a Route) -> Self {
        let n = route.to.len();
        let odd = n % 2 == 1;
        let tables = || Zeroizing::new(vec![0u32; n]);
        let (mut inputs, mut outputs, mut taken) = (tables(), tables(), tables());
        // The walk from the last input of an odd number ends at the last output, and no other has an end.
        let (mut input, mut half) = if odd { (n as u32 - 1, u32::MAX) } else { (0, 0) };
        for _ in 0..n.div_ceil(2) {
            let output = read(&route.to, input);
            let alone = if odd { equal(output, n as u32 - 1) } else { 0 };
            let opposite = read(&route.from, output ^ 1);
            for (input, output, half, mask) in [(input, output, half, u32::MAX), (opposite, output ^ 1, !half, !alone)]
            {
                write(&mut inputs, input, half, mask);
                write(&mut outputs, output, half, mask);
                write(&mut taken, input, u32::MAX, mask);
            }
            let next = opposite ^ 1;
            let closed = alone | read(&taken, next);
            input = (first_free(&taken) & closed) | (next & !closed);
            half &= !closed;
        }
        Self { route, inputs, outputs }
    }

    /// The permutations that the halves have to route.
    fn halves(&self) -> (Route, Route) {
        let n = self.inputs.len();
        let half = |sides: &[u32], of: &[u32], lower: bool| -> Table {
            let of_pair = |k: usize| {
                if 2 * k + 1 == n {
                    return of[2 * k] / 2;
                }
                // The first of the pair is in the lower half, or the second is.
                let first = if lower { sides[2 * k] } else { !sides[2 * k] };
                ((of[2 * k] & first) | (of[2 * k + 1] & !first)) / 2
            };
            Zeroizing::new((0..if lower { n.div_ceil(2) } else { n / 2 }).map(of_pair).collect())
        };
        let Route { to, from } = self.route;
        let of = |lower| Route { to: half(&self.inputs, to, lower), from: half(&self.outputs, from, lower) };
        (of(false), of(true))
    }
}

/// The first place that is not taken; anything if all are.
fn first_free(taken: &[u32]) -> u32 {
    (0..taken.len()).rev().fold(0, |first, at| (first & taken[at]) | (at as u32 & !taken[at]))
}

/// The routing of a permutation, and a twin that stops where a cycle closes, for [`crate::timing`].
#[cfg(any(test, feature = "timing"))]
pub(crate) fn timing() -> [crate::timing::Probe; 2] {
    use crate::timing::{Class, Probe};
    const WIRES: usize = 64;
    let prepare = |rng: &mut Rng, class| {
        let identity = Permutation { to: Zeroizing::new((0..WIRES as u32).collect()) };
        let random = Permutation::random(WIRES, rng);
        if class == Class::Fixed { identity } else { random }
    };
    let cycle = |permutation: &mut Permutation| {
        let mut at = permutation.to[0];
        while at != 0 {
            at = permutation.to[at as usize];
        }
        at
    };
    [
        Probe::new("shuffle: routing", prepare, |permutation: &mut Permutation| permutation.route()).slow(),
        Probe::new("twin: a cycle that is followed to its end", prepare, cycle).leaking(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Rng;
    use proptest::prelude::*;
    use rand_core::SeedableRng as _;

    fn apply(n: usize, settings: &[u8]) -> Vec<usize> {
        let mut wires: Vec<usize> = (0..n).collect();
        let switches = layers(n).concat();
        assert_eq!(switches.len(), settings.len());
        for (&(a, b), &crossed) in switches.iter().zip(settings) {
            assert!(crossed <= 1);
            if crossed == 1 {
                wires.swap(a, b);
            }
        }
        wires
    }

    fn routes(to: &[usize]) -> bool {
        let permutation = Permutation { to: Zeroizing::new(to.iter().map(|&wire| wire as u32).collect()) };
        let wires = apply(to.len(), &permutation.route());
        to.iter().enumerate().all(|(input, &output)| wires[output] == input)
    }

    fn permutations(n: usize) -> Vec<Vec<usize>> {
        if n == 0 {
            return vec![Vec::new()];
        }
        let insert = |rest: Vec<usize>| {
            (0..n).map(move |at| {
                let mut longer = rest.clone();
                longer.insert(at, n - 1);
                longer
            })
        };
        permutations(n - 1).into_iter().flat_map(insert).collect()
    }

    #[test]
    fn every_permutation_of_up_to_seven_wires_is_routed() {
        for n in 0..=7 {
            assert!(permutations(n).iter().all(|to| routes(to)), "{n}");
        }
    }

    /// All six of three wires, equally often: 1,000 each, standard deviation 29.
    #[test]
    fn random_permutations_are_uniform() {
        let mut rng = Rng::seed_from_u64(5);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..6_000 {
            *counts.entry(Permutation::random(3, &mut rng).to.to_vec()).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| (855..=1145).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_wire_is_in_one_switch_of_a_layer_at_most() {
        for n in 0..70 {
            for layer in layers(n) {
                let mut wires: Vec<usize> = layer.iter().flat_map(|&(a, b)| [a, b]).collect();
                wires.sort_unstable();
                assert!(wires.windows(2).all(|pair| pair[0] < pair[1]));
            }
        }
    }

    proptest! {
        #[test]
        fn random_permutations_are_routed(to in (0usize..300).prop_flat_map(|n| Just((0..n).collect::<Vec<_>>()).prop_shuffle())) {
            prop_assert!(routes(&to));
        }
    }
}
