//! Syncs that fail on demand, in a program that is started with this library before all others (`LD_PRELOAD`).
//!
//! The file that `FAILING_SYNC` names holds how many syncs are to fail and in which folder: `3 /tmp/house/disk`. What
//! was written stays in the system's memory, as after an error of a real disk; what is lost by that only a power cut
//! would show, and tests of the file output play one.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Mutex;
use std::{env, fs};

/// `RTLD_NEXT` of glibc and musl: the function of the library behind this one.
const NEXT: *mut c_void = -1_isize as *mut c_void;
const EIO: c_int = 5;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

unsafe extern "C" {
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    fn __errno_location() -> *mut c_int;
}

type Sync = extern "C" fn(c_int) -> c_int;

/// See fsync(2).
#[unsafe(no_mangle)]
pub extern "C" fn fsync(file: c_int) -> c_int {
    sync(file, c"fsync".as_ptr())
}

/// See fdatasync(2).
#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(file: c_int) -> c_int {
    sync(file, c"fdatasync".as_ptr())
}

fn sync(file: c_int, name: *const c_char) -> c_int {
    if fails(file) == Some(true) {
        // SAFETY: it is this thread's own.
        unsafe { *__errno_location() = EIO };
        return -1;
    }
    // SAFETY: the name ends in a zero, and what has this name has this type.
    let real = unsafe { std::mem::transmute::<*mut c_void, Option<Sync>>(dlsym(NEXT, name)) };
    real.map_or(-1, |real| real(file))
}

fn fails(file: c_int) -> Option<bool> {
    let orders = env::var_os("FAILING_SYNC")?;
    let _guard = ONE_AT_A_TIME.lock().ok()?;
    let order = fs::read_to_string(&orders).ok()?;
    let (times, folder) = order.trim().split_once(' ')?;
    let times: u32 = times.parse().ok()?;
    let path = fs::read_link(format!("/proc/self/fd/{file}")).ok()?;
    if times == 0 || !path.starts_with(folder) {
        return None;
    }
    fs::write(&orders, format!("{} {folder}", times - 1)).ok()?;
    Some(true)
}
