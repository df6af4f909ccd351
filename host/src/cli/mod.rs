//! The command line: what can be typed, who does it, and what the exit code says.
//!
//! Data goes to standard output, everything else to standard error. Exit codes: 0 done · 1 failed · 2 the command line
//! or the configuration is wrong.

use std::io::{IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};
use logweir::config::{self, Loaded, Plan};
use logweir::host::{self, Assembly, HostError};
use logweir::state::State;
use logweir::telemetry::escape;
use logweir::telemetry::logs::{self, LogFormat, LogLevel};
use progress::Screen;

mod audit;
mod backfill;
mod check;
mod completions;
mod connect;
#[cfg(feature = "demo")]
mod demo;
mod errand;
mod moment;
mod open_files;
mod plugin;
mod progress;
mod prompt;
mod reload;
mod reloads;
mod report;
mod run;
mod schema;
mod serve;
mod signals;
mod state;
mod status;
mod tally;
mod validate;

/// Reads logs from APIs through untrusted plugins, and delivers every record once.
#[derive(Debug, Parser)]
#[command(name = "logweir", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The configuration; the files of the folder `logweir.d` beside it are read too.
    #[arg(short, long, global = true, value_name = "FILE", default_value = CONFIG, env = "LOGWEIR_CONFIG")]
    #[arg(help_heading = GLOBAL, hide_env_values = true)]
    config: PathBuf,
    /// Log more; twice for traces.
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = GLOBAL)]
    verbose: u8,
    /// Log only warnings and errors, and show no progress.
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = GLOBAL)]
    quiet: bool,
}

/// The configuration when none is named.
const CONFIG: &str = "logweir.yaml";
/// What every command takes, apart from its own options in each help.
const GLOBAL: &str = "Global options";

const AFTER_HELP: &str = "\
Start here:
  logweir demo       see it work: no account, no configuration
  logweir connect    connect your Okta organisation: asks for domain and token, tests them
  logweir run        read the last 60 days, then follow what is new

`logweir COMMAND --help` has examples. Data goes to standard output, all else to standard error.
Exit codes: 0 done, 1 failed, 2 the command line or the configuration is wrong.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Connect an organisation: ask for domain and token, test them, write the configuration.
    Connect(Box<connect::Args>),
    /// Read every source and deliver to every output, until stopped.
    Run(run::Args),
    /// Find out what a source has that was never delivered, and deliver it.
    Audit(audit::Args),
    /// Read more of the past than the first run did.
    Backfill(backfill::Args),
    /// Show how a running Logweir is doing.
    Status(status::Args),
    /// Have a running Logweir take up what changed in its configuration.
    Reload(reload::Args),
    /// Test the connection of sources and outputs; writes nothing.
    Check(check::Args),
    /// Check the configuration, offline.
    Validate(validate::Args),
    /// Show Logweir at work on a simulated organisation.
    #[cfg(feature = "demo")]
    Demo(demo::Args),
    /// Look into plugins: what they are, need, and are granted.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Look into what is stored of sources, rewind it, or forget it.
    #[command(subcommand)]
    State(state::Command),
    /// Print the JSON Schema of the configuration, for editors.
    Schema(schema::Args),
    /// Print a completion script for a shell.
    Completions(completions::Args),
}

/// Parses, dispatches, and turns what went wrong into a message and an exit code.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(code) => code,
        Err(error) => {
            let code = if error.is::<Usage>() || error.is::<Page>() {
                2
            } else {
                1
            };
            complain(&error);
            ExitCode::from(code)
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let common = Common {
        config: cli.config,
        verbose: cli.verbose,
        quiet: cli.quiet,
    };
    match cli.command {
        Command::Connect(args) => connect::run(&common, &args),
        Command::Run(args) => run::run(&common, &args),
        Command::Audit(args) => audit::run(&common, &args),
        Command::Backfill(args) => backfill::run(&common, &args),
        Command::Status(args) => status::run(&common, &args),
        Command::Reload(args) => reload::run(&common, &args),
        Command::Check(args) => check::run(&common, &args),
        Command::Validate(args) => validate::run(&common, &args),
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(&common, &args),
        Command::Plugin(command) => plugin::run(&common, &command),
        Command::State(command) => state::run(&common, &command),
        Command::Schema(args) => schema::run(&common, &args),
        Command::Completions(args) => completions::run(&args),
    }
}

/// What every command is told.
struct Common {
    config: PathBuf,
    verbose: u8,
    quiet: bool,
}

/// The command line or the configuration is wrong: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// The same, as a page about the configuration: laid out, coloured and escaped already.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Page(String);

/// Prints an error with its causes, each on a line of its own, which may hold words from outside.
fn complain(error: &anyhow::Error) {
    if let Some(Page(page)) = error.downcast_ref() {
        return tell(page.trim_end());
    }
    let mut said = error.to_string();
    let mut lines = vec![format!("error: {}", escape_lines(&said))];
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Many errors say their cause in their own sentence.
        if !said.contains(&cause) {
            lines.push(format!("  because {}", escape_lines(&cause)));
            said = cause;
        }
    }
    tell(&lines.join("\n"));
}

/// Text from outside, in as many lines as it has.
fn escape_lines(text: &str) -> String {
    text.lines()
        .map(escape::line)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Starts the log as command line and configuration say, beside what else is on the screen.
fn start_log(common: &Common, plan: &Plan, screen: &Screen) -> anyhow::Result<()> {
    let format = match plan.log.format {
        config::LogFormat::Text => LogFormat::Text,
        config::LogFormat::Json => LogFormat::Json,
    };
    let planned = match plan.log.level {
        config::LogLevel::Error => LogLevel::Error,
        config::LogLevel::Warn => LogLevel::Warn,
        config::LogLevel::Info => LogLevel::Info,
        config::LogLevel::Debug => LogLevel::Debug,
        config::LogLevel::Trace => LogLevel::Trace,
    };
    let level = match (common.quiet, common.verbose) {
        (true, _) => LogLevel::Warn,
        (false, 0) => planned,
        (false, 1) => planned.max(LogLevel::Debug),
        (false, _) => LogLevel::Trace,
    };
    Ok(logs::start(format, level, screen.log_writer())?)
}

/// Starts the log of commands that change what is stored: what they did, in the form that the configuration says, so that
/// whoever collects logs finds acts of administrators alike.
fn start_act_log(common: &Common, plan: &Plan) -> anyhow::Result<()> {
    let format = match plan.log.format {
        config::LogFormat::Text => LogFormat::Text,
        config::LogFormat::Json => LogFormat::Json,
    };
    start_quiet_log(common, format)
}

/// Starts the log for commands that need no configuration: what needs attention, and more when asked for.
fn start_plain_log(common: &Common) -> anyhow::Result<()> {
    start_quiet_log(common, LogFormat::Text)
}

fn start_quiet_log(common: &Common, format: LogFormat) -> anyhow::Result<()> {
    let level = match common.verbose {
        0 => LogLevel::Warn,
        1 => LogLevel::Debug,
        _ => LogLevel::Trace,
    };
    Ok(logs::start(format, level, Screen::Nothing.log_writer())?)
}

/// Starts the log of the demo: what needs attention, around the bars.
#[cfg(feature = "demo")]
fn start_demo_log(common: &Common, screen: &Screen) -> anyhow::Result<()> {
    let level = if common.verbose == 0 {
        LogLevel::Warn
    } else {
        LogLevel::Debug
    };
    Ok(logs::start(LogFormat::Text, level, screen.log_writer())?)
}

/// The state folder: as the configuration says if there is one, else beside where it would be.
fn state_folder(common: &Common, loaded: Option<&Loaded>) -> PathBuf {
    match loaded {
        Some(loaded) => loaded.plan.state.clone(),
        None => common.config.with_file_name(".logweir"),
    }
}

/// Loads plugins, with the cache of compiled ones in the state folder if there is one. Only a run makes that folder.
fn assembly(state: &Path) -> anyhow::Result<Assembly> {
    match State::open_existing(state)? {
        Some(state) => Ok(Assembly::new(&state)?),
        None => Ok(Assembly::uncached()?),
    }
}

/// The same for commands that need neither configuration nor state, and work whatever is wrong with those.
fn assembly_anyway(common: &Common) -> anyhow::Result<Assembly> {
    let loaded = Loaded::load(&common.config).ok();
    let assembly = assembly(&state_folder(common, loaded.as_ref()));
    assembly.or_else(|_| Ok(Assembly::uncached()?))
}

/// The command line of another command about the same configuration.
fn command_line(common: &Common, command: &str) -> String {
    if common.config == Path::new(CONFIG) {
        return format!("logweir {command}");
    }
    format!("logweir {command} --config {}", common.config.display())
}

/// Becomes another command: a process starts its log once.
fn start_again(common: &Common, command: &str) -> anyhow::Result<ExitCode> {
    let mut process = std::process::Command::new(std::env::current_exe()?);
    process.arg(command).arg("--config").arg(&common.config);
    process.args((0..common.verbose).map(|_| "--verbose"));
    process.args(common.quiet.then_some("--quiet"));
    Err(process.exec().into())
}

/// What only plugins could know to be wrong, shown at its place in the configuration.
fn usage_of(loaded: &Loaded, error: HostError) -> anyhow::Error {
    let HostError::Issues(issues) = error else {
        return error.into();
    };
    validate::usage(host::errors_of(loaded, &issues))
}

/// Standard output, for data. A closed pipe is how readers say that they have enough.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Whether standard error takes colours (no-color.org).
fn colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Standard error, for people.
fn tell(text: &str) {
    let mut stderr = std::io::stderr().lock();
    // Nothing can be done about a standard error that is closed.
    writeln!(stderr, "{text}").unwrap_or_default();
}

/// Runs asynchronous work to its end.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(work);
    // A thread may be stuck in a write that never ends (a pipe that nobody reads, a file system that hangs), and waiting
    // for it would outlast every signal. What it was to write is not settled, and is written again next time.
    runtime.shutdown_background();
    done
}
