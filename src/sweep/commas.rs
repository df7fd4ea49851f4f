//! Lists of numbers as people type them, where a comma parts numbers for some and decimals for others: `0,5`.

/// What of a list can be told in two ways, with how to write each. `None`: nothing.
///
/// Two numbers with a comma and no space between them, where the first is whole: `0,5` is one half in most of
/// Europe, and the two numbers 0 and 5 in a list. Of three and more (`1,2,3`) it is a list, unless one of them
/// begins as a decimal does (`0,1,0,2`). A semicolon parts numbers for everybody.
pub fn in_two_ways(list: &str) -> Option<String> {
    if list.contains(';') {
        return None;
    }
    list.split_whitespace().map(|part| part.trim_matches(',')).find_map(|typed| {
        let numbers: Vec<&str> = typed.split(',').collect();
        let is_pair = numbers.len() == 2;
        let begins = |pair: &&[&str]| is_pair || matches!(pair[0], "0" | "-0");
        let mut pairs = numbers.windows(2).filter(begins);
        let number = pairs.find_map(|pair| decimal(pair[0], pair[1]))?;
        Some(if is_pair {
            let (first, second) = (numbers[0], numbers[1]);
            format!(
                "“{typed}” is {number} for some and the two numbers {first} and {second} for others: write \
                 {number} with a point for the one, and {first}, {second} with a space after the comma for the \
                 other"
            )
        } else {
            format!(
                "“{typed}” is a list of whole numbers for some and has decimals for others: write decimals with a \
                 point, as in {number}, and a space after each comma that parts two numbers"
            )
        })
    })
}

/// `0` and `5e-1` as `0.5e-1`. `None`: no number has these before and after its decimal point.
fn decimal(whole: &str, after: &str) -> Option<String> {
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let begins = after.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    let number = format!("{whole}.{after}");
    (is_whole && begins && number.parse::<f64>().is_ok()).then_some(number)
}

/// The list of a key as it is written under `[grid]` of a sweep file, without its brackets.
pub fn written<'a>(file: &'a str, key: &str) -> Option<&'a str> {
    let name = key.rsplit('.').next()?;
    let grid = &file[file.find("[grid")?..];
    let mut from = 0;
    for line in grid.split_inclusive('\n') {
        let named = line.split_once('=').map(|(key, _)| key.trim().rsplit('.').next());
        if named.flatten().is_some_and(|own| own.trim().trim_matches(['"', '\'']) == name) {
            let (_, list) = grid[from..].split_once('[')?;
            return list.split_once(']').map(|(list, _)| list);
        }
        from += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_comma_is_told_from_a_list_or_asked_about() {
        for list in [
            "0.5, 0.7",
            "0, 5",
            "1,2,3",
            "1e-4,5e-5",
            "0.1,0.2",
            "0,5; 0,7",
            "5",
            "cosine,linear",
            "",
        ] {
            assert_eq!(in_two_ways(list), None, "{list}");
        }
        let said = in_two_ways("0,5").unwrap();
        assert!(
            said.starts_with("“0,5” is 0.5 for some and the two numbers 0 and 5 for others"),
            "{said}"
        );
        assert!(
            said.contains("write 0.5 with a point") && said.contains("0, 5 with a space"),
            "{said}"
        );
        for list in ["0.1, 0,5", "0,001", "-0,5", "1,5e-4", "0,1,0,2", "0,5, 0,7"] {
            assert!(in_two_ways(list).is_some(), "{list}");
        }
    }

    #[test]
    fn the_list_of_a_key_is_found_as_it_was_written() {
        let file = "[run]\nbeta = 0.1\n[grid]\nlearning_rate = [1e-4,\n 5e-5]\nlora.lora_dropout = [0,1]\n";
        assert_eq!(written(file, "learning_rate"), Some("1e-4,\n 5e-5"));
        assert_eq!(written(file, "lora.lora_dropout"), Some("0,1"));
        assert_eq!(written(file, "beta"), None);
        assert_eq!(written("[grid.lora]\nlora_dropout = [0,1]", "lora.lora_dropout"), Some("0,1"));
    }
}
