//! The part of the form that sets up a survey: the items' options, who answers, what real people said.

use std::path::PathBuf;

use crate::data::table::Report;
use crate::evaluate::task::manner::{Way, Wording};
use crate::evaluate::task::survey::{Beside, Survey, lacking};

/// What is set. Nothing of it has to be complete.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SurveyForm {
    /// Without the column of the questions, which the whole form has, and without the options that
    /// refuse.
    pub survey: Survey,

    /// Options that refuse an answer, as they were typed: with semicolons between.
    pub refusal: String,

    /// How the table of people looks, once it was read, and that of the marginals.
    pub people: Option<Report>,
    pub marginals: Option<Report>,
}

impl SurveyForm {
    pub fn of(survey: Survey) -> Self {
        let refusal = survey.refusal.join("; ");
        let survey = Survey { question: String::new(), refusal: Vec::new(), ..survey };
        Self { survey, refusal, people: None, marginals: None }
    }

    /// The survey with its column of questions.
    pub fn survey(&self, question: &str) -> Survey {
        let refusal = self.refusal.split(';').map(str::trim).filter(|words| !words.is_empty());
        Survey {
            question: question.to_owned(),
            refusal: refusal.map(str::to_owned).collect(),
            ..self.survey.clone()
        }
    }

    /// The items were read: options that are not there any more are not chosen, and where none is,
    /// those that are called so are.
    pub fn set_columns(&mut self, columns: &[String]) {
        self.survey.options.retain(|option| columns.contains(option));
        if self.survey.options.is_empty() {
            let is_option = |name: &&String| name.to_lowercase().starts_with("option");
            self.survey.options = columns.iter().filter(is_option).cloned().collect();
        }
    }

    /// Where the tables beside the items are, of those that were not read yet.
    pub fn unread(&self) -> Vec<(Beside, PathBuf)> {
        let is_read = |report: &Option<Report>, path: &PathBuf| {
            report.as_ref().is_some_and(|report| report.path == *path)
        };
        let people = self.survey.personas.iter().filter(|path| !is_read(&self.people, path));
        let marginals = self.survey.marginals.iter().filter(|path| !is_read(&self.marginals, path));
        let people = people.map(|path| (Beside::People, path.clone()));
        people.chain(marginals.map(|path| (Beside::Marginals, path.clone()))).collect()
    }

    /// A table beside the items was read.
    pub fn set_beside(&mut self, beside: Beside, report: Report) {
        match beside {
            Beside::People => {
                self.survey.personas = Some(report.path.clone());
                self.survey.by = self.survey.by.take().filter(|by| report.columns.contains(by));
                if self.survey.persona.trim().is_empty() {
                    self.survey.persona = usual_persona(&report.columns);
                }
                self.people = Some(report);
            }
            Beside::Marginals => {
                self.survey.marginals = Some(report.path.clone());
                self.marginals = Some(report);
            }
        }
    }

    pub fn forget(&mut self, beside: Beside) {
        match beside {
            Beside::People => {
                (self.survey.personas, self.people, self.survey.by) = (None, None, None);
                self.survey.persona.clear();
            }
            Beside::Marginals => (self.survey.marginals, self.marginals) = (None, None),
        }
    }

    /// What is missing, as a sentence.
    pub fn obstacle(&self) -> Option<String> {
        if self.survey.options.is_empty() {
            return Some("Choose the columns with the options of the items".to_owned());
        }
        if self.survey.ways.is_empty() {
            return Some("Choose how the answers are read from the model".to_owned());
        }
        if self.survey.forms.is_empty() {
            return Some("Choose how far the model is held to the options".to_owned());
        }
        if let Some(problem) = self.survey.problem() {
            return Some(problem);
        }
        if self.survey.personas.is_some() && self.survey.persona.trim().is_empty() {
            return Some("Say what the model is told of a person".to_owned());
        }
        let marginals = self.marginals.as_ref()?;
        lacking(&marginals.path, &marginals.columns)
    }

    /// What the model is told of the first person.
    pub fn first_person(&self) -> Result<String, String> {
        let first = self.people.as_ref().and_then(|people| people.first.first());
        match first {
            Some(row) => Ok(self.survey.person(row).map_err(|err| err.to_string())?.words),
            None => Ok(String::new()),
        }
    }

    /// How many answers are asked for, in words; `items`: rows of the table.
    pub fn size(&self, items: u64, orders: usize) -> String {
        let people = self.people.as_ref().map_or(1, |people| people.rows);
        let count = |count: u64, one: &str, many: &str| match count {
            1 => format!("1 {one}"),
            count => format!("{count} {many}"),
        };
        let rows = items * people;
        let mut said = format!(
            "{} to {}: {}",
            count(items, "item", "items"),
            count(people, "person", "people"),
            count(rows, "row", "rows")
        );
        let in_orders = [Way::Letters, Way::Texts];
        let scored =
            self.survey.manners().into_iter().filter(|manner| {
                in_orders.contains(&manner.way) && manner.wording != Wording::Open
            });
        if orders > 1 && scored.count() > 0 {
            said.push_str(&format!(", each in up to {orders} orders of the options"));
        }
        said
    }
}

/// `age: {age}. place: {place}.`
fn usual_persona(columns: &[String]) -> String {
    let is_name = |name: &&String| {
        let name = name.to_lowercase();
        !matches!(name.as_str(), "id" | "person" | "persona" | "respondent")
            && !name.ends_with("_group")
    };
    let said: Vec<String> =
        columns.iter().filter(is_name).map(|name| format!("{name}: {{{name}}}.")).collect();
    format!("Answer as this person. {}", said.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_and_what_is_typed_becomes_the_task() {
        let mut form = SurveyForm::default();
        assert!(form.obstacle().unwrap().contains("columns with the options"));
        let columns = ["id", "question", "option_1", "option_2"].map(str::to_owned);
        form.set_columns(&columns);
        assert_eq!(form.survey.options, ["option_1", "option_2"]);
        assert_eq!(form.obstacle(), None);
        "don't know;  no answer ;".clone_into(&mut form.refusal);
        let survey = form.survey("question");
        assert_eq!(survey.refusal, ["don't know", "no answer"]);
        assert_eq!(survey.question, "question");
        assert_eq!(SurveyForm::of(survey.clone()).survey("question"), survey);
        form.survey.personas = Some("people.csv".into());
        assert!(form.obstacle().unwrap().contains("told of a person"));
        assert_eq!(form.unread(), [(Beside::People, "people.csv".into())]);
        form.survey.ways.clear();
        assert!(form.obstacle().unwrap().contains("read from the model"));
        assert_eq!(form.size(20, 5), "20 items to 1 person: 20 rows");
        form.survey.ways = vec![Way::Letters];
        let said = form.size(1, 5);
        assert_eq!(said, "1 item to 1 person: 1 row, each in up to 5 orders of the options");
    }

    #[test]
    fn a_person_is_told_by_the_columns_until_somebody_writes_it_better() {
        let columns = ["person", "age", "age_group", "place"].map(str::to_owned);
        assert_eq!(usual_persona(&columns), "Answer as this person. age: {age}. place: {place}.");
    }
}
