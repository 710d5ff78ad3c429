#!/usr/bin/env python3
"""Deletes every check of the engine, one at a time, and shows that the test which is there for it fails.

    scripts/mutants.py [--list] [NAME...]

All mutants are built at once, in a work tree of the last commit, each behind a question to the environment (mutant
schemata: Untch, Offutt, Harrold, ISSTA 1993): the named test must pass with no mutant and fail with its own. The tests
are deterministic, so is the verdict. Takes one build of the engine's tests and about a minute.

CARGO names another cargo, RUNNER a command in front of every test, SCRATCH where the work tree is kept between runs;
CARGO_TARGET_DIR is heeded.
"""

import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = "engine/src/"

# Files of tests beside the library's own.
FILES = ("online", "vm_security", "vm_clients")

# Of every mutant: its name, the file, the text that stands there once, what stands there without the check, and the
# test or tests that fail then (behind the name of its file, where it is one of FILES). An expression is replaced by an expression; None leaves
# the statement out; where neither fits, the new text asks MUTANT itself.
MUTANTS = [
    # Commitments, coins, broadcasts, frames
    ("commitment opening", "commitment.rs", "bool::from(found.ct_eq(commitment))", "true",
     "mascot::tests::byzantine::a_coin_opened_to_something_else_is_caught"),
    ("commitment of another", "commitment.rs", "commitments.contains(&commitment)", "false",
     "mascot::tests::byzantine::a_copied_commitment_is_refused"),
    ("commitment's number", "commitment.rs", ".number(counter)", ".number(if MUTANT { 0 } else { counter })",
     "mascot::tests::byzantine::coins_and_sigmas_of_an_earlier_time_are_caught"),
    ("echo", "party.rs", "digests[peer.get()] != digest", "false",
     "mascot::tests::byzantine::broadcasts_shown_differently_to_two_parties_are_caught_by_the_echo"),
    ("length", "party.rs", "message.len() == len", "true",
     "mascot::tests::byzantine::every_step_with_a_broken_form_ends_in_an_error_that_names_the_sender"),
    ("round of a frame", "party.rs", "*found != header", "found[..2] != header[..2]",
     "online:a_frame_of_an_earlier_round_is_refused"),
    ("header of a frame", "party.rs", "let Some(found) = frame.first_chunk::<HEADER_BYTES>() else {",
     "let Some(found) = frame.first_chunk::<HEADER_BYTES>().map(|found| if MUTANT { &header } else { found }) else {",
     "online:a_frame_of_an_earlier_round_is_refused"),
    # MAC check
    ("sum of sigmas", "mac_check.rs", "matches!(verdict, Ok(sum) if sum == self.field.zero())", "true",
     "online:a_consistent_lie_fails_the_mac_check"),
    ("same openings", "mac_check.rs", "statements[peer.get()] != statement", "false",
     "mascot::tests::byzantine::a_wrong_opening_is_caught_before_a_bit_leaves"),
    ("failed before", "mac_check.rs", "if self.failed {\n            return Err(GateError::Compromised.into());\n        }", None,
     "online:nothing_is_checked_after_a_failed_check"),
    ("failed before an opening", "mac_check/opening.rs", "if mac.failed {\n            return Err(GateError::Compromised.into());\n        }", None,
     "online:after_a_failed_check_nothing_opens"),
    ("elements of openings", "mac_check/opening.rs", "if self.mac.pending.add_message(&self.field, range, message) {",
     "if self.mac.pending.add_message(&self.field, range, message) || MUTANT {",
     "mascot::tests::byzantine::elements_that_are_not_canonical_are_refused"),
    # The virtual machine
    ("check before a program's opening", "vm/interactive.rs", "matches!(general, Opcode::Open | Opcode::Reveal)", "false",
     ["vm_security:a_masked_value_is_not_opened_behind_a_spoiled_product",
      "vm_security:an_opening_over_one_field_waits_for_the_check_of_the_others",
      "vm_security:an_opening_that_follows_an_opening_waits_for_its_check_too"]),
    ("openings that wait before a program's", "mac_check.rs", "assert!(self.pending.is_empty(), \"a check comes before every opening that a program asks for\");", None,
     "online:a_program_opens_nothing_while_earlier_openings_wait"),
    ("proof that all is checked", "vm/exits.rs", "assert_eq!(inside.openings(), 0, \"what leaves follows a MAC check of everything opened\");", None,
     "vm::exits::tests::nothing_leaves_while_an_opening_inside_a_product_waits"),
    ("proof that decisions are checked", "vm/exits.rs", "assert!(!inside.revealed_waits(), \"decisions follow a MAC check of what was revealed\");", None,
     "vm::exits::tests::nothing_is_decided_on_a_revealed_value_that_waits_for_its_check"),
    ("check before decisions", "vm.rs", "if self.ports.revealed_waits() {", "if self.ports.revealed_waits() && !MUTANT {",
     "vm_security:a_branch_waits_for_the_check_of_what_it_depends_on"),
    ("coin of public randomness", "vm/interactive.rs", "Rng::from_seed(coin::toss(&mut self.ports.online.party).await?)",
     "Rng::from_seed([0; 32])",
     "vm_security:every_use_of_public_randomness_is_tossed_after_what_came_before_it"),
    ("input bits", "vm/bit_rounds.rs", "message.iter().all(|&byte| byte <= 1)", "true",
     "vm_security:a_masked_input_bit_that_is_neither_0_nor_1_is_refused"),
    ("fresh zeros for clients", "vm/clients.rs", "delivery::rerandomise(field, party, &mut values).await?;", None,
     "vm_clients:shares_for_a_client_tell_nothing_but_their_sum"),
    # Tuples of external generators
    ("check before zeros", "recheck.rs", "mac.check(party).await?;\n    let opened", "if !MUTANT { mac.check(party).await?; }\n    let opened",
     "recheck::tests::zeros_stay_closed_behind_a_lie_about_what_they_are_made_of"),
    ("check of zeros", "recheck.rs", "let zeros = mac.confirm(party, opened).await?.into_inner();",
     "let zeros = if MUTANT { opened.for_shares().clone() } else { mac.confirm(party, opened).await?.into_inner() };",
     "recheck::tests::a_lie_about_a_zero_is_a_failed_check_and_no_wrong_tuple"),
    ("zeros of tuples", "recheck.rs", "zeros.iter().any(|zero| *zero != field.zero())", "false",
     "recheck::tests::a_tuple_that_is_not_what_it_is_called_ends_the_batch_and_not_the_key"),
    # MASCOT
    ("parameters", "mascot/base_ot.rs", "message.first_chunk::<32>().is_some_and(|theirs| theirs != parameters)", "false",
     "mascot::tests::byzantine::other_parameters_are_refused_before_anything_is_used"),
    ("identity", "mascot/base_ot.rs", "point.is_identity()", "false",
     "mascot::base_ot::tests::identities_and_non_canonical_encodings_are_refused"),
    ("cancelled hash", "mascot/base_ot.rs", "q.is_identity()", "false",
     "mascot::base_ot::tests::a_receiver_that_cancels_the_hash_is_refused"),
    ("puncturable PRF", "mascot/ggm.rs", "check_hash(ctx, &checks).as_slice().ct_eq(&check[HASH_BYTES..])", "Choice::from(1)",
     "mascot::tests::byzantine::the_check_of_the_puncturable_prf_catches_a_spoiled_tree"),
    ("burn after a failed check of the key's trees", "mascot/assembly.rs", "mac.key_dependent_check(of_key.is_none()).await?;", None,
     "mascot::tests::sessions::a_member_that_spoils_a_tree_in_every_setup_learns_no_key"),
    ("key's trees are not fresh ones", "mascot/assembly.rs", "tree < forest.ot.len()", "true",
     "mascot::tests::sessions::a_member_that_spoils_a_tree_in_every_setup_learns_no_key"),
    ("refusal after a failed check of the key's trees", "turns.rs", "Some(GateError::Compromised) => Err(GateError::Compromised),\n            _ => Ok(()),",
     "Some(GateError::Compromised) if !MUTANT => Err(GateError::Compromised),\n            _ => Ok(()),",
     "mascot::tests::sessions::over_a_keys_life_each_bit_from_copee_is_a_guess"),
    ("OT extension", "mascot/multiply.rs", "!pair.sender.check(coin, columns, &answers[j])", "false",
     "mascot::tests::byzantine::the_check_of_the_ot_extension_catches_inconsistent_choices"),
    ("OT extension's columns", "mascot/softspoken.rs", "check_hash(&self.ctx, &expected).as_slice().ct_eq(hash).into()", "true",
     "mascot::softspoken::tests::inconsistent_choices_pass_only_with_the_right_guess_of_the_digit"),
    ("elements of COPEe", "mascot/cope.rs", "canonical.then_some(qs)", "Some(qs)",
     "mascot::tests::byzantine::elements_that_are_not_canonical_are_refused"),
    ("elements of products", "mascot/gilboa.rs", "if self.receive(peer.get(), message.as_chunks().0) { Ok(()) }", "if self.receive(peer.get(), message.as_chunks().0) || MUTANT { Ok(()) }",
     "mascot::tests::byzantine::elements_that_are_not_canonical_are_refused"),
    ("components", "mascot/assembly.rs", "triple::components(field.bits(), params.statistical)", "1",
     "mascot::triple::tests::an_abort_reveals_a_bit_of_one_component_and_nothing_of_three_combined"),
    ("input check", "mascot/authenticate.rs", "mac.register(&[y], &[gamma]);\n        }\n        Ok(())",
     "if !MUTANT { mac.register(&[y], &[gamma]); }\n        }\n        Ok(())",
     "mascot::tests::byzantine::the_input_check_catches_another_input_towards_one_party"),
    ("sacrifice of c", "mascot/triple.rs", "field.sub(of_c, field.dot(&weighted, &b.macs))", "field.zero()",
     "mascot::tests::byzantine::the_sacrifice_catches_a_wrong_product"),
    ("sacrifice of a", "mascot/triple.rs", "&[sum, field.zero()], &[of_a, zero]",
     "&[if MUTANT { field.zero() } else { sum }, field.zero()], &[if MUTANT { field.zero() } else { of_a }, zero]",
     "mascot::triple::tests::a_wrong_rho_passes_as_often_as_the_field_is_small_and_is_harmless"),
    ("coin of the sacrifice", "mascot/triple.rs", "let coin = coins.toss(party).await?;\n    let all", "let coin = if MUTANT { coin } else { coins.toss(party).await? };\n    let all",
     "mascot::tests::byzantine::coins_are_opened_after_what_they_check_has_been_sent"),
    ("key link", "mascot/key_link.rs", "let _linked = mac.open(party, &combination(&f, party, &coin, terms)).await?;", None,
     "mascot::key_link::tests::a_second_setup_with_another_key_share_is_caught"),
    ("key link of bits", "mascot/key_link.rs", "terms.extend(bits.iter().flat_map(|bits| bits.by_party()).map(|bits| element_of_bits(f, &bits)));", None,
     "mascot::key_link::tests::the_link_sees_another_key_share_for_bits"),
    ("bits of both fields", "mascot/dabit.rs", "sum & 1 == parity", "true",
     "mascot::dabit::tests::another_bit_over_the_prime_field_is_caught_by_the_subsets"),
    ("life of daBits", "mascot/dabit.rs", "params.statistical + LIFETIME_BITS", "params.statistical",
     "mascot::dabit::tests::batches_are_good_for_the_life_of_a_key"),
    ("range of masks", "mascot/dabit.rs", "sum < bound", "true",
     "mascot::dabit::tests::a_mask_that_wraps_around_the_prime_is_caught"),
    ("bits of the prime field", "mascot/dabit.rs", "mac.register(&vec![f.zero(); self.count], &square.sub(f, &sum).macs);", None,
     "mascot::dabit::tests::a_bit_with_an_even_number_added_is_caught_though_its_parity_is_right"),
    ("tuples checked before they leave", "mascot/derive.rs", "mac.check(party).await?;\n    Ok(columns)", "if !MUTANT { mac.check(party).await?; }\n    Ok(columns)",
     "mascot::tests::functional::all_kinds_hold_their_relation_in_all_fields"),
    ("matrix triples checked before they leave", "mascot/derive.rs", "mac.check(party).await?;\n    Ok(matrices)", "if !MUTANT { mac.check(party).await?; }\n    Ok(matrices)",
     "mascot::tests::functional::matrix_triples_multiply_and_a_lie_in_them_is_caught"),
    ("masks checked before they leave", "mascot/derive.rs", "mac.check(party).await?;\n    Ok(InputMasks", "if !MUTANT { mac.check(party).await?; }\n    Ok(InputMasks",
     "mascot::tests::functional::all_kinds_hold_their_relation_in_all_fields"),
    ("triples checked before AND", "mascot/and_triple.rs", "mac.check(party).await?;\n    let (x, y)", "if !MUTANT { mac.check(party).await?; }\n    let (x, y)",
     "mascot::tests::byzantine::coins_are_opened_after_what_they_check_has_been_sent"),
    ("AND triples checked before they leave", "mascot/and_triple.rs", "mac.check(party).await?;\n    Ok(Triples", "if !MUTANT { mac.check(party).await?; }\n    Ok(Triples",
     "mascot::tests::bits::and_triples_alone_are_checked_before_they_leave"),
    # LowGear
    ("LowGear's parameters", "lowgear/setup.rs", "theirs != digest", "false",
     "lowgear::tests::byzantine::other_parameters_are_refused_before_any_key"),
    ("proof of a key", "lowgear/setup.rs", "!proof::verify(&Key { scheme, a: &a, b: &b }, &their_context, proof)", "false",
     "lowgear::tests::byzantine::every_check_catches_what_only_it_can"),
    ("diagonal proof", "lowgear/setup.rs", "!proof::verify(&statement, &their_context, proof)", "false",
     "lowgear::tests::byzantine::every_check_catches_what_only_it_can"),
    ("proof of plaintexts", "lowgear/triple.rs", "!proof::verify(&statement, &contexts[j], &messages[j])", "false",
     "lowgear::tests::byzantine::every_check_catches_what_only_it_can"),
    ("a proof's number", "lowgear/setup.rs", ".number(number)", ".number(if MUTANT { 0 } else { number })",
     "lowgear::tests::byzantine::the_proof_of_an_earlier_batch_is_refused"),
    ("a proof's equation", "lowgear/proof.rs", "images.finish().ct_eq(hash).into()", "true",
     "lowgear::proof::tests::another_key_is_refused"),
    ("a proof's bounds", "lowgear/proof.rs", ".filter(|answer| shape.is_within(answer))", ".filter(|answer| MUTANT || shape.is_within(answer))",
     "lowgear::proof::tests::answers_out_of_bounds_are_refused_though_the_equation_holds"),
    ("a proof's aborts", "lowgear/proof.rs", "answers.iter().all(|answer| shape.is_within(answer)).then(", "(MUTANT || answers.iter().all(|answer| shape.is_within(answer))).then(",
     "lowgear::proof::tests::attempts_fail_as_rarely_for_extreme_secrets_as_for_none"),
    ("a proof's length", "lowgear/proof.rs", "answers.len() != statement.rows() * shape.bytes()", "false",
     "lowgear::proof::tests::proofs_of_keys_are_complete_and_bound_to_every_bit"),
    ("residues", "lowgear/ring.rs", "limb.iter().all(|&x| x < table.modulus.q)", "true",
     "lowgear::tests::byzantine::residues_that_are_not_canonical_are_refused"),
    ("LowGear's linear check", "lowgear/triple.rs", "Shares::new(vec![sum.0], vec![sum.1])", "Shares::zeros(&f, 1)",
     "lowgear::tests::rates::another_authenticated_value_passes_as_often_as_the_field_is_small"),
    ("LowGear's sacrifice", "lowgear/triple.rs", "mac.register(&vec![f.zero(); sigma.len()], &sigma.macs);", None,
     "lowgear::tests::byzantine::every_check_catches_what_only_it_can"),
    ("LowGear's input check", "lowgear/inputs.rs", "y.iter().zip(gamma).for_each(|(&y, gamma)| mac.register(&[y], &[gamma]));", None,
     "lowgear::tests::byzantine::every_check_catches_what_only_it_can"),
    ("LowGear's key link", "lowgear/inputs.rs", "let _linked = mac.open(party, &sum).await?;", None,
     "lowgear::tests::functional::a_second_setup_with_another_key_share_is_caught_by_the_key_link"),
    ("LowGear's tuples checked before they leave", "lowgear/derive.rs", "mac.check(party).await?;\n        Ok(columns)", "if !MUTANT { mac.check(party).await?; }\n        Ok(columns)",
     "lowgear::tests::functional::tuples_of_every_kind_are_what_they_claim"),
    ("LowGear's matrix triples checked before they leave", "lowgear/derive.rs", "mac.check(party).await?;\n        Ok(matrices)", "if !MUTANT { mac.check(party).await?; }\n        Ok(matrices)",
     "lowgear::tests::functional::matrix_triples_multiply_and_a_lie_in_them_is_caught"),
    ("LowGear's masks checked before they leave", "lowgear/derive.rs", "mac.check(party).await?;\n            self.stock.add_masks", "if !MUTANT { mac.check(party).await?; }\n            self.stock.add_masks",
     "lowgear::tests::functional::tuples_of_every_kind_are_what_they_claim"),
    ("flooding", "lowgear/bgv.rs", "flooding(prg, n, self.budget.flooding)", "flooding(prg, n, 1)",
     "lowgear::bgv::tests::the_noise_of_a_product_is_flat_whatever_the_factor_is"),
    ("products of a setup", "lowgear/pairwise.rs", "self.products > self.scheme.budget.products", "false",
     "lowgear::tests::byzantine::a_setup_is_over_when_it_has_made_as_many_products_as_its_flooding_is_good_for"),
]


def fail(text):
    sys.exit(f"mutants: {text}")


def mutated(name, file, old, new):
    """The text of `file` with the mutant in it."""
    text = file.read_text()
    found = text.split("#[cfg(test)]\nmod tests {")[0].count(old)
    if found != 1:
        fail(f"{name}: {found} places in {file.name} have: {old}")
    asked = f'crate::mutant("{name}")'
    if new is None:
        new = f"if !{asked} {{ {old} }}"
    elif "MUTANT" in new:
        new = new.replace("MUTANT", asked)
    else:
        new = f"(if {asked} {{ {new} }} else {{ {old} }})"
    return text.replace(old, new, 1)


ASK = """
#[allow(clippy::disallowed_methods)]
pub(crate) fn mutant(name: &str) -> bool {
    std::env::var("MUTANT").is_ok_and(|mutant| mutant == name)
}
"""


def tests_of(test):
    return [test] if isinstance(test, str) else test


def build(scratch):
    """The test binaries with all mutants in them: of the library (""), and by file."""
    source = scratch / SRC
    for name, file, old, new, _ in MUTANTS:
        (source / file).write_text(mutated(name, source / file, old, new))
    with (source / "lib.rs").open("a") as lib:
        lib.write(ASK)
    command = [*shlex.split(os.environ.get("CARGO", "cargo")), "test", "--no-run", "--locked", "-p", "polyyne-engine",
               "--lib", *(word for file in FILES for word in ("--test", file)), "--message-format", "json-render-diagnostics"]
    environment = {"CARGO_TARGET_DIR": str(scratch / "target")} | os.environ
    output = subprocess.run(command, cwd=scratch, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    messages = [json.loads(line) for line in output.stdout.splitlines() if line.startswith("{")]
    binaries = {m["target"]["name"]: m["executable"] for m in messages if m.get("profile", {}).get("test") and m.get("executable")}
    if output.returncode or len(binaries) != 1 + len(FILES):
        fail("the mutants do not compile")
    return {"": binaries["polyyne_engine"]} | {file: binaries[file] for file in FILES}


def passes(binaries, test, mutant):
    """Whether the test passes; a crash is a failure."""
    where, _, name = test.partition(":") if test.split(":")[0] in FILES else ("", "", test)
    command = [*shlex.split(os.environ.get("RUNNER", "")), binaries[where], "--exact", name]
    run = subprocess.run(command, env=os.environ | {"MUTANT": mutant}, capture_output=True, text=True, timeout=600, check=False)
    if "running 1 test\n" not in run.stdout:
        fail(f"there is no test {test}")
    return run.returncode == 0


def main(chosen):
    unknown = set(chosen) - {name for name, *_ in MUTANTS}
    if unknown:
        fail(f"no mutants {sorted(unknown)}: --list names them")
    scratch = pathlib.Path(os.environ.get("SCRATCH") or tempfile.mkdtemp(prefix="mutants-"))
    if (scratch / ".git").exists():
        subprocess.run(["git", "checkout", "--quiet", "--force", "--detach", git("rev-parse", "HEAD")], cwd=scratch, check=True)
    else:
        git("worktree", "add", "--quiet", "--force", "--detach", str(scratch), "HEAD")
    try:
        escaped = judged(build(scratch), [mutant for mutant in MUTANTS if not chosen or mutant[0] in chosen])
    finally:
        if "SCRATCH" not in os.environ:
            git("worktree", "remove", "--force", str(scratch))
    if escaped:
        fail(f"not noticed: {', '.join(escaped)}")


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def judged(binaries, mutants):
    """The names of those that no test has noticed."""
    for test in sorted({test for *_, tests in mutants for test in tests_of(tests)}):
        if not passes(binaries, test, ""):
            fail(f"{test} fails without a mutant")
    escaped = []
    for name, _, _, _, tests in mutants:
        for test in tests_of(tests):
            noticed = not passes(binaries, test, name)
            print(f"{'caught ' if noticed else 'ESCAPED'}  {name:40}  {test}", flush=True)
            if not noticed and name not in escaped:
                escaped.append(name)
    print(f"{len(mutants) - len(escaped)} of {len(mutants)} mutants caught")
    return escaped


if __name__ == "__main__":
    if "--list" in sys.argv[1:]:
        for name, file, _, _, tests in MUTANTS:
            for test in tests_of(tests):
                print(f"{name:40}  {file:24}  {test}")
    else:
        main(sys.argv[1:])
