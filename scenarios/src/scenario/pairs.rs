//! A few of many combinations that stand for all of them: each value meets each value of every other axis.

use std::collections::BTreeSet;

/// A value of one axis, or of several at once: axis and number of the value.
type Goal = Vec<(usize, usize)>;

/// Which of the combinations, each the number of a value for each axis, are enough for every pair of values
/// to be there, and for every combination of the axes `whole`. Always the same for the same axes.
pub(super) fn enough(combinations: &[Vec<usize>], whole: &[usize]) -> Vec<bool> {
    let goals_of = |values: &[usize]| -> Vec<Goal> {
        let at = |axis: usize| (axis, values[axis]);
        let pairs = (0..values.len()).flat_map(|a| (a + 1..values.len()).map(move |b| (a, b)));
        let mut goals: Vec<Goal> = pairs.map(|(a, b)| vec![at(a), at(b)]).collect();
        // With a single axis there are no pairs.
        goals.extend((0..values.len()).map(|axis| vec![at(axis)]));
        goals.push(whole.iter().map(|axis| at(*axis)).collect());
        goals
    };
    let goals: Vec<Vec<Goal>> = combinations.iter().map(|values| goals_of(values)).collect();
    let mut open: BTreeSet<&Goal> = goals.iter().flatten().collect();
    let mut chosen = vec![false; combinations.len()];
    while !open.is_empty() {
        let news = |at: &usize| goals[*at].iter().filter(|goal| open.contains(goal)).count();
        // Of several that are as good, the first.
        let best = (0..goals.len()).rev().max_by_key(news);
        let Some(best) = best else { break };
        chosen[best] = true;
        for goal in &goals[best] {
            open.remove(goal);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(axes: &[usize]) -> Vec<Vec<usize>> {
        axes.iter().fold(vec![Vec::new()], |so_far, values| {
            let longer = |one: &Vec<usize>| {
                (0..*values).map(|value| [&one[..], &[value]].concat()).collect::<Vec<_>>()
            };
            so_far.iter().flat_map(longer).collect()
        })
    }

    #[test]
    fn each_pair_is_there_and_few_combinations_are() {
        let combinations = all(&[2, 4, 12, 2]);
        let chosen = enough(&combinations, &[]);
        let taken: Vec<_> = combinations
            .iter()
            .zip(&chosen)
            .filter(|(_, taken)| **taken)
            .map(|(it, _)| it)
            .collect();
        for (a, b) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            let pairs =
                |of: &[&Vec<usize>]| of.iter().map(|it| (it[a], it[b])).collect::<BTreeSet<_>>();
            assert_eq!(pairs(&taken), pairs(&combinations.iter().collect::<Vec<_>>()));
        }
        // 48 is the least: each of 4 values with each of 12.
        assert!((48..=56).contains(&taken.len()), "{}", taken.len());
    }

    #[test]
    fn what_is_to_be_whole_is_whole() {
        let combinations = all(&[2, 4, 4, 3, 3]);
        let chosen = enough(&combinations, &[2, 3, 4]);
        let taken = combinations.iter().zip(&chosen).filter(|(_, taken)| **taken);
        let whole: BTreeSet<_> = taken.clone().map(|(it, _)| (it[2], it[3], it[4])).collect();
        assert_eq!(whole.len(), 36);
        assert!(taken.count() <= 44);
    }

    #[test]
    fn of_one_axis_all_values_are_taken() {
        assert_eq!(enough(&all(&[3]), &[]), [true; 3]);
    }
}
