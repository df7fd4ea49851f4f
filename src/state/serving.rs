//! The model as a server for other programs, as the Models panel shows it.

use std::time::Duration;

use crate::words::thousands;

/// Everything of it.
#[derive(Clone, Debug, Default)]
pub struct ServingState {
    /// "Serve this model…" was pressed, and nothing is served yet.
    pub is_asked: bool,

    /// Who may come.
    pub to: ServeTo,
    pub status: ServeStatus,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServeTo {
    /// Programs of this computer, without a key.
    #[default]
    ThisComputer,

    /// Everybody in the network who has the key.
    Network,
}

#[derive(Clone, Debug, Default)]
pub enum ServeStatus {
    #[default]
    Off,
    Starting,
    On(OpenServer),
}

/// A server that programs can reach.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenServer {
    /// `http://127.0.0.1:8321/v1`, the likeliest first.
    pub addresses: Vec<String>,
    pub key: Option<String>,

    /// What requests can give as the model.
    pub names: Vec<String>,

    /// Requests that were answered, and those that were refused or left.
    pub answered: usize,
    pub refused: usize,

    /// Tokens that were read and written for them.
    pub tokens: usize,
    pub computed: Duration,
    pub is_busy: bool,
}

impl OpenServer {
    /// `12 requests answered · 3,400 tokens · one is being answered now`.
    pub fn turnout(&self) -> String {
        let many = |count: usize, one: &str, many: &str| {
            let words = if count == 1 { one } else { many };
            format!("{} {words}", thousands(count))
        };
        let mut parts = vec![many(self.answered, "request answered", "requests answered")];
        if self.tokens > 0 {
            parts.push(many(self.tokens, "token", "tokens"));
        }
        if self.refused > 0 {
            parts.push(format!("{} refused", thousands(self.refused)));
        }
        if self.is_busy {
            parts.push("one is being answered now".to_owned());
        }
        parts.join(" · ")
    }
}

impl ServingState {
    pub fn open(&self) -> Option<&OpenServer> {
        match &self.status {
            ServeStatus::On(open) => Some(open),
            ServeStatus::Off | ServeStatus::Starting => None,
        }
    }

    pub fn open_mut(&mut self) -> Option<&mut OpenServer> {
        match &mut self.status {
            ServeStatus::On(open) => Some(open),
            ServeStatus::Off | ServeStatus::Starting => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turnout_says_what_was_done_and_what_is() {
        let mut open = OpenServer::default();
        assert_eq!(open.turnout(), "0 requests answered");
        open = OpenServer { answered: 1, tokens: 1234, refused: 2, is_busy: true, ..open };
        let words = "1 request answered · 1,234 tokens · 2 refused · one is being answered now";
        assert_eq!(open.turnout(), words);
    }
}
