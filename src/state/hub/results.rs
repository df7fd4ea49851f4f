//! What the Hub answered to a search: rows that grow page by page.

use std::collections::HashSet;

use crate::hub::browse::search::{Found, MOST_ROWS, Page, Query};

/// The answers to one question.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// What the rows answer, or will. `None`: nothing was asked.
    pub asked: Option<Query>,
    pub rows: Vec<Found>,

    /// Where the rows after these are.
    pub next: Option<String>,
    pub phase: Phase,

    /// Ids that the words could have been meant for. Asked where nothing was found.
    pub near: Vec<String>,
    pub seeking_near: bool,

    /// Pages may repeat a row when the order changes between them.
    known: HashSet<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Idle,

    /// The first page is being asked for; the rows before it are still shown.
    Asking,

    /// The next page is.
    AskingMore,

    /// Why it failed, outermost cause first. The rows that came are kept.
    Failed(Vec<String>),
}

impl Results {
    /// A question was sent.
    pub fn ask(&mut self, query: Query) {
        self.asked = Some(query);
        self.phase = Phase::Asking;
        self.near.clear();
        self.seeking_near = false;
    }

    /// The next page was asked for.
    pub fn ask_more(&mut self) {
        self.phase = Phase::AskingMore;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn on_page(&mut self, page: Page) {
        if self.phase != Phase::AskingMore {
            self.rows.clear();
            self.known.clear();
        }
        let before = self.rows.len();
        for row in page.rows {
            if self.known.insert(row.id.clone()) {
                self.rows.push(row);
            }
        }
        let grew = self.rows.len() > before;
        // A list that brings nothing new, or goes on beyond all use, has ended.
        self.next = page.next.filter(|_| grew && self.rows.len() < MOST_ROWS);
        self.phase = Phase::Idle;
    }

    pub fn on_failure(&mut self, causes: Vec<String>) {
        if self.phase == Phase::Asking {
            // They answered another question.
            self.rows.clear();
            self.known.clear();
            self.next = None;
        }
        self.phase = Phase::Failed(causes);
    }

    /// Whether rows up to `last_shown` leave so few below that the next page should come.
    pub fn wants_more(&self, last_shown: usize) -> bool {
        const AHEAD: usize = 30;
        self.next.is_some() && self.phase == Phase::Idle && last_shown + AHEAD >= self.rows.len()
    }

    pub fn found_nothing(&self) -> bool {
        self.asked.is_some() && self.rows.is_empty() && self.phase == Phase::Idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::protocol::repository::RepoKind;

    fn page(ids: &[&str], next: Option<&str>) -> Page {
        let row = |id: &&str| Found::named(RepoKind::Model, id);
        Page { rows: ids.iter().map(row).collect(), next: next.map(str::to_owned) }
    }

    fn ids(results: &Results) -> Vec<&str> {
        results.rows.iter().map(|row| row.id.as_str()).collect()
    }

    #[test]
    fn pages_follow_each_other_without_repeating_a_row() {
        let mut results = Results::default();
        results.ask(Query::default());
        results.on_page(page(&["a/1", "a/2"], Some("next")));
        assert!(results.wants_more(0));
        results.ask_more();
        assert!(!results.wants_more(0), "it is being asked for");
        results.on_page(page(&["a/2", "a/3"], Some("next")));
        assert_eq!(ids(&results), ["a/1", "a/2", "a/3"]);
        results.ask_more();
        results.on_page(page(&["a/1"], Some("next")));
        assert_eq!(results.next, None, "a list in a circle has ended");
    }

    #[test]
    fn the_rows_of_the_last_question_stay_until_the_new_ones_are_there() {
        let mut results = Results::default();
        results.ask(Query::default());
        results.on_page(page(&["a/1"], None));
        results.ask(Query { words: "b".to_owned(), ..Query::default() });
        assert_eq!(ids(&results), ["a/1"]);
        results.on_page(page(&["b/1"], None));
        assert_eq!(ids(&results), ["b/1"]);
    }

    #[test]
    fn a_failed_page_keeps_what_is_there() {
        let mut results = Results::default();
        results.ask(Query::default());
        results.on_page(page(&["a/1"], Some("next")));
        results.ask_more();
        results.on_failure(vec!["no network".to_owned()]);
        assert_eq!(ids(&results), ["a/1"]);
        assert!(results.next.is_some(), "it can be asked for again");
        results.ask(Query::default());
        results.on_failure(vec!["no network".to_owned()]);
        assert!(results.rows.is_empty(), "the rows answered another question");
    }
}
