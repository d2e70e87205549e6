//! The laws that a relocated tree must keep: their stable names, what they say, what to do when one is broken.

/// One law.
#[derive(Debug)]
pub struct Rule {
    /// Kebab-case; recipes and scripts refer to it.
    pub name: &'static str,
    pub law: &'static str,
    pub cure: &'static str,
}

/// All laws, in the order in which a report shows them: what does not start, then what is not safe, then what is not tidy.
pub const RULES: &[Rule] = &[
    Rule {
        name: "malformed-elf",
        law: "an ELF file can be read",
        cure: "look at the step that made it: the file is cut short or overwritten",
    },
    Rule {
        name: "foreign-machine",
        law: "programs and libraries are of the recipe's architecture",
        cure: "build with the toolchain's own compiler; what a guest runs belongs below `relocate.private`/boot",
    },
    Rule {
        name: "needed-unresolved",
        law: "every needed library is found by RUNPATH, in the public library folder, or in `relocate.outside`",
        cure: "stage the library, correct the RUNPATH, or add its name to `relocate.outside` if the distribution has it",
    },
    Rule {
        name: "needed-mismatch",
        law: "a needed library is an ELF library of the same machine and class",
        cure: "look at what overwrote the library",
    },
    Rule {
        name: "version-undefined",
        law: "a needed library offers every symbol version that is asked of it",
        cure: "build both against the same library; for the distribution's, against the toolchain's release",
    },
    Rule {
        name: "unstable-user-without-runpath",
        law: "whoever needs an unstable library finds the private one by RUNPATH",
        cure: "link with `-Wl,--enable-new-dtags,-rpath,<relocate.private>/lib`",
    },
    Rule {
        name: "unstable-library-public",
        law: "an unstable library stands in the private folder only",
        cure: "install it below `relocate.private`, and name it in `relocate.unstable`",
    },
    Rule {
        name: "unstable-soname",
        law: "the SONAME of an unstable library ends in the series",
        cure: "set the library's version to the recipe's series when it is linked",
    },
    Rule {
        name: "soname-missing",
        law: "a library in a library folder has a SONAME",
        cure: "link with `-Wl,-soname,…`",
    },
    Rule {
        name: "soname-mismatch",
        law: "a library is found under its SONAME",
        cure: "stage the link that is named like the SONAME, or correct the SONAME",
    },
    Rule {
        name: "rpath",
        law: "no file has an RPATH, which would win over the user's own settings and be passed on to libraries",
        cure: "link with `-Wl,--enable-new-dtags`",
    },
    Rule {
        name: "runpath-undeclared",
        law: "a RUNPATH leads below `relocate.private` only",
        cure: "take the folder out of the linker's flags",
    },
    Rule {
        name: "runpath-on-stable-library",
        law: "a public library has no RUNPATH: it is shared by all series",
        cure: "link stable libraries without `-rpath`",
    },
    Rule {
        name: "interpreter",
        law: "a program asks for the loader of its ABI",
        cure: "link it with the toolchain's compiler driver",
    },
    Rule {
        name: "dangling-link",
        law: "a link leads to something in the tree",
        cure: "stage its target, drop the link, or allow it with a reason when the distribution has the target",
    },
    Rule {
        name: "absolute-link",
        law: "a link inside the tree is relative, so that it holds in a chroot and an image as well",
        cure: "write it with `ln -sr`",
    },
    Rule {
        name: "not-pie",
        law: "a program is position-independent",
        cure: "compile with `-fPIE` and link with `-pie`",
    },
    Rule {
        name: "no-relro",
        law: "relocated tables are read-only, the whole GOT with them",
        cure: "link with `-Wl,-z,relro,-z,now`",
    },
    Rule {
        name: "executable-stack",
        law: "the stack is not executable",
        cure: "add a `.note.GNU-stack` section to the assembler source, or link with `-Wl,-z,noexecstack`",
    },
    Rule {
        name: "no-stack-protector",
        law: "code that has others fill its buffers is compiled with the stack protector",
        cure: "compile with `-fstack-protector-strong`, or allow the file with a reason when none of its buffers is on the stack",
    },
    Rule {
        name: "text-relocations",
        law: "code is not rewritten when it is loaded",
        cure: "compile with `-fPIC` or `-fPIE`",
    },
    Rule { name: "set-id", law: "no file runs with its owner's rights", cure: "take the bit off in the step" },
    Rule { name: "world-writable", law: "nobody but the owner can write", cure: "install with mode 644 or 755" },
    Rule {
        name: "build-path",
        law: "no file knows where it was built",
        cure: "compile with `-ffile-prefix-map=$PWD=.`, or find out what wrote the path",
    },
    Rule {
        name: "unversioned-path",
        law: "what is not below `relocate.private` has the series in its path or is in `relocate.common`",
        cure: "move it by a flag or a patch, drop it, or declare it common when every series has it",
    },
    Rule {
        name: "unclaimed",
        law: "every file belongs to a package",
        cure: "add it to a `[[package]]`, or to `relocate.drop`",
    },
    Rule {
        name: "package-empty",
        law: "every package has files",
        cure: "correct its globs or take the package out; the first package that matches a file claims it",
    },
    Rule {
        name: "case-collision",
        law: "no two paths differ in the case of their letters only",
        cure: "rename or drop one",
    },
    Rule {
        name: "bound",
        law: "files are no larger than the recipe lets them be",
        cure: "find out what grew, or correct `[[audit.bound]]`",
    },
    Rule {
        name: "co-installation",
        law: "two series can be installed in one root",
        cure: "move the file below the private folder, or declare it in `relocate.common` of both recipes",
    },
    Rule {
        name: "allowance-unused",
        law: "an allowance in `[audit]` lets something pass",
        cure: "take it out of the recipe",
    },
];

/// The rule of this name and its place in [`RULES`].
pub fn rule(name: &str) -> Option<(usize, &'static Rule)> {
    RULES.iter().enumerate().find(|(_, rule)| rule.name == name)
}
