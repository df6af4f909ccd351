//! Builds the built-in plugins, so that `cargo run` and `cargo install` need no step before them.

#[path = "build_plugin.rs"]
mod build_plugin;

fn main() {
    let okta = build_plugin::build("logweir-okta");
    println!("cargo::rustc-env=LOGWEIR_PLUGIN_OKTA={}", okta.display());
}
