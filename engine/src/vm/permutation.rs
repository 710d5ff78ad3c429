//! Permutation networks: layers of switches that can route any permutation (Beneš; for any number of wires after Beauquier
//! and Darrot, "On Arbitrary Size Waksman Networks", 2002). The network of n wires depends on n alone, the permutation
//! is in the switches.
//!
//! Wires are handled in place: switches join wires 2k and 2k+1; then the even ones go through one half-size network and
//! the odd ones (and the last, if n is odd) through another; then the same pairs are joined again.

/// The switches of each layer, as pairs of wires.
pub(super) fn layers(n: usize) -> Vec<Vec<(usize, usize)>> {
    let mut layers = vec![Vec::new(); depth(n)];
    let wires: Vec<usize> = (0..n).collect();
    place(&wires, 0, &mut |layer, pair, _| layers[layer].push(pair), None);
    layers
}

/// The settings of all switches, in the order of [`layers`], that bring wire i to wire `to[i]`.
pub(super) fn route(to: &[usize]) -> Vec<Vec<bool>> {
    let mut settings = vec![Vec::new(); depth(to.len())];
    let wires: Vec<usize> = (0..to.len()).collect();
    place(&wires, 0, &mut |layer, _, crossed| settings[layer].push(crossed), Some(to.to_vec()));
    settings
}

/// How many layers.
fn depth(n: usize) -> usize {
    match n {
        0 | 1 => 0,
        2 => 1,
        _ => 2 + depth(n.div_ceil(2)),
    }
}

type Visit<'a> = dyn FnMut(usize, (usize, usize), bool) + 'a;

/// Visits the switches of the network over `wires` that starts at `layer`; with a permutation, in their settings.
fn place(wires: &[usize], layer: usize, visit: &mut Visit<'_>, to: Option<Vec<usize>>) {
    let n = wires.len();
    if n < 2 {
        return;
    }
    if n == 2 {
        visit(layer, (wires[0], wires[1]), to.is_some_and(|to| to[0] == 1));
        return;
    }
    let pairs = n / 2;
    let sides = to.as_ref().map(|to| Sides::of(to));
    let last = layer + 1 + depth(n.div_ceil(2));
    for k in 0..pairs {
        let pair = (wires[2 * k], wires[2 * k + 1]);
        visit(layer, pair, sides.as_ref().is_some_and(|sides| sides.input_crossed(k)));
        visit(last, pair, sides.as_ref().is_some_and(|sides| sides.output_crossed(k)));
    }
    let upper: Vec<usize> = (0..pairs).map(|k| wires[2 * k]).collect();
    let lower: Vec<usize> = (0..n - pairs).map(|k| wires[(2 * k + 1).min(n - 1)]).collect();
    let (upper_to, lower_to) = sides.map(|sides| sides.halves()).unzip();
    place(&upper, layer + 1, visit, upper_to);
    place(&lower, layer + 1, visit, lower_to);
}

/// Which half each input goes through.
struct Sides<'a> {
    to: &'a [usize],
    from: Vec<usize>,
    lower: Vec<bool>,
}

impl<'a> Sides<'a> {
    /// The looping algorithm: the inputs of a pair, and the inputs whose outputs are a pair, take different halves. With an
    /// odd number, the last input and the last output belong to the lower half.
    fn of(to: &'a [usize]) -> Self {
        let n = to.len();
        let paired = n / 2 * 2;
        let mut from = vec![0; n];
        to.iter().enumerate().for_each(|(i, &o)| from[o] = i);
        let mut side: Vec<Option<bool>> = vec![None; n];
        let mut follow = |start: usize, lower: bool| {
            let mut input = start;
            while side[input].is_none() {
                side[input] = Some(lower);
                if to[input] >= paired {
                    break;
                }
                let opposite = from[to[input] ^ 1];
                side[opposite] = Some(!lower);
                if opposite >= paired {
                    break;
                }
                input = opposite ^ 1;
            }
        };
        if n > paired {
            follow(n - 1, true);
        }
        (0..n).for_each(|input| follow(input, false));
        let lower = side.into_iter().map(|side| side.expect("every input was followed")).collect();
        Self { to, from, lower }
    }

    fn input_crossed(&self, k: usize) -> bool {
        self.lower[2 * k]
    }

    fn output_crossed(&self, k: usize) -> bool {
        self.lower[self.from[2 * k]]
    }

    /// The permutations that the halves have to route.
    fn halves(&self) -> (Vec<usize>, Vec<usize>) {
        let n = self.to.len();
        let (mut upper, mut lower) = (vec![0; n / 2], vec![0; n.div_ceil(2)]);
        for input in 0..n {
            let half = if self.lower[input] { &mut lower } else { &mut upper };
            half[input / 2] = self.to[input] / 2;
        }
        (upper, lower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apply(n: usize, settings: &[Vec<bool>]) -> Vec<usize> {
        let mut wires: Vec<usize> = (0..n).collect();
        for (layer, settings) in layers(n).iter().zip(settings) {
            assert_eq!(layer.len(), settings.len());
            for (&(a, b), &crossed) in layer.iter().zip(settings) {
                if crossed {
                    wires.swap(a, b);
                }
            }
        }
        wires
    }

    fn routes(to: &[usize]) -> bool {
        let wires = apply(to.len(), &route(to));
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
