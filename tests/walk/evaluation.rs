//! Sixty abstracts of which people have coded a part: the model codes all of them, a report says how far to
//! trust it and corrects the shares, and its methods paragraph is copied and pasted.

use std::path::Path;

use tuning_fork::files;

use crate::steps::{command_on, of_repository, project, rows, wait_for};
use crate::window::{Window, key};

/// Nobody has coded every third row.
const WITHOUT: usize = 3;

pub fn code_abstracts(window: &mut Window, home: &Path) {
    let task = home.join("abstracts");
    let sample = |name: &str| of_repository("sample_data/evaluate").join(name);
    std::fs::create_dir_all(&task).expect("a folder can be made");
    std::fs::copy(sample("contribution.toml"), task.join("contribution.toml"))
        .expect("a file can be copied");
    // Two orders of the labels say as much about the window as five, in half the time.
    let asked = std::fs::read_to_string(sample("abstracts.toml")).expect("readable");
    let fewer = asked.replace("orders = 5", "orders = 2");
    assert_ne!(asked, fewer);
    files::write_atomic(&task.join("abstracts.toml"), fewer.as_bytes()).expect("writable");
    let table = partly_coded(&sample("abstracts.csv"));
    files::write_atomic(&task.join("abstracts.csv"), &table).expect("writable");

    key("ctrl+5");
    window.sees("A model does the coding", 10);
    window.shot("evaluate-empty");
    command_on(window, "Open", &task.join("abstracts.toml"));
    window.sees("60 rows, none of them asked about", 20);
    window.click("Try 5 rows", 10);
    window.sees("5 of 60 rows tried", 120);
    window.shot("rows-tried");
    window.click("All rows", 10);
    window.sees("60 of 60 rows answered", 600);
    window.shot("rows-answered");
    window.click("Report", 5);
    window.click("Copy the methods paragraph", 20);
    window.shot("report");
    let folders = std::fs::read_dir(project(home).join("evaluations")).expect("they are kept");
    let mut folders = folders.map(|entry| entry.expect("readable").path());
    let folder = folders.find(|path| path.is_dir()).expect("an evaluation");
    wait_for("the report", 10, || folder.join("report.md").exists());
    assert_eq!(rows(&folder.join("results.jsonl")).len(), 60);
    let report = std::fs::read_to_string(folder.join("report.md")).expect("readable");
    for part in [
        "Krippendorff's alpha",
        "Cohen's kappa",
        "SHA-256",
        "Against most coders",
        "| share of | people alone | model alone | PPI++ | DSL |",
    ] {
        assert!(report.contains(part), "{part} is missing in {report}");
    }
    // What was copied is the paragraph of the report.
    key("ctrl+2");
    window.fill("Prompt", "x");
    key("ctrl+a");
    key("ctrl+v");
    let pasted = window.sees("were labelled by SmolLM2", 10).value;
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(&report).contains(&words(&pasted)), "{pasted}");
    window.shot("methods-paragraph-pasted");
    key("ctrl+a");
    key("BackSpace");
}

/// The table, with the codes of every third row left empty.
fn partly_coded(path: &Path) -> Vec<u8> {
    let mut table = csv::Reader::from_path(path).expect("a table");
    let mut out = csv::Writer::from_writer(Vec::new());
    let heads = table.headers().expect("it has heads").clone();
    out.write_record(&heads).expect("memory can be written");
    for (at, row) in table.records().enumerate() {
        let row = row.expect("a row");
        let cells = row.iter().zip(&heads).map(|(cell, head)| {
            let is_empty = head.starts_with("coder_") && at % WITHOUT == 0;
            if is_empty { "" } else { cell }
        });
        out.write_record(cells).expect("memory can be written");
    }
    out.into_inner().expect("memory can be written")
}
