//! Golden files: compares text with a file, byte by byte; `UPDATE_EXPECT=1` writes the file instead.

use snapbox::assert::Action;
use snapbox::data::DataFormat;
use snapbox::{Assert, Data};
use std::path::Path;

/// Fails with a difference when the file at `path` does not hold exactly `actual`.
pub fn golden(path: &Path, actual: &str) {
    let bless = std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1");
    let action = if bless { Action::Overwrite } else { Action::Verify };
    let expected = Data::read_from(path, Some(DataFormat::Text)).raw();
    Assert::new().action(action).normalize_paths(false).eq(Data::text(actual).raw(), expected);
}
