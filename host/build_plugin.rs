//! Builds a plugin of this workspace from within a build script, with the cargo that runs it.
//!
//! All profiles share one folder, `TARGET/plugins`; cargo's lock on it puts build scripts that come at the same time
//! in a row. `LOGWEIR_PLUGINS=DIR` names a folder of plugins that are built already, for machines without the target.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip2";

/// What plugins are built with, over what the profile says: the structural scan of a page is vector code.
const RUSTFLAGS: &str = "-C target-feature=+simd128";

/// What belongs to the build around this one: its flags, its profile, clippy in the compiler's place.
const NOT_OURS: [&str; 9] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_INCREMENTAL",
    "CARGO_TARGET_DIR",
    "CLIPPY_ARGS",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
];

/// The component that a package of this workspace builds to.
#[expect(
    clippy::panic,
    reason = "this is how a build script says that it failed"
)]
pub(crate) fn build(package: &str) -> PathBuf {
    tell("rerun-if-env-changed", "LOGWEIR_PLUGINS");
    let component = match env::var_os("LOGWEIR_PLUGINS") {
        Some(folder) => prebuilt(Path::new(&folder), package),
        None => compile(package),
    };
    component.unwrap_or_else(|why| panic!("no plugin {package}: {why}"))
}

fn prebuilt(folder: &Path, package: &str) -> Result<PathBuf, String> {
    let file = folder.join(file_name(package, "wasm"));
    tell("rerun-if-changed", &file.display().to_string());
    let absolute = file.canonicalize();
    absolute.map_err(|error| format!("LOGWEIR_PLUGINS names {}: {error}", file.display()))
}

fn compile(package: &str) -> Result<PathBuf, String> {
    get_target()?;
    let workspace = workspace()?;
    let folder = plugins_folder()?;
    let mut cargo = Command::new(env_path("CARGO")?);
    cargo
        .current_dir(&workspace)
        .args(["build", "--lib", "--locked", "--profile", "plugin"])
        .args(["--target", TARGET, "--package", package, "--target-dir"])
        .arg(&folder);
    clean(&mut cargo);
    cargo.env("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", RUSTFLAGS);
    let status = cargo.status().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!(
            "`cargo build --package {package}` failed, see above"
        ));
    }
    let built = folder.join(TARGET).join("plugin");
    watch(&built.join(file_name(package, "d")), &workspace)?;
    keep(&built.join(file_name(package, "wasm")))
}

/// A copy beside what else this build script made: the folder that all profiles share may change under this one.
fn keep(component: &Path) -> Result<PathBuf, String> {
    let kept = env_path("OUT_DIR")?.join(component.file_name().unwrap_or_default());
    let copied = fs::copy(component, &kept);
    copied.map_err(|error| format!("{}: {error}", component.display()))?;
    Ok(kept)
}

/// Makes sure of the target. The toolchain file asks rustup for it, but a rustup that installs nothing by itself
/// leaves it out, and a first build that ends here has taken minutes.
fn get_target() -> Result<(), String> {
    if has_target()? || added_by_rustup()? {
        return Ok(());
    }
    Err(format!(
        "plugins need the target {TARGET}; get it with `rustup target add {TARGET}`, or name a folder of plugins \
         that are built already in LOGWEIR_PLUGINS"
    ))
}

fn has_target() -> Result<bool, String> {
    let output = Command::new(env_path("RUSTC")?)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|error| error.to_string())?;
    let libraries = String::from_utf8_lossy(&output.stdout);
    Ok(Path::new(libraries.trim()).is_dir())
}

/// Where there is no rustup, somebody else has to do it.
fn added_by_rustup() -> Result<bool, String> {
    let added = Command::new("rustup")
        .args(["target", "add", TARGET])
        .current_dir(workspace()?)
        .status();
    Ok(added.is_ok_and(|status| status.success()) && has_target()?)
}

fn clean(cargo: &mut Command) {
    for name in NOT_OURS {
        cargo.env_remove(name);
    }
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PROFILE_") {
            cargo.env_remove(name);
        }
    }
}

/// Asks for another run when a source of the plugin changes. cargo has listed them, the contract's files too.
fn watch(list: &Path, workspace: &Path) -> Result<(), String> {
    let text = fs::read_to_string(list).map_err(|error| format!("{}: {error}", list.display()))?;
    let sources = text.split_once(": ").map_or("", |(_, sources)| sources);
    let escaped_spaces = sources.replace("\\ ", "\0");
    let mut watched: Vec<PathBuf> = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"]
        .map(|name| workspace.join(name))
        .into();
    for source in escaped_spaces.split_whitespace() {
        let source = PathBuf::from(source.replace('\0', " "));
        let mut folders = source.ancestors().skip(1).map(|at| at.join("Cargo.toml"));
        watched.extend(folders.find(|manifest| manifest.is_file()));
        watched.push(source);
    }
    watched.sort();
    watched.dedup();
    for path in watched {
        tell("rerun-if-changed", &path.display().to_string());
    }
    Ok(())
}

fn workspace() -> Result<PathBuf, String> {
    let package = env_path("CARGO_MANIFEST_DIR")?;
    let root = package.ancestors().find(|at| at.join("wit").is_dir());
    root.map(Path::to_owned)
        .ok_or_else(|| format!("{} is not in Logweir's workspace", package.display()))
}

/// `OUT_DIR` is `TARGET/PROFILE/build/PACKAGE/out`.
fn plugins_folder() -> Result<PathBuf, String> {
    let out = env_path("OUT_DIR")?;
    let build = out.ancestors().find(|at| at.ends_with("build"));
    let target = build.and_then(Path::parent).and_then(Path::parent);
    target
        .map(|target| target.join("plugins"))
        .ok_or_else(|| format!("OUT_DIR is an odd one: {}", out.display()))
}

fn file_name(package: &str, extension: &str) -> String {
    format!("{}.{extension}", package.replace('-', "_"))
}

fn env_path(name: &str) -> Result<PathBuf, String> {
    env::var_os(name)
        .map(PathBuf::from)
        .ok_or_else(|| format!("{name} is not set; this runs in a build script"))
}

fn tell(key: &str, value: &str) {
    println!("cargo::{key}={value}");
}
