//! Random power losses while tuples are made and spent: one store's life through many deaths, each at a random
//! operation of the disk, with what was not synced torn, lost or reordered.
//!
//! After every death: no tuple that was ever handed out is on offer again or is handed out again, what was acknowledged
//! is there, and every tuple ever made is accounted for, row by row. Three hundred deaths by default; ten thousand with
//! `POLYYNE_LONG=1`.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

const KINDS: [TupleKind; 3] = [TupleKind::TRIPLE, TupleKind::BIT, TupleKind::RANDOM];
/// Deaths of one store.
const DEATHS_EACH: u64 = 10;

fn deaths() -> u64 {
    let long = std::env::var_os("POLYYNE_LONG").is_some_and(|value| value == "1");
    if long { 10_000 } else { 300 }
}

/// What the world outside has seen of one store.
#[derive(Default)]
struct World {
    next_exec: u64,
    handed_out: BTreeSet<(u16, u64)>,
    acknowledged_takes: Vec<ExecId>,
    checked: BTreeSet<ExecId>,
    /// Tuples of chunks whose activation was acknowledged, and of all that were asked for, by kind.
    made: [(u64, u64); KINDS.len()],
    sequence: u64,
}

impl World {
    /// Works until the machine dies.
    async fn live(&mut self, disk: &Disk, rng: &mut StdRng) -> Option<()> {
        let file = TuplesFile::open_on(disk.clone(), root(), quiet()).await.ok()?;
        let castor = Castor::open(&file).await.ok()?;
        Journal::open(&file).await.ok()?;
        loop {
            let which = rng.random_range(0..KINDS.len());
            match rng.random_range(0..10) {
                0..3 => self.make(&castor, which, rng).await?,
                3..9 => self.spend(&castor, rng).await?,
                _ if rng.random_bool(0.1) => castor.retire(SCOPE).await.ok()?,
                _ => {}
            }
        }
    }

    async fn make(&mut self, castor: &Castor, which: usize, rng: &mut StdRng) -> Option<()> {
        let (kind, count) = (KINDS[which], rng.random_range(1..200));
        let start = castor.next_position(SCOPE, kind) + rng.random_range(0..3);
        castor.stage(chunk(kind, start, count)).await.ok()?;
        if rng.random_bool(0.2) {
            return castor.discard(name(kind, start)).await.ok();
        }
        self.made[which].1 += count;
        castor.activate(name(kind, start), vec![1]).await.ok()?;
        self.made[which].0 += count;
        Some(())
    }

    async fn spend(&mut self, castor: &Castor, rng: &mut StdRng) -> Option<()> {
        let mut request = want(self.next_exec, KINDS[0], &[]);
        request.kinds.clear();
        for kind in KINDS {
            let offers = castor.offers(SCOPE, kind);
            let Some(first) = offers.first().filter(|_| rng.random_bool(0.7)) else { continue };
            let start = first.start + rng.random_range(0..first.len().min(5));
            let end = rng.random_range(start + 1..=first.end);
            request.kinds.push(KindTake { kind, spans: vec![Span::new(start, end)], skip_to: None });
        }
        if request.kinds.is_empty() {
            return Some(());
        }
        let exec = request.exec;
        self.next_exec += 1;
        let taken = castor.take(request).await.ok()?;
        for position in positions(taken) {
            assert!(self.handed_out.insert(position), "{position:?} was handed out twice");
        }
        self.acknowledged_takes.push(exec);
        if rng.random_bool(0.5) {
            castor.checked(exec, vec![7]).await.ok()?;
            self.checked.insert(exec);
        }
        Some(())
    }

    /// What the next process finds.
    async fn inspect(&mut self, disk: &Disk) {
        let (_file, castor, _) = open(disk).await;
        let head = castor.head(SCOPE.cloud).expect("reads");
        assert!(head.sequence >= self.acknowledged_takes.len() as u64 && head.sequence >= self.sequence);
        self.sequence = head.sequence;
        let mut taken_by_rows = [0u64; KINDS.len()];
        for number in 0..self.next_exec {
            let row = castor.execution(exec(number)).expect("reads");
            if self.acknowledged_takes.contains(&exec(number)) {
                let row = row.as_ref().expect("an acknowledged take is there");
                if self.checked.contains(&exec(number)) {
                    assert_eq!(row.state, ExecutionState::Checked(vec![7]));
                }
            }
            for (kind, spans) in row.iter().flat_map(|row| &row.taken) {
                let which = KINDS.iter().position(|known| known == kind).expect("one of three");
                taken_by_rows[which] += spans.iter().map(|span| span.len()).sum::<u64>();
            }
        }
        let accounts = balanced(&castor);
        for (which, kind) in KINDS.into_iter().enumerate() {
            let (acknowledged, asked) = self.made[which];
            let account = accounts.iter().find(|account| account.kind == kind);
            let generated = account.map_or(0, |account| account.generated);
            assert!((acknowledged..=asked).contains(&generated), "{kind:?}: {generated} of {acknowledged}..={asked}");
            assert_eq!(account.map_or(0, |account| account.taken), taken_by_rows[which], "{kind:?}");
            for span in castor.offers(SCOPE, kind) {
                let again = self.handed_out.range((kind.code, span.start)..(kind.code, span.end)).next();
                assert_eq!(again, None, "a tuple that was handed out is on offer");
            }
        }
    }
}

#[test]
fn random_power_losses_under_generation_and_consumption_spend_no_tuple_twice_and_lose_none() {
    let (mut died, mut handed_out) = (0, 0);
    for seed in 0..deaths() / DEATHS_EACH {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut world = World::default();
        // A store exists before anything depends on it: deaths at its birth are tested with the store.
        let mut disk = Disk::default();
        drop(block_on(open(&disk)));
        for death in 0..DEATHS_EACH {
            // Some die while they recover, some after a long life.
            let life = if rng.random_bool(0.3) { 40 } else { 600 };
            disk.dies_in(rng.random_range(0..life));
            assert_eq!(block_on(world.live(&disk, &mut rng)), None, "it lives until it dies");
            disk = disk.after_power_loss(rng.random());
            died += 1;
            // Looking is a life of its own, on a copy, so that recovery is interrupted too.
            block_on(world.inspect(&disk.copy()));
            assert!(disk.operations() == 0, "seed {seed} death {death}");
        }
        handed_out += world.handed_out.len();
    }
    assert_eq!(died, deaths());
    assert!(handed_out as u64 > deaths(), "tuples were spent: {handed_out}");
}

/// With a disk that lies the same oracle sees losses: it is worth something.
#[test]
fn a_disk_that_lies_is_found_out() {
    let lost = (0..50u64).filter(|&seed| {
        std::panic::catch_unwind(|| {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut world = World::default();
            let disk = Disk::default();
            drop(block_on(open(&disk)));
            disk.lies_about_syncs();
            disk.dies_in(rng.random_range(200..600));
            block_on(world.live(&disk, &mut rng));
            block_on(world.inspect(&disk.after_power_loss(seed)));
        })
        .is_err()
    });
    assert!(lost.count() > 10);
}
