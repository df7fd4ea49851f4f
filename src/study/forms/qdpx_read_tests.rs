//! Files as other programs write them, and damaged ones.

use std::io::Write as _;

use zip::write::SimpleFileOptions;

use super::*;

/// As other programs write it: nested codes, an inline text, codes that have no user.
const XML: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<Project xmlns="urn:QDA-XML:project:1.0" name="Interviews" origin="X">
 <Users><User guid="U1" name="Ada"/></Users>
 <CodeBook><Codes>
  <Code guid="C1" name="Tone" isCodable="true"><Description>How it sounds &amp; feels</Description>
   <Code guid="C2" name="warm" isCodable="true"/>
   <Code guid="C3" name="cold" isCodable="true"/></Code>
  <Code guid="C4" name="money" isCodable="true"/>
 </Codes></CodeBook>
 <Sources>
  <TextSource guid="S1" name="first" plainTextPath="internal://s1.txt">
   <PlainTextSelection guid="P1" name="x" startPosition="0" endPosition="5" creatingUser="u1">
    <Coding guid="K1" creatingUser="u1"><CodeRef targetGUID="c2"/></Coding></PlainTextSelection>
   <Coding guid="K2"><CodeRef targetGUID="C4"/></Coding>
  </TextSource>
  <TextSource guid="S2" name="second"><PlainTextContent>Two &lt;words&gt;</PlainTextContent></TextSource>
  <PictureSource guid="S3" name="third" path="internal://p.png"/>
 </Sources>
</Project>"#;

fn file(xml: &str, texts: &[(&str, &str)]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.qdpx");
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("project.qde", SimpleFileOptions::default()).unwrap();
    archive.write_all(xml.as_bytes()).unwrap();
    for (name, text) in texts {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    let bytes = archive.finish().unwrap().into_inner();
    crate::files::write_atomic(&path, &bytes).unwrap();
    (folder, path)
}

#[test]
fn codes_texts_and_places_of_another_program_are_read() {
    let (_folder, path) = file(XML, &[("sources/S1.txt", "\u{feff}Hello, she said.")]);
    let project = read(&path).unwrap();
    assert_eq!(project.name, "Interviews");
    let texts: Vec<_> = project.sources.iter().map(|source| source.text.as_str()).collect();
    assert_eq!(texts, ["Hello, she said.", "Two <words>"]);
    assert_eq!(project.codes[0].about, "How it sounds & feels");
    let codings = &project.sources[0].codings;
    assert_eq!(project.shown(codings[0].code), "Tone > warm");
    assert_eq!((codings[0].coder.as_str(), codings[0].place), ("Ada", Some((0, 5))));
    assert_eq!((codings[1].coder.as_str(), codings[1].place), ("", None));
    let codebook = project.codebook();
    let kinds: Vec<_> = codebook.variables.iter().map(|v| (v.name.as_str(), v.kind)).collect();
    assert_eq!(kinds, [("Tone", Kind::Spans), ("codes", Kind::Choices)]);
    assert_eq!(codebook.variables[0].labels(), ["warm", "cold"]);
}

#[test]
fn what_is_missing_in_a_file_is_said() {
    let (_folder, path) = file(XML, &[]);
    assert_eq!(read(&path).unwrap_err(), "the file has no text for “first” (s1.txt)");
    let (_folder, path) = file("<Project><Codes>", &[]);
    assert!(read(&path).is_ok_and(|project| project.sources.is_empty()));
    let broken = XML.replace("targetGUID=\"c2\"", "targetGUID=\"c9\"");
    let (_folder, path) = file(&broken, &[("sources/s1.txt", "a")]);
    assert_eq!(read(&path).unwrap_err(), "it is not a REFI-QDA file (no code has the GUID c9)");
    crate::files::write_atomic(&path, b"no zip").unwrap();
    assert!(read(&path).unwrap_err().starts_with("it is not a REFI-QDA file"));
}
