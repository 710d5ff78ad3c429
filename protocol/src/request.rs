//! What clients ask of a cloud's members, and what these answer.
//!
//! The same request goes to every member; each answers for itself. Objects carry ids that the client chose, and the
//! pair of client key and object id is what makes a request idempotent: the same again gives the same answer and has
//! one effect, the same id with another content is refused with [`RefusalCode::Conflict`].

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::canonical;
use crate::client_io::DeliveryShares;
use crate::id::{ClientKey, Digest, ExecutionId, MaskSetId, ProgramHash, SecretId, SessionId};
use crate::limits;
pub use crate::refusal::{Exit, Refusal, RefusalCode};
use crate::secret::{Policy, SecretDescription, SecretKind};
use crate::sign::Signed;
use crate::socket::{Calls, Converse, SocketReply};
use crate::tag::{TagError, Tags};
use crate::vote::{DeletionCertificate, OutputShape, ResultCertificate, Upload, UploadCertificate};
use crate::words::Words;

/// What a client asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    UploadBegin(UploadBegin),
    UploadCommit(UploadCommit),
    Get(Get),
    List(List),
    Tag(Tag),
    Delete(Delete),
    Execute(Execute),
    Quote(Quote),
    Place(Place),
    Converse(Converse),
    Stock,
}

/// Reserve masks for a new secret. Answered by [`Answer::Masks`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadBegin {
    /// Owner and creation time in it must be the asking client and the time of the request.
    pub description: SecretDescription,
}

impl UploadBegin {
    /// Whether the description is this client's own, made when the request was: what every member checks.
    pub fn is_genuine(&self, client: &ClientKey, issued: u64) -> bool {
        self.description.owner == *client && self.description.created.abs_diff(issued) <= limits::CLOCK_SKEW_S
    }
}

/// Store masked inputs. Answered by [`Answer::Stored`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UploadCommit {
    /// Bound to masks, content and description by the client's signature, which outlives this request.
    pub upload: Signed<Upload>,
    /// d_k = x_k − m_k.
    pub masked: Words,
}

/// Deliver a secret's words to me. Answered by [`Answer::Got`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {
    pub secret: SecretId,
}

/// Which of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// From 0.
    pub number: u32,
    pub size: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { number: 0, size: limits::PAGE_DEFAULT }
    }
}

/// The secrets that I may see. Answered by [`Answer::Listed`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct List {
    /// [`crate::tag::Filter`]; empty: all.
    pub filter: String,
    /// [`crate::tag::Sort`]; absent: by id.
    pub sort: Option<String>,
    pub page: Page,
}

impl List {
    /// The page of these secrets that is asked for, of those that `client` may see.
    ///
    /// # Errors
    /// [`TagError`] for a filter or sort expression that is none.
    pub fn select<'a>(
        &self,
        client: &ClientKey,
        secrets: impl IntoIterator<Item = &'a SecretDescription>,
    ) -> Result<Listed, TagError> {
        let filter: crate::tag::Filter = self.filter.parse()?;
        let sort: Option<crate::tag::Sort> = self.sort.as_deref().map(str::parse).transpose()?;
        let seen = |secret: &&SecretDescription| secret.may_see(client) && filter.admits(secret);
        let mut found: Vec<&SecretDescription> = secrets.into_iter().filter(seen).collect();
        match sort {
            Some(sort) => found.sort_by(|a, b| sort.compare(a, b)),
            None => found.sort_by_key(|secret| secret.id),
        }
        let size = self.page.size.clamp(1, limits::PAGE_MAX) as usize;
        let skip = (self.page.number as usize).saturating_mul(size);
        let total = found.len() as u64;
        let secrets = found.into_iter().skip(skip).take(size).cloned().collect();
        Ok(Listed { secrets, total })
    }
}

/// Change the tags of a secret. Answered by [`Answer::Tagged`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    pub secret: SecretId,
    pub set: Tags,
    pub remove: Vec<String>,
}

/// Delete a secret. Answered by [`Answer::Deleted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    pub secret: SecretId,
}

/// A program: its bytes, or its hash where the members have it from before.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// The byte form of a bytecode program (schedule and tapes).
    Bytes(ByteBuf),
    Hash(ProgramHash),
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program({})", self.hash())
    }
}

impl Program {
    /// What names it.
    pub fn hash(&self) -> ProgramHash {
        match self {
            Program::Bytes(bytes) => program_hash(bytes),
            Program::Hash(hash) => *hash,
        }
    }
}

/// The hash that names a program: of its byte form.
pub fn program_hash(bytes: &[u8]) -> ProgramHash {
    ProgramHash(canonical::hash_parts("program", &[bytes]).0)
}

/// What new secrets made by an execution are to be like.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ResultTerms {
    pub tags: Tags,
    pub policy: Policy,
    pub expires: Option<u64>,
}

/// Run a program. Answered by [`Answer::Executed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execute {
    pub execution: ExecutionId,
    pub program: Program,
    /// What the program reads as its arguments while it runs; those of its compilation are in its bytes.
    pub arguments: Vec<String>,
    /// All words of all of them, in order, are what the program reads.
    pub inputs: Vec<SecretId>,
    /// Deliver what it writes to me, instead of keeping it as new secrets.
    pub reveal: bool,
    pub results: ResultTerms,
    /// All of it, with the time in line.
    pub timeout_ms: u64,
    /// Wait in line where there are too few tuples, instead of being refused.
    pub wait: bool,
    /// This client performs the program's socket instructions ([`Converse`]).
    pub sockets: bool,
}

impl Execute {
    /// Names all that is asked: whatever differs makes another. A program is the same by its bytes and by its hash.
    pub fn digest(&self) -> Digest {
        let program = Program::Hash(self.program.hash());
        let Self { execution, program: _, arguments, inputs, reveal, results, timeout_ms, wait, sockets } = self;
        canonical::hash("execute", &(execution, program, arguments, inputs, reveal, results, timeout_ms, wait, sockets))
    }
}

/// Where does my execution stand in line? Answered by [`Answer::Placed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub execution: ExecutionId,
}

/// What would a program need? Takes nothing. Answered by [`Answer::Quoted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    pub program: Program,
    pub arguments: Vec<String>,
    pub inputs: Vec<SecretId>,
}

/// Why a request is malformed, whatever the member's state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("{what}: {got} where at most {max} are allowed")]
    TooMany { what: &'static str, got: usize, max: usize },
    #[error(transparent)]
    Tags(#[from] TagError),
    #[error(transparent)]
    Policy(#[from] crate::secret::PolicyTooLong),
}

fn at_most(what: &'static str, got: usize, max: usize) -> Result<(), RequestError> {
    if got > max { Err(RequestError::TooMany { what, got, max }) } else { Ok(()) }
}

impl Request {
    /// Refuses what exceeds a bound.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn check(&self) -> Result<(), RequestError> {
        match self {
            Request::UploadBegin(UploadBegin { description }) => {
                at_most("words", description.words as usize, limits::SECRET_WORDS_MAX)?;
                Ok(description.policy.check()?)
            }
            Request::UploadCommit(commit) => at_most("words", commit.masked.count(), limits::SECRET_WORDS_MAX),
            Request::List(list) => {
                list.filter.parse::<crate::tag::Filter>()?;
                list.sort.as_deref().map(str::parse::<crate::tag::Sort>).transpose()?;
                Ok(())
            }
            Request::Tag(tag) => {
                at_most("tags to take away", tag.remove.len(), limits::TAGS_MAX)?;
                let longest = tag.remove.iter().map(String::len).max().unwrap_or(0);
                at_most("characters of a tag's key", longest, limits::TAG_KEY_MAX)
            }
            Request::Execute(execute) => {
                check_run(&execute.program, &execute.arguments, &execute.inputs)?;
                Ok(execute.results.policy.check()?)
            }
            Request::Quote(quote) => check_run(&quote.program, &quote.arguments, &quote.inputs),
            Request::Converse(Converse { reply: Some(SocketReply::Integers(values)), .. }) => {
                at_most("integers", values.len(), limits::SOCKET_VALUES_MAX)
            }
            Request::Converse(Converse { reply: Some(SocketReply::Clear(values)), .. }) => {
                at_most("elements", values.count(), limits::SOCKET_VALUES_MAX)
            }
            Request::Get(_) | Request::Delete(_) | Request::Place(_) | Request::Converse(_) | Request::Stock => Ok(()),
        }
    }
}

fn check_run(program: &Program, arguments: &[String], inputs: &[SecretId]) -> Result<(), RequestError> {
    if let Program::Bytes(bytes) = program {
        at_most("bytes of the program", bytes.len(), limits::PROGRAM_MAX)?;
    }
    at_most("arguments", arguments.len(), limits::ARGUMENTS_MAX)?;
    let longest = arguments.iter().map(String::len).max().unwrap_or(0);
    at_most("bytes of one argument", longest, limits::ARGUMENT_MAX)?;
    at_most("input secrets", inputs.len(), limits::INPUTS_MAX)
}

/// What a member answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)] // one answer at a time: a box would save nothing
pub enum Answer {
    Masks(Masks),
    Stored(Stored),
    Got(Got),
    Listed(Listed),
    Tagged(Tagged),
    Deleted(Deleted),
    Executed(Executed),
    Quoted(Quoted),
    Placed(Placed),
    Calls(Calls),
    Stock(Stock),
    Refused(Refusal),
}

impl Answer {
    /// What it is, for error texts.
    pub fn name(&self) -> &'static str {
        match self {
            Answer::Masks(_) => "masks",
            Answer::Stored(_) => "stored",
            Answer::Got(_) => "got",
            Answer::Listed(_) => "listed",
            Answer::Tagged(_) => "tagged",
            Answer::Deleted(_) => "deleted",
            Answer::Executed(_) => "executed",
            Answer::Quoted(_) => "quoted",
            Answer::Placed(_) => "placed",
            Answer::Calls(_) => "calls",
            Answer::Stock(_) => "stock",
            Answer::Refused(_) => "refused",
        }
    }
}

/// Masks for an upload: this member's shares, with what checks them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Masks {
    pub mask_set: MaskSetId,
    pub delivery: DeliveryShares,
}

/// The secret is stored at all members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    pub certificate: UploadCertificate,
}

/// A secret's words: this member's shares, with what checks them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Got {
    pub description: SecretDescription,
    pub delivery: DeliveryShares,
}

/// A page of secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub secrets: Vec<SecretDescription>,
    /// How many there are on all pages.
    pub total: u64,
}

/// The tags are changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tagged {
    pub tags: Tags,
}

/// The secret is gone at all members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    pub certificate: DeletionCertificate,
}

/// The program has run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Executed {
    pub execution: ExecutionId,
    pub session: SessionId,
    /// What it printed, the same at all members.
    pub printed: String,
    /// What it wrote, in order.
    pub outputs: Vec<OutputShape>,
    /// The new secrets, one for each output; none if revealed.
    pub results: Vec<SecretId>,
    /// The words of all outputs, if revealed and there are any.
    pub delivery: Option<DeliveryShares>,
    /// That the MAC check of the run ended in zero at every member.
    pub certificate: ResultCertificate,
}

/// Tuples of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindCount {
    pub kind: String,
    pub count: u64,
}

/// What a program needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quoted {
    pub program: ProgramHash,
    /// Tuples that it takes, with what its inputs and outputs need. Absent if that is known only as it runs.
    pub bill: Option<Vec<KindCount>>,
    /// Rounds of communication, if known.
    pub rounds: Option<u64>,
    /// Bytes that each member sends, if known.
    pub bytes: Option<u64>,
    /// How many words it reads, if known.
    pub words_read: Option<u64>,
    /// This member's stock.
    pub stock: Stock,
}

/// Where an execution stands in a member's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// How many wait before it. Absent: it does not wait (any more).
    pub before: Option<u32>,
    /// How many wait in all.
    pub waiting: u32,
    /// Seconds until it can start, at the present rate. Absent: not known.
    pub starts_in_s: Option<u64>,
}

/// One kind of tuple in stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockLine {
    pub kind: String,
    pub available: u64,
    pub reserved: u64,
    pub target: u64,
    /// Needed by executions in line.
    pub promised: u64,
    /// Tuples made in 1000 s at the present rate.
    pub per_1000_s: u64,
}

/// What a member has in stock.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stock {
    pub lines: Vec<StockLine>,
}

/// The types of the words that a program read or wrote, for printing them.
pub fn kinds_of(outputs: &[OutputShape]) -> impl Iterator<Item = (SecretKind, usize)> + '_ {
    outputs.iter().map(|output| (output.kind, output.words as usize))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secret::Audience;

    fn secret(id: u8, owner: u8, readers: Audience) -> SecretDescription {
        SecretDescription {
            id: SecretId([id; 16]),
            owner: ClientKey([owner; 32]),
            kind: SecretKind::Integers,
            words: 1,
            tags: Tags::new(vec![
                crate::tag::Tag::new("k", crate::tag::TagValue::Long(-i64::from(id))).expect("a tag"),
            ])
            .expect("tags"),
            policy: Policy { readers, ..Policy::default() },
            created: 0,
            expires: None,
        }
    }

    #[test]
    fn a_list_shows_what_the_client_may_see_page_by_page() {
        let secrets = [
            secret(3, 1, Audience::Owner),
            secret(1, 1, Audience::Owner),
            secret(2, 2, Audience::Owner),
            secret(4, 2, Audience::Anyone),
        ];
        let ids = |list: List| {
            let listed = list.select(&ClientKey([1; 32]), &secrets).expect("a list");
            (listed.secrets.iter().map(|s| s.id.0[0]).collect::<Vec<_>>(), listed.total)
        };
        assert_eq!(ids(List::default()), (vec![1, 3, 4], 3));
        assert_eq!(ids(List { sort: Some("k".into()), ..List::default() }), (vec![4, 3, 1], 3));
        assert_eq!(ids(List { filter: "k>-4".into(), ..List::default() }), (vec![1, 3], 2));
        assert_eq!(ids(List { page: Page { number: 1, size: 2 }, ..List::default() }), (vec![4], 3));
        let far = Page { number: u32::MAX, size: u32::MAX };
        assert_eq!(ids(List { page: far, ..List::default() }), (vec![], 3));
        assert!(List { filter: "?".into(), ..List::default() }.select(&ClientKey([1; 32]), &secrets).is_err());
    }

    #[test]
    fn bounds_are_checked_in_every_request() {
        let program = Program::Hash(ProgramHash([0; 32]));
        let quote = |arguments, inputs| Request::Quote(Quote { program: program.clone(), arguments, inputs }).check();
        assert_eq!(quote(vec![], vec![]), Ok(()));
        assert!(quote(vec![String::new(); 65], vec![]).is_err());
        assert!(quote(vec!["x".repeat(4097)], vec![]).is_err());
        assert!(quote(vec![], vec![SecretId([0; 16]); 257]).is_err());
        let long = Program::Bytes(ByteBuf::from(vec![0; limits::PROGRAM_MAX + 1]));
        assert!(Request::Quote(Quote { program: long, arguments: vec![], inputs: vec![] }).check().is_err());
        let list = List { sort: Some("a b".into()), ..List::default() };
        assert!(Request::List(list).check().is_err());
    }

    fn every_request() -> Vec<Request> {
        let program = Program::Bytes(ByteBuf::from(b"code".to_vec()));
        let description = secret(1, 1, Audience::Only(vec![ClientKey([7; 32])]));
        vec![
            Request::UploadBegin(UploadBegin { description }),
            Request::Get(Get { secret: SecretId([1; 16]) }),
            Request::List(List { sort: Some("k".into()), ..List::default() }),
            Request::Tag(Tag { secret: SecretId([1; 16]), set: Tags::default(), remove: vec!["k".into()] }),
            Request::Delete(Delete { secret: SecretId([1; 16]) }),
            Request::Execute(Execute {
                execution: ExecutionId([2; 16]),
                program: program.clone(),
                arguments: vec!["5".into()],
                inputs: vec![SecretId([1; 16])],
                reveal: true,
                results: ResultTerms::default(),
                timeout_ms: 1,
                wait: true,
                sockets: false,
            }),
            Request::Quote(Quote { program: Program::Hash(program.hash()), arguments: vec![], inputs: vec![] }),
            Request::Converse(Converse {
                execution: ExecutionId([2; 16]),
                turn: 1,
                reply: Some(SocketReply::Integers(vec![-1])),
            }),
            Request::Stock,
        ]
    }

    #[test]
    fn every_request_survives_its_bytes_and_no_changed_byte_goes_unnoticed() {
        for request in every_request() {
            let bytes = canonical::encode(&request);
            let back: Request = canonical::decode(&bytes, 1 << 16).expect("canonical");
            assert_eq!(format!("{back:?}"), format!("{request:?}"));
            assert_eq!(back.check(), Ok(()));
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                if let Ok(other) = canonical::decode::<Request>(&changed, 1 << 16) {
                    assert_eq!(canonical::encode(&other), changed, "byte {at}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = canonical::decode::<Request>(&bytes, 200);
            let _ = canonical::decode::<Answer>(&bytes, 200);
        }

        #[test]
        fn damaged_requests_are_decoded_or_refused(which in 0usize..9, at: prop::sample::Index, byte: u8) {
            let mut bytes = canonical::encode(&every_request()[which]);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(request) = canonical::decode::<Request>(&bytes, 1 << 16) {
                let _ = request.check();
            }
        }
    }

    #[test]
    fn a_description_of_somebody_else_or_another_time_is_not_genuine() {
        let begin = UploadBegin { description: secret(1, 1, Audience::Owner) };
        assert!(begin.is_genuine(&ClientKey([1; 32]), limits::CLOCK_SKEW_S));
        assert!(!begin.is_genuine(&ClientKey([2; 32]), 0));
        assert!(!begin.is_genuine(&ClientKey([1; 32]), limits::CLOCK_SKEW_S + 1));
    }

    #[test]
    fn a_program_has_one_hash_by_bytes_or_by_name() {
        let program = Program::Bytes(ByteBuf::from(b"code".to_vec()));
        assert_eq!(Program::Hash(program.hash()).hash(), program.hash());
        assert_ne!(program_hash(b"code"), program_hash(b"coda"));
    }
}
