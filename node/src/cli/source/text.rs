//! Source text in the encoding that it names, as Python reads it: UTF-8, or the one of a `coding` comment in one of its
//! first two lines.

use std::path::Path;

use crate::cli::failure::Failure;

/// The text of a file.
pub fn read(path: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    decode(&bytes)
        .map_err(|what| Failure::usage(format!("{}: {what}", path.display())).remedy("write the file in UTF-8"))
}

/// Text of bytes, or what is wrong with them.
pub fn decode(bytes: &[u8]) -> Result<String, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let encoding = named(bytes).unwrap_or_else(|| "utf-8".into());
    match encoding.as_str() {
        "utf-8" | "utf8" | "u8" | "ascii" | "us-ascii" => {
            std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
                format!("the byte at {} is not UTF-8, and no other encoding is named", error.valid_up_to())
            })
        }
        "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" | "l1" => {
            Ok(bytes.iter().map(|&byte| char::from(byte)).collect())
        }
        "iso-8859-15" | "latin-9" | "latin9" => Ok(bytes.iter().map(|&byte| western(byte, &LATIN_9)).collect()),
        "cp1252" | "windows-1252" => Ok(bytes.iter().map(|&byte| western(byte, &WINDOWS)).collect()),
        other => Err(format!("the encoding {other} is not supported")),
    }
}

/// Where Latin-9 differs from Latin-1.
const LATIN_9: [(u8, char); 8] =
    [(0xa4, '€'), (0xa6, 'Š'), (0xa8, 'š'), (0xb4, 'Ž'), (0xb8, 'ž'), (0xbc, 'Œ'), (0xbd, 'œ'), (0xbe, 'Ÿ')];

/// What Windows writes where Latin-1 has control characters.
const WINDOWS: [(u8, char); 27] = [
    (0x80, '€'),
    (0x82, '‚'),
    (0x83, 'ƒ'),
    (0x84, '„'),
    (0x85, '…'),
    (0x86, '†'),
    (0x87, '‡'),
    (0x88, 'ˆ'),
    (0x89, '‰'),
    (0x8a, 'Š'),
    (0x8b, '‹'),
    (0x8c, 'Œ'),
    (0x8e, 'Ž'),
    (0x91, '‘'),
    (0x92, '’'),
    (0x93, '“'),
    (0x94, '”'),
    (0x95, '•'),
    (0x96, '–'),
    (0x97, '—'),
    (0x98, '˜'),
    (0x99, '™'),
    (0x9a, 'š'),
    (0x9b, '›'),
    (0x9c, 'œ'),
    (0x9e, 'ž'),
    (0x9f, 'Ÿ'),
];

fn western(byte: u8, differs: &[(u8, char)]) -> char {
    differs.iter().find(|(known, _)| *known == byte).map_or(char::from(byte), |&(_, character)| character)
}

/// What a comment such as `# -*- coding: latin-1 -*-` in the first two lines names, in small letters with hyphens.
fn named(bytes: &[u8]) -> Option<String> {
    bytes.split(|&byte| byte == b'\n').take(2).find_map(|line| {
        let line = String::from_utf8_lossy(line).into_owned();
        let comment = line.trim_start().strip_prefix('#')?;
        let rest = comment.split_once("coding")?.1.strip_prefix([':', '='])?.trim_start();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(rest.len());
        Some(rest[..end].to_ascii_lowercase().replace('_', "-"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_is_read_in_the_encoding_that_it_names() {
        assert_eq!(decode("x = 'é'".as_bytes()).unwrap(), "x = 'é'");
        assert_eq!(decode(b"\xef\xbb\xbfx").unwrap(), "x");
        assert_eq!(decode(b"# coding: latin-1\n'\xe9'").unwrap(), "# coding: latin-1\n'é'");
        assert_eq!(decode(b"#!/x\n# -*- coding: cp1252 -*-\n\x80").unwrap(), "#!/x\n# -*- coding: cp1252 -*-\n€");
        assert!(decode(b"'\xe9'").is_err());
        assert!(decode(b"# coding: rot13\n").is_err());
    }
}
