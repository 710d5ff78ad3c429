//! The client against a cloud in memory, whose members and gateway misbehave in one way each.

use std::collections::BTreeMap;
use std::sync::Mutex;

use polyyne_engine::field::{Field as _, Fp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::certificate::{CertificateError, Tally};
use crate::client_io::tests::deliver;
use crate::envelope::{AuthenticRequest, EnvelopeError};
use crate::execution::{self, ExecutionChecked, ExecutionKey, OutputShape};
use crate::http::{CloudList, CloudSummary, RelayResult};
use crate::id::{Digest, MaskSetId, SessionId};
use crate::log::tests::{append, founded, key_record};
use crate::membership::tests::{seal_secret, signing_key};
use crate::request::{self, Deleted, Execute, Executed, Got, KindCount, Masks, Program, StockLine, Stored, Tagged};
use crate::secret::{Audience, SecretKind};
use crate::socket::{Batch, SocketCall, SocketMessage};
use crate::words::Words;

const SEEDS: [u8; 3] = [1, 2, 3];

/// The values are such that no other number in the tests contains their digits.
const SECRET: i128 = 7_391_846_250;

#[derive(Default)]
struct State {
    masks: BTreeMap<SecretId, (SecretDescription, Vec<Fp>)>,
    stored: BTreeMap<SecretId, (SecretDescription, Vec<Fp>)>,
    deliveries: BTreeMap<RequestId, Vec<DeliveryShares>>,
    /// How many more times each rank is not reached.
    unreachable: BTreeMap<usize, u32>,
    /// How many more times each rank says that it is still working.
    working: BTreeMap<usize, u32>,
    asked: Vec<usize>,
    answers_lost: u32,
}

type Tamper = Box<dyn Fn(usize, Answer) -> Answer + Send + Sync>;
type Garble = Box<dyn Fn(usize, &mut Vec<u8>) + Send + Sync>;

struct Fake {
    log: Mutex<CloudLog>,
    field: PrimeField,
    rng: Mutex<StdRng>,
    state: Mutex<State>,
    tamper: Tamper,
    garble: Garble,
    /// What members run in the place of what they were asked.
    substitute: Option<fn(&mut Execute, &mut ClientKey)>,
}

impl Fake {
    fn new() -> Self {
        let mut log = founded(&SEEDS);
        let record = key_record(&log, 1);
        append(&mut log, record).expect("a MAC key");
        Self {
            log: Mutex::new(log),
            field: PrimeField::usual(),
            rng: Mutex::new(StdRng::seed_from_u64(3)),
            state: Mutex::default(),
            tamper: Box::new(|_, answer| answer),
            garble: Box::new(|_, _| ()),
            substitute: None,
        }
    }

    fn tampered(tamper: impl Fn(usize, Answer) -> Answer + Send + Sync + 'static) -> Self {
        Self { tamper: Box::new(tamper), ..Self::new() }
    }

    fn current(&self) -> CloudLog {
        self.log.lock().expect("no test panics inside").clone()
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().expect("no test panics inside"))
    }

    fn shares(&self, request: RequestId, words: &[Fp], rank: usize) -> DeliveryShares {
        let mut rng = self.rng.lock().expect("no test panics inside");
        self.with(|state| {
            let made = state.deliveries.entry(request);
            made.or_insert_with(|| deliver(&self.field, words, SEEDS.len(), &mut rng))[rank].clone()
        })
    }

    fn certify<T: Statement<Signer = PeerKey>>(&self, statement: T) -> Certificate<T> {
        let log = self.current();
        let mut tally = Tally::new(statement, log.view());
        SEEDS.iter().for_each(|&seed| drop(tally.vote(&signing_key(seed)).expect("a member")));
        tally.certificate().expect("all voted")
    }

    /// Shares are each member's own, the rest is the same.
    fn batch(&self, rank: usize) -> Batch {
        let share = Words::one(&self.field, self.field.element(rank as u128));
        let write = SocketCall::Write { client: 4, label: 0, message: SocketMessage::ValueShares(share) };
        Batch { calls: vec![write, SocketCall::ReadIntegers { client: 4, count: 1 }], is_last: false }
    }

    fn answer(&self, rank: usize, request: &AuthenticRequest) -> Answer {
        let id = request.header().request;
        let log = self.current();
        let (cloud, epoch) = (log.cloud(), log.view().epoch());
        match request.body() {
            Request::UploadBegin(UploadBegin { description }) => {
                let words = description.words as usize;
                let masks = self.with(|state| {
                    let fresh = || {
                        let masks = self.field.random_vec(&mut *self.rng.lock().expect("no panic"), words);
                        (description.clone(), masks)
                    };
                    state.masks.entry(description.id).or_insert_with(fresh).1.clone()
                });
                let delivery = self.shares(id, &masks, rank);
                Answer::Masks(Masks { mask_set: MaskSetId([8; 32]), delivery })
            }
            Request::UploadCommit(UploadCommit { upload, masked }) => {
                let (upload, owner) = upload.verified().expect("the client signs");
                let (description, masks) =
                    self.with(|state| state.masks.get(&upload.secret).cloned()).expect("masks were taken");
                assert_eq!((owner, upload.description), (description.owner, description.digest()));
                assert_eq!(upload.masked, masked.digest());
                let masked = masked.elements(&self.field, masks.len()).expect("canonical");
                let words = masks.iter().zip(masked.iter()).map(|(&m, &d)| self.field.add(m, d)).collect();
                self.with(|state| state.stored.insert(upload.secret, (description, words)));
                Answer::Stored(Stored { certificate: self.certify(UploadVote::of(upload)) })
            }
            Request::Get(Get { secret }) => match self.with(|state| state.stored.get(secret).cloned()) {
                Some((description, words)) => Answer::Got(Got { description, delivery: self.shares(id, &words, rank) }),
                None => Answer::Refused(Refusal::new(RefusalCode::UnknownSecret, "no such secret", "")),
            },
            Request::List(list) => self.with(|state| {
                let all = state.stored.values().map(|(description, _)| description);
                Answer::Listed(list.select(&request.client(), all).expect("checked by the client"))
            }),
            Request::Tag(tag) => self.with(|state| {
                let (description, _) = state.stored.get_mut(&tag.secret).expect("it is stored");
                description.tags = description.tags.changed(&tag.set, &tag.remove).expect("few tags");
                Answer::Tagged(Tagged { tags: description.tags.clone() })
            }),
            Request::Delete(Delete { secret }) => {
                self.with(|state| state.stored.remove(secret));
                Answer::Deleted(Deleted {
                    certificate: self.certify(Tombstone { cloud, epoch, client: request.client(), secret: *secret }),
                })
            }
            Request::Execute(execute) => {
                let (mut run, mut client) = (execute.clone(), request.client());
                if let Some(substitute) = self.substitute {
                    substitute(&mut run, &mut client);
                }
                match self.execute(rank, id, client, &run) {
                    Answer::Executed(ran) => Answer::Executed(Executed { execution: execute.execution, ..ran }),
                    other => other,
                }
            }
            Request::Quote(quote) => Answer::Quoted(Quoted {
                program: quote.program.hash(),
                bill: Some(vec![KindCount { kind: "triple".into(), count: 5 }]),
                rounds: Some(2),
                bytes: None,
                words_read: Some(2),
                stock: stock(rank),
            }),
            Request::Place(_) => Answer::Placed(Placed { before: Some(rank as u32), waiting: 3, starts_in_s: None }),
            Request::Converse(_) => Answer::Calls(Calls { batch: Some(self.batch(rank)) }),
            Request::Stock => Answer::Stock(stock(rank)),
        }
    }

    /// The sum of all inputs.
    fn execute(&self, rank: usize, id: RequestId, client: ClientKey, execute: &Execute) -> Answer {
        let log = self.current();
        let inputs: Vec<Fp> =
            self.with(|state| execute.inputs.iter().flat_map(|input| state.stored[input].1.clone()).collect());
        let sum = self.field.sum(inputs);
        let shape = OutputShape { kind: SecretKind::Integers, words: 1 };
        let (cloud, key) = (log.cloud(), ExecutionKey::of(client, execute));
        let results = execution::new_secrets(cloud, &key, execute, 7, std::slice::from_ref(&shape));
        let checked = ExecutionChecked {
            cloud,
            epoch: log.view().epoch(),
            execution: key,
            program: execute.program.hash(),
            session: SessionId([5; 32]),
            take: Digest([1; 32]),
            printed: execution::printed_digest("sum\n"),
            outputs: vec![shape.clone()],
            revealed: execute.reveal,
            created: 7,
            results: execution::inputs_digest(&results),
        };
        Answer::Executed(Executed {
            execution: execute.execution,
            session: SessionId([5; 32]),
            printed: "sum\n".into(),
            outputs: vec![shape],
            results: results.iter().map(|description| description.id).collect(),
            delivery: execute.reveal.then(|| self.shares(id, &[sum], rank)),
            certificate: self.certify(checked),
        })
    }

    fn outcome(&self, item: &RelayItem) -> RelayOutcome {
        let log = self.current();
        let rank = log.view().rank_of(&item.member).expect("a member");
        let seed = SEEDS[rank];
        let counted = |map: &mut BTreeMap<usize, u32>| match map.get_mut(&rank) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        };
        if self.with(|state| counted(&mut state.unreachable)) {
            return RelayOutcome::Unreachable("no route".into());
        }
        self.with(|state| state.asked.push(rank));
        let envelope = Envelope::from_bytes(&item.envelope).expect("the client writes envelopes");
        let opened = AuthenticRequest::open(&envelope, &seal_secret(seed), &item.member, log.view(), now());
        let request = match opened {
            Ok(request) => request,
            Err(EnvelopeError::Epoch { .. }) => {
                return RelayOutcome::Rejected(Refusal::new(RefusalCode::WrongEpoch, "another epoch", ""));
            }
            Err(error) => panic!("{error}"),
        };
        let answer = if self.with(|state| counted(&mut state.working)) {
            Answer::Refused(Refusal::new(RefusalCode::InProgress, "still running", ""))
        } else {
            (self.tamper)(rank, self.answer(rank, &request))
        };
        let mut rng = self.rng.lock().expect("no test panics inside");
        let sealed = request.answer(&answer, &signing_key(seed), &mut *rng).expect("short");
        let mut bytes = sealed.to_bytes();
        (self.garble)(rank, &mut bytes);
        RelayOutcome::Answer(ByteBuf::from(bytes))
    }
}

fn stock(rank: usize) -> Stock {
    let line = StockLine {
        kind: "triple".into(),
        available: 100 + rank as u64,
        reserved: 0,
        target: 1000,
        promised: 0,
        per_1000_s: 7,
    };
    Stock { lines: vec![line] }
}

impl Door for &Fake {
    async fn clouds(&self) -> Result<CloudList, DoorError> {
        let log = self.current();
        let summary = CloudSummary {
            id: log.cloud(),
            name: log.view().name().into(),
            epoch: log.view().epoch(),
            members: log.view().n(),
            live: true,
            halted: false,
        };
        Ok(CloudList { clouds: vec![summary] })
    }

    async fn log(&self, _: &CloudId) -> Result<Vec<u8>, DoorError> {
        Ok(self.current().to_bytes())
    }

    async fn relay(&self, _: &CloudId, request: &RelayRequest) -> Result<RelayResponse, DoorError> {
        let result = |item| RelayResult { member: RelayItem::clone(item).member, outcome: self.outcome(item) };
        let results = request.envelopes.iter().map(result).collect();
        let lost = self.with(|state| {
            let lost = state.answers_lost > 0;
            state.answers_lost = state.answers_lost.saturating_sub(1);
            lost
        });
        if lost { Err(DoorError::Timeout { node: "fake".into() }) } else { Ok(RelayResponse { results }) }
    }
}

const IMPATIENT: Patience = Patience { tries: 3, pause: Duration::ZERO, answer: Duration::from_millis(20) };

async fn client(fake: &Fake) -> Client<&Fake> {
    Client::through(fake, signing_key(50), Pin::Nothing, IMPATIENT).await.expect("a good log")
}

fn value() -> SecretValue {
    SecretValue::integers(vec![SECRET, -3])
}

fn peer(rank: usize) -> PeerKey {
    PeerKey::of(&signing_key(SEEDS[rank]))
}

async fn put(fake: &Fake) -> (Client<&Fake>, SecretId) {
    let mut client = client(fake).await;
    let id = client.put(&value(), PutTerms::default()).await.expect("stored");
    (client, id)
}

fn program() -> Program {
    Program::Bytes(ByteBuf::from(b"program".to_vec()))
}

#[tokio::test]
async fn a_secret_comes_back_as_it_was_put() {
    let fake = Fake::new();
    let (mut client, id) = put(&fake).await;
    let fetched = client.get(id).await.expect("fetched");
    assert_eq!(fetched.value.as_integers(), Some(&[SECRET, -3][..]));
    assert_eq!(fetched.description.owner, client.key());
    let listed = client.list(List::default()).await.expect("a list");
    assert_eq!(listed.secrets, [fetched.description]);
    let set = Tags::new(vec!["year=2024".parse().expect("a tag")]).expect("tags");
    assert_eq!(client.tag(id, set.clone(), vec![]).await, Ok(set));
    assert_eq!(client.delete(id).await, Ok(()));
    assert_eq!(client.list(List::default()).await.map(|listed| listed.total), Ok(0));
}

#[tokio::test]
async fn a_program_runs_to_new_secrets_or_to_values() {
    let fake = Fake::new();
    let (mut client, id) = put(&fake).await;
    let kept = client.execute(ExecuteTerms::new(program(), vec![id])).await.expect("executed");
    assert_eq!((kept.printed.as_str(), kept.results.len(), kept.outputs.len()), ("sum\n", 1, 0));
    let terms = ExecuteTerms { reveal: true, ..ExecuteTerms::new(program(), vec![id]) };
    let revealed = client.execute(terms).await.expect("executed");
    assert_eq!(revealed.results, []);
    assert_eq!(revealed.outputs[0].as_integers(), Some(&[SECRET - 3][..]));
    let quote = Quote { program: program(), arguments: vec![], inputs: vec![id] };
    let quotation = client.quote(quote).await.expect("a quote");
    assert_eq!(quotation.stocks.len(), 3);
    assert_eq!(client.stock().await.expect("stock")[2].1, stock(2));
    let places = client.place(kept.execution).await.expect("places");
    assert_eq!(places.iter().map(|(_, placed)| placed.before).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
}

#[tokio::test]
async fn whoever_says_something_else_is_named() {
    let fake = Fake::tampered(|rank, answer| match answer {
        Answer::Listed(listed) if rank == 1 => Answer::Listed(Listed { total: listed.total + 1, ..listed }),
        Answer::Got(mut got) if rank == 2 => {
            got.description.created += 1;
            Answer::Got(got)
        }
        Answer::Executed(mut executed) if rank == 0 => {
            executed.printed = "another sum\n".into();
            Answer::Executed(executed)
        }
        other => other,
    });
    let (mut client, id) = put(&fake).await;
    let lone = |error: ClientError| match &error {
        ClientError::Differ { groups, .. } => {
            assert_eq!(error.exit(), Exit::Aborted);
            groups.iter().find(|group| group.members.len() == 1).map(|group| group.members[0])
        }
        other => panic!("{other}"),
    };
    assert_eq!(lone(client.list(List::default()).await.expect_err("they differ")), Some(peer(1)));
    assert_eq!(lone(client.get(id).await.expect_err("they differ")), Some(peer(2)));
    let executed = client.execute(ExecuteTerms::new(program(), vec![id])).await;
    assert_eq!(lone(executed.expect_err("they differ")), Some(peer(0)));
}

#[tokio::test]
async fn a_wrong_share_is_refused_and_nothing_of_it_shown() {
    let fake = Fake::tampered(|rank, answer| match answer {
        Answer::Got(mut got) if rank == 1 => {
            let field = PrimeField::usual();
            let mut y = got.delivery.y.elements(&field, 2).expect("words");
            y[0] = field.add(y[0], field.one());
            got.delivery.y = crate::words::Words::of(&field, &y);
            Answer::Got(got)
        }
        other => other,
    });
    let (mut client, id) = put(&fake).await;
    let error = client.get(id).await.expect_err("a wrong share");
    assert_eq!(error, ClientError::Delivery(DeliveryError::Inconsistent));
    assert_eq!(error.exit().code(), 5);
    assert!(!format!("{error} {error:?}").contains("739184625"));
}

#[tokio::test]
async fn wrong_masks_are_refused_before_anything_is_sent() {
    let fake = Fake::tampered(|rank, answer| match answer {
        Answer::Masks(mut masks) if rank == 2 => {
            std::mem::swap(&mut masks.delivery.r, &mut masks.delivery.v);
            Answer::Masks(masks)
        }
        other => other,
    });
    let mut client = client(&fake).await;
    let error = client.put(&value(), PutTerms::default()).await.expect_err("wrong masks");
    assert_eq!(error, ClientError::Delivery(DeliveryError::Inconsistent));
    assert!(fake.with(|state| state.stored.is_empty()));
}

#[tokio::test]
async fn other_masks_at_one_member_are_noticed() {
    let fake = Fake::tampered(|rank, answer| match answer {
        Answer::Masks(masks) if rank == 2 => Answer::Masks(Masks { mask_set: MaskSetId([9; 32]), ..masks }),
        other => other,
    });
    let error = client(&fake).await.put(&value(), PutTerms::default()).await.expect_err("other masks");
    assert!(matches!(error, ClientError::Differ { what: "the masks", .. }));
}

#[tokio::test]
async fn a_secret_is_stored_only_with_all_signatures() {
    let fake = Fake::tampered(|rank, answer| match answer {
        Answer::Stored(stored) if rank == 1 => {
            let mut signatures = stored.certificate.signatures().to_vec();
            signatures.pop();
            let certificate = Certificate::from_parts(stored.certificate.unverified().clone(), signatures);
            Answer::Stored(Stored { certificate })
        }
        other => other,
    });
    let error = client(&fake).await.put(&value(), PutTerms::default()).await.expect_err("a signature is missing");
    assert_eq!(error, ClientError::Certificate(CertificateError::Count { expected: 3, got: 2 }));
}

#[tokio::test]
async fn an_unreachable_member_is_named_after_some_tries() {
    let fake = Fake::new();
    let (mut client, id) = put(&fake).await;
    fake.with(|state| state.unreachable = BTreeMap::from([(1, 99)]));
    let error = client.get(id).await.expect_err("one is not there");
    assert_eq!(error, ClientError::Unreachable(vec![(peer(1), "no route".into())]));
    assert_eq!(error.exit().code(), 4);
    assert!(error.to_string().contains(&peer(1).peer_id()));
}

#[tokio::test]
async fn only_members_that_have_not_answered_are_asked_again() {
    let fake = Fake::new();
    let (mut client, id) = put(&fake).await;
    fake.with(|state| {
        state.asked.clear();
        state.unreachable = BTreeMap::from([(1, 2)]);
    });
    assert!(client.get(id).await.is_ok());
    assert_eq!(fake.with(|state| state.asked.clone()), [0, 2, 1]);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_request() {
    let fake = Fake::new();
    let (mut client, id) = put(&fake).await;
    fake.with(|state| {
        state.deliveries.clear();
        state.answers_lost = 2;
    });
    assert!(client.get(id).await.is_ok());
    assert_eq!(fake.with(|state| state.deliveries.len()), 1, "one request id");
    fake.with(|state| state.answers_lost = 3);
    let error = client.get(id).await.expect_err("three tries");
    assert_eq!(error, ClientError::Door(DoorError::Timeout { node: "fake".into() }));
}

#[tokio::test]
async fn a_running_execution_is_waited_for_within_patience() {
    let fake = Fake::new();
    let (mut client, id) = put(&fake).await;
    fake.with(|state| state.working = BTreeMap::from([(0, 7)]));
    assert!(client.get(id).await.is_ok());
    fake.with(|state| state.working = BTreeMap::from([(0, 1_000_000)]));
    let error = client.get(id).await.expect_err("no end");
    assert!(matches!(error, ClientError::Refused { refusal, .. } if refusal.code == RefusalCode::InProgress));
}

#[tokio::test]
async fn a_new_epoch_is_fetched_and_the_request_made_again() {
    let fake = Fake::new();
    let (mut client, id) = put(&fake).await;
    {
        let mut log = fake.log.lock().expect("no test panics inside");
        let record = key_record(&log, 2);
        append(&mut log, record).expect("a new MAC key");
    }
    assert!(client.get(id).await.is_ok());
    assert_eq!(client.view().epoch(), Epoch(2));
}

#[tokio::test]
async fn a_refusal_names_its_member_and_the_one_that_says_most_wins() {
    let fake = Fake::tampered(|rank, _| {
        Answer::Refused(match rank {
            1 => Refusal::new(RefusalCode::NotAllowed, "not yours", "ask the owner"),
            _ => Refusal::new(RefusalCode::Aborted, "given up", ""),
        })
    });
    let mut client = client(&fake).await;
    let error = client.get(SecretId([1; 16])).await.expect_err("refused");
    assert!(matches!(&error, ClientError::Refused { member, .. } if *member == peer(1)));
    assert_eq!((error.exit().code(), error.remedy()), (3, "ask the owner"));
}

#[tokio::test]
async fn members_that_disagree_whether_a_secret_exists_differ() {
    let fake = Fake::tampered(|rank, answer| match rank {
        0 => Answer::Refused(Refusal::new(RefusalCode::UnknownSecret, "no such secret", "")),
        _ => answer,
    });
    let mut client = client(&fake).await;
    let error = client.list(List::default()).await.expect_err("they differ");
    assert!(matches!(&error, ClientError::Differ { groups, .. } if groups[1].members == [peer(0)]), "{error}");
    assert!(error.to_string().contains("no such secret"), "{error}");
}

#[tokio::test]
async fn an_answer_of_another_sort_is_refused() {
    let fake = Fake::tampered(|_, _| Answer::Stock(Stock::default()));
    let mut client = client(&fake).await;
    let error = client.get(SecretId([1; 16])).await.expect_err("not what was asked");
    assert_eq!(error, ClientError::OtherAnswer { member: peer(0), got: "stock" });
}

#[tokio::test]
async fn a_certificate_for_another_execution_is_refused() {
    let fake = Fake::tampered(|_, answer| match answer {
        Answer::Executed(mut executed) => {
            executed.execution = ExecutionId([0; 16]);
            Answer::Executed(executed)
        }
        other => other,
    });
    let (mut client, id) = put(&fake).await;
    let error = client.execute(ExecuteTerms::new(program(), vec![id])).await.expect_err("another execution");
    assert_eq!(error, ClientError::OtherStatement("this execution"));
}

/// All members sign, and their certificate is of another request: of other inputs, say, or another client's.
#[tokio::test]
async fn what_was_run_has_to_be_what_was_asked_in_every_part() {
    type Change = fn(&mut Execute, &mut ClientKey);
    let changes: [Change; 8] = [
        |_, client| *client = ClientKey::of(&signing_key(51)),
        |asked, _| asked.program = Program::Bytes(ByteBuf::from(b"another".to_vec())),
        |asked, _| asked.inputs.reverse(),
        |asked, _| asked.arguments.push("1".into()),
        |asked, _| asked.reveal = !asked.reveal,
        |asked, _| asked.results.policy.readers = Audience::Anyone,
        |asked, _| asked.results.expires = Some(1),
        |asked, _| asked.execution = ExecutionId([9; 16]),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let fake = Fake { substitute: Some(change), ..Fake::new() };
        let (mut client, first) = put(&fake).await;
        let second = client.put(&value(), PutTerms::default()).await.expect("stored");
        let terms = ExecuteTerms::new(program(), vec![first, second]);
        let error = client.execute(terms).await.expect_err("not what was asked");
        assert_eq!(error, ClientError::OtherStatement("this execution"), "change {at}");
    }
}

#[tokio::test]
async fn a_gateway_that_changes_an_answer_is_caught() {
    for at in [10, 300, 600] {
        let fake = Fake {
            garble: Box::new(move |rank, bytes| {
                if rank == 1 {
                    bytes[at] ^= 1;
                }
            }),
            ..Fake::new()
        };
        let mut client = client(&fake).await;
        let error = client.list(List::default()).await.expect_err("a changed answer");
        assert!(matches!(error, ClientError::Answer { member, .. } if member == peer(1)), "{error}");
    }
}

#[tokio::test]
async fn a_log_of_another_cloud_or_an_older_one_is_refused() {
    let fake = Fake::new();
    let pin = Pin::Cloud(founded(&[1, 2]).cloud());
    let refused = Client::through(&fake, signing_key(50), pin, IMPATIENT).await.err().expect("another cloud");
    assert!(matches!(refused, ClientError::Log(LogError::WrongCloud { .. })));
    let mut newer = fake.current();
    let record = key_record(&newer, 2);
    append(&mut newer, record).expect("a new MAC key");
    let pin = Pin::Log(Box::new(newer));
    let refused = Client::through(&fake, signing_key(50), pin, IMPATIENT).await.err().expect("an older log");
    assert!(matches!(refused, ClientError::Log(LogError::RolledBack { .. })));
}

#[tokio::test]
async fn requests_out_of_bounds_are_not_sent() {
    let fake = Fake::new();
    let mut client = client(&fake).await;
    let terms = ExecuteTerms { arguments: vec![String::new(); 99], ..ExecuteTerms::new(program(), vec![]) };
    let error = client.execute(terms).await.expect_err("too many arguments");
    assert!(matches!(error, ClientError::Request(request::RequestError::TooMany { .. })));
    assert_eq!(error.exit(), Exit::Usage);
    assert!(fake.with(|state| state.asked.is_empty()));
}

#[test]
fn a_quotation_says_when_the_program_can_start() {
    let line = |kind: &str, available, promised, per_1000_s| StockLine {
        kind: kind.into(),
        available,
        reserved: 0,
        target: 0,
        promised,
        per_1000_s,
    };
    let quotation = |bill: Option<&[(&str, u64)]>, lines: Vec<StockLine>| {
        let count = |(kind, count): &(&str, u64)| KindCount { kind: (*kind).into(), count: *count };
        let bill = bill.map(|bill| bill.iter().map(count).collect());
        let stock = Stock { lines };
        let program = program().hash();
        let quoted = Quoted { program, bill, rounds: None, bytes: None, words_read: None, stock: stock.clone() };
        let full = Stock { lines: vec![line("triple", 1 << 30, 0, 1), line("bit", 1 << 30, 0, 1)] };
        Quotation { quoted, stocks: vec![(PeerKey([1; 32]), full), (PeerKey([2; 32]), stock)] }
    };
    let stock = || vec![line("triple", 100, 20, 10_000), line("bit", 5, 0, 2_000)];
    assert_eq!(quotation(Some(&[("triple", 80)]), stock()).start(), Start::Now);
    assert_eq!(
        quotation(Some(&[("triple", 81)]), stock()).start(),
        Start::InSeconds(1),
        "what is promised is not there"
    );
    // 100 missing at 10 a second, then 20 at 2 a second: one kind after the other
    assert_eq!(quotation(Some(&[("triple", 180), ("bit", 25)]), stock()).start(), Start::InSeconds(20));
    assert_eq!(quotation(Some(&[("triple", 180)]), vec![line("triple", 0, 0, 0)]).start(), Start::Unknown);
    assert_eq!(quotation(None, stock()).start(), Start::Unknown);
}

#[tokio::test]
async fn what_programs_want_of_a_client_is_alike_at_all_members_but_for_shares() {
    let converse = Converse { execution: ExecutionId([2; 16]), turn: 0, reply: None };
    let batches = client(&Fake::new()).await.converse(converse.clone()).await.expect("alike");
    assert!(batches.iter().all(|(_, calls)| calls.batch.as_ref().is_some_and(|batch| batch.calls.len() == 2)));

    let others: [fn(&mut Batch); 4] = [
        |batch| batch.is_last = true,
        |batch| drop(batch.calls.pop()),
        |batch| batch.calls[1] = SocketCall::ReadIntegers { client: 4, count: 2 },
        |batch| {
            let message = SocketMessage::ValueShares(Words::default());
            batch.calls[0] = SocketCall::Write { client: 4, label: 0, message };
        },
    ];
    for other in others {
        let fake = Fake::tampered(move |rank, answer| match answer {
            Answer::Calls(Calls { batch: Some(mut batch) }) if rank == 1 => {
                other(&mut batch);
                Answer::Calls(Calls { batch: Some(batch) })
            }
            answer => answer,
        });
        let error = client(&fake).await.converse(converse.clone()).await.expect_err("they differ");
        assert_eq!(error.exit(), Exit::Aborted, "{error}");
    }
}
