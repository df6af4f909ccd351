//! Lines for the host's log.
//!
//! A plugin's standard error is its log. One line is one message; it begins with its level:
//!
//! ```text
//! debug: asked for the next page
//! info: caught up
//! warn: the answer took 12 s
//! error: the answer is no JSON
//! ```
//!
//! A line that begins with none of `debug: `, `info: `, `warn: ` and `error: ` counts as info, so that what a library
//! or a panic prints is kept too. The host adds time and source, limits lines per second, and escapes what a terminal
//! would obey. Log no records, and nothing for each of them.
//!
//! ```
//! use logweir_plugin::log;
//!
//! log::info("caught up");
//! log::warn(format_args!("the answer took {} s", 12));
//! ```

use std::fmt::Display;

/// For whoever debugs this plugin.
pub fn debug(text: impl Display) {
    write("debug", text);
}

/// Normal operation.
pub fn info(text: impl Display) {
    write("info", text);
}

/// Somebody should look.
pub fn warn(text: impl Display) {
    write("warn", text);
}

/// Something failed.
pub fn error(text: impl Display) {
    write("error", text);
}

fn write(level: &str, text: impl Display) {
    emit(&line(level, &text));
}

/// A log that can't be written to is no reason to stop, and there is nowhere to say so.
#[cfg(target_family = "wasm")]
fn emit(line: &str) {
    use std::io::Write;
    drop(std::io::stderr().lock().write_all(line.as_bytes()));
}

/// A plugin runs natively in tests alone, which keep what this prints to themselves until they fail.
#[cfg(not(target_family = "wasm"))]
#[expect(clippy::print_stderr, reason = "tests capture nothing else")]
fn emit(line: &str) {
    eprint!("{line}");
}

/// One line, made whole before it is written: standard error has no buffer, and each write is a call to the host.
fn line(level: &str, text: &impl Display) -> String {
    let text = format!("{level}: {text}").replace(['\r', '\n'], " ");
    format!("{text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_is_in_it() {
        assert_eq!(line("warn", &"a\r\nerror: b"), "warn: a  error: b\n");
    }
}
