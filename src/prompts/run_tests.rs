//! Chains with a writer whose answers are a list.

use std::cell::RefCell;

use super::*;
use crate::jobs::Quiet;
use crate::llm::generate::Prompt;
use crate::llm::generate::sampling::SamplingParams;
use crate::prompts::library;

/// Gives its answers one after the other, and notes what it was asked.
struct Scripted {
    answers: RefCell<Vec<&'static str>>,
    asked: RefCell<Vec<(String, String, u64)>>,
}

impl Scripted {
    fn new(answers: &[&'static str]) -> Self {
        let answers = answers.iter().rev().copied().collect();
        Self { answers: RefCell::new(answers), asked: RefCell::default() }
    }
}

impl Writer for Scripted {
    fn write(
        &self,
        prompt: &Prompt,
        begun: &str,
        manner: &Manner,
        listener: &Listener<'_>,
    ) -> Result<Said, PromptError> {
        let words = match prompt {
            Prompt::Raw(text) => text.clone(),
            Prompt::Chat(messages) => messages.last().unwrap().content.clone(),
        };
        self.asked.borrow_mut().push((words.clone(), begun.to_owned(), manner.seed));
        let text = self.answers.borrow_mut().pop().expect("there is an answer left");
        (listener.on_text)(text);
        let stop = if text == "(stopped)" { StopReason::Stopped } else { StopReason::EndOfTurn };
        Ok(Said { seen: words, prompt_tokens: 3, text: text.to_owned(), tokens: 2, stop })
    }
}

fn request(text: &str, values: &[(&str, &str)]) -> RunRequest {
    RunRequest {
        name: "test".to_owned(),
        material: Material::from_toml(text).unwrap(),
        values: values.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        examples: None,
        manner: Manner {
            sampling: SamplingParams::default(),
            max_new_tokens: 10,
            stop: Vec::new(),
            seed: 7,
        },
        presets: Vec::new(),
        texts: None,
        to: None,
        started_at: "2026-11-29T03:00:00.000Z".to_owned(),
        model: ModelIdentity::default(),
        adapter: None,
    }
}

fn ready(name: &str, values: &[(&str, &str)]) -> RunRequest {
    let found = library::find(None, name).unwrap();
    request(&found.material.unwrap().to_toml(), values)
}

#[test]
fn a_later_step_gets_earlier_answers_and_all_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(
        "[[step]]\nname = \"first\"\nprompt = \"A {x}\"\n[[step]]\nprompt = \"{step1}, {first}, {x}\"\n",
        &[("x", "1")],
    );
    let path = super::super::record::new_path(folder.path(), "test");
    request.to = Some(path.clone());
    let writer = Scripted::new(&["<think>hm</think>\n one", "two"]);
    let record = run(&request, &writer, &Quiet).unwrap();
    let asked = writer.asked.borrow();
    assert_eq!(asked[0], ("A 1".to_owned(), String::new(), 7));
    assert_eq!(asked[1], ("one, one, 1".to_owned(), String::new(), 8));
    assert_eq!((record.answer.as_deref(), &record.ended), (Some("two"), &Ended::Complete));
    let kept: Record = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(kept, record);
    assert_eq!(kept.steps[0].turns[0].written, "<think>hm</think>\n one");
    assert_ne!(super::super::record::new_path(folder.path(), "test"), path);
}

#[test]
fn a_chain_that_is_stopped_or_fails_keeps_what_there_was() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[[step]]\nprompt = \"A\"\n[[step]]\nprompt = \"{step1}\"\ncalculate = true\n";
    let mut request = request(text, &[]);
    request.to = Some(folder.path().join("a.json"));
    let stopped = run(&request, &Scripted::new(&["one", "(stopped)"]), &Quiet).unwrap();
    assert_eq!((stopped.ended, stopped.answer), (Ended::Stopped, None));

    let failed = run(&request, &Scripted::new(&["one", "x = 1 / 0"]), &Quiet).unwrap_err();
    let words = crate::errors::one_line(&failed);
    assert!(words.contains("`1 / 0` divides by zero"), "{words}");
    let kept: Record =
        serde_json::from_slice(&std::fs::read(folder.path().join("a.json")).unwrap()).unwrap();
    assert!(matches!(kept.ended, Ended::Failed(_)));
    assert_eq!(kept.steps[1].lines[0].output, "Error: `1 / 0` divides by zero.");

    let prose = run(&request, &Scripted::new(&["one", "I cannot."]), &Quiet).unwrap_err();
    assert!(prose.to_string().contains("no line that the calculator can work out"), "{prose}");
}

#[test]
fn a_variable_without_a_value_is_said_before_the_model_is_asked() {
    let writer = Scripted::new(&[]);
    let err = run(&request("prompt = \"{headline}\"", &[]), &writer, &Quiet).unwrap_err();
    assert!(err.to_string().contains("the prompt names {headline}, and nothing is set for it"));
    assert!(writer.asked.borrow().is_empty());
}

#[test]
fn the_program_of_a_program_aided_answer_is_worked_out_exactly() {
    let writer = Scripted::new(&["price = 3 * 12\nanswer = price / 7", "It is 36/7."]);
    let record = run(&ready("program-aided", &[("question", "q")]), &writer, &Quiet).unwrap();
    let result = "36/7 (about 5.142857142857)";
    assert_eq!(record.steps[0].result.as_deref(), Some(result));
    assert!(writer.asked.borrow()[1].0.contains(result));
    assert_eq!(record.answer.as_deref(), Some("It is 36/7."));
}

#[test]
fn thoughts_actions_and_observations_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let texts = folder.path().join("texts");
    crate::files::write_atomic(&texts.join("a.txt"), b"The study asked 412 teachers.").unwrap();
    let mut request = ready("react", &[("question", "How many are half of the teachers?")]);
    request.texts = Some(texts);
    let writer = Scripted::new(&[
        " I look it up.\nAction: search[How many teachers?]",
        " I halve it.\nAction: calculator[412 / 2]\nObservation: 7",
        " I know.\nFinal answer: 206",
    ]);
    let record = run(&request, &writer, &Quiet).unwrap();
    assert_eq!(record.answer.as_deref(), Some("206"));
    let used: Vec<&str> = record.steps[0]
        .turns
        .iter()
        .filter_map(|turn| turn.used.as_ref())
        .map(|used| used.output.as_str())
        .collect();
    assert_eq!(used, ["[a.txt, passage 1] The study asked 412 teachers.", "206"]);
    let last = writer.asked.borrow()[2].clone();
    let expected = "Thought: I look it up.\nAction: search[How many teachers?]\nObservation: [a.txt, \
                    passage 1] The study asked 412 teachers.\nThought: I halve it.\nAction: \
                    calculator[412 / 2]\nObservation: 206\nThought:";
    assert_eq!((last.1.as_str(), last.2), (expected, 9));
}

#[test]
fn turns_without_an_end_have_a_limit() {
    let mut request = ready("react", &[("question", "q")]);
    let folder = tempfile::tempdir().unwrap();
    crate::files::write_atomic(&folder.path().join("a.txt"), b"Nothing.").unwrap();
    request.texts = Some(folder.path().to_owned());
    let writer = Scripted::new(&["I think."; 8]);
    let err = run(&request, &writer, &Quiet).unwrap_err().to_string();
    assert!(err.contains("after 6 turns the model had not given a final answer"), "{err}");
    assert_eq!(writer.asked.borrow().len(), 6);
    request.texts = None;
    let err = run(&request, &Scripted::new(&[]), &Quiet).unwrap_err().to_string();
    assert!(err.contains("there is no such folder in the project"), "{err}");
}
