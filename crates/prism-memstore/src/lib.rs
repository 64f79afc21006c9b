//! prism-memstore
