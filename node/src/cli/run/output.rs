//! What each party prints, kept in files: `Output-P<party>-0` for text and `Binary-Output-P<party>-<thread>` for numbers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use polyyne_engine::vm::Printer;

/// One party's files; what party 0 prints is shown as well.
pub struct Kept<'a> {
    folder: PathBuf,
    party: usize,
    text: File,
    binary: BTreeMap<u32, File>,
    shown: Option<&'a mut (dyn Printer + Send)>,
    /// The first thing that could not be written.
    lost: Option<io::Error>,
}

impl<'a> Kept<'a> {
    /// Opens the party's text file, in a folder that is made if it is not there.
    pub fn create(folder: &Path, party: usize, shown: Option<&'a mut (dyn Printer + Send)>) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let text = File::create(folder.join(format!("Output-P{party}-0")))?;
        Ok(Self { folder: folder.to_owned(), party, text, binary: BTreeMap::new(), shown, lost: None })
    }

    /// Whether all was written.
    pub fn finish(self) -> io::Result<()> {
        self.lost.map_or(Ok(()), Err)
    }

    fn keep(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.lost.get_or_insert(error);
        }
    }

    fn write_binary(&mut self, thread: u32, bytes: &[u8]) -> io::Result<()> {
        if !self.binary.contains_key(&thread) {
            let name = format!("Binary-Output-P{}-{thread}", self.party);
            self.binary.insert(thread, File::create(self.folder.join(name))?);
        }
        self.binary.get_mut(&thread).map_or(Ok(()), |file| file.write_all(bytes))
    }
}

impl Printer for Kept<'_> {
    fn release(&mut self, text: &[u8]) {
        let written = self.text.write_all(text);
        self.keep(written);
        if let Some(shown) = &mut self.shown {
            shown.release(text);
        }
    }

    fn binary(&mut self, thread: u32, bytes: &[u8]) {
        let written = self.write_binary(thread, bytes);
        self.keep(written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_numbers_lie_in_files_of_their_party() {
        let folder = std::env::temp_dir().join(format!("polyyne-output-{}", std::process::id()));
        let mut shown = Vec::new();
        let mut kept = Kept::create(&folder, 1, Some(&mut shown)).unwrap();
        kept.release(b"a line\n");
        kept.binary(2, &[1, 2]);
        kept.finish().unwrap();
        assert_eq!(std::fs::read(folder.join("Output-P1-0")).unwrap(), b"a line\n");
        assert_eq!(std::fs::read(folder.join("Binary-Output-P1-2")).unwrap(), [1, 2]);
        assert_eq!(shown, b"a line\n");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
