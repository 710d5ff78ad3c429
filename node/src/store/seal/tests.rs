use super::super::disk::Disk;
use super::super::durable::{Fatal, Layout};
use super::*;

const ONE: Table = Table("one");
const TWO: Table = Table("two");
const LAYOUT: Layout = Layout { file: "test.redb", schema: 1, tables: &[ONE, TWO] };

fn store() -> Durable {
    Durable::open_on(Disk::default(), LAYOUT, Fatal::call(|_| {})).expect("opens")
}

#[test]
fn a_sealed_row_opens_only_in_its_own_place() {
    let root = RootKey::from_bytes([7; 32]);
    let (here, elsewhere) = (store(), store());
    let key = root.table(&here, ONE);
    let sealed = key.seal(b"row", b"content").expect("sealed");
    assert_eq!(key.open(b"row", &sealed).expect("opens").as_slice(), b"content");
    assert!(key.open(b"other row", &sealed).is_err());
    assert!(root.table(&here, TWO).open(b"row", &sealed).is_err());
    assert!(root.table(&elsewhere, ONE).open(b"row", &sealed).is_err());
    assert!(RootKey::from_bytes([8; 32]).table(&here, ONE).open(b"row", &sealed).is_err());
    for at in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[at] ^= 1;
        assert!(key.open(b"row", &altered).is_err(), "byte {at}");
    }
    for len in 0..sealed.len() {
        assert!(key.open(b"row", &sealed[..len]).is_err(), "length {len}");
    }
    assert_eq!(sealed.len(), b"content".len() + OVERHEAD);
}

#[test]
fn two_sealings_of_one_content_differ() {
    let key = DataKey::generate().expect("random");
    assert_ne!(key.seal(b"", b"x").expect("sealed"), key.seal(b"", b"x").expect("sealed"));
}

#[test]
fn a_wrapped_data_key_comes_back_whole() {
    let root = RootKey::from_bytes([7; 32]);
    let table = root.table(&store(), ONE);
    let key = DataKey::generate().expect("random");
    let wrapped = table.wrap(b"row", &key).expect("wrapped");
    let sealed = key.seal(b"place", b"content").expect("sealed");
    let back = table.unwrap(b"row", &wrapped).expect("opens");
    assert_eq!(back.open(b"place", &sealed).expect("opens").as_slice(), b"content");
    assert!(table.unwrap(b"another row", &wrapped).is_err());
}

#[cfg(unix)]
#[test]
fn a_root_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("root.key");
    let made = RootKey::create(&path).expect("made");
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    assert!(RootKey::load(&path).expect("loads").0 == made.0);
    assert!(matches!(RootKey::create(&path), Err(RootKeyError::Unreadable { .. })), "never overwritten");
    for mode in [0o640, 0o604, 0o660, 0o601] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
        assert!(matches!(RootKey::load(&path), Err(RootKeyError::Exposed { .. })), "{mode:o}");
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
    std::fs::write(&path, [1; 31]).expect("written");
    assert!(matches!(RootKey::load(&path), Err(RootKeyError::WrongLength { .. })));
}
