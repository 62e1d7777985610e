//! How commands end: the codes of sysexits(3).

use std::fmt;
use std::io;
use std::process::ExitCode;

/// An exit status; the numbers are those of `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// Answers differ, as `diff` and `cmp` end.
    Different = 1,
    /// `EX_USAGE`: bad arguments or a bad configuration.
    Usage = 64,
    /// `EX_DATAERR`: Kubernetes objects that are wrong.
    Data = 65,
    /// `EX_NOINPUT`: the configuration cannot be read.
    NoInput = 66,
    /// `EX_UNAVAILABLE`: no daemon answers, or the machine lacks something.
    Unavailable = 69,
    /// `EX_SOFTWARE`: an error in the program.
    Software = 70,
    /// `EX_OSERR`: the system refused something.
    System = 71,
    /// `EX_CANTCREAT`: a file cannot be made.
    CannotCreate = 73,
    /// `EX_IOERR`: reading or writing failed.
    Io = 74,
    /// `EX_PROTOCOL`: the daemon's answer is of another release.
    Protocol = 76,
    /// `EX_NOPERM`: this user may not.
    Permission = 77,
}

impl Exit {
    /// Whether a program that ended with `code` will end so again until somebody changes its configuration.
    pub(crate) fn is_configuration(code: i32) -> bool {
        [Self::Usage, Self::NoInput].map(|exit| exit as i32).contains(&code)
    }

    /// The code for a system error that has no better one.
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Permission,
            _ => Self::Io,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked: a code for programs, words for people.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The status to end with.
    pub exit: Exit,
    /// What went wrong; empty where everything has been said already.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure that `error` explains.
    pub(crate) fn new(exit: Exit, error: impl fmt::Display) -> Self {
        Self { exit, message: error.to_string(), hint: None }
    }

    /// A failure about which nothing is left to say.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self { exit, message: String::new(), hint: None }
    }

    /// The same with advice.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_sysexits() {
        let codes = [
            (Exit::Ok, 0),
            (Exit::Usage, 64),
            (Exit::Data, 65),
            (Exit::NoInput, 66),
            (Exit::Unavailable, 69),
            (Exit::Software, 70),
            (Exit::System, 71),
            (Exit::CannotCreate, 73),
            (Exit::Io, 74),
            (Exit::Protocol, 76),
            (Exit::Permission, 77),
        ];
        for (exit, code) in codes {
            assert_eq!(exit as u8, code);
        }
        assert!(Exit::is_configuration(64) && Exit::is_configuration(66) && !Exit::is_configuration(70));
    }

    #[test]
    fn a_hint_has_its_own_line() {
        let failure = Failure::new(Exit::Unavailable, "nobody there").hint("start it");
        assert_eq!(failure.to_string(), "nobody there\nhint: start it");
    }
}
