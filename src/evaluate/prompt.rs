//! From a question to what the model reads and to what of it is scored.

use std::borrow::Cow;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::rows::question::{EXAMPLES, Question};
use super::rows::several::ANSWERS;
use super::task::manner::Wording;
use super::task::perplexity::TEXT;
use super::task::{AnswerForm, Kind, Task};
use crate::data::codebook::Codebook;

/// More orders than this are too many to go through.
const MOST_ORDERS: usize = 5040;

/// A question as the model is asked it once: the options in one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presentation {
    /// The words, before a chat template.
    pub content: String,

    /// Which option stands at each place.
    pub order: Vec<usize>,

    /// What is scored for each place.
    pub answers: Vec<String>,
}

/// The reminder of a prompt that asks whether one label applies, before what it may say.
const EACH: &str = "Does this label apply to the text? Answer";

/// How the questions of a task are put.
#[derive(Clone, Debug)]
pub struct Form {
    template: String,

    /// Parts that do not come from a row.
    fixed: Vec<(String, String)>,
    letters: bool,
    judges: bool,

    /// The answer is a text of its own; there are no options.
    writes: bool,

    /// Of a codebook of which a text can have several labels, each label with what is said of it.
    each: Option<Vec<String>>,

    /// So many rows with their right answers stand before each question.
    examples: usize,

    /// Of several labels these rows: their texts, and which labels each has.
    shown: Vec<(String, Vec<usize>)>,

    /// Of a survey, how far the model is held to the options.
    wording: Wording,
    orders: usize,
    seed: u64,
}

/// A prompt that names something which is not there, or is not complete.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    #[error("the prompt names {{{name}}}, and there is no such column or part; there are {known}")]
    Unknown { name: String, known: String },

    #[error(
        "the prompt has a brace that is not closed: “{near}”. A brace that is meant as one is \
         written twice"
    )]
    Open { near: String },

    #[error("{0}")]
    Task(String),

    #[error("the prompt does not show {{{name}}}, so that the model could not know what to say")]
    Lacks { name: &'static str },
}

const CODE: &str =
    "{instruction}\n\n{codebook}\n\nText: {text}\n\nOptions:\n{options}\n\n{reminder}";
const CODE_EACH: &str = "{instruction}\n\nText: {text}\n\n{label}\n\n{reminder}";
const EXAM: &str = "{question}\n\n{options}\n\n{reminder}";
const JUDGE: &str = "Somebody asked:\n{prompt}\n\nAnswer A:\n{first}\n\nAnswer B:\n{second}\n\n\
                     {criterion}\n\n{reminder}";
/// What makes an answer better, where the task does not say it.
pub const CRITERION: &str = "The better answer is right, helps with what was asked, and is no longer \
                         than it has to be.";

const EXTRACT: &str = "{instruction}\n\n{fields}\n\nText: {text}\n\n{reminder}";
const READ_OUT: &str = "Read the text and say what it says about each of these fields.";
const SURVEY: &str = "{persona}\n\n{question}\n\n{options}\n\n{reminder}";
const ASK: &str = "Document:\n\n{passages}\n\nQuestion: {question}\n\n{reminder}";
const WRITE: &str = "{instruction}\n\n{text}";

/// The prompt of a task where nobody has written another.
pub fn usual(kind: Kind<'_>, several: bool) -> &'static str {
    match kind {
        Kind::Code(_) if several => CODE_EACH,
        Kind::Code(_) => CODE,
        Kind::Exam(_) => EXAM,
        Kind::Judge(_) => JUDGE,
        Kind::Rate(rate) => rate.template(),
        Kind::Extract(_) => EXTRACT,
        Kind::Write(_) => WRITE,
        Kind::Survey(_) => SURVEY,
        Kind::Ask(_) => ASK,
        Kind::Perplexity(perplexity) if perplexity.before.is_some() => "{before} {text}",
        Kind::Perplexity(_) => TEXT,
    }
}

impl Form {
    pub fn of(
        task: &Task,
        kind: Kind<'_>,
        codebook: Option<&Codebook>,
    ) -> Result<Self, PromptError> {
        let judges = matches!(kind, Kind::Judge(_));
        let each = codebook.filter(|codebook| codebook.several).map(Codebook::words_of_each);
        if let Some(problem) = each.as_ref().and_then(|_| problem_of_several(task)) {
            return Err(PromptError::Task(problem.to_owned()));
        }
        let letters = match task.answer {
            AnswerForm::Usual => !matches!(kind, Kind::Code(_) | Kind::Rate(_)),
            AnswerForm::Text => judges,
            AnswerForm::Letter => true,
        };
        let usual_reminder = if matches!(kind, Kind::Ask(_)) {
            "Answer in one or two sentences, from the document alone. If it does not say, answer: \
             The document does not say."
        } else if kind.writes() {
            "Answer with one JSON object that has these fields, and with nothing else. Where a \
             field may be null and the text says nothing of it, it is null."
        } else if judges {
            "Which answer is better? Say A or B and nothing else."
        } else if letters {
            "Answer with the letter of one option and nothing else."
        } else {
            "Answer with one of the options, in its words, and nothing else."
        };
        let mut fixed = vec![("reminder".to_owned(), usual_reminder.to_owned())];
        match kind {
            Kind::Code(_) | Kind::Exam(_) | Kind::Survey(_) | Kind::Ask(_) => {}
            Kind::Rate(rate) => {
                fixed.push(("reminder".to_owned(), rate.reminder()));
                fixed.push(("criterion".to_owned(), rate.criterion().to_owned()));
            }
            Kind::Judge(judge) => {
                let criterion =
                    if judge.criterion.is_empty() { CRITERION } else { &judge.criterion };
                fixed.push(("criterion".to_owned(), criterion.to_owned()));
            }
            Kind::Extract(extract) => {
                let asked = extract.instruction.trim();
                let asked = if asked.is_empty() { READ_OUT } else { asked };
                fixed.push(("instruction".to_owned(), asked.to_owned()));
                let form = extract.form().map_err(PromptError::Task)?;
                fixed.push(("fields".to_owned(), form.words()));
            }
            Kind::Perplexity(_) => fixed.clear(), // nothing is asked
            Kind::Write(write) => {
                fixed.retain(|(name, _)| name != "reminder");
                fixed.push(("instruction".to_owned(), write.instruction.trim().to_owned()));
            }
        }
        let has_own_reminder = codebook.is_some_and(|it| !it.reminder.trim().is_empty());
        if let (Some(codebook), Kind::Code(_)) = (codebook, kind) {
            fixed.push(("instruction".to_owned(), codebook.instruction.trim().to_owned()));
            fixed.push(("codebook".to_owned(), codebook.words()));
            if has_own_reminder {
                fixed.push(("reminder".to_owned(), codebook.reminder.trim().to_owned()));
            }
        }
        let template = task.prompt.clone().unwrap_or_else(|| match (&task.examples, kind) {
            (Some(_), Kind::Code(_)) => {
                usual(kind, each.is_some()).replace("Text: {text}", "{examples}Text: {text}")
            }
            (Some(_), _) => format!("{{examples}}{}", usual(kind, each.is_some())),
            (None, _) => usual(kind, each.is_some()).to_owned(),
        });
        let needed: &[&str] = match kind {
            Kind::Code(_) if each.is_some() => &["text", "label"],
            Kind::Code(_) if letters => &["text", "options"],
            Kind::Exam(_) if letters => &["question", "options"],
            Kind::Exam(_) => &["question"],
            Kind::Judge(_) => &["first", "second"],
            Kind::Code(_)
            | Kind::Rate(_)
            | Kind::Extract(_)
            | Kind::Write(_)
            | Kind::Perplexity(_) => &["text"],
            Kind::Survey(_) => &["question", "options"],
            Kind::Ask(_) => &["passages", "question"],
        };
        for name in needed.iter().chain(task.examples.as_ref().map(|_| &EXAMPLES)) {
            if !template.contains(&format!("{{{name}}}")) {
                return Err(PromptError::Lacks { name });
            }
        }
        if matches!(kind, Kind::Perplexity(_))
            && template.find(TEXT) != template.len().checked_sub(TEXT.len())
        {
            return Err(PromptError::Task(
                "the prompt of [perplexity] has to end in {text} and to have it only there: what stands \
                 before it is read and not scored"
                    .to_owned(),
            ));
        }
        let orders = if judges { 2 } else { task.orders.max(1) };
        let writes = kind.writes() || matches!(kind, Kind::Perplexity(_));
        // An end of somebody's own that does not name yes and no is the same in every order.
        let is_fixed = each.is_some()
            && !template.contains("{options}")
            && (!template.contains("{reminder}") || has_own_reminder);
        let is_fixed = is_fixed || matches!(kind, Kind::Rate(_));
        let orders = if writes || is_fixed { 1 } else { orders };
        let wording = Wording::Forced;
        let examples = task.examples.as_ref().map_or(0, |examples| examples.count);
        let (seed, shown) = (task.seed, Vec::new());
        Ok(Self {
            template,
            fixed,
            letters,
            judges,
            writes,
            each,
            examples,
            shown,
            wording,
            orders,
            seed,
        })
    }

    /// The same with another end of the prompt.
    #[must_use]
    pub fn with_reminder(mut self, words: &str) -> Self {
        self.fixed.push(("reminder".to_owned(), words.to_owned()));
        self
    }

    /// The same that holds the model to the options so far. What it should say is not said then, and
    /// options that are not shown have one order.
    #[must_use]
    pub fn worded(self, wording: Wording) -> Self {
        if wording == Wording::Forced {
            return self;
        }
        let orders = if wording == Wording::Open { 1 } else { self.orders };
        Self { wording, orders, ..self.with_reminder("") }
    }

    /// Puts texts before each question about one of several labels, each with the labels that it has.
    pub fn show(&mut self, shown: Vec<(String, Vec<usize>)>) {
        self.shown = shown;
    }

    /// The prompt as it was written.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// The question with its options in the order of the table; of several labels, that about the first.
    pub fn first(&self, question: &Question) -> Result<Presentation, PromptError> {
        self.presentation(question, (0..self.choices(question)).collect(), 0)
    }

    /// Of a text that is scored, what is read before it.
    pub fn before_text(&self, question: &Question) -> Result<String, PromptError> {
        Ok(self.first(&question.with_part("text", ""))?.content)
    }

    /// In how many orders a question is asked.
    pub fn order_count(&self, question: &Question) -> usize {
        orders(self.choices(question), self.orders, self.seed).len()
    }

    /// Whether each label is asked about by itself.
    pub fn asks_each(&self) -> bool {
        self.each.is_some()
    }

    /// How many of a row's presentations are for one answer: all of them, or, where each label is asked
    /// about by itself, its own.
    pub fn for_one_answer(&self, question: &Question, presentations: usize) -> usize {
        let answers = if self.asks_each() { question.options.len().max(1) } else { 1 };
        (presentations / answers).max(1)
    }

    /// How many answers there are to choose from.
    fn choices(&self, question: &Question) -> usize {
        if self.each.is_some() { ANSWERS.len() } else { question.options.len() }
    }

    /// The question in each order of its options; the first is the order of the table. Of several labels, in each
    /// order about the first label, then about the next one.
    pub fn presentations(&self, question: &Question) -> Result<Vec<Presentation>, PromptError> {
        let orders = orders(self.choices(question), self.orders, self.seed);
        let labels = self.each.as_ref().map_or(1, Vec::len);
        let of_label = |label: usize| {
            let orders = orders.iter();
            orders.map(move |order| self.presentation(question, order.clone(), label))
        };
        (0..labels).flat_map(of_label).collect()
    }

    fn presentation(
        &self,
        question: &Question,
        order: Vec<usize>,
        label: usize,
    ) -> Result<Presentation, PromptError> {
        if let Some(each) = &self.each {
            return self.about_label(question, order, (label, each.get(label)));
        }
        let shows_options = self.wording != Wording::Open;
        let options = if shows_options { self.lines(question, &order) } else { String::new() };
        let swapped = self.judges && order == [1, 0];
        let content = fill(&self.template, |name| match name {
            "options" if !self.judges && !self.writes => Some(Cow::Borrowed(options.as_str())),
            "first" if swapped => question.part("second"),
            "second" if swapped => question.part("first"),
            // A form shows its prompt before any are drawn.
            EXAMPLES if self.examples > 0 => Some(question.part(name).unwrap_or_default()),
            _ => {
                let fixed = self.fixed.iter().rev().find(|(part, _)| part == name);
                fixed.map(|(_, text)| Cow::Borrowed(text.as_str())).or_else(|| question.part(name))
            }
        })
        .map_err(|err| self.with_known(err, question))?;
        let answers = order
            .iter()
            .filter(|_| !self.writes)
            .enumerate()
            .map(|(place, &option)| {
                if self.letters {
                    letter(place).to_string()
                } else {
                    question.options[option].trim().to_owned()
                }
            })
            .collect();
        // Without a persona the question comes first.
        let mut content = content.trim_start_matches('\n').to_owned();
        if self.wording != Wording::Forced {
            // What is left out leaves no hole.
            while content.contains("\n\n\n") {
                content = content.replace("\n\n\n", "\n\n");
            }
            content.truncate(content.trim_end().len());
        }
        Ok(Presentation { content, order, answers })
    }

    /// Whether a label applies to the text of a question.
    fn about_label(
        &self,
        question: &Question,
        order: Vec<usize>,
        (label, words): (usize, Option<&String>),
    ) -> Result<Presentation, PromptError> {
        let answers: Vec<String> = order.iter().map(|place| ANSWERS[*place].to_owned()).collect();
        let options = answers.join(" or ");
        let reminder = format!("{EACH} {options} and nothing else.");
        let content = fill(&self.template, |name| match name {
            "label" => words.map(|words| Cow::Borrowed(words.as_str())),
            EXAMPLES if self.examples > 0 => Some(Cow::Owned(self.examples_of(question, label))),
            "options" => Some(Cow::Borrowed(options.as_str())),
            _ => {
                // The first one is ours, of labels to choose from.
                let fixed = self.fixed.iter().skip(1).rev().find(|(part, _)| part == name);
                match fixed {
                    Some((_, text)) => Some(Cow::Borrowed(text.as_str())),
                    None if name == "reminder" => Some(Cow::Borrowed(reminder.as_str())),
                    None => question.part(name),
                }
            }
        })
        .map_err(|err| self.with_known(err, question))?;
        Ok(Presentation { content, order, answers })
    }

    /// The texts that are shown before a question about a label, each with whether it has the label.
    fn examples_of(&self, question: &Question, label: usize) -> String {
        let name = question.options.get(label).map_or("", |name| name.trim());
        let example = |(text, labels): &(String, Vec<usize>)| {
            let answer = ANSWERS[usize::from(!labels.contains(&label))];
            format!("Text: {text}\nDoes the label “{name}” apply? {answer}\n\n")
        };
        let examples: String = self.shown.iter().map(example).collect();
        if examples.is_empty() { examples } else { format!("Examples:\n\n{examples}") }
    }

    /// The options in an order, a line each.
    fn lines(&self, question: &Question, order: &[usize]) -> String {
        let lines = order.iter().enumerate().map(|(place, &option)| {
            let words = question.options[option].trim();
            if self.letters { format!("{}. {words}", letter(place)) } else { format!("- {words}") }
        });
        lines.collect::<Vec<String>>().join("\n")
    }

    /// A question with its right answer, as it is shown before another one.
    pub fn example(&self, question: &Question, right: usize) -> String {
        let answer = match question.options.get(right) {
            Some(_) if self.letters => letter(right).to_string(),
            Some(words) => words.trim().to_owned(),
            None => String::new(),
        };
        let part = |name: &str| question.part(name).unwrap_or_default().trim().to_owned();
        if question.part("text").is_some() && question.part("question").is_none() {
            return format!("Text: {}\nLabel: {answer}", part("text"));
        }
        let order: Vec<usize> = (0..question.options.len()).collect();
        format!("{}\n\n{}\n\nAnswer: {answer}", part("question"), self.lines(question, &order))
    }

    fn with_known(&self, err: PromptError, question: &Question) -> PromptError {
        let PromptError::Unknown { name, .. } = err else { return err };
        PromptError::Unknown { name, known: self.names(question).join(", ") }
    }

    /// What the prompt may name, in braces.
    pub fn names(&self, question: &Question) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let parts = self.fixed.iter().map(|(name, _)| name.as_str()).chain(question.names());
        let label = self.each.as_ref().map(|_| "label");
        for part in parts.chain((!self.judges && !self.writes).then_some("options")).chain(label) {
            let written = format!("{{{part}}}");
            if !names.contains(&written) {
                names.push(written);
            }
        }
        names
    }
}

/// What keeps a task from asking about each label by itself.
fn problem_of_several(task: &Task) -> Option<&'static str> {
    (task.answer == AnswerForm::Letter).then_some(
        "a text can have several labels of this codebook, which are asked about with yes or no: leave \
         answer = \"letter\" out",
    )
}

/// Under which letter the option at a place is listed.
pub(super) fn letter(place: usize) -> char {
    char::from(b'A' + u8::try_from(place).unwrap_or(25))
}

/// Puts values in the place of `{names}`; two braces are one.
fn fill<'a>(
    template: &'a str,
    value: impl Fn(&str) -> Option<Cow<'a, str>>,
) -> Result<String, PromptError> {
    let mut filled = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        filled.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        let after = &rest[at + 1..];
        if after.starts_with(brace) {
            filled.push_str(brace);
            rest = &after[1..];
            continue;
        }
        let near = || PromptError::Open { near: rest[at..].chars().take(30).collect() };
        if brace == "}" {
            return Err(near());
        }
        let end = after.find('}').ok_or_else(near)?;
        let name = after[..end].trim();
        let unknown = || PromptError::Unknown { name: name.to_owned(), known: String::new() };
        filled.push_str(&value(name).ok_or_else(unknown)?);
        rest = &after[end + 1..];
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Orders of `count` options, at most `wanted`, without one twice. The first is as it stands; then
/// the turned ones, in which every option comes to every place equally often; then drawn ones.
pub fn orders(count: usize, wanted: usize, seed: u64) -> Vec<Vec<usize>> {
    let all = (1..=count).try_fold(1_usize, |product, next| product.checked_mul(next));
    let wanted = wanted.clamp(1, MOST_ORDERS);
    let as_it_stands: Vec<usize> = (0..count).collect();
    if all.is_some_and(|all| all <= wanted) {
        return all_orders(&as_it_stands);
    }
    let mut found: Vec<Vec<usize>> = (0..count.min(wanted))
        .map(|turn| (0..count).map(|place| (place + turn) % count).collect())
        .collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut known: std::collections::HashSet<Vec<usize>> = found.iter().cloned().collect();
    while found.len() < wanted {
        let mut order = as_it_stands.clone();
        order.shuffle(&mut random);
        if known.insert(order.clone()) {
            found.push(order);
        }
    }
    found
}

/// All orders of what is given, in lexicographic order of the places.
fn all_orders(items: &[usize]) -> Vec<Vec<usize>> {
    if items.len() <= 1 {
        return vec![items.to_vec()];
    }
    let mut found = Vec::new();
    for (at, &first) in items.iter().enumerate() {
        let rest: Vec<usize> = [&items[..at], &items[at + 1..]].concat();
        for mut order in all_orders(&rest) {
            order.insert(0, first);
            found.push(order);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_filled_and_doubled_ones_stay() {
        let value = |name: &str| (name == "text").then_some(Cow::Borrowed("{odd}"));
        assert_eq!(fill("a {text} {{b}}", value).unwrap(), "a {odd} {b}");
        assert!(
            matches!(fill("{tex}", value), Err(PromptError::Unknown { name, .. }) if name == "tex")
        );
        assert!(matches!(fill("a {text", value), Err(PromptError::Open { .. })));
        assert!(matches!(fill("a } b", value), Err(PromptError::Open { .. })));
    }

    #[test]
    fn orders_begin_as_it_stands_and_never_repeat() {
        assert_eq!(orders(3, 1, 0), [[0, 1, 2]]);
        assert_eq!(orders(3, 3, 0), [[0, 1, 2], [1, 2, 0], [2, 0, 1]]);
        assert_eq!(orders(3, 100, 0).len(), 6);
        assert_eq!(orders(2, 2, 0), [[0, 1], [1, 0]]);
        let six = orders(5, 6, 7);
        assert_eq!(six.len(), 6);
        assert_eq!(six, orders(5, 6, 7), "a seed draws the same orders");
        let distinct: std::collections::HashSet<_> = orders(5, 100, 1).into_iter().collect();
        assert_eq!(distinct.len(), 100);
    }
}
