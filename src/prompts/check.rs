//! Whether a prompt or a chain can be filled at all: said before anything is asked.

use super::error::{PromptError, listed};
use super::material::{Choose, FORMAT, Material, Step};
use super::template::{EXAMPLES, Template, is_name};
use crate::files;
use crate::files::meant::meant;

/// More steps are no chain that somebody reads.
pub const MOST_STEPS: usize = 20;

/// More turns of thought, action and observation lead nowhere.
pub const MOST_TURNS: usize = 20;

/// What a step with tools gets where its file names no number.
pub const DEFAULT_TURNS: usize = 6;

impl Material {
    /// Reads a file's text, and refuses what contradicts itself.
    pub fn from_toml(text: &str) -> Result<Self, PromptError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let wrong = |err: toml::de::Error| {
            let (line, what) = files::mistake_in_toml(text, &err);
            PromptError::Toml { line, what }
        };
        let table: toml::Table = toml::from_str(text).map_err(wrong)?;
        let found = table.get("format").and_then(toml::Value::as_integer);
        if let Some(found) = found.and_then(|found| u32::try_from(found).ok())
            && found > FORMAT
        {
            return Err(PromptError::Newer { found, known: FORMAT });
        }
        let material: Self = toml::from_str(text).map_err(wrong)?;
        check(&material)?;
        Ok(material)
    }

    /// The variables that a person sets: not the examples, and no answers of steps.
    pub fn asked_for(&self) -> Vec<String> {
        asked_for(self)
    }
}

/// What a name in a step stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    Examples,

    /// The answer of a step, by its place from 0; or what was calculated there.
    Answer {
        step: usize,
        is_result: bool,
    },

    /// What the person sets.
    Value,
}

/// What `name` means. `steps`: all of the chain.
pub fn meaning(name: &str, steps: &[Step]) -> Meaning {
    let (base, is_result) = match name.strip_suffix(".result") {
        Some(base) => (base, true),
        None => (name, false),
    };
    if name == EXAMPLES {
        return Meaning::Examples;
    }
    let by_name = steps.iter().position(|step| !step.name.is_empty() && step.name == base);
    let by_number = || {
        let number: usize = base.strip_prefix("step")?.parse().ok()?;
        number.checked_sub(1)
    };
    match by_name.or_else(by_number) {
        Some(step) if steps.len() > 1 || is_result => Meaning::Answer { step, is_result },
        _ => Meaning::Value,
    }
}

/// Refuses what contradicts itself.
pub fn check(material: &Material) -> Result<(), PromptError> {
    let refuse = |what: String| Err(PromptError::Unusable(what));
    match (material.prompt.trim().is_empty(), material.is_chain()) {
        (true, false) => {
            return refuse("it has no `prompt`, and no [[step]] of a chain: write one".to_owned());
        }
        (false, true) => {
            return refuse(
                "it has a `prompt` and steps as well: a chain has its prompts in its [[step]]s"
                    .to_owned(),
            );
        }
        _ => {}
    }
    let steps = material.all_steps();
    if steps.len() > MOST_STEPS {
        return refuse(format!(
            "the chain has {} steps; {MOST_STEPS} are the most: take some together",
            steps.len()
        ));
    }
    let mut uses_examples = false;
    for (at, step) in steps.iter().enumerate() {
        check_step(at, step, material)?;
        for name in names_of(step) {
            let place = if material.is_chain() {
                format!("step {}", at + 1)
            } else {
                "the prompt".to_owned()
            };
            match meaning(&name, &steps) {
                Meaning::Examples => uses_examples = true,
                Meaning::Value => check_variable(&name, &place, material)?,
                Meaning::Answer { step: other, .. } if other >= steps.len() => {
                    return refuse(format!(
                        "{place} names {{{name}}}, and the chain has {} steps",
                        steps.len()
                    ));
                }
                Meaning::Answer { step: other, .. } if other >= at => {
                    return refuse(format!(
                        "{place} names {{{name}}}, which is answered {}: a step can use the \
                         answers of earlier steps",
                        if other == at { "only by itself" } else { "later" }
                    ));
                }
                Meaning::Answer { step: other, is_result: true } if !steps[other].calculate => {
                    return refuse(format!(
                        "{place} names {{{name}}}, and step {} calculates nothing: give that step \
                         `calculate = true`, or name its answer {{step{}}}",
                        other + 1,
                        other + 1
                    ));
                }
                Meaning::Answer { .. } => {}
            }
        }
    }
    check_examples(material, uses_examples)
}

fn check_step(at: usize, step: &Step, material: &Material) -> Result<(), PromptError> {
    let refuse = |what: String| Err(PromptError::Unusable(format!("step {}: {what}", at + 1)));
    if step.prompt.trim().is_empty() {
        return refuse("it has no `prompt`".to_owned());
    }
    let name = &step.name;
    let is_number = name.strip_prefix("step").is_some_and(|rest| rest.parse::<usize>().is_ok());
    if !name.is_empty() && (!is_name(name) || name.contains('.') || is_number || name == EXAMPLES) {
        return refuse(format!(
            "its name \"{name}\" cannot be used in braces: take letters, digits and _, and not \
             \"examples\" or \"step\" with a number"
        ));
    }
    if material.steps.iter().filter(|other| !name.is_empty() && other.name == *name).count() > 1 {
        return refuse(format!("another step has the name \"{name}\" too: give it one of its own"));
    }
    if step.turns > MOST_TURNS {
        return refuse(format!("`turns` is {}; {MOST_TURNS} are the most", step.turns));
    }
    if step.calculate && !step.tools.is_empty() {
        return refuse("it has `tools` and `calculate`: a step has one of the two".to_owned());
    }
    if step.tools.contains(&super::tools::Tool::Search) && material.texts.is_empty() {
        return refuse(
            "it searches, and the file does not say where: give `texts` at its top, a folder of the \
             project"
                .to_owned(),
        );
    }
    let texts = std::path::Path::new(&material.texts);
    let is_inside = texts
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
    if !is_inside {
        return refuse(format!(
            "`texts` is \"{}\", and a chain searches only in a folder of the project: give its name",
            material.texts
        ));
    }
    Ok(())
}

fn check_variable(name: &str, place: &str, material: &Material) -> Result<(), PromptError> {
    if name.contains('.') {
        let what = format!("{place} names {{{name}}}, and there is no such step");
        return Err(PromptError::Unusable(what));
    }
    if material.variables.is_empty() || material.variables.contains_key(name) {
        return Ok(());
    }
    let known = || material.variables.keys().map(String::as_str);
    let meant = meant(name, known())
        .map_or_else(String::new, |meant| format!(" (did you mean {{{meant}}}?)"));
    Err(PromptError::Unusable(format!(
        "{place} names {{{name}}}{meant}, and [variables] has {}. Add it there, or correct the name; \
         braces that are meant as text are written {{{{{name}}}}}",
        listed(known())
    )))
}

fn check_examples(material: &Material, is_used: bool) -> Result<(), PromptError> {
    let refuse = |what: &str| Err(PromptError::Unusable(what.to_owned()));
    let Some(examples) = &material.examples else {
        if is_used {
            return refuse(
                "the prompt names {examples}, and the file has no [examples]: add a table and a \
                 template there",
            );
        }
        return Ok(());
    };
    if !is_used {
        return refuse("it has [examples], and no {examples} says where they stand");
    }
    if examples.table.is_empty() || examples.template.trim().is_empty() {
        return refuse("[examples] needs a `table` and a `template`, such as \"{text}: {label}\"");
    }
    if examples.choose == Choose::Nearest {
        let compared = &examples.compare;
        if compared.is_empty() {
            return refuse(
                "[examples] chooses the nearest rows: `compare` has to say which column is compared \
                 with the variable of the same name",
            );
        }
        if !asked_for(material).contains(compared) {
            let what = format!(
                "[examples] compares the column \"{compared}\" with the variable {{{compared}}}, and \
                 the prompt has no such variable"
            );
            return Err(PromptError::Unusable(what));
        }
    }
    Ok(())
}

fn names_of(step: &Step) -> Vec<String> {
    let texts = [step.prompt.as_str(), step.system.as_deref().unwrap_or_default(), &step.begin];
    let mut names: Vec<String> = Vec::new();
    for text in texts {
        for name in Template::parse(text).names() {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    names
}

/// See [`Material::asked_for`]. In the order in which they come.
pub fn asked_for(material: &Material) -> Vec<String> {
    let steps = material.all_steps();
    let mut asked: Vec<String> = Vec::new();
    let system = Template::parse(&material.system);
    let of_system = system.names().into_iter().map(str::to_owned);
    for name in of_system.chain(steps.iter().flat_map(names_of)) {
        if meaning(&name, &steps) == Meaning::Value && !asked.contains(&name) {
            asked.push(name);
        }
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        match Material::from_toml(text) {
            Ok(_) => "none".to_owned(),
            Err(err) => err.to_string(),
        }
    }

    #[test]
    fn what_contradicts_itself_is_said_before_anything_is_asked() {
        let two = |first: &str, second: &str| {
            format!("[[step]]\nprompt = \"{first}\"\n[[step]]\nprompt = \"{second}\"\n")
        };
        for (text, expected) in [
            (two("a {step2}", "b"), "step 1 names {step2}, which is answered later"),
            (two("a {step1}", "b"), "which is answered only by itself"),
            (two("a", "{step7}"), "step 2 names {step7}, and the chain has 2 steps"),
            (two("a", "{step1.result}"), "step 1 calculates nothing"),
            (two("a", "{step1}"), "none"),
            (String::new(), "it has no `prompt`, and no [[step]]"),
            ("prompt = \"{examples}\"".to_owned(), "the file has no [examples]"),
            (
                "prompt = \"a\"\n[examples]\ntable = \"t\"\ntemplate = \"{a}\"".to_owned(),
                "no {examples} says where they stand",
            ),
            (
                "prompt = \"{headlin}\"\n[variables.headline]".to_owned(),
                "the prompt names {headlin} (did you mean {headline}?)",
            ),
            (
                "[[step]]\nprompt = \"a\"\ntools = [\"search\"]".to_owned(),
                "it searches, and the file does not say where",
            ),
            (
                "texts = \"../..\"\n[[step]]\nprompt = \"a\"\ntools = [\"search\"]".to_owned(),
                "a chain searches only in a folder of the project",
            ),
            (
                "[[step]]\nprompt = \"a\"\nturns = 99\ntools = [\"calculator\"]".to_owned(),
                "step 1: `turns` is 99; 20 are the most",
            ),
            ("[[step]]\nprompt = \"a\"\n".repeat(21), "the chain has 21 steps; 20 are the most"),
            ("[[step]]\nname = \"step2\"\nprompt = \"a\"".to_owned(), "cannot be used in braces"),
        ] {
            assert!(problem(&text).contains(expected), "{text}: {}", problem(&text));
        }
    }

    #[test]
    fn a_person_is_asked_for_what_no_step_answers() {
        let text = "system = \"As {who}\"\n[[step]]\nname = \"reasons\"\nprompt = \"{question}\"\n\
                    [[step]]\nprompt = \"{reasons} {step1} {question} {form}\"\n";
        let material = Material::from_toml(text).unwrap();
        assert_eq!(material.asked_for(), ["who", "question", "form"]);
    }
}
