//! Whatever differs between two requests, they have nothing in common: no row, no signed byte, no id of a result.

use proptest::prelude::*;
use serde_bytes::ByteBuf;

use super::*;
use crate::envelope::RequestHeader;
use crate::id::{MaskSetId, Nonce, RequestId, SealKey};
use crate::request::{Program, Request, UploadBegin};
use crate::secret::{Audience, Policy};
use crate::tag::Tags;
use crate::vote::{TakePurpose, Upload, UploadAbort, UploadVote};

fn audience() -> impl Strategy<Value = Audience> {
    prop_oneof![
        Just(Audience::Owner),
        Just(Audience::Anyone),
        (0u8..3).prop_map(|key| Audience::Only(vec![ClientKey([key; 32])])),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let programs = prop::option::of(prop::collection::vec((0u8..3).prop_map(|hash| ProgramHash([hash; 32])), 0..3));
    (audience(), audience(), audience(), programs, prop::option::of(0u64..3)).prop_map(
        |(readers, deleters, runners, programs, runs_max)| Policy { readers, deleters, runners, programs, runs_max },
    )
}

fn tags() -> impl Strategy<Value = Tags> {
    prop::option::of(0i64..2).prop_map(|value| {
        let tag = value.map(|value| format!("k={value}").parse().expect("a tag"));
        Tags::new(tag.into_iter().collect()).expect("tags")
    })
}

/// From few values, so that two requests often differ in one field alone.
fn request() -> impl Strategy<Value = Execute> {
    let run = (
        0u8..2,
        prop::collection::vec(any::<bool>(), 1..3),
        prop::collection::vec("[01]{1,2}", 0..3),
        prop::collection::vec(0u8..3, 0..4),
    );
    let terms = (tags(), policy(), prop::option::of(0u64..2));
    let rest = (any::<bool>(), 0u64..2, any::<bool>(), any::<bool>());
    (run, terms, rest).prop_map(
        |((id, code, arguments, inputs), (tags, policy, expires), (reveal, timeout_ms, wait, sockets))| Execute {
            execution: ExecutionId([id; 16]),
            program: Program::Bytes(ByteBuf::from(code.into_iter().map(u8::from).collect::<Vec<_>>())),
            arguments,
            inputs: inputs.into_iter().map(|id| SecretId([id; 16])).collect(),
            reveal,
            results: ResultTerms { tags, policy, expires },
            timeout_ms,
            wait,
            sockets,
        },
    )
}

/// One field of a request changed.
fn neighbours(request: &Execute) -> Vec<Execute> {
    let mut all = vec![request.clone(); 10];
    all[0].execution.0[15] ^= 1;
    all[1].program = Program::Bytes(ByteBuf::from(b"another".to_vec()));
    all[2].arguments.push(String::new());
    all[3].inputs.push(SecretId([1; 16]));
    all[4].reveal = !request.reveal;
    all[5].results.policy.runs_max = Some(99);
    all[6].results.expires = Some(99);
    all[7].timeout_ms += 1;
    all[8].wait = !request.wait;
    all[9].sockets = !request.sockets;
    let mut turned = request.clone();
    turned.inputs.reverse();
    all.extend((turned != *request).then_some(turned));
    all
}

fn checked(cloud: CloudId, client: ClientKey, request: &Execute) -> ExecutionChecked {
    let (execution, outputs) =
        (ExecutionKey::of(client, request), vec![OutputShape { kind: SecretKind::Integers, words: 1 }]);
    ExecutionChecked {
        cloud,
        epoch: Epoch(1),
        execution,
        program: request.program.hash(),
        session: SessionId([2; 32]),
        take: Digest([3; 32]),
        printed: printed_digest(""),
        revealed: request.reveal,
        created: 7,
        results: inputs_digest(&new_secrets(cloud, &execution, request, 7, &outputs)),
        outputs,
    }
}

fn header(cloud: CloudId, client: ClientKey, request: &Request) -> Digest {
    let digest = canonical::hash("body", request);
    let header = RequestHeader {
        client,
        cloud,
        epoch: Epoch(1),
        request: RequestId([1; 16]),
        answer_to: SealKey([1; 32]),
        issued: 1,
        expires: 2,
        nonce: Nonce([1; 16]),
        bodies: vec![crate::envelope::BodyDigest { member: PeerKey([1; 32]), digest }],
    };
    header.digest()
}

/// Everything that names a request, or that somebody signs about it.
fn names(cloud: CloudId, client: ClientKey, request: &Execute) -> Vec<Vec<u8>> {
    let key = ExecutionKey::of(client, request);
    let asked = header(cloud, client, &Request::Execute(request.clone()));
    vec![
        TakePurpose::Execution(key).row(cloud).0.to_vec(),
        TakePurpose::Delivery { client, asked }.row(cloud).0.to_vec(),
        result_id(cloud, &key, 0).0.to_vec(),
        checked(cloud, client, request).to_canonical(),
        asked.0.to_vec(),
    ]
}

type Asked = (CloudId, ClientKey, Execute);

fn assert_apart((cloud, client, request): &Asked, (other_cloud, other_client, other): &Asked) {
    let pairs = names(*cloud, *client, request).into_iter().zip(names(*other_cloud, *other_client, other));
    for (at, (own, others)) in pairs.enumerate() {
        assert_ne!(own, others, "name {at} of {request:?} and {other:?}");
    }
    assert!(checked(*cloud, *client, request).is_of(*cloud, *client, request));
    assert!(!checked(*other_cloud, *other_client, other).is_of(*cloud, *client, request));
}

fn asked() -> impl Strategy<Value = Asked> {
    ((0u8..2), (0u8..2), request())
        .prop_map(|(cloud, client, request)| (CloudId([cloud; 32]), ClientKey([client; 32]), request))
}

proptest! {
    #[test]
    fn two_requests_that_differ_share_no_row_no_signature_and_no_answer(one in asked(), other in asked()) {
        if one != other {
            assert_apart(&one, &other);
        }
        let (cloud, client, request) = &one;
        for neighbour in neighbours(request) {
            assert_apart(&one, &(*cloud, *client, neighbour));
        }
        assert_apart(&one, &(*cloud, ClientKey([9; 32]), request.clone()));
        assert_apart(&one, &(CloudId([9; 32]), *client, request.clone()));
    }

    #[test]
    fn two_uploads_that_differ_share_no_row_and_no_signature(
        (id, owner, words) in (0u8..2, 0u8..2, 1u32..3),
        (other_id, other_owner, other_words) in (0u8..2, 0u8..2, 1u32..3),
        policies in (policy(), policy()),
        masks in (0u8..2, 0u8..2),
    ) {
        let describe = |id, owner, words, policy| SecretDescription {
            id: SecretId([id; 16]),
            owner: ClientKey([owner; 32]),
            kind: SecretKind::Integers,
            words,
            tags: Tags::default(),
            policy,
            created: 1,
            expires: None,
        };
        let one = describe(id, owner, words, policies.0);
        let other = describe(other_id, other_owner, other_words, policies.1);
        let upload = |description: &SecretDescription, masks| Upload {
            cloud: CloudId([1; 32]),
            epoch: Epoch(1),
            members: Digest([1; 32]),
            client: description.owner,
            secret: description.id,
            mask_set: MaskSetId([masks; 32]),
            masked: Digest([1; 32]),
            description: description.digest(),
        };
        let cloud = CloudId([1; 32]);
        let begin = |description: &SecretDescription| {
            header(cloud, ClientKey([1; 32]), &Request::UploadBegin(UploadBegin { description: description.clone() }))
        };
        let (upload_one, upload_other) = (upload(&one, masks.0), upload(&other, masks.1));
        prop_assert_eq!(TakePurpose::masks(&one), TakePurpose::masks_of(&upload_one));
        if one != other {
            prop_assert_ne!(TakePurpose::masks(&one).row(cloud), TakePurpose::masks(&other).row(cloud));
            prop_assert_ne!(TakePurpose::masks(&one).row(cloud), TakePurpose::masks(&one).row(CloudId([2; 32])));
            prop_assert_ne!(begin(&one), begin(&other));
        }
        let votes = [UploadVote::of(&upload_one), UploadVote::of(&upload_other)];
        prop_assert_eq!(votes[0] == votes[1], upload_one == upload_other);
        let abort = UploadAbort::of(&upload_other, crate::vote::AbortReason::Expired);
        let same = (one.id, one.owner, masks.0) == (other.id, other.owner, masks.1);
        prop_assert_eq!(abort.ends(&votes[0]), same);
    }
}

#[test]
fn a_program_is_the_same_by_its_bytes_and_by_its_hash() {
    let program = Program::Bytes(ByteBuf::from(b"code".to_vec()));
    let by_hash = Program::Hash(program.hash());
    let request = |program| Execute {
        execution: ExecutionId([1; 16]),
        program,
        arguments: vec![],
        inputs: vec![],
        reveal: false,
        results: ResultTerms::default(),
        timeout_ms: 1,
        wait: true,
        sockets: false,
    };
    assert_eq!(request(program).digest(), request(by_hash).digest());
}

#[test]
fn results_of_one_execution_have_ids_of_their_own() {
    let key = ExecutionKey { client: ClientKey([1; 32]), id: ExecutionId([1; 16]), request: Digest([1; 32]) };
    assert_ne!(result_id(CloudId([1; 32]), &key, 0), result_id(CloudId([1; 32]), &key, 1));
}
