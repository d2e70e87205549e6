//! From a relocated tree to artifacts: the tarball, `manifest.json`, `audit.json`, `SHA256SUMS`. Same tree, same bytes.
