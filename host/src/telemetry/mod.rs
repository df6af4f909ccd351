//! What the host says about itself, and how it keeps others from speaking through it.

pub mod escape;
pub mod logs;
