//! The programs that come with `vcp`, inside the binary.

/// A program's source.
pub struct Supplied {
    pub name: &'static str,
    pub source: &'static str,
}

/// All of them.
pub fn programs() -> impl Iterator<Item = Supplied> {
    polyyne_programs::LIBRARY.iter().map(|&(name, source)| Supplied { name, source })
}

/// The program of this name.
pub fn find(name: &str) -> Option<Supplied> {
    programs().find(|program| program.name == name)
}

impl Supplied {
    /// What it does: the first paragraph of its header.
    pub fn about(&self) -> String {
        let header = self.source.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
        header.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_says_what_it_does() {
        for program in programs() {
            assert!(!program.about().is_empty(), "{}", program.name);
        }
    }
}
