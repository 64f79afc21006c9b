//! prism-proxy
