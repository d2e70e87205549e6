//! What the bill says of files, and questions to a bill, `papers/bill.json`: every line of `papers/questions.txt` with its answer in
//! `papers/answers.txt`.

mod bundles;
pub mod laws;
mod linked;

use crate::package::{job, packed};
use crate::support::compile::{Shape, compile};
use crate::support::scenario::{Edit, recipe};
use crate::support::{expect, root, scratch};
use serde_json::{Value, json};
use xtask::digest::{Hash, KeyBuilder};
use xtask::fault::render;
use xtask::inspection;
use xtask::package::Artifact;
use xtask::papers;
use xtask::papers::attribution::Attribution;
use xtask::papers::query::{Bill, Question};
use xtask::relocate::{Layer, lay_over};
use xtask::toolchain::Deb;
use xtask::tree::Manifest;

#[test]
fn a_question_is_answered_as_written_down() {
    let folder = root().join("tests/papers");
    let bill = Bill::from_json("bill.json", &fs_err::read_to_string(folder.join("bill.json")).unwrap()).unwrap();
    let mut text = String::new();
    for line in fs_err::read_to_string(folder.join("questions.txt")).unwrap().lines() {
        text += &format!("? {line}\n");
        let question = match line.strip_prefix("--advisory ") {
            Some(id) => Question::of_advisory(id),
            None => Question::parse(line),
        };
        match question {
            Ok(question) => {
                for found in bill.answer(&question) {
                    text += &format!("{}\n", serde_json::to_string(&found).unwrap());
                }
            }
            Err(error) => text += &format!("{}\n", render(&error)),
        }
    }
    expect::golden(&folder.join("answers.txt"), &text);
}

#[test]
fn what_is_no_bill_is_refused() {
    for text in ["", "{}", "{\"metadata\":{}}", "[1]"] {
        let error = render(&Bill::from_json("dist/bom.cdx.json", text).unwrap_err());
        assert!(error.contains("dist/bom.cdx.json is no bill") && error.contains("build the recipe again"), "{error}");
    }
}

/// A program that asks for two libraries and holds a copy of a third, from a step that reads what another source became.
#[test]
fn a_file_is_known_by_what_it_asks_for_and_what_it_holds() {
    let folder = scratch();
    let at = |path: &str| folder.path().join(path);
    for (soname, file) in [("libz.so.1", "libz.so"), ("libodd.so.3", "libodd.so")] {
        compile(Shape::Library, "int a;", &[format!("-Wl,-soname,{soname}")], &[], &at(file));
    }
    let source =
        "const char words[] = \" inflate 1.2.8 Copyright 1995-2013 \"; int main(void) { return words[1] == 0; }";
    let flags = ["-Wl,--no-as-needed".to_owned()];
    compile(Shape::Program, source, &flags, &[&at("libz.so"), &at("libodd.so")], &at("staged/usr/lib/xen-4.17/bin/it"));

    let needs = Edit { find: "outside = [".to_owned(), put: "outside = [\"libz.so.1\", \"libodd.so.3\", ".to_owned() };
    let mut job = job(&recipe(&[needs]));
    let mut firmware = job.recipe.source["xen"].clone();
    firmware.release = "rel-1.16.2".to_owned();
    job.recipe.source.insert("seabios".to_owned(), firmware);
    job.queues.insert("seabios".to_owned(), Default::default());
    let mut step = job.recipe.step["tools"].clone();
    step.source = "seabios".to_owned();
    job.recipe.step.insert("seabios".to_owned(), step);
    job.recipe.step.get_mut("tools").unwrap().needs = vec!["seabios".to_owned()];
    job.toolchain.debs.push(Deb {
        name: "zlib1g".to_owned(),
        version: "1:1.2.13.dfsg-1".to_owned(),
        path: "pool/main/z/zlib/zlib1g_1.2.13.dfsg-1_amd64.deb".to_owned(),
        size: 1,
        sha256: Hash::of(b"zlib"),
    });

    let manifest = Manifest::of(&at("staged")).unwrap();
    let layer = Layer { step: "tools".to_owned(), manifest, root: at("staged") };
    for name in ["work", "into"] {
        fs_err::create_dir(at(name)).unwrap();
    }
    let tree = lay_over(&job.recipe, &[layer], &at("work")).unwrap();
    let facts = inspection::facts(&tree, &[]).unwrap();
    let mut packed = packed(&job, &tree, &facts, &at("into"));
    // Papers look at the names of packages, not into them.
    for name in ["xen-tools_4.17.5+72-1_amd64.deb", "xen-tools-4.17.5+72-1.x86_64.rpm", "xen-toolset_1-1_all.deb"] {
        packed.artifacts.push(Artifact { name: name.to_owned(), size: 3, sha256: Hash::of(name.as_bytes()) });
    }
    let key = KeyBuilder::new("test/1").finish();
    let attribution = Attribution::new(&job, &tree, &facts, &[], &Default::default()).unwrap();
    let subject = papers::Subject { job: &job, key: &key, attribution: &attribution, bundles: &[] };
    papers::write(&subject, &mut packed, &at("into")).unwrap();
    let text = fs_err::read_to_string(at("into").join(papers::BOM)).unwrap();
    let bill: serde_json::Value = serde_json::from_str(&text).unwrap();
    let file =
        bill["components"].as_array().unwrap().iter().find(|part| part["bom-ref"] == "file:usr/lib/xen-4.17/bin/it");
    let said: Vec<String> = file.unwrap()["properties"]
        .as_array()
        .unwrap()
        .iter()
        .map(|property| format!("{} {}", property["name"].as_str().unwrap(), property["value"].as_str().unwrap()))
        .collect();
    let said: Vec<&str> = said.iter().filter_map(|line| line.strip_prefix("xenwright:")).collect();
    let libc: Vec<&str> = said.iter().copied().filter(|line| line.ends_with("libc.so.6")).collect();
    let rest: Vec<&str> = said.iter().copied().filter(|line| !line.ends_with("libc.so.6")).collect();
    assert!(libc.len() <= 1, "{said:?}");
    assert_eq!(
        rest[..5],
        [
            "holds copy:zlib",
            "holds source:xen",
            "may-hold source:seabios",
            "needs deb:zlib1g",
            "needs library:libodd.so.3"
        ]
    );
    let purl = "pkg:deb/debian/zlib1g@1%3A1.2.13.dfsg-1?arch=amd64";
    assert!(text.contains(purl), "{text}");
    assert_eq!(laws::bill(&bill), [""; 0]);

    // A package is a component with the artifacts that carry it; what carries none of ours belongs to the whole.
    let carriers = |component: &Value| -> Vec<String> {
        let references = component["externalReferences"].as_array().unwrap().iter();
        references.map(|reference| reference["url"].as_str().unwrap().to_owned()).collect()
    };
    let package = bill["components"].as_array().unwrap().iter().find(|part| part["bom-ref"] == "package:xen-tools");
    let package = package.unwrap();
    assert_eq!(package["version"], "4.17.5+72-1");
    assert_eq!(carriers(package), ["xen-tools_4.17.5+72-1_amd64.deb", "xen-tools-4.17.5+72-1.x86_64.rpm"]);
    assert_eq!(carriers(&bill["metadata"]["component"]), ["xen-4.17.5+72-1-x86_64.tar.zst", "xen-toolset_1-1_all.deb"]);

    // Debian's record is of Debian's packages where there are any, and of their architectures.
    let record = fs_err::read_to_string(at("into/xen_4.17.5+72-1_amd64.buildinfo")).unwrap();
    let fields: Vec<&str> = record.lines().take_while(|line| !line.starts_with("Build-Arch")).collect();
    let sum = |name: &str| format!(" {} 3 {name}", Hash::of(name.as_bytes()));
    let sums = [sum("xen-tools_4.17.5+72-1_amd64.deb"), sum("xen-toolset_1-1_all.deb")];
    assert_eq!(
        fields,
        [
            "Format: 1.0",
            "Source: xen",
            "Binary: xen-tools",
            "Architecture: amd64 all",
            "Version: 4.17.5+72-1",
            "Checksums-Sha256:",
            &sums[0],
            &sums[1],
        ]
    );
    let statement = fs_err::read_to_string(at("into").join(papers::PROVENANCE)).unwrap();
    let names: Vec<&str> = packed
        .artifacts
        .iter()
        .map(|artifact| artifact.name.as_str())
        .filter(|name| *name != papers::PROVENANCE)
        .collect();
    let statement = serde_json::from_str(&statement).unwrap();
    assert_eq!(laws::statement(&statement, &names), [""; 0]);

    // A law that finds nothing in what is broken would be none.
    let broken = |path: &str, value: Value| {
        let mut bill = bill.clone();
        *bill.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = value;
        laws::bill(&bill).join("\n")
    };
    for (path, value, finding) in [
        ("/specVersion", json!("1.5"), "specVersion"),
        ("/serialNumber", json!("urn:uuid:1"), "serialNumber"),
        ("/components/0/type", json!("thing"), "type"),
        ("/components/0/name", json!(""), "no name"),
        ("/components/0/bom-ref", json!("package:xen-tools"), "there twice"),
        ("/components/0/properties/0/name", json!("x"), "property"),
        ("/metadata/component/externalReferences/0/url", json!("a b"), "an external reference to"),
        ("/dependencies/0/dependsOn/0", json!("nowhere"), "which is no component"),
        ("/compositions/0/assemblies/0", json!("nowhere"), "a composition of"),
        ("/metadata/component/externalReferences/0/hashes/0/content", json!("00"), "digest"),
    ] {
        assert!(broken(path, value).contains(finding), "{path}: {finding}");
    }
    for (path, value, finding) in [
        ("/_type", json!("x"), "_type"),
        ("/subject/0/digest", json!({}), "has the digest"),
        ("/subject/0/name", json!("x"), "the subjects are"),
        ("/predicate/buildDefinition/externalParameters", json!({}), "externalParameters"),
        ("/predicate/buildDefinition/resolvedDependencies/0/uri", json!("x"), "has the address"),
        ("/predicate/runDetails/builder/id", json!(null), "no builder"),
    ] {
        let mut statement = statement.clone();
        *statement.pointer_mut(path).unwrap() = value;
        assert!(laws::statement(&statement, &names).join("\n").contains(finding), "{path}: {finding}");
    }
}
