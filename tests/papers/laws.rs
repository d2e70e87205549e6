//! What every paper must keep, as functions from a paper to findings: CycloneDX 1.6's strict schema and in-toto's and SLSA's fields,
//! as far as our papers use them, and that no reference leads nowhere.

use serde_json::Value;
use std::collections::BTreeSet;

/// Keys of a component, of the many that the schema knows.
const KEYS: [&str; 15] = [
    "bom-ref",
    "copyright",
    "description",
    "evidence",
    "externalReferences",
    "hashes",
    "licenses",
    "name",
    "pedigree",
    "properties",
    "purl",
    "scope",
    "swhid",
    "type",
    "version",
];
const TYPES: [&str; 5] = ["application", "file", "firmware", "library", "platform"];
const REFERENCES: [&str; 4] = ["distribution", "source-distribution", "vcs", "website"];

/// What is wrong with a bill.
pub fn bill(bill: &Value) -> Vec<String> {
    let mut findings = Vec::new();
    for (key, wanted) in [("bomFormat", "CycloneDX"), ("specVersion", "1.6")] {
        if bill[key] != wanted {
            findings.push(format!("{key} is {}", bill[key]));
        }
    }
    let serial = bill["serialNumber"].as_str().and_then(|text| text.strip_prefix("urn:uuid:")).unwrap_or_default();
    if serial.split('-').map(str::len).ne([8, 4, 4, 4, 12]) || !hexadecimal(&serial.replace('-', "")) {
        findings.push(format!("serialNumber is {}", bill["serialNumber"]));
    }
    let components: Vec<&Value> =
        std::iter::once(&bill["metadata"]["component"]).chain(list(&bill["components"])).collect();
    let mut references = BTreeSet::new();
    for component in &components {
        let reference = component["bom-ref"].as_str().unwrap_or_default();
        if reference.is_empty() || !references.insert(reference) {
            findings.push(format!("bom-ref `{reference}` is empty or there twice"));
        }
        findings.extend(self::component(component).into_iter().map(|finding| format!("{reference}: {finding}")));
    }
    let mut seen = BTreeSet::new();
    for edge in list(&bill["dependencies"]) {
        let from = edge["ref"].as_str().unwrap_or_default();
        if !references.contains(from) || !seen.insert(from) {
            findings.push(format!("dependencies of `{from}`, which is no component, or there twice"));
        }
        let on: Vec<&str> = list(&edge["dependsOn"]).iter().filter_map(|on| on.as_str()).collect();
        for to in &on {
            if !references.contains(to) {
                findings.push(format!("{from} depends on `{to}`, which is no component"));
            }
        }
        if on.iter().collect::<BTreeSet<_>>().len() < on.len() {
            findings.push(format!("{from} depends on something twice"));
        }
    }
    for composition in list(&bill["compositions"]) {
        for part in list(&composition["assemblies"]) {
            if !part.as_str().is_some_and(|part| references.contains(part)) {
                findings.push(format!("a composition of {part}, which is no component"));
            }
        }
    }
    findings
}

fn component(component: &Value) -> Vec<String> {
    let mut findings = Vec::new();
    let keys: Vec<&str> =
        component.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default();
    findings.extend(keys.iter().filter(|key| !KEYS.contains(key)).map(|key| format!("unknown key `{key}`")));
    if !component["type"].as_str().is_some_and(|kind| TYPES.contains(&kind)) {
        findings.push(format!("type {}", component["type"]));
    }
    if component["name"].as_str().is_none_or(str::is_empty) {
        findings.push("no name".to_owned());
    }
    findings.extend(hashes(&component["hashes"]));
    for reference in list(&component["externalReferences"]) {
        if !reference["type"].as_str().is_some_and(|kind| REFERENCES.contains(&kind)) {
            findings.push(format!("an external reference of type {}", reference["type"]));
        }
        if reference["url"].as_str().is_none_or(|url| url.is_empty() || url.contains(' ')) {
            findings.push(format!("an external reference to {}", reference["url"]));
        }
        findings.extend(hashes(&reference["hashes"]));
    }
    let licenses = list(&component["licenses"]);
    let expressions = licenses.iter().filter(|license| license["expression"].is_string()).count();
    if expressions > 0 && licenses.len() > 1 {
        findings.push("an expression stands beside another licence".to_owned());
    }
    for property in list(&component["properties"]) {
        let name = property["name"].as_str().unwrap_or_default();
        if !name.starts_with("xenwright:") || !property["value"].is_string() {
            findings.push(format!("property {property}"));
        }
    }
    for patch in list(&component["pedigree"]["patches"]) {
        if !["unofficial", "monkey", "backport", "cherry-pick"].contains(&patch["type"].as_str().unwrap_or_default()) {
            findings.push(format!("a patch of type {}", patch["type"]));
        }
        for issue in list(&patch["resolves"]) {
            if issue["type"] != "security" || !issue["id"].is_string() {
                findings.push(format!("a patch resolves {issue}"));
            }
        }
    }
    findings
}

fn hashes(hashes: &Value) -> Vec<String> {
    let good = |hash: &&Value| {
        let digits = hash["content"].as_str().unwrap_or_default();
        let length = match hash["alg"].as_str() {
            Some("SHA-256") => 64,
            Some("SHA-1") => 40,
            _ => 0,
        };
        length > 0 && digits.len() == length && hexadecimal(digits)
    };
    list(hashes).iter().filter(|hash| !good(hash)).map(|hash| format!("digest {hash}")).collect()
}

/// What is wrong with a statement (in-toto v1 with a predicate of SLSA provenance v1) about `artifacts`.
pub fn statement(statement: &Value, artifacts: &[&str]) -> Vec<String> {
    let mut findings = Vec::new();
    for (key, wanted) in
        [("_type", "https://in-toto.io/Statement/v1"), ("predicateType", "https://slsa.dev/provenance/v1")]
    {
        if statement[key] != wanted {
            findings.push(format!("{key} is {}", statement[key]));
        }
    }
    let subjects: Vec<&str> =
        list(&statement["subject"]).iter().filter_map(|subject| subject["name"].as_str()).collect();
    if subjects != artifacts {
        findings.push(format!("the subjects are {subjects:?}, the artifacts {artifacts:?}"));
    }
    let definition = &statement["predicate"]["buildDefinition"];
    if !definition["buildType"].as_str().is_some_and(|uri| uri.contains(':')) {
        findings.push(format!("buildType is {}", definition["buildType"]));
    }
    for key in ["externalParameters", "internalParameters"] {
        if definition[key].as_object().is_none_or(|object| object.is_empty()) {
            findings.push(format!("{key} is {}", definition[key]));
        }
    }
    let all = list(&statement["subject"]).iter().chain(list(&definition["resolvedDependencies"]));
    for resource in all {
        let digest = resource["digest"].as_object();
        let good = digest
            .is_some_and(|set| !set.is_empty() && set.values().all(|digits| digits.as_str().is_some_and(hexadecimal)));
        if !good {
            findings.push(format!("{} has the digest {}", resource["name"], resource["digest"]));
        }
    }
    for resource in list(&definition["resolvedDependencies"]) {
        if !resource["uri"].as_str().is_some_and(|uri| uri.contains(':')) {
            findings.push(format!("{} has the address {}", resource["name"], resource["uri"]));
        }
    }
    if !statement["predicate"]["runDetails"]["builder"]["id"].as_str().is_some_and(|uri| uri.contains(':')) {
        findings.push("no builder".to_owned());
    }
    findings
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn hexadecimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
