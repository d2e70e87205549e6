//! The last touch to a package: what the crate takes from the clock or knows no word for, and digests over the result.

use anyhow::{Context as _, Result};
use rpm::{Header, HeaderEntry, IndexData, IndexTag, Package, RpmFormat, SignatureHeaderBuilder};

/// The bytes of a package that names its source and whose only time is `epoch`: where the machine's clock is before it, the crate
/// would name the clock's time as that of the build.
pub fn finish(mut package: Package, source: &str, epoch: u32) -> Result<Vec<u8>> {
    let region = IndexTag::RPMTAG_HEADERIMMUTABLE;
    let entries = package.metadata.header.get_all_entries()?.into_iter().filter(|(tag, _)| *tag != region as u32);
    let entries = entries.map(|(tag, data)| {
        let data = match tag {
            tag if tag == IndexTag::RPMTAG_SOURCERPM as u32 => IndexData::StringTag(source.to_owned()),
            tag if tag == IndexTag::RPMTAG_BUILDTIME as u32 => IndexData::Int32(vec![epoch]),
            _ => data,
        };
        HeaderEntry::new(tag, data)
    });
    package.metadata.header = Header::from_entries(entries.collect::<Vec<_>>(), region);
    let header = package.header_bytes()?;
    // With the room that rpmsign puts a signature into.
    let signature = SignatureHeaderBuilder::new()
        .format(RpmFormat::V4)
        .set_content_length((header.len() + package.payload.len()) as u64)
        .calculate_digests(&header);
    package.metadata.signature = signature.build()?;
    let mut bytes = Vec::new();
    package.write(&mut bytes).context("writing the package")?;
    Ok(bytes)
}
