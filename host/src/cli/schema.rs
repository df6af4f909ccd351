//! `logweir schema`: the JSON Schema of the configuration, with the built-in plugins' own inside.

use std::process::ExitCode;

use logweir::config::{self, PluginRef};
use logweir::host::Assembly;
use logweir::plugin::BUILTIN;

use super::Common;

const EXAMPLES: &str = "\
Example:
  logweir schema > logweir.schema.json

Then an editor with a YAML language server completes and checks a configuration that begins with
  # yaml-language-server: $schema=logweir.schema.json";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

pub(crate) fn run(common: &Common, _args: &Args) -> anyhow::Result<ExitCode> {
    super::start_plain_log(common)?;
    let mut assembly = super::assembly_anyway(common)?;
    let schema = super::block_on(schema(&mut assembly))?;
    super::print(&format!("{}\n", serde_json::to_string_pretty(&schema)?))?;
    Ok(ExitCode::SUCCESS)
}

async fn schema(assembly: &mut Assembly) -> anyhow::Result<serde_json::Value> {
    let mut schemas = Vec::new();
    for name in BUILTIN {
        let plugin = assembly
            .plugin(&PluginRef::Builtin((*name).to_owned()))
            .await
            .map_err(anyhow::Error::msg)?;
        schemas.push((*name, plugin.description().config_schema.clone()));
    }
    let schemas: Vec<_> = schemas
        .iter()
        .map(|(name, schema)| (*name, schema.as_str()))
        .collect();
    Ok(config::schema(&schemas)?)
}
