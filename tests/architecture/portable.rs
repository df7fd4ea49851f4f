//! What only one system has stands behind a `cfg` that names it.

use std::fs;
use std::path::Path;

use super::rust_files;

/// Words of one system, in code.
const OF_ONE_SYSTEM: [&str; 7] = [
    "std::os::unix",
    "std::os::linux",
    "std::os::macos",
    "std::os::windows",
    "libc::",
    "windows_sys::",
    "winresource::",
];

/// Crates that one system alone has, or that are C for it. They belong under a `target.'cfg(…)'`.
const CRATES_OF_ONE_SYSTEM: [&str; 10] = [
    "inotify",
    "libc",
    "nix",
    "objc2",
    "rustix",
    "wayland-client",
    "winapi",
    "windows",
    "windows-sys",
    "x11rb",
];

/// Places that one system alone has, and the files that read them and do without.
const PLACES: [(&str, &[&str]); 4] = [
    ("\"/proc", &["memory.rs", "cli/peak.rs", "study/folder_tests.rs"]),
    ("\"/sys/", &[]),
    // Scripts for a container, which is Linux.
    ("\"/tmp", &["elsewhere/scripts.rs"]),
    // In files/tests.rs: a test for Linux alone.
    ("new(\"sh\")", &["elsewhere/place.rs", "files/tests.rs"]),
];

#[test]
fn what_one_system_has_stands_behind_a_cfg() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut problems = Vec::new();
    for file in rust_files(&src) {
        let name = file.strip_prefix(&src).expect("found under src").to_string_lossy();
        let name = name.replace('\\', "/");
        let text = fs::read_to_string(&file).expect("source files are readable");
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in OF_ONE_SYSTEM {
                if code.contains(word) && !is_behind_a_cfg(&lines, at) {
                    problems.push(format!("{name}:{}: `{word}` without a cfg", at + 1));
                }
            }
            for (place, homes) in PLACES {
                if code.contains(place) && !homes.contains(&name.as_str()) {
                    problems.push(format!("{name}:{}: {place} is not on every system", at + 1));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn crates_of_one_system_are_asked_for_there_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["", "src/engine", "src/kernels"] {
        let path = root.join(folder).join("Cargo.toml");
        let text = fs::read_to_string(&path).expect("the manifest is there");
        let manifest: toml::Table = text.parse().expect("the manifest is TOML");
        for part in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let Some(asked) = manifest.get(part).and_then(toml::Value::as_table) else { continue };
            for name in CRATES_OF_ONE_SYSTEM {
                let path = path.display();
                assert!(!asked.contains_key(name), "{name} belongs under a target in {path}");
            }
        }
    }
}

/// Whether this line, or a block that it is in, has a `cfg` of a system above it.
fn is_behind_a_cfg(lines: &[&str], mut at: usize) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len();
    loop {
        let own = indent(lines[at]);
        let mut above = at;
        while above > 0 {
            let line = lines[above - 1].trim_start();
            // An attribute may take several lines: its last one is a bracket.
            let belongs = line.starts_with("#[")
                || line.starts_with("//")
                || line.starts_with(")]")
                || (indent(lines[above - 1]) > own && lines[above].trim_start().starts_with(")]"));
            if !belongs {
                break;
            }
            above -= 1;
            let names_a_system = ["unix", "windows", "target_os"].iter().any(|n| line.contains(n));
            if line.starts_with("#[cfg(") && names_a_system {
                return true;
            }
        }
        // The line that opens the block; that of a signature of several lines is its first.
        let opens = |line: &str, below: usize| !line.trim().is_empty() && indent(line) < below;
        let Some(mut opening) = (0..above).rev().find(|line| opens(lines[*line], own)) else {
            return false;
        };
        if lines[opening].trim_start().starts_with(')') {
            let level = indent(lines[opening]);
            let first = (0..opening)
                .rev()
                .find(|line| !lines[*line].trim().is_empty() && indent(lines[*line]) == level);
            opening = first.unwrap_or(opening);
        }
        at = opening;
    }
}

#[test]
fn a_cfg_is_found_around_a_block_and_above_a_line() {
    let around = "fn a() {\n    #[cfg(unix)]\n    {\n        libc::call();\n    }\n}";
    let above = "#[cfg(all(target_os = \"linux\"))]\n/// Says.\nfn a(\n    b: u8,\n) -> u8 {\n    \
                 libc::call()\n}";
    let without = "#[cfg(unix)]\nfn a() {}\n\nfn b() {\n    libc::call();\n}";
    for (code, line, found) in [(around, 3, true), (above, 5, true), (without, 4, false)] {
        let lines: Vec<&str> = code.lines().collect();
        assert_eq!(is_behind_a_cfg(&lines, line), found, "{code}");
    }
}
