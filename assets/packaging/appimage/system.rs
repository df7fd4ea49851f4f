//! Whether this system can start the program, asked before: the loader's own words help nobody.

use std::path::Path;
use std::process::Command;

/// Says which C library the packages need.
const DESCRIPTION: &str = include_str!("../packager.toml");

#[cfg(target_arch = "x86_64")]
const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
#[cfg(target_arch = "aarch64")]
const LOADER: &str = "/lib/ld-linux-aarch64.so.1";

/// Why the program cannot start here, and what to do. `None` also where that is not known.
pub fn obstacle() -> Option<String> {
    if !Path::new(LOADER).exists() {
        let needed = needed();
        return Some(format!(
            "Tuning Fork needs glibc {needed} or newer, and this system has none ({LOADER} is missing): use it on \
             Debian 12, Ubuntu 22.04, Fedora 36 or newer, or build it from its source here"
        ));
    }
    // Answers "glibc 2.36" in a millisecond. Where it is missing, the loader will tell.
    let answer = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let answer = String::from_utf8(answer.stdout).ok()?;
    too_old(answer.trim().strip_prefix("glibc ")?)
}

/// As in `libc6 (>= 2.35)`.
fn needed() -> &'static str {
    let after = DESCRIPTION.split("libc6 (>= ").nth(1).unwrap_or_default();
    after.split(')').next().unwrap_or_default()
}

fn too_old(has: &str) -> Option<String> {
    let needed = needed();
    let numbers = |version: &str| -> Vec<u32> {
        version.split('.').map_while(|part| part.parse().ok()).collect()
    };
    (numbers(has) < numbers(needed)).then(|| {
        format!(
            "Tuning Fork needs glibc {needed} or newer, and this system has {has}: use it on Debian 12, Ubuntu \
             22.04, Fedora 36 or newer, or build it from its source here"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_c_library_is_compared_with_the_description_of_the_packages() {
        assert!(needed().starts_with("2."), "{}", needed());
        assert_eq!(too_old(needed()), None);
        assert_eq!(too_old("2.100"), None, "numbers, not letters");
        let said = too_old("2.31").unwrap();
        assert!(said.contains("has 2.31") && said.contains(needed()), "{said}");
    }
}
