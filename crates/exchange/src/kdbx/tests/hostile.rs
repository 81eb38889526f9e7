//! Databases that were made to do harm: bombs, work without end, XML that unfolds, and every byte of a database bent.

use super::{
    super::{header, read},
    database::{Database, aes_kdf, argon2},
    password,
};
use crate::{
    limits::{
        AES_ROUNDS_MAX, ARGON2_ITERATIONS_MAX, ARGON2_LANES_MAX, ARGON2_WORK_MIB_MAX, DEPTH_MAX, ITEMS_MAX,
        KDF_MEMORY_KIB_MAX, Limit, LimitMet, UNFOLDED_BYTES_MAX,
    },
    refused::FileError,
    testing,
};

const XML: &str = "<?xml version=\"1.0\"?><KeePassFile><Meta><Generator>x</Generator></Meta><Root><Group><Name>All</Name>\
    <Group><Name>Work</Name><Entry><UUID>ICEiIyQlJicoKSorLC0uLw==</UUID><Tags>a;b</Tags>\
    <Times><LastModificationTime>2023-01-02T03:04:05Z</LastModificationTime><Expires>False</Expires></Times>\
    <String><Key>Title</Key><Value>Mail</Value></String><String><Key>Password</Key><Value>geheim-1</Value></String>\
    <Binary><Key>a</Key><Value Ref=\"0\"/></Binary>\
    <History><Entry><String><Key>Title</Key><Value>Mail</Value></String><String><Key>Password</Key>\
    <Value>geheim-0</Value></String></Entry></History></Entry></Group></Group></Root></KeePassFile>";

fn refused(database: &Database, xml: &str) -> FileError {
    read(&database.around(xml.as_bytes()), &password("geheim")).unwrap_err()
}

/// A document with these parts in its only group.
fn in_a_group(parts: &str) -> String {
    format!("<KeePassFile><Root><Group>{parts}</Group></Root></KeePassFile>")
}

#[test]
fn a_bomb_is_stopped_where_the_limit_is() {
    let zeros = vec![b' '; usize::try_from(UNFOLDED_BYTES_MAX).unwrap() + 1];
    for is_four in [true, false] {
        let bomb = Database { is_four, ..Database::default() }.around(&zeros);
        assert!(bomb.len() < 2_000_000, "{}", bomb.len());
        let met = LimitMet { limit: Limit::UnfoldedBytes, found: None, max: UNFOLDED_BYTES_MAX };
        assert_eq!(read(&bomb, &password("geheim")).unwrap_err(), met.into());
    }
}

#[test]
fn work_beyond_the_bounds_is_refused_and_work_within_them_is_not() {
    const GIB: u64 = 1024 * 1024 * 1024;
    let (memory, lanes) = (KDF_MEMORY_KIB_MAX * 1024, u32::try_from(ARGON2_LANES_MAX).unwrap());
    for (file, limit, found) in [
        (argon2(2 * GIB, 2, 1, 0x13, &[7; 32]), Limit::KdfMemory, 2 * 1024 * 1024),
        (argon2(memory + 1, 2, 1, 0x13, &[7; 32]), Limit::KdfMemory, KDF_MEMORY_KIB_MAX + 1),
        (
            argon2(1 << 20, ARGON2_ITERATIONS_MAX + 1, 1, 0x13, &[7; 32]),
            Limit::KdfIterations,
            ARGON2_ITERATIONS_MAX + 1,
        ),
        (argon2(1 << 20, 2, lanes + 1, 0x13, &[7; 32]), Limit::KdfLanes, ARGON2_LANES_MAX + 1),
        (argon2(memory, 33, 1, 0x13, &[7; 32]), Limit::KdfWork, ARGON2_WORK_MIB_MAX + 256),
        (aes_kdf(AES_ROUNDS_MAX + 1), Limit::AesRounds, AES_ROUNDS_MAX + 1),
    ] {
        let Err(FileError::Limit { met }) = read(&file, &password("geheim")) else { panic!("{limit} is no limit") };
        assert_eq!((met.limit, met.found), (limit, Some(found)));
    }
    for file in [
        argon2(memory, 32, lanes, 0x13, &[7; 32]),
        argon2(memory / 2, ARGON2_ITERATIONS_MAX, lanes, 0x13, &[7; 32]),
        aes_kdf(AES_ROUNDS_MAX),
    ] {
        header::read(&file).unwrap().check().unwrap();
    }
}

#[test]
fn parameters_that_no_derivation_has_are_refused() {
    let long = [7; 200];
    for file in [
        argon2(0, 2, 1, 0x13, &[7; 32]),
        argon2(8 * 1024, 2, 2, 0x13, &[7; 32]),
        argon2(1 << 20, 0, 1, 0x13, &[7; 32]),
        argon2(1 << 20, 2, 0, 0x13, &[7; 32]),
        argon2(1 << 20, 2, 1, 0x12, &[7; 32]),
        argon2(1 << 20, 2, 1, 0x13, &[7; 7]),
        argon2(1 << 20, 2, 1, 0x13, &[]),
        argon2(1 << 20, 2, 1, 0x13, &long),
    ] {
        let refused = read(&file, &password("geheim")).unwrap_err();
        assert!(matches!(refused, FileError::Damaged { .. }), "{refused}");
    }
    // What is right but for the password: the derivation is done.
    let file = argon2(1 << 20, 2, 2, 0x13, &[7; 32]);
    assert_eq!(read(&file, &password("geheim")).unwrap_err(), FileError::WrongPasswordAlone);
}

#[test]
fn a_cipher_within_that_nobody_uses_any_more_is_refused() {
    for is_four in [true, false] {
        // 1 is the stream of KeePass 2.0, which no later version writes.
        for stream in [1, 4, u32::MAX] {
            let refused = refused(&Database { is_four, stream, ..Database::default() }, XML).to_string();
            assert!(refused.contains("a cipher that VaultTerm does not know"), "{refused}");
        }
    }
}

#[test]
fn xml_within_a_database_unfolds_nothing() {
    let mut entities = "<!ENTITY a \"aaaaaaaaaa\">".to_owned();
    for pair in ["ab", "bc", "cd"] {
        let (from, to) = pair.split_at(1);
        entities.push_str(&format!("<!ENTITY {to} \"{}\">", format!("&{from};").repeat(10)));
    }
    let bomb = format!("<!DOCTYPE KeePassFile [{entities}]>{}", in_a_group("<Name>&d;</Name>"));
    let outside =
        format!("<!DOCTYPE KeePassFile [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>{}", in_a_group("<Name>&a;</Name>"));
    let depth = usize::try_from(DEPTH_MAX).unwrap() + 1;
    let deep = format!("{}{}", "<Group>".repeat(depth), "</Group>".repeat(depth));
    for (xml, words) in [
        (bomb, "document type"),
        (outside, "document type"),
        (in_a_group("<Name>&a;</Name>"), "entity of its own"),
        (in_a_group(&deep), "levels of nesting"),
        (
            in_a_group("<Entry><String><Key>Title</Key><Value Protected=\"True\">?</Value></String></Entry>"),
            "not Base64",
        ),
        (in_a_group("<Entry>"), "well formed"),
    ] {
        let refused = refused(&Database { stream: 3, ..Database::default() }, &xml).to_string();
        assert!(refused.contains(words), "{words}: {refused}");
    }
}

#[test]
fn too_many_entries_elements_and_attachments_are_refused() {
    let entries = "<Entry/>".repeat(usize::try_from(ITEMS_MAX).unwrap() + 1);
    let met = LimitMet { limit: Limit::Items, found: None, max: ITEMS_MAX };
    assert_eq!(refused(&Database::default(), &in_a_group(&entries)), met.into());
    let elements = format!("<Entry>{}</Entry>", "<x/>".repeat(1_000_001));
    let too_many = refused(&Database::default(), &in_a_group(&elements)).to_string();
    assert!(too_many.contains("too many elements"), "{too_many}");
    let binaries = vec![Vec::new(); 100_001];
    let too_many = refused(&Database { binaries, ..Database::default() }, XML).to_string();
    assert!(too_many.contains("unknown kind"), "{too_many}");
}

#[test]
fn a_bent_database_is_read_or_refused_at_every_byte() {
    for (is_four, is_aes, is_compressed) in
        [(true, true, true), (true, true, false), (true, false, false), (false, true, true), (false, true, false)]
    {
        let database = Database { is_four, is_aes, is_compressed, stream: 3, binaries: vec![vec![1; 5]] };
        testing::shake(&database.around(XML.as_bytes()), &password("geheim"), read);
    }
}

#[test]
fn bent_content_under_right_checks_is_read_or_refused_at_every_byte() {
    testing::shake(XML.as_bytes(), &password("geheim"), |xml, options| {
        read(&Database { is_compressed: false, stream: 2, ..Database::default() }.around(xml), options)
    });
}

#[test]
fn typing_that_nobody_changed_is_no_loss_and_the_codes_of_a_plugin_become_a_link() {
    let entry = |typing: &str, more: &str| {
        in_a_group(&format!(
            "<Entry><String><Key>Title</Key><Value>Mail</Value></String>{more}<AutoType>{typing}</AutoType></Entry>"
        ))
    };
    let outline =
        |xml: &str| testing::outline(&read(&Database::default().around(xml.as_bytes()), &password("geheim")).unwrap());
    // As KeePassXC and as pykeepass write it.
    for usual in [
        "<Enabled>True</Enabled><DefaultSequence/>",
        "<Enabled>True</Enabled><DefaultSequence>None</DefaultSequence><Association><Window/><KeystrokeSequence/></Association>",
    ] {
        assert_eq!(outline(&entry(usual, "")), ["PASSWORD Mail"]);
    }
    for changed in ["<Enabled>False</Enabled>", "<DefaultSequence>{PASSWORD}</DefaultSequence>"] {
        assert_eq!(outline(&entry(changed, ""))[1], "  lost setting for filling in forms `AutoType`");
    }
    let seed = |settings: &str| {
        let string = |name: &str, value: &str| format!("<String><Key>{name}</Key><Value>{value}</Value></String>");
        string("TOTP Seed", "JBSWY3DPEHPK3PXP") + &string("TOTP Settings", settings)
    };
    let link = "otpauth://totp/KeePass?secret=JBSWY3DPEHPK3PXP&algorithm=SHA1&digits=8&period=60";
    assert_eq!(outline(&entry("", &seed("60;8"))), [format!("PASSWORD Mail otpauth_url={link:?}")]);
    let steam = "PASSWORD Mail TOTP Seed=\"JBSWY3DPEHPK3PXP\" TOTP Settings=\"30;S\"";
    assert_eq!(outline(&entry("", &seed("30;S"))), [steam]);
}
