//! `vcp secret`: values in a cloud of which no member learns anything.

use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use polyyne_protocol::client::{Client, Fetched, PutTerms};
use polyyne_protocol::id::{ProgramHash, SecretId};
use polyyne_protocol::limits::{PAGE_MAX, SECRET_WORDS_MAX};
use polyyne_protocol::request::{List, Listed, Page};
use polyyne_protocol::secret::{FRACTION_BITS_DEFAULT, Policy, SecretDescription, SecretKind, SecretValue};
use polyyne_protocol::tag::{Tag, TagValue, Tags};
use serde::Serialize;
use zeroize::Zeroizing;

use super::arguments::{Secret, SecretPut};
use super::client::connect;
use super::failure::{Context as _, Failure};
use super::screen::Screen;

/// Longest file of values: a number of 40 digits on each line.
const FILE_BYTES_MAX: u64 = 41 * SECRET_WORDS_MAX as u64;

pub async fn run(screen: &Screen, wish: Secret) -> Result<(), Failure> {
    match wish {
        Secret::Put(wish) => put(screen, &wish).await,
        Secret::Get { id, client } => get(screen, &mut connect(screen, &client).await?, id).await,
        Secret::List { filter, sort, client } => {
            list(screen, &mut connect(screen, &client).await?, filter.unwrap_or_default(), sort).await
        }
        Secret::Tag { id, tags, client } => {
            let (remove, set): (Vec<_>, Vec<_>) = tags.into_iter().partition(|(_, value)| value.is_empty());
            let remove = remove.into_iter().map(|(key, _)| key).collect();
            let set = self::tags(&set)?;
            let tags = connect(screen, &client).await?.tag(id, set, remove).await?;
            screen.show(&tags, |screen, tags| screen.line(written(tags)));
            Ok(())
        }
        Secret::Delete { ids, client } => {
            let mut client = connect(screen, &client).await?;
            for id in ids {
                client.delete(id).await?;
                screen.note(format!("deleted {id}"));
            }
            screen.show(&serde_json::json!({}), |_, _| {});
            Ok(())
        }
    }
}

#[derive(Serialize)]
struct Stored {
    id: SecretId,
}

async fn put(screen: &Screen, wish: &SecretPut) -> Result<(), Failure> {
    let value = value(wish)?;
    let terms = PutTerms {
        id: None,
        tags: tags(&wish.tag)?,
        policy: policy(&wish.allow_program),
        expires: wish.ttl.map(expiry),
    };
    let mut client = connect(screen, &wish.client).await?;
    let id = store(screen, &mut client, &value, terms).await?;
    screen.show(&Stored { id }, |screen, stored| screen.line(stored.id));
    Ok(())
}

/// Stores a value at all members.
pub async fn store(
    screen: &Screen,
    client: &mut Client,
    value: &SecretValue,
    terms: PutTerms,
) -> Result<SecretId, Failure> {
    let waiting = screen.spinner("all members store a share");
    let stored = client.put(value, terms).await;
    waiting.finish_and_clear();
    Ok(stored?)
}

fn value(wish: &SecretPut) -> Result<SecretValue, Failure> {
    let texts = match &wish.file {
        None => Zeroizing::new(wish.values.clone()),
        Some(path) if wish.bytes => return Ok(SecretValue::bytes(read(path)?.to_vec())),
        Some(path) => {
            let bytes = read(path)?;
            let text = std::str::from_utf8(&bytes).or_failed(path.display())?;
            Zeroizing::new(text.split_whitespace().map(str::to_owned).collect())
        }
    };
    match (wish.bytes, wish.fixed) {
        (true, _) => match texts.as_slice() {
            [text] => Ok(SecretValue::bytes(text.clone().into_bytes())),
            _ => Err(Failure::usage("--bytes takes one value, or a file")),
        },
        (false, true) => SecretValue::parse_fixed(&texts, FRACTION_BITS_DEFAULT).map_err(Failure::usage),
        (false, false) => SecretValue::parse_integers(&texts).map_err(Failure::usage),
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let source: Box<dyn std::io::Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => {
            Box::new(std::fs::File::open(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?)
        }
    };
    let mut bytes = Zeroizing::new(Vec::new());
    source.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).or_failed(path.display())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::usage(format!("{} is longer than a secret may be", path.display())));
    }
    Ok(bytes)
}

/// Tags from `key=value`; whole numbers become numbers.
fn tags(pairs: &[(String, String)]) -> Result<Tags, Failure> {
    let tag = |(key, value): &(String, String)| {
        let value = value.parse().map_or_else(|_| TagValue::Text(value.clone()), TagValue::Long);
        Tag::new(key, value)
    };
    let tags = pairs.iter().map(tag).collect::<Result<_, _>>().and_then(Tags::new);
    tags.map_err(Failure::usage)
}

fn policy(programs: &[ProgramHash]) -> Policy {
    match programs {
        [] => Policy::default(),
        programs => Policy::for_programs(programs.to_vec()),
    }
}

fn expiry(ttl: Duration) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_add(ttl).as_secs()
}

/// A fetched secret as JSON: what was asked for, on the user's own screen.
#[derive(Serialize)]
struct Shown<'a> {
    id: SecretId,
    values: &'a [String],
    tags: &'a Tags,
}

async fn get(screen: &Screen, client: &mut Client, id: SecretId) -> Result<(), Failure> {
    let Fetched { description, value } = client.get(id).await?;
    let texts = value.texts();
    screen.show(&Shown { id, values: &texts, tags: &description.tags }, |screen, shown| {
        shown.values.iter().for_each(|value| screen.line(value));
    });
    Ok(())
}

async fn list(screen: &Screen, client: &mut Client, filter: String, sort: Option<String>) -> Result<(), Failure> {
    let mut all = Listed { secrets: Vec::new(), total: 0 };
    for number in 0.. {
        let page = Page { number, size: PAGE_MAX };
        let part = client.list(List { filter: filter.clone(), sort: sort.clone(), page }).await?;
        let last = part.secrets.len() < PAGE_MAX as usize;
        all.total = part.total;
        all.secrets.extend(part.secrets);
        if last {
            break;
        }
    }
    screen.show(&all, |screen, all| {
        let heading = ["secret", "words", "type", "created", "tags"];
        screen.table(&heading, all.secrets.iter().map(row), "no secrets");
    });
    Ok(())
}

fn row(secret: &SecretDescription) -> Vec<String> {
    let created = i64::try_from(secret.created).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    vec![
        secret.id.to_string(),
        secret.words.to_string(),
        match secret.kind {
            SecretKind::Integers => "integers".into(),
            SecretKind::Fixed { .. } => "fixed point".into(),
            SecretKind::Bytes { length } => format!("{length} bytes"),
        },
        created.map(|time| time.to_string()).unwrap_or_default(),
        written(&secret.tags),
    ]
}

fn written(tags: &Tags) -> String {
    tags.iter().map(|tag| format!("{}={}", tag.key, tag.value)).collect::<Vec<_>>().join(" ")
}
