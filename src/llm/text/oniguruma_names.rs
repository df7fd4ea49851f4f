//! What Oniguruma means by the names of kinds of characters.

/// What Oniguruma calls a letter of a word within a class: ZERO WIDTH JOINER and NON-JOINER are none.
pub(super) const WORD: &str = r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}";

/// Outside of classes it looks up the first 256 characters in a table of ISO 8859-1, in which these are letters, too.
pub(super) const LATIN: &str = "²³¹¼-¾";

/// `\b`, or with `false` `\B`.
pub(super) fn boundary(is_one: bool) -> String {
    let letter = format!("[{WORD}{LATIN}]");
    let (ends, begins) = if is_one { ("!", "=") } else { ("=", "!") };
    format!("(?:(?<={letter})(?{ends}{letter})|(?<!{letter})(?{begins}{letter}))")
}

/// What Oniguruma means by POSIX's names, as members of a class.
pub(super) fn posix(name: &str) -> Option<&'static str> {
    Some(match name {
        "alnum" => r"\p{Alphabetic}\p{Nd}",
        "alpha" => r"\p{Alphabetic}",
        "ascii" => r"\x00-\x7F",
        "blank" => r"\t\p{Zs}",
        "cntrl" => r"\p{Cc}",
        "digit" => r"\p{Nd}",
        "graph" => r"\P{White_Space}&&[^\p{Cc}\p{Cn}]",
        "lower" => r"\p{Lowercase}",
        "print" => r"[\P{White_Space}\p{Zs}]&&[^\p{Cc}\p{Cn}]",
        "punct" => r"\p{P}\p{S}",
        "space" => r"\s",
        "upper" => r"\p{Uppercase}",
        "word" => WORD,
        "xdigit" => "0-9A-Fa-f",
        _ => return None,
    })
}
