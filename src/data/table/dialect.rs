//! How a text's fields are separated: found from its first rows.

use super::feed::Feed;
use super::records::{DELIMITERS, Records};

/// Tried where none of them gives columns: of Hive, and of those who wanted one that no text has.
const RARE: [u8; 5] = [0x01, 0x1f, 0x1e, b'^', b'~'];

/// Rows that are looked at before the delimiter is known.
const LOOKED_AT: usize = 50;

/// How fields are separated, and whether the first line says so (`sep=;`, which Excel writes and
/// reads).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    pub delimiter: u8,
    pub is_said: bool,

    /// In the header.
    pub fields: usize,

    /// Every row that was looked at has as many.
    pub is_even: bool,
    pub rows: usize,

    /// A quotation mark in a text is written `\"`, as Spark and `MySQL` write it.
    pub has_escapes: bool,

    pub before: Before,
}

/// What stands before the columns that have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,

    /// So many records before the header.
    Titles(usize),

    /// In each row its number, which has no name in the header.
    RowNumbers,
}

impl Dialect {
    /// Whether there is any reason to take the text for a table.
    pub fn is_table(self) -> bool {
        self.is_said || (self.fields > 1 && self.is_even && self.rows > 1)
    }
}

/// What a delimiter makes of the beginning of a text.
struct Tried {
    dialect: Dialect,

    /// A delimiter in the name of an only column: the rows have none.
    is_one_column: bool,
}

/// The dialect of a text that begins so.
pub(super) fn dialect(head: &str) -> Dialect {
    if let Some(delimiter) = said(head) {
        return Dialect { is_said: true, is_even: true, ..Dialect::of(delimiter) };
    }
    let usual = DELIMITERS.map(|delimiter| tried(head, delimiter));
    if let Some(numbered) = usual.iter().find(|tried| tried.dialect.before == Before::RowNumbers) {
        return numbered.dialect;
    }
    let rank = |tried: &Tried| {
        let Tried { dialect, is_one_column } = tried;
        (dialect.fields > 1 && !is_one_column, dialect.is_even, dialect.fields)
    };
    // The first of equals: commas.
    let best = usual.iter().rev().max_by_key(|tried| rank(tried)).expect("four were tried");
    if best.dialect.fields > 1 {
        return best.dialect;
    }
    if let Some(titled) =
        usual.iter().find(|tried| matches!(tried.dialect.before, Before::Titles(_)))
    {
        return titled.dialect;
    }
    let rare = RARE.map(|delimiter| tried(head, delimiter).dialect);
    rare.into_iter().find(|dialect| dialect.is_table()).unwrap_or(best.dialect)
}

impl Dialect {
    fn of(delimiter: u8) -> Self {
        Self {
            delimiter,
            is_said: false,
            fields: 0,
            is_even: false,
            rows: 0,
            has_escapes: false,
            before: Before::Nothing,
        }
    }
}

fn tried(head: &str, delimiter: u8) -> Tried {
    let plain = looked_at(head, delimiter, false);
    // In a text that is cut as pandas cuts it, a `"` that ends a field has a delimiter behind it.
    let with_escapes = (plain.escapes > 0 && plain.doubled == 0)
        .then(|| looked_at(head, delimiter, true))
        .filter(|looked| looked.quotes_close);
    let has_escapes = with_escapes.is_some();
    let looked = with_escapes.unwrap_or(plain);
    let Looked { counts, first_fields, spaced, quotes_close, .. } = looked;
    let fields = counts.first().copied().unwrap_or(0);
    let with_more = counts.iter().skip(1).filter(|count| **count > 1).count();
    let is_even = counts.iter().all(|count| *count == fields) && quotes_close;
    let numbers = first_fields.iter().map(|field| field.trim().parse::<usize>().ok());
    let from = numbers.clone().nth(1).flatten().filter(|first| *first < 2);
    // Of an only column the comma may be a decimal one.
    let has_row_numbers = quotes_close
        && fields > 1
        && counts.len() > 2
        && counts[1..].iter().all(|count| *count == fields + 1)
        && from.is_some_and(|from| {
            numbers.skip(1).enumerate().all(|(at, number)| number == Some(from + at))
        });
    Tried {
        is_one_column: fields > 1 && quotes_close && with_more * 2 < counts.len() - 1,
        dialect: Dialect {
            fields,
            is_even,
            rows: counts.len(),
            has_escapes,
            before: match titles(&counts, &spaced) {
                _ if has_row_numbers => Before::RowNumbers,
                titles if titles > 0 && quotes_close => Before::Titles(titles),
                _ => Before::Nothing,
            },
            ..Dialect::of(delimiter)
        },
    }
}

/// Records before the header: of one field each, where all that follow have the same number of more.
/// Commas of prose have a space behind them.
fn titles(counts: &[usize], spaced: &[bool]) -> usize {
    const MOST: usize = 10;

    let before = counts.iter().take_while(|count| **count == 1).count();
    let (rest, spaced) = (&counts[before..], &spaced[before..]);
    let is_table = rest.len() > 1 && rest.iter().all(|count| *count == rest[0]);
    let is_title = (1..=MOST).contains(&before) && is_table && !spaced.contains(&true);
    if is_title { before } else { 0 }
}

/// The first records of a text.
struct Looked {
    counts: Vec<usize>,
    first_fields: Vec<String>,

    /// Whether any field but the first begins with a space.
    spaced: Vec<bool>,
    quotes_close: bool,
    escapes: usize,
    doubled: usize,
}

fn looked_at(head: &str, delimiter: u8, has_escapes: bool) -> Looked {
    let mut feed = Feed::new(Box::new(head.as_bytes()));
    let mut records = Records::new(&mut feed, delimiter, has_escapes);
    let (mut counts, mut first_fields, mut spaced) = (Vec::new(), Vec::new(), Vec::new());
    let mut quotes_close = true;
    while counts.len() < LOOKED_AT {
        match records.next() {
            Ok(Some(record)) => {
                counts.push(record.fields.len());
                spaced.push(record.fields.iter().skip(1).any(|field| field.starts_with(' ')));
                first_fields.push(record.fields.into_iter().next().unwrap_or_default());
            }
            Ok(None) => break,
            Err(_) => {
                quotes_close = false;
                break;
            }
        }
    }
    if counts.len() > 1 && counts.len() < LOOKED_AT && head.len() >= (1 << 18) {
        counts.pop(); // cut by the end of the head
        first_fields.pop();
        spaced.pop();
    }
    let Records { escapes, doubled, .. } = records;
    Looked { counts, first_fields, spaced, quotes_close, escapes, doubled }
}

/// Two characters that every line has equally often, where one character was wanted: `::` of `MovieLens`.
pub(super) fn long_delimiter(head: &str) -> Option<&'static str> {
    const LONG: [&str; 5] = ["::", "##", "$$", "~~", "@@"];

    let lines: Vec<&str> = head.lines().filter(|line| !line.is_empty()).take(LOOKED_AT).collect();
    let is_even = |delimiter: &&str| {
        let mut counts = lines.iter().map(|line| line.matches(*delimiter).count());
        let first = counts.next().unwrap_or(0);
        first > 0 && lines.len() > 1 && counts.all(|count| count == first)
    };
    LONG.into_iter().find(is_even)
}

/// The delimiter of a first line `sep=;`.
fn said(head: &str) -> Option<u8> {
    let line = head.split(['\r', '\n']).next().unwrap_or_default();
    let line = line.trim_matches('"');
    let rest = line.get(..4).filter(|start| start.eq_ignore_ascii_case("sep="));
    let delimiter = rest.and_then(|_| line[4..].bytes().next())?;
    (line.len() == 5 && delimiter.is_ascii()).then_some(delimiter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_the_one_that_every_row_has() {
        for (text, delimiter, is_table, reason) in [
            ("id,prompt\n1,Why?\n", b',', true, "commas"),
            ("id;prompt\n1;Why, oh why?\n", b';', true, "commas in the words"),
            ("id\tprompt\n1\tWhy, oh why?\n", b'\t', true, "tabs"),
            ("id|prompt\n1|Why?\n", b'|', true, "bars"),
            ("\"a;b\",c\n1,2\n", b',', true, "a semicolon in a name"),
            ("\"a,b,c\";d\n1;2\n", b';', true, "commas in a name"),
            ("prompt\nWhy; and how?\n", b',', false, "one column"),
            ("sep=;\na;b\n1;2\n", b';', true, "said"),
            ("\"sep=\t\"\na\tb\n1\t2\n", b'\t', true, "said between quotation marks"),
            ("a,b\n1,2,3\n", b',', false, "uneven"),
            ("a^b\n1,5^2\n", b'^', true, "one that no text has"),
            ("a\u{1}b\n1;5\u{1}2\n", 1, true, "Hive's"),
            ("a\u{1e}b\n1;5\u{1e}2\n", 0x1e, true, "ASCII's own"),
            ("", b',', false, "nothing"),
        ] {
            let found = dialect(text);
            assert_eq!((found.delimiter, found.is_table()), (delimiter, is_table), "{reason}");
        }
    }

    #[test]
    fn what_stands_before_the_header_or_the_rows_is_found() {
        let before = |text: &str| dialect(text).before;
        assert_eq!(before("# exported\ntext,label\na,b\nc,d\n"), Before::Titles(1));
        assert_eq!(before("Report\n\nof 2024\ntext;label\na, b;c\nd;e\n"), Before::Titles(2));
        assert_eq!(before("text\nHello, world\nBye, bye\n"), Before::Nothing, "prose");
        assert_eq!(before("text,label\na,b\n"), Before::Nothing);
        let numbered = |text: &str| before(text) == Before::RowNumbers;
        assert!(numbered("text,label\n1,a,b\n2,c,d\n"));
        assert!(!numbered("score\n1,5\n2,5\n"), "decimal commas");
        assert!(!numbered("text,label\n5,a,b\n6,c,d\n"), "they begin with 0 or 1");
        assert!(!numbered("id,text\n1,a\n2,b\n"));
    }

    #[test]
    fn a_delimiter_of_two_characters_is_found() {
        assert_eq!(long_delimiter("a::b\nx: y::z\n"), Some("::"));
        assert_eq!(long_delimiter("a::b\nnone\n"), None);
        assert_eq!(long_delimiter("only::one line"), None);
    }

    #[test]
    fn a_quotation_mark_after_a_backslash_is_told_from_one_at_the_end() {
        let escaped = |text: &str| dialect(text).has_escapes;
        assert!(escaped("a,b\n\"say \\\"hi\\\", ok\",c\n"));
        assert!(!escaped("a,b\n\"C:\\\",c\n"), "a text that ends with one");
        assert!(!escaped("a,b\n\"\\\"\"x\",c\n"), "a doubled one");
    }
}
