//! Kconfig options: the fragment that a step reads, and what became of it. Pure.
//!
//! Kconfig drops an option whose dependencies are not met without a word (`make olddefconfig`), so the result is compared.

use std::collections::BTreeMap;

/// The options as a fragment that can be appended to a `.config`.
pub fn fragment(options: &BTreeMap<String, String>) -> String {
    let line = |(option, value): (&String, &String)| match value.as_str() {
        "n" => format!("# CONFIG_{option} is not set\n"),
        value => format!("CONFIG_{option}={value}\n"),
    };
    options.iter().map(line).collect()
}

/// Every option that the resulting `.config` has otherwise, one line each.
pub fn lost(options: &BTreeMap<String, String>, config: &str) -> Vec<String> {
    let found: BTreeMap<&str, &str> =
        config.lines().filter_map(|line| line.strip_prefix("CONFIG_")?.split_once('=')).collect();
    let mut lines = Vec::new();
    for (option, wanted) in options {
        let got = found.get(option.as_str()).copied().unwrap_or("n");
        if got != wanted {
            lines.push(format!("CONFIG_{option}: wanted {wanted}, got {got}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter().map(|(option, value)| ((*option).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_fragment_is_what_kconfig_writes_itself() {
        let wanted = options(&[("DEBUG", "n"), ("NR_CPUS", "64"), ("CMDLINE", "\"ucode=scan\"")]);
        let text = "CONFIG_CMDLINE=\"ucode=scan\"\n# CONFIG_DEBUG is not set\nCONFIG_NR_CPUS=64\n";
        assert_eq!(fragment(&wanted), text);
        assert!(lost(&wanted, text).is_empty());
    }

    #[test]
    fn every_lost_option_is_listed() {
        let wanted = options(&[("DEBUG", "n"), ("XSM", "y"), ("NR_CPUS", "64"), ("HVM", "n")]);
        let config = "CONFIG_DEBUG=y\nCONFIG_NR_CPUS=256\n# CONFIG_HVM is not set\n";
        assert_eq!(
            lost(&wanted, config),
            ["CONFIG_DEBUG: wanted n, got y", "CONFIG_NR_CPUS: wanted 64, got 256", "CONFIG_XSM: wanted y, got n"]
        );
    }
}
