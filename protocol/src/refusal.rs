//! Why a member does not do what it is asked, in a form for people and for exit codes.

use serde::{Deserialize, Serialize};

use crate::limits;

/// Whose doing a refusal is, as the command line's exit code says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// 1
    Failed,
    /// 2
    Usage,
    /// 3
    Refused,
    /// 4
    Unreachable,
    /// 5
    Aborted,
}

impl Exit {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Unreachable => 4,
            Exit::Aborted => 5,
        }
    }
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident $exit:ident $status:literal),* $(,)?) => {
        /// Why a member does not do what it is asked.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum RefusalCode { $($(#[$doc])* $name),* }

        impl RefusalCode {
            /// Every code there is.
            pub const ALL: &[RefusalCode] = &[$(RefusalCode::$name),*];

            /// What the command line exits with.
            pub const fn exit(self) -> Exit {
                match self { $(RefusalCode::$name => Exit::$exit),* }
            }

            /// What an HTTP answer says, where a refusal is not sealed.
            pub const fn http_status(self) -> u16 {
                match self { $(RefusalCode::$name => $status),* }
            }
        }
    };
}

refusals! {
    /// The request cannot be read, or exceeds a bound.
    Malformed Usage 400,
    /// The answer would not fit into an envelope.
    TooLarge Refused 413,
    /// The request's signature, members or seal do not hold.
    Unauthentic Refused 401,
    /// The request is too old, or the clocks differ.
    Expired Refused 401,
    /// The request is of another epoch: fetch the log again.
    WrongEpoch Refused 409,
    /// This node is no member of that cloud.
    UnknownCloud Refused 404,
    /// There is no such secret, or this client may not see it.
    UnknownSecret Refused 404,
    /// The members do not have a program of that hash.
    UnknownProgram Refused 404,
    /// The policy of a secret, or of the member, does not allow it.
    NotAllowed Refused 403,
    /// The id is in use with another content.
    Conflict Refused 409,
    /// The program does not pass the verifier.
    ProgramInvalid Usage 422,
    /// The program reads more than its inputs hold.
    InputsMissing Refused 422,
    /// The inputs do not fit together, or do not fit the program.
    InputsUnfit Refused 422,
    /// There are not enough tuples.
    StockTooLow Refused 503,
    /// This client, or all together, ask too much.
    Busy Refused 429,
    /// The same request is being worked on.
    InProgress Refused 409,
    /// The masks of this upload are gone; begin a new one.
    MasksGone Refused 410,
    /// The member does not serve yet, or no longer.
    NotServing Unreachable 503,
    /// The member cannot reach another member.
    MemberUnreachable Unreachable 502,
    /// It took longer than allowed.
    Timeout Unreachable 504,
    /// The cloud has no MAC key: none yet, or the last one is burned.
    NoMacKey Refused 503,
    /// A MAC check is unfinished, and the key is frozen until it ends.
    KeyFrozen Refused 503,
    /// The secret is under a burned MAC key.
    SecretFrozen Refused 410,
    /// The cloud has two complete records for one epoch.
    CloudHalted Aborted 503,
    /// The members do not agree on what was asked or on what came out.
    MembersDiffer Aborted 502,
    /// A check failed: somebody cheats or is broken. The key is burned.
    CheckFailed Aborted 502,
    /// A joint run was given up.
    Aborted Aborted 502,
    /// The program did something that programs must not do.
    ProgramFailed Failed 422,
    /// A fault of the member's own.
    Internal Failed 500,
}

impl RefusalCode {
    /// Whether the same request may succeed later without anybody's doing.
    pub const fn is_passing(self) -> bool {
        matches!(
            self,
            RefusalCode::StockTooLow
                | RefusalCode::Busy
                | RefusalCode::InProgress
                | RefusalCode::NotServing
                | RefusalCode::MemberUnreachable
                | RefusalCode::Timeout
                | RefusalCode::KeyFrozen
        )
    }
}

/// A refusal: what happened, to what, and what to do next. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{cause}{}{remedy}", if remedy.is_empty() { "" } else { "\n  " })]
pub struct Refusal {
    pub code: RefusalCode,
    pub cause: String,
    pub remedy: String,
}

impl Refusal {
    /// A refusal; texts are cut at [`limits::REFUSAL_TEXT_MAX`].
    pub fn new(code: RefusalCode, cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, cause: bounded(cause.into()), remedy: bounded(remedy.into()) }
    }

    /// Makes a member's texts fit for a terminal: bounded, without control characters.
    pub fn tamed(self) -> Self {
        let tame = |text: String| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        Self::new(self.code, tame(self.cause), tame(self.remedy))
    }
}

fn bounded(mut text: String) -> String {
    if text.len() > limits::REFUSAL_TEXT_MAX {
        let end = (0..=limits::REFUSAL_TEXT_MAX).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_bounded_and_tame() {
        let refusal = Refusal::new(RefusalCode::Internal, "ä".repeat(2000), "\u{1b}[2J\n");
        assert!(refusal.cause.len() <= limits::REFUSAL_TEXT_MAX);
        assert_eq!(refusal.tamed().remedy, " [2J ");
    }

    #[test]
    fn every_code_has_an_exit_and_a_status() {
        for code in RefusalCode::ALL {
            assert!((1..=5).contains(&code.exit().code()), "{code:?}");
            assert!((400..600).contains(&code.http_status()), "{code:?}");
        }
        assert_eq!(RefusalCode::MembersDiffer.exit().code(), 5);
        assert_eq!(RefusalCode::MemberUnreachable.exit().code(), 4);
        assert_eq!(RefusalCode::NotAllowed.exit().code(), 3);
    }
}
