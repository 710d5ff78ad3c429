//! Votes, and what they prove.

use super::*;
use crate::certificate::{CertificateError, Tally, VoteError};
use crate::log::tests::founded;
use crate::membership::tests::signing_key;

fn vote(upload: u8) -> UploadVote {
    UploadVote {
        cloud: CloudId([1; 32]),
        epoch: Epoch(1),
        client: ClientKey([4; 32]),
        secret: SecretId([2; 16]),
        mask_set: MaskSetId([3; 32]),
        upload: Digest([upload; 32]),
    }
}

#[test]
fn n_equal_votes_make_a_certificate_and_fewer_do_not() {
    let log = founded(&[1, 2, 3]);
    let mut tally = Tally::new(vote(1), log.view());
    for seed in [2, 1] {
        tally.vote(&signing_key(seed)).expect("a member");
        assert_eq!(tally.certificate(), None);
    }
    assert_eq!(tally.missing().collect::<Vec<_>>(), [PeerKey::of(&signing_key(3))]);
    tally.vote(&signing_key(3)).expect("a member");
    let certificate = tally.certificate().expect("all voted");
    assert_eq!(certificate.verified(log.view()), Ok(&vote(1)));
    let bytes = canonical::encode(&certificate);
    let back: UploadCertificate = canonical::decode(&bytes, 4096).expect("canonical");
    assert_eq!(back.verified(log.view()), Ok(&vote(1)));
}

#[test]
fn a_vote_for_something_else_is_kept_as_proof() {
    let log = founded(&[1, 2]);
    let mut tally = Tally::new(vote(1), log.view());
    let other = Signed::sign(vote(2), &signing_key(2));
    let error = tally.count(other.clone()).expect_err("another digest");
    let VoteError::Dissent(dissent) = error else { panic!("{error}") };
    assert_eq!(dissent.vote, other);
    assert_eq!(tally.certificate(), None);
}

#[test]
fn strangers_and_forgeries_do_not_count() {
    let log = founded(&[1, 2]);
    let mut tally = Tally::new(vote(1), log.view());
    let stranger = PeerKey::of(&signing_key(9));
    assert_eq!(tally.vote(&signing_key(9)), Err(VoteError::NotAMember(stranger)));
    let signature = Signed::sign(vote(1), &signing_key(1)).signature();
    let forged = Signed::from_parts(vote(1), PeerKey::of(&signing_key(2)), signature);
    assert!(matches!(tally.count(forged), Err(VoteError::Signature { .. })));
}

#[test]
fn a_certificate_of_other_members_is_refused() {
    let (log, other) = (founded(&[1, 2, 3]), founded(&[1, 2, 4]));
    let mut tally = Tally::new(vote(1), log.view());
    for seed in 1..=3 {
        tally.vote(&signing_key(seed)).expect("a member");
    }
    let certificate = tally.certificate().expect("all voted");
    let expected = PeerKey::of(&signing_key(4));
    assert_eq!(certificate.verified(other.view()), Err(CertificateError::Missing { expected }));
    let two = founded(&[1, 2]);
    assert_eq!(certificate.verified(two.view()), Err(CertificateError::Count { expected: 2, got: 3 }));
}

#[test]
fn a_member_that_votes_and_gives_up_convicts_itself() {
    let UploadVote { cloud, epoch, client, secret, mask_set, .. } = vote(1);
    let abort = UploadAbort { cloud, epoch, client, secret, mask_set, reason: AbortReason::Expired };
    let voted = |seed| Signed::sign(vote(1), &signing_key(seed));
    let gave_up = |abort: &UploadAbort| Signed::sign(abort.clone(), &signing_key(1));
    let proof = UploadContradiction::prove(voted(1), gave_up(&abort)).expect("a proof");
    assert_eq!(proof.convicts(), Some(PeerKey::of(&signing_key(1))));
    assert_eq!(UploadContradiction::prove(voted(2), gave_up(&abort)), None);
    let others = [
        UploadAbort { secret: SecretId([9; 16]), ..abort.clone() },
        UploadAbort { client: ClientKey([9; 32]), ..abort.clone() },
        UploadAbort { mask_set: MaskSetId([9; 32]), ..abort },
    ];
    for other in others {
        assert_eq!(UploadContradiction::prove(voted(1), gave_up(&other)), None);
    }
}
