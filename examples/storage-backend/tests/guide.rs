//! The guide shows this crate as it is: every block of code in it is an excerpt of a file that is compiled and tested.

use std::path::Path;

const GUIDE: &str = "docs/guides/custom-storage.md";

/// A fenced block of the guide: its language and its lines.
struct Block {
    language: String,
    lines: Vec<String>,
}

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace is two levels up");
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let body = lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
            blocks.push(Block { language: language.to_owned(), lines: body });
        }
    }
    blocks
}

/// The lines without the indentation that they share.
fn dedented<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let indentation = |line: &&&str| line.len() - line.trim_start().len();
    let shared = lines.iter().filter(|line| !line.is_empty()).map(|line| indentation(&line)).min().unwrap_or(0);
    lines.iter().map(|line| line.get(shared..).unwrap_or_default()).collect()
}

/// Where an excerpt begins in a file's lines, and where it ends.
fn find(excerpt: &[&str], file: &[&str]) -> Option<usize> {
    let excerpt = dedented(excerpt);
    file.windows(excerpt.len()).position(|window| dedented(window) == excerpt).map(|at| at + excerpt.len())
}

#[test]
fn every_block_of_code_is_an_excerpt_of_the_file_that_it_names() {
    let mut compared = 0;
    for Block { language, lines } in blocks(&read(GUIDE)) {
        let mark = match language.as_str() {
            "rust" => "// ",
            "toml" => "# ",
            _ => continue,
        };
        let (named, body) = lines.split_first().unwrap_or_else(|| panic!("an empty block of {language}"));
        let path = named.strip_prefix(mark).unwrap_or_else(|| panic!("a block that names no file: {named}"));
        let file = read(path);
        let mut rest: Vec<&str> = file.lines().collect();
        let body: Vec<&str> = body.iter().map(String::as_str).collect();
        for excerpt in body.split(|line| line.trim() == format!("{mark}…")) {
            let end = find(excerpt, &rest).unwrap_or_else(|| panic!("{path} does not say:\n{}", excerpt.join("\n")));
            rest.drain(..end);
        }
        compared += 1;
    }
    assert!(compared >= 20, "the guide shows {compared} excerpts");
}

/// They are compiled by nobody here: that the crates they name are there, with such features, is what can be seen.
#[test]
fn the_manifests_of_a_crate_outside_name_crates_and_features_of_this_repository() {
    let mut named = 0;
    for line in
        blocks(&read(GUIDE)).into_iter().filter(|block| block.language == "toml outside").flat_map(|it| it.lines)
    {
        let Some((package, rest)) = line.split_once(" = { path = \"../feedspine/") else { continue };
        let (path, rest) = rest.split_once('"').expect("a path ends");
        let manifest = read(&format!("{path}/Cargo.toml"));
        assert!(manifest.contains(&format!("name = \"{package}\"")), "{path} is not {package}");
        let features =
            rest.split_once("features = [").and_then(|(_, rest)| rest.split_once(']')).map(|(inner, _)| inner);
        for feature in features.into_iter().flat_map(|inner| inner.split(',')).map(|it| it.trim().trim_matches('"')) {
            let stands = manifest.lines().any(|line| line.starts_with(&format!("{feature} = ")));
            assert!(stands, "{package} has no feature {feature}");
        }
        named += 1;
    }
    assert_eq!(named, 3);
}

#[test]
fn every_link_of_the_guide_leads_to_a_file() {
    let page = read(GUIDE);
    let links = page.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    for target in links.filter(|target| !target.starts_with("http")) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides").join(target);
        assert!(path.exists(), "{target}");
    }
}
