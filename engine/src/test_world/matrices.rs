//! Matrix triples of any generator: what they are, and that every opening they are made with is checked.

use super::spoiling::HEADER;
use super::{Maker, World};
use crate::error::{Error, Result};
use crate::field::Field;
use crate::share::Shares;
use crate::sim::Simulator;
use crate::step::Step;
use crate::tuples::{MatrixTriples, Shape};

const SHAPES: [[usize; 3]; 4] = [[1, 1, 1], [2, 3, 4], [5, 1, 2], [1, 7, 1]];

fn shape([rows, inner, columns]: [usize; 3]) -> Shape {
    Shape { rows, inner, columns }
}

impl<G: Maker> World<G> {
    fn matrices_in(
        &self,
        simulator: &mut Simulator,
        shape: Shape,
        count: usize,
    ) -> Vec<Result<MatrixTriples<G::Field>>> {
        self.established(simulator, async |mut party, mut mac, mut setup| {
            let made = setup.matrices(&mut party, &mut mac, shape, count).await;
            assert_eq!(setup.is_over(), made.is_err(), "an error ends the setup, and nothing else");
            assert!(made.is_err() || mac.pending() == 0, "what is returned has been checked");
            made
        })
    }

    /// Of every shape as many as asked for: right MACs, and C = A·B.
    pub fn matrix_triples_multiply(&self) {
        for shape in SHAPES.map(shape) {
            let made = self.matrices_in(&mut Simulator::new(self.seed, self.n), shape, 3);
            let made: Vec<_> = made.into_iter().map(|made| made.expect("honest parties")).collect();
            assert!(
                made.iter().all(|made| (made.shape, made.count(), made.c.len()) == (shape, 3, 3 * shape.product()))
            );
            let open = |of: fn(&MatrixTriples<G::Field>) -> &Shares<G::Field>| {
                self.open(&made.iter().map(of).collect::<Vec<_>>())
            };
            let (a, b, c) = (open(|made| &made.a), open(|made| &made.b), open(|made| &made.c));
            let f = &self.field;
            for (at, &element) in c.iter().enumerate() {
                let (triple, row, column) =
                    (at / shape.product(), at % shape.product() / shape.columns, at % shape.columns);
                let term = |k: usize| {
                    let x = a[triple * shape.left() + row * shape.inner + k];
                    f.mul(x, b[triple * shape.right() + k * shape.columns + column])
                };
                assert!(f.sum((0..shape.inner).map(term)) == element, "{shape:?}: C = A·B at {at}");
            }
        }
    }

    /// Party 0 lies in one opened element after the other; whoever is honest ends with an error.
    pub fn a_lie_in_any_opening_of_matrices_is_caught(&self) {
        let shape = shape([2, 1, 2]);
        let mut simulator = Simulator::new(self.seed, self.n);
        assert!(self.matrices_in(&mut simulator, shape, 1).iter().all(Result::is_ok), "honest parties");
        let sent = simulator.trace().into_iter();
        let openings: Vec<usize> =
            sent.filter(|sent| (sent.0.0, sent.1.0, sent.2) == (0, 1, Some(Step::Open))).map(|sent| sent.3).collect();
        let last = openings.len() - 1;
        let elements = (openings[last] - HEADER) / 16;
        assert_eq!(elements, 2 * shape.multiplications(), "the last openings are those of the products");
        for element in 0..elements {
            let mut simulator = Simulator::new(self.seed, self.n);
            simulator.hook(move |frame| {
                let mut bytes = frame.bytes.to_vec();
                if frame.from.0 == 0 && frame.step == Some(Step::Open) && frame.occurrence == last {
                    bytes[HEADER + 16 * element] ^= 1;
                }
                vec![bytes]
            });
            for result in self.matrices_in(&mut simulator, shape, 1).into_iter().skip(1) {
                let error = result.err().unwrap_or_else(|| panic!("element {element}: not noticed"));
                let expected =
                    matches!(error, Error::MacCheckFailed | Error::OpeningsDiffer { .. } | Error::Channel { .. });
                assert!(expected, "element {element}: {error}");
            }
        }
    }
}
