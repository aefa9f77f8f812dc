//! Products and policies that change while the desk is open.

use std::path::Path;
use std::time::Duration;

use shopclerk::chat::Settings;
use shopclerk::model::Scripted;
use shopclerk::prompt;

use crate::chat::Shop;

/// The demo shop's files, with one product.
fn folder(price: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("static/demo-shop");
    fs_err::copy(demo.join("shop.toml"), folder.path().join("shop.toml")).unwrap();
    stock(&folder, price);
    folder
}

fn stock(folder: &tempfile::TempDir, price: &str) {
    let products = serde_json::json!([{
        "id": "boot", "name": "Ridge Boot", "category": "Boots", "price": price,
        "description": "Warm.", "stock": 1,
    }]);
    fs_err::write(folder.path().join("products.json"), products.to_string()).unwrap();
}

async fn told(shop: &Shop) -> String {
    let mut visit = shop.visit().await;
    visit.say(r#"[[call find_products {"query": "ridge boot"}]]"#).await;
    visit.reply().await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_changed_is_told_without_a_restart() {
    let folder = folder("€129");
    let words = prompt::Settings { folder: folder.path().to_owned(), ..prompt::Settings::default() };
    let shop = Shop::of(tempfile::tempdir().unwrap(), Settings::default(), Scripted::default(), &words);
    let begins = shop.desk.playbook().system().to_owned();
    assert!(told(&shop).await.contains("€129"));
    // What is wrong for a while changes nothing.
    fs_err::write(folder.path().join("products.json"), "[{").unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(told(&shop).await.contains("€129"));
    stock(&folder, "€99");
    let price = || shop.desk.playbook().shop().products[0].price.clone();
    let read = async {
        while price() != "€99" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("read again");
    let said = told(&shop).await;
    assert!(said.contains("€99") && !said.contains("€129"), "{said}");
    assert_eq!(shop.desk.playbook().system(), begins, "the model has it in its cache");
}
