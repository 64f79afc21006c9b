//! prism-runtime
