//! prism-e2e
