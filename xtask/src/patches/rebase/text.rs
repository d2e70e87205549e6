//! A carried patch as text: its own head, and the diff written anew.
use crate::patches::mail::Mail;
use crate::patches::{Patch, commits, render};
use anyhow::Result;
use git2::{Oid, Repository};

pub fn rewritten(repository: &Repository, patch: &Patch, before: Oid, after: Oid) -> Result<Vec<u8>> {
    rewritten_as(repository, patch, commits::mail(patch)?, before, after)
}

pub fn rewritten_as(repository: &Repository, patch: &Patch, mail: Mail, before: Oid, after: Oid) -> Result<Vec<u8>> {
    let mut text = if mail == commits::mail(patch)? { patch.text[..patch.diff.start()].to_vec() } else { mail.write() };
    text.extend(render::diff(repository, &repository.find_tree(before)?, &repository.find_tree(after)?)?);
    Ok(text)
}
