//! What a recipe says of copies in its sources, held against a source's tree and against what was staged.

use crate::package::{job, packed};
use crate::support::compile::{Shape, compile};
use crate::support::scenario::recipe;
use crate::support::scratch;
use serde_json::Value;
use std::io::Write as _;
use xtask::digest::{Hash, KeyBuilder};
use xtask::fault::render;
use xtask::inspection;
use xtask::papers::{self, attribution::Attribution, bundles::look};
use xtask::recipe::Bundle;
use xtask::relocate::{Layer, lay_over};
use xtask::tree::Manifest;

fn bundle() -> Bundle {
    let texts = |all: &[&str]| all.iter().map(|text| text.to_string()).collect();
    Bundle {
        name: "lz4".to_owned(),
        version: Some("1.9.4".to_owned()),
        license: Some("BSD-2-Clause".to_owned()),
        from: Some("https://lz4.example".to_owned()),
        files: texts(&["lib/lz4*"]),
        into: texts(&["usr/lib/xen-4.17/bin/it", "boot/*.gz"]),
        marks: texts(&["lz4_words"]),
    }
}

/// What becomes of a recipe with this bundle: the bill, or the error.
fn bill(bundle: &Bundle) -> Result<Value, String> {
    let folder = scratch();
    let at = |path: &str| folder.path().join(path);
    for name in ["source/lib", "staged/boot", "firmware/usr/lib/xen-4.17/boot", "work", "into"] {
        fs_err::create_dir_all(at(name)).unwrap();
    }
    fs_err::write(at("source/lib/lz4.c"), "/* 1.9.4 */\n").unwrap();
    fs_err::write(at("source/lib/lz4.h"), "\n").unwrap();
    fs_err::write(at("firmware/usr/lib/xen-4.17/boot/fw"), "firmware").unwrap();
    let flags = ["-s".to_owned()];
    for (name, words) in [("it", "lz4_words"), ("other", "lz4_verse"), ("third", "third_words")] {
        let text = format!("const char words[] = \"{words}\"; int main(void) {{ return words[1] == 0; }}");
        compile(Shape::Program, &text, &flags, &[], &at(&format!("staged/usr/lib/xen-4.17/bin/{name}")));
    }
    // A compressed image shows what is in it.
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(b"an image with boot_words").unwrap();
    fs_err::write(at("staged/boot/xen.gz"), gz.finish().unwrap()).unwrap();

    let mut job = job(&recipe(&[]));
    job.recipe.step.get_mut("tools").unwrap().paths = vec!["**".to_owned()];
    let mut firmware = job.recipe.step["tools"].clone();
    firmware.paths = vec!["boot/**".to_owned()];
    job.recipe.step.insert("firmware".to_owned(), firmware);
    let carried = look("xen", std::slice::from_ref(bundle), &at("source")).map_err(|error| render(&error))?;
    let sums = [("/* 1.9.4 */\n", "lib/lz4.c"), ("\n", "lib/lz4.h")].map(|(text, path)| {
        let sum = Hash::of(text.as_bytes());
        format!("{sum}  {path}\n")
    });
    assert_eq!(carried[0].sha256, Hash::of(sums.concat().as_bytes()), "what sha256sum prints");

    let layers = [("firmware", "firmware"), ("tools", "staged")].map(|(step, root)| Layer {
        step: step.to_owned(),
        manifest: Manifest::of(&at(root)).unwrap(),
        root: at(root),
    });
    let tree = lay_over(&job.recipe, &layers, &at("work")).unwrap();
    let facts = inspection::facts(&tree, &[]).unwrap();
    let mut packed = packed(&job, &tree, &facts, &at("into"));
    let key = KeyBuilder::new("test/1").finish();
    let attribution =
        Attribution::new(&job, &tree, &facts, &carried, &Default::default()).map_err(|error| render(&error))?;
    let subject = papers::Subject { job: &job, key: &key, attribution: &attribution, bundles: &carried };
    papers::write(&subject, &mut packed, &at("into")).unwrap();
    let text = fs_err::read_to_string(at("into").join(papers::BOM)).unwrap();
    Ok(serde_json::from_str(&text).unwrap())
}

#[test]
fn a_copy_is_in_the_files_that_the_recipe_names() {
    let bill = bill(&bundle()).unwrap();
    assert_eq!(super::laws::bill(&bill), [""; 0]);
    let components = bill["components"].as_array().unwrap();
    let lz4 = components.iter().find(|component| component["bom-ref"] == "bundle:xen/lz4").unwrap();
    assert_eq!((&lz4["version"], &lz4["licenses"][0]["expression"]), (&"1.9.4".into(), &"BSD-2-Clause".into()));
    let holds =
        |component: &&Value| component.to_string().contains(r#"{"name":"xenwright:holds","value":"bundle:xen/lz4"}"#);
    let files: Vec<&str> = components.iter().filter(holds).map(|file| file["name"].as_str().unwrap()).collect();
    assert_eq!(files, ["boot/xen.gz", "usr/lib/xen-4.17/bin/it"]);
    let edge = bill["dependencies"].as_array().unwrap().iter().find(|edge| edge["ref"] == "source:xen").unwrap();
    assert_eq!(edge["dependsOn"], serde_json::json!(["bundle:xen/lz4"]));
}

#[test]
fn a_claim_that_does_not_hold_is_refused() {
    type Change = fn(&mut Bundle);
    let cases: [(Change, &str); 7] = [
        (|bundle| bundle.files.push("lib/none.c".to_owned()), "no file matches `lib/none.c`"),
        (|bundle| bundle.version = Some("1.9.5".to_owned()), "none of its 2 files says version `1.9.5`"),
        (|bundle| bundle.into = vec!["usr/bin/none".to_owned()], "is not in `into`"),
        (
            |bundle| (bundle.into, bundle.marks) = (vec!["usr/bin/none".to_owned()], Vec::new()),
            "nothing that was staged matches `into`",
        ),
        (
            |bundle| bundle.marks = vec!["absent_words".to_owned()],
            "no file of `into` shows one of its marks: absent_words",
        ),
        (|bundle| bundle.marks.push("lz4_verse".to_owned()), "bin/other shows its mark and is not in `into`"),
        (|bundle| bundle.into.push("usr/lib/xen-4.17/boot/fw".to_owned()), "which reads none of its files"),
    ];
    for (change, expected) in cases {
        let mut bundle = bundle();
        change(&mut bundle);
        let error = bill(&bundle).expect_err(expected);
        assert!(error.contains(expected) && error.contains("`lz4` in source xen"), "{expected}: {error}");
        assert!(error.contains("correct `source.xen.bundle` in the recipe"), "{error}");
    }
}

#[test]
fn a_compressed_image_is_looked_into() {
    let mut bundle = bundle();
    (bundle.into, bundle.marks) = (vec!["boot/*.gz".to_owned()], vec!["boot_words".to_owned()]);
    assert!(bill(&bundle).is_ok());
}
