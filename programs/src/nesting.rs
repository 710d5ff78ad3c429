//! A look at the source before Python's parser sees it: brackets that nest too deeply.
//!
//! The parser follows brackets by recursion, so that deep nesting would end the child by a stack overflow. CPython has the
//! same limit, and says so.

/// Brackets may nest this deeply.
pub const DEPTH_MAX: usize = 200;

/// The first line (from 1) whose brackets nest deeper than [`DEPTH_MAX`].
pub fn too_deep(source: &str) -> Option<usize> {
    let bytes = source.as_bytes();
    let (mut at, mut line, mut depth) = (0, 1, 0usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\n' => line += 1,
            b'#' => at += until_line_end(&bytes[at..]) - 1,
            b'"' | b'\'' => {
                let length = string_length(&bytes[at..], byte);
                let inside = &bytes[at..(at + length).min(bytes.len())];
                line += inside.iter().filter(|&&byte| byte == b'\n').count();
                at += length - 1;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Some(line);
        }
        at += 1;
    }
    None
}

/// Bytes of a comment, without the line end.
fn until_line_end(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len()).max(1)
}

/// Bytes of a string with its quotes; an unfinished one ends with its line, or with the text.
fn string_length(bytes: &[u8], quote: u8) -> usize {
    let triple = bytes.len() >= 3 && bytes[1] == quote && bytes[2] == quote;
    let mut at = if triple { 3 } else { 1 };
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'\n' if !triple => return at,
            byte if byte == quote && !triple => return at + 1,
            byte if byte == quote && bytes[at..].starts_with(&[quote; 3]) => return at + 3,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_brackets_are_found_with_their_line() {
        let deep = format!("x = 1\ny = {}1{}\n", "[(".repeat(101), ")]".repeat(101));
        assert_eq!(too_deep(&deep), Some(2));
        assert_eq!(too_deep(&format!("\n{}", "{".repeat(201))), Some(2));
        assert_eq!(too_deep(&"(".repeat(200)), None);
    }

    #[test]
    fn brackets_in_texts_and_comments_do_not_count() {
        let many = "(".repeat(300);
        for source in [
            format!("# {many}\nx = 1\n"),
            format!("x = '{many}'\n"),
            format!("x = \"\"\"{many}\n{many}\"\"\"\n"),
            format!("x = '\\'{many}'\n"),
            "x = '".to_owned(),
            "x = '''".to_owned(),
            "#".to_owned(),
            "'\\".to_owned(),
        ] {
            assert_eq!(too_deep(&source), None, "{source}");
        }
    }
}
