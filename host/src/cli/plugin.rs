//! `logweir plugin inspect|list`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use logweir::config::{PluginRef, suggestion};
use logweir::gate::{CredentialKind, Granted, Need, Scheme};
use logweir::host::Assembly;
use logweir::plugin::{BUILTIN, Plugin};
use logweir::telemetry::escape;

use super::{Common, Usage};

const EXAMPLES: &str = "\
Examples:
  logweir plugin list
  logweir plugin inspect okta
  logweir plugin inspect ./weather.wasm            what it is, needs, and what to grant it
  logweir plugin inspect ./weather.wasm --schema   the JSON Schema of its configuration";

/// Looks into plugins.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Show what a plugin is, what it needs, and what to grant it.
    Inspect(InspectArgs),
    /// List the built-in plugins.
    List,
}

#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// A component (.wasm), or the name of a built-in plugin.
    file: PathBuf,
    /// Print the JSON Schema of its configuration, and nothing else.
    #[arg(long)]
    schema: bool,
}

pub(crate) fn run(common: &Common, command: &Command) -> anyhow::Result<ExitCode> {
    super::start_plain_log(common)?;
    let mut assembly = super::assembly_anyway(common)?;
    super::block_on(async {
        match command {
            Command::Inspect(args) => inspect(&mut assembly, args).await,
            Command::List => list(&mut assembly).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A file where there is one, else a built-in plugin of that name.
fn reference(name: &Path) -> anyhow::Result<PluginRef> {
    match name.to_str() {
        Some(text) if BUILTIN.contains(&text) && !name.is_file() => {
            Ok(PluginRef::Builtin(text.to_owned()))
        }
        _ if name.exists() => Ok(PluginRef::File {
            path: name.to_owned(),
            sha256: None,
        }),
        _ => {
            let name = name.to_string_lossy();
            let advice = suggestion(&name, BUILTIN, "the built-in plugins are").unwrap_or_default();
            Err(Usage(format!(
                "there is no file {}; {advice}",
                escape::line(&name)
            ))
            .into())
        }
    }
}

async fn inspect(assembly: &mut Assembly, args: &InspectArgs) -> anyhow::Result<()> {
    let reference = reference(&args.file)?;
    let plugin = assembly
        .plugin(&reference)
        .await
        .map_err(|error| anyhow!(error))?;
    if args.schema {
        let schema = &plugin.description().config_schema;
        let schema: serde_json::Value =
            serde_json::from_str(schema).context("its schema is not JSON")?;
        return super::print(&format!(
            "{}\n",
            escape_lines(&serde_json::to_string_pretty(&schema)?)
        ));
    }
    super::print(&describe(&plugin, &reference)?)
}

/// JSON of several lines, each safe for a terminal and still the same JSON.
fn escape_lines(json: &str) -> String {
    json.lines()
        .map(escape::json)
        .collect::<Vec<_>>()
        .join("\n")
}

async fn list(assembly: &mut Assembly) -> anyhow::Result<()> {
    for name in BUILTIN {
        let reference = PluginRef::Builtin((*name).to_owned());
        let plugin = assembly
            .plugin(&reference)
            .await
            .map_err(|error| anyhow!(error))?;
        let description = plugin.description();
        super::print(&format!(
            "{name} {}  {}\n",
            description.version,
            escape::line(&description.summary)
        ))?;
    }
    super::print(
        "\n`logweir plugin inspect NAME` shows one; plugins in files are named by `plugin: { path: … }`.\n",
    )
}

fn describe(plugin: &Plugin, reference: &PluginRef) -> anyhow::Result<String> {
    let description = plugin.description();
    let mut text = String::new();
    writeln!(
        text,
        "{} {}",
        escape::line(&description.name),
        escape::line(&description.version)
    )?;
    writeln!(text, "  {}", escape::line(&description.summary))?;
    writeln!(
        text,
        "\nsha256  {}\nsize    {} KiB",
        plugin.digest(),
        plugin.size().div_ceil(1024)
    )?;
    text.push_str("\nimports, all of them standard or the contract's own\n");
    for (package, interfaces) in by_package(plugin.imports()) {
        writeln!(
            text,
            "  {}  {}",
            escape::line(&package),
            escape::line(&interfaces.join(", "))
        )?;
    }
    text.push_str(&describe_credentials(&description.credentials)?);
    text.push_str(&describe_needs(&description.needs)?);
    match reference {
        PluginRef::Builtin(_) => text.push_str("\nIt is built in, and granted what it needs.\n"),
        PluginRef::File { .. } if description.needs.is_empty() => {}
        PluginRef::File { .. } => {
            text.push_str(&grants(&description.needs, &description.credentials)?)
        }
    }
    Ok(text)
}

/// `wasi:io/poll@0.2.12` and `wasi:io/streams@0.2.12` are `poll, streams` of `wasi:io@0.2.12`.
fn by_package(names: &[String]) -> BTreeMap<String, Vec<&str>> {
    let mut packages: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in names {
        let (package, rest) = name.split_once('/').unwrap_or((name, ""));
        let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
        packages
            .entry(format!("{package}@{version}"))
            .or_default()
            .push(interface);
    }
    packages
        .values_mut()
        .for_each(|interfaces| interfaces.sort_unstable());
    packages
}

fn describe_credentials(kinds: &[CredentialKind]) -> anyhow::Result<String> {
    let mut text = "\ncredentials, which the host adds and the plugin never sees\n".to_owned();
    if kinds.is_empty() {
        text.push_str("  none\n");
    }
    for kind in kinds {
        let how = match &kind.scheme {
            Scheme::Header { name, value } => format!("{name}: {value}"),
            Scheme::Oauth(_) => "OAuth 2.0 client credentials".to_owned(),
        };
        writeln!(
            text,
            "  {}  sent as {}",
            escape::line(&kind.name),
            escape::line(&how)
        )?;
        writeln!(text, "    {}", escape::line(&kind.summary))?;
    }
    Ok(text)
}

fn describe_needs(needs: &[Need]) -> anyhow::Result<String> {
    let mut text =
        "\nneeds; {name} stands for what its configuration says under that name\n".to_owned();
    if needs.is_empty() {
        text.push_str("  none: it reaches nothing\n");
    }
    let width = needs
        .iter()
        .map(|need| escape::line(&need.name).chars().count())
        .max()
        .unwrap_or(0);
    for need in needs {
        let places = need
            .paths
            .iter()
            .map(|path| format!("{}{path}", need.origin));
        let request = format!(
            "{} {}",
            need.methods.join("|"),
            places.collect::<Vec<_>>().join(", ")
        );
        let signed = match &need.credential {
            Some(kind) => format!("with {kind}"),
            None => "without credential".to_owned(),
        };
        let when = if need.check_only {
            ", in check alone"
        } else {
            ""
        };
        let (name, request) = (escape::line(&need.name), escape::line(&request));
        writeln!(
            text,
            "  {name:width$}  {request}\n  {:width$}    {}{when}",
            "",
            escape::line(&signed)
        )?;
    }
    Ok(text)
}

fn grants(needs: &[Need], kinds: &[CredentialKind]) -> anyhow::Result<String> {
    let mut text =
        "\nIt reaches nothing unless its source grants it; all of the above is:\n\n    grants:\n"
            .to_owned();
    for need in needs {
        // JSON is YAML, and needs no quoting rules of ours.
        let grant = serde_json::to_string(&Granted::all_of(need, kinds))?;
        writeln!(text, "      - {}", escape::json(&grant))?;
    }
    Ok(text)
}
