//! Questions to the person at the terminal.

use std::io::{BufRead, ErrorKind, IsTerminal, Write};

use anyhow::{anyhow, bail};
use secrecy::SecretString;

use super::Usage;

/// Whether somebody is there to answer.
pub(crate) fn interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a line of text.
pub(crate) fn text(question: &str) -> anyhow::Result<String> {
    ask(question)?;
    let mut answer = String::new();
    if std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| unreadable(&error))?
        == 0
    {
        bail!("no answer, so nothing was done");
    }
    Ok(answer.trim().to_owned())
}

/// Asks for a secret, without showing what is typed.
pub(crate) fn secret(question: &str) -> anyhow::Result<SecretString> {
    ask(question)?;
    // On Ctrl-C it puts the terminal right before it returns.
    let answer = rpassword::read_password().map_err(|error| unreadable(&error))?;
    Ok(SecretString::from(answer.trim().to_owned()))
}

/// Asks for a yes. Anything else is a no.
pub(crate) fn yes(question: &str) -> anyhow::Result<bool> {
    let answer = text(&format!("{question} [y/N] "))?;
    Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
}

/// Asks before something is done, unless told not to. Anything but a yes is an error.
pub(crate) fn confirm(told: bool, verb: &str, question: &str) -> anyhow::Result<()> {
    if told {
        return Ok(());
    }
    if !interactive() {
        return Err(Usage(format!(
            "nothing was changed: say --yes to {verb} without being asked"
        ))
        .into());
    }
    if !self::yes(question)? {
        bail!("nothing was changed");
    }
    Ok(())
}

fn unreadable(error: &std::io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::Interrupted | ErrorKind::UnexpectedEof => {
            anyhow!("no answer, so nothing was done")
        }
        _ => anyhow!("the answer can't be read: {error}"),
    }
}

fn ask(question: &str) -> anyhow::Result<()> {
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{question}")?;
    Ok(stderr.flush()?)
}
