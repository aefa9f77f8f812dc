//! Accounts over the wire: getting in, staying in, being put out.

use std::time::Duration;

use serde_json::{Value, json};
use shopclerk::clock::Clock;
use shopclerk::staff::{Role, Scope};
use shopclerk::web::Settings;

use super::site::{Answer, Site, roomy, site, site_at};

const NOW: u64 = 1_700_000_000_000;
const PASSWORD: &str = "correct horse battery";

/// The session's id out of `Set-Cookie`, whose attributes are checked.
fn cookie_of(answer: &Answer) -> String {
    let header = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {answer:?}"));
    let (pair, attributes) = header.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Max-Age=604800; Secure; HttpOnly; SameSite=Strict");
    let (name, value) = pair.split_once('=').unwrap();
    assert_eq!((name, value.len()), ("__Host-shopclerk", 64));
    value.to_owned()
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
}

async fn set_up(site: &Site) -> String {
    let link = site.staff.accounts.setup_link().unwrap().unwrap();
    let body = json!({"token": link.token, "name": "anna", "display": "Anna", "password": PASSWORD});
    let answer = site.page("POST", "/v1/staff/setup", "", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    cookie_of(&answer)
}

async fn login(site: &Site, body: Value) -> Answer {
    site.page("POST", "/v1/staff/login", "", &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_first_link_to_a_colleague_and_out_again() {
    let site = site_at(roomy(), Clock::manual(NOW)).await;
    let door = site.get("/v1/staff/door", None).await.json();
    assert_eq!(door, json!({"setup": true, "shop": site.desk.playbook().shop().profile.name}));
    let anna = set_up(&site).await;
    assert_eq!(site.get("/v1/staff/door", None).await.json()["setup"], false);
    let me = site.page("GET", "/v1/staff/me", &anna, &Value::Null).await;
    assert_eq!(
        me.json(),
        json!({"name": "anna", "display": "Anna", "role": "admin", "totp": false, "recovery_left": 0,
               "expires_at": NOW + 7 * 86_400_000})
    );
    assert_eq!(me.header("cache-control"), Some("no-store"));
    let body = json!({"name": "bob", "display": "Bob", "role": "agent"});
    let invited = site.page("POST", "/v1/staff/agents", &anna, &body).await;
    assert_eq!(invited.status, 201, "{invited:?}");
    assert_eq!(invited.json()["agent"]["state"], "invited");
    let link = invited.json()["link"].as_str().unwrap().to_owned();
    let token = link.strip_prefix("/dashboard/#invite=").unwrap();
    let check = site.page("POST", "/v1/staff/invite/check", "", &json!({"token": token})).await;
    assert_eq!(check.json(), json!({"kind": "invite", "name": "bob", "display": "Bob", "role": "agent"}));
    let short = json!({"token": token, "password": "short"});
    assert_eq!(code(&site.page("POST", "/v1/staff/invite", "", &short).await), (400, "bad_password".into()));
    let accept = json!({"token": token, "password": "another fine password"});
    let bob = cookie_of(&site.page("POST", "/v1/staff/invite", "", &accept).await);
    let used = site.page("POST", "/v1/staff/invite", "", &accept).await;
    assert_eq!(code(&used), (404, "link_invalid".into()));
    assert_eq!(site.page("GET", "/v1/staff/keys", &bob, &Value::Null).await.status, 403);
    let out = site.page("POST", "/v1/staff/logout", &bob, &Value::Null).await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").unwrap().starts_with("__Host-shopclerk=; Path=/; Max-Age=0;"));
    assert_eq!(site.page("GET", "/v1/staff/me", &bob, &Value::Null).await.status, 401);
    let audit = site.page("GET", "/v1/staff/audit", &anna, &Value::Null).await.json();
    let words: Vec<&str> =
        audit["entries"].as_array().unwrap().iter().map(|e| e["what"].as_str().unwrap()).collect();
    assert_eq!(words, ["logout", "invite_accepted", "agent_invited", "set_up"]);
    assert_eq!(audit["entries"][2]["on"], "bob");
    assert!(!audit.to_string().contains(token) && !audit.to_string().contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_name_and_a_wrong_password_look_the_same() {
    let site = site_at(roomy(), Clock::manual(NOW)).await;
    set_up(&site).await;
    let wrong = login(&site, json!({"name": "anna", "password": "wrong horse battery"})).await;
    let nobody = login(&site, json!({"name": "nobody", "password": PASSWORD})).await;
    assert_eq!(code(&wrong), (401, "login_failed".into()));
    assert_eq!(wrong.body, nobody.body);
    assert_eq!(wrong.header("set-cookie"), None);
    let right = login(&site, json!({"name": " Anna ", "password": PASSWORD})).await;
    assert_eq!(right.status, 200, "{right:?}");
    let sessions = site.page("GET", "/v1/staff/sessions", &cookie_of(&right), &Value::Null).await.json();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 2);
    assert_eq!(sessions["sessions"][0]["agent"], "a browser");
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_throttled_for_an_account_and_for_an_address() {
    let site = site(Settings { logins_per_minute: 3, ..roomy() }).await;
    site.enter("anna", Role::Admin);
    let guess = |n: usize| json!({"name": "anna", "password": format!("guess number {n}")});
    let mut codes = Vec::new();
    for n in 0..5 {
        codes.push(login(&site, guess(n)).await.status);
    }
    assert_eq!(codes, [401, 401, 401, 429, 429]);
    let late = login(&site, guess(9)).await;
    assert!(late.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_over_the_wire() {
    let clock = Clock::manual(NOW);
    let site = site_at(roomy(), clock.clone()).await;
    let anna = set_up(&site).await;
    let wrong = json!({"password": "not the password"});
    assert_eq!(
        code(&site.page("POST", "/v1/staff/totp", &anna, &wrong).await),
        (401, "password_wrong".into())
    );
    let begun = site.page("POST", "/v1/staff/totp", &anna, &json!({"password": PASSWORD})).await.json();
    assert!(begun["qr"].as_str().unwrap().contains("<svg"));
    let app = || {
        let secret =
            totp_rs::Secret::Encoded(begun["secret"].as_str().unwrap().to_owned()).to_bytes().unwrap();
        let totp =
            totp_rs::TOTP::new_unchecked(totp_rs::Algorithm::SHA1, 6, 1, 30, secret, None, String::new());
        totp.generate(clock.now() / 1000)
    };
    let confirmed = site.page("PUT", "/v1/staff/totp", &anna, &json!({"code": app()})).await.json();
    let recovery = confirmed["recovery"].as_array().unwrap().clone();
    assert_eq!(recovery.len(), 10);
    let right = json!({"name": "anna", "password": PASSWORD});
    let with = |code: &str| json!({"name": "anna", "password": PASSWORD, "code": code});
    assert_eq!(code(&login(&site, right.clone()).await), (401, "code_required".into()));
    assert_eq!(code(&login(&site, with(&app())).await), (401, "code_wrong".into()), "used to confirm");
    clock.advance(Duration::from_secs(30));
    assert_eq!(login(&site, with(&app())).await.status, 200);
    assert_eq!(code(&login(&site, with(&app())).await), (401, "code_wrong".into()), "replayed");
    assert_eq!(login(&site, with(recovery[0].as_str().unwrap())).await.status, 200);
    let me = site.page("GET", "/v1/staff/me", &anna, &Value::Null).await.json();
    assert_eq!((&me["totp"], &me["recovery_left"]), (&json!(true), &json!(9)));
    assert_eq!(
        site.page("DELETE", "/v1/staff/totp", &anna, &json!({"password": PASSWORD})).await.status,
        204
    );
    assert_eq!(login(&site, right).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_page_cannot_act_with_the_cookie() {
    let site = site(roomy()).await;
    let anna = site.enter("anna", Role::Admin);
    let forge = |origin: &str, mark: &str| {
        format!(
            "POST /v1/staff/sessions HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\n{mark}Cookie: __Host-shopclerk={anna}\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n",
            site.address
        )
        .replacen("POST /v1/staff/sessions", "DELETE /v1/staff/sessions", 1)
    };
    let own = site.origin();
    for (origin, mark) in
        [(own.as_str(), ""), ("https://evil.example", "X-Shopclerk: 1\r\n"), ("null", "X-Shopclerk: 1\r\n")]
    {
        let answer = site.raw(&forge(origin, mark)).await;
        assert_eq!(code(&answer), (403, "csrf".into()), "{origin} {mark}");
    }
    assert_eq!(site.raw(&forge(&own, "X-Shopclerk: 1\r\n")).await.status, 204);
    // Nor can it log somebody in as somebody else.
    let login = format!(
        "POST /v1/staff/login HTTP/1.1\r\nHost: {}\r\nOrigin: https://evil.example\r\nX-Shopclerk: 1\r\n\
         Content-Length: 2\r\nConnection: close\r\n\r\n{{}}",
        site.address
    );
    assert_eq!(code(&site.raw(&login).await), (403, "csrf".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_one_socket_of_its_session() {
    let site = site(roomy()).await;
    let (anna, bob) = (site.enter("anna", Role::Admin), site.enter("bob", Role::Agent));
    let mut socket = site.seated(&anna).await;
    socket.send(&json!({"t": "hello", "resume": []})).await;
    socket.until("welcome").await;
    let ticket = async |cookie: &str| {
        let answer = site.page("POST", "/v1/staff/ticket", cookie, &Value::Null).await;
        answer.json()["ticket"].as_str().unwrap().to_owned()
    };
    let try_open = async |cookie: &str, ticket: &str, origin: String| {
        let protocol = format!("shopclerk.v1, ticket.{ticket}");
        let cookie = format!("__Host-shopclerk={cookie}");
        let headers = [("Origin", origin), ("Cookie", cookie), ("Sec-WebSocket-Protocol", protocol)];
        site.upgrade(&headers).await.err()
    };
    assert_eq!(try_open(&anna, "", site.origin()).await, Some(403), "no ticket");
    let once = ticket(&anna).await;
    assert_eq!(try_open(&anna, &once, site.origin()).await, None);
    assert_eq!(try_open(&anna, &once, site.origin()).await, Some(403), "used");
    assert_eq!(try_open(&bob, &ticket(&anna).await, site.origin()).await, Some(403), "another's");
    assert_eq!(try_open(&anna, &ticket(&anna).await, "https://evil.example".into()).await, Some(403));
    assert_eq!(try_open("guess", &ticket(&anna).await, site.origin()).await, Some(401));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_put_out_loses_the_socket_at_once() {
    let site = site(roomy()).await;
    let anna = set_up(&site).await;
    let mut own = site.agent(&anna).await;
    let body = json!({"old": PASSWORD, "new": "an even better password"});
    let changed = site.page("POST", "/v1/staff/password", &anna, &body).await;
    assert_eq!(own.end().await, 4001, "a new password");
    assert_eq!(site.page("GET", "/v1/staff/me", &anna, &Value::Null).await.status, 401);
    let anna = cookie_of(&changed);
    for (n, what) in ["remove", "reset", "role", "logout", "command line"].into_iter().enumerate() {
        let name = format!("bob-{n}");
        let cookie = site.enter(&name, Role::Agent);
        let mut socket = site.agent(&cookie).await;
        let path = format!("/v1/staff/agents/{name}");
        match what {
            "remove" => drop(site.page("DELETE", &path, &anna, &Value::Null).await),
            "reset" => drop(site.page("POST", &format!("{path}/reset"), &anna, &Value::Null).await),
            "role" => drop(site.page("PATCH", &path, &anna, &json!({"role": "admin"})).await),
            "logout" => drop(site.page("POST", "/v1/staff/logout", &cookie, &Value::Null).await),
            _ => {
                // Another process on the same folder.
                let other = shopclerk::staff::Accounts::open(&site.staff_folder(), Clock::System).unwrap();
                other.reset(&name).unwrap();
            }
        }
        let code = if matches!(what, "remove" | "role") { 4003 } else { 4001 };
        assert_eq!(socket.end().await, code, "{what}");
    }
    let (key, secret) = site.staff.accounts.make_key("k", &[Scope::Read], "anna").unwrap();
    let headers = [
        ("Authorization", format!("Bearer {secret}")),
        ("Sec-WebSocket-Protocol", "shopclerk.v1".to_owned()),
    ];
    let mut socket = site.upgrade(&headers).await.unwrap();
    socket.send(&json!({"t": "hello", "resume": []})).await;
    socket.until("welcome").await;
    let ended = site.page("DELETE", &format!("/v1/staff/keys/{}", key.id), &anna, &Value::Null).await;
    assert_eq!(ended.status, 204);
    assert_eq!(socket.end().await, 4001, "key");
}
