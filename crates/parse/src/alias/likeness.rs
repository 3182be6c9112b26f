//! How alike two texts are: the Jaccard index of their n-grams, and from where on that means the same text.

use std::collections::HashSet;

use feedspine_core::ContentHash;

/// A text of fewer words tells too little.
const LEAST_WORDS: usize = 48;
/// Texts of more characters are compared by words.
const MOST_CHARACTERS: usize = 800;
/// Of a longer text its beginning is compared: it is bounded whatever is published.
const MOST_WORDS: usize = 5_000;
/// N-grams of characters, and of words.
const CHARACTERS: usize = 4;
const WORDS: usize = 3;
/// From how many percent on texts of so many characters are the same: between these in proportion.
const THRESHOLDS: [(usize, usize); 3] = [(12, 60), (800, 87), (4_800, 90)];

/// How alike two plain texts are, in percent, when that is enough to take them for one.
pub(crate) fn alike(one: &str, other: &str) -> Option<u8> {
    let (mut one, mut other) = (words(one), words(other));
    if one.len().min(other.len()) < LEAST_WORDS {
        return None;
    }
    // A teaser is the beginning of its text: the longer one is cut when it is half as long again.
    let shorter = one.len().min(other.len());
    for words in [&mut one, &mut other] {
        if words.len() * 2 > shorter * 3 {
            words.truncate(shorter);
        }
    }
    let length = characters(&one).min(characters(&other));
    let grams = if length > MOST_CHARACTERS { grams_of_words } else { grams_of_characters };
    let (one, other) = (grams(&one), grams(&other));
    let shared = one.intersection(&other).count();
    let percent = shared * 100 / (one.len() + other.len() - shared).max(1);
    (percent >= threshold(length)).then(|| u8::try_from(percent).unwrap_or(100))
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(MOST_WORDS).map(str::to_lowercase).collect()
}

fn characters(words: &[String]) -> usize {
    words.iter().map(|word| word.chars().count() + 1).sum::<usize>().saturating_sub(1)
}

type Grams = HashSet<[u8; 8]>;

fn grams_of_words(words: &[String]) -> Grams {
    words.windows(WORDS).map(|gram| gram_of(&gram.join(" "))).collect()
}

fn grams_of_characters(words: &[String]) -> Grams {
    let text: Vec<char> = words.join(" ").chars().collect();
    text.windows(CHARACTERS).map(|gram| gram_of(&gram.iter().collect::<String>())).collect()
}

fn gram_of(text: &str) -> [u8; 8] {
    let hash = ContentHash::of(text.as_bytes());
    *hash.as_bytes().first_chunk().expect("32 bytes begin with 8")
}

fn threshold(length: usize) -> usize {
    let [(first, lowest), .., (_, highest)] = THRESHOLDS;
    if length <= first {
        return lowest;
    }
    for pair in THRESHOLDS.windows(2) {
        let [(from, low), (to, high)] = [pair[0], pair[1]];
        if length <= to {
            return low + (high - low) * (length - from) / (to - from);
        }
    }
    highest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: usize) -> String {
        (0..words).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn equal_texts_are_alike_and_short_ones_say_nothing() {
        assert_eq!(alike(&text(48), &text(48)), Some(100));
        assert_eq!(alike(&text(47), &text(47)), None);
        assert_eq!(alike(&text(400), &text(400)), Some(100));
    }

    #[test]
    fn a_few_other_words_leave_a_text_what_it_is_and_many_do_not() {
        for words in [60, 400] {
            let plain = text(words);
            let edited = plain.replacen("word7 ", "another ", 1);
            assert!(alike(&plain, &edited).is_some_and(|percent| percent < 100), "{words}");
            let rewritten = plain.replace('5', "x").replace('3', "y").replace('1', "z");
            assert_eq!(alike(&plain, &rewritten), None, "{words}");
        }
    }

    #[test]
    fn a_beginning_is_like_the_whole() {
        assert_eq!(alike(&text(60), &text(300)), Some(100));
    }

    #[test]
    fn longer_texts_have_to_be_more_alike() {
        for (length, percent) in [(0, 60), (12, 60), (406, 73), (800, 87), (4_800, 90), (100_000, 90)] {
            assert_eq!(threshold(length), percent, "{length}");
        }
    }
}
