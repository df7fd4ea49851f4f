//! Agreement between coders.

pub mod intraclass;
pub mod many;
pub mod two;
