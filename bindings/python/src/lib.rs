//! prism-python
