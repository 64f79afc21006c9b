//! prism-bench
