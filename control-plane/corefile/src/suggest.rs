//! "did you mean …" for names that nobody knows.

/// Longer words are no misspelt names; comparing them would only cost time.
const LONGEST: usize = 48;

/// The nearest of `known`, as the end of a sentence; empty where none is near.
pub(crate) fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(given, known).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if given.is_empty() || given.len() > LONGEST {
        return None;
    }
    let folded = given.to_ascii_lowercase().replace('-', "_");
    let close = |candidate: &str| {
        let known = candidate.to_ascii_lowercase();
        let distance = strsim::osa_distance(&folded, &known);
        // A third of it wrong is still the same word; a prefix of at least three letters is an abbreviation.
        let same = distance <= (known.len() / 3).max(1);
        let short = folded.len() >= 3 && (known.starts_with(&folded) || folded.starts_with(&known));
        (same || short).then_some(distance)
    };
    known.into_iter().filter_map(|candidate| Some((close(candidate)?, candidate))).min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        let known = ["forward", "kubernetes", "max_fails", "in-addr.arpa"];
        assert_eq!(nearest("fowrard", known), Some("forward"));
        assert_eq!(nearest("kubernets", known), Some("kubernetes"));
        assert_eq!(nearest("max-fail", known), Some("max_fails"));
        assert_eq!(nearest("whatever", known), None);
        assert_eq!(nearest(&"f".repeat(100), known), None);
    }
}
