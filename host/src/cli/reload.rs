//! `logweir reload`: has a running host take up what changed in its configuration.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use logweir::config::Loaded;
use logweir::control::{Answer, Client, ControlError, Request};

use super::{Common, Page, validate};

const EXAMPLES: &str = "\
Examples:
  logweir reload                        what changed in logweir.yaml and logweir.d
  logweir reload -c /etc/logweir.yaml   of the run with another configuration

Prints what changed: + added, ~ changed and by which keys, - removed. What did not change goes on.
When anything is wrong, nothing changes. A running Logweir does this by itself a few seconds after
its files changed, unless they say `reload: manual`.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

pub(crate) fn run(common: &Common, _args: &Args) -> anyhow::Result<ExitCode> {
    let loaded = Loaded::load(&common.config).map_err(validate::usage)?;
    super::start_plain_log(common)?;
    let state = &loaded.plan.state;
    let Some(mut client) = Client::connect(state)? else {
        bail!("no Logweir runs with the state in {}", state.display());
    };
    let changed = ask(&mut client)?;
    super::print(&format!("{changed}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Has a running host reload, and says what changed.
pub(crate) fn ask(client: &mut Client) -> anyhow::Result<String> {
    match client.ask(&Request::Reload)? {
        Answer::Reloaded(changed) => Ok(super::escape_lines(&changed)),
        Answer::NotReloaded {
            configuration: true,
            why,
        } => Err(Page(super::escape_lines(&why)).into()),
        Answer::NotReloaded { why, .. } => Err(anyhow!("nothing changed: {why}")),
        Answer::Refused(why) => Err(ControlError::refused(why).into()),
        other => Err(ControlError::Answer(format!("{other:?}")).into()),
    }
}
