//! The plugins that come with the host, embedded by its build script.

/// Names of the built-in plugins.
pub const BUILTIN: &[&str] = &["okta"];

/// The component of a built-in plugin.
pub fn builtin(name: &str) -> Option<&'static [u8]> {
    match name {
        "okta" => Some(include_bytes!(env!("LOGWEIR_PLUGIN_OKTA"))),
        _ => None,
    }
}
