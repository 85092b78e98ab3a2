//! What a command may end with: a message, a hint, and the exit code that scripts rely on.

use std::fmt;
use std::io;
use std::path::Path;

/// Why a command failed, by who or what is to blame. Each kind has one exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// Bad usage or configuration.
    Usage,
    /// This home is not enrolled, or the named person or server is not known.
    NotEnrolled,
    /// Some of the files failed.
    Partial,
    /// The server did not answer, or does not any more.
    NoAnswer,
    /// The server refused.
    Refused,
    /// A local disk problem.
    Disk,
    /// The person at the keyboard ended it.
    Interrupted,
    /// Something that came from the other side did not pass its checks.
    Verification,
    /// dpex itself, or the system below it, did what it never should.
    Internal,
    /// Whoever read our output stopped reading. Not worth a message.
    OutputClosed,
}

impl Blame {
    /// The exit code, as the manual lists them.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Internal | Self::Partial => 1,
            Self::Usage => 2,
            Self::NotEnrolled => 3,
            Self::NoAnswer => 4,
            Self::Refused => 5,
            Self::Disk => 6,
            Self::Verification => 7,
            Self::Interrupted => 130,
        }
    }
}

/// A failed command: one line on what failed and why, and a second on what to do next.
#[derive(Debug)]
pub(crate) struct CliError {
    blame: Blame,
    message: String,
    hint: Option<String>,
}

/// What every command returns.
pub(crate) type CliResult<T = ()> = Result<T, CliError>;

impl CliError {
    /// A failure of the given kind.
    pub(crate) fn new(blame: Blame, message: impl Into<String>) -> Self {
        Self { blame, message: message.into(), hint: None }
    }

    /// Bad usage or configuration.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Blame::Usage, message)
    }

    /// Not enrolled, or nobody of that name is known.
    pub(crate) fn not_enrolled(message: impl Into<String>) -> Self {
        Self::new(Blame::NotEnrolled, message)
    }

    /// A file operation failed: `doing` says which, as in "write".
    pub(crate) fn disk(doing: &str, path: &Path, error: &io::Error) -> Self {
        let failure = Self::new(Blame::Disk, format!("failed to {doing} {}: {}", path.display(), reason(error)));
        match error.kind() {
            io::ErrorKind::PermissionDenied => {
                failure.hint("check who owns the folder, or choose another home with --home DIR")
            }
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                failure.hint("a file is where a folder should be; move it, or choose another home with --home DIR")
            }
            io::ErrorKind::StorageFull => failure.hint("free some space and run the same command again"),
            io::ErrorKind::ReadOnlyFilesystem => failure.hint("choose a home on a writable disk with --home DIR"),
            _ => failure,
        }
    }

    /// Adds what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says in what larger undertaking it failed: `failed to add x: ` and the message.
    pub(crate) fn while_trying(mut self, doing: &str) -> Self {
        self.message = format!("failed to {doing}: {}", self.message);
        self
    }

    /// Whose fault it is.
    pub(crate) fn blame(&self) -> Blame {
        self.blame
    }

    /// What failed and why: one line, without the word `error`.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What to do next. Every failure has something.
    pub(crate) fn hint_text(&self) -> &str {
        self.hint.as_deref().unwrap_or(match self.blame {
            Blame::Usage => "`dpex --help` lists the commands, and `dpex config` the settings",
            Blame::NotEnrolled => "run `dpex client init`, and send what it prints to the person who runs the server",
            Blame::Disk => "check the path, its modes and the disk, then run the same command again",
            Blame::Verification => "ask whoever sent it to send it again",
            Blame::Partial => "the lines above say which and why",
            Blame::NoAnswer => {
                "check that the server runs and that this computer is connected, then run the command again"
            }
            Blame::Refused => "`dpex client ls` lists what is on offer",
            Blame::Interrupted => "run the same command again",
            Blame::Internal | Blame::OutputClosed => {
                "run the same command again, and please report it if it fails again"
            }
        })
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CliError {}

/// The system's reason as a lower-case fragment, without the error number.
pub(crate) fn reason(error: &io::Error) -> String {
    // A text that somebody chose says more than its kind.
    if error.get_ref().is_some() {
        return error.to_string();
    }
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::StorageFull => "the disk is full".into(),
        io::ErrorKind::ReadOnlyFilesystem => "the disk is read-only".into(),
        io::ErrorKind::NotADirectory => "not a folder".into(),
        io::ErrorKind::AlreadyExists => "something of that name is there already".into(),
        io::ErrorKind::IsADirectory => "it is a folder".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_keeps_its_exit_code() {
        let kinds = [
            (Blame::Partial, 1),
            (Blame::Usage, 2),
            (Blame::NotEnrolled, 3),
            (Blame::NoAnswer, 4),
            (Blame::Refused, 5),
            (Blame::Disk, 6),
            (Blame::Verification, 7),
            (Blame::Interrupted, 130),
        ];
        for (blame, code) in kinds {
            assert_eq!(blame.exit_code(), code, "{blame:?}");
        }
    }

    #[test]
    fn a_disk_problem_names_the_act_the_place_and_the_reason() {
        let error = CliError::disk("write", Path::new("/h/x"), &io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(error.message(), "failed to write /h/x: permission denied");
        assert!(error.hint_text().contains("--home"));
    }
}
