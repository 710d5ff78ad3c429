//! The instruction table: every opcode that the MP-SPDZ compiler knows, with the layout of its operands.
//!
//! One row per opcode: name, code, how it uses the vector size, operands. The table says what the *format* is; what a
//! prime-field SPDZ machine refuses to run stands in [`crate::refused`].

use std::fmt;

/// A bank of registers (and, for each, a memory).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bank {
    /// Shares over the prime field.
    Sint,
    /// Clear elements of the prime field.
    Cint,
    /// Clear 64-bit integers.
    Regint,
    /// Shares over GF(2^n).
    Sgf2n,
    /// Clear elements of GF(2^n).
    Cgf2n,
    /// Words of 64 shared bits.
    Sbits,
    /// Words of 64 clear bits.
    Cbits,
}

impl Bank {
    /// All banks, in the order in which arrays indexed by [`Bank::index`] hold them.
    pub const ALL: [Bank; 7] =
        [Bank::Sint, Bank::Cint, Bank::Regint, Bank::Sgf2n, Bank::Cgf2n, Bank::Sbits, Bank::Cbits];

    /// Position in [`Bank::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The prefix that listings give registers of this bank.
    pub const fn prefix(self) -> &'static str {
        match self {
            Bank::Sint => "s",
            Bank::Cint => "c",
            Bank::Regint => "ci",
            Bank::Sgf2n => "sg",
            Bank::Cgf2n => "cg",
            Bank::Sbits => "sb",
            Bank::Cbits => "cb",
        }
    }

    /// The bank that `call_tape` and `call_arg` mean by a number.
    pub const fn from_call_number(number: i32) -> Option<Bank> {
        match number {
            0 => Some(Bank::Regint),
            1 => Some(Bank::Sbits),
            2 => Some(Bank::Cbits),
            4 => Some(Bank::Sint),
            5 => Some(Bank::Cint),
            6 => Some(Bank::Sgf2n),
            7 => Some(Bank::Cgf2n),
            _ => None,
        }
    }

    /// The number that `call_tape` and `call_arg` give this bank.
    pub const fn call_number(self) -> i32 {
        match self {
            Bank::Regint => 0,
            Bank::Sbits => 1,
            Bank::Cbits => 2,
            Bank::Sint => 4,
            Bank::Cint => 5,
            Bank::Sgf2n => 6,
            Bank::Cgf2n => 7,
        }
    }
}

/// Whether an instruction writes or reads a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The register is an operand.
    Read,
    /// The register is a result.
    Write,
}

/// What one operand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A register of a bank that the opcode fixes.
    Register(Bank, Access),
    /// A register whose bank another operand names (`call_tape`, `call_arg`).
    AnyRegister(Access),
    /// A 32-bit immediate value.
    Immediate,
    /// A 32-bit count, length, shape or other parameter.
    Int,
    /// A player number.
    Player,
    /// A 64-bit address or count.
    Long,
    /// 16 raw bytes, padded with zeros.
    Tag,
    /// A length and that many bytes of UTF-8.
    Text,
}

impl Kind {
    /// True for registers of any bank.
    pub const fn is_register(self) -> bool {
        matches!(self, Kind::Register(..) | Kind::AnyRegister(_))
    }
}

/// How an instruction uses the vector size of its opcode word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vector {
    /// Not at all (lengths, if any, are operands).
    Scalar,
    /// Element by element: every register operand stands for `size` consecutive ones.
    Lane,
    /// As a length with a meaning of its own.
    Own,
}

/// What follows the leading operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing: the instruction has a fixed length and no count word.
    Fixed,
    /// Whole repetitions of this group, after a count word.
    Repeat(&'static [Kind]),
    /// Groups whose own first operands say how long they are, after a count word.
    Groups,
}

/// One row of the instruction table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The compiler's name.
    pub name: &'static str,
    /// The ten-bit code.
    pub code: u16,
    /// Use of the vector size.
    pub vector: Vector,
    /// The operands that every instance has.
    pub leading: &'static [Kind],
    /// The operands after them.
    pub tail: Tail,
}

impl Spec {
    /// True if a count word precedes the operands.
    pub const fn variable_length(&self) -> bool {
        !matches!(self.tail, Tail::Fixed)
    }
}

const S: Kind = Kind::Register(Bank::Sint, Access::Read);
const SW: Kind = Kind::Register(Bank::Sint, Access::Write);
const C: Kind = Kind::Register(Bank::Cint, Access::Read);
const CW: Kind = Kind::Register(Bank::Cint, Access::Write);
const I: Kind = Kind::Register(Bank::Regint, Access::Read);
const IW: Kind = Kind::Register(Bank::Regint, Access::Write);
const SG: Kind = Kind::Register(Bank::Sgf2n, Access::Read);
const SGW: Kind = Kind::Register(Bank::Sgf2n, Access::Write);
const CG: Kind = Kind::Register(Bank::Cgf2n, Access::Read);
const CGW: Kind = Kind::Register(Bank::Cgf2n, Access::Write);
const SB: Kind = Kind::Register(Bank::Sbits, Access::Read);
const SBW: Kind = Kind::Register(Bank::Sbits, Access::Write);
const CB: Kind = Kind::Register(Bank::Cbits, Access::Read);
const CBW: Kind = Kind::Register(Bank::Cbits, Access::Write);
const ANY: Kind = Kind::AnyRegister(Access::Read);
const ANYW: Kind = Kind::AnyRegister(Access::Write);
const IMM: Kind = Kind::Immediate;
const INT: Kind = Kind::Int;
const PLAYER: Kind = Kind::Player;
const LONG: Kind = Kind::Long;
const TAG: Kind = Kind::Tag;
const TEXT: Kind = Kind::Text;

use Tail::{Fixed, Groups, Repeat};
use Vector::{Lane, Own, Scalar};

macro_rules! instructions {
    ($($variant:ident, $name:literal, $code:literal, $vector:ident, [$($leading:ident),*], $tail:expr;)*) => {
        /// An operation. The discriminant is the ten-bit code.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        #[allow(missing_docs)]
        pub enum Opcode { $($variant = $code,)* }

        impl Opcode {
            /// Every opcode, in the order of the codes.
            pub const ALL: &'static [Opcode] = &[$(Opcode::$variant,)*];

            /// The row of the table.
            pub const fn spec(self) -> &'static Spec {
                match self {
                    $(Opcode::$variant => &Spec {
                        name: $name, code: $code, vector: $vector, leading: &[$($leading),*], tail: $tail,
                    },)*
                }
            }

            /// The opcode with this code.
            pub const fn from_code(code: u16) -> Option<Opcode> {
                match code {
                    $($code => Some(Opcode::$variant),)*
                    _ => None,
                }
            }

            fn from_table_name(name: &str) -> Option<Opcode> {
                match name {
                    $($name => Some(Opcode::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

instructions! {
    // Prime field, regint and machine
    Cisc, "cisc", 0x000, Scalar, [TAG], Repeat(&[INT]);
    Ldi, "ldi", 0x001, Lane, [CW, IMM], Fixed;
    Ldsi, "ldsi", 0x002, Lane, [SW, IMM], Fixed;
    Ldmc, "ldmc", 0x003, Lane, [CW, LONG], Fixed;
    Ldms, "ldms", 0x004, Lane, [SW, LONG], Fixed;
    Stmc, "stmc", 0x005, Lane, [C, LONG], Fixed;
    Stms, "stms", 0x006, Lane, [S, LONG], Fixed;
    Ldmci, "ldmci", 0x007, Lane, [CW, I], Fixed;
    Ldmsi, "ldmsi", 0x008, Lane, [SW, I], Fixed;
    Stmci, "stmci", 0x009, Lane, [C, I], Fixed;
    Stmsi, "stmsi", 0x00a, Lane, [S, I], Fixed;
    Movc, "movc", 0x00b, Lane, [CW, C], Fixed;
    Movs, "movs", 0x00c, Lane, [SW, S], Fixed;
    Ldtn, "ldtn", 0x010, Lane, [IW], Fixed;
    Ldarg, "ldarg", 0x011, Lane, [IW], Fixed;
    Reqbl, "reqbl", 0x012, Scalar, [INT], Fixed;
    Starg, "starg", 0x013, Lane, [I], Fixed;
    Time, "time", 0x014, Scalar, [], Fixed;
    Start, "start", 0x015, Scalar, [IMM], Fixed;
    Stop, "stop", 0x016, Scalar, [IMM], Fixed;
    Use, "use", 0x017, Scalar, [INT, INT, LONG], Fixed;
    UseInp, "use_inp", 0x018, Scalar, [INT, INT, LONG], Fixed;
    RunTape, "run_tape", 0x019, Scalar, [], Repeat(&[INT, INT, INT]);
    JoinTape, "join_tape", 0x01a, Scalar, [INT], Fixed;
    Crash, "crash", 0x01b, Scalar, [I], Fixed;
    UsePrep, "use_prep", 0x01c, Scalar, [TAG, LONG], Fixed;
    StartGrind, "start_grind", 0x01d, Scalar, [], Fixed;
    StopGrind, "stop_grind", 0x01e, Scalar, [], Fixed;
    UseMatmul, "use_matmul", 0x01f, Scalar, [INT, INT, INT, LONG], Fixed;
    Addc, "addc", 0x020, Lane, [CW, C, C], Fixed;
    Adds, "adds", 0x021, Lane, [SW, S, S], Fixed;
    Addm, "addm", 0x022, Lane, [SW, S, C], Fixed;
    Addci, "addci", 0x023, Lane, [CW, C, IMM], Fixed;
    Addsi, "addsi", 0x024, Lane, [SW, S, IMM], Fixed;
    Subc, "subc", 0x025, Lane, [CW, C, C], Fixed;
    Subs, "subs", 0x026, Lane, [SW, S, S], Fixed;
    Subml, "subml", 0x027, Lane, [SW, S, C], Fixed;
    Submr, "submr", 0x028, Lane, [SW, C, S], Fixed;
    Subci, "subci", 0x029, Lane, [CW, C, IMM], Fixed;
    Subsi, "subsi", 0x02a, Lane, [SW, S, IMM], Fixed;
    Subcfi, "subcfi", 0x02b, Lane, [CW, C, IMM], Fixed;
    Subsfi, "subsfi", 0x02c, Lane, [SW, S, IMM], Fixed;
    Prefixsums, "prefixsums", 0x02d, Lane, [SW, S], Fixed;
    Picks, "picks", 0x02e, Own, [SW, S, INT, INT], Fixed;
    Concats, "concats", 0x02f, Own, [SW], Repeat(&[INT, S]);
    Mulc, "mulc", 0x030, Lane, [CW, C, C], Fixed;
    Mulm, "mulm", 0x031, Lane, [SW, S, C], Fixed;
    Mulci, "mulci", 0x032, Lane, [CW, C, IMM], Fixed;
    Mulsi, "mulsi", 0x033, Lane, [SW, S, IMM], Fixed;
    Divc, "divc", 0x034, Lane, [CW, C, C], Fixed;
    Divci, "divci", 0x035, Lane, [CW, C, IMM], Fixed;
    Modc, "modc", 0x036, Lane, [CW, C, C], Fixed;
    Modci, "modci", 0x037, Lane, [CW, C, IMM], Fixed;
    Legendrec, "legendrec", 0x038, Lane, [CW, C], Fixed;
    Digestc, "digestc", 0x039, Lane, [CW, C, INT], Fixed;
    Inv2m, "inv2m", 0x03a, Lane, [CW, INT], Fixed;
    Floordivc, "floordivc", 0x03b, Lane, [CW, C, C], Fixed;
    Zips, "zips", 0x03f, Scalar, [SW, S, S], Fixed;
    Triple, "triple", 0x050, Lane, [SW, SW, SW], Fixed;
    Bit, "bit", 0x051, Lane, [SW], Fixed;
    Square, "square", 0x052, Lane, [SW, SW], Fixed;
    Inverse, "inverse", 0x053, Lane, [SW, SW], Fixed;
    Inputmask, "inputmask", 0x056, Lane, [SW, CW, PLAYER], Fixed;
    Prep, "prep", 0x057, Lane, [TAG], Repeat(&[SW]);
    Dabit, "dabit", 0x058, Lane, [SW, SBW], Fixed;
    Edabit, "edabit", 0x059, Lane, [SW], Repeat(&[SBW]);
    Sedabit, "sedabit", 0x05a, Lane, [SW], Repeat(&[SBW]);
    Randoms, "randoms", 0x05b, Lane, [SW, INT], Fixed;
    Inputmaskreg, "inputmaskreg", 0x05c, Lane, [SW, CW, I], Fixed;
    Randomfulls, "randomfulls", 0x05d, Lane, [SW], Fixed;
    Unsplit, "unsplit", 0x05e, Own, [SB], Repeat(&[SW]);
    Input, "asm_input", 0x060, Lane, [], Repeat(&[SW, PLAYER]);
    Readsocketc, "readsocketc", 0x063, Scalar, [I, INT], Repeat(&[CW]);
    Readsockets, "readsockets", 0x064, Scalar, [I, INT], Repeat(&[SW]);
    Writesocketc, "writesocketc", 0x065, Scalar, [I, INT, INT], Repeat(&[C]);
    Writesockets, "writesockets", 0x066, Scalar, [I, INT, INT], Repeat(&[S]);
    Readsocketint, "readsocketint", 0x069, Scalar, [I, INT], Repeat(&[IW]);
    Writesocketint, "writesocketint", 0x06a, Scalar, [I, INT, INT], Repeat(&[I]);
    Writesocketshare, "writesocketshare", 0x06b, Scalar, [I, INT, INT], Repeat(&[S]);
    Listen, "listen", 0x06c, Scalar, [I], Fixed;
    Acceptclientconnection, "acceptclientconnection", 0x06d, Scalar, [IW, I], Fixed;
    Closeclientconnection, "closeclientconnection", 0x06e, Scalar, [I], Fixed;
    Initclientconnection, "initclientconnection", 0x06f, Scalar, [IW, I, I, TEXT], Fixed;
    Andc, "andc", 0x070, Lane, [CW, C, C], Fixed;
    Xorc, "xorc", 0x071, Lane, [CW, C, C], Fixed;
    Orc, "orc", 0x072, Lane, [CW, C, C], Fixed;
    Andci, "andci", 0x073, Lane, [CW, C, IMM], Fixed;
    Xorci, "xorci", 0x074, Lane, [CW, C, IMM], Fixed;
    Orci, "orci", 0x075, Lane, [CW, C, IMM], Fixed;
    Notc, "notc", 0x076, Lane, [CW, C, INT], Fixed;
    Shlc, "shlc", 0x080, Lane, [CW, C, C], Fixed;
    Shrc, "shrc", 0x081, Lane, [CW, C, C], Fixed;
    Shlci, "shlci", 0x082, Lane, [CW, C, IMM], Fixed;
    Shrci, "shrci", 0x083, Lane, [CW, C, IMM], Fixed;
    Shrsi, "shrsi", 0x084, Lane, [SW, S, IMM], Fixed;
    Jmp, "jmp", 0x090, Scalar, [INT], Fixed;
    Jmpnz, "jmpnz", 0x091, Scalar, [I, INT], Fixed;
    Jmpeqz, "jmpeqz", 0x092, Scalar, [I, INT], Fixed;
    Eqzc, "eqzc", 0x093, Lane, [IW, I], Fixed;
    Ltzc, "ltzc", 0x094, Lane, [IW, I], Fixed;
    Ltc, "ltc", 0x095, Lane, [IW, I, I], Fixed;
    Gtc, "gtc", 0x096, Lane, [IW, I, I], Fixed;
    Eqc, "eqc", 0x097, Lane, [IW, I, I], Fixed;
    Jmpi, "jmpi", 0x098, Scalar, [I], Fixed;
    Bitdecint, "bitdecint", 0x099, Lane, [I], Repeat(&[IW]);
    Ldint, "ldint", 0x09a, Lane, [IW, IMM], Fixed;
    Addint, "addint", 0x09b, Lane, [IW, I, I], Fixed;
    Subint, "subint", 0x09c, Lane, [IW, I, I], Fixed;
    Mulint, "mulint", 0x09d, Lane, [IW, I, I], Fixed;
    Divint, "divint", 0x09e, Lane, [IW, I, I], Fixed;
    PrintInt, "print_int", 0x09f, Scalar, [I], Fixed;
    Open, "asm_open", 0x0a5, Lane, [INT], Repeat(&[CW, S]);
    Muls, "muls", 0x0a6, Lane, [], Repeat(&[INT, SW, S, S]);
    Mulrs, "mulrs", 0x0a7, Scalar, [], Repeat(&[INT, SW, S, S]);
    Dotprods, "dotprods", 0x0a8, Lane, [], Groups;
    TruncPr, "trunc_pr", 0x0a9, Lane, [], Repeat(&[SW, S, INT, INT]);
    Matmuls, "matmuls", 0x0aa, Scalar, [], Repeat(&[SW, S, S, INT, INT, INT]);
    Matmulsm, "matmulsm", 0x0ab, Scalar, [], Repeat(&[SW, I, I, INT, INT, INT, I, I, I, I, INT, INT]);
    Conv2ds, "conv2ds", 0x0ac, Scalar, [], Repeat(&[SW, S, S, INT, INT, INT, INT, INT, INT, INT, INT, INT, INT, INT, INT]);
    Privateoutput, "privateoutput", 0x0ad, Scalar, [], Repeat(&[INT, PLAYER, CW, S]);
    Check, "check", 0x0af, Scalar, [], Fixed;
    PrintReg, "print_reg", 0x0b1, Lane, [C, IMM], Fixed;
    Rand, "rand", 0x0b2, Lane, [IW, I], Fixed;
    PrintRegPlain, "print_reg_plain", 0x0b3, Lane, [C], Fixed;
    PrintChar, "print_char", 0x0b4, Scalar, [INT], Fixed;
    PrintChar4, "print_char4", 0x0b5, Scalar, [INT], Fixed;
    Pubinput, "pubinput", 0x0b6, Lane, [CW], Fixed;
    RawOutput, "raw_output", 0x0b7, Lane, [C], Fixed;
    PrintFloatPlain, "print_float_plain", 0x0bc, Lane, [C, C, C, C, C], Fixed;
    Writesharestofile, "writesharestofile", 0x0bd, Own, [I], Repeat(&[S]);
    Readsharesfromfile, "readsharesfromfile", 0x0be, Own, [I, IW], Repeat(&[SW]);
    CondPrintStr, "cond_print_str", 0x0bf, Scalar, [C, INT], Fixed;
    Convint, "convint", 0x0c0, Lane, [CW, I], Fixed;
    Convmodp, "convmodp", 0x0c1, Lane, [IW, C, INT, INT], Fixed;
    Ldmint, "ldmint", 0x0ca, Lane, [IW, LONG], Fixed;
    Stmint, "stmint", 0x0cb, Lane, [I, LONG], Fixed;
    Ldminti, "ldminti", 0x0cc, Lane, [IW, I], Fixed;
    Stminti, "stminti", 0x0cd, Lane, [I, I], Fixed;
    Pushint, "pushint", 0x0ce, Lane, [I], Fixed;
    Popint, "popint", 0x0cf, Lane, [IW], Fixed;
    Movint, "movint", 0x0d0, Lane, [IW, I], Fixed;
    Incint, "incint", 0x0d1, Own, [IW, I, IMM, IMM, IMM], Fixed;
    Shuffle, "shuffle", 0x0d2, Own, [IW, I], Fixed;
    PrintFloatPrec, "print_float_prec", 0x0e0, Scalar, [INT], Fixed;
    CondPrintPlain, "cond_print_plain", 0x0e1, Scalar, [C, C, C], Fixed;
    Nplayers, "nplayers", 0x0e2, Scalar, [IW], Fixed;
    Threshold, "threshold", 0x0e3, Scalar, [IW], Fixed;
    Playerid, "playerid", 0x0e4, Scalar, [IW], Fixed;
    UseEdabit, "use_edabit", 0x0e5, Scalar, [INT, INT, LONG], Fixed;
    Intoutput, "intoutput", 0x0e6, Lane, [PLAYER, I], Fixed;
    Floatoutput, "floatoutput", 0x0e7, Lane, [PLAYER, C, C, C, C], Fixed;
    Fixinput, "fixinput", 0x0e8, Lane, [PLAYER, CW, INT, INT], Fixed;
    Active, "active", 0x0e9, Scalar, [INT], Fixed;
    PrintRegPlains, "print_reg_plains", 0x0ea, Scalar, [S], Fixed;
    Cmdlinearg, "cmdlinearg", 0x0eb, Lane, [IW, I], Fixed;
    CallTape, "call_tape", 0x0ec, Scalar, [INT, I], Repeat(&[INT, INT, INT, ANYW, ANY]);
    CallArg, "call_arg", 0x0ed, Own, [ANYW, INT], Fixed;
    Inputfix, "inputfix", 0x0f0, Lane, [], Repeat(&[SW, INT, PLAYER]);
    Inputfloat, "inputfloat", 0x0f1, Lane, [], Repeat(&[SW, SW, SW, SW, INT, PLAYER]);
    Inputmixed, "inputmixed", 0x0f2, Lane, [], Groups;
    Inputmixedreg, "inputmixedreg", 0x0f3, Scalar, [], Groups;
    Rawinput, "rawinput", 0x0f4, Lane, [], Repeat(&[PLAYER, SW]);
    Inputpersonal, "inputpersonal", 0x0f5, Scalar, [], Repeat(&[INT, PLAYER, SW, C]);
    Sendpersonal, "sendpersonal", 0x0f6, Scalar, [], Repeat(&[INT, PLAYER, CW, PLAYER, C]);
    Secshuffle, "secshuffle", 0x0fa, Own, [SW, S, INT], Fixed;
    Gensecshuffle, "gensecshuffle", 0x0fb, Scalar, [IW, INT], Fixed;
    Applyshuffle, "applyshuffle", 0x0fc, Scalar, [], Repeat(&[INT, SW, S, INT, I, INT]);
    Delshuffle, "delshuffle", 0x0fd, Scalar, [I], Fixed;
    InversePermutation, "inverse_permutation", 0x0fe, Own, [SW, S], Fixed;
    // GF(2^n) twins
    GLdi, "gldi", 0x101, Lane, [CGW, IMM], Fixed;
    GLdsi, "gldsi", 0x102, Lane, [SGW, IMM], Fixed;
    GLdmc, "gldmc", 0x103, Lane, [CGW, LONG], Fixed;
    GLdms, "gldms", 0x104, Lane, [SGW, LONG], Fixed;
    GStmc, "gstmc", 0x105, Lane, [CG, LONG], Fixed;
    GStms, "gstms", 0x106, Lane, [SG, LONG], Fixed;
    GLdmci, "gldmci", 0x107, Lane, [CGW, I], Fixed;
    GLdmsi, "gldmsi", 0x108, Lane, [SGW, I], Fixed;
    GStmci, "gstmci", 0x109, Lane, [CG, I], Fixed;
    GStmsi, "gstmsi", 0x10a, Lane, [SG, I], Fixed;
    GMovc, "gmovc", 0x10b, Lane, [CGW, CG], Fixed;
    GMovs, "gmovs", 0x10c, Lane, [SGW, SG], Fixed;
    GReqbl, "greqbl", 0x112, Scalar, [INT], Fixed;
    GUsePrep, "guse_prep", 0x11c, Scalar, [TAG, LONG], Fixed;
    GAddc, "gaddc", 0x120, Lane, [CGW, CG, CG], Fixed;
    GAdds, "gadds", 0x121, Lane, [SGW, SG, SG], Fixed;
    GAddm, "gaddm", 0x122, Lane, [SGW, SG, CG], Fixed;
    GAddci, "gaddci", 0x123, Lane, [CGW, CG, IMM], Fixed;
    GAddsi, "gaddsi", 0x124, Lane, [SGW, SG, IMM], Fixed;
    GSubc, "gsubc", 0x125, Lane, [CGW, CG, CG], Fixed;
    GSubs, "gsubs", 0x126, Lane, [SGW, SG, SG], Fixed;
    GSubml, "gsubml", 0x127, Lane, [SGW, SG, CG], Fixed;
    GSubmr, "gsubmr", 0x128, Lane, [SGW, CG, SG], Fixed;
    GSubci, "gsubci", 0x129, Lane, [CGW, CG, IMM], Fixed;
    GSubsi, "gsubsi", 0x12a, Lane, [SGW, SG, IMM], Fixed;
    GSubcfi, "gsubcfi", 0x12b, Lane, [CGW, CG, IMM], Fixed;
    GSubsfi, "gsubsfi", 0x12c, Lane, [SGW, SG, IMM], Fixed;
    GMulc, "gmulc", 0x130, Lane, [CGW, CG, CG], Fixed;
    GMulm, "gmulm", 0x131, Lane, [SGW, SG, CG], Fixed;
    GMulci, "gmulci", 0x132, Lane, [CGW, CG, IMM], Fixed;
    GMulsi, "gmulsi", 0x133, Lane, [SGW, SG, IMM], Fixed;
    GDivc, "gdivc", 0x134, Lane, [CGW, CG, CG], Fixed;
    GDivci, "gdivci", 0x135, Lane, [CGW, CG, IMM], Fixed;
    GModc, "gmodc", 0x136, Lane, [CGW, CG, CG], Fixed;
    GModci, "gmodci", 0x137, Lane, [CGW, CG, IMM], Fixed;
    GFloordivc, "gfloordivc", 0x13b, Lane, [CGW, CG, CG], Fixed;
    GTriple, "gtriple", 0x150, Lane, [SGW, SGW, SGW], Fixed;
    GBit, "gbit", 0x151, Lane, [SGW], Fixed;
    GSquare, "gsquare", 0x152, Lane, [SGW, SGW], Fixed;
    GInverse, "ginverse", 0x153, Lane, [SGW, SGW], Fixed;
    GBittriple, "gbittriple", 0x154, Lane, [SGW, SGW, SGW], Fixed;
    GBitgf2ntriple, "gbitgf2ntriple", 0x155, Lane, [SGW, SGW, SGW], Fixed;
    GInputmask, "ginputmask", 0x156, Lane, [SGW, CGW, PLAYER], Fixed;
    GPrep, "gprep", 0x157, Lane, [TAG], Repeat(&[SGW]);
    GInput, "gasm_input", 0x160, Lane, [], Repeat(&[SGW, PLAYER]);
    GAndc, "gandc", 0x170, Lane, [CGW, CG, CG], Fixed;
    GXorc, "gxorc", 0x171, Lane, [CGW, CG, CG], Fixed;
    GOrc, "gorc", 0x172, Lane, [CGW, CG, CG], Fixed;
    GAndci, "gandci", 0x173, Lane, [CGW, CG, IMM], Fixed;
    GXorci, "gxorci", 0x174, Lane, [CGW, CG, IMM], Fixed;
    GOrci, "gorci", 0x175, Lane, [CGW, CG, IMM], Fixed;
    GNotc, "gnotc", 0x176, Lane, [CGW, CG], Fixed;
    GShlc, "gshlc", 0x180, Lane, [CGW, CG, CG], Fixed;
    GShrc, "gshrc", 0x181, Lane, [CGW, CG, CG], Fixed;
    GShlci, "gshlci", 0x182, Lane, [CGW, CG, IMM], Fixed;
    GShrci, "gshrci", 0x183, Lane, [CGW, CG, IMM], Fixed;
    GShrsi, "gshrsi", 0x184, Lane, [SGW, SG, IMM], Fixed;
    GBitdec, "gbitdec", 0x18a, Lane, [CG, INT], Repeat(&[CGW]);
    GBitcom, "gbitcom", 0x18b, Lane, [CGW, INT], Repeat(&[CG]);
    GOpen, "gasm_open", 0x1a5, Lane, [INT], Repeat(&[CGW, SG]);
    GMuls, "gmuls", 0x1a6, Lane, [], Repeat(&[INT, SGW, SG, SG]);
    GMulrs, "gmulrs", 0x1a7, Scalar, [], Repeat(&[INT, SGW, SG, SG]);
    GDotprods, "gdotprods", 0x1a8, Lane, [], Groups;
    GMatmuls, "gmatmuls", 0x1aa, Scalar, [], Repeat(&[SGW, SG, SG, INT, INT, INT]);
    GMatmulsm, "gmatmulsm", 0x1ab, Scalar, [], Repeat(&[SGW, I, I, INT, INT, INT, I, I, I, I, INT, INT]);
    GPrintReg, "gprint_reg", 0x1b1, Lane, [CG, IMM], Fixed;
    GPrintRegPlain, "gprint_reg_plain", 0x1b3, Lane, [CG], Fixed;
    GRawOutput, "graw_output", 0x1b7, Lane, [CG], Fixed;
    GWritesharestofile, "gwritesharestofile", 0x1bd, Own, [I], Repeat(&[SG]);
    GReadsharesfromfile, "greadsharesfromfile", 0x1be, Own, [I, IW], Repeat(&[SGW]);
    GConvint, "gconvint", 0x1c0, Lane, [CGW, I], Fixed;
    GConvgf2n, "gconvgf2n", 0x1c1, Lane, [IW, CG], Fixed;
    GPrintRegPlains, "gprint_reg_plains", 0x1ea, Scalar, [SG], Fixed;
    GRawinput, "grawinput", 0x1f4, Lane, [], Repeat(&[PLAYER, SGW]);
    GSecshuffle, "gsecshuffle", 0x1fa, Own, [SGW, SG, INT], Fixed;
    // Boolean
    Xors, "xors", 0x200, Scalar, [], Repeat(&[INT, SBW, SB, SB]);
    Xorm, "xorm", 0x201, Scalar, [INT, SBW, SB, CB], Fixed;
    Andrs, "andrs", 0x202, Scalar, [], Repeat(&[INT, SBW, SB, SB]);
    Bitdecs, "bitdecs", 0x203, Scalar, [SB], Repeat(&[SBW]);
    Bitcoms, "bitcoms", 0x204, Scalar, [SBW], Repeat(&[SB]);
    Convsint, "convsint", 0x205, Scalar, [INT, SBW, I], Fixed;
    Ldmsdi, "ldmsdi", 0x206, Scalar, [], Repeat(&[SBW, CB, INT]);
    Stmsdi, "stmsdi", 0x207, Scalar, [], Repeat(&[SB, CB]);
    Ldmsd, "ldmsd", 0x208, Scalar, [], Repeat(&[SBW, INT, INT]);
    Stmsd, "stmsd", 0x209, Scalar, [], Repeat(&[SB, INT]);
    Ldbits, "ldbits", 0x20a, Scalar, [SBW, IMM, IMM], Fixed;
    Ands, "ands", 0x20b, Scalar, [], Repeat(&[INT, SBW, SB, SB]);
    Trans, "trans", 0x20c, Scalar, [], Groups;
    Bitb, "bitb", 0x20d, Scalar, [SBW], Fixed;
    Andm, "andm", 0x20e, Scalar, [INT, SBW, SB, CB], Fixed;
    Nots, "nots", 0x20f, Scalar, [INT, SBW, SB], Fixed;
    Xorcbi, "xorcbi", 0x210, Scalar, [CBW, CB, INT], Fixed;
    Bitdecc, "bitdecc", 0x211, Scalar, [CB], Repeat(&[CBW]);
    Notcb, "notcb", 0x212, Scalar, [INT, CBW, CB], Fixed;
    Convcint, "convcint", 0x213, Scalar, [CBW, I], Fixed;
    Reveal, "reveal", 0x214, Scalar, [], Repeat(&[INT, CBW, SB]);
    Stmsdci, "stmsdci", 0x215, Scalar, [], Repeat(&[CB]);
    Ldmcb, "ldmcb", 0x217, Own, [CBW, LONG], Fixed;
    Stmcb, "stmcb", 0x218, Own, [CB, LONG], Fixed;
    Xorcb, "xorcb", 0x219, Scalar, [INT, CBW, CB, CB], Fixed;
    Addcb, "addcb", 0x21a, Scalar, [CBW, CB, CB], Fixed;
    Addcbi, "addcbi", 0x21b, Scalar, [CBW, CB, INT], Fixed;
    Mulcbi, "mulcbi", 0x21c, Scalar, [CBW, CB, INT], Fixed;
    Shrcbi, "shrcbi", 0x21d, Scalar, [CBW, CB, INT], Fixed;
    Shlcbi, "shlcbi", 0x21e, Scalar, [CBW, CB, INT], Fixed;
    Convcintvec, "convcintvec", 0x21f, Lane, [C], Repeat(&[CBW]);
    PrintRegSigned, "print_reg_signed", 0x220, Scalar, [INT, CB], Fixed;
    PrintRegb, "print_regb", 0x221, Own, [CB, IMM], Fixed;
    PrintRegPlainb, "print_reg_plainb", 0x222, Scalar, [CB], Fixed;
    PrintFloatPlainb, "print_float_plainb", 0x223, Scalar, [CB, CB, CB, CB, CB], Fixed;
    CondPrintStrb, "cond_print_strb", 0x224, Scalar, [CB, INT], Fixed;
    PrintRegPlainsb, "print_reg_plainsb", 0x225, Scalar, [SB], Fixed;
    Convcbit, "convcbit", 0x230, Scalar, [IW, CB], Fixed;
    Convcbitvec, "convcbitvec", 0x231, Scalar, [INT, IW, CB], Fixed;
    Ldmsb, "ldmsb", 0x240, Own, [SBW, LONG], Fixed;
    Stmsb, "stmsb", 0x241, Own, [SB, LONG], Fixed;
    Ldmsbi, "ldmsbi", 0x242, Own, [SBW, I], Fixed;
    Stmsbi, "stmsbi", 0x243, Own, [SB, I], Fixed;
    Movsb, "movsb", 0x244, Scalar, [INT, SBW, SB], Fixed;
    Inputb, "inputb", 0x246, Scalar, [], Repeat(&[PLAYER, INT, INT, SBW]);
    Inputbvec, "inputbvec", 0x247, Scalar, [], Groups;
    Split, "split", 0x248, Lane, [INT, S], Repeat(&[SBW]);
    Convcbit2s, "convcbit2s", 0x249, Scalar, [INT, SBW, CB], Fixed;
    Andrsvec, "andrsvec", 0x24a, Scalar, [], Groups;
    Ldmcbi, "ldmcbi", 0x258, Own, [CBW, I], Fixed;
    Stmcbi, "stmcbi", 0x259, Own, [CB, I], Fixed;
}

impl Opcode {
    /// The opcode with this name: the compiler's, or the shorter one that its documentation uses (`open`, `input`).
    pub fn from_name(name: &str) -> Option<Opcode> {
        let name = match name {
            "open" => "asm_open",
            "gopen" => "gasm_open",
            "input" => "asm_input",
            "ginput" => "gasm_input",
            "rawoutput" => "raw_output",
            "grawoutput" => "graw_output",
            "invperm" => "inverse_permutation",
            other => other,
        };
        Opcode::from_table_name(name)
    }

    /// The compiler's name.
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// The ten-bit code.
    pub const fn code(self) -> u16 {
        self as u16
    }
}

impl fmt::Debug for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_opcode_once_and_finds_it_by_name_and_code() {
        assert_eq!(Opcode::ALL.len(), 295);
        for &opcode in Opcode::ALL {
            assert_eq!(Opcode::from_code(opcode.code()), Some(opcode));
            assert_eq!(Opcode::from_name(opcode.name()), Some(opcode));
            assert_eq!(opcode.spec().code, opcode.code());
        }
    }

    #[test]
    fn gf2n_twins_are_the_prime_opcode_plus_0x100() {
        for name in ["addc", "muls", "dotprods", "asm_open", "ldmsi", "print_reg_plain"] {
            let prime = Opcode::from_name(name).map(Opcode::code);
            let twin = Opcode::from_name(&format!("g{name}")).map(Opcode::code);
            assert_eq!(prime.map(|code| code + 0x100), twin);
        }
    }

    #[test]
    fn long_operands_never_occur_in_variable_length_instructions() {
        for opcode in Opcode::ALL {
            let spec = opcode.spec();
            assert!(!(spec.variable_length() && spec.leading.contains(&Kind::Long)));
        }
    }
}
