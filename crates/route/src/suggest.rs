//! "Did you mean".

/// The candidate closest to what was written, if it is close enough to be meant.
pub fn suggest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(written);
    // A third of the letters may be wrong: `gpc` finds `gcp`, `file` does not find `url`.
    let most = (wanted.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Case and the kind of dash do not count.
fn plain(name: &str) -> Vec<char> {
    name.chars().take(64).flat_map(char::to_lowercase).map(|letter| if letter == '_' { '-' } else { letter }).collect()
}

/// Letters inserted, removed, replaced, or swapped with their neighbour (optimal string alignment).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut rows = vec![(0..=right.len()).collect::<Vec<usize>>()];
    let at = |rows: &[Vec<usize>], row: usize, column: usize| {
        rows.get(row).and_then(|cells| cells.get(column)).copied().unwrap_or(usize::MAX / 2)
    };
    for (row, a) in left.iter().enumerate() {
        let mut cells = vec![row + 1];
        for (column, b) in right.iter().enumerate() {
            let inserted = cells.last().copied().unwrap_or(0) + 1;
            let removed = at(&rows, row, column + 1) + 1;
            let replaced = at(&rows, row, column) + usize::from(a != b);
            let neighbours = row > 0 && column > 0 && left.get(row - 1) == Some(b) && right.get(column - 1) == Some(a);
            let swapped = if neighbours { at(&rows, row - 1, column - 1) + 1 } else { usize::MAX };
            cells.push(inserted.min(removed).min(replaced).min(swapped));
        }
        rows.push(cells);
    }
    at(&rows, left.len(), right.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised() {
        let names = ["gcp", "oci-domain", "oci-upst"];
        assert_eq!(suggest("gpc", names), Some("gcp"));
        assert_eq!(suggest("OCI_domain", names), Some("oci-domain"));
        assert_eq!(suggest("oci-domian", names), Some("oci-domain"));
    }

    #[test]
    fn what_is_far_away_is_not_suggested() {
        assert_eq!(suggest("vault", ["gcp", "file"]), None);
        assert_eq!(suggest("", ["gcp"]), None);
    }
}
