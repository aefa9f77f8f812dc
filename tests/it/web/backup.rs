//! A backup taken while shoppers write, as a download and by the command line's way, and what is made of it.

use serde_json::{Value, json};
use shopclerk::clock::Clock;
use shopclerk::domain::{ConvId, Event};
use shopclerk::keep::{asked, backup};
use shopclerk::staff::{Accounts, Audit, Role, ShopSettings};
use shopclerk::store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::site::{PATIENCE, Site, roomy, site};
use crate::adapters::made::Made;

/// The bytes of the download.
async fn download(site: &Site, cookie: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let request = format!(
        "GET /v1/staff/backup HTTP/1.1\r\nHost: {}\r\nCookie: __Host-shopclerk={cookie}\r\nX-Shopclerk: 1\r\n\
         Sec-Fetch-Site: same-origin\r\nConnection: close\r\n\r\n",
        site.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    (String::from_utf8_lossy(&answer[..end]).into_owned(), answer[end + 4..].to_vec())
}

fn events(store: &Store, conv: &str) -> Vec<Event> {
    let conv: ConvId = conv.parse().unwrap();
    store.events(conv, 0, usize::MAX).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_taken_while_shoppers_write_and_restored() {
    let site = site(roomy()).await;
    let admin = site.enter("ann", Role::Admin);
    let made = Made::new();
    let registry = shopclerk::model::adapters::Registry::new(site.folder().join("adapters"), Vec::new());
    registry.publish(&made.peft(), made.manifest("shop")).unwrap();
    let run = site.folder().join("runs/r1");
    fs_err::create_dir_all(run.join("checkpoints")).unwrap();
    fs_err::write(run.join("rows.jsonl"), "{}\n").unwrap();
    fs_err::write(run.join("checkpoints/step"), "large").unwrap();
    site.page("PUT", "/v1/staff/shop", &admin, &json!({"retention_days": 77})).await;
    let session = site.session().await;
    site.says(&session.conv, "Before the backup [[raw]]Yes[[end]]").await;
    let before = events(&site.store, &session.conv);
    let writing = async {
        for n in 0..50 {
            site.says(&session.conv, &format!("meanwhile {n}")).await;
        }
    };
    let ((head, tar), ()) = tokio::join!(download(&site, &admin), writing);
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/x-tar"), "{head}");
    assert!(head.contains("attachment; filename=\"shopclerk-"), "{head}");
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("backup.tar");
    fs_err::write(&file, &tar).unwrap();
    let contents = backup::check(&file).unwrap();
    assert_eq!((contents.conversations, contents.holes), (1, 0));
    let named = |name: &str| contents.files.contains_key(name);
    for name in
        ["store.ndjson", "staff/accounts.json", "staff/shop.json", "staff/audit.jsonl", "runs/r1/rows.jsonl"]
    {
        assert!(named(name), "{name}: {:?}", contents.files.keys());
    }
    assert!(named("adapters/shop/1/manifest.json") && named("adapters/shop/1/adapter_model.safetensors"));
    assert!(
        !contents
            .files
            .keys()
            .any(|name| name.contains("checkpoints") || name.contains("search") || name.ends_with(".lock"))
    );
    let left: Vec<String> = fs_err::read_dir(site.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(".download"))
        .collect();
    assert_eq!(left, Vec::<String>::new(), "nothing is left of the download");

    let data = home.path().join("data");
    let settings = crate::store::settings();
    let restored = backup::restore(&file, &data, &settings, Clock::System).await.unwrap();
    assert_eq!(restored, contents);
    let store = Store::open(&data.join("store"), &settings, Clock::System).unwrap();
    let after = events(&store, &session.conv);
    assert_eq!(after[..before.len()], before, "what was there is there");
    assert_eq!(
        after,
        events(&site.store, &session.conv)[..after.len()],
        "and what came meanwhile has no gap"
    );
    assert_eq!(store.verify(&|_, _, _| {}).unwrap().faults, []);
    store.close().await;
    let staff = data.join("staff");
    assert!(Accounts::open(&staff, Clock::System).unwrap().profile("ann").is_some());
    let shop: ShopSettings = serde_json::from_value({
        let mut kept: Value =
            serde_json::from_str(&fs_err::read_to_string(staff.join("shop.json")).unwrap()).unwrap();
        kept.as_object_mut().unwrap().remove("format");
        kept
    })
    .unwrap();
    assert_eq!(shop.retention_days, Some(77));
    assert_eq!(
        Audit::open(&staff, Clock::System).page(None, 9).unwrap().entries.last().unwrap().what,
        "shop_changed"
    );
    let registry = shopclerk::model::adapters::Registry::new(data.join("adapters"), Vec::new());
    assert_eq!(registry.list().unwrap()[0].id.to_string(), "shop@1");
    let again = backup::restore(&file, &data, &settings, Clock::System).await.unwrap_err();
    assert_eq!(again.code(), "store_exists");

    // A byte that is another, a backup that was cut: refused, and nothing is made of it.
    let word = tar.windows(6).position(|window| window == b"Before").unwrap();
    for (n, damage) in [(word, 1u8), (tar.len() - 2_000, 0)] {
        let mut bytes = tar.clone();
        if damage == 0 {
            bytes.truncate(n)
        } else {
            bytes[n] ^= damage
        }
        fs_err::write(&file, &bytes).unwrap();
        let fault =
            backup::restore(&file, &home.path().join("other"), &settings, Clock::System).await.unwrap_err();
        assert_eq!(fault.code(), "backup_damaged", "{fault}");
        assert!(!home.path().join("other").exists());
    }
    let newest = site.page("GET", "/v1/staff/audit", &admin, &Value::Null).await.json();
    assert_eq!(
        (&newest["entries"][0]["what"], &newest["entries"][0]["who"]),
        (&json!("backup_made"), &json!("ann"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_asks_the_server_that_has_the_store() {
    let site = site(roomy()).await;
    let session = site.session().await;
    site.says(&session.conv, "Hello [[raw]]Yes[[end]]").await;
    let answering = tokio::spawn(site.keep.clone().answer_backups(site.staff_folder()));
    let home = tempfile::tempdir().unwrap();
    let to = home.path().join("new/backup.tar");
    let contents = asked::ask(&site.staff_folder(), &to, PATIENCE).await.unwrap();
    assert_eq!(backup::check(&to).unwrap(), contents);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs_err::metadata(&to).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "there are secrets in it");
    let again = asked::ask(&site.staff_folder(), &to, PATIENCE).await.unwrap_err();
    assert!(again.to_string().contains("exists already"), "{again}");
    answering.abort();
}
