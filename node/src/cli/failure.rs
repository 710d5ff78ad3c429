//! What a failed command tells: what happened, to what, what to do next, and an exit code to decide by.

use std::fmt::Display;
use std::process::ExitCode;

use polyyne_protocol::client::ClientError;
pub use polyyne_protocol::request::Exit;
use polyyne_protocol::request::Refusal;

/// A failed command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    pub what: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, what: impl Display) -> Self {
        Self { exit, what: what.to_string(), remedy: None }
    }
    pub fn failed(what: impl Display) -> Self {
        Self::new(Exit::Failed, what)
    }
    pub fn usage(what: impl Display) -> Self {
        Self::new(Exit::Usage, what)
    }
    pub fn refused(what: impl Display) -> Self {
        Self::new(Exit::Refused, what)
    }
    pub fn unreachable(what: impl Display) -> Self {
        Self::new(Exit::Unreachable, what)
    }
    pub fn aborted(what: impl Display) -> Self {
        Self::new(Exit::Aborted, what)
    }

    #[must_use]
    pub fn remedy(mut self, remedy: impl Display) -> Self {
        self.remedy = Some(remedy.to_string());
        self
    }

    /// Says it on standard error and gives the exit code.
    pub fn report(&self) -> ExitCode {
        use std::io::Write as _;
        let mut stderr = std::io::stderr().lock();
        let _ = writeln!(stderr, "error: {}", self.what);
        if let Some(remedy) = &self.remedy {
            let _ = writeln!(stderr, "  next: {remedy}");
        }
        ExitCode::from(self.exit.code())
    }
}

/// An error of this machine (file, socket, key) on the way to something.
pub trait Context<T> {
    /// Makes it a failure that says what was being done.
    ///
    /// # Errors
    /// If there was one.
    fn or_failed(self, doing: impl Display) -> Result<T, Failure>;
}

impl<T, E: Display> Context<T> for Result<T, E> {
    fn or_failed(self, doing: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::failed(format!("{doing}: {error}")))
    }
}

impl From<crate::data_dir::DataDirError> for Failure {
    fn from(error: crate::data_dir::DataDirError) -> Self {
        Self::failed(error)
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::usage(error)
    }
}

impl From<crate::federation::peers_file::PeersError> for Failure {
    fn from(error: crate::federation::peers_file::PeersError) -> Self {
        Self::usage(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, cause, remedy } = refusal.tamed();
        Self { exit: code.exit(), what: cause, remedy: Some(remedy).filter(|remedy| !remedy.is_empty()) }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let remedy = Some(error.remedy().to_owned()).filter(|remedy| !remedy.is_empty());
        // a refusal's own text has its remedy in it
        let what = match &error {
            ClientError::Refused { member, refusal } => {
                format!("member {} refuses: {}", member.peer_id(), refusal.cause)
            }
            error => error.to_string(),
        };
        Self { exit: error.exit(), what, remedy }
    }
}
