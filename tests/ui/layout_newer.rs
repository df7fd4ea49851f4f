//! More states in which the layouts are looked at: encoder-decoders, a questionnaire, studies, arena and
//! ranking, servers, and the other objectives of Train with their runs.

use std::path::PathBuf;

use tuning_fork::data::battles::{Battle, Winner};
use tuning_fork::data::import;
use tuning_fork::data::judging::Criterion;
use tuning_fork::elsewhere::watch::Watched;
use tuning_fork::eval::arena::quick_report;
use tuning_fork::files;
use tuning_fork::jobs::Quiet;
use tuning_fork::state::AppState;
use tuning_fork::state::about::{AboutPage, AboutState};
use tuning_fork::state::annotate::AnnotateState;
use tuning_fork::state::annotate::arena::ArenaPage;
use tuning_fork::state::codes::{AnnotateView, Front, Listed};
use tuning_fork::state::evaluate::{Front as EvaluateFront, LeftTab as EvaluateTab};
use tuning_fork::state::playground::seq2seq::Seq2SeqView;
use tuning_fork::state::prefs::PanelId;
use tuning_fork::state::train::away::{AwayRun, AwayStatus};
use tuning_fork::state::train::texts::{Answer, Kind, TextModel, Trial};
use tuning_fork::state::train::{LeftTab, TrainState};
use tuning_fork::train::config::metric::Metric;
use tuning_fork::train::config::{Objective, TrainConfig};
use tuning_fork::train::record::confusion::{ClassScores, Confusion, Tested};
use tuning_fork::train::record::metrics::{EvalMetrics, RunSummary, StepMetrics, TrainEvent};
use tuning_fork::train::record::round::{Answered, Round};
use tuning_fork::train::record::samples::Sample;

use crate::layout_states::{both_answered, train};
use crate::support::{empty_state, loaded_state};
use crate::{codes, evaluate, map, pair_study, remote, seq2seq};

type Named = (&'static str, fn() -> AppState);

const ANSWER: &str = "Because blue light is scattered most of all, and what is scattered reaches the eye \
                      from everywhere: transparency of the air has nothing to do with it.";

// Playground

pub const SEQ2SEQ: [Named; 4] = [
    ("an encoder-decoder's answer", || seq2seq::shown(Seq2SeqView::Answer)),
    ("cross-attention", || seq2seq::shown(Seq2SeqView::CrossAttention)),
    ("beams", || seq2seq::shown(Seq2SeqView::Beams)),
    ("hidden spans", || seq2seq::shown(Seq2SeqView::Spans)),
];

pub const SERVERS: [Named; 4] = [
    ("a model on a server, in the Playground", || remote::state(PanelId::Playground)),
    ("a model on a server, in Models", || remote::state(PanelId::Models)),
    ("a model on a server, in Annotate", || remote::state(PanelId::Annotate)),
    ("a model on a server, in Evaluate", || remote::state(PanelId::Evaluate)),
];

// Look inside

pub const QUESTIONNAIRE: [Named; 2] =
    [("the items of a questionnaire", map::items), ("items compared", map::compared_items)];

// Annotate

pub const STUDIES: [Named; 10] = [
    ("studies", studies),
    ("no study", no_study),
    ("a study of texts is set up", study_of_texts),
    ("a text and its questions", a_text),
    ("the guideline", guideline),
    ("a study of pairs is set up", || pair_study::shown(pair_study::Shown::Setup)),
    ("a pair of a study", || pair_study::shown(pair_study::Shown::Pair)),
    ("agreement", || codes::agreement(false)),
    ("disagreements", || codes::agreement(true)),
    ("labels as long as sentences", codes::disagreement_about_long_labels),
];

fn studies() -> AppState {
    let mut state = no_study();
    state.codes.coder = "Ada".to_owned();
    let listed = |name: &str, coders: &[&str]| Listed {
        path: PathBuf::from("studies").join(name),
        name: name.to_owned(),
        items: 12_345,
        coders: coders.iter().map(|name| (*name).to_owned()).collect(),
        problem: None,
    };
    state.codes.studies = vec![
        listed("The tone of all reports on reproducibility since the year 2000", &[]),
        listed("Tone", &["Ada", "Ben", "Cleo", "a coder whose name goes on and on"]),
    ];
    state
}

fn no_study() -> AppState {
    let mut state = loaded_state();
    state.prefs.panel = PanelId::Annotate;
    state.codes.view = AnnotateView::Codes;
    state
}

pub fn study_of_texts() -> AppState {
    let mut state = no_study();
    state.codes.coder = "Ada".to_owned();
    state.codes.front = Front::Setup;
    state
}

fn a_text() -> AppState {
    let parent = tempfile::tempdir().unwrap();
    codes::coding(parent.path())
}

fn guideline() -> AppState {
    let mut state = a_text();
    state.codes.session.as_mut().unwrap().guideline_open = true;
    state
}

pub const PAIRS: [Named; 6] = [
    ("the arena of a study", pair_study::rated),
    ("strength and criteria", criteria),
    ("how pairs are judged", criteria_set_up),
    ("four answers in an order", ranked),
    ("the arena", arena),
    ("an arena without models", empty_arena),
];

fn annotate(made: AnnotateState) -> AppState {
    let mut state = loaded_state();
    state.prefs.panel = PanelId::Annotate;
    state.annotate = made;
    state
}

pub fn criteria() -> AppState {
    let mut made = both_answered();
    made.judging.asks_strength = true;
    made.judging.criteria = vec![
        Criterion { name: "supported by what is known".to_owned(), points: None },
        Criterion { name: "polite".to_owned(), points: Some(5) },
        Criterion { name: "brief".to_owned(), points: Some(9) },
    ];
    annotate(made)
}

fn criteria_set_up() -> AppState {
    let mut state = criteria();
    state.annotate.sets_up = true;
    state
}

fn ranked() -> AppState {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answers.jsonl");
    let answers = [ANSWER, "Light.", "It is not blue at night.", "The sea is mirrored in it."];
    let row = serde_json::json!({"prompt": "Why is the sky blue?", "responses": answers});
    files::write_atomic(&path, format!("{row}\n").as_bytes()).unwrap();
    let mut made = AnnotateState::new(1);
    made.set_candidates("answers.jsonl", import::candidates(&path, &Quiet).unwrap(), 0.0);
    annotate(made)
}

fn arena() -> AppState {
    let mut state = empty_arena();
    let models = ["SmolLM2-135M-Instruct.Q4_1", "SmolLM2-135M-Instruct.Q4_1 + 2026-11-28-dpo", "a"];
    let battle = |at: usize| Battle {
        first: models[at % 3].to_owned(),
        second: models[(at + 1) % 3].to_owned(),
        winner: [Winner::First, Winner::Second, Winner::Tie, Winner::First][at % 4],
    };
    let battles: Vec<Battle> = (0..40).map(battle).collect();
    state.annotate.arena =
        ArenaPage { report: Some(quick_report(&battles)), verdicts: 40, ..ArenaPage::default() };
    state
}

fn empty_arena() -> AppState {
    let mut state = annotate(AnnotateState::new(1));
    state.codes.view = AnnotateView::Arena;
    state
}

// Evaluate

pub const EVALUATED: [Named; 2] =
    [("the result of a survey", evaluate::survey_report), ("an opened task", opened_task)];

fn opened_task() -> AppState {
    let mut state = evaluate::evaluated();
    state.evaluate.front = EvaluateFront::Opened;
    state.evaluate.left = EvaluateTab::Setup;
    state
}

// Train

pub const OBJECTIVES: [Named; 4] = [
    ("the form of GRPO", || form(Objective::Grpo)),
    ("the form of a classifier", classifier_form),
    ("the form of a newborn", || form(Objective::Pretrain)),
    ("the form of KTO", || form(Objective::Kto)),
];

pub const OTHER_RUNS: [Named; 5] = [
    ("a run on rewards", rewarded),
    ("a classifier learns", || classifier(false)),
    ("a classifier was tried", || classifier(true)),
    ("a newborn's samples", newborn),
    ("a run elsewhere", away),
];

fn form(objective: Objective) -> AppState {
    let mut made = TrainState { project_pairs: 12_345, sample_rows: 60, ..TrainState::default() };
    let before = made.form.objective;
    made.form.objective = objective;
    made.objective_changed(before);
    train(made)
}

fn of_objective(objective: Objective) -> TrainState {
    let mut made = TrainState { sample_rows: 60, ..TrainState::default() };
    made.form = TrainConfig::suggested(objective);
    made.begin("2026-11-28-112233-run");
    made.on_event(TrainEvent::Planned { steps: 200, train_rows: 140, held_out_rows: 30 });
    made
}

fn classifier_form() -> AppState {
    let mut state = form(Objective::Classify);
    let model =
        |name: &str, kind| TextModel { name: name.to_owned(), path: PathBuf::from(name), kind };
    state.train.texts.models = vec![
        model("an-organisation/an-encoder-whose-name-goes-on-and-on-base-uncased", Kind::Encoder),
        model("SmolLM2-135M-Instruct.Q4_1", Kind::Decoder),
    ];
    state.train.texts.chosen = Some(state.train.texts.models[0].path.clone());
    state
}

fn confusion(part: &str, step: usize) -> Confusion {
    let labels = ["biased", "neutral", "cannot be told from the headline alone"];
    let scores = |label: &str| ClassScores {
        label: label.to_owned(),
        precision: 0.812,
        recall: 0.75,
        f1: 0.78,
        support: 1_234,
    };
    Confusion {
        step,
        part: part.to_owned(),
        labels: labels.map(str::to_owned).to_vec(),
        counts: vec![vec![1_013, 210, 11], vec![120, 1_014, 100], vec![12, 1, 0]],
        classes: labels.map(scores).to_vec(),
    }
}

fn steps<const N: usize>(made: &mut TrainState, values: [(Metric, f64); N]) {
    for number in 1..=12_u32 {
        let values = values.map(|(metric, value)| (metric, value / f64::from(number))).into();
        let step =
            StepMetrics { step: number as usize, values, step_secs: 0.4, ..StepMetrics::default() };
        made.on_event(TrainEvent::Step(step));
    }
}

fn classifier(was_tried: bool) -> AppState {
    let mut made = of_objective(Objective::Classify);
    steps(
        &mut made,
        [(Metric::Loss, 0.693), (Metric::LearningRate, 5e-4), (Metric::GradNorm, 2.5)],
    );
    let values = [(Metric::Loss, 0.61), (Metric::Accuracy, 0.75), (Metric::MacroF1, 0.734)];
    made.on_event(TrainEvent::Evaluated(EvalMetrics {
        step: 10,
        pair_count: 30,
        values: values.into(),
        ..EvalMetrics::default()
    }));
    made.on_event(TrainEvent::Confused(confusion("validation", 10)));
    if was_tried {
        let tested = Tested {
            step: 10,
            texts: 1_234,
            values: values.into(),
            confusion: Some(confusion("test", 10)),
        };
        made.on_event(TrainEvent::Tested(tested));
        made.finished(Ok(summary(None)));
        let text = "Greedy landlords bleed honest families dry while the council looks away";
        let labels = ["biased", "neutral", "cannot be told from the headline alone"];
        let labels = labels.iter().zip([0.912, 0.08, 0.008]);
        let answer = Answer {
            id: "2026-11-28-112233-run".to_owned(),
            text: text.to_owned(),
            labels: Ok(labels.map(|(label, share)| ((*label).to_owned(), share)).collect()),
        };
        made.texts.trial = Trial { text: text.to_owned(), asked: None, answer: Some(answer) };
    }
    train(made)
}

fn summary(model_dir: Option<PathBuf>) -> RunSummary {
    RunSummary {
        run_dir: "project/runs/2026-11-28-112233-run".into(),
        adapter_dir: "project/runs/2026-11-28-112233-run".into(),
        model_dir,
        steps_done: 200,
        steps_planned: 200,
        best: None,
        stopped_early: None,
        last_step: None,
        evaluation: None,
    }
}

fn rewarded() -> AppState {
    let mut made = of_objective(Objective::Grpo);
    let answered = |line: usize, prompt: &str, answer: &str, advantage: f64| Answered {
        line,
        prompt: prompt.to_owned(),
        answer: answer.to_owned(),
        is_ended: advantage < 1.0,
        rewards: vec![Some(advantage / 2.0)],
        reward: Some(advantage / 2.0),
        advantage,
        ..Answered::default()
    };
    let answers = vec![
        answered(1, "Why is the sky blue?", "Light.", -1.0),
        answered(1, "Why is the sky blue?", &format!("{ANSWER} {ANSWER}"), 1.0),
        answered(2, "What is a neighbour?", "Somebody near.", 0.0),
    ];
    let rewards = vec!["length".to_owned()];
    made.on_event(TrainEvent::Answered(Box::new(Round {
        round: 12,
        beta: 0.04,
        rewards,
        answers,
    })));
    steps(
        &mut made,
        [
            (Metric::Loss, 0.01),
            (Metric::Reward, 0.25),
            (Metric::Kl, 0.125),
            (Metric::CompletionsMeanLength, 31.5),
        ],
    );
    train(made)
}

fn newborn() -> AppState {
    let mut made = of_objective(Objective::Pretrain);
    steps(&mut made, [(Metric::Loss, 4.2), (Metric::LearningRate, 3e-3), (Metric::GradNorm, 1.5)]);
    for (step, answer) in
        [(0, "xq\u{e9}zz, pl"), (12, "Tom went to the river. He said: «I am here!»")]
    {
        let prompt = "Once upon a time".to_owned();
        made.on_event(TrainEvent::Sampled(Sample { step, prompt, answer: answer.to_owned() }));
    }
    made.finished(Ok(summary(Some("project/runs/2026-11-28-112233-run/model".into()))));
    train(made)
}

fn away() -> AppState {
    let mut made = TrainState { sample_rows: 60, ..TrainState::default() };
    let bundle = PathBuf::from("project/bundles/2026-11-28-112233-dpo");
    let mut run = AwayRun::new(bundle.clone(), Objective::Dpo);
    run.words = "SLURM job 1234567 on somebody@a-login-node.cluster.example".to_owned();
    let planned = TrainEvent::Planned { steps: 200, train_rows: 12_345, held_out_rows: 123 };
    run.on_watched(Watched::Train(Box::new(planned)));
    for step in 1..=12_usize {
        let values = [(Metric::Loss, 0.693 - 0.01 * step as f64)].into();
        let step = StepMetrics { step, values, ..StepMetrics::default() };
        run.on_watched(Watched::Train(Box::new(TrainEvent::Step(step))));
    }
    let line = "[rank0]: UserWarning: torch.utils.checkpoint: the use_reentrant parameter should be passed";
    run.on_watched(Watched::Lines(format!("{line}\n").repeat(12)));
    run.status =
        AwayStatus::Lost("ssh: connect to host a-login-node port 22: timed out".to_owned());
    made.away.push(run);
    made.select_away(bundle);
    made.left_tab = LeftTab::Runs;
    train(made)
}

// Around

pub const ABOUT: [Named; 2] = [
    ("about the program", || about(AboutPage::Program)),
    ("a report", || about(AboutPage::Report)),
];

fn about(page: AboutPage) -> AppState {
    let mut state = empty_state();
    let folder = PathBuf::from("/home/somebody/Documents/a folder with a rather long name/project");
    state.window.about = Some(AboutState {
        page,
        places: vec![("The project", folder.clone()), ("The log", folder)],
        report: "Tuning Fork 0.1.0\nLinux, 2 processors, 8 GB of memory\n".repeat(20),
    });
    state
}
