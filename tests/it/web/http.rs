//! Each route's status and body, and the headers every answer carries.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use shopclerk::clock::Clock;
use shopclerk::web::Settings;

use super::site::{API_KEY, roomy, site, site_at};

/// `body` with what changes from run to run replaced by its kind.
fn masked(mut body: Value) -> Value {
    if let Some(map) = body.as_object_mut() {
        for (key, value) in map.iter_mut() {
            if matches!(key.as_str(), "shopper" | "conversation" | "token" | "expires_at" | "id") {
                *value = json!(format!("<{key}>"));
            }
        }
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_as_written() {
    let site = site(roomy()).await;
    let error = |code: &str, message: &str| json!({"error": {"code": code, "message": message}});
    let session = json!({
        "shopper": "<shopper>", "conversation": "<conversation>", "token": "<token>",
        "expires_at": "<expires_at>", "verified": false,
    });
    let needs =
        error("unauthorized", "this needs a token: POST /v1/shopper/session gives one, or use an API key");
    let nothing = error("not_found", "there is nothing at this address");
    let bad_query = error("bad_query", "a parameter is missing, unknown or malformed");
    // Method, path, credential, body; status and body of the answer.
    type Case<'a> = (&'a str, &'a str, Option<&'a str>, &'a str, u16, Value);
    let cases: &[Case<'_>] = &[
        ("POST", "/v1/shopper/session", None, "", 200, session.clone()),
        ("POST", "/v1/shopper/session", None, "{}", 200, session.clone()),
        (
            "POST",
            "/v1/shopper/session",
            None,
            "{",
            400,
            error("bad_body", "the body is not JSON (line 1, column 1)"),
        ),
        (
            "POST",
            "/v1/shopper/session",
            None,
            "[null]",
            400,
            error("bad_body", "the body is not a JSON object"),
        ),
        (
            "POST",
            "/v1/shopper/session",
            None,
            r#"{"admin":1}"#,
            400,
            error("bad_body", "a field is missing, unknown or of the wrong type (line 1, column 8)"),
        ),
        (
            "POST",
            "/v1/shopper/session",
            None,
            r#"{"identity":"x"}"#,
            401,
            error(
                "identity_not_configured",
                "this server has no `web.identity_secrets`; set one, or leave `identity` out",
            ),
        ),
        (
            "POST",
            "/v1/shopper/session",
            Some("forged"),
            "",
            401,
            error("token_invalid", "the token is not one of this server's; ask for a new session"),
        ),
        (
            "GET",
            "/v1/shopper/session",
            None,
            "",
            405,
            error("method_not_allowed", "GET is not possible here"),
        ),
        ("GET", "/v1/shopper/history?conv=x", None, "", 400, bad_query.clone()),
        ("GET", "/v1/shopper/look?color=red", None, "", 400, bad_query),
        (
            "GET",
            "/v1/shopper/history?conv=01890a5d-ac96-774b-bcce-b302099a8057",
            None,
            "",
            401,
            needs.clone(),
        ),
        ("GET", "/healthz", None, "", 200, Value::Null),
        (
            "GET",
            "/readyz",
            None,
            "",
            200,
            json!({"ready": true, "model": true, "store": true, "draining": false}),
        ),
        ("GET", "/metrics", None, "", 404, error("no_metrics", "this server was started without metrics")),
        (
            "GET",
            "/v1/models",
            Some(API_KEY),
            "",
            200,
            json!({"object": "list", "data": [
                {"id": "scripted", "object": "model", "created": 0, "owned_by": "shopclerk"},
            ]}),
        ),
        ("GET", "/nothing", None, "", 404, nothing.clone()),
        ("GET", "/v1/../etc/passwd", None, "", 404, nothing.clone()),
        ("POST", "/", None, "", 405, error("method_not_allowed", "POST is not possible here")),
        (
            "GET",
            "/v1/ws",
            None,
            "",
            400,
            error("subprotocol_required", "ask for the subprotocol `shopclerk.v1` in Sec-WebSocket-Protocol"),
        ),
    ];
    for (method, path, token, body, status, expected) in cases {
        let answer = site.request(method, path, *token, body).await;
        assert_eq!(answer.status, *status, "{method} {path}: {answer:?}");
        if !expected.is_null() {
            assert_eq!(masked(answer.json()), *expected, "{method} {path}");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{method} {path}");
        assert!(answer.header("content-security-policy").is_some_and(|p| p.contains("default-src 'none'")));
        assert_eq!(answer.header("referrer-policy"), Some("strict-origin-when-cross-origin"));
        assert!(answer.header("x-request-id").is_some_and(|id| id.len() == 32));
    }
    for (method, path, possible) in [
        ("GET", "/v1/shopper/session", "POST"),
        ("PATCH", "/v1/staff/canned", "GET, POST"),
        ("DELETE", "/dashboard/index.html", "GET, HEAD"),
    ] {
        let answer = site.request(method, path, None, "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(possible)), "{method} {path}");
    }
    let root = site.get("/", None).await;
    assert_eq!((root.status, root.header("location")), (302, Some("/demo/")));
    let document = site.get("/openapi.json", None).await.json();
    // Everything but pages and the socket is in the document, method by method.
    let plain = ["/healthz", "/readyz", "/metrics"];
    let documented = |path: &str| plain.contains(&path) || (path.starts_with("/v1/") && path != "/v1/ws");
    let mut paths: Vec<&str> = Vec::new();
    for route in shopclerk::web::routes::ROUTES.iter().filter(|route| documented(route.path)) {
        let entry = &document["paths"][route.path][route.method.to_lowercase()];
        assert!(entry.is_object(), "{} {} is not in the document", route.method, route.path);
        paths.push(route.path);
    }
    paths.sort_unstable();
    paths.dedup();
    let mut found: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    found.sort_unstable();
    assert_eq!(found, paths);
    let look = site.get("/v1/shopper/look?lang=zh-CN", None).await.json();
    for key in ["name", "assistant", "color", "greeting", "suggestions", "hours", "email", "language"] {
        assert!(!look[key].is_null(), "{key} in {look}");
    }
    let large = "x".repeat(17 * 1024);
    let answer = site.request("POST", "/v1/shopper/session", None, &large).await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (413, Some("body_too_large")));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_a_policy_without_holes() {
    let settings = Settings { origins: vec!["https://shop.example.com".into()], ..roomy() };
    let site = site(settings).await;
    for path in ["/widget/", "/demo/", "/dashboard/"] {
        let answer = site.get(path, None).await;
        let policy = answer.header("content-security-policy").unwrap().to_owned();
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(!policy.contains('*'), "{policy}");
        assert!(policy.contains("require-trusted-types-for 'script'"), "{policy}");
        assert!(policy.contains(&format!("ws://{}", site.address)), "{policy}");
    }
    let frame = site.get("/widget/", None).await;
    let policy = frame.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'self' https://shop.example.com;"), "{policy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_pages_begin_nothing() {
    let settings = Settings { origins: vec!["https://shop.example.com".into()], ..roomy() };
    let site = site(settings).await;
    let session = site.session().await;
    for (origin, post, socket) in [
        ("https://shop.example.com", 200, None),
        ("HTTPS://SHOP.example.com", 200, None),
        ("http://shop.example.com", 403, Some(403)),
        ("https://shop.example.com:444", 403, Some(403)),
        ("https://shop.example.com.evil.example", 403, Some(403)),
        ("https://evil.example", 403, Some(403)),
        ("null", 403, Some(403)),
    ] {
        let answer = site
            .raw(&format!(
                "POST /v1/shopper/session HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n",
                site.address
            ))
            .await;
        assert_eq!(answer.status, post, "{origin}: {answer:?}");
        assert_eq!(site.try_socket(&session.token, origin).await.err(), socket, "{origin}");
    }
    let bare = [("Sec-WebSocket-Protocol", format!("shopclerk.v1, token.{}", session.token))];
    assert_eq!(site.upgrade(&bare).await.err(), Some(403), "a shopper without an origin");
    drop(site.staff().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_renewed_and_run_out() {
    let clock = Clock::manual(1_700_000_000_000);
    let site = site_at(roomy(), clock.clone()).await;
    let first = site.session().await;
    let renewed = site.post("/v1/shopper/session", Some(&first.token), &json!({})).await.json();
    assert_eq!(renewed["conversation"], first.conv.as_str());
    let mut open = site.greeted(&first).await;
    open.until("welcome").await;
    clock.advance(std::time::Duration::from_secs(3_600));
    open.say(&first.conv, "still there?").await;
    assert_eq!(open.end().await, 4001, "an open socket");
    let mut late = site.socket(&first.token).await;
    assert_eq!(late.end().await, 4001, "a new socket");
    let path = format!("/v1/shopper/history?conv={}", first.conv);
    let answer = site.get(&path, Some(&first.token)).await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (401, Some("token_expired")));
    let renewed = site.post("/v1/shopper/session", Some(&first.token), &json!({})).await.json();
    assert_eq!(renewed["conversation"], first.conv.as_str(), "an expired token can be renewed");
    clock.advance(std::time::Duration::from_secs(31 * 86_400));
    let answer = site.post("/v1/shopper/session", Some(&first.token), &json!({})).await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (401, Some("token_expired")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_vouches_for_a_shopper() {
    let secret = "a secret of the shop with 32 bytes";
    let settings = Settings { identity_secrets: vec![secret.to_owned()], ..roomy() };
    let site = site(settings).await;
    let identity = |sub: &str| {
        let claims = json!({"sub": sub, "aud": "shopclerk", "exp": site.clock.now() / 1000 + 300});
        encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    };
    let mut sessions = Vec::new();
    for sub in ["customer-1", "customer-1", "customer-2"] {
        let answer = site.post("/v1/shopper/session", None, &json!({"identity": identity(sub)})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        sessions.push(answer.json());
    }
    assert_eq!(sessions[0]["verified"], true);
    assert_eq!(sessions[0]["conversation"], sessions[1]["conversation"], "another device finds the same");
    assert_ne!(sessions[0]["shopper"], sessions[2]["shopper"]);
    let forged = format!("{}x", identity("customer-1"));
    let answer = site.post("/v1/shopper/session", None, &json!({"identity": forged})).await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (401, Some("identity_invalid")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shops_word_lasts_a_day_however_often_the_session_is_renewed() {
    let secret = "a secret of the shop with 32 bytes";
    let settings = Settings { identity_secrets: vec![secret.to_owned()], ..roomy() };
    let clock = Clock::manual(1_700_000_000_000);
    let site = site_at(settings, clock.clone()).await;
    let identify = || {
        let claims = json!({"sub": "customer-1", "aud": "shopclerk", "exp": clock.now() / 1000 + 300});
        let key = EncodingKey::from_secret(secret.as_bytes());
        json!({"identity": encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()})
    };
    let mut session = site.post("/v1/shopper/session", None, &identify()).await.json();
    let first = session["conversation"].clone();
    let token = |session: &Value| session["token"].as_str().unwrap().to_owned();
    for _ in 0..11 {
        clock.advance(std::time::Duration::from_secs(2 * 3_600));
        session = site.post("/v1/shopper/session", Some(&token(&session)), &json!({})).await.json();
        assert_eq!((&session["verified"], &session["conversation"]), (&json!(true), &first));
    }
    clock.advance(std::time::Duration::from_secs(2 * 3_600));
    let answer = site.post("/v1/shopper/session", Some(&token(&session)), &json!({})).await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (401, Some("identity_needed")));
    let path = format!("/v1/shopper/history?conv={}", first.as_str().unwrap());
    assert_eq!(site.get(&path, Some(&token(&session))).await.status, 401);
    let again = site.post("/v1/shopper/session", Some(&token(&session)), &identify()).await.json();
    assert_eq!((&again["verified"], &again["conversation"]), (&json!(true), &first));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_say_when_to_come_back() {
    let settings = Settings {
        sessions_per_minute: 2,
        upgrades_per_minute: 4,
        sockets_per_address: 2,
        requests_per_minute: 40,
        ..roomy()
    };
    let site = site(settings).await;
    let session = site.session().await;
    site.session().await;
    let answer = site.post("/v1/shopper/session", None, &json!({})).await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (429, Some("rate_limited")));
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    let first = site.socket(&session.token).await;
    let _second = site.socket(&session.token).await;
    assert_eq!(site.try_socket(&session.token, &site.origin()).await.err(), Some(429), "a third socket");
    drop(first);
    assert_eq!(site.try_socket(&session.token, "null").await.err(), Some(403));
    assert_eq!(site.try_socket(&session.token, &site.origin()).await.err(), Some(429), "a fifth upgrade");
    let mut last = 0;
    for _ in 0..60 {
        last = site.get("/healthz", None).await.status;
    }
    assert_eq!(last, 429);
}
