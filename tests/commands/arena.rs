//! What several coders said of a study of pairs, as ratings of the models behind the answers; its codebook in the
//! form of another program.

use serde_json::{Value, json};
use tuning_fork::files;

use crate::again::{call, said};

#[test]
fn a_study_of_pairs_rates_the_models_behind_its_answers() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut rows = String::new();
    for number in 1..=12 {
        let models = [["small", "large"], ["large", "huge"], ["huge", "small"]][number % 3];
        let row = json!({
            "id": format!("p{number}"), "prompt": format!("What is {number}?"),
            "answer_a": format!("It is {number}."), "answer_b": format!("Nobody knows {number}."),
            "model_a": models[0], "model_b": models[1],
        });
        rows.push_str(&format!("{row}\n"));
    }
    let mut codes = [("ada", String::new()), ("ben", String::new())];
    for (place, (_, text)) in codes.iter_mut().enumerate() {
        text.push_str("id,better\n");
        for number in 1..=12 {
            let labels = ["first", "first", "second", "tie", "second", "both bad"];
            text.push_str(&format!("p{number},{}\n", labels[(number / 2 + place) % 6]));
        }
    }
    files::write_atomic(&folder.join("answers.jsonl"), rows.as_bytes()).unwrap();
    said(folder, &["annotate", "new", "helpful", "--pairs", "answers.jsonl", "--id", "id"]);
    let none = call(folder, &["annotate", "arena", "helpful"]);
    assert!(String::from_utf8_lossy(&none.stderr).contains("No coder has judged"), "{none:?}");
    for (coder, text) in &codes {
        let file = format!("{coder}.csv");
        files::write_atomic(&folder.join(&file), text.as_bytes()).unwrap();
        said(folder, &["annotate", "import", "helpful", &file, "--coder", coder]);
    }
    let told = said(folder, &["annotate", "arena", "helpful", "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let study = &told["study"];
    assert_eq!(
        (&study["coders"], &study["pairs"], &study["verdicts"]),
        (&2.into(), &12.into(), &24.into())
    );
    assert_eq!((&told["battles"], &told["ties"]), (&24.into(), &8.into()), "{told}");
    let models = told["models"].as_array().unwrap();
    assert_eq!(models.len(), 3);
    assert!(models.iter().all(|model| model["low"].as_f64() < model["high"].as_f64()), "{told}");
    // Wins and losses of two models add up to what they were compared.
    for row in 0..3 {
        for column in 0..3 {
            if let (Some(one), Some(other)) =
                (told["win_rate"][row][column].as_f64(), told["win_rate"][column][row].as_f64())
            {
                assert!((one + other - 1.0).abs() < 1e-12);
            }
        }
    }
    let words = said(folder, &["annotate", "arena", "helpful"]);
    assert!(words.contains("24 comparisons of 3 models, 8 ties"), "{words}");
    // In a package nobody sees which model gave what, and nobody rates.
    let package = ["annotate", "export", "helpful", "--as", "package", "--out", "for-eve.json"];
    said(folder, &package);
    said(folder, &["annotate", "import", "eve", "for-eve.json"]);
    said(folder, &["annotate", "import", "eve", "ada.csv", "--coder", "eve"]);
    let blind = call(folder, &["annotate", "arena", "eve"]);
    assert!(String::from_utf8_lossy(&blind.stderr).contains("which is blind"), "{blind:?}");
}

const BOOK: &str = "name = \"Tone\"\nguideline_version = \"1\"\nguideline = \"Read on.\"\n\
    [[variables]]\nname = \"tone\"\nquestion = \"Which tone?\"\n\
    classes = [{ label = \"good\", definition = \"It praises.\" }, { label = \"bad\" }]\n\
    [[variables]]\nname = \"claims\"\nkind = \"spans\"\nclasses = [{ label = \"claim\" }]\n";

#[test]
fn what_codebook_studios_form_cannot_hold_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    files::write_atomic(&folder.join("texts.csv"), b"id,text\na,good\nb,bad\n").unwrap();
    files::write_atomic(&folder.join("book.toml"), BOOK.as_bytes()).unwrap();
    let new = ["annotate", "new", "tone", "--table", "texts.csv", "--text", "text", "--id", "id"];
    said(folder, &[&new[..], &["--codebook", "book.toml"]].concat());
    let export =
        ["annotate", "export", "tone", "--as", "codebook-studio", "--out", "codebook.json"];
    let output = call(folder, &export);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(
        told.contains("claims marks places in the text") && told.contains("the name"),
        "{told}"
    );
    let file: Value =
        serde_json::from_slice(&std::fs::read(folder.join("codebook.json")).unwrap()).unwrap();
    let tone = &file["section_1"]["annotations"]["annotation_1"];
    assert_eq!((&tone["type"], &tone["options"]), (&"dropdown".into(), &json!(["good", "bad"])));
    // A new study of it asks the same.
    let again = ["annotate", "new", "again", "--table", "texts.csv", "--text", "text"];
    said(folder, &[&again[..], &["--codebook", "codebook.json"]].concat());
    let text = std::fs::read_to_string(folder.join("again/study.toml")).unwrap();
    assert!(text.contains("It praises.") && text.contains("Which tone?"), "{text}");
}
