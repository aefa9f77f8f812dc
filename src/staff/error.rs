//! What can go wrong with accounts and what belongs to them, each with a stable code and the fix.

use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StaffError {
    #[error("a name is 2 to 32 characters of a-z, 0-9, dot, dash and underscore, and begins with a letter")]
    BadName,
    #[error("a display name is 1 to 64 characters")]
    BadDisplay,
    #[error("a password is 10 to 256 characters and not the name itself; four random words are a good one")]
    BadPassword,
    #[error("this name is or was somebody else's; choose another")]
    NameTaken,
    #[error("this link was used, is too old or was replaced; ask for a new one")]
    LinkInvalid,
    #[error("this is the last admin; make somebody else admin first")]
    LastAdmin,
    #[error("there is no account of this name")]
    NoSuchAccount,
    #[error("there is no such key")]
    NoSuchKey,
    #[error("the name or the password is wrong")]
    LoginFailed,
    #[error("the password is wrong")]
    PasswordWrong,
    #[error("send the code of your authenticator app, or a recovery code, as well")]
    CodeRequired,
    #[error("the code is wrong or was used before; wait for the next one")]
    CodeWrong,
    #[error("begin with POST /v1/staff/totp, then confirm with a code")]
    TotpNotBegun,
    #[error("too many people log in just now; try again in a moment")]
    Busy,
    #[error("a key has a name of 1 to 64 characters and at least one scope")]
    BadKey,
    #[error("{what}: there are {limit} already; remove one first")]
    TooMany { what: &'static str, limit: usize },
    #[error(
        "a shortcut is 1 to 32 of a-z, 0-9, dash and underscore; a title 1 to 100 characters, a text 1 to 4,000"
    )]
    BadCanned,
    #[error("another canned reply has this shortcut")]
    ShortcutTaken,
    #[error("there is no such canned reply")]
    NoSuchCanned,
    #[error("hours are at most 200 characters; at most 50 hand-off words of 2 to 40 characters each")]
    BadSettings,
    #[error("{0}")]
    BadShop(String),
    #[error("the search could not be understood: 1 to 200 characters with at least one letter or digit")]
    BadQuery,
    #[error(
        "from and to are days like 2026-11-01, both inclusive and at most 400; offset is minutes east of UTC, in quarters of an hour"
    )]
    BadSpan,
    #[error("search: {0}; it is rebuilt if its folder is removed and shopclerk restarted")]
    Search(String),
    #[error("{}: {fault}; check that this user may write there and that the disk is healthy and not full", .place.display())]
    Io { place: PathBuf, fault: String },
    #[error("{}: {what}; restore it from a backup, or move it away to start without accounts", .place.display())]
    Damaged { place: PathBuf, what: String },
    #[error("{}: written by a newer shopclerk (format {found}, this one reads up to {known}); start that version", .place.display())]
    Newer { place: PathBuf, found: u32, known: u32 },
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

impl StaffError {
    /// The stable code a client or a script sees.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadName => "bad_name",
            Self::BadDisplay => "bad_display",
            Self::BadPassword => "bad_password",
            Self::NameTaken => "name_taken",
            Self::LinkInvalid => "link_invalid",
            Self::LastAdmin => "last_admin",
            Self::NoSuchAccount | Self::NoSuchKey | Self::NoSuchCanned => "not_found",
            Self::LoginFailed => "login_failed",
            Self::PasswordWrong => "password_wrong",
            Self::CodeRequired => "code_required",
            Self::CodeWrong => "code_wrong",
            Self::TotpNotBegun => "totp_not_begun",
            Self::Busy => "busy",
            Self::BadKey => "bad_key",
            Self::TooMany { .. } => "too_many",
            Self::BadCanned => "bad_canned",
            Self::ShortcutTaken => "shortcut_taken",
            Self::BadSettings => "bad_settings",
            Self::BadShop(_) => "bad_settings",
            Self::BadQuery => "bad_search",
            Self::BadSpan => "bad_span",
            Self::Search(_) => "search_failed",
            Self::Io { .. } => "staff_io",
            Self::Damaged { .. } => "staff_damaged",
            Self::Newer { .. } => "staff_newer",
            Self::Store(fault) => fault.code(),
        }
    }

    pub(crate) fn io(place: &Path, fault: &std::io::Error) -> Self {
        Self::Io { place: place.to_owned(), fault: fault.to_string() }
    }
}
