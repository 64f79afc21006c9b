//! prism-client
