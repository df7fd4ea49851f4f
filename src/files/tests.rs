//! Writes that break off, lines that are torn, locks, and mistakes in words.

use super::*;

#[test]
fn numbers_that_only_python_writes_are_read_outside_of_texts() {
    let read = |text: &str| json_of_python(text.as_bytes());
    let float = |name: &str| serde_json::json!({ "__float__": name });
    let found = read(r#"{"a": [0.0, Infinity], "NaN": "-Infinity \\\" NaN", "b": NaN}"#).unwrap();
    assert_eq!(found["a"][1], float("Infinity"));
    assert_eq!(found["NaN"], "-Infinity \\\" NaN");
    assert_eq!(found["b"], float("NaN"));
    assert_eq!(read("[-Infinity]").unwrap()[0], float("-Infinity"));
    for wrong in ["{\"a\": Inf}", "{\"a\": NaN", "", "{\"a\": \"\\"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

/// The limit of a file's size stands for a full disk: of several lines the first ones still have room.
#[cfg(target_os = "linux")]
#[test]
fn lines_that_the_disk_has_no_room_for_leave_the_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes.jsonl");
    append_line(&path, &"first ".repeat(150)).unwrap();
    let before = std::fs::read(&path).unwrap();
    let this = std::env::current_exe().unwrap();
    // 4 blocks of 512 bytes, or of 1024. Without its signal, a write says that there is no room.
    let script = "ulimit -f 4 && trap '' XFSZ && exec \"$0\" --exact --ignored \
                  files::tests::append_more_than_there_is_room_for";
    let status = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(this)
        .env(FULL, &path)
        .stdout(std::process::Stdio::null())
        .status();
    assert!(status.unwrap().success());
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[cfg(target_os = "linux")]
const FULL: &str = "TUNING_FORK_TEST_FULL";

#[cfg(target_os = "linux")]
#[test]
#[ignore = "lines_that_the_disk_has_no_room_for_leave_the_file_as_it_was runs it"]
fn append_more_than_there_is_room_for() {
    let Some(path) = std::env::var_os(FULL) else { return };
    let lines = vec!["more ".repeat(50); 40].join("\n");
    assert!(append_line(Path::new(&path), &lines).is_err());
}

#[test]
fn of_many_names_those_are_said_that_are_like_an_unknown_one() {
    let names: Vec<String> = (0..13).map(|at| format!("`setting_{at}`")).collect();
    let all = |count: usize| {
        format!("unknown field `setting_12b`, expected one of {}", names[..count].join(", "))
    };
    let said = nearest_of_many(&all(13));
    let begin = "unknown field `setting_12b`; of the 13 that are known, `setting_12`, ";
    assert!(said.starts_with(begin) && said.ends_with(" are most like it"), "{said}");
    assert_eq!(said.matches('`').count(), 8, "{said}");
    for other in [all(12), "invalid type: string, expected u32".to_owned()] {
        assert_eq!(nearest_of_many(&other), other);
    }
}

#[test]
fn a_crash_while_saving_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("work.json");
    write_atomic(&path, b"old").unwrap();
    // A crash is a temporary file that nobody renamed.
    let mut half = tempfile::Builder::new().tempfile_in(folder.path()).unwrap();
    half.write_all(b"ne").unwrap();
    let (_file, _left_behind) = half.keep().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
}

#[test]
#[cfg(unix)]
fn a_private_file_is_for_this_account_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep").join("token");
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    write_private(&path, b"old").unwrap();
    write_private(&path, b"new").unwrap();
    assert_eq!((std::fs::read(&path).unwrap().as_slice(), mode()), (&b"new"[..], 0o600));
    write_atomic(&path, b"for all").unwrap();
    assert_eq!(mode(), 0o644);
}

#[test]
fn a_half_written_last_line_does_not_swallow_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    append_line(&path, "{\"a\":1}").unwrap();
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"a\":").unwrap();
    append_line(&path, "{\"a\":3}").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"a\":\n{\"a\":3}\n");
}

#[test]
fn a_bad_row_is_named_with_its_line_column_and_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    write_atomic(&path, b"{\"a\":1}\n\n{\"a\":2,}\n{\"a\":3}\n").unwrap();
    let err = read_jsonl::<serde_json::Value>(&path).unwrap_err();
    let JsonlError::Row { line, column, nearby, .. } = err else { panic!("{err}") };
    assert_eq!((line, column), (3, 8));
    assert_eq!(nearby, ["2: ", "3: {\"a\":2,}", "4: {\"a\":3}"]);
}

#[test]
fn a_lock_has_one_holder_and_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    assert!(!is_locked(&path));
    let held = lock(&path).unwrap();
    assert!(held.is_some() && is_locked(&path));
    assert!(lock(&path).unwrap().is_none());
    drop(held);
    assert!(!is_locked(&path));
}

/// A list of studies or runs asks of each whether it is open, just when somebody opens one.
#[test]
fn who_asks_whether_a_file_is_locked_keeps_nobody_from_locking_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    drop(lock(&path).unwrap());
    let done = std::sync::atomic::AtomicBool::new(false);
    let opens = || {
        let refused = (0..200).filter(|_| lock(&path).unwrap().is_none()).count();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        refused
    };
    let asks = || {
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            is_locked(&path);
        }
    };
    assert_eq!(rayon::join(opens, asks).0, 0);
}

#[test]
fn hashes_are_those_of_the_standard() {
    // FIPS 180-2, "abc"
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sha256_of_bytes(b"abc"), expected);
}

#[test]
fn a_mistake_in_json_is_said_in_words() {
    for (text, expected) in [
        ("{\"a\": 1,", "it ends in the middle, on line 1: it was cut off. Fetch it again"),
        (
            "{\n\"a\": 1,\n}",
            "line 3, column 1: a comma stands before a } or ] with nothing behind it",
        ),
        ("{a: 1}", "line 1, column 2: a name stands without quotation marks"),
        ("{'a': 1}", "line 1, column 2: a name stands without quotation marks"),
        ("{} {}", "line 1, column 4: something stands behind the end"),
        ("{\"a\": True}", "line 1, column 7: it is not JSON from here on"),
        (" \n", "it is empty"),
    ] {
        let err = serde_json::from_str::<serde_json::Value>(text).unwrap_err();
        assert_eq!(mistake_in_json(text.as_bytes(), &err), expected, "{text}");
    }
    let page = "<!doctype html>";
    let err = serde_json::from_str::<serde_json::Value>(page).unwrap_err();
    assert!(mistake_in_json(page.as_bytes(), &err).starts_with("it is a web page"));
}

#[test]
fn why_something_cannot_be_written_is_said_without_numbers_of_the_system() {
    for (kind, words) in [
        (io::ErrorKind::StorageFull, "the disk is full"),
        (io::ErrorKind::ReadOnlyFilesystem, "the disk can only be read"),
        (io::ErrorKind::PermissionDenied, "this account may not write there"),
    ] {
        let said = in_words(io::Error::new(kind, "(os error 1) at path \"/a/.writing-x\""));
        assert_eq!((said.kind(), said.to_string().as_str()), (kind, words));
    }
    assert_eq!(in_words(io::Error::other("something else")).to_string(), "something else");
}
