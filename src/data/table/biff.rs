//! Records of a workbook as Excel wrote it until 2003, as far as they say where cells are (MS-XLS, 2.4).

const BEGIN: u16 = 0x0809;
const END: u16 = 0x000A;
const SHEET: u16 = 0x0085;
const DIMENSIONS: u16 = 0x0200;
const MANY: u16 = 0x00BD;

/// Formula, number, label, rich text, truth or error, short number, shared text.
const ONE: [u16; 7] = [0x0006, 0x0203, 0x0204, 0x00D6, 0x0205, 0x027E, 0x00FD];

/// How many cells the largest sheet has from its first row and column to its last.
pub(super) fn cells(stream: &[u8]) -> u64 {
    let globals = records(stream).take_while(|(kind, _)| *kind != END);
    let starts = globals.filter(|(kind, _)| *kind == SHEET).filter_map(|(_, data)| long(data, 0));
    let sheets = starts.filter_map(|start| stream.get(start as usize..));
    sheets.map(of_sheet).max().unwrap_or_default()
}

fn of_sheet(stream: &[u8]) -> u64 {
    let (mut said, mut depth) = (0, 0_u32);
    let (mut rows, mut columns) = (Span::default(), Span::default());
    for (kind, data) in records(stream) {
        match kind {
            BEGIN => depth += 1,
            // A chart in the sheet has an end of its own.
            END if depth > 1 => depth -= 1,
            END => break,
            _ if depth > 1 => {}
            DIMENSIONS => said = said.max(area_said(data).unwrap_or_default()),
            MANY => {
                if let (Some(row), Some(column)) = (short(data, 0), short(data, 2)) {
                    rows.take(row.into());
                    columns.take(column.into());
                    columns.take(u64::from(column) + (data.len() / 6) as u64);
                }
            }
            kind if ONE.contains(&kind) => {
                if let (Some(row), Some(column)) = (short(data, 0), short(data, 2)) {
                    rows.take(row.into());
                    columns.take(column.into());
                }
            }
            _ => {}
        }
    }
    said.max(rows.len().saturating_mul(columns.len()))
}

/// What a sheet says of itself. An end before its beginning is beyond everything.
fn area_said(data: &[u8]) -> Option<u64> {
    let (rows, columns) = if data.len() == 10 {
        let at = |place| short(data, place).map(u64::from);
        ((at(0)?, at(2)?), (at(4)?, at(6)?))
    } else {
        let at = |place| long(data, place).map(u64::from);
        ((at(0)?, at(4)?), (short(data, 8)?.into(), short(data, 10)?.into()))
    };
    if rows.1 == 0 || columns.1 == 0 {
        return Some(0);
    }
    let count = |(first, after): (u64, u64)| after.checked_sub(first).unwrap_or(u64::MAX).max(1);
    // The decoder takes a first column that cannot be for 0.
    let columns = if columns.0 > 0xFF || columns.1 < columns.0 { (0, columns.1) } else { columns };
    Some(count(rows).saturating_mul(count(columns)))
}

/// From the first to the last.
#[derive(Default)]
struct Span(Option<(u64, u64)>);

impl Span {
    fn take(&mut self, at: u64) {
        let (first, last) = self.0.unwrap_or((at, at));
        self.0 = Some((first.min(at), last.max(at)));
    }

    fn len(&self) -> u64 {
        self.0.map_or(0, |(first, last)| last - first + 1)
    }
}

fn records(stream: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = stream;
    std::iter::from_fn(move || {
        let (kind, length) = (short(rest, 0)?, short(rest, 2)?);
        let (record, after) = rest.split_at_checked(usize::from(length) + 4)?;
        rest = after;
        Some((kind, &record[4..]))
    })
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|two| u16::from_le_bytes([two[0], two[1]]))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u16, data: &[u8]) -> Vec<u8> {
        [&kind.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat()
    }

    fn number(row: u16, column: u16) -> Vec<u8> {
        let place = [row.to_le_bytes(), column.to_le_bytes()].concat();
        record(0x0203, &[place, vec![0; 10]].concat())
    }

    fn workbook(sheet: &[Vec<u8>]) -> Vec<u8> {
        let globals = |start: u32| {
            let sheet = record(SHEET, &[&start.to_le_bytes()[..], &[0, 0, 1, 0, b'A']].concat());
            [record(BEGIN, &[0; 8]), sheet, record(END, &[])].concat()
        };
        let start = globals(0).len() as u32;
        [globals(start), record(BEGIN, &[0; 8]), sheet.concat(), record(END, &[])].concat()
    }

    #[test]
    fn the_cells_between_the_outermost_ones_count() {
        assert_eq!(cells(&workbook(&[])), 0);
        assert_eq!(cells(&workbook(&[number(3, 2)])), 1);
        assert_eq!(cells(&workbook(&[number(3, 2), number(5, 4)])), 9);
        assert_eq!(cells(&workbook(&[number(0, 0), number(65_535, 65_535)])), 1 << 32);
        let many = record(MANY, &[0; 6 + 3 * 6]);
        assert_eq!(cells(&workbook(&[many, number(0, 9)])), 10);
    }

    #[test]
    fn what_a_sheet_says_of_itself_counts_and_a_chart_in_it_does_not() {
        let said = |numbers: [u32; 2], columns: [u16; 2]| {
            let numbers = numbers.map(u32::to_le_bytes).concat();
            let columns = columns.map(u16::to_le_bytes).concat();
            record(DIMENSIONS, &[numbers, columns, vec![0; 2]].concat())
        };
        assert_eq!(cells(&workbook(&[said([0, 10], [0, 5])])), 50);
        assert_eq!(cells(&workbook(&[said([0, 10], [300, 5])])), 50, "as the decoder takes it");
        assert!(cells(&workbook(&[said([10, 5], [0, 5])])) > 1 << 60);
        let chart = [record(BEGIN, &[0; 8]), number(65_535, 200), record(END, &[])].concat();
        assert_eq!(cells(&workbook(&[number(0, 0), chart, number(1, 1)])), 4);
    }
}
