//! All parties of a program in this process, each on a thread of its own, with channels in memory.
//!
//! The online phase is the real one, with its MAC checks. What differs from a cloud: one process holds everything, so
//! that nothing is hidden from whoever runs it; no check is journalled, since nothing outlives the process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use polyyne_bytecode::Verified;
use polyyne_engine::bit_tuples::{BitKind, BitPool, mac_field};
use polyyne_engine::error::{Error as EngineError, Severity};
use polyyne_engine::field::{BinaryField, Field as _, Fp, PrimeField};
use polyyne_engine::generator::{Generator, Protocol};
use polyyne_engine::mac_check::MacCheck;
use polyyne_engine::mascot::{self, Bill, BitBill, Params, Setup, World};
use polyyne_engine::memory;
use polyyne_engine::online::Online;
use polyyne_engine::party::{Party, Traffic};
use polyyne_engine::port::{Channel, ChannelError, Gate, Rng};
use polyyne_engine::share::{MacKeyShare, Shares};
use polyyne_engine::tuples::{Kind, Pool, Tuples};
use polyyne_engine::vm::{
    self, BitSide, DoorError, Fault, Limits, MemoryStorage, Meter, Ports, Printer, Secrets, Side, TextInputs, VmError,
};
use polyyne_engine::workers::Workers;
use polyyne_protocol::limits::OUTPUT_WORDS_MAX;
use rand::rngs::SysRng;
use rand::{SeedableRng as _, TryRng as _};

use crate::cli::sockets::Sockets;

use super::meter::{GroupMeter, Groups};
use super::output::Kept;
use super::tally::{Metered, MeteredBits};
use super::threads::{Ground, LocalThreads, MAIN, Orders};

/// How many tuples of each kind over one field; masks by the party that knows them.
pub type TupleCounts = BTreeMap<(Kind, Option<usize>), u64>;

/// How many tuples were taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spent {
    pub prime: TupleCounts,
    /// Over GF(2^n).
    pub binary: TupleCounts,
    pub bits: BTreeMap<(BitKind, Option<usize>), u64>,
}

/// A program with everything that its parties bring.
pub struct Job {
    pub program: Arc<Verified>,
    pub field: PrimeField,
    /// The words that the client behind the program's door puts in.
    pub inputs: Vec<Fp>,
    /// Each party's own inputs.
    pub private: Vec<TextInputs>,
    /// Where clients come from, in place of the one that puts in `inputs`.
    pub sockets: Option<Sockets>,
    /// The whole MAC key, if clients are to know it.
    pub mac_key: Option<Fp>,
    /// Whether party 0 measures where its time goes.
    pub measured: bool,
    /// Where files with what each party prints go.
    pub output_dir: Option<PathBuf>,
}

/// What one party computes with.
pub struct Supplies {
    pub key: MacKeyShare<PrimeField>,
    pub tuples: Source,
    /// The order of MAC checks; the same for all parties, and that of the gates of the sides.
    pub orders: Orders,
}

/// GF(2^n) and bits.
pub type Sides = (Side<BinaryField>, BitSide);

/// Where a party's tuples come from.
pub enum Source {
    /// They are there, and those of GF(2^n) and of bits with the MAC keys that they are under.
    Ready { tuples: Box<dyn Tuples<PrimeField>>, sides: Option<Box<Sides>> },
    /// The parties make them first, so many of each kind.
    Made(Protocol, Bills),
}

/// What the parties make, by field.
#[derive(Clone)]
pub struct Bills {
    prime: Bill,
    binary: Bill,
    bits: BitBill,
}

impl From<Bill> for Bills {
    /// Tuples over the prime field alone.
    fn from(prime: Bill) -> Self {
        Self { prime, binary: Bill::default(), bits: BitBill::default() }
    }
}

/// What was needed as bills for the generator.
pub fn bills(spent: &Spent) -> Bills {
    let bits = spent.bits.iter().map(|(&kind, &count)| (kind, whole(count))).collect();
    Bills { prime: bill(&spent.prime), binary: bill(&spent.binary), bits: BitBill(bits) }
}

fn bill(spent: &TupleCounts) -> Bill {
    let mut bill = Bill::default();
    for (&(kind, owner), &count) in spent {
        match owner {
            Some(owner) => bill.masks.push((owner, whole(count))),
            None => bill.tuples.push((kind, whole(count))),
        }
    }
    bill
}

fn whole(count: u64) -> usize {
    usize::try_from(count).expect("tuples that were counted one by one fit in memory")
}

/// What came of it.
pub struct Outcome {
    /// The words that the program wrote to its door, opened and checked.
    pub outputs: Vec<Fp>,
    /// Input words that the program did not read.
    pub unread: usize,
    pub spent: Spent,
    pub offline: Phase,
    pub online: Phase,
    pub checks: u64,
    /// Where party 0's time went, if it was measured.
    pub groups: Groups,
}

/// What one phase took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Phase {
    /// As party 0 counts.
    pub rounds: u64,
    /// Sent by all parties together.
    pub bytes_sent: u64,
    pub time: Duration,
}

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the operating system gives no randomness")]
    NoRandomness,
    #[error("party {party} cannot be started: {cause}")]
    Thread { party: usize, cause: std::io::Error },
    #[error("cannot write what the parties print to {folder}: {cause}")]
    Output { folder: String, cause: std::io::Error },
    #[error("party {0} crashed; this is a fault of vcp")]
    Crashed(usize),
    #[error(transparent)]
    Program(#[from] VmError),
    #[error(transparent)]
    Protocol(#[from] EngineError),
}

impl RunError {
    /// Whether this is only what a party sees when another one has failed.
    fn is_echo(&self) -> bool {
        let protocol = match self {
            RunError::Protocol(error) => error,
            RunError::Program(error) => match error.fault() {
                Some(Fault::Engine(error)) => error,
                Some(Fault::Door(DoorError::Over)) => return true,
                _ => return false,
            },
            _ => return false,
        };
        matches!(protocol, EngineError::Channel { .. })
    }
}

/// Runs a program with one thread for each of `supplies`; party 0's text goes to `printer`.
///
/// # Errors
/// The first party's that failed by itself.
pub fn run(job: &Job, supplies: Vec<Supplies>, printer: &mut (dyn Printer + Send)) -> Result<Outcome, RunError> {
    let n = supplies.len();
    let spent = Arc::new(Mutex::new(Spent::default()));
    let mut session = [0; 32];
    SysRng.try_fill_bytes(&mut session).map_err(|_| RunError::NoRandomness)?;
    let orders = supplies.first().map_or_else(|| Orders::new(n), |supplies| supplies.orders.clone());
    let ground = Ground::new(session, orders, n);
    let groups = Arc::new(Mutex::new(Groups::default()));
    let (to_client, client) = mpsc::channel();
    let mut printer = Some(printer);
    let results = std::thread::scope(|scope| {
        let mut parties = Vec::with_capacity(n);
        let mut replies = Vec::with_capacity(n);
        for (index, (supplies, channels)) in supplies.into_iter().zip(memory::mesh(n)).enumerate() {
            let (reply, masked) = mpsc::channel();
            replies.push(reply);
            let door = Client { masks: to_client.clone(), masked };
            let watch = Watch {
                spent: (index == 0).then(|| Arc::clone(&spent)),
                groups: (index == 0 && job.measured).then(|| Arc::clone(&groups)),
            };
            let threads = ground.threads(index);
            let printer = printer.take().filter(|_| index == 0);
            let start = move || {
                let done = printed(job, index, printer, |printer| {
                    party(job, index, (session, channels), supplies, door, threads, watch, printer)
                });
                if let (Err(_), Some(sockets)) = (&done, &job.sockets) {
                    sockets.give_up();
                }
                done
            };
            let thread = std::thread::Builder::new().name(format!("party {index}")).spawn_scoped(scope, start);
            parties.push(thread.map_err(|cause| RunError::Thread { party: index, cause }));
        }
        drop(to_client);
        serve(&job.field, &job.inputs, &client, &replies);
        parties
            .into_iter()
            .enumerate()
            .map(|(index, thread)| thread?.join().unwrap_or(Err(RunError::Crashed(index))))
            .collect::<Vec<_>>()
    });
    let mut done = first_cause(results)?;
    let [offline, online] = [0, 1].map(|phase| done.iter().map(|done| done.phases[phase].bytes_sent).sum::<u64>());
    let Done { outputs, unread, checks, phases } = done.swap_remove(0);
    let spent = std::mem::take(&mut *spent.lock().unwrap_or_else(PoisonError::into_inner));
    let groups = *groups.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Outcome {
        outputs,
        unread,
        spent,
        offline: Phase { bytes_sent: offline, ..phases[0] },
        online: Phase { bytes_sent: online, ..phases[1] },
        checks,
        groups,
    })
}

/// A party with its printer: what it was given, and files if there is a folder for them.
fn printed(
    job: &Job,
    index: usize,
    printer: Option<&mut (dyn Printer + Send)>,
    party: impl FnOnce(Option<&mut (dyn Printer + Send)>) -> Result<Done, RunError>,
) -> Result<Done, RunError> {
    let Some(folder) = &job.output_dir else { return party(printer) };
    let unwritten = |cause| RunError::Output { folder: folder.display().to_string(), cause };
    let mut kept = Kept::create(folder, index, printer).map_err(unwritten)?;
    let done = party(Some(&mut kept))?;
    kept.finish().map_err(unwritten)?;
    Ok(done)
}

/// What is counted and measured at a party.
struct Watch {
    spent: Option<Arc<Mutex<Spent>>>,
    groups: Option<Arc<Mutex<Groups>>>,
}

/// One party's end of a run.
struct Done {
    outputs: Vec<Fp>,
    unread: usize,
    checks: u64,
    /// Offline, online; with the bytes that this party sent.
    phases: [Phase; 2],
}

/// All parties' results, or what failed first by itself rather than by another's end.
fn first_cause(results: Vec<Result<Done, RunError>>) -> Result<Vec<Done>, RunError> {
    let mut done = Vec::with_capacity(results.len());
    let mut worst: Option<RunError> = None;
    for result in results {
        match result {
            Ok(outcome) => done.push(outcome),
            Err(error) if worst.as_ref().is_none_or(|worst| worst.is_echo() && !error.is_echo()) => worst = Some(error),
            Err(_) => {}
        }
    }
    worst.map_or(Ok(done), Err)
}

/// One party's end of the client: its share of the mask goes out, the masked input comes back.
struct Client {
    masks: mpsc::Sender<Vec<Fp>>,
    masked: mpsc::Receiver<Vec<Fp>>,
}

/// The client behind the door: learns the masks r, which nobody else does, and gives x − r to all.
fn serve(field: &PrimeField, inputs: &[Fp], masks: &mpsc::Receiver<Vec<Fp>>, parties: &[mpsc::Sender<Vec<Fp>>]) {
    let mut masked = inputs.to_vec();
    for _ in parties {
        let Ok(share) = masks.recv() else { return };
        masked.iter_mut().zip(share).for_each(|(x, r)| *x = field.sub(*x, r));
    }
    for party in parties {
        // a party that has failed listens no more, and says so itself
        let _ = party.send(masked.clone());
    }
}

impl Client {
    /// ⟦x⟧ = ⟦r⟧ + (x − r).
    fn inputs(self, online: &mut Online<PrimeField>, count: usize) -> Result<Shares<PrimeField>, EngineError> {
        let masks = online.tuples.randoms(count)?;
        // the client goes away only when another party has failed before it gave its share
        let closed = || EngineError::Channel { peer: online.party.index(), cause: ChannelError::Closed };
        self.masks.send(masks.values.clone()).map_err(|_| closed())?;
        let masked = self.masked.recv().map_err(|_| closed())?;
        Ok(online.mac.key().add_public(&online.field, &masks, &masked))
    }
}

fn party(
    job: &Job,
    index: usize,
    (session, channels): ([u8; 32], Vec<Option<Box<dyn Channel>>>),
    supplies: Supplies,
    client: Client,
    mut threads: LocalThreads,
    watch: Watch,
    printer: Option<&mut (dyn Printer + Send)>,
) -> Result<Done, RunError> {
    let rng = Rng::try_from_rng(&mut SysRng).map_err(|_| RunError::NoRandomness)?;
    let mut party = Party::new(index, session, channels, rng);
    let mut mac = MacCheck::new(job.field, supplies.key, supplies.orders.gate(index, MAIN));
    futures::executor::block_on(async {
        let mut clock = Clock::start();
        let (mut tuples, mut sides) = match supplies.tuples {
            Source::Ready { tuples, sides } => (tuples, sides.map(|sides| *sides)),
            Source::Made(protocol, bills) => {
                let gates = supplies.orders.side_gates(index, MAIN);
                let (tuples, sides) = generate(job, &mut party, &mut mac, gates, protocol, &bills).await?;
                (tuples, Some(sides))
            }
        };
        let offline = clock.phase(&party);
        if let Some(spent) = watch.spent {
            sides = sides.map(|(binary, bits)| (metered_side(binary, &spent), metered_bits(bits, &spent)));
            tuples = Box::new(Metered { tuples, spent, field: |spent| &mut spent.prime });
        }
        let checks = mac.checks();
        let mut online = Online::new(job.field, party, mac, tuples);
        let meter = watch.groups.map(|groups| Box::new(GroupMeter::new(groups)) as Box<dyn Meter>);
        let computed = compute(job, index, &mut online, sides, client, (&mut threads, meter), printer).await?;
        let Computed { outputs, unread, beside } = computed;
        let mut phase = clock.phase(&online.party);
        phase.rounds += beside.rounds;
        phase.bytes_sent += beside.bytes_sent;
        let checks = online.mac.checks() - checks + beside.checks;
        Ok(Done { outputs, unread, checks, phases: [offline, phase] })
    })
}

fn metered_side(side: Side<BinaryField>, spent: &Arc<Mutex<Spent>>) -> Side<BinaryField> {
    let Side { field, mac, tuples } = side;
    let tuples = Metered { tuples, spent: Arc::clone(spent), field: |spent| &mut spent.binary };
    Side { field, mac, tuples: Box::new(tuples) }
}

fn metered_bits(side: BitSide, spent: &Arc<Mutex<Spent>>) -> BitSide {
    let BitSide { mac, tuples } = side;
    BitSide { mac, tuples: Box::new(MeteredBits { tuples, spent: Arc::clone(spent) }) }
}

type Made = (Box<dyn Tuples<PrimeField>>, Sides);

/// Makes everything on the bills.
async fn generate(
    job: &Job,
    party: &mut Party,
    mac: &mut MacCheck<PrimeField>,
    [binary_gate, bits_gate]: [Box<dyn Gate>; 2],
    protocol: Protocol,
    bills: &Bills,
) -> Result<Made, EngineError> {
    let mut generator = Generator::establish(party, job.field, mac, protocol, None, &Workers::default()).await?;
    let tuples = generator.fill(party, mac, &bills.prime).await?;
    let binary = generate_binary(job, party, binary_gate, &bills.binary).await?;
    let bits = generate_bits((&mut generator, mac), party, bits_gate, &bills.bits).await?;
    Ok((Box::new(tuples), (binary, bits)))
}

/// Without a bill there is a key only: what a program computes with public values needs no tuples.
async fn generate_binary(
    job: &Job,
    party: &mut Party,
    gate: Box<dyn Gate>,
    bill: &Bill,
) -> Result<Side<BinaryField>, EngineError> {
    let degree = job.program.machine().gf2n;
    let field = BinaryField::new(degree).expect("the machine was given a degree that there is");
    let mut mac = key_of_the_moment(field, party, gate);
    if *bill == Bill::default() {
        return Ok(Side { field, mac, tuples: Box::new(Pool::new()) });
    }
    let (mut setup, _) = Setup::establish(party, field, &mut mac, Params::default(), None).await?;
    let tuples = mascot::fill(&mut setup, party, &mut mac, bill).await?;
    Ok(Side { field, mac, tuples: Box::new(tuples) })
}

async fn generate_bits(
    (prime, prime_mac): (&mut Generator, &mut MacCheck<PrimeField>),
    party: &mut Party,
    gate: Box<dyn Gate>,
    bill: &BitBill,
) -> Result<BitSide, EngineError> {
    let field = mac_field();
    let mut mac = key_of_the_moment(field, party, gate);
    if *bill == BitBill::default() {
        return Ok(BitSide { mac: mac.of_bits(), tuples: Box::new(BitPool::default()) });
    }
    let (mut setup, _) = Setup::establish(party, field, &mut mac, Params::default(), None).await?;
    let binary = World { setup: &mut setup, mac: &mut mac };
    let tuples = prime.fill_bits(party, prime_mac, binary, bill).await?;
    Ok(BitSide { mac: mac.of_bits(), tuples: Box::new(tuples) })
}

/// Of a field beside the prime one every party draws its own share.
fn key_of_the_moment(field: BinaryField, party: &mut Party, gate: Box<dyn Gate>) -> MacCheck<BinaryField> {
    let key = MacKeyShare::new(field.random(&mut party.rng), party.is_first());
    MacCheck::new(field, key, gate)
}

/// What came of a program.
struct Computed {
    outputs: Vec<Fp>,
    unread: usize,
    /// What it took beside the main thread's channels and its checks over the prime field.
    beside: vm::Statistics,
}

/// The program between its inputs and its opened outputs.
async fn compute(
    job: &Job,
    index: usize,
    online: &mut Online<PrimeField>,
    sides: Option<Sides>,
    client: Client,
    (threads, meter): (&mut LocalThreads, Option<Box<dyn Meter>>),
    printer: Option<&mut (dyn Printer + Send)>,
) -> Result<Computed, RunError> {
    let inputs = client.inputs(online, job.inputs.len())?;
    let mut secrets = Secrets::new(inputs, OUTPUT_WORDS_MAX);
    let mut sockets = job.sockets.as_ref().map(|sockets| sockets.door(index));
    let mut private = job.private.get(index).cloned().unwrap_or_default();
    let mut unheard = Vec::new();
    let (mut binary, mut bits) = sides.unzip();
    let (traffic, checks) = (online.party.traffic(), online.mac.checks());
    let ports = Ports {
        online,
        binary: binary.as_mut(),
        bits: bits.as_mut(),
        inputs: &mut private,
        door: match &mut sockets {
            Some(sockets) => sockets,
            None => &mut secrets,
        },
        storage: &mut MemoryStorage::default(),
        binary_storage: &mut MemoryStorage::default(),
        printer: match printer {
            Some(printer) => printer,
            None => &mut unheard,
        },
        arguments: &[],
        threads: Some(threads),
        meter,
    };
    let mut beside = vm::run(&job.program, ports, &Limits::default()).await?;
    beside.rounds -= online.party.traffic().rounds - traffic.rounds;
    beside.bytes_sent -= online.party.traffic().bytes_sent - traffic.bytes_sent;
    beside.checks -= online.mac.checks() - checks;
    let unread = secrets.unread();
    let outputs = online.open_checked(&secrets.into_outputs()).await?;
    Ok(Computed { outputs, unread, beside })
}

/// Tells phases apart.
struct Clock {
    began: Instant,
    before: Traffic,
}

impl Clock {
    fn start() -> Self {
        Self { began: Instant::now(), before: Traffic::default() }
    }

    /// What happened since the last phase ended.
    fn phase(&mut self, party: &Party) -> Phase {
        let (now, traffic) = (Instant::now(), party.traffic());
        let phase = Phase {
            rounds: traffic.rounds - self.before.rounds,
            bytes_sent: traffic.bytes_sent - self.before.bytes_sent,
            time: now - self.began,
        };
        *self = Self { began: now, before: traffic };
        phase
    }
}

/// Whether the error says that a party misbehaved.
pub fn misbehaved(error: &RunError) -> bool {
    match error {
        RunError::Protocol(error) => error.severity() > Severity::Benign,
        RunError::Program(error) => error.severity() > Severity::Benign,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use polyyne_bytecode::{Machine, Program, SizeLimits, verify};
    use polyyne_engine::dealer::Dealer;

    use super::*;

    fn conformance(name: &str, n: usize) -> (Job, String) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance");
        let text = |path: String| std::fs::read_to_string(folder.join(path)).unwrap();
        let schedule = text(format!("Schedules/{name}.sch"));
        let read = |tape: &str| std::fs::read(folder.join("Bytecode").join(tape));
        let program = Program::load(&schedule, &SizeLimits::default(), read).unwrap();
        let field = PrimeField::carbyne();
        let machine = Machine { prime: field.modulus(), parties: n, gf2n: 40 };
        let program = Arc::new(verify(program, &machine, &polyyne_bytecode::Limits::default()).unwrap());
        let job = Job {
            program,
            field,
            inputs: Vec::new(),
            private: Vec::new(),
            sockets: None,
            mac_key: None,
            measured: true,
            output_dir: None,
        };
        (job, text(format!("expected/{name}.txt")))
    }

    fn dealt(n: usize) -> Vec<Supplies> {
        let dealer = Dealer::new(PrimeField::carbyne(), n, [3; 32]);
        let orders = Orders::new(n);
        let binary = BinaryField::new(40).unwrap();
        let supply = |party| {
            let gates = orders.side_gates(party, MAIN);
            let sides = vm::dealt_sides_behind(&dealer, binary, n, party, [4; 32], gates);
            let tuples = Source::Ready { tuples: Box::new(dealer.tuples(party, 0)), sides: Some(Box::new(sides)) };
            Supplies { key: dealer.key(party), tuples, orders: orders.clone() }
        };
        (0..n).map(supply).collect()
    }

    /// Over the prime field, over GF(2^40), and with bits of both worlds.
    #[test]
    fn programs_print_the_same_on_dealt_and_on_generated_tuples() {
        for name in ["c03_arith", "c16_gf2n", "c36_edabit_raw"] {
            prints_the_same(name, Protocol::Mascot(Params::default()));
        }
        prints_the_same("c36_edabit_raw", Protocol::for_prime(&PrimeField::carbyne(), 64));
    }

    fn prints_the_same(name: &str, protocol: Protocol) {
        let (job, expected) = conformance(name, 2);
        let mut printed = Vec::new();
        let rehearsal = run(&job, dealt(2), &mut printed).unwrap();
        assert_eq!(String::from_utf8(printed).unwrap(), expected);

        let bills = bills(&rehearsal.spent);
        let orders = Orders::new(2);
        let supplies = dealt(2).into_iter().map(|own| Supplies {
            key: own.key,
            tuples: Source::Made(protocol, bills.clone()),
            orders: orders.clone(),
        });
        let mut printed = Vec::new();
        let outcome = run(&job, supplies.collect(), &mut printed).unwrap();
        assert_eq!(String::from_utf8(printed).unwrap(), expected);
        // the whole bill was used, and nothing else
        assert_eq!(outcome.spent, rehearsal.spent);
        assert!(outcome.checks > 0);
    }

    #[test]
    fn threads_take_from_generated_tuples_what_they_took_from_dealt_ones() {
        let (job, expected) = conformance("c10_threads", 2);
        let mut printed = Vec::new();
        let outcome = run(&job, dealt(2), &mut printed).unwrap();
        assert_eq!(String::from_utf8(printed).unwrap(), expected);
        // what was measured is what was counted, the main thread's and the others' together
        let measured: u64 = outcome.groups.iter().map(|spent| spent.rounds).sum();
        assert_eq!(measured, outcome.online.rounds);
        assert!(outcome.groups[polyyne_bytecode::Group::Check as usize].rounds > 0);

        // sources that give only what was counted
        let declared: u64 = outcome.spent.prime[&(Kind::Triple, None)];
        let exact = |supplies: Supplies| {
            let Source::Ready { mut tuples, sides } = supplies.tuples else { panic!("dealt tuples are ready") };
            let counts = outcome.spent.prime.iter().map(|(&(kind, _), &count)| (kind, count as usize)).collect();
            Supplies { tuples: Source::Ready { tuples: tuples.split(&counts).unwrap(), sides }, ..supplies }
        };
        let mut printed = Vec::new();
        let again = run(&job, dealt(2).into_iter().map(exact).collect(), &mut printed).unwrap();
        assert_eq!(String::from_utf8(printed).unwrap(), expected);
        assert_eq!(again.spent.prime[&(Kind::Triple, None)], declared);
    }

    #[test]
    fn a_party_with_another_mac_key_ends_the_run_before_an_opened_value_is_printed() {
        let (job, expected) = conformance("c03_arith", 3);
        let mut supplies = dealt(3);
        supplies[1].key = supplies[2].key.clone();
        let mut printed = Vec::new();
        let error = run(&job, supplies, &mut printed).err().unwrap();
        assert!(misbehaved(&error), "{error}");
        let opened = expected.split_whitespace().find(|word| word.parse::<i64>().is_ok()).unwrap();
        assert!(!String::from_utf8(printed).unwrap().contains(opened), "{opened} was printed");
    }

    #[test]
    fn running_out_of_tuples_is_said_by_the_party_that_ran_out() {
        let (job, _) = conformance("c03_arith", 2);
        let mut supplies = dealt(2);
        supplies[1].tuples = Source::Ready { tuples: Box::new(Pool::new()), sides: None };
        let error = run(&job, supplies, &mut Vec::new()).err().unwrap();
        assert!(error.to_string().contains("tuples of kind"), "{error}");
    }
}
