//! The meaning of a query: from one list of nodes to the next, segment by segment.

use feedspine_core::Json;

use super::functions::Value;
use super::{Comparison, Condition, Inner, MOST_NODES, Operand, Segment, Selector, TooManyNodes};

/// The nodes that segments lead to from `start`; `root` is what `$` means within filters.
pub(super) fn select<'a>(segments: &[Segment], root: &'a Json, start: &'a Json) -> Result<Vec<&'a Json>, TooManyNodes> {
    let mut walk = Walk { root, looked_at: 0 };
    walk.select(segments, start)
}

/// One evaluation; counts what it looks at.
pub(super) struct Walk<'a> {
    root: &'a Json,
    looked_at: usize,
}

impl<'a> Walk<'a> {
    fn select(&mut self, segments: &[Segment], start: &'a Json) -> Result<Vec<&'a Json>, TooManyNodes> {
        let mut nodes = vec![start];
        for segment in segments {
            let mut next = Vec::new();
            for node in nodes {
                self.segment(segment, node, &mut next)?;
            }
            nodes = next;
        }
        Ok(nodes)
    }

    fn segment(&mut self, segment: &Segment, node: &'a Json, found: &mut Vec<&'a Json>) -> Result<(), TooManyNodes> {
        self.looked_at += 1;
        if self.looked_at > MOST_NODES {
            return Err(TooManyNodes);
        }
        for selector in &segment.selectors {
            self.selector(selector, node, found)?;
        }
        if segment.descendant {
            for child in children(node) {
                self.segment(segment, child, found)?;
            }
        }
        Ok(())
    }

    fn selector(&mut self, selector: &Selector, node: &'a Json, found: &mut Vec<&'a Json>) -> Result<(), TooManyNodes> {
        match (selector, node) {
            (Selector::Name(name), Json::Object(members)) => found.extend(members.get(name)),
            (Selector::Wildcard, _) => found.extend(children(node)),
            (Selector::Index(index), Json::Array(elements)) => {
                found.extend(place(*index, elements.len()).and_then(|at| elements.get(at)));
            }
            (Selector::Slice { start, end, step }, Json::Array(elements)) => {
                found.extend(places(*start, *end, *step, elements.len()).map(|at| &elements[at]));
            }
            (Selector::Filter(condition), _) => {
                for child in children(node) {
                    if self.holds(condition, child)? {
                        found.push(child);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn holds(&mut self, condition: &Condition, node: &'a Json) -> Result<bool, TooManyNodes> {
        self.looked_at += 1;
        match condition {
            Condition::Any(conditions) => {
                for condition in conditions {
                    if self.holds(condition, node)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Condition::All(conditions) => {
                for condition in conditions {
                    if !self.holds(condition, node)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Condition::Not(condition) => Ok(!self.holds(condition, node)?),
            Condition::Exists(inner) => Ok(!self.inner(inner, node)?.is_empty()),
            Condition::Holds(function) => Ok(function.call(self, node)? == Value::True),
            Condition::Compare(left, comparison, right) => {
                let (left, right) = (self.operand(left, node)?, self.operand(right, node)?);
                Ok(compare(left.as_json(), *comparison, right.as_json()))
            }
        }
    }

    /// The nodes of a query within a filter.
    pub(super) fn inner(&mut self, inner: &Inner, node: &'a Json) -> Result<Vec<&'a Json>, TooManyNodes> {
        self.select(&inner.segments, if inner.from_root { self.root } else { node })
    }

    /// The value of an operand.
    pub(super) fn operand<'v>(&mut self, operand: &'v Operand, node: &'a Json) -> Result<Value<'v>, TooManyNodes>
    where
        'a: 'v,
    {
        Ok(match operand {
            Operand::Literal(literal) => Value::Json(literal),
            Operand::Singular(inner) => {
                self.inner(inner, node)?.first().map_or(Value::Nothing, |node| Value::Json(node))
            }
            Operand::Function(function) => function.call(self, node)?,
        })
    }
}

fn children(node: &Json) -> Box<dyn Iterator<Item = &Json> + '_> {
    match node {
        Json::Array(elements) => Box::new(elements.iter()),
        Json::Object(members) => Box::new(members.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// RFC 9535, section 2.3.3.2: a negative index counts from the end.
fn place(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    usize::try_from(if index < 0 { length + index } else { index }).ok()
}

/// RFC 9535, section 2.3.4.2.
fn places(start: Option<i64>, end: Option<i64>, step: i64, length: usize) -> Box<dyn Iterator<Item = usize>> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let normal = |index: i64| if index < 0 { length + index } else { index };
    let to_place = |at: i64| usize::try_from(at).expect("the bounds are within the list");
    let stride = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
    match step {
        1.. => {
            let lower = normal(start.unwrap_or(0)).clamp(0, length);
            let upper = normal(end.unwrap_or(length)).clamp(0, length);
            Box::new((lower..upper).step_by(stride).map(to_place))
        }
        0 => Box::new(std::iter::empty()),
        _ => {
            let upper = normal(start.unwrap_or(length - 1)).clamp(-1, length - 1);
            let lower = end.map_or(-1, normal).clamp(-1, length - 1);
            Box::new((lower + 1..=upper).rev().step_by(stride).map(to_place))
        }
    }
}

/// RFC 9535, section 2.3.5.2.2; nothing equals nothing, and only numbers and strings have an order.
fn compare(left: Option<&Json>, comparison: Comparison, right: Option<&Json>) -> bool {
    let equal = left == right;
    let less = |a: Option<&Json>, b: Option<&Json>| match (a, b) {
        (Some(Json::Number(a)), Some(Json::Number(b))) => a < b,
        (Some(Json::String(a)), Some(Json::String(b))) => a < b,
        _ => false,
    };
    match comparison {
        Comparison::Equal => equal,
        Comparison::Unequal => !equal,
        Comparison::Less => less(left, right),
        Comparison::AtMost => equal || less(left, right),
        Comparison::Greater => less(right, left),
        Comparison::AtLeast => equal || less(right, left),
    }
}
