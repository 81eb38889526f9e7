//! Recognises databases, archives and documents: formats that show what they are in their first bytes or in the names of
//! their members.

use crate::{archive::MAGIC, cxf, document::Part, env, format::Format, kdbx, node::Node, text, vault, vaultterm};

/// Returns the format of a file, if it is one of these.
pub(super) fn recognise(bytes: &[u8], file_name: Option<&str>) -> Option<Format> {
    if kdbx::fits(bytes) {
        return Some(Format::Kdbx);
    }
    if bytes.starts_with(MAGIC) {
        return cxf::fits_archive(bytes).then_some(Format::Cxf);
    }
    let text = text::decode(bytes).ok()?;
    if vaultterm::fits(&text) {
        return Some(Format::Vaultterm);
    }
    let is_object = text.trim_start().starts_with('{');
    if is_object && Part::parse(text.as_bytes()).is_ok_and(|part| cxf::fits(&part)) {
        return Some(Format::Cxf);
    }
    if !is_object && env::fits(&text) {
        return Some(Format::Env);
    }
    let document = Node::json_or_yaml(&text).ok()?;
    secrets(&document, file_name)
}

/// Returns the format of a document of secrets of Vault. The file names decide between `safe` and `medusa` where paths and
/// values fit both.
fn secrets(document: &Node, file_name: Option<&str>) -> Option<Format> {
    let is_named = |name: &str| file_name.is_some_and(|file| file.to_ascii_lowercase().contains(name));
    if vault::kv::fits(document) {
        return Some(Format::VaultKv);
    }
    if vault::safe::fits_second(document) {
        return Some(Format::Safe);
    }
    if vault::vkv::fits(document) {
        return Some(Format::Vkv);
    }
    if vault::safe::fits_first(document) && !is_named("medusa") {
        return Some(Format::Safe);
    }
    vault::medusa::fits(document).then_some(Format::Medusa)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sample_shows_what_it_is() {
        macro_rules! sample {
            ($path:literal) => {
                &include_bytes!(concat!("../../tests/samples/", $path))[..]
            };
        }
        for (bytes, format) in [
            (sample!("kdbx/pykeepass-4.kdbx"), Format::Kdbx),
            (sample!("kdbx/kdbxweb-3.1.kdbx"), Format::Kdbx),
            (sample!("env/dot.env"), Format::Env),
            (sample!("vault-kv/v1.json"), Format::VaultKv),
            (sample!("vault-kv/v2.json"), Format::VaultKv),
            (sample!("vault-kv/deleted.json"), Format::VaultKv),
            (sample!("medusa/export.yaml"), Format::Medusa),
            (sample!("medusa/export.json"), Format::Medusa),
            (sample!("vkv/export.yaml"), Format::Vkv),
            (sample!("vkv/export.json"), Format::Vkv),
            (sample!("safe/v1.json"), Format::Safe),
            (sample!("safe/v2.json"), Format::Safe),
            (sample!("cxf/header.json"), Format::Cxf),
            (sample!("cxf/draft-account.json"), Format::Cxf),
            (sample!("vaultterm/two.vaultterm"), Format::Vaultterm),
        ] {
            assert_eq!(recognise(bytes, None), Some(format));
        }
    }

    #[test]
    fn a_name_decides_only_where_the_content_fits_several() {
        let document = br#"{"secret/app":{"a":"b"}}"#;
        assert_eq!(recognise(document, Some("Medusa-2026.json")), Some(Format::Medusa));
        assert_eq!(recognise(document, Some("x.json")), Some(Format::Safe));
        assert_eq!(recognise(b"A=1\n", Some("medusa.yaml")), Some(Format::Env));
    }

    #[test]
    fn other_files_are_not_recognised() {
        for bytes in [
            &b""[..],
            b"# only a comment\n",
            b"name,url,username,password\na,b,c,d\n",
            b"{}",
            b"[]",
            b"{\"encrypted\":false,\"folders\":[],\"items\":[]}",
            b"PK\x03\x04",
            b"\xFF\xFE\0\0",
            b"hello",
        ] {
            assert_eq!(recognise(bytes, None), None, "{bytes:?}");
        }
    }
}
