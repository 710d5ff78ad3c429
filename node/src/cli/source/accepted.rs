//! Options of MP-SPDZ's compiler that mean nothing here, and those that ask for what a virtual cloud does not do.

use clap::Args;

use crate::cli::failure::Failure;

/// Compile options that are known by name.
#[derive(Debug, Clone, Default, Args)]
pub struct Accepted {
    /// Optimise control flow; accepted, and changes nothing.
    #[arg(short = 'l', long = "flow-optimization", hide = true)]
    flow_optimization: bool,
    /// Remove dead code; always done.
    #[arg(short = 'D', long = "dead-code-elimination", hide = true)]
    dead_code_elimination: bool,
    /// Optimise harder; accepted, and changes nothing.
    #[arg(short = 'O', long = "optimize-hard", hide = true)]
    optimize_hard: bool,
    /// Speed up compilation by repeating code; accepted, and changes nothing.
    #[arg(short = 'C', long = "CISC", hide = true)]
    cisc: bool,
    /// Budget for loop unrolling; accepted, and changes nothing.
    #[arg(short = 'b', long = "budget", value_name = "N", hide = true)]
    budget: Option<u64>,
    /// Openings in one instruction; accepted, and changes nothing.
    #[arg(short = 'm', long = "max-parallel-open", value_name = "N", hide = true)]
    max_parallel_open: Option<u64>,
    /// Where assembly goes; accepted, and changes nothing.
    #[arg(short = 'a', long = "asm-outfile", value_name = "FILE", hide = true)]
    asm_outfile: Option<String>,
    /// Links to the papers of the protocols; accepted, and changes nothing.
    #[arg(long, hide = true)]
    papers: bool,
    /// Rings: refused.
    #[arg(short = 'R', long = "ring", value_name = "N", hide = true)]
    ring: Option<u32>,
    /// Garbled circuits: refused.
    #[arg(short = 'G', long = "garbled-circuit", hide = true)]
    garbled_circuit: bool,
    /// Local share conversion: refused.
    #[arg(short = 'Z', long = "split", value_name = "N", hide = true)]
    split: Option<u32>,
}

impl Accepted {
    /// Notes on the options that change nothing.
    ///
    /// # Errors
    /// An option that asks for another kind of protocol.
    pub fn notes(&self) -> Result<Vec<String>, Failure> {
        let refused = [
            ("-R", self.ring.is_some(), "computation modulo 2^k", "-F N computes modulo a prime"),
            ("-G", self.garbled_circuit, "garbled circuits", "-B N computes Boolean circuits on shared bits"),
            ("-Z", self.split.is_some(), "local share conversion", "-X or -Y mixes arithmetic and bits"),
        ];
        if let Some((option, _, what, remedy)) = refused.iter().find(|(_, given, ..)| *given) {
            return Err(Failure::usage(format!("not supported: {option} ({what})")).remedy(*remedy));
        }
        let unused = [
            ("-l", self.flow_optimization),
            ("-D", self.dead_code_elimination),
            ("-O", self.optimize_hard),
            ("-C", self.cisc),
            ("-b", self.budget.is_some()),
            ("-m", self.max_parallel_open.is_some()),
            ("-a", self.asm_outfile.is_some()),
            ("--papers", self.papers),
        ];
        Ok(unused
            .iter()
            .filter(|(_, given)| *given)
            .map(|(option, _)| format!("note: {option} changes nothing"))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_other_protocols_are_refused_by_name() {
        let ring = Accepted { ring: Some(64), ..Accepted::default() };
        assert!(ring.notes().unwrap_err().what.contains("not supported: -R"));
        let unused = Accepted { flow_optimization: true, budget: Some(5), ..Accepted::default() };
        assert_eq!(unused.notes().unwrap(), ["note: -l changes nothing", "note: -b changes nothing"]);
    }
}
