//! What the optimiser must know of each operation besides its operands.

use polyyne_bytecode::{Bank, Opcode};

/// How an operation touches a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryAccess {
    /// Which memory.
    pub bank: Bank,
    /// Whether it changes cells.
    pub write: bool,
    /// Whether the address is an operand (direct) or in a register.
    pub direct: bool,
}

/// The memory access of loads and stores.
pub fn memory(opcode: Opcode) -> Option<MemoryAccess> {
    use Opcode::*;
    let access = |bank, write, direct| Some(MemoryAccess { bank, write, direct });
    match opcode {
        Ldms => access(Bank::Sint, false, true),
        Stms => access(Bank::Sint, true, true),
        Ldmsi | Matmulsm => access(Bank::Sint, false, false),
        Stmsi => access(Bank::Sint, true, false),
        Ldmc => access(Bank::Cint, false, true),
        Stmc => access(Bank::Cint, true, true),
        Ldmci => access(Bank::Cint, false, false),
        Stmci => access(Bank::Cint, true, false),
        Ldmint => access(Bank::Regint, false, true),
        Stmint => access(Bank::Regint, true, true),
        Ldminti => access(Bank::Regint, false, false),
        Stminti => access(Bank::Regint, true, false),
        GLdms => access(Bank::Sgf2n, false, true),
        GStms => access(Bank::Sgf2n, true, true),
        GLdmsi | GMatmulsm => access(Bank::Sgf2n, false, false),
        GStmsi => access(Bank::Sgf2n, true, false),
        GLdmc => access(Bank::Cgf2n, false, true),
        GStmc => access(Bank::Cgf2n, true, true),
        GLdmci => access(Bank::Cgf2n, false, false),
        GStmci => access(Bank::Cgf2n, true, false),
        Ldmsb => access(Bank::Sbits, false, true),
        Stmsb => access(Bank::Sbits, true, true),
        Ldmsbi => access(Bank::Sbits, false, false),
        Stmsbi => access(Bank::Sbits, true, false),
        Ldmcb => access(Bank::Cbits, false, true),
        Stmcb => access(Bank::Cbits, true, true),
        Ldmcbi => access(Bank::Cbits, false, false),
        Stmcbi => access(Bank::Cbits, true, false),
        _ => None,
    }
}

/// Operations that other tapes or the outside notice: they keep their order among themselves and are never removed.
pub fn is_ordered(opcode: Opcode) -> bool {
    use Opcode::*;
    matches!(
        opcode,
        Time | Start
            | Stop
            | RunTape
            | JoinTape
            | CallTape
            | CallArg
            | Crash
            | StartGrind
            | StopGrind
            | Starg
            | Ldarg
            | Pushint
            | Popint
            | Check
            | PrintReg
            | PrintRegPlain
            | PrintChar
            | PrintChar4
            | PrintInt
            | PrintFloatPlain
            | PrintFloatPrec
            | PrintRegPlains
            | CondPrintStr
            | CondPrintPlain
            | GPrintReg
            | GPrintRegPlain
            | GPrintRegPlains
            | PrintRegSigned
            | PrintRegb
            | PrintRegPlainb
            | PrintFloatPlainb
            | CondPrintStrb
            | PrintRegPlainsb
            | RawOutput
            | GRawOutput
            | Intoutput
            | Floatoutput
            | Pubinput
            | Fixinput
            | Writesharestofile
            | Readsharesfromfile
            | GWritesharestofile
            | GReadsharesfromfile
            | Listen
            | Acceptclientconnection
            | Initclientconnection
            | Closeclientconnection
            | Readsocketint
            | Readsocketc
            | Readsockets
            | Writesocketint
            | Writesocketc
            | Writesockets
            | Writesocketshare
            | Delshuffle
            | Cmdlinearg
            | Active
            | Reqbl
            | GReqbl
    ) || super::super::record::is_jump(opcode)
}

/// Operations that take the next values of a party's input: ordered among themselves, never removed.
pub fn is_input(opcode: Opcode) -> bool {
    use Opcode::*;
    matches!(
        opcode,
        Input | Inputfix | Inputfloat | Inputmixed | Inputmixedreg | Rawinput | GInput | GRawinput | Inputb | Inputbvec
    )
}

/// Operations that cost a round of communication.
pub fn is_round(opcode: Opcode) -> bool {
    is_mergeable(opcode)
        || matches!(opcode, Opcode::CallTape | Opcode::Secshuffle | Opcode::Gensecshuffle | Opcode::GSecshuffle)
}

/// Operations of which several become one by joining their operands.
pub fn is_mergeable(opcode: Opcode) -> bool {
    use Opcode::*;
    is_input(opcode)
        || matches!(
            opcode,
            Open | GOpen
                | Muls
                | GMuls
                | Mulrs
                | GMulrs
                | Dotprods
                | GDotprods
                | Matmuls
                | GMatmuls
                | Matmulsm
                | GMatmulsm
                | Conv2ds
                | TruncPr
                | Privateoutput
                | Inputpersonal
                | Sendpersonal
                | Applyshuffle
                | Ands
                | Andrs
                | Andrsvec
                | Reveal
        )
}

/// How many leading operands merged instructions share (the check flag of openings).
pub fn shared_operands(opcode: Opcode) -> usize {
    usize::from(matches!(opcode, Opcode::Open | Opcode::GOpen))
}

/// Whether instructions must have the same vector size to be merged.
pub fn merges_by_size(opcode: Opcode) -> bool {
    !matches!(opcode, Opcode::Muls | Opcode::Mulrs | Opcode::GMuls | Opcode::GMulrs)
}
