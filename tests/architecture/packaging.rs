//! What the packages say of the program is so in all of their files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const METAINFO: &str = "assets/packaging/org.example.tuning_fork.metainfo.xml";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|err| panic!("{path}: {err}"))
}

fn toml_file(path: &str) -> toml::Table {
    read(path).parse().unwrap_or_else(|err| panic!("{path}: {err}"))
}

/// The texts between `before` and the next `after`.
fn all_between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap_or_default()).collect()
}

fn entry<'a>(desktop: &'a str, key: &str) -> &'a str {
    let line = desktop.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("the desktop file has no {key}"))
}

#[test]
fn every_file_names_the_same_version() {
    let version = env!("CARGO_PKG_VERSION");
    let packager = toml_file("assets/packaging/packager.toml");
    assert_eq!(packager["version"].as_str(), Some(version), "packager.toml");
    let appimage = toml_file("assets/packaging/appimage/Cargo.toml");
    assert_eq!(appimage["package"]["version"].as_str(), Some(version), "appimage/Cargo.toml");
    let citation = read("assets/CITATION.cff");
    assert!(citation.contains(&format!("\nversion: {version}\n")), "CITATION.cff");
    let metainfo = read(METAINFO);
    assert_eq!(all_between(&metainfo, "<release version=\"", "\"")[0], version, "metainfo");
    let released = all_between(&metainfo, "date=\"", "\"")[0];
    assert!(citation.contains(&format!("\ndate-released: {released}\n")), "the day of the release");
    let changelog = read("assets/packaging/debian/changelog");
    assert!(changelog.starts_with(&format!("tuning-fork ({version}) ")), "debian/changelog");
}

#[test]
fn the_menu_the_window_and_the_metadata_mean_one_program() {
    let desktop = read("assets/packaging/tuning-fork.desktop");
    let metainfo = read(METAINFO);
    let launched = all_between(&metainfo, "<launchable type=\"desktop-id\">", "<");
    assert_eq!(launched, ["tuning-fork.desktop"]);
    assert_eq!(
        all_between(&metainfo, "<id>", "<"),
        ["org.example.tuning_fork"],
        "as the file's name"
    );
    for key in ["Icon", "StartupWMClass", "TryExec"] {
        assert_eq!(entry(&desktop, key), "tuning-fork", "{key}");
    }
    assert_eq!(entry(&desktop, "Exec"), "tuning-fork %f", "it opens one file");
    // Wayland finds the desktop file by it, X11 by the class.
    assert!(read("src/app/mod.rs").contains(".with_app_id(\"tuning-fork\")"));
    assert_eq!(all_between(&metainfo, "<name>", "<")[0], entry(&desktop, "Name"));
    let packager = toml_file("assets/packaging/packager.toml");
    assert_eq!(packager["product-name"].as_str(), Some(entry(&desktop, "Name")));
}

#[test]
fn the_same_types_of_files_are_opened_everywhere() {
    let set = |types: Vec<&str>| types.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    let desktop = read("assets/packaging/tuning-fork.desktop");
    let opened = entry(&desktop, "MimeType").split_terminator(';').collect();
    let opened = set(opened);
    let metainfo = read(METAINFO);
    assert_eq!(set(all_between(&metainfo, "<mediatype>", "<")), opened, "metainfo");
    let described = read("assets/packaging/tuning-fork-mime.xml");
    assert_eq!(set(all_between(&described, "<mime-type type=\"", "\"")), opened, "types");
    let packager = toml_file("assets/packaging/packager.toml");
    for association in packager["file-associations"].as_array().expect("a list") {
        let kind = association["mime-type"].as_str().expect("a type").to_owned();
        assert!(opened.contains(&kind), "{kind}");
    }
}

#[test]
fn icons_have_the_sizes_that_they_are_named_for() {
    let folder = root().join("assets/packaging/icons");
    let mut sizes = BTreeSet::new();
    for file in fs::read_dir(&folder).expect("the icons are there") {
        let path = file.expect("readable").path();
        if path.extension().is_none_or(|ending| ending != "png") {
            continue;
        }
        let bytes = fs::read(&path).expect("readable");
        let side = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four"));
        let named = path.file_stem().expect("a name").to_string_lossy().into_owned();
        assert_eq!((side(16).to_string(), side(20)), (named, side(16)), "{}", path.display());
        sizes.insert(side(16));
    }
    // hicolor's, and the large one that shops and docks show.
    assert!(
        sizes.is_superset(&BTreeSet::from([16, 22, 24, 32, 48, 64, 128, 256, 512])),
        "{sizes:?}"
    );
    let bytes =
        |path: &str| fs::read(root().join(path)).unwrap_or_else(|err| panic!("{path}: {err}"));
    let in_program = bytes("assets/icon.png");
    assert!(
        in_program == bytes("assets/packaging/icons/256.png"),
        "assets/icon.png is the one of 256: run assets/packaging/render_icons.sh"
    );
    assert_eq!(&bytes("assets/packaging/icons/tuning-fork.ico")[..4], &[0, 0, 1, 0]);
    assert_eq!(&bytes("assets/packaging/icons/tuning-fork.icns")[..4], b"icns");
}

#[test]
fn every_file_that_a_package_takes_is_there() {
    let packager = toml_file("assets/packaging/packager.toml");
    let here = root().join("assets/packaging");
    let icons = packager["icons"].as_array().expect("a list").iter();
    let mut named: Vec<&str> = icons.filter_map(toml::Value::as_str).collect();
    named.extend(packager["license-file"].as_str());
    named.extend(packager["deb"]["desktop-template"].as_str());
    for name in named {
        assert!(here.join(name).is_file(), "{name}");
    }
}

#[test]
fn the_list_of_licences_has_every_crate() {
    let lock = toml_file("Cargo.lock");
    let field =
        |package: &toml::Value, key: &str| package[key].as_str().expect("a text").to_owned();
    let packages = lock["package"].as_array().expect("a list").iter();
    let locked: BTreeSet<(String, String)> = packages
        .filter(|package| package.get("source").is_some())
        .map(|package| (field(package, "name"), field(package, "version")))
        .collect();
    let list = read("assets/licences.tsv");
    let listed = list.lines().map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        assert_eq!(cells.len(), 3, "{line}");
        assert!(!cells[2].is_empty(), "{line}");
        (cells[0].to_owned(), cells[1].to_owned())
    });
    let listed: BTreeSet<(String, String)> = listed.collect();
    let missing: Vec<_> = locked.symmetric_difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "Cargo.lock has changed: run `python3 assets/packaging/licences.py list` ({missing:?})"
    );
}
