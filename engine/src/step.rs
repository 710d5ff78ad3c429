//! The names of all messages that parties of a session exchange.
//!
//! Every frame carries its step and round, so that parties that run out of lock-step find out at
//! once; and the byzantine tests take their rows from [`Step::ALL`], so that a new message without
//! a test does not go unnoticed.

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// What a frame is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Step { $($(#[$doc])* $name = $code,)* }

        impl Step {
            pub const ALL: &[Step] = &[$(Step::$name,)*];

            pub fn code(self) -> u16 {
                self as u16
            }

            pub fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Step::$name),)* _ => None }
            }
        }
    };
}

steps! {
    /// Digest of what all parties sent in a broadcast, compared before use.
    Echo = 1,
    /// Commitment to a coin-toss seed.
    CoinCommit = 2,
    /// Opening of a coin-toss seed.
    CoinOpen = 3,
    /// Shares of values being opened.
    Open = 4,
    /// Digest of opened values and commitment to the check's seed.
    CheckCoinCommit = 5,
    CheckCoinOpen = 6,
    /// Commitment to σᵢ.
    CheckCommit = 7,
    /// Opening of σᵢ.
    CheckOpen = 8,
    /// Masked private input of one party.
    Input = 9,
    /// A masked value towards one party.
    PrivateOutput = 10,
    /// Session start: the signed hello.
    Hello = 11,
    /// Clear values that one party gives to all or one.
    Personal = 12,
    /// A pair's seed for a sharing of zero.
    ZeroSeed = 13,
    /// Shares of bits being opened, packed.
    OpenBits = 14,
    /// Digest of what a client said to this party in the clear.
    Heard = 15,
    /// The positions of tuples that a member can take.
    Offer = 20,
    /// Signed digest of what a member has taken.
    TakeVote = 21,
    /// Signed statement that a member's checks have passed, with the digest of the outcome.
    CheckedVote = 22,
    /// A member's stock and demand, from which all plan the next batch.
    Wish = 23,
    /// A member's signature under a finished chunk.
    Seal = 24,
    /// Which anchor of the MAC key a member holds.
    Anchor = 25,

    // The offline generator MASCOT.
    /// Parameters, seeds of pairs, and both flights of all base OTs.
    MascotBaseOt = 100,
    /// Corrections and check value of all puncturable PRFs.
    MascotGgm = 101,
    /// Commitments to the seeds of coins to come.
    MascotCoinCommit = 102,
    /// Opening of one of those seeds.
    MascotCoinOpen = 103,
    /// Corrections of the OT extension.
    MascotExtend = 104,
    /// The receiver's answer to the OT extension's consistency check.
    MascotExtendCheck = 105,
    /// Masked factors of a multiplication by OT.
    MascotMultiply = 106,
    /// Corrections of the inputs that are being authenticated.
    MascotAuthenticate = 107,
    /// The random combination of a party's inputs.
    MascotAuthenticateCheck = 108,
    /// Corrections of the bits that are being authenticated.
    MascotBits = 109,
    /// Shares of ρ = t·a − â, for the sacrifice of a tile of triples.
    MascotSacrifice = 110,

    // The offline generator LowGear.
    /// Digest of all parameters, and a seed for the peer's shares of inputs.
    LowGearSeeds = 200,
    /// A public key with its proof.
    LowGearKey = 201,
    /// The encrypted MAC key share with the proof that it is constant.
    LowGearMacKey = 202,
    /// The encrypted factors of a block of triples.
    LowGearCiphertext = 203,
    /// The proof of all encrypted factors of a batch.
    LowGearProof = 204,
    /// Products with the receiver's encrypted factors.
    LowGearProduct = 205,
    /// Products with the receiver's encrypted MAC key share.
    LowGearAuthenticate = 206,
    /// The same for a party's inputs.
    LowGearInput = 207,
    /// The random combination of a party's inputs.
    LowGearInputCheck = 208,
}
