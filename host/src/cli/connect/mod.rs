//! `logweir connect`: asks for what a plugin's schema requires and for the credential, tests the connection, writes the
//! configuration, and offers to start.
//!
//! Nothing is written before the test succeeded: until then the credential is in memory alone, so whoever gives up
//! half-way leaves nothing behind.

mod ask;
mod credential;
mod files;
mod name;
mod network;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use logweir::config::{Limits, Loaded, PluginRef, ReloadMode, SourcePlan, suggestion};
use logweir::control::Client;
use logweir::gate::CredentialKind;
use logweir::host::{Assembly, HostSource};
use logweir::plugin::{BUILTIN, Plugin};
use logweir::stage::{CheckReport, CheckStatus, Source};
use logweir::telemetry::silence::Silence;
use serde_json::{Map, Value};

use super::{Common, Usage, prompt, reload, report, validate};
use credential::{CredentialArgs, Given};
use files::{Target, Written};
use network::Network;

const EXAMPLES: &str = "\
Examples:
  logweir connect
      asks for everything, tests the connection, and writes logweir.yaml
  logweir connect okta --domain acme.okta.com
      asks for the token; what you type is not shown
  logweir connect okta --domain acme.okta.com --token-file token.txt --yes
      asks nothing: for scripts
  logweir connect okta --domain acme.okta.com --client-id 0oa1d7 --key-file app.pem
      signs in as an app (OAuth 2.0) with its private key, which stays where it is
  logweir connect okta --domain acme.okta.com --set backfill=7d
      reads the last 7 days instead of 60
  logweir connect okta --domain acme.oktapreview.com --name preview
      one more organisation: goes into logweir.d/preview.yaml
  logweir connect okta --domain acme.okta.com --proxy http://proxy:3128 --ca-file ca.pem
      through a proxy that looks into TLS

Nothing is written unless the test succeeds. The credential goes into a file that only you can read.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The built-in plugin that reads the system (`logweir plugin list`).
    #[arg(default_value = "okta")]
    plugin: String,
    /// The organisation's domain; short for `--set domain=DOMAIN`.
    #[arg(long)]
    domain: Option<String>,
    /// A setting of the plugin; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    settings: Vec<(String, Value)>,
    #[command(flatten)]
    credential: CredentialArgs,
    /// A proxy that all requests go through.
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// A PEM file of certificates to trust beside the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Name of the source; made from the domain unless given.
    #[arg(long)]
    name: Option<String>,
    /// Ask nothing: take what was given, and write the configuration if the test succeeds.
    #[arg(long)]
    yes: bool,
}

fn setting(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    // `limit=500` is a number, `domain=acme.okta.com` a text, and `q="404"` a text that looks like a number.
    let value = match serde_json::from_str(value) {
        Ok(scalar @ (Value::Number(_) | Value::Bool(_) | Value::String(_))) => scalar,
        _ => Value::String(value.to_owned()),
    };
    Ok((key.to_owned(), value))
}

pub(crate) fn run(common: &Common, args: &Args) -> anyhow::Result<ExitCode> {
    super::start_plain_log(common)?;
    let ask = !args.yes && prompt::interactive();
    let loaded = existing(common)?;
    let Some(written) = super::block_on(connect(common, args, loaded.as_ref(), ask))? else {
        return Ok(ExitCode::FAILURE);
    };
    super::tell(&written.to_string());
    if let Some(loaded) = &loaded
        && let Ok(Some(client)) = Client::connect(&loaded.plan.state)
    {
        return taken_up(common, loaded, client);
    }
    if ask && prompt::yes("Start now? Ctrl-C stops it, and nothing is lost.")? {
        return super::start_again(common, "run");
    }
    super::tell(&format!("next: {}", super::command_line(common, "run")));
    Ok(ExitCode::SUCCESS)
}

/// What a host that runs already is to do about it.
fn taken_up(common: &Common, loaded: &Loaded, mut client: Client) -> anyhow::Result<ExitCode> {
    if loaded.plan.reload == ReloadMode::Manual {
        let reload = super::command_line(common, "reload");
        super::tell(&format!("Logweir runs already. next: {reload}"));
        return Ok(ExitCode::SUCCESS);
    }
    // It would see the new file by itself, a few seconds later.
    let next = match reload::ask(&mut client) {
        Ok(changed) => {
            super::tell(&format!("Logweir runs already, and takes it up: {changed}"));
            "status"
        }
        Err(error) => {
            super::tell(&format!("Logweir runs, and did not take it up: {error:#}"));
            "reload"
        }
    };
    super::tell(&format!("next: {}", super::command_line(common, next)));
    Ok(ExitCode::SUCCESS)
}

/// The configuration that a source is to be added to. An invalid one is told first: nobody should answer questions in
/// vain.
fn existing(common: &Common) -> anyhow::Result<Option<Loaded>> {
    if !common.config.exists() {
        return Ok(None);
    }
    match Loaded::load(&common.config) {
        Ok(loaded) => Ok(Some(loaded)),
        Err(errors) => {
            super::tell("There is a configuration to add to, and it has to be put right first.\n");
            Err(validate::usage(errors))
        }
    }
}

/// What was written, or nothing when the test failed.
async fn connect(
    common: &Common,
    args: &Args,
    loaded: Option<&Loaded>,
    ask: bool,
) -> anyhow::Result<Option<Written>> {
    let reference = builtin(&args.plugin)?;
    let network = Network::given(args.proxy.as_deref(), args.ca_file.as_deref())?;
    let state = super::state_folder(common, loaded);
    let mut assembly = super::assembly(&state)?;
    let plugin = assembly
        .plugin(&reference)
        .await
        .map_err(|error| anyhow!(error))?;
    let config = ask::settings(&assembly, &plugin, given(args), ask).await?;
    let name = name::choose(args.name.as_deref(), &plugin, &config, loaded)?;
    let target = Target::choose(&common.config, &name)?;
    ask::confirm_host(&args.plugin, &config, ask, args.yes)?;
    let kind = args.credential.kind(&plugin)?;
    let connection = Connection {
        name: &name,
        plugin: reference,
        config: &config,
        network,
        kind,
    };
    let kinds = &plugin.description().credentials;
    let mut given = args.credential.complete(kinds, kind, ask)?;
    target.check(&given)?;
    loop {
        let failed = match connection.test(&mut assembly, &given).await? {
            Tested::Works => break,
            failed => failed,
        };
        // What was typed stays good when it was not the matter.
        let of_credential = failed == Tested::CredentialFailed && args.credential.is_asked_for();
        let question = if of_credential {
            "Try again with another credential?"
        } else {
            "Try again?"
        };
        if !(ask && prompt::yes(question)?) {
            super::tell("the test failed: nothing was written");
            return Ok(None);
        }
        if of_credential {
            given = args.credential.complete(kinds, kind, ask)?;
            target.check(&given)?;
        }
    }
    let past = past(&plugin, &config);
    target
        .write(&connection, &args.plugin, &given, past)
        .map(Some)
}

fn builtin(name: &str) -> anyhow::Result<PluginRef> {
    if BUILTIN.contains(&name) {
        return Ok(PluginRef::Builtin(name.to_owned()));
    }
    let advice = if name.contains(['.', '/']) {
        format!(
            "a plugin in a file needs grants: `logweir plugin inspect {name}` prints what to write"
        )
    } else {
        suggestion(name, BUILTIN, "the built-in plugins are").unwrap_or_default()
    };
    Err(Usage(format!("there is no built-in plugin `{name}`; {advice}")).into())
}

fn given(args: &Args) -> Map<String, Value> {
    let mut config: Map<String, Value> = args.settings.iter().cloned().collect();
    config.extend(
        args.domain
            .clone()
            .map(|domain| ("domain".to_owned(), Value::String(domain))),
    );
    config
}

/// How much of the past the first run reads, in words.
fn past(plugin: &Plugin, config: &Map<String, Value>) -> String {
    let schema: Value =
        serde_json::from_str(&plugin.description().config_schema).unwrap_or_default();
    let default = schema.pointer("/properties/backfill/default");
    let backfill = config
        .get("backfill")
        .or(default)
        .and_then(Value::as_str)
        .unwrap_or_default();
    let number = backfill.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    match (number, backfill.strip_suffix('d')) {
        ("", _) => "what there is".to_owned(),
        ("0", _) => "nothing of the past".to_owned(),
        ("1", Some(_)) => "the last day".to_owned(),
        (_, Some(days)) => format!("the last {days} days"),
        (_, None) => format!("the last {backfill}"),
    }
}

/// A source that is not yet written down.
struct Connection<'a> {
    name: &'a str,
    plugin: PluginRef,
    config: &'a Map<String, Value>,
    network: Network,
    kind: &'a CredentialKind,
}

/// How a test went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tested {
    Works,
    /// The credential, or what it permits, is the matter.
    CredentialFailed,
    /// Something else is.
    Failed,
}

impl Tested {
    fn of(report: &CheckReport) -> Self {
        let mut failed = report
            .findings
            .iter()
            .filter(|finding| finding.status == CheckStatus::Failed)
            .peekable();
        if failed.peek().is_none() {
            return Self::Works;
        }
        match failed.any(|finding| ["credential", "permission"].contains(&&*finding.subject)) {
            true => Self::CredentialFailed,
            false => Self::Failed,
        }
    }
}

impl Connection<'_> {
    /// Runs the check and shows it.
    async fn test(&self, assembly: &mut Assembly, given: &Given) -> anyhow::Result<Tested> {
        let source = self.source(assembly, given).await?;
        super::tell(&format!(
            "\ntesting the connection of `{}` to {}",
            self.name, source.owner.origin
        ));
        let found = match source.source.check().await {
            Ok(found) => found,
            Err(error) => report::of_error("check", &error),
        };
        super::tell(&report::render(&found));
        Ok(Tested::of(&found))
    }

    async fn source(&self, assembly: &mut Assembly, given: &Given) -> anyhow::Result<HostSource> {
        let plan = SourcePlan {
            name: Arc::from(self.name),
            plugin: self.plugin.clone(),
            config: Value::Object(self.config.clone()),
            credentials: vec![(self.kind.name.clone(), given.plan())],
            network: self.network.policy.clone(),
            limits: Limits::default(),
            share: None,
            silence: Silence::default(),
            grants: Vec::new(),
        };
        assembly.source(&plan).await.map_err(|issues| {
            let lines: Vec<_> = issues.into_iter().map(|issue| issue.message).collect();
            Usage(lines.join("\n")).into()
        })
    }
}
