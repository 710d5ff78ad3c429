//! Where the process begins, for `vcp` and for the build of it that the test suite kills.

use std::process::ExitCode;

/// What has to be done before anything else, then the command line.
pub fn main() -> ExitCode {
    // before anything else: a key log would hold what protects everybody's shares, and a core dump the shares
    if let Err(error) = crate::federation::refuse_key_log() {
        eprintln!("error: SSLKEYLOGFILE is set and this program cannot be started again without it: {error}");
        return ExitCode::FAILURE;
    }
    if let Err(error) = crate::harden::keep_memory_private() {
        eprintln!("error: the system does not let this process turn off core dumps: {error}");
        return ExitCode::FAILURE;
    }
    if std::env::args_os().nth(1).is_some_and(|word| word == polyyne_programs::CHILD_ARGUMENT) {
        return ExitCode::from(u8::try_from(polyyne_programs::child_main()).unwrap_or(1));
    }
    crate::cli::main()
}
