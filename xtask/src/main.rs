//! The contributor and CI runner.

fn main() {}
