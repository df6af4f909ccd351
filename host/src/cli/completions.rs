//! `logweir completions SHELL`.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;

const EXAMPLES: &str = "\
Examples:
  logweir completions bash > ~/.local/share/bash-completion/completions/logweir
  logweir completions zsh  > ~/.zfunc/_logweir        with `fpath+=~/.zfunc` in .zshrc
  logweir completions fish > ~/.config/fish/completions/logweir.fish";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The shell to complete for.
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "logweir", &mut script);
    super::print(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}
