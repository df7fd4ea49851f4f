//! What the columns of a file mean, where their names do not say it: what a person has answered so
//! far, and what it adds up to.

use std::path::Path;

use crate::data::forms::mapping::Mapping;
use crate::data::table::Report;
use crate::train::config::Objective;

/// What the file is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Prompts to label answers of.
    Prompts,
    Training(Objective),
}

/// What the texts of the columns are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texts {
    /// A user's and an assistant's turns, which go through the chat template.
    Turns,

    /// Text that goes on from text, as TRL's `prompt` and `completion` are.
    Plain,

    /// One column of whole dialogues, each a list of messages.
    Dialogues,

    /// One column of texts to learn as a whole.
    Whole,
}

/// Something that a column is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// The name that the column gets: see [`Mapping`].
    pub name: &'static str,

    /// What the person knows it as.
    pub words: &'static str,
    pub is_optional: bool,
}

const fn role(name: &'static str, words: &'static str) -> Role {
    Role { name, words, is_optional: false }
}

const LABEL: Role = role("label", "Whether it is good (true, false)");

const SYSTEM: Role = Role { name: "system", words: "System prompt", is_optional: true };

/// The columns of a file, and what they are said to be.
#[derive(Clone, Debug, PartialEq)]
pub struct MappingState {
    pub wanted: Wanted,
    pub report: Report,

    /// The file cannot be used as it is; else the person wants it otherwise.
    is_needed: bool,
    pub texts: Texts,
    columns: Mapping,
}

impl MappingState {
    /// A file that cannot be used as it is. `known`: what was said of it before.
    pub fn needed(wanted: Wanted, report: Report, known: Mapping) -> Self {
        Self { is_needed: true, ..Self::new(wanted, report, known) }
    }

    /// A file that is in use.
    pub fn new(wanted: Wanted, report: Report, known: Mapping) -> Self {
        let texts = match wanted {
            Wanted::Prompts => Texts::Plain,
            Wanted::Training(objective) if objective.reads_texts() => Texts::Whole,
            Wanted::Training(_) if known.get("messages").is_some() => Texts::Dialogues,
            Wanted::Training(_) if known.get("text").is_some() => Texts::Whole,
            Wanted::Training(_) if known.get("prompt").is_some() => Texts::Plain,
            Wanted::Training(_) => Texts::Turns,
        };
        Self { wanted, report, is_needed: false, texts, columns: known }
    }

    /// Why it is asked, in a sentence.
    pub fn reason(&self) -> &'static str {
        match (self.is_needed, self.wanted) {
            (false, _) => "Which columns are meant, whatever their names are.",
            (true, _) if !self.columns.is_empty() => {
                "What was said of its columns before does not fit any more. Which ones are meant?"
            }
            (true, Wanted::Prompts | Wanted::Training(Objective::Grpo | Objective::Rloo)) => {
                "The names of its columns do not say which one holds the prompts. Which one does?"
            }
            (true, Wanted::Training(Objective::Kto)) => {
                "The names of its columns do not say where the question, the answer and its label \
                 are. Which ones are they?"
            }
            (
                true,
                Wanted::Training(
                    Objective::Dpo | Objective::Orpo | Objective::Cpo | Objective::Reward,
                ),
            ) => {
                "The names of its columns do not say where the question, the better and the worse \
                 answer are. Which ones are they?"
            }
            (true, Wanted::Training(Objective::Classify | Objective::Regress)) => {
                "The names of its columns do not say where the texts and their labels are. Which \
                 ones are they?"
            }
            (true, Wanted::Training(Objective::Mlm | Objective::Pretrain)) => {
                "The names of its columns do not say where the texts are. Which one is it?"
            }
            (true, Wanted::Training(Objective::Sft)) => {
                "The names of its columns do not say what is to be learned. Which ones are meant?"
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.report.path
    }

    /// What the texts may be.
    pub fn kinds(&self) -> &'static [Texts] {
        match self.wanted {
            Wanted::Prompts => &[],
            Wanted::Training(
                Objective::Dpo
                | Objective::Orpo
                | Objective::Cpo
                | Objective::Reward
                | Objective::Kto
                | Objective::Grpo
                | Objective::Rloo,
            ) => &[Texts::Turns, Texts::Plain],
            Wanted::Training(
                Objective::Classify | Objective::Regress | Objective::Mlm | Objective::Pretrain,
            ) => &[Texts::Whole],
            Wanted::Training(Objective::Sft) => {
                &[Texts::Turns, Texts::Plain, Texts::Dialogues, Texts::Whole]
            }
        }
    }

    /// What a column is asked for.
    pub fn roles(&self) -> Vec<Role> {
        if let Wanted::Training(objective) = self.wanted
            && objective.reads_texts()
        {
            return roles_of_texts(objective);
        }
        let asked = match self.texts {
            Texts::Turns => role("question", "What is asked"),
            Texts::Plain => role("prompt", "What is asked"),
            Texts::Dialogues => return vec![role("messages", "The dialogue")],
            Texts::Whole => return vec![role("text", "The text")],
        };
        let pair = [role("chosen", "The better answer"), role("rejected", "The worse answer")];
        match (self.wanted, self.texts) {
            (Wanted::Prompts | Wanted::Training(Objective::Grpo | Objective::Rloo), _) => {
                vec![asked]
            }
            (
                Wanted::Training(
                    Objective::Dpo | Objective::Orpo | Objective::Cpo | Objective::Reward,
                ),
                Texts::Turns,
            ) => {
                vec![asked, pair[0], pair[1], SYSTEM]
            }
            (
                Wanted::Training(
                    Objective::Dpo | Objective::Orpo | Objective::Cpo | Objective::Reward,
                ),
                _,
            ) => {
                vec![asked, pair[0], pair[1]]
            }
            (Wanted::Training(Objective::Kto), Texts::Turns) => {
                vec![asked, role("answer", "The answer"), LABEL, SYSTEM]
            }
            (Wanted::Training(Objective::Kto), _) => {
                vec![asked, role("completion", "The answer"), LABEL]
            }
            (Wanted::Training(Objective::Sft), Texts::Turns) => {
                vec![asked, role("answer", "The answer"), SYSTEM]
            }
            (Wanted::Training(_), _) => {
                vec![asked, role("completion", "The answer")]
            }
        }
    }

    /// The column that has a role, if the file has it.
    pub fn column(&self, role: Role) -> Option<&str> {
        let column = self.columns.get(role.name)?;
        self.report.columns.iter().any(|known| known == column).then_some(column)
    }

    pub fn set(&mut self, role: Role, column: Option<&str>) {
        match column {
            Some(column) => self.columns.set(role.name, column),
            None => self.columns.remove(role.name),
        }
    }

    /// What was said, of the roles that count now. `None`: something is missing.
    pub fn mapping(&self) -> Option<Mapping> {
        let mut mapping = Mapping::default();
        for role in self.roles() {
            match self.column(role) {
                Some(column) => mapping.set(role.name, column),
                None if role.is_optional => {}
                None => return None,
            }
        }
        Some(mapping)
    }

    /// Why it cannot be used yet, in a sentence.
    pub fn obstacle(&self) -> Option<String> {
        let missing = self
            .roles()
            .into_iter()
            .find(|role| !role.is_optional && self.column(*role).is_none())?;
        Some(format!("Choose the column for “{}”", missing.words))
    }
}

/// What is asked of a file whose rows are texts.
fn roles_of_texts(objective: Objective) -> Vec<Role> {
    let optional = |name, words| Role { is_optional: true, ..role(name, words) };
    let text = role("text", "The text");
    let pair = optional("text_pair", "A second text");
    let label = match objective {
        Objective::Classify => role("label", "Its label"),
        Objective::Regress => role("label", "Its number"),
        _ => return vec![text],
    };
    let split = optional("split", "Train, validation or test");
    vec![text, label, pair, split, optional("group", "What stays together")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::table;

    fn state(objective: Objective, known: &str) -> MappingState {
        let text = "nr,frage,gut,schlecht\n1,a,b,c\n";
        let report = table::read_text(Path::new("rows.csv"), text, &mut |_, _| Ok(())).unwrap();
        let known =
            if known.is_empty() { Mapping::default() } else { Mapping::parse(known).unwrap() };
        MappingState::needed(Wanted::Training(objective), report, known)
    }

    fn choose(state: &mut MappingState, name: &str, column: &str) {
        let role = state.roles().into_iter().find(|role| role.name == name).unwrap();
        state.set(role, Some(column));
    }

    #[test]
    fn what_is_said_of_the_columns_adds_up_to_a_mapping() {
        let mut state = state(Objective::Dpo, "");
        assert_eq!(state.obstacle().unwrap(), "Choose the column for “What is asked”");
        choose(&mut state, "question", "frage");
        choose(&mut state, "chosen", "gut");
        assert_eq!(state.mapping(), None);
        choose(&mut state, "rejected", "schlecht");
        assert_eq!(state.obstacle(), None);
        assert_eq!(state.mapping().unwrap().words(), "chosen=gut,question=frage,rejected=schlecht");
        // As plain text, the question is another name; what was said of the answers stays.
        state.texts = Texts::Plain;
        assert_eq!(state.obstacle().unwrap(), "Choose the column for “What is asked”");
        choose(&mut state, "prompt", "frage");
        assert_eq!(state.mapping().unwrap().words(), "chosen=gut,prompt=frage,rejected=schlecht");
    }

    #[test]
    fn what_was_said_before_is_there_again_where_the_file_still_has_the_columns() {
        let known = "prompt=frage,completion=antwort";
        let state = state(Objective::Sft, known);
        assert_eq!(state.texts, Texts::Plain);
        let [asked, answer] = state.roles()[..] else { panic!("{:?}", state.roles()) };
        assert_eq!(state.column(asked), Some("frage"));
        assert_eq!(state.column(answer), None);
        assert_eq!(state.obstacle().unwrap(), "Choose the column for “The answer”");
    }
}
