//! The tuples that a program declares, for runs that cannot be rehearsed.

use polyyne_bytecode::{Amount, Bill as Declared, Item, TupleDomain};
use polyyne_engine::mascot::Bill;
use polyyne_engine::tuples::Kind;

use super::super::failure::Failure;

/// What MASCOT has to make.
///
/// # Errors
/// If the declaration says that it depends on the run, or names tuples that MASCOT does not make here.
pub fn declared(declared: &Declared) -> Result<Bill, Failure> {
    let mut bill = Bill::default();
    for (item, amount) in declared.items() {
        let count = match amount {
            Amount::Exactly(0) => continue,
            Amount::Exactly(count) => usize::try_from(count).map_err(|_| refused("more tuples than there can be"))?,
            Amount::Unknown => return Err(refused("how many tuples the program takes depends on the run")),
        };
        match item {
            Item::Triple(TupleDomain::Prime) => bill.tuples.push((Kind::Triple, count)),
            Item::Square(TupleDomain::Prime) => bill.tuples.push((Kind::Square, count)),
            Item::Bit(TupleDomain::Prime) => bill.tuples.push((Kind::Bit, count)),
            Item::Inverse(TupleDomain::Prime) => bill.tuples.push((Kind::Inverse, count)),
            Item::Random(TupleDomain::Prime) => bill.tuples.push((Kind::Random, count)),
            Item::Input(TupleDomain::Prime, party) => bill.masks.push((party as usize, count)),
            // products are declared as triples too; openings take nothing
            Item::Matmul { .. } | Item::Open(_) => {}
            _ => return Err(refused("the program takes tuples that only a dealer has here")),
        }
    }
    Ok(bill)
}

fn refused(cause: &str) -> Failure {
    Failure::usage(format!("with sockets, tuples are made for what the program declares: {cause}"))
        .remedy("--preprocessing dealer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use polyyne_bytecode::{Instruction, Program, Tape};

    fn declaring(lines: &[(&str, &[i64])]) -> Declared {
        let instructions =
            lines.iter().map(|(name, numbers)| Instruction::numeric(name, 0, numbers).unwrap()).collect();
        Declared::of(&Program::from_tapes(vec![Tape { name: "t".into(), instructions }]).unwrap())
    }

    #[test]
    fn what_is_declared_is_made_and_nothing_else() {
        let bill = declared(&declaring(&[("use", &[0, 0, 5]), ("use", &[0, 7, 9]), ("use_inp", &[0, 1, 4])])).unwrap();
        assert_eq!((bill.tuples, bill.masks), (vec![(Kind::Triple, 5)], vec![(1, 4)]));
    }

    #[test]
    fn a_bill_that_depends_on_the_run_and_tuples_of_bits_are_refused() {
        assert!(declared(&declaring(&[("use", &[0, 0, -1])])).is_err());
        assert!(declared(&declaring(&[("use", &[2, 0, 1])])).is_err());
    }
}
