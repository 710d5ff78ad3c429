//! Programs as members know them: verified for the cloud's machine, with their bill.

use crate::castor::TupleKind;
use crate::desk::internal;
use crate::seat::Seat;
use crate::session::take::Bill;
use polyyne_bytecode::{
    self as bytecode, Amount, Certainty, Item, Machine, Outline, SizeLimits, Traffic, TupleDomain, Verified,
};
use polyyne_engine::vm::{self, Unforeseen};
use polyyne_protocol::id::ProgramHash;
use polyyne_protocol::limits::EXECUTION_THREADS_MAX;
use polyyne_protocol::request::{Program, Refusal, RefusalCode, program_hash};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

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
    for tape in program.tapes() {
        for (pc, instruction) in tape.instructions.iter().enumerate() {
            let opcode = instruction.opcode();
            let refused = vm::unsupported(opcode).or_else(|| vm::distrusted(opcode)).or_else(|| no_client(opcode));
            if let Some(reason) = refused {
                return Err(invalid(format!(
                    "tape {:?}, instruction {pc} ({}): {reason}",
                    tape.name,
                    instruction.opcode()
                )));
            }
        }
    }
    let outline = Outline::of(&program);
    let traffic = Some(Traffic::of(&program)).filter(|traffic| traffic.certainty != Certainty::Unbounded);
    let machine = Machine { prime: seat.view.parameters().prime.0, parties: seat.view.n(), gf2n: 0 };
    let limits = bytecode::Limits {
        frame_bytes_max: FRAME_BYTES_MAX,
        memory_bytes_max: FRAME_BYTES_MAX,
        ..bytecode::Limits::default()
    };
    let program = bytecode::verify(program, &machine, &limits).map_err(|error| invalid(error.to_string()))?;
    let (declared, unforeseen) = expected(&program);
    let bill = bill(&declared).map_err(invalid)?;
    Ok(Ready { hash: program_hash(bytes), program, outline, traffic, bill, unforeseen, bytes: bytes.len() })
}

/// What the program takes: found by walking through it, else what it declares, else why that is not all.
fn expected(program: &Verified) -> (bytecode::Bill, Option<Unforeseen>) {
    match vm::forecast(program, EXECUTION_THREADS_MAX, FORECAST_STEPS_MAX) {
        Ok(forecast) => (forecast.bill, None),
        Err(_) if program.bill().is_static() => (program.bill().clone(), None),
        Err(unforeseen) => (program.bill().clone(), Some(unforeseen)),
    }
}

/// Why a socket instruction finds nobody in a cloud: behind the door are stored secrets, which are shares.
fn no_client(opcode: bytecode::Opcode) -> Option<&'static str> {
    use bytecode::Opcode;
    match opcode {
        Opcode::Readsocketc
        | Opcode::Readsocketint
        | Opcode::Writesocketc
        | Opcode::Writesocketint
        | Opcode::Writesocketshare => {
            Some("in a cloud only shares pass through the socket (sint.read_from_socket, sint.write_to_socket)")
        }
        Opcode::Initclientconnection => Some("in a cloud a program is nobody's client"),
        _ => None,
    }
}

/// The bill in the kinds that a cloud keeps; an error names what it does not keep.
fn bill(expected: &bytecode::Bill) -> Result<Bill, String> {
    let mut bill: Bill = TupleKind::ALL.into_iter().map(|kind| (kind, 0)).collect();
    for (item, amount) in expected.items() {
        let kind = match item {
            Item::Triple(TupleDomain::Prime) => TupleKind::TRIPLE,
            Item::Square(TupleDomain::Prime) => TupleKind::SQUARE,
            Item::Inverse(TupleDomain::Prime) => TupleKind::INVERSE,
            Item::Bit(TupleDomain::Prime) => TupleKind::BIT,
            Item::Random(TupleDomain::Prime) => TupleKind::RANDOM,
            Item::Open(_) | Item::Matmul { .. } => continue,
            _ if amount == Amount::Exactly(0) => continue,
            other => return Err(format!("the program takes {other:?}, which this cloud does not make")),
        };
        let count = match amount {
            Amount::Exactly(count) => count,
            Amount::Unknown => 0,
        };
        let line = bill.iter_mut().find(|(known, _)| *known == kind).expect("every kind has a line");
        line.1 = line.1.saturating_add(count);
    }
    Ok(bill)
}

impl Ready {
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
