//! Options that exclude each other.

use crate::house::{House, text};

#[test]
fn a_domain_and_a_url_together_are_one_mistake_at_the_second() {
    let house = House::with_one_source("http://127.0.0.1:1");
    let config = std::fs::read_to_string(house.path("logweir.yaml")).unwrap();
    let both = config.replace("      url:", "      domain: acme.okta.com\n      url:");
    house.write("logweir.yaml", &both);
    let output = house.run(&["validate"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("give either `domain` or `url`, not both"),
        "{said}"
    );
    assert!(
        said.contains("logweir.yaml:6:7") || said.contains("url: http"),
        "{said}"
    );
    assert!(!said.contains("alternatives"), "{said}");
}
