//! Programs as members know them: verified for the cloud's machine, with their bill.

use crate::castor::TupleKind;
use crate::desk::internal;
use crate::klyshko::{dabits_fit, rules};
use crate::seat::Seat;
use crate::session::side::Side;
use crate::session::take::Bill;
use polyyne_bytecode::{
    self as bytecode, Amount, Certainty, Item, Machine, Outline, SizeLimits, Traffic, TupleDomain, Verified,
};
use polyyne_engine::tuples::Shape;
use polyyne_engine::vm::{self, Unforeseen};
use polyyne_protocol::id::ProgramHash;
use polyyne_protocol::limits::EXECUTION_THREADS_MAX;
use polyyne_protocol::request::{Program, Refusal, RefusalCode, program_hash};
use polyyne_protocol::view::CloudView;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Degree of GF(2^n) for programs that name none.
const GF2N_DEFAULT: u32 = 128;
/// Programs that a member remembers by hash.
const PROGRAMS_MAX: usize = 64;
/// Bytes of them all.
const PROGRAM_BYTES_MAX: usize = 64 << 20;
/// Registers of one tape, and memory, of a program in a cloud.
const FRAME_BYTES_MAX: u64 = 256 << 20;

/// How far a member walks through a program to see what it takes.
const FORECAST_STEPS_MAX: u64 = 1 << 24;

/// A program that can be run here.
pub struct Ready {
    pub hash: ProgramHash,
    pub program: Verified,
    pub outline: Outline,
    /// What its openings take at most, unless it loops.
    pub traffic: Option<Traffic>,
    pub bill: Bill,
    /// Why the bill is not all that the program may take, if it is not.
    pub unforeseen: Option<Unforeseen>,
    /// The field of GF(2^n) that it computes in, if it does.
    pub binary: Option<Side>,
    /// Whether it computes with shared bits.
    pub bits: bool,
    /// The first instruction that only a live client can serve, if there is one.
    live_client: Option<String>,
    bytes: usize,
}

/// The programs that this member has verified. In memory only: clients send them again.
#[derive(Clone, Default)]
pub struct Programs(Arc<Mutex<HashMap<ProgramHash, Arc<Ready>>>>);

impl Programs {
    /// A program that can be run, by hash or by bytes; verified off the caller's thread.
    pub async fn ready(&self, program: &Program, seat: &Arc<Seat>) -> Result<Arc<Ready>, Refusal> {
        let (programs, program, seat) = (self.clone(), program.clone(), seat.clone());
        let work = tokio::task::spawn_blocking(move || programs.known_or_verify(&program, &seat));
        let ready = work.await.map_err(internal)??;
        match &ready.unforeseen {
            None => Ok(ready),
            Some(unforeseen) => Err(Refusal::new(
                RefusalCode::ProgramInvalid,
                format!("how many tuples the program takes is not known before it runs: {unforeseen}"),
                "Let no branch or loop depend on a secret that it opens: members take all tuples before they begin.",
            )),
        }
    }

    /// See [`Self::ready`]; on the caller's thread, and also programs without a static bill.
    pub fn known_or_verify(&self, program: &Program, seat: &Seat) -> Result<Arc<Ready>, Refusal> {
        let hash = program.hash();
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&hash) {
            return Ok(known.clone());
        }
        let Program::Bytes(bytes) = program else {
            return Err(Refusal::new(
                RefusalCode::UnknownProgram,
                format!("no program {hash} is known here"),
                "Send the program itself.",
            ));
        };
        let ready = Arc::new(verify(bytes, seat)?);
        self.remember(ready.clone());
        Ok(ready)
    }

    fn remember(&self, ready: Arc<Ready>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: usize = known.values().map(|ready| ready.bytes).sum();
        if known.len() >= PROGRAMS_MAX || bytes + ready.bytes > PROGRAM_BYTES_MAX {
            known.clear();
        }
        known.insert(ready.hash, ready);
    }
}

fn verify(bytes: &[u8], seat: &Seat) -> Result<Ready, Refusal> {
    let invalid = |cause: String| Refusal::new(RefusalCode::ProgramInvalid, cause, "Nothing was spent.");
    let program =
        bytecode::Program::from_bytes(bytes, &SizeLimits::default()).map_err(|error| invalid(error.to_string()))?;
    let mut live_client = None;
    for tape in program.tapes() {
        for (pc, instruction) in tape.instructions.iter().enumerate() {
            let opcode = instruction.opcode();
            let place = |reason| format!("tape {:?}, instruction {pc} ({opcode}): {reason}", tape.name);
            let refused = vm::unsupported_with(opcode, true, true).or_else(|| vm::distrusted(opcode));
            let nobodys =
                (opcode == bytecode::Opcode::Initclientconnection).then_some("in a cloud a program is nobody's client");
            if let Some(reason) = refused.or(nobodys) {
                return Err(invalid(place(reason)));
            }
            if needs_client(opcode) {
                live_client.get_or_insert_with(|| place("only shares pass between a program and stored secrets"));
            }
        }
    }
    let outline = Outline::of(&program);
    let traffic = Some(Traffic::of(&program)).filter(|traffic| traffic.certainty != Certainty::Unbounded);
    let gf2n = match program.schedule().gf2n {
        0 => GF2N_DEFAULT,
        degree => degree,
    };
    let needs = |need| opcodes(&program).any(|opcode| vm::need(opcode) == need);
    let (binary, bits) = (needs(vm::Need::Binary), needs(vm::Need::Bits));
    let binary = match (binary, Side::of_degree(gf2n)) {
        (false, _) => None,
        (true, Some(side)) => Some(side),
        (true, None) => return Err(invalid(format!("clouds have no tuples over GF(2^{gf2n}); compile for 40 or 128"))),
    };
    let machine = Machine { prime: seat.view.parameters().prime.0, parties: seat.view.n(), gf2n };
    let limits = bytecode::Limits {
        frame_bytes_max: FRAME_BYTES_MAX,
        memory_bytes_max: FRAME_BYTES_MAX,
        ..bytecode::Limits::default()
    };
    let program = bytecode::verify(program, &machine, &limits).map_err(|error| invalid(error.to_string()))?;
    let (declared, unforeseen) = expected(&program);
    let bill = bill(&declared, gf2n, &seat.view).map_err(invalid)?;
    if bill.iter().any(|(kind, count)| kind.is_of_dabits() && *count > 0) {
        dabits_fit(seat).map_err(|error| invalid(error.to_string()))?;
    }
    Ok(Ready {
        hash: program_hash(bytes),
        program,
        outline,
        traffic,
        bill,
        unforeseen,
        binary,
        bits,
        live_client,
        bytes: bytes.len(),
    })
}

fn opcodes(program: &bytecode::Program) -> impl Iterator<Item = bytecode::Opcode> {
    program.tapes().iter().flat_map(|tape| &tape.instructions).map(|instruction| instruction.opcode())
}

/// What the program takes: found by walking through it, else what it declares, else why that is not all.
fn expected(program: &Verified) -> (bytecode::Bill, Option<Unforeseen>) {
    match vm::forecast(program, EXECUTION_THREADS_MAX, FORECAST_STEPS_MAX) {
        Ok(forecast) => (forecast.bill, None),
        Err(_) if program.bill().is_static() => (declared(program), None),
        Err(unforeseen) => (declared(program), Some(unforeseen)),
    }
}

/// What the program declares, but for products of matrices: which of these threads make is not said, and for those no
/// matrix triples are set apart.
fn declared(program: &Verified) -> bytecode::Bill {
    program.bill().without(|item| matches!(item, Item::Matmul { .. }))
}

/// Whether a socket instruction moves something else than shares: what stored secrets cannot be.
fn needs_client(opcode: bytecode::Opcode) -> bool {
    use bytecode::Opcode;
    matches!(
        opcode,
        Opcode::Readsocketc
            | Opcode::Readsocketint
            | Opcode::Writesocketc
            | Opcode::Writesocketint
            | Opcode::Writesocketshare
    )
}

/// The bill in the kinds that a cloud keeps; an error names what it does not keep.
///
/// It follows from the program and the cloud's record alone, so that it is the same at all members whatever each has in
/// stock: edaBits of a length that the record names are taken as such, and waited for if there are too few; all others
/// are made of daBits. The same holds for matrix triples of a shape that the record names, and triples of elements.
fn bill(expected: &bytecode::Bill, gf2n: u32, view: &CloudView) -> Result<Bill, String> {
    let parties = view.n() as u32;
    let over = |domain: TupleDomain, kind: TupleKind| match domain {
        TupleDomain::Gf2n => Some(kind.over_binary(gf2n as u16)),
        TupleDomain::Prime => Some(kind),
        TupleDomain::Bits => None,
    };
    let mask = |owner: u32| (owner < parties).then(|| TupleKind::mask(owner as usize));
    let mut bill: Bill = TupleKind::PRIME.into_iter().map(|kind| (kind, 0)).collect();
    for (item, amount) in expected.items().filter(|(_, amount)| *amount != Amount::Exactly(0)) {
        let (kind, each) = match item {
            Item::Triple(TupleDomain::Bits) => (Some(TupleKind::AND_TRIPLE), 1),
            Item::Bit(TupleDomain::Bits) => (Some(TupleKind::SHARED_BIT), 1),
            Item::Triple(domain) => (over(domain, TupleKind::TRIPLE), 1),
            Item::Square(domain) => (over(domain, TupleKind::SQUARE), 1),
            Item::Inverse(domain) => (over(domain, TupleKind::INVERSE), 1),
            Item::Bit(domain) => (over(domain, TupleKind::BIT), 1),
            Item::Random(domain) => (over(domain, TupleKind::RANDOM), 1),
            Item::Input(TupleDomain::Bits, owner) => (mask(owner).map(|_| TupleKind::bit_mask(owner as usize)), 1),
            Item::Input(domain, owner) => (mask(owner).and_then(|mask| over(domain, mask)), 1),
            Item::DaBit => (Some(TupleKind::DABIT), 1),
            Item::EdaBit { bits, .. } => match TupleKind::edabit(bits).filter(|kind| rules::is_named(view, *kind)) {
                Some(kind) => (Some(kind), 1),
                None => (Some(TupleKind::DABIT), u64::from(bits)),
            },
            // of a product of a word of bits with one bit the AND triples stand beside it
            Item::Open(_) | Item::Matmul { .. } | Item::Mixed => continue,
        };
        let Some(kind) = kind else {
            return Err(format!("the program takes {item:?}, which this cloud does not make"));
        };
        let count = match amount {
            Amount::Exactly(count) => count.saturating_mul(each),
            Amount::Unknown => 0,
        };
        match bill.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, known)) => *known = known.saturating_add(count),
            None => bill.push((kind, count)),
        }
    }
    for (item, amount) in expected.items() {
        if let (Item::Matmul { rows, inner, columns }, Amount::Exactly(count)) = (item, amount) {
            let [rows, inner, columns] = [rows, inner, columns].map(|side| side as usize);
            with_matrices(&mut bill, Shape { rows, inner, columns }, count, view);
        }
    }
    Ok(bill)
}

/// Takes matrix triples of a shape that the record names, and none of the triples that these products would take.
fn with_matrices(bill: &mut Bill, shape: Shape, count: u64, view: &CloudView) {
    let kind = TupleKind::matrix(shape).filter(|kind| count > 0 && rules::is_named(view, *kind));
    let triples = bill.iter_mut().find(|(kind, _)| *kind == TupleKind::TRIPLE);
    let (Some(kind), Some((_, triples))) = (kind, triples) else { return };
    let instead = count.checked_mul(shape.multiplications() as u64);
    let Some(left) = instead.and_then(|instead| triples.checked_sub(instead)) else { return };
    *triples = left;
    bill.push((kind, count));
}

impl Ready {
    /// Refuses a program that talks to a live client where there is none.
    ///
    /// # Errors
    /// [`RefusalCode::ProgramInvalid`].
    pub fn refuse_without_client(&self) -> Result<(), Refusal> {
        match &self.live_client {
            None => Ok(()),
            Some(cause) => Err(Refusal::new(
                RefusalCode::ProgramInvalid,
                cause.clone(),
                "Nothing was spent. Clients of MP-SPDZ's protocol are let in with `vcp execute --sockets`.",
            )),
        }
    }

    /// Refuses inputs with fewer words than the program is certain to read.
    ///
    /// # Errors
    /// [`RefusalCode::InputsMissing`].
    pub fn refuse_missing_inputs(&self, words: usize) -> Result<(), Refusal> {
        let certain = !self.reads_may_be_skipped();
        let reads = self.outline.socket_inputs;
        if certain && reads > words as u64 {
            return Err(Refusal::new(
                RefusalCode::InputsMissing,
                format!("the program reads {reads} words and its inputs hold {words}"),
                "Give more secrets with -i; nothing was spent.",
            ));
        }
        Ok(())
    }

    /// Whether not every read of the program is certain to happen exactly once: reads outside the
    /// main tape, or jumps in it.
    fn reads_may_be_skipped(&self) -> bool {
        let tapes = self.program.program().tapes();
        let any = |tape: &bytecode::Tape, wanted: fn(bytecode::Opcode) -> bool| {
            tape.instructions.iter().any(|i| wanted(i.opcode()))
        };
        let elsewhere = tapes.iter().skip(1).any(|tape| any(tape, |opcode| opcode == bytecode::Opcode::Readsockets));
        elsewhere || tapes.first().is_some_and(|tape| any(tape, is_jump))
    }
}

fn is_jump(opcode: bytecode::Opcode) -> bool {
    use bytecode::Opcode;
    matches!(opcode, Opcode::Jmp | Opcode::Jmpnz | Opcode::Jmpeqz | Opcode::Jmpi)
}
