//! The one engine of a process, and what every plugin is linked to.

use std::hash::{Hash, Hasher};

use wasmtime::component::{ComponentNamedList, HasData, Lift, Linker, Lower};
use wasmtime::{Config, Engine, OptLevel, StoreContextMut};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings;
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{ResourceTable, WasiView};

use super::instance::Guest;
use super::{bounds, still};

/// The engine's settings. Everything that changes what compiled code looks like is part of the cache's key.
pub(crate) fn engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.cranelift_opt_level(OptLevel::Speed);
    // Guests say what went wrong on standard error; frames of their code would say nothing to an operator.
    config.wasm_backtrace_max_frames(None);
    Engine::new(&config)
}

/// A number that differs between engines whose compiled code is not interchangeable.
pub(crate) fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

struct HasIo;

impl HasData for HasIo {
    type Data<'a> = &'a mut ResourceTable;
}

/// Links exactly what a plugin may import (trust rule 14): outgoing HTTP, streams, clocks, randomness, and the parts
/// of `cli` and `filesystem` that Rust's standard library imports, which are empty. No sockets: a component that
/// imports them is refused when it is loaded, and the error names the import.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    {
        use bindings::io::{error, poll, streams};
        error::add_to_linker::<Guest, HasIo>(l, |guest| guest.ctx().table)?;
        poll::add_to_linker::<Guest, HasIo>(l, |guest| guest.ctx().table)?;
        streams::add_to_linker::<Guest, HasIo>(l, |guest| guest.ctx().table)?;
    }
    bindings::clocks::wall_clock::add_to_linker::<Guest, WasiClocks>(l, Guest::clocks)?;
    bindings::clocks::monotonic_clock::add_to_linker::<Guest, WasiClocks>(l, Guest::clocks)?;
    {
        use bindings::random::{insecure, insecure_seed, random};
        random::add_to_linker::<Guest, WasiRandom>(l, |guest| guest.ctx().ctx.random())?;
        insecure::add_to_linker::<Guest, WasiRandom>(l, |guest| guest.ctx().ctx.random())?;
        insecure_seed::add_to_linker::<Guest, WasiRandom>(l, |guest| guest.ctx().ctx.random())?;
    }
    link_cli(l)?;
    bindings::filesystem::types::add_to_linker::<Guest, WasiFilesystem>(l, Guest::filesystem)?;
    bindings::filesystem::preopens::add_to_linker::<Guest, WasiFilesystem>(l, Guest::filesystem)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(l)?;
    bounds::link(l)?;
    still::link(l)?;
    Ok(linker)
}

fn link_cli(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    use bindings::cli;
    cli::environment::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
    cli::exit::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
    cli::stdin::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
    cli::stdout::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
    cli::stderr::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
    cli::terminal_input::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
    cli::terminal_output::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
    cli::terminal_stdin::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
    cli::terminal_stdout::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?;
    cli::terminal_stderr::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)
}

/// Replaces a function that is linked already. One that is not there under this name is under another, where it would go
/// on as it is: then there is no linker at all.
pub(crate) fn replace<Params, Return, Function>(
    linker: &mut Linker<Guest>,
    interface: &str,
    name: &str,
    function: Function,
) -> wasmtime::Result<()>
where
    Params: ComponentNamedList + Lift + 'static,
    Return: ComponentNamedList + Lower + 'static,
    Function: Fn(StoreContextMut<'_, Guest>, Params) -> wasmtime::Result<Return>
        + Copy
        + Send
        + Sync
        + 'static,
{
    if linker
        .instance(interface)?
        .func_wrap(name, function)
        .is_ok()
    {
        wasmtime::bail!("{interface} has no function {name} that could be replaced");
    }
    linker.allow_shadowing(true);
    let replaced = linker.instance(interface)?.func_wrap(name, function);
    linker.allow_shadowing(false);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_is_not_where_it_is_thought_to_be_makes_no_linker() {
        let mut nothing = Linker::new(&engine().unwrap());
        let error = bounds::link(&mut nothing).unwrap_err();
        assert!(error.to_string().contains("could be replaced"), "{error}");
        assert!(linker(&engine().unwrap()).is_ok());
    }
}
