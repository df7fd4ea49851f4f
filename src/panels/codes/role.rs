//! What an item is for, in words.

use crate::study::item::Role;

/// What an item is there for, said above it where it is not simply to be coded.
pub(super) fn role_words(role: Role) -> Option<&'static str> {
    match role {
        Role::Training => Some("Training: the right code is shown after yours"),
        // A check that says so would be none.
        Role::Coding | Role::Check => None,
    }
}
