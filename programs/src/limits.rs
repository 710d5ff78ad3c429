//! Limits of the child process, set by itself before it runs a program.
//!
//! The one place of this crate that needs `unsafe`: the C library's `setrlimit` has no safe form in the standard library.

#![allow(unsafe_code)]

use std::io;

use libc::{RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_NOFILE, rlimit};

/// Sets limits that cannot be raised again.
///
/// After this the process can open nothing: only the three standard streams remain.
///
/// # Errors
/// What the system says.
pub fn confine(memory_bytes: u64, cpu_seconds: u64) -> io::Result<()> {
    set(RLIMIT_CORE, 0)?;
    set(RLIMIT_FSIZE, 0)?;
    set(RLIMIT_NOFILE, 3)?;
    set(RLIMIT_CPU, cpu_seconds)?;
    set(RLIMIT_AS, memory_bytes)
}

#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

fn set(resource: Resource, value: u64) -> io::Result<()> {
    let limit = rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: `setrlimit` reads one `rlimit`, which lives on the stack during the call, and keeps no pointer to it.
    match unsafe { libc::setrlimit(resource, &limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
