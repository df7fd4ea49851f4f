//! Instructions to choose from: FLAN-T5 was trained to follow such, T5 itself knows a few beginnings.

/// An instruction with a place for the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub name: &'static str,

    /// Which models it is for.
    pub kind: Kind,
    before: &'static str,
    after: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Models that follow instructions in plain words.
    Flan,

    /// The first T5, which was trained on several tasks, each with its own beginning.
    T5,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Flan => "For FLAN-T5, which follows instructions",
            Self::T5 => "For the first T5, which knows these beginnings",
        }
    }
}

impl Instruction {
    pub fn of(&self, text: &str) -> String {
        format!("{}{text}{}", self.before, self.after)
    }
}

const fn flan(name: &'static str, before: &'static str, after: &'static str) -> Instruction {
    Instruction { name, kind: Kind::Flan, before, after }
}

const fn t5(name: &'static str, before: &'static str) -> Instruction {
    Instruction { name, kind: Kind::T5, before, after: "" }
}

/// In the order in which they are offered.
pub const INSTRUCTIONS: [Instruction; 11] = [
    flan("Answer a question", "Give a short answer to this question.\n\nQuestion: ", "\nAnswer:"),
    flan("Reason in steps", "", "\n\nReason step by step before you give the answer."),
    flan(
        "Sum up",
        "Read this text and say in one sentence what it is about.\n\n",
        "\n\nIn one sentence:",
    ),
    flan(
        "Positive or negative",
        "Is the writer of this text positive or negative?\n\n",
        "\n\nThe writer is",
    ),
    flan("Name the topic", "Name the topic of this text in at most three words.\n\n", "\n\nTopic:"),
    flan(
        "Does it follow?",
        "Does the second sentence follow from the first? Say yes, no, or unclear.\n\n",
        "\n\nAnswer:",
    ),
    flan("Say it simply", "Say this again in words that a child knows: ", ""),
    flan("Into German", "Translate this sentence into German: ", ""),
    t5("summarize:", "summarize: "),
    t5("translate English to German:", "translate English to German: "),
    t5("cola sentence:", "cola sentence: "),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_has_a_name_of_its_own_and_keeps_the_text() {
        for (at, instruction) in INSTRUCTIONS.iter().enumerate() {
            let name = instruction.name;
            assert!(INSTRUCTIONS[at + 1..].iter().all(|other| other.name != name), "{name}");
            let whole = instruction.of("Some text.");
            assert!(whole.contains("Some text.") && whole.len() > "Some text.".len(), "{name}");
        }
    }
}
