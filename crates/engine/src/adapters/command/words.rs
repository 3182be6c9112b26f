//! A command line as words, without a shell: blanks divide, quotes and backslashes keep together, nothing is expanded.

/// Why a line is no words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WordsError {
    OpenQuote,
    Nothing,
}

/// Splits a line as POSIX shells do (Shell Command Language, section 2.2), and does nothing else that they do.
pub(super) fn words(line: &str) -> Result<Vec<String>, WordsError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut signs = line.chars();
    while let Some(sign) = signs.next() {
        match sign {
            ' ' | '\t' => words.extend(word.take()),
            '\'' | '"' => quoted(&mut signs, sign, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(signs.next().ok_or(WordsError::OpenQuote)?),
            _ => word.get_or_insert_default().push(sign),
        }
    }
    words.extend(word);
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err(WordsError::Nothing),
    }
}

fn quoted(signs: &mut std::str::Chars<'_>, quote: char, word: &mut String) -> Result<(), WordsError> {
    loop {
        match signs.next().ok_or(WordsError::OpenQuote)? {
            sign if sign == quote => return Ok(()),
            '\\' if quote == '"' => match signs.next().ok_or(WordsError::OpenQuote)? {
                sign @ ('"' | '\\' | '$' | '`') => word.push(sign),
                sign => word.extend(['\\', sign]),
            },
            sign => word.push(sign),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_words_and_nothing_in_it_is_run() {
        for (line, expected) in [
            ("tap --config a.json", Ok(vec!["tap", "--config", "a.json"])),
            (" tap  'a b'\t\"c d\" ", Ok(vec!["tap", "a b", "c d"])),
            (r#"tap a\ b "c\"d\e" 'f\g'"#, Ok(vec!["tap", "a b", r#"c"d\e"#, r"f\g"])),
            ("tap '' x'y'z", Ok(vec!["tap", "", "xyz"])),
            (
                "tap $HOME *.json | rm; `id` $(id) > x",
                Ok(vec!["tap", "$HOME", "*.json", "|", "rm;", "`id`", "$(id)", ">", "x"]),
            ),
            ("tap 'a", Err(WordsError::OpenQuote)),
            ("tap a\\", Err(WordsError::OpenQuote)),
            ("''", Err(WordsError::Nothing)),
            ("", Err(WordsError::Nothing)),
        ] {
            let expected = expected.map(|words| words.into_iter().map(str::to_owned).collect());
            assert_eq!(words(line), expected, "{line}");
        }
    }
}
