//! A study on the disk: made, opened, held by one program at a time.

use super::*;
use crate::examples::items;
use crate::examples::study;

/// A study of so many items in a folder that lives as long as the first.
pub fn made(count: usize) -> (tempfile::TempDir, Folder) {
    let parent = tempfile::tempdir().unwrap();
    let folder = create(&parent.path().join("tone"), study(), &items(count)).unwrap();
    (parent, folder)
}

/// `coder` says this of the items, one after the other.
pub fn code(folder: &mut Folder, coder: &str, labels: &[&str]) {
    let log = folder.join(coder).unwrap();
    for (item, label) in labels.iter().enumerate() {
        if !label.is_empty() {
            folder.append(log, said(item, 1, label)).unwrap();
        }
    }
}

pub fn said(item: usize, pass: u8, label: &str) -> Verdict {
    let value = if label == "?" { Value::DontKnow } else { Value::words(label) };
    Verdict {
        item,
        pass,
        values: [(0, value)].into(),
        at: "2026-11-28T18:00:00.000Z".into(),
        seconds: 2.0,
        guideline: "1".into(),
        ..Verdict::default()
    }
}

#[test]
fn a_study_is_opened_as_it_was_left_with_every_coder() {
    let (parent, mut folder) = made(3);
    code(&mut folder, "Ada", &["good", "bad"]);
    code(&mut folder, "Ben / 2", &["bad", "", "good"]);
    code(&mut folder, "Ben – 2", &["good"]); // makes the same file name
    let path = folder.path.clone();
    drop(folder);
    let again = Folder::open(&path, Use::Write).unwrap();
    let names: Vec<&str> = again.logs.iter().map(|log| log.coder.as_str()).collect();
    assert_eq!(names, ["Ada", "Ben / 2", "Ben – 2"]);
    assert_eq!(again.coder("Ben / 2").unwrap().counting().count(), 2);
    assert!(again.found.is_empty());
    assert_eq!(list(parent.path()), Vec::<PathBuf>::new()); // it is not in studies/
    let files: Vec<PathBuf> = again.logs.iter().map(|log| log.path().to_owned()).collect();
    assert!(files[1].ends_with("codes/ben-2.jsonl") && files[2].ends_with("codes/ben-2-2.jsonl"));
}

#[test]
fn two_windows_on_one_study_are_told_so_and_nothing_is_mixed() {
    let (_parent, folder) = made(3);
    let second = Folder::open(&folder.path, Use::Write).unwrap_err();
    assert!(matches!(second, StudyError::Busy { .. }), "{second}");
    assert!(second.to_string().contains("open in another window"), "{second}");
    // Looking at it changes nothing and works all the same.
    let looked = Folder::open(&folder.path, Use::Read).unwrap();
    assert!(!looked.is_writable());
    let path = folder.path.clone();
    drop(folder);
    assert!(Folder::open(&path, Use::Write).is_ok());
}

#[test]
fn whoever_only_looks_leaves_a_line_that_is_being_written_alone() {
    let (_parent, mut folder) = made(3);
    code(&mut folder, "Ada", &["good", "bad"]);
    let path = folder.logs[0].path().to_owned();
    let whole = std::fs::read(&path).unwrap();
    files::write_atomic(&path, &whole[..whole.len() - 9]).unwrap();
    let looked = Folder::open(&folder.path, Use::Read).unwrap();
    assert_eq!(looked.logs[0].counting().count(), 1);
    assert_eq!(std::fs::read(&path).unwrap().len(), whole.len() - 9);
}

#[test]
fn items_that_were_changed_after_the_beginning_are_refused() {
    let (_parent, folder) = made(3);
    let path = folder.path.clone();
    drop(folder);
    let items = path.join(ITEMS);
    let text = std::fs::read_to_string(&items).unwrap().replace("text number 2", "text number two");
    files::write_atomic(&items, text.as_bytes()).unwrap();
    let said = Folder::open(&path, Use::Write).unwrap_err().to_string();
    assert!(said.contains("the items were changed after the study began"), "{said}");
}

#[test]
fn the_guideline_may_grow_and_the_labels_may_not_change() {
    let (_parent, mut folder) = made(3);
    folder.study.codebook.guideline.push_str(" Twice.");
    folder.study.codebook.guideline_version = "2".to_owned();
    folder.save_study().unwrap();
    folder.study.codebook.variables[0].classes.pop();
    assert!(folder.save_study().unwrap_err().to_string().contains("Make a new study"));
    let path = folder.path.clone();
    drop(folder);
    let again = Folder::open(&path, Use::Read).unwrap();
    assert_eq!(again.study.codebook.guideline_version, "2");
    assert_eq!(again.study.codebook.variables[0].classes.len(), 3);
}

#[test]
fn a_study_has_a_free_folder_and_a_coder_a_name() {
    let parent = tempfile::tempdir().unwrap();
    let first = new_folder(parent.path(), "Tone: of reports!");
    assert!(first.ends_with("studies/tone-of-reports"));
    create(&first, study(), &items(1)).unwrap();
    assert!(new_folder(parent.path(), "Tone of reports").ends_with("tone-of-reports-2"));
    assert_eq!(list(parent.path()), std::slice::from_ref(&first));
    let mut folder = Folder::open(&first, Use::Write).unwrap();
    assert!(folder.join(" ").is_err() && folder.join("settled").is_err());
    // The same person with other capitals; two who are told apart by them stay two.
    let ada = folder.join("Ada").unwrap();
    assert_eq!(
        (folder.spelled(" ADA "), folder.spelled("Ben")),
        ("Ada".to_owned(), "Ben".to_owned())
    );
    assert_eq!(folder.join(&folder.spelled("ada")).unwrap(), ada);
    folder.join("ADA").unwrap();
    assert_eq!(folder.spelled("ADA"), "ADA");
}

#[test]
#[cfg(target_os = "linux")] // it reads /proc
#[ignore = "a measurement: cargo test --release a_large_study -- --ignored --nocapture"]
fn a_large_study_opens_fast_and_small() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("large");
    let mut many = items(100_000);
    for item in &mut many {
        item.text = item.text.repeat(16);
        item.more.insert("year".to_owned(), 2020.into());
        item.more.insert("journal".to_owned(), "A journal of some name".into());
    }
    let mut folder = create(&path, study(), &many).unwrap();
    for coder in 0..10 {
        let name = format!("coder {coder}");
        let log = folder.join(&name).unwrap();
        let file = folder.logs[log].path().to_owned();
        let mut text = format!("{{\"coder\":\"{name}\",\"study\":\"{}\"}}\n", folder.hash());
        for item in 0..100_000 {
            let label = ["good", "bad", "neither"][(item + coder * item / 7) % 3];
            text.push_str(&format!(
                "{{\"n\":{},\"item\":\"i{}\",\"values\":{{\"tone\":\"{label}\"}},\
                 \"at\":\"2026-11-28T18:00:00.000Z\",\"seconds\":3.25,\"guideline\":\"1\"}}\n",
                item + 1,
                item + 1
            ));
        }
        files::write_atomic(&file, text.as_bytes()).unwrap();
    }
    drop(folder);
    drop(many);
    let kilobytes = || -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let before = kilobytes();
    // Of this process: whatever else runs on the machine does not count.
    let ticks = || -> f64 {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<&str> = stat.split_whitespace().collect();
        fields[13].parse::<f64>().unwrap() + fields[14].parse::<f64>().unwrap()
    };
    let (start, begun) = (ticks(), std::time::Instant::now());
    let folder = Folder::open(&path, Use::Write).unwrap();
    let seconds = (ticks() - start) / 100.0;
    let wall = begun.elapsed().as_secs_f64();
    let count: usize = folder.logs.iter().map(|log| log.counting().count()).sum();
    println!(
        "{count} verdicts in {wall:.2} s, {seconds:.2} s of the processor, {} MB more",
        (kilobytes() - before) / 1000
    );
    assert_eq!(count, 1_000_000);
    assert!(seconds < 3.0);
}
