//! The command line that libxl leaves for QEMU: `<vm>/image/dm-argv/NNN`, one key an argument, counted from 001.
//!
//! Rests on libxl__write_stub_dmargs() in Xen's `tools/libs/light/libxl_dm.c` and on `docs/misc/stubdom.txt`. It takes keys and
//! values, gives the arguments in their order, and reads nothing itself.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

/// Arguments in all: a bound of ours. libxl's longest command lines have some hundred.
pub const MOST: usize = 10_000;

/// What libxl writes where the descriptor of the restored state belongs.
const INCOMING: &[u8] = b"$STUBDOM_RESTORE_INCOMING_ARG";

/// The keys in the order of their numbers, which have three digits at least: as text, 1000 would come before 101. A number that is
/// missing is an argument that was lost, and an error.
pub fn order(names: &[String]) -> Result<Vec<String>, String> {
    if names.is_empty() {
        return Err("it is empty".to_string());
    }
    if names.len() > MOST {
        return Err(format!("it has {} arguments, over {MOST}", names.len()));
    }
    let mut numbers = Vec::new();
    for name in names {
        match name.parse::<u32>() {
            Ok(number) if name.len() >= 3 && name.bytes().all(|byte| byte.is_ascii_digit()) => {
                numbers.push((number, name));
            }
            _ => return Err(format!("{name:?} is not the number of an argument")),
        }
    }
    numbers.sort();
    for (expected, (number, _)) in (1..).zip(&numbers) {
        if *number > expected {
            return Err(format!("argument {expected:03} is missing"));
        }
        if *number < expected {
            return Err(format!("argument {number:03} is there twice, or is no argument"));
        }
    }
    Ok(numbers.into_iter().map(|(_, name)| name.clone()).collect())
}

/// The arguments as the program gets them. `incoming` is the descriptor on which the state to restore arrives.
pub fn substitute(values: Vec<Vec<u8>>, incoming: u32) -> Result<Vec<Vec<u8>>, String> {
    let with = |(number, value): (usize, Vec<u8>)| match value {
        value if value == INCOMING => Ok(format!("fd:{incoming}").into_bytes()),
        value if value.contains(&0) => Err(format!("argument {:03} has a zero byte in it", number + 1)),
        value => Ok(value),
    };
    values.into_iter().enumerate().map(with).collect()
}

/// Whether the guest's state is to be restored.
pub fn restores(values: &[Vec<u8>]) -> bool {
    values.iter().any(|value| value == INCOMING)
}

/// A network card of the guest: `-netdev type=tap,id=net0,ifname=vif1.0-emu,…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Netdev {
    /// The number of the vif.
    pub devid: u32,
    pub ifname: String,
}

/// All cards whose packets go through a tap.
pub fn netdevs(values: &[Vec<u8>]) -> Result<Vec<Netdev>, String> {
    let mut found = Vec::new();
    for pair in values.windows(2).filter(|pair| pair[0] == b"-netdev") {
        let text = String::from_utf8_lossy(&pair[1]).into_owned();
        let value = |key: &str| text.split(',').find_map(|part| part.strip_prefix(key));
        if !text.starts_with("tap,") && value("type=") != Some("tap") {
            continue;
        }
        let devid = value("id=net").and_then(|number| number.parse().ok());
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        // IFNAMSIZ counts the zero behind the name.
        let fits = |name: &&str| (1..16).contains(&name.len()) && name.chars().all(plain) && !name.starts_with('.');
        match (devid, value("ifname=").filter(fits)) {
            (Some(devid), Some(ifname)) => found.push(Netdev { devid, ifname: ifname.to_string() }),
            (None, _) => return Err(format!("`-netdev {text}` has no id=net<number>")),
            (_, None) => return Err(format!("`-netdev {text}` has no ifname= that Linux takes")),
        }
    }
    Ok(found)
}

/// The devices that QEMU opens by name: what stands behind `/dev/` in any argument.
pub fn devices(values: &[Vec<u8>]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for value in values {
        let text = String::from_utf8_lossy(value);
        for (at, _) in text.match_indices("/dev/") {
            let rest = text[at + 5..].chars().take_while(char::is_ascii_alphanumeric);
            let name: String = "/dev/".chars().chain(rest).collect();
            let alone = at == 0 || text[..at].ends_with(['=', ':']);
            if alone && name.len() > 5 && name.len() < 32 && !found.contains(&name) {
                found.push(name);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;
    use alloc::vec;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    fn bytes(values: &[&str]) -> Vec<Vec<u8>> {
        values.iter().map(|value| value.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_thousand_arguments_keep_their_order() {
        for seed in 0..20 {
            let mut chance = Chance::new(seed);
            let count = *chance.pick(&[1, 9, 10, 99, 100, 999, 1000, 1001, 2345]);
            let expected: Vec<String> = (1..=count).map(|n| format!("{n:03}")).collect();
            let mut names = expected.clone();
            for at in (1..names.len()).rev() {
                names.swap(at, chance.below(at + 1));
            }
            assert_eq!(order(&names).unwrap(), expected, "seed {seed}");
        }
    }

    #[test]
    fn what_is_lost_or_odd_is_named() {
        let refused = |names: &[&str]| order(&strings(names)).unwrap_err();
        assert_eq!(refused(&[]), "it is empty");
        assert_eq!(refused(&["001", "003"]), "argument 002 is missing");
        assert_eq!(refused(&["001", "0001"]), "argument 001 is there twice, or is no argument");
        assert_eq!(refused(&["000", "001"]), "argument 000 is there twice, or is no argument");
        assert_eq!(refused(&["001", "two"]), "\"two\" is not the number of an argument");
        assert_eq!(refused(&["001", "+02"]), "\"+02\" is not the number of an argument");
        assert_eq!(refused(&["99999999999"]), "\"99999999999\" is not the number of an argument");
        assert_eq!(order(&vec!["001".to_string(); MOST + 1]).unwrap_err(), "it has 10001 arguments, over 10000");
    }

    #[test]
    fn values_keep_every_byte_but_the_one_place() {
        let mut values: Vec<Vec<u8>> =
            bytes(&["-name", "", "$STUBDOM_RESTORE_INCOMING_ARG", "x$STUBDOM_RESTORE_INCOMING_ARG"]);
        values.insert(1, b"a \"b\" $c\n\xff,,\\".to_vec());
        assert!(restores(&values) && !restores(&values[..3]));
        let put = substitute(values.clone(), 5).unwrap();
        assert_eq!((&put[..3], &put[3][..], &put[4]), (&values[..3], &b"fd:5"[..], &values[4]));
        assert_eq!(substitute(bytes(&["a", "b\0c"]), 5).unwrap_err(), "argument 002 has a zero byte in it");
    }

    #[test]
    fn cards_are_what_libxl_writes() {
        let line = "type=tap,id=net1,ifname=vif7.1-emu,br=xenbr0,script=no,downscript=no";
        let cards = netdevs(&bytes(&["-netdev", line, "-netdev", "user,id=net9", "-net", "none"])).unwrap();
        assert_eq!(cards, [Netdev { devid: 1, ifname: "vif7.1-emu".to_string() }]);
        assert!(netdevs(&bytes(&["-netdev", "type=tap,id=x,ifname=a"])).unwrap_err().contains("no id=net<number>"));
        for odd in ["", "a/b", "averyverylongname0", ".."] {
            let refused = netdevs(&bytes(&["-netdev", &format!("type=tap,id=net0,ifname={odd}")])).unwrap_err();
            assert!(refused.contains("no ifname= that Linux takes"), "{odd}: {refused}");
        }
    }

    #[test]
    fn devices_are_found_where_options_name_them() {
        let found =
            ["-serial", "/dev/hvc3", "file=/dev/xvda,if=ide", "file=/dev/xvda", "a/dev/b", "/dev/", "host:/dev/xvdb"];
        assert_eq!(devices(&bytes(&found)), ["/dev/hvc3", "/dev/xvda", "/dev/xvdb"]);
    }
}
