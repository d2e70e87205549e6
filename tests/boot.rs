//! Cases of `boot`: those that are shipped, `boot/*.toml`; mistakes in cases, `boot/err/*.toml` with the message beside each; and what
//! machines do, see the modules.

mod machine;
mod records;

use crate::support::{cases, expect, root};
use xtask::boot::case;
use xtask::{catalog, fault};

#[test]
fn shipped_cases_are_read_and_can_fail() {
    let cases = xtask::boot::cases::all(&root()).unwrap_or_else(|error| panic!("{}", fault::render(&error)));
    assert!(cases.len() >= 9, "{} cases", cases.len());
    let recipes: Vec<_> =
        catalog::all(&root()).unwrap().iter().map(|entry| catalog::load(&root(), entry).unwrap()).collect();
    for case in &cases {
        assert!(!case.broken.is_empty(), "{}: no broken input shows that it can fail", case.name);
        for (name, broken) in &case.broken {
            let changed = case.broken_by(name).unwrap();
            let of = |case: &case::Case| format!("{:?} {} {} {}", case.guest, case.cpu, case.xen, case.before);
            assert_ne!(of(case), of(&changed), "{}: broken input {name} changes nothing", case.name);
            assert!(changed.applied.is_some_and(|applied| applied.says == broken.says));
        }
        for recipe in &recipes {
            let of = case.of(recipe);
            let filled: Vec<&String> = of.needs.iter().chain(of.expect.iter().map(|expect| &expect.text)).collect();
            assert!(!filled.iter().any(|text| text.contains('$')), "{}: {filled:?}", case.name);
        }
    }
}

#[test]
fn a_mistake_in_a_case_is_named_with_its_place() {
    for file in cases("boot/err", "toml") {
        let text = fs_err::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let error = case::parse("x", &name, &text).map(|_| panic!("{name} is read without a complaint")).unwrap_err();
        assert_eq!(fault::exit_code(&error), 2, "{name}");
        expect::golden(&file.with_extension("txt"), &format!("{}\n", fault::render(&error)));
    }
}

#[test]
fn a_case_that_is_not_there_is_named() {
    let error = xtask::boot::cases::chosen(&root(), &["smok".to_owned()]).unwrap_err();
    assert_eq!(fault::render(&error), "error: there is no tests/boot/smok.toml\n  help: did you mean `smoke`?");
    let error = xtask::boot::cases::chosen(&root(), &["pvh".to_owned()]).unwrap()[0].broken_by("no-svn").unwrap_err();
    assert_eq!(fault::render(&error), "error: case pvh has no broken input `no-svn`\n  help: did you mean `no-svm`?");
}

const CASE: &str = r#"
summary = "x"
limit   = 9
series  = ["4.17"]
needs   = ["$PRIVATE/boot/thing"]
run     = '''
create a
grep {a.sum} /case/a.img
'''
[guest.a]
boots  = "linux"
config = '''
name = "a"
type = "hvm"
kernel = "$PRIVATE/x-$SERIES"
'''
[[expect]]
console = "a"
text    = "sum {a.sum} of $VERSION"
[broken.one]
summary = "one"
says    = "no $SERIES"
cpu     = "-svm"
xen     = "noreboot"
remove  = ["$PRIVATE/lib/x.so"]
corrupt = ["/case/a.img"]
config  = { a = { replace = ["hvm", "pvh"] } }
before  = "echo last"
"#;

#[test]
fn a_case_is_fitted_to_a_recipe_and_to_its_guests() {
    let case = case::parse("x", "x.toml", CASE).unwrap_or_else(|error| panic!("{}", fault::render(&error)));
    let recipe = &catalog::find(&root(), "xen-4.17.5+72").unwrap();
    let fitted = case.broken_by("one").unwrap().of(recipe);
    let facts = [("sum".to_owned(), "12ab".to_owned())].into();
    let fitted = fitted.with("a", &facts).unwrap();
    assert_eq!(fitted.needs, ["/usr/lib/xen-4.17/boot/thing"]);
    assert_eq!(fitted.expect[0].text, "sum 12ab of 4.17.5+72");
    assert_eq!(fitted.run, "create a\ngrep 12ab /case/a.img\n");
    let guest = &fitted.guest["a"];
    assert_eq!(guest.config, "name = \"a\"\ntype = \"pvh\"\nkernel = \"/usr/lib/xen-4.17/x-4.17\"\n");
    assert_eq!((fitted.cpu.as_str(), fitted.xen.as_str()), ("-svm", "noreboot"));
    assert_eq!(fitted.applied.as_ref().unwrap().says, "no 4.17");
    let before: Vec<&str> = fitted.before.lines().collect();
    assert_eq!(before[0], "[ -e \"$PRIVATE/lib/x.so\" ] || fail \"there is no $PRIVATE/lib/x.so to be broken\"");
    assert_eq!(before[1], "rm -r \"$PRIVATE/lib/x.so\"");
    assert_eq!(before.last(), Some(&"echo last"));
    assert_eq!(fitted.needs_hvm(), Some("a"));
    assert_eq!(fitted.applies("4.17", |_| true), Ok(()));
    assert_eq!(fitted.applies("4.20", |_| true), Err("it is for series 4.17 alone".to_owned()));
    let without = fitted.applies("4.17", |_| false);
    assert_eq!(without, Err("what was built has no /usr/lib/xen-4.17/boot/thing".to_owned()));
    let unknown = case.with("a", &[("md5".to_owned(), String::new())].into()).unwrap_err();
    assert_eq!(fault::render(&unknown), "error: case x: nothing is known as `sum` of guest a\n  help: known: `md5`");
}
