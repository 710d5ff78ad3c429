//! The online phase: what an opening, a product, a check and a matrix product cost each party.
//!
//! All parties run on threads of this process over channels in memory, with tuples made before the clock starts, so the
//! figures hold arithmetic, copies and hashing, but no sockets and no encryption. `cargo bench -p polyyne-engine`.
#![allow(clippy::disallowed_methods)] // parties run on threads

use divan::Bencher;
use divan::counter::ItemsCount;
use polyyne_engine::dealer::{self, Dealer};
use polyyne_engine::field::{Field, Fp, PrimeField};
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::memory;
use polyyne_engine::online::Online;
use polyyne_engine::party::Party;
use polyyne_engine::port::{LocalGate, Rng};
use polyyne_engine::share::Shares;
use polyyne_engine::tuples::{Kind, Pool, Tuples};
use rand_core::SeedableRng;

fn main() {
    divan::main();
}

const LANES: usize = 100_000;

/// A party with what it works on.
struct Seat {
    online: Online<PrimeField>,
    x: Shares<PrimeField>,
    y: Shares<PrimeField>,
}

fn elements(dealer: &Dealer<PrimeField>, seed: u64, len: usize) -> Vec<Fp> {
    dealer.field().random_vec(&mut Rng::seed_from_u64(seed), len)
}

fn shares(dealer: &Dealer<PrimeField>, seed: u64, len: usize) -> Vec<Shares<PrimeField>> {
    dealer.share(&mut Rng::seed_from_u64(seed), &elements(dealer, seed + 1, len))
}

/// Seats with `triples` triples each, and operands of `len` elements.
fn seats(n: usize, len: usize, triples: usize) -> Vec<Seat> {
    let dealer = dealer::carbyne(n, 3);
    let (x, y) = (shares(&dealer, 1, len), shares(&dealer, 3, len));
    memory::mesh(n)
        .into_iter()
        .zip(x.into_iter().zip(y))
        .enumerate()
        .map(|(i, (channels, (x, y)))| {
            let field = *dealer.field();
            let party = Party::new(i, [7; 32], channels, Rng::seed_from_u64(i as u64));
            let mac = MacCheck::new(field, dealer.key(i), Box::new(LocalGate::default()));
            let mut pool = Pool::new();
            let taken = dealer.tuples(i, 0).triples(triples).expect("a dealer has as many as are asked for");
            pool.add(Kind::Triple, vec![taken.a, taken.b, taken.c]);
            Seat { online: Online::new(field, party, mac, Box::new(pool)), x, y }
        })
        .collect()
}

/// Runs `step` at all parties, each on its thread; returns when all are done.
fn together<S: Send, T>(seats: &mut [S], step: impl AsyncFn(&mut S) -> T + Sync) {
    std::thread::scope(|scope| {
        for seat in seats {
            let step = &step;
            scope.spawn(move || divan::black_box_drop(futures::executor::block_on(step(seat))));
        }
    });
}

#[divan::bench(args = [2, 3], sample_count = 20, sample_size = 1)]
fn open(bencher: Bencher, n: usize) {
    bencher
        .counter(ItemsCount::new(LANES))
        .with_inputs(|| seats(n, LANES, 0))
        .bench_local_refs(|seats| together(seats, async |seat| seat.online.open(&seat.x).await.unwrap()));
}

#[divan::bench(args = [2, 3], sample_count = 20, sample_size = 1)]
fn multiply(bencher: Bencher, n: usize) {
    bencher
        .counter(ItemsCount::new(LANES))
        .with_inputs(|| seats(n, LANES, LANES))
        .bench_local_refs(|seats| together(seats, async |seat| seat.online.multiply(&seat.x, &seat.y).await.unwrap()));
}

/// Ten products of 100,000 lanes with the checks that a program would have: what one product costs in all.
#[divan::bench(args = [2, 3], sample_count = 3, sample_size = 1)]
fn multiply_checked(bencher: Bencher, n: usize) {
    bencher.counter(ItemsCount::new(10 * LANES)).with_inputs(|| seats(n, LANES, 10 * LANES)).bench_local_refs(
        |seats| {
            together(seats, async |seat| {
                for round in 0..10 {
                    divan::black_box_drop(seat.online.multiply(&seat.x, &seat.y).await.unwrap());
                    if round % 5 == 4 {
                        seat.online.check().await.unwrap();
                    }
                }
            })
        },
    );
}

/// One lane, a thousand rounds.
#[divan::bench(args = [2, 3], sample_count = 5, sample_size = 1)]
fn multiply_one_by_one(bencher: Bencher, n: usize) {
    bencher.counter(ItemsCount::new(1000u64)).with_inputs(|| seats(n, 1, 1000)).bench_local_refs(|seats| {
        together(seats, async |seat| {
            for _ in 0..1000 {
                divan::black_box_drop(seat.online.multiply(&seat.x, &seat.y).await.unwrap());
            }
        })
    });
}

#[divan::bench(args = [2, 3], sample_count = 10, sample_size = 1)]
fn mac_check(bencher: Bencher, n: usize) {
    let opened = || {
        let mut seats = seats(n, LANES, 0);
        together(&mut seats, async |seat| {
            divan::black_box_drop(seat.online.open(&seat.x).await.unwrap());
        });
        seats
    };
    bencher
        .counter(ItemsCount::new(LANES))
        .with_inputs(opened)
        .bench_local_refs(|seats| together(seats, async |seat| seat.online.check().await.unwrap()));
}

/// The linear kernels.
mod field {
    use super::*;

    const LEN: usize = 4096;

    fn vectors() -> (PrimeField, Vec<Fp>, Vec<Fp>) {
        let dealer = dealer::carbyne(2, 3);
        (*dealer.field(), elements(&dealer, 1, LEN), elements(&dealer, 2, LEN))
    }

    #[divan::bench]
    fn multiply(bencher: Bencher) {
        let (f, a, b) = vectors();
        let mut out = a.clone();
        bencher.counter(ItemsCount::new(LEN)).bench_local(|| {
            for ((out, &a), &b) in out.iter_mut().zip(&a).zip(&b) {
                *out = f.mul(a, b);
            }
        });
    }

    #[divan::bench]
    fn subtract(bencher: Bencher) {
        let (f, a, b) = vectors();
        let mut out = a.clone();
        bencher.counter(ItemsCount::new(LEN)).bench_local(|| {
            for ((out, &a), &b) in out.iter_mut().zip(&a).zip(&b) {
                *out = f.sub(a, b);
            }
        });
    }

    #[divan::bench]
    fn dot(bencher: Bencher) {
        let (f, a, b) = vectors();
        bencher.counter(ItemsCount::new(LEN)).bench_local(|| f.dot(&a, &b));
    }

    #[divan::bench]
    fn coefficients(bencher: Bencher) {
        let f = PrimeField::carbyne();
        bencher.counter(ItemsCount::new(LEN)).bench_local(|| polyyne_engine::prg::Prg::new([7; 32]).elements(&f, LEN));
    }
}
