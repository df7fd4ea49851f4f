//! What texts mean to an encoder: headlines as a map, a questionnaire with its constructs.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tuning_fork::files;

use crate::steps::{command_on, of_repository, project};
use crate::window::{Window, key};

/// Twelve items of three invented scales, in our own words: a name, a construct, a text.
const ITEMS: [(&str, &str, &str); 12] = [
    ("o1", "order", "My desk is tidy at the end of the day"),
    ("o2", "order", "I make a list before I begin"),
    ("o3", "order", "I put tools back to their place"),
    ("o4", "order", "I check my work twice"),
    ("c1", "company", "I speak first when people meet"),
    ("c2", "company", "I like a full table"),
    ("c3", "company", "A party gives me strength"),
    ("c4", "company", "I call friends without a reason"),
    ("w1", "worry", "Small mistakes keep me awake"),
    ("w2", "worry", "I expect bad news"),
    ("w3", "worry", "My mood changes in an hour"),
    ("w4", "worry", "I think long about what I said"),
];

/// Invented people who answered.
const PEOPLE: usize = 40;

pub fn map_headlines(window: &mut Window) {
    key("ctrl+3");
    command_on(window, "Map the texts of", &of_repository("sample_data/headlines.jsonl"));
    window.choose("model of the map", "tiny-sentences");
    window.click("PCA", 10);
    window.click("Make the map", 10);
    window.sees("200 texts", 60);
    window.choose("colours of the map", "topic");
    window.sees("of the variance", 10);
    window.shot("map");
    window.fill("Sentence to search for", "rain and storms");
    key("Return");
    window.sees("Nearest to", 20);
    window.shot("map-search");
    key("Escape");
    window.click("Clusters", 5);
    window.click("Find clusters", 5);
    window.sees("Show them on the map", 60);
    window.shot("map-clusters");
    window.click("Linear probe", 5);
    window.choose("column to predict", "label");
    window.click("Train and test", 10);
    window.sees("Accuracy ", 60);
    window.shot("map-probe");
    window.click("Export", 10);
    window.sees("The view's numbers (CSV)", 20);
}

/// The course's personality task on items of our own: the window shows the numbers of `explore constructs`.
pub fn compare_items(window: &mut Window, home: &Path) {
    let (items, answers) = (home.join("items.csv"), home.join("answers.csv"));
    let lines = ITEMS.iter().map(|(item, scale, text)| format!("{item},{scale},{text}\n"));
    let table = format!("item,construct,text\n{}", lines.collect::<String>());
    files::write_atomic(&items, table.as_bytes()).expect("writable");
    files::write_atomic(&answers, answered().as_bytes()).expect("writable");

    key("ctrl+3");
    command_on(window, "Map the texts of", &items);
    window.click("Make the map", 10);
    window.sees("Make it again", 60);
    window.click("Questionnaire", 5);
    command_on(window, "Compare the items with the answers of", &answers);
    window.sees("answers.csv", 10);
    window.click("Compare the items", 10);
    window.sees("What the texts predict of the answers", 60);
    window.shot("questionnaire");
    let model = home.join(".local/share/tuning-fork/models/tiny-sentences");
    let said = Command::new(env!("CARGO_BIN_EXE_tuning-fork"))
        .args(["explore", "constructs", "--json", "--model"])
        .arg(model)
        .arg("--input")
        .arg(&items)
        .arg("--answers")
        .arg(&answers)
        .env("XDG_CACHE_HOME", home.join(".cache"))
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&said.stdout);
    let told: Value = serde_json::from_str(&told)
        .unwrap_or_else(|err| panic!("{err}: {told} {}", String::from_utf8_lossy(&said.stderr)));
    let (within, between) = (number(&told["within"]), number(&told["between"]));
    window.sees(&format!("{within:.3} within a construct, {between:.3} between constructs"), 5);
    let r = number(&told["predicted"]["r"]);
    window.sees(&format!("r = {r:.3}"), 5);
    window.click("Export", 10);
    window.sees("The view's numbers (CSV)", 20);
    let exports = project(home).join("exports");
    let names = std::fs::read_dir(&exports).expect("there are exports");
    assert_eq!(names.count(), 2, "{}", exports.display());
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Items of a scale are answered alike: a trait of the person, and something of the item.
fn answered() -> String {
    let heads: Vec<&str> = ITEMS.iter().map(|(item, _, _)| *item).collect();
    let mut table = format!("{}\n", heads.join(","));
    for person in 0..PEOPLE {
        let answer = |at: usize| {
            let own = ((person * (3 + at / 4) * 37) % 100) as f64 / 100.0;
            let noise = ((person * 53 + at * 71) % 17) as f64 / 17.0;
            (1.0 + 4.0 * (0.75 * own + 0.25 * noise)).round().to_string()
        };
        let answers: Vec<String> = (0..ITEMS.len()).map(answer).collect();
        table.push_str(&format!("{}\n", answers.join(",")));
    }
    table
}
