//! What `--help` says, and what it says to a word that is nearly right.

use super::*;

/// What a command's help says of itself; the options that all have are shown by the program's own help.
fn help(arguments: &[&str]) -> String {
    let help = text(&run(&House::new(), &[arguments, &["--help"]].concat()));
    let (own, rest) = help.split_once("Global options:").unwrap();
    let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
    format!("{}\n\n{}", own.trim_end(), after.trim_end())
        .trim_end()
        .to_owned()
}

#[test]
fn the_help_says_where_to_start() {
    insta::assert_snapshot!(text(&run(&House::new(), &["--help"])), @r"
    Reads logs from APIs through untrusted plugins, and delivers every record once

    Usage: logweir [OPTIONS] <COMMAND>

    Commands:
      connect      Connect an organisation: ask for domain and token, test them, write the configuration
      run          Read every source and deliver to every output, until stopped
      audit        Find out what a source has that was never delivered, and deliver it
      backfill     Read more of the past than the first run did
      status       Show how a running Logweir is doing
      reload       Have a running Logweir take up what changed in its configuration
      check        Test the connection of sources and outputs; writes nothing
      validate     Check the configuration, offline
      demo         Show Logweir at work on a simulated organisation
      plugin       Look into plugins: what they are, need, and are granted
      state        Look into what is stored of sources, rewind it, or forget it
      schema       Print the JSON Schema of the configuration, for editors
      completions  Print a completion script for a shell
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Global options:
      -c, --config <FILE>  The configuration; the files of the folder `logweir.d` beside it are read too
                           [env: LOGWEIR_CONFIG] [default: logweir.yaml]
      -v, --verbose...     Log more; twice for traces
      -q, --quiet          Log only warnings and errors, and show no progress

    Start here:
      logweir demo       see it work: no account, no configuration
      logweir connect    connect your Okta organisation: asks for domain and token, tests them
      logweir run        read the last 60 days, then follow what is new

    `logweir COMMAND --help` has examples. Data goes to standard output, all else to standard error.
    Exit codes: 0 done, 1 failed, 2 the command line or the configuration is wrong.
    ");
    assert_eq!(code(&House::new(), &[]), 2);
}

#[test]
fn the_help_of_every_command_teaches_it() {
    insta::assert_snapshot!(help(&["connect"]), @r"
    Connect an organisation: ask for domain and token, test them, write the configuration

    Usage: logweir connect [OPTIONS] [PLUGIN]

    Arguments:
      [PLUGIN]  The built-in plugin that reads the system (`logweir plugin list`) [default: okta]

    Options:
          --domain <DOMAIN>    The organisation's domain; short for `--set domain=DOMAIN`
          --set <KEY=VALUE>    A setting of the plugin; may be given several times
          --credential <KIND>  How the source signs in (`logweir plugin inspect` shows what there is);
                               the plugin's first kind, or what the other options fit
          --token-file <FILE>  A file that holds the token, or a client's secret; it is copied into a
                               file of Logweir's own
          --client-id <ID>     A client that gets tokens (OAuth 2.0): its id
          --key-file <FILE>    The client's private key, in PEM or as a JSON Web Key; it stays where it
                               is
          --key-id <KID>       What the organisation knows the client's public key by
          --proxy <URL>        A proxy that all requests go through
          --ca-file <FILE>     A PEM file of certificates to trust beside the system's
          --name <NAME>        Name of the source; made from the domain unless given
          --yes                Ask nothing: take what was given, and write the configuration if the test
                               succeeds
      -h, --help               Print help

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

    Nothing is written unless the test succeeds. The credential goes into a file that only you can read.
    ");
    insta::assert_snapshot!(help(&["run"]), @r"
    Read every source and deliver to every output, until stopped

    Usage: logweir run [OPTIONS]

    Options:
          --once  Read until caught up, deliver, and exit: 0, or 1 when something failed
      -h, --help  Print help

    Examples:
      logweir run            read the past, then follow what is new; Ctrl-C stops and loses nothing
      logweir run --once     read everything up to now, deliver it, exit: for cron
      logweir status         from another terminal: how it is doing
      logweir reload         from another terminal: take up what changed in the configuration
      kill -HUP PID          open output files anew, after a log rotation, and reload

    `--once` tries what can't be reached for a quarter of an hour. Started on a terminal, it stops when
    that is closed.
    What changes in the configuration is taken up a few seconds later, unless it says `reload: manual`.
    ");
    insta::assert_snapshot!(help(&["reload"]), @r"
    Have a running Logweir take up what changed in its configuration

    Usage: logweir reload [OPTIONS]

    Options:
      -h, --help  Print help

    Examples:
      logweir reload                        what changed in logweir.yaml and logweir.d
      logweir reload -c /etc/logweir.yaml   of the run with another configuration

    Prints what changed: + added, ~ changed and by which keys, - removed. What did not change goes on.
    When anything is wrong, nothing changes. A running Logweir does this by itself a few seconds after
    its files changed, unless they say `reload: manual`.
    ");
    insta::assert_snapshot!(help(&["check"]), @r"
    Test the connection of sources and outputs; writes nothing

    Usage: logweir check [OPTIONS] [NAMES]...

    Arguments:
      [NAMES]...  Only these sources and outputs; all of them when none is named

    Options:
      -h, --help  Print help

    Examples:
      logweir check           every source and output
      logweir check acme      this one alone

    It delivers nothing and writes nothing. Exit code 1: something does not work; warnings don't count.
    ");
    insta::assert_snapshot!(help(&["validate"]), @r"
    Check the configuration, offline

    Usage: logweir validate [OPTIONS]

    Options:
      -h, --help  Print help

    Examples:
      logweir validate                        logweir.yaml, and the files of logweir.d beside it
      logweir validate -c /etc/logweir.yaml   another one

    Nothing is connected to, no secret is read, and the files that it names need not be there.
    `logweir check` tries it.
    ");
    insta::assert_snapshot!(help(&["demo"]), @r"
    Show Logweir at work on a simulated organisation

    Usage: logweir demo [OPTIONS]

    Options:
          --for <TIME>                   End by itself after this time, for example `10s`; else Ctrl-C
                                         ends it
          --events <EVENTS>              Events of the past 60 days [default: 50000]
          --live-per-sec <LIVE_PER_SEC>  New events per second [default: 2]
      -h, --help                         Print help
    ");
    insta::assert_snapshot!(help(&["plugin"]), @r"
    Look into plugins: what they are, need, and are granted

    Usage: logweir plugin [OPTIONS] <COMMAND>

    Commands:
      inspect  Show what a plugin is, what it needs, and what to grant it
      list     List the built-in plugins
      help     Print this message or the help of the given subcommand(s)

    Options:
      -h, --help  Print help

    Examples:
      logweir plugin list
      logweir plugin inspect okta
      logweir plugin inspect ./weather.wasm            what it is, needs, and what to grant it
      logweir plugin inspect ./weather.wasm --schema   the JSON Schema of its configuration
    ");
    insta::assert_snapshot!(help(&["plugin", "inspect"]), @r"
    Show what a plugin is, what it needs, and what to grant it

    Usage: logweir plugin inspect [OPTIONS] <FILE>

    Arguments:
      <FILE>  A component (.wasm), or the name of a built-in plugin

    Options:
          --schema  Print the JSON Schema of its configuration, and nothing else
      -h, --help    Print help
    ");
    insta::assert_snapshot!(help(&["plugin", "list"]), @r"
    List the built-in plugins

    Usage: logweir plugin list [OPTIONS]

    Options:
      -h, --help  Print help
    ");
    insta::assert_snapshot!(help(&["state"]), @r"
    Look into what is stored of sources, rewind it, or forget it

    Usage: logweir state [OPTIONS] <COMMAND>

    Commands:
      list    List what is stored: how far every source and every output is
      show    Show what is stored of one source
      rewind  Have a source begin again at a time: its next run reads from there
      adopt   Have a source go on where it was, at the address that the configuration has now
      forget  Forget how far a source is: its next run reads from the beginning again
      help    Print this message or the help of the given subcommand(s)

    Options:
      -h, --help  Print help

    Examples:
      logweir state list
      logweir state show acme
      logweir state rewind acme --to 7d --dry-run    what would come again
      logweir state adopt acme      its organisation has another domain now: go on where it was
      logweir state forget acme     its next run reads from the beginning again

    What is read again is delivered again.
    ");
    insta::assert_snapshot!(help(&["state", "list"]), @r"
    List what is stored: how far every source and every output is

    Usage: logweir state list [OPTIONS]

    Options:
      -h, --help  Print help
    ");
    insta::assert_snapshot!(help(&["state", "rewind"]), @r"
    Have a source begin again at a time: its next run reads from there

    Usage: logweir state rewind [OPTIONS] --to <TIME> <SOURCE>

    Arguments:
      <SOURCE>  Name of the source, as `state list` shows it

    Options:
          --to <TIME>  Where to begin: a time like 2026-11-27T08:00:00Z, or how long ago, like 7d
          --dry-run    Say what would come again, and change nothing
          --yes        Don't ask
      -h, --help       Print help
    ");
    insta::assert_snapshot!(help(&["audit"]), @r"
    Find out what a source has that was never delivered, and deliver it

    Usage: logweir audit [OPTIONS] <SOURCE>

    Arguments:
      <SOURCE>  Name of the source

    Options:
          --since <TIME>  Where to begin: a time, or how long ago, as for `state rewind` [default: 7d]
          --fix           Deliver what is missing
          --json          Print what was found as JSON
      -h, --help          Print help

    Examples:
      logweir audit acme                compare the last 7 days with what was delivered
      logweir audit acme --since 1d     less of it
      logweir audit acme --fix          deliver what is missing
      logweir audit acme --json         for programs

    What is new is followed meanwhile. A running host is asked to do it; with `audit: { every: 1d }` it
    does so by itself. Ctrl-C interrupts it; the same command goes on where it was.
    Exit codes: 0 everything is delivered, 1 something is missing or the audit failed.
    ");
    insta::assert_snapshot!(help(&["backfill"]), @r"
    Read more of the past than the first run did

    Usage: logweir backfill [OPTIONS] --since <TIME> <SOURCE>

    Arguments:
      <SOURCE>  Name of the source

    Options:
          --since <TIME>  Where to begin: a time, or how long ago, as for `state rewind`
          --dry-run       Say what would be read, and read nothing
          --yes           Don't ask
          --json          Print what came of it as JSON
      -h, --help          Print help

    Examples:
      logweir backfill acme --since 90d             what the first run left out of the last 90 days
      logweir backfill acme --since 90d --dry-run   say which stretch that is

    A longer `backfill` in the configuration does nothing to a source that was read before: this does.
    What is new is followed meanwhile and comes first; what was delivered already does not come again.
    Ctrl-C interrupts it; the same command goes on where it was.
    ");
    insta::assert_snapshot!(help(&["state", "adopt"]), @r"
    Have a source go on where it was, at the address that the configuration has now

    Usage: logweir state adopt [OPTIONS] <SOURCE>

    Arguments:
      <SOURCE>  Name of the source, as `state list` shows it

    Options:
          --dry-run  Say what would be changed, and change nothing
          --yes      Don't ask
      -h, --help     Print help
    ");
    insta::assert_snapshot!(help(&["state", "forget"]), @r"
    Forget how far a source is: its next run reads from the beginning again

    Usage: logweir state forget [OPTIONS] <SOURCE>

    Arguments:
      <SOURCE>  Name of the source, as `state list` shows it

    Options:
          --dry-run  Say what would be forgotten, and change nothing
          --yes      Don't ask
      -h, --help     Print help
    ");
    insta::assert_snapshot!(help(&["schema"]), @r"
    Print the JSON Schema of the configuration, for editors

    Usage: logweir schema [OPTIONS]

    Options:
      -h, --help  Print help

    Example:
      logweir schema > logweir.schema.json

    Then an editor with a YAML language server completes and checks a configuration that begins with
      # yaml-language-server: $schema=logweir.schema.json
    ");
    insta::assert_snapshot!(help(&["completions"]), @r"
    Print a completion script for a shell

    Usage: logweir completions [OPTIONS] <SHELL>

    Arguments:
      <SHELL>  The shell to complete for [possible values: bash, elvish, fish, powershell, zsh]

    Options:
      -h, --help  Print help

    Examples:
      logweir completions bash > ~/.local/share/bash-completion/completions/logweir
      logweir completions zsh  > ~/.zfunc/_logweir        with `fpath+=~/.zfunc` in .zshrc
      logweir completions fish > ~/.config/fish/completions/logweir.fish
    ");
}

#[test]
fn a_word_that_is_nearly_right_is_suggested() {
    insta::assert_snapshot!(said(&House::new(), &["connekt"]), @r"
    error: unrecognized subcommand 'connekt'

      tip: a similar subcommand exists: 'connect'

    Usage: logweir [OPTIONS] <COMMAND>

    For more information, try '--help'.
    exit code 2
    ");
    insta::assert_snapshot!(said(&configured(), &["check", "acm"]), @r"
    error: there is no source or output `acm`; did you mean `acme`?
    exit code 2
    ");
    insta::assert_snapshot!(said(&House::new(), &["plugin", "inspect", "okat"]), @r"
    error: there is no file okat; did you mean `okta`?
    exit code 2
    ");
    insta::assert_snapshot!(said(&House::new(), &["connect", "okat"]), @r"
    error: there is no built-in plugin `okat`; did you mean `okta`?
    exit code 2
    ");
}
