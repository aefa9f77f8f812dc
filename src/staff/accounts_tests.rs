use std::time::Duration;

use super::super::{From, Role, Scope, StaffError};
use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

struct Place {
    accounts: Accounts,
    clock: Clock,
    folder: tempfile::TempDir,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(1_700_000_000_000);
    Place { accounts: Accounts::open(folder.path(), clock.clone()).unwrap(), clock, folder }
}

/// A password's hash; what is in it does not matter here.
fn phc(text: &str) -> String {
    format!("$fake${text}")
}

impl Place {
    fn admin(&self) -> super::super::Entered {
        let link = self.accounts.setup_link().unwrap().unwrap();
        self.accounts.set_up(&link.token, ("anna", "Anna"), phc("a"), From::default()).unwrap()
    }

    fn agent(&self, name: &str) -> super::super::Entered {
        let link = self.accounts.invite(name, name, Role::Agent).unwrap();
        self.accounts.accept(&link.token, phc(name), From::default()).unwrap()
    }

    fn again(&self) -> Accounts {
        Accounts::open(self.folder.path(), self.clock.clone()).unwrap()
    }
}

#[test]
fn the_first_link_makes_one_admin_and_only_the_newest_one_works() {
    let place = place();
    let old = place.accounts.setup_link().unwrap().unwrap();
    let new = place.again().setup_link().unwrap().unwrap();
    let from = From::default;
    let set_up = |token: &str| place.accounts.set_up(token, ("anna", "Anna"), phc("a"), from());
    assert_eq!(set_up(&old.token), Err(StaffError::LinkInvalid), "replaced");
    assert_eq!(
        place.accounts.set_up(&new.token, ("Anna!", "Anna"), phc("a"), from()),
        Err(StaffError::BadName)
    );
    assert_eq!(place.accounts.set_up(&new.token, ("api", "Api"), phc("a"), from()), Err(StaffError::BadName));
    let entered = set_up(&new.token).unwrap();
    assert_eq!((entered.seat.name.as_str(), entered.seat.role), ("anna", Role::Admin));
    assert_eq!(set_up(&new.token), Err(StaffError::LinkInvalid), "used");
    assert_eq!(place.accounts.setup_link().unwrap(), None);
    let kept = fs_err::read_to_string(place.folder.path().join("accounts.json")).unwrap();
    assert!(!kept.contains(&new.token) && !kept.contains(&entered.token), "secrets are kept as hashes only");
}

#[test]
fn a_set_up_link_is_over_after_a_day() {
    let place = place();
    let link = place.accounts.setup_link().unwrap().unwrap();
    assert_eq!(link.expires_at - place.clock.now(), 24 * 3_600_000);
    place.clock.advance(24 * HOUR);
    let late = place.accounts.set_up(&link.token, ("anna", "Anna"), phc("a"), From::default());
    assert_eq!(late, Err(StaffError::LinkInvalid));
}

#[test]
fn a_session_ends_by_idleness_by_age_and_survives_a_restart() {
    let place = place();
    let token = place.admin().token;
    for _ in 0..3 {
        place.clock.advance(11 * HOUR);
        assert!(place.accounts.authenticate(&token).is_some(), "used within twelve hours");
    }
    place.accounts.tidy().unwrap();
    assert!(place.again().authenticate(&token).is_some(), "use is remembered");
    place.clock.advance(12 * HOUR);
    assert_eq!(place.accounts.authenticate(&token), None, "idle");
    let token = place.accounts.enter("anna", &phc("a"), None, From::default()).unwrap().token;
    for _ in 0..16 {
        place.clock.advance(10 * HOUR);
        assert!(place.accounts.authenticate(&token).is_some());
    }
    place.clock.advance(10 * HOUR);
    assert_eq!(place.accounts.authenticate(&token), None, "seven days");
    assert_eq!(place.accounts.authenticate("guess"), None);
}

#[test]
fn a_new_password_a_reset_and_a_removal_end_every_session() {
    let place = place();
    let first = place.admin().token;
    let bob = place.agent("bob").token;
    let second = place.accounts.enter("anna", &phc("a"), None, From::default()).unwrap().token;
    let changes = place.accounts.changes();
    assert_eq!(
        place.accounts.set_password("anna", &phc("stale"), phc("b"), From::default()),
        Err(StaffError::PasswordWrong)
    );
    let third = place.accounts.set_password("anna", &phc("a"), phc("b"), From::default()).unwrap().token;
    for (token, there) in [(&first, false), (&second, false), (&third, true), (&bob, true)] {
        assert_eq!(place.accounts.authenticate(token).is_some(), there);
    }
    assert!(changes.has_changed().unwrap(), "sockets are told");
    // Another process, as `shopclerk staff reset` is one.
    let link = place.again().reset("bob").unwrap();
    assert_eq!(place.accounts.authenticate(&bob), None);
    assert_eq!(place.accounts.enter("bob", &phc("bob"), None, From::default()), Err(StaffError::LoginFailed));
    let bob = place.accounts.accept(&link.token, phc("c"), From::default()).unwrap().token;
    assert!(place.accounts.authenticate(&bob).is_some());
    place.accounts.remove("bob").unwrap();
    assert_eq!(place.accounts.authenticate(&bob), None);
    assert_eq!(place.accounts.profile("bob"), None);
    assert_eq!(place.accounts.displays(), ["Anna", "bob"], "who left is still named in what was written");
    assert_eq!(
        place.accounts.invite("bob", "Bob", Role::Agent),
        Err(StaffError::NameTaken),
        "a name is one person's"
    );
}

#[test]
fn there_is_always_an_admin() {
    let place = place();
    place.admin();
    assert_eq!(place.accounts.remove("anna"), Err(StaffError::LastAdmin));
    assert_eq!(place.accounts.edit("anna", None, Some(Role::Agent)), Err(StaffError::LastAdmin));
    let link = place.accounts.invite("carl", "Carl", Role::Admin).unwrap();
    assert_eq!(place.accounts.remove("anna"), Err(StaffError::LastAdmin), "an invited one cannot log in yet");
    place.accounts.accept(&link.token, phc("c"), From::default()).unwrap();
    assert_eq!(place.accounts.edit("anna", Some("Anna B."), Some(Role::Agent)).unwrap().role, Role::Agent);
    assert_eq!(place.accounts.remove("carl"), Err(StaffError::LastAdmin));
}

#[test]
fn keys_have_scopes_and_end() {
    let place = place();
    assert_eq!(place.accounts.make_key("x", &[], "anna"), Err(StaffError::BadKey));
    let (key, secret) = place.accounts.make_key("Reports", &[Scope::Read, Scope::Read], "anna").unwrap();
    let grant = place.accounts.key(&secret).unwrap();
    assert_eq!((grant.id.as_str(), grant.scopes.as_slice()), (key.id.as_str(), [Scope::Read].as_slice()));
    assert_eq!(place.accounts.key("sk-guess"), None);
    assert_eq!(place.accounts.keys()[0].used_at, Some(place.clock.now()));
    place.accounts.tidy().unwrap();
    assert_eq!(place.again().keys()[0].used_at, Some(place.clock.now()));
    place.accounts.drop_key(&key.id).unwrap();
    assert_eq!(place.accounts.key(&secret), None);
}

#[test]
fn a_second_factor_is_asked_for_after_the_password() {
    let place = place();
    place.admin();
    assert_eq!(place.accounts.confirm_totp("anna", "000000"), Err(StaffError::TotpNotBegun));
    let enrolment = place.accounts.begin_totp("anna", "My: Shop").unwrap();
    assert!(enrolment.uri.starts_with("otpauth://totp/My%20%20Shop:anna?"), "{}", enrolment.uri);
    assert!(enrolment.qr.contains("<svg"), "a picture");
    let enter = |code: Option<&String>| {
        place.accounts.enter("anna", &phc("a"), code.map(String::as_str), From::default())
    };
    assert!(enter(None).is_ok(), "not on before it is confirmed");
    let app = |ahead: u64| {
        let secret = totp_rs::Secret::Encoded(enrolment.secret.clone()).to_bytes().unwrap();
        let totp =
            totp_rs::TOTP::new_unchecked(totp_rs::Algorithm::SHA1, 6, 1, 30, secret, None, String::new());
        totp.generate(place.clock.now() / 1000 + ahead)
    };
    let recovery = place.accounts.confirm_totp("anna", &app(0)).unwrap();
    assert_eq!(enter(None), Err(StaffError::CodeRequired));
    let (used, next) = (app(0), app(30));
    assert_eq!(enter(Some(&used)), Err(StaffError::CodeWrong), "the code that confirmed it was used");
    assert!(enter(Some(&next)).is_ok());
    assert!(enter(Some(&recovery[0])).is_ok());
    assert_eq!(place.accounts.profile("anna").unwrap().recovery_left, 9);
    place.accounts.end_totp("anna").unwrap();
    assert!(enter(None).is_ok());
}
