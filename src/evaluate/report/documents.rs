//! A report as a file of another kind: LaTeX, or Word's docx. It is read as the Markdown that
//! `methods` writes: headings, paragraphs, tables.

use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::words::table::cells;

/// A part of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Block {
    Heading(usize, String),
    Paragraph(String),

    /// Lines that stand as they are.
    Quoted(Vec<String>),

    /// Rows of cells, the first of which are the names; and which columns hold numbers.
    Table(Vec<Vec<String>>, Vec<bool>),
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut paragraph: Vec<&str> = Vec::new();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut numbers: Vec<bool> = Vec::new();
    let mut quoted: Option<(&str, Vec<String>)> = None;
    for line in markdown.lines().chain(std::iter::once("")) {
        match &mut quoted {
            Some((fence, lines)) if line == *fence => {
                found.push(Block::Quoted(std::mem::take(lines)));
                quoted = None;
                continue;
            }
            Some((_, lines)) => {
                lines.push(line.to_owned());
                continue;
            }
            None if line.starts_with("```") => {
                quoted = Some((line, Vec::new()));
                continue;
            }
            None => {}
        }
        let is_row = line.starts_with('|');
        let hashes = line.chars().take_while(|letter| *letter == '#').count();
        if (line.is_empty() || is_row || hashes > 0) && !paragraph.is_empty() {
            found.push(Block::Paragraph(std::mem::take(&mut paragraph).join(" ")));
        }
        if !is_row && !rows.is_empty() {
            found.push(Block::Table(std::mem::take(&mut rows), std::mem::take(&mut numbers)));
        }
        if is_row {
            let cells = cells(line);
            if cells.iter().all(|cell| cell.chars().all(|letter| matches!(letter, '-' | ':'))) {
                numbers = cells.iter().map(|cell| cell.ends_with(':')).collect();
            } else {
                rows.push(cells);
            }
        } else if hashes > 0 {
            found.push(Block::Heading(hashes, line[hashes..].trim().to_owned()));
        } else if !line.is_empty() {
            paragraph.push(line);
        }
    }
    found
}

/// A document that `pdflatex`, `xelatex` and `lualatex` take.
pub fn latex(markdown: &str) -> String {
    let mut out = String::from(
        "\\documentclass{article}\n\\usepackage[utf8]{inputenc}\n\\usepackage[T1]{fontenc}\n\
         \\usepackage{longtable}\n\\begin{document}\n",
    );
    for block in blocks(markdown) {
        match block {
            Block::Heading(level, text) => {
                let name = if level == 1 { "section*" } else { "subsection*" };
                out.push_str(&format!("\n\\{name}{{{}}}\n", for_latex(&text)));
            }
            Block::Paragraph(text) => out.push_str(&format!("\n{}\n", for_latex(&text))),
            Block::Quoted(lines) => {
                // An empty line would end the paragraph, and a bracket after \\ is a length.
                let lines: Vec<String> =
                    lines.iter().map(|line| format!("{{}}{}\\mbox{{}}", for_latex(line))).collect();
                out.push_str(&format!(
                    "\n\\begin{{flushleft}}\\ttfamily\\small\n{}\n\\end{{flushleft}}\n",
                    lines.join("\\\\\n")
                ));
            }
            Block::Table(rows, numbers) => {
                let columns: String =
                    numbers.iter().map(|number| if *number { 'r' } else { 'l' }).collect();
                out.push_str(&format!("\n\\begin{{longtable}}{{{columns}}}\n\\hline\n"));
                for (place, row) in rows.iter().enumerate() {
                    let cells: Vec<String> = row.iter().map(|cell| for_latex(cell)).collect();
                    out.push_str(&format!("{} \\\\\n", cells.join(" & ")));
                    if place == 0 {
                        out.push_str("\\hline\n");
                    }
                }
                out.push_str("\\hline\n\\end{longtable}\n");
            }
        }
    }
    out.push_str("\n\\end{document}\n");
    out
}

fn for_latex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\textbackslash{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', letter]),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '“' => out.push_str("``"),
            '”' => out.push_str("''"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            other => out.push(other),
        }
    }
    out
}

/// A file that Word and other word processors open.
pub fn docx(markdown: &str) -> Vec<u8> {
    const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
    const TYPES: &str = "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
        <Default Extension=\"rels\" \
        ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
        <Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-\
        officedocument.wordprocessingml.document.main+xml\"/></Types>";
    const RELATIONS: &str = "<Relationships \
        xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
        <Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/\
        relationships/officeDocument\" Target=\"word/document.xml\"/></Relationships>";

    let mut body = String::new();
    for block in blocks(markdown) {
        match block {
            Block::Heading(level, text) => {
                let size = if level == 1 { 32 } else { 26 };
                body.push_str(&paragraph(&text, &format!("<w:b/><w:sz w:val=\"{size}\"/>")));
            }
            Block::Paragraph(text) => body.push_str(&paragraph(&text, "")),
            Block::Quoted(lines) => {
                let style = "<w:rFonts w:ascii=\"Courier New\" w:hAnsi=\"Courier New\"/><w:sz w:val=\"18\"/>";
                for line in lines {
                    body.push_str(&paragraph(&line, style));
                }
            }
            Block::Table(rows, _) => {
                body.push_str("<w:tbl><w:tblPr><w:tblBorders>");
                for side in ["top", "left", "bottom", "right", "insideH", "insideV"] {
                    body.push_str(&format!("<w:{side} w:val=\"single\" w:sz=\"4\"/>"));
                }
                body.push_str("</w:tblBorders></w:tblPr><w:tblGrid>");
                body.push_str(&"<w:gridCol/>".repeat(rows.first().map_or(0, Vec::len)));
                body.push_str("</w:tblGrid>");
                for (place, row) in rows.iter().enumerate() {
                    body.push_str("<w:tr>");
                    for cell in row {
                        let style = if place == 0 { "<w:b/>" } else { "" };
                        body.push_str(&format!("<w:tc>{}</w:tc>", paragraph(cell, style)));
                    }
                    body.push_str("</w:tr>");
                }
                body.push_str("</w:tbl>");
                // Word wants a paragraph after a table.
                body.push_str("<w:p/>");
            }
        }
    }
    let document = format!(
        "{HEAD}<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\">\
         <w:body>{body}</w:body></w:document>"
    );
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    // A fixed date: the same report is the same file.
    let options = SimpleFileOptions::default().last_modified_time(zip::DateTime::default());
    for (name, text) in [
        ("[Content_Types].xml", format!("{HEAD}{TYPES}")),
        ("_rels/.rels", format!("{HEAD}{RELATIONS}")),
        ("word/document.xml", document),
    ] {
        archive.start_file(name, options).expect("memory can be written");
        archive.write_all(text.as_bytes()).expect("memory can be written");
    }
    archive.finish().expect("memory can be written").into_inner()
}

fn paragraph(text: &str, style: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    // What XML does not allow, nobody can read either.
    let text: String =
        text.chars().filter(|letter| !letter.is_control() || *letter == '\t').collect();
    format!("<w:p><w:r><w:rPr>{style}</w:rPr><w:t xml:space=\"preserve\">{text}</w:t></w:r></w:p>")
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    const REPORT: &str = "# A & B\n\n10 % of “x_1”.\n\n## Answers\n\n| label | rows |\n\
                          | --- | ---: |\n| a | 3 |\n| b {c} | 4 |\n";

    #[test]
    fn a_report_becomes_latex_with_its_signs_escaped() {
        let text = latex(REPORT);
        for part in [
            "\\section*{A \\& B}",
            "10 \\% of ``x\\_1''.",
            "\\begin{longtable}{lr}",
            "label & rows \\\\\n\\hline",
            "b \\{c\\} & 4 \\\\",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn lines_that_stand_as_they_are_stay_so() {
        let report = "Asked:\n\n````\n# {text}\n\n| a |\n```\n````\n\nAfter.\n";
        let lines = ["# {text}", "", "| a |", "```"].map(str::to_owned).to_vec();
        let paragraph = |text: &str| Block::Paragraph(text.to_owned());
        assert_eq!(
            blocks(report),
            [paragraph("Asked:"), Block::Quoted(lines), paragraph("After.")]
        );
        let text = latex(report);
        assert!(text.contains("{}\\# \\{text\\}\\mbox{}\\\\\n{}\\mbox{}\\\\"), "{text}");
    }

    #[test]
    fn a_report_becomes_a_docx_with_its_table() {
        let bytes = docx(REPORT);
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut text = String::new();
        archive.by_name("word/document.xml").unwrap().read_to_string(&mut text).unwrap();
        assert!(text.contains("A &amp; B") && text.contains("10 % of “x_1”."), "{text}");
        assert_eq!(text.matches("<w:tr>").count(), 3);
        assert_eq!(text.matches("<w:tc>").count(), 6);
        assert_eq!(docx(REPORT), docx(REPORT), "the same report is the same file");
    }
}
