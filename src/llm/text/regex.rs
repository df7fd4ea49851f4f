//! Regular expressions, by the engine that tokenizers bring along.

pub use tokenizers::utils::SysRegex as Regex;
