//! Writes the list of everything that the server is built from on this system, in the form of CycloneDX 1.5. It is made from what cargo
//! resolved and from the hashes in `Cargo.lock`, so it needs no network and no other tool.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

/// The product.
const PRODUCT: &str = "vaultterm";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    repository: Option<String>,
    description: Option<String>,
    /// Nothing for a package of the workspace.
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    pkg: String,
    dep_kinds: Vec<LinkKind>,
}

#[derive(Deserialize)]
struct LinkKind {
    /// Nothing for a normal dependency, or `build`, or `dev`.
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// Writes `target/sbom/vaultterm.cdx.json` and prints its path.
pub(crate) fn write(root: &Path) -> Result<()> {
    // Without the crates that are built only on other systems.
    let told = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let host = told.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not say its host")?;
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root).args(["metadata", "--format-version", "1", "--locked", "--filter-platform", host]);
    let output = command.output().context("cannot start cargo")?;
    ensure!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cargo speaks JSON")?;
    let lock: Lock = toml::from_str(&fs::read_to_string(root.join("Cargo.lock"))?).context("Cargo.lock")?;
    let listed = list(&metadata, &lock)?;
    let folder = root.join("target/sbom");
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{PRODUCT}.cdx.json"));
    fs::write(&path, format!("{listed:#}\n"))?;
    println!("{}", path.display());
    Ok(())
}

fn list(metadata: &Metadata, lock: &Lock) -> Result<Value> {
    let product = metadata.packages.iter().find(|package| package.name == PRODUCT).context("there is no product")?;
    let links: BTreeMap<&str, BTreeSet<&str>> =
        metadata.resolve.nodes.iter().map(|node| (&*node.id, built(node))).collect();
    let mut parts = BTreeSet::from([&*product.id]);
    let mut open = vec![&*product.id];
    while let Some(id) = open.pop() {
        open.extend(links.get(id).into_iter().flatten().filter(|part| parts.insert(part)));
    }
    let hashes: BTreeMap<_, _> =
        lock.package.iter().map(|locked| ((&*locked.name, &*locked.version), locked.checksum.as_deref())).collect();
    let mut packages: Vec<_> = metadata.packages.iter().filter(|package| parts.contains(&*package.id)).collect();
    packages.sort_by_key(|package| (&package.name, &package.version));
    let names: BTreeMap<&str, String> = packages.iter().map(|package| (&*package.id, name(package))).collect();
    let others = packages.iter().filter(|package| package.id != product.id);
    let hash = |package: &Package| hashes.get(&(&*package.name, &*package.version)).copied().flatten();
    let components: Vec<_> = others.map(|package| component(package, hash(package))).collect();
    let dependencies: Vec<_> = packages
        .iter()
        .map(|package| {
            let on: BTreeSet<_> =
                links.get(&*package.id).into_iter().flatten().filter_map(|id| names.get(id)).collect();
            json!({ "ref": name(package), "dependsOn": on })
        })
        .collect();
    let mut about = component(product, None);
    about["type"] = json!("application");
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": about },
        "components": components,
        "dependencies": dependencies,
    }))
}

/// Returns what a package is built from. Libraries for its tests do not count.
fn built(node: &Node) -> BTreeSet<&str> {
    let counts = |link: &&Link| link.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"));
    node.deps.iter().filter(counts).map(|link| &*link.pkg).collect()
}

/// Returns the name by which the lists of known faults find a package.
fn name(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version)
}

fn component(package: &Package, hash: Option<&str>) -> Value {
    let Package { name: title, version, license, repository, description, source, .. } = package;
    let mut component = json!({
        "type": "library",
        "bom-ref": name(package),
        "name": title,
        "version": version,
        "purl": name(package),
        "scope": "required",
    });
    if let Some(text) = description {
        component["description"] = json!(text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    if let Some(license) = license {
        // An old way to write a choice.
        component["licenses"] = json!([{ "expression": license.replace('/', " OR ") }]);
    }
    if let Some(hash) = hash {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": hash }]);
    }
    if let (Some(url), Some(_)) = (repository, source) {
        component["externalReferences"] = json!([{ "type": "vcs", "url": url }]);
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_what_the_product_is_built_from_and_not_what_its_tests_use() {
        let package = |id: &str, source: Option<&str>| {
            json!({"id": id, "name": id, "version": "1.0.0", "license": "MIT/Apache-2.0", "repository": "https://x",
                   "description": "a\n b", "source": source})
        };
        let link = |id: &str, kind: Option<&str>| json!({"pkg": id, "dep_kinds": [{"kind": kind}]});
        let metadata = json!({
            "packages": [package("vaultterm", None), package("used", Some("r")), package("tool", Some("r")),
                         package("test", Some("r"))],
            "resolve": {"nodes": [
                {"id": "vaultterm", "deps": [link("used", None), link("test", Some("dev"))]},
                {"id": "used", "deps": [link("tool", Some("build"))]},
                {"id": "tool", "deps": []},
                {"id": "test", "deps": []},
            ]},
        });
        let metadata = serde_json::from_value(metadata).unwrap();
        let lock = toml::from_str("[[package]]\nname = \"used\"\nversion = \"1.0.0\"\nchecksum = \"ab\"\n").unwrap();
        let listed = list(&metadata, &lock).unwrap();
        let names: Vec<_> = listed["components"].as_array().unwrap().iter().map(|part| &part["purl"]).collect();
        assert_eq!(names, ["pkg:cargo/tool@1.0.0", "pkg:cargo/used@1.0.0"]);
        assert_eq!(listed["components"][1]["hashes"][0]["content"], "ab");
        assert_eq!(listed["components"][1]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(listed["metadata"]["component"]["type"], "application");
        assert_eq!(
            listed["dependencies"][2],
            json!({"ref": "pkg:cargo/vaultterm@1.0.0", "dependsOn": ["pkg:cargo/used@1.0.0"]})
        );
    }
}
