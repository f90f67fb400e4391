//! Floor 4: what people decide, and how it reaches what is published.

pub mod decisions;
pub mod duplicates;
pub mod erasure;
pub mod mandates;
pub mod registers;
