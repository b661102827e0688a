//! The nearest valid word, by edit distance.

/// The word of `words` that `given` was most likely meant to be, if any is near enough.
pub fn nearest<'a>(given: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = given.chars().count() / 3 + 1;
    words
        .into_iter()
        .map(|word| (distance(given, word), word))
        .filter(|(distance, word)| *distance <= limit || same_letters(given, word))
        .min_by_key(|(distance, word)| (!same_letters(given, word), *distance))
        .map(|(_, word)| word)
}

/// Whether only case and separators differ.
fn same_letters(one: &str, two: &str) -> bool {
    let letters = |text: &str| -> String {
        let kept = text.chars().filter(|c| !matches!(c, '-' | '_' | ' '));
        kept.flat_map(char::to_lowercase).collect()
    };
    letters(one) == letters(two)
}

/// Insertions, deletions, substitutions and swaps of neighbours.
fn distance(one: &str, two: &str) -> usize {
    let (one, two): (Vec<char>, Vec<char>) = (one.chars().collect(), two.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=two.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in two.iter().enumerate() {
            let mut least = (row[j] + 1).min(last[j + 1] + 1).min(last[j] + usize::from(a != b));
            let swapped = i > 0 && j > 0 && *a == two[j - 1] && one[i - 1] == *b;
            if swapped {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[two.len()]
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("initate", Some("initiate"))]
    #[case("esablished", Some("established"))]
    #[case("sas-match", Some("sas_match"))]
    #[case("NO_PROPOSAL_CHOOSEN", Some("NO_PROPOSAL_CHOSEN"))]
    #[case("xyzzy", None)]
    #[case("", None)]
    fn finds_what_was_meant(#[case] given: &str, #[case] expected: Option<&str>) {
        let words = ["initiate", "established", "sas_match", "NO_PROPOSAL_CHOSEN"];
        assert_eq!(nearest(given, words), expected);
    }

    #[rstest]
    #[case("ab", "ba", 1)]
    #[case("", "abc", 3)]
    #[case("kitten", "sitting", 3)]
    fn measures_edits(#[case] one: &str, #[case] two: &str, #[case] expected: usize) {
        assert_eq!(distance(one, two), expected);
    }
}
