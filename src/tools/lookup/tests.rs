//! Calls as a model might make them, over the demo shop and its orders.

use std::path::Path;

use super::*;

struct Demo {
    shop: Shop,
    catalogue: Catalogue,
    orders: Orders,
}

impl Demo {
    fn new() -> Self {
        let shop = Shop::load(Path::new("")).expect("the demo shop");
        let orders = Orders::load(Path::new("")).expect("its orders");
        Self { catalogue: Catalogue::of(&shop), shop, orders }
    }

    fn call(&self, customer: Option<&str>, name: &str, arguments: &str) -> Outcome {
        let call = ToolCall { id: "1".into(), name: name.into(), arguments: arguments.into() };
        let Self { shop, catalogue, orders } = self;
        Lookup::run(&call, &View { shop, catalogue, orders, customer })
    }

    fn found(&self, name: &str, arguments: &str) -> Value {
        match self.call(Some("customer-1001"), name, arguments) {
            Outcome::Found(value) => value,
            other => panic!("{name} {arguments}: {other:?}"),
        }
    }
}

#[test]
fn products_are_found_by_words_and_told_by_id_or_name() {
    let demo = Demo::new();
    let found = demo.found("find_products", r#"{"query": "waterproof hiking boot", "limit": 2}"#);
    let products = found["products"].as_array().expect("a list");
    assert_eq!((products.len(), &products[0]["id"]), (2, &json!("scree-mid-boot")));
    assert_eq!((&products[0]["price"], &products[0]["in_stock"]), (&json!("€179"), &json!(31)));
    assert_eq!(demo.found("find_products", r#"{"query": "zeppelin"}"#), json!({"products": []}));
    let boot = demo.found("product", r#"{"id": "scree-mid-boot"}"#);
    assert_eq!((&boot["attributes"]["waterproof"], &boot["in_stock"]), (&json!("Yes"), &json!(31)));
    assert_eq!(demo.found("product", r#"{"id": "Scree mid boot"}"#), boot);
    let none = demo.call(None, "product", r#"{"id": "zeppelin"}"#);
    assert_eq!(none, Outcome::Refused(Refused::NoSuchProduct));
}

#[test]
fn policies_are_told_by_title_and_the_titles_are_named() {
    let demo = Demo::new();
    let returns = demo.found("policy", r#"{"title": "returns"}"#);
    assert!(returns["short"].as_str().is_some_and(|text| text.contains("60 days")));
    assert_eq!(demo.found("policy", r#"{"title": "Returns policy"}"#), returns);
    let Outcome::Refused(why) = demo.call(None, "policy", r#"{"title": "zeppelins"}"#) else {
        panic!("there are none")
    };
    assert!(why.code() == "no_such_policy" && why.to_string().contains("Returns"), "{why}");
}

#[test]
fn a_customer_sees_their_own_orders_and_nobody_elses() {
    let demo = Demo::new();
    let own = demo.found("order_status", "{}");
    let ids: Vec<&Value> = own["orders"].as_array().expect("a list").iter().map(|o| &o["order"]).collect();
    assert_eq!(ids, ["B-10412", "B-10377"]);
    assert_eq!(own["orders"][0]["items"][0], json!({"product": "Scree Mid Boot", "quantity": 1}));
    assert_eq!(demo.found("order_status", r##"{"order": "#b-10412"}"##)["orders"][0]["status"], "shipped");
    assert_eq!(demo.found("order_status", r#"{"order": null}"#), own, "null counts as left out");
    assert!(!own.to_string().contains("customer-1001"), "no customer's id is for a prompt");
    let ask =
        |customer, order: &str| demo.call(customer, "order_status", &json!({"order": order}).to_string());
    // B-10420 is another customer's, B-99999 nobody's: the same words.
    let foreign = ask(Some("customer-1001"), "B-10420");
    assert_eq!(foreign, Outcome::Refused(Refused::NoSuchOrder));
    assert_eq!(foreign.text(), ask(Some("customer-1001"), "B-99999").text());
    // Nobody signed in: the same whether there is such an order or not.
    assert_eq!(ask(None, "B-10412"), Outcome::Refused(Refused::NotSignedIn));
    assert_eq!(ask(None, "B-10412").text(), ask(None, "B-99999").text());
    assert_eq!(ask(Some("customer-9"), "B-10412"), Outcome::Refused(Refused::NoSuchOrder));
    // An argument cannot say whose orders they are.
    let claimed = demo.call(None, "order_status", r#"{"customer": "customer-1001"}"#);
    assert!(matches!(claimed, Outcome::Refused(Refused::BadArguments(_))), "{claimed:?}");
}

#[test]
fn what_a_model_gets_wrong_is_said_in_words_it_can_act_on() {
    let demo = Demo::new();
    let refused = |name, arguments: &str| match demo.call(Some("customer-1001"), name, arguments) {
        Outcome::Refused(why) => (why.code(), why.to_string()),
        other => panic!("{name} {arguments}: {other:?}"),
    };
    let too_long = format!(r#"{{"query": "{}"}}"#, "a".repeat(2_000));
    let cases = [
        ("", "<tool_call>{broken", "bad_call", "could not be read"),
        ("delete_order", "{}", "unknown_tool", "find_products, product, policy, order_status, hand_off"),
        ("find_products", "{\"query\": ", "bad_arguments", "not JSON"),
        ("find_products", "[]", "bad_arguments", "must be of type object"),
        ("find_products", "", "bad_arguments", "`query` is missing"),
        ("find_products", r#"{"query": 3}"#, "bad_arguments", "query: must be of type string"),
        ("find_products", r#"{"query": "a", "limit": 99}"#, "bad_arguments", "limit: must be 1 to 5"),
        ("find_products", &too_long, "arguments_too_long", "2000 bytes"),
        ("product", r#"{"id": null}"#, "bad_arguments", "`id` is missing"),
        ("hand_off", "{}", "bad_arguments", "`reason` is missing"),
    ];
    for (name, arguments, code, words) in cases {
        let (found, text) = refused(name, arguments);
        assert!(found == code && text.contains(words), "{name} {arguments}: {found}: {text}");
    }
    let told: Value = serde_json::from_str(&demo.call(None, "x", "{}").text()).expect("JSON");
    assert_eq!(told["error"], "unknown_tool");
}

#[test]
fn a_person_is_an_outcome() {
    let demo = Demo::new();
    assert_eq!(demo.call(None, "hand_off", r#"{"reason": "angry"}"#), Outcome::Person);
}

#[test]
fn every_tool_is_told_with_a_schema_that_can_be_checked() {
    let demo = Demo::new();
    let specs = Lookup::offered(&demo.orders);
    assert_eq!(specs.len(), Lookup::ALL.len());
    for spec in &specs {
        let names = spec.parameters["properties"].as_object().expect("an object");
        let filled: serde_json::Map<String, Value> = names
            .iter()
            .map(|(name, rule)| (name.clone(), if rule["type"] == "string" { "a".into() } else { 1.into() }))
            .collect();
        assert_eq!(schema::check(&filled.into(), &spec.parameters, ""), Ok(()), "{}", spec.name);
    }
}

#[test]
fn a_shop_without_orders_offers_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let demo = Demo { orders: Orders::load(folder.path()).expect("no orders"), ..Demo::new() };
    let names: Vec<String> = Lookup::offered(&demo.orders).into_iter().map(|spec| spec.name).collect();
    assert_eq!(names, ["find_products", "product", "policy", "hand_off"]);
    let called = demo.call(Some("customer-1001"), "order_status", "{}");
    assert!(matches!(called, Outcome::Refused(Refused::UnknownTool(_))), "{called:?}");
}

#[test]
fn outcomes_are_short_whatever_the_shop_writes() {
    let mut demo = Demo::new();
    let long = "界".repeat(20_000);
    demo.shop.products[0].description.clone_from(&long);
    demo.shop.products[0].attributes =
        (0..100).map(|n| (format!("attribute {n} {long}"), long.clone())).collect();
    demo.shop.policies[0].text.clone_from(&long);
    let id = demo.shop.products[0].id.clone();
    let title = demo.shop.policies[0].title.clone();
    let product = demo.found("product", &json!({"id": id}).to_string()).to_string();
    let policy = demo.found("policy", &json!({"title": title}).to_string()).to_string();
    assert!(product.chars().count() < 3_500 && policy.chars().count() < 1_500);
}
